//! Comparing hosts with what was accepted, against evaluating them as a script or another tool
//! does.

use std::path::Path;

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::real::{HOSTS, Real},
    peers::Peer,
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, LONG, in_turn},
};

/// Nix takes nothing from its memory of evaluations.
const FORGETFUL: [&str; 3] = ["--option", "eval-cache", "false"];

/// Without cbox's memory, and without Nix's.
pub(crate) fn cold(
    environment: &Environment,
    real: &mut Real,
    report: &mut Report,
) -> Result<(), Failure> {
    real.accept(environment)?;
    let folder = &real.folder;
    let hosts = HOSTS.map(str::to_owned);
    report.note(&same_derivations(environment, folder)?);
    let mut contenders = vec![
        by_hand(environment, folder, &hosts),
        dry_run(environment, folder, &hosts, &FORGETFUL),
        impure(environment, folder, &hosts),
    ];
    match jobs(environment, folder) {
        Ok(jobs) => contenders.push(jobs),
        Err(why) => report.left_out(&why),
    }
    contenders.push(verify(environment, folder, &["--no-cache"]));
    let series = in_turn(environment, &contenders, LONG);
    report.timings(&series, Ratio::Faster, &Columns::default());
    Ok(())
}

/// With both: what a second run in an unchanged tree costs.
///
/// `nix eval` evaluates anew each time. The commands that take derivations do remember, so
/// those of them that build nothing stand beside it.
pub(crate) fn warm(
    environment: &Environment,
    real: &mut Real,
    report: &mut Report,
) -> Result<(), Failure> {
    real.accept(environment)?;
    let folder = &real.folder;
    let hosts = HOSTS.map(str::to_owned);
    let mut contenders = vec![
        by_hand(environment, folder, &hosts),
        remembered(environment, folder, &hosts),
        dry_run(environment, folder, &hosts, &[]),
        impure(environment, folder, &hosts),
    ];
    match jobs(environment, folder) {
        Ok(jobs) => contenders.push(jobs),
        Err(why) => report.left_out(&why),
    }
    contenders.push(verify(environment, folder, &[]));
    let series = in_turn(environment, &contenders, LONG);
    report.timings(&series, Ratio::Faster, &Columns::default());
    Ok(())
}

/// `cbox verify-hosts`. Nothing differs, and to find a difference is a failure.
pub(crate) fn verify(environment: &Environment, folder: &Path, options: &[&str]) -> Contender {
    let words = ["verify-hosts"].iter().chain(options);
    let name: Vec<&str> = ["cbox verify-hosts"]
        .iter()
        .chain(options)
        .copied()
        .collect();
    Contender::new(name.join(" "), vec![environment.cbox(folder, words)])
}

/// One `nix eval` after the other.
pub(crate) fn by_hand(environment: &Environment, folder: &Path, hosts: &[String]) -> Contender {
    let steps = hosts.iter().map(|host| eval(environment, folder, host));
    Contender::new("nix eval, each host", steps.collect())
}

/// `nix build` of all at once, which then builds nothing. It remembers unless `options` say
/// otherwise.
fn dry_run(
    environment: &Environment,
    folder: &Path,
    hosts: &[String],
    options: &[&str],
) -> Contender {
    let words = ["build", "--dry-run", "--no-link"].map(str::to_owned);
    let targets = hosts.iter().map(|host| format!(".#{}", toplevel(host)));
    let options = options.iter().map(|&word| word.to_owned());
    let words = words.into_iter().chain(targets).chain(options);
    Contender::new(
        "nix build --dry-run, all hosts at once",
        vec![environment.nix(folder, words)],
    )
}

/// What stands in many a Makefile, for each host: it can remember nothing.
fn impure(environment: &Environment, folder: &Path, hosts: &[String]) -> Contender {
    let steps = hosts.iter().map(|host| {
        let expression = format!("(builtins.getFlake (toString ./.)).{}", toplevel(host));
        let words = [
            "build",
            "--impure",
            "--expr",
            &expression,
            "--dry-run",
            "--no-link",
        ];
        environment.nix(folder, words)
    });
    Contender::new(
        "nix build --impure --expr --dry-run, each host",
        steps.collect(),
    )
}

/// nix-eval-jobs over all hosts there are, with a worker for each core, as cbox has.
pub(crate) fn jobs(environment: &Environment, folder: &Path) -> Result<Contender, String> {
    let expression = "builtins.mapAttrs (_: host: host.config.system.build.toplevel) (builtins.getFlake (toString ./.)).nixosConfigurations";
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let roots = environment.scratch("gc-roots");
    let words = [
        "--impure",
        "--workers",
        &cores.to_string(),
        "--gc-roots-dir",
        &roots.to_string_lossy(),
        "--expr",
        expression,
    ]
    .map(str::to_owned);
    let command = environment.peer(Peer::NixEvalJobs, folder, words)?;
    Ok(Contender::new("nix-eval-jobs, all hosts", vec![command]))
}

fn eval(environment: &Environment, folder: &Path, host: &str) -> Command {
    let attribute = format!(".#{}.drvPath", toplevel(host));
    let words = ["eval", "--raw", &attribute];
    environment.nix(folder, words.iter().chain(&FORGETFUL))
}

/// The same answers out of Nix's own memory of evaluations.
pub(crate) fn remembered(environment: &Environment, folder: &Path, hosts: &[String]) -> Contender {
    let words = ["path-info", "--derivation"].map(str::to_owned).into_iter();
    let targets = hosts.iter().map(|host| format!(".#{}", toplevel(host)));
    Contender::new(
        "nix path-info --derivation, all hosts at once",
        vec![environment.nix(folder, words.chain(targets))],
    )
}

/// The attribute that holds what `host` builds.
fn toplevel(host: &str) -> String {
    format!("nixosConfigurations.{host}.config.system.build.toplevel")
}

/// Whether both sides speak of the same derivations, so that they did the same work.
fn same_derivations(environment: &Environment, folder: &Path) -> Result<String, Failure> {
    let file = folder.join("baseline.json");
    let baseline =
        std::fs::read_to_string(&file).map_err(|error| Failure::file("read", &file, &error))?;
    for host in HOSTS {
        let drv = eval(environment, folder, host).ask()?;
        let name = drv.rsplit('/').next().unwrap_or(&drv);
        if !baseline.contains(name) {
            return Err(Failure::new(format!(
                "`cbox accept` recorded another derivation of {host} than nix eval gives: {drv}"
            )));
        }
    }
    Ok("`cbox accept` recorded the derivations that nix eval gives".to_owned())
}
