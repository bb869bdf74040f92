//! Counts the instructions that cbox's own code takes for fixed work, so that it does not creep
//! slower unseen: wall time is noise where many share a machine, and instructions are nearly none.
//!
//! Callgrind counts each of [`workloads`] twice, once with its input made ready and nothing done
//! with it, and once with the work; the difference is compared with `counts.toml`, which is
//! committed. Counts depend on the compiler and the architecture, so those of others judge
//! nothing, and that is said loudly.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it starts valgrind and itself, reads its own environment, and prints"
)]

mod counts;
mod derivations;
mod workloads;

use std::{path::Path, process::Command, process::ExitCode};

use counts::{Counts, Machine};
use workloads::WORKLOADS;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml");

const USAGE: &str = "\
usage: cbox-instructions            compare the counts with tests/instructions/counts.toml
       cbox-instructions --strict   the same; to judge nothing is a failure too
       cbox-instructions --accept   write that file
";

/// What a failure says how to go on with.
const WAY_OUT: &str = "if that is meant, accept it with `make bench-instructions accept=1`";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        [] => compare(false),
        ["--strict"] => compare(true),
        ["--accept"] => accept(),
        ["--run", name, times] => run(name, times),
        _ => Err(USAGE.trim_end().to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// What valgrind runs: a workload, so many times behind making its input.
fn run(name: &str, times: &str) -> Result<(), String> {
    let workload = WORKLOADS.iter().find(|(known, _)| *known == name);
    let (_, make) = workload.ok_or_else(|| format!("there is no workload {name}"))?;
    let times: usize = times.parse().map_err(|_| format!("{times} is no number"))?;
    let work = make()?;
    for _ in 0..times {
        work()?;
    }
    Ok(())
}

fn compare(strict: bool) -> Result<(), String> {
    let before = Counts::read(Path::new(FILE))?;
    let here = Machine::here();
    let judged = here.and_then(|here| match here.comparable(&before.machine) {
        true => Ok(()),
        false => Err(format!(
            "the counts are of {}, and this is {here}",
            before.machine
        )),
    });
    if let Err(why) = judged {
        let sentence = format!("NOTHING JUDGED: {why}");
        return match strict {
            true => Err(sentence),
            false => {
                println!("{sentence}");
                Ok(())
            }
        };
    }
    let now = count_all()?;
    let rises = before.rises(&now, WAY_OUT);
    match rises.as_slice() {
        [] => Ok(()),
        rises => Err(rises.join("\n")),
    }
}

fn accept() -> Result<(), String> {
    let machine = Machine::here()?;
    let counts = count_all()?;
    Counts { machine, counts }.write(Path::new(FILE))
}

fn count_all() -> Result<counts::ByWorkload, String> {
    let mut all = counts::ByWorkload::new();
    for (name, _) in WORKLOADS {
        let nothing = instructions(name, 0)?;
        let work = instructions(name, 1)?.saturating_sub(nothing);
        println!("{name:<12} {work:>13}");
        all.insert((*name).to_owned(), work);
    }
    Ok(all)
}

/// Those of this program as it makes the input of `name`, and does its work so many times.
fn instructions(name: &str, times: usize) -> Result<u64, String> {
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let answer = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(&itself)
        .args(["--run", name, &times.to_string()])
        // The same for everybody: what is copied to the stack counts.
        .env_clear()
        .envs(
            ["PATH", "VALGRIND_LIB"]
                .iter()
                .filter_map(|&name| Some((name, std::env::var_os(name)?))),
        )
        .env("TMPDIR", place.path())
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&answer.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let number = collected.and_then(|(_, number)| number.trim().parse().ok());
    number
        .filter(|_| answer.status.success())
        .ok_or_else(|| format!("valgrind counts nothing of {name}: {text}"))
}
