//! How cost grows with the work: with the derivations that `cbox diff` has to look at, and
//! with the hosts that `cbox verify-hosts` has to evaluate.

use std::path::PathBuf;

use super::{
    explain::{self, CBOX},
    verify,
};
use crate::{
    environment::Environment,
    failure::Failure,
    fixture::{
        real::{HOSTS, Real},
        synthetic::{self, LEAF, WORD},
    },
    report::{Columns, Ratio, Report, grouped},
    run::{Contender, LONGEST, SHORT, Series, in_turn},
};

const DERIVATIONS: [usize; 3] = [100, 1_000, 10_000];
const NUMBERS_OF_HOSTS: [usize; 4] = [1, 2, 4, 8];

/// One leaf differs, and everything is built anew for it.
pub(crate) fn of_derivations(
    environment: &Environment,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut contenders = Vec::new();
    for count in DERIVATIONS {
        let before = synthetic::instantiate(environment, count, "before")?;
        let after = synthetic::instantiate(environment, count, "after")?;
        let name = format!("{CBOX}, {} derivations", grouped(count as u64));
        let command = explain::cbox(environment, &before, &after);
        contenders.push(Contender::new(name, vec![command]));
    }
    let mut series = in_turn(environment, &contenders, SHORT);
    for series in series.iter_mut().filter(|series| series.failure.is_none()) {
        let text = String::from_utf8_lossy(&series.output);
        if !text.contains(LEAF) || !text.contains(WORD) {
            let sentence =
                format!("its answer does not name `{WORD}` of {LEAF}, which is all that differs");
            series.failure = Some(Failure::new(sentence));
        }
    }
    report.timings(&series, Ratio::Growth, &lines(&series));
    Ok(())
}

fn lines(all: &[Series]) -> Columns {
    let row = |series: &Series| match series.failure {
        Some(_) => Vec::new(),
        None => {
            let count = String::from_utf8_lossy(&series.output).lines().count();
            vec![grouped(count as u64)]
        }
    };
    Columns {
        heads: vec!["lines"],
        rows: all.iter().map(row).collect(),
    }
}

/// Copies of a real host where there is one.
pub(crate) fn of_hosts(
    environment: &Environment,
    real: Option<&Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    report.note(&match real {
        Some(_) => format!("copies of {}", HOSTS[1]),
        None => format!(
            "hosts without nixpkgs, of {} derivations each",
            grouped(synthetic::OF_A_HOST as u64)
        ),
    });
    let mut contenders = Vec::new();
    for count in NUMBERS_OF_HOSTS {
        let folder = many(environment, real, count)?;
        eprintln!("accepting hosts: {count}");
        environment.cbox(&folder, ["accept"]).ask()?;
        let Contender { name, steps } = verify::verify(environment, &folder, &["--no-cache"]);
        contenders.push(Contender::new(format!("{name}, hosts: {count}"), steps));
    }
    let rounds = if real.is_some() { LONGEST } else { SHORT };
    let series = in_turn(environment, &contenders, rounds);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// A flake of `count` hosts.
pub(super) fn many(
    environment: &Environment,
    real: Option<&Real>,
    count: usize,
) -> Result<PathBuf, Failure> {
    match real {
        Some(real) => real.many(environment, count),
        None => synthetic::hosts(environment, count),
    }
}
