//! What is cbox's own part where there are hundreds of hosts and targets: how long it works itself,
//! and how much memory it takes, told apart from Nix.

use std::path::{Path, PathBuf};

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::{commit, synthetic, write},
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, LONGEST, SHORT, Series, in_turn},
    text::{memory, time},
};

/// How many hosts there are; the first that is wanted counts.
const HOSTS: [usize; 3] = [500, 50, 5];
/// How many images there are for so many hosts.
const TARGETS: usize = 200;
/// Over how many machines the hosts go.
const SHARDS: &str = "8";

/// Made up for [`HOSTS`] and [`TARGETS`].
pub(crate) fn make(environment: &Environment, report: &mut Report) -> Result<(), Failure> {
    let wanted = environment.wanted(&HOSTS);
    let Some(&hosts) = wanted.first() else {
        return Ok(());
    };
    let targets = TARGETS * hosts / HOSTS[0];
    report.note(&format!(
        "hosts: {hosts}, each of {} derivations that are made up; targets: {targets}",
        synthetic::OF_A_SMALL_HOST
    ));
    report.note(
        "`own time` and `own memory` are of the process of cbox alone: how long it worked on all \
         its threads, to the hundredth of a second, and its peak; the rest is Nix",
    );
    let same = flake(environment, "same", hosts, targets)?;
    let other = flake(environment, "other", hosts, targets)?;
    let graph = other.join("graph.nix");
    let text =
        std::fs::read_to_string(&graph).map_err(|error| Failure::file("read", &graph, &error))?;
    write(&graph, &text.replace("leaf-1.0", "leaf-1.1"))?;
    commit(environment, &other)?;
    for folder in [&same, &other] {
        verdict(environment, folder, &[]).ask()?;
    }
    let parts = [parts(environment, &same)?, parts(environment, &other)?];
    let cbox = |folder: &Path, words: &[&str]| {
        let name = format!("cbox {}", words.join(" "));
        Contender::new(name, vec![environment.cbox(folder, words)])
    };
    let number = ["matrix", "--hosts", "--shards", SHARDS];
    let merge = |folder: &Path, parts: &[String]| {
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let words = [&["--merge"], &words[..]].concat();
        verdict(environment, folder, &words)
    };
    let merged = format!("cbox verify-hosts --merge, {SHARDS} parts");
    let contenders = [
        cbox(&same, &["list"]),
        cbox(&same, &["matrix"]),
        cbox(&same, &number),
        Contender::new(
            "cbox verify-hosts, nothing changed",
            vec![verdict(environment, &same, &[])],
        ),
        Contender::new(
            "cbox verify-hosts, all changed",
            vec![verdict(environment, &other, &[])],
        ),
        Contender::new(
            "cbox verify-hosts --no-cache, nothing changed",
            vec![verdict(environment, &same, &["--no-cache"])],
        )
        .at_most(LONGEST),
        Contender::new(
            format!("{merged}, nothing changed"),
            vec![merge(&same, &parts[0])],
        ),
        Contender::new(
            format!("{merged}, all changed"),
            vec![merge(&other, &parts[1])],
        ),
    ];
    let series = in_turn(environment, &contenders, SHORT);
    report.timings(&series, Ratio::Growth, &own(&series));
    Ok(())
}

/// The columns of cbox alone: of the times the median, of the memory the most.
fn own(series: &[Series]) -> Columns {
    let rows = series.iter().map(|series| {
        let mut times: Vec<f64> = series
            .runs
            .iter()
            .map(|run| run.own_time.as_secs_f64() * 1e3)
            .collect();
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let most = series.runs.iter().map(|run| run.own_memory).max();
        // The kernel counts in hundredths of a second.
        let median = match median {
            0.0 => "< 10 ms".to_owned(),
            median => time(median),
        };
        vec![median, memory(most.unwrap_or_default())]
    });
    Columns {
        heads: vec!["own time", "own memory"],
        rows: rows.collect(),
    }
}

/// `cbox verify-hosts`, which finds what it finds.
fn verdict(environment: &Environment, folder: &Path, words: &[&str]) -> Command {
    let words = ["verify-hosts"].iter().chain(words);
    environment.cbox(folder, words).good(&[0, 1])
}

/// A flake of so many hosts, which are accepted, and images.
fn flake(
    environment: &Environment,
    name: &str,
    hosts: usize,
    targets: usize,
) -> Result<PathBuf, Failure> {
    let folder = environment.scratch_folder(&format!("scale-{name}"))?;
    synthetic::hosts_in(environment, &folder, hosts, synthetic::OF_A_SMALL_HOST)?;
    let images = (1..=targets).map(|number| {
        format!(
            "\n[[target]]\nkind = \"disk\"\nformat = \"f{number}\"\nhost = \"growth-1\"\n\
             attribute = \"system.build.toplevel\"\nartifact = \"*.iso\"\nsystems = [\"{}-linux\"]\n",
            std::env::consts::ARCH
        )
    });
    let exclude = "[source]\nexclude = [\"/baseline.json\"]\n".to_owned();
    let text: String = std::iter::once(exclude).chain(images).collect();
    write(&folder.join("cbox.toml"), &text)?;
    eprintln!("accepting hosts: {hosts}, {name}");
    environment.cbox(&folder, ["accept"]).ask()?;
    commit(environment, &folder)?;
    Ok(folder)
}

/// The verdicts of so many machines, as files.
fn parts(environment: &Environment, folder: &Path) -> Result<Vec<String>, Failure> {
    let words = ["matrix", "--hosts", "--shards", SHARDS, "--json"];
    let document = environment.cbox(folder, words).ask()?;
    let document: serde_json::Value = serde_json::from_str(&document)
        .map_err(|error| Failure::new(format!("the shards cannot be read: {error}")))?;
    let shards = document["shards"].as_array().cloned().unwrap_or_default();
    let mut files = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let hosts = shard["hosts"].as_array().into_iter().flatten();
        let hosts: Vec<&str> = hosts.filter_map(|host| host.as_str()).collect();
        let part = verdict(environment, folder, &[&["--json"], &hosts[..]].concat()).ask()?;
        let file = folder.join(format!(".git/part-{number}.json"));
        write(&file, &part)?;
        files.push(file.to_string_lossy().into_owned());
    }
    Ok(files)
}
