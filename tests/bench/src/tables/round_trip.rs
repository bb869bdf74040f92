//! Reading every derivation of a host and writing it again, byte for byte.
//!
//! The work is done by the example `round_trip` of nix-formats: it takes the names of files
//! on standard input, fails if any comes out other than it went in, and prints how many
//! there were, how many bytes and how many milliseconds.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::{
        real::Real,
        synthetic::{self, Kind},
    },
    nix,
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, SHORT, Series, in_turn},
    text::{grouped, time},
};

/// How large the graph is where there is no real host.
const SYNTHETIC: usize = 10_000;

pub(crate) fn make(
    environment: &Environment,
    real: Option<&mut Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(program) = &environment.round_trip else {
        report.left_out("nix-formats has no example round_trip, or it was not built");
        return Ok(());
    };
    let (what, drvs) = files(environment, real)?;
    report.note(&format!(
        "{what}: {} .drv files",
        grouped(drvs.len() as u64)
    ));
    let folder = environment.scratch_folder("round-trip")?;
    let list = folder.join("list");
    let text: String = drvs.iter().map(|drv| format!("{drv}\n")).collect();
    std::fs::write(&list, text).map_err(|error| Failure::file("write", &list, &error))?;
    let none: [&str; 0] = [];
    let command = Command::new(program, &folder, none).input(&list);
    let contenders = [Contender::new("round_trip", vec![command])];
    let mut series = in_turn(environment, &contenders, SHORT);
    let columns = columns(&mut series, drvs.len());
    report.timings(&series, Ratio::Growth, &columns);
    Ok(())
}

/// The files of a real host where there is one.
fn files(
    environment: &Environment,
    real: Option<&mut Real>,
) -> Result<(&'static str, BTreeSet<String>), Failure> {
    match real {
        Some(real) => Ok(("a real host", real.closure(environment)?)),
        None => {
            let drv = synthetic::instantiate(environment, Kind::Derivations, SYNTHETIC, "before")?;
            Ok(("a graph without nixpkgs", nix::closure(environment, &drv)?))
        }
    }
}

/// What the program says of its last run; another count than it was given is a failure.
fn columns(all: &mut [Series], expected: usize) -> Columns {
    let mut columns = Columns {
        heads: vec!["files", "bytes", "its own clock"],
        rows: Vec::new(),
    };
    for series in all.iter_mut().filter(|series| series.failure.is_none()) {
        match said(&series.output) {
            Some((count, bytes, clock)) if count == expected as u64 => {
                columns.rows.push(vec![
                    grouped(count),
                    grouped(bytes),
                    time(clock.as_secs_f64() * 1000.0),
                ]);
            }
            _ => {
                let text = String::from_utf8_lossy(&series.output);
                let sentence = format!("it was given {expected} files and says: {}", text.trim());
                series.failure = Some(Failure::new(sentence));
            }
        }
    }
    columns
}

/// `count bytes milliseconds`.
fn said(output: &[u8]) -> Option<(u64, u64, Duration)> {
    let text = std::str::from_utf8(output).ok()?;
    let mut words = text.split_whitespace();
    let count = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().ok()?;
    let milliseconds: f64 = words.next()?.parse().ok()?;
    let clock = Duration::try_from_secs_f64(milliseconds / 1000.0).ok()?;
    words.next().is_none().then_some((count, bytes, clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_an_answer() {
        let clock = Duration::from_micros(81_500);
        assert_eq!(said(b"3 4096 81.5\n"), Some((3, 4096, clock)));
        assert_eq!(said(b"3 4096\n"), None);
        assert_eq!(said(b"3 4096 1 2\n"), None);
        assert_eq!(said(b"3 4096 -1\n"), None);
    }
}
