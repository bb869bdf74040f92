//! Comparing hosts with what was accepted, against evaluating them by hand one after the
//! other, as a script would.

use std::path::Path;

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::real::{HOSTS, Real},
    report::{Columns, Ratio, Report},
    run::{Contender, LONG, in_turn},
};

/// Without cbox's memory, and without Nix's.
pub(crate) fn cold(
    environment: &Environment,
    real: &mut Real,
    report: &mut Report,
) -> Result<(), Failure> {
    real.accept(environment)?;
    let folder = &real.folder;
    report.note(&same_derivations(environment, folder)?);
    let contenders = [
        by_hand(environment, folder),
        verify(environment, folder, &["--no-cache"]),
    ];
    let series = in_turn(environment, &contenders, LONG);
    report.timings(&series, Ratio::Faster, &Columns::default());
    Ok(())
}

/// With both: what a second run in an unchanged tree costs.
///
/// `nix eval` evaluates anew each time. The commands that take derivations do remember, so
/// the one of them that only names its derivation stands beside it.
pub(crate) fn warm(
    environment: &Environment,
    real: &mut Real,
    report: &mut Report,
) -> Result<(), Failure> {
    real.accept(environment)?;
    let folder = &real.folder;
    let contenders = [
        by_hand(environment, folder),
        remembered(environment, folder),
        verify(environment, folder, &[]),
    ];
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
fn by_hand(environment: &Environment, folder: &Path) -> Contender {
    let steps = HOSTS.map(|host| eval(environment, folder, host));
    Contender::new("nix eval, each host", steps.to_vec())
}

fn eval(environment: &Environment, folder: &Path, host: &str) -> Command {
    let attribute = format!(".#{}.drvPath", toplevel(host));
    let words = [
        "eval",
        "--raw",
        &attribute,
        "--option",
        "eval-cache",
        "false",
    ];
    environment.nix(folder, words)
}

/// The same answers out of Nix's own memory of evaluations.
fn remembered(environment: &Environment, folder: &Path) -> Contender {
    let steps = HOSTS.map(|host| {
        let attribute = format!(".#{}", toplevel(host));
        environment.nix(folder, ["path-info", "--derivation", &attribute])
    });
    Contender::new("nix path-info --derivation, each host", steps.to_vec())
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
