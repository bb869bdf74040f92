//! How the cost of an explanation grows with the derivations that `cbox diff` has to look at.

use super::explain::{self, CBOX, RIVAL};
use crate::{
    environment::Environment,
    failure::Failure,
    fixture::synthetic::{self, Kind, LEAF, WORD},
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, SHORT, Series, in_turn},
    text::grouped,
};

const DERIVATIONS: [usize; 3] = [100, 1_000, 10_000];

/// One leaf differs, and everything is built anew for it.
pub(crate) fn make(environment: &Environment, report: &mut Report) -> Result<(), Failure> {
    let mut contenders = Vec::new();
    let mut missing = None;
    for count in environment.wanted(&DERIVATIONS) {
        let before = synthetic::instantiate(environment, Kind::Derivations, count, "before")?;
        let after = synthetic::instantiate(environment, Kind::Derivations, count, "after")?;
        let mut add = |name: &str, command| {
            let number = grouped(count as u64);
            let contender = Contender::new(format!("{name}, {number} derivations"), vec![command]);
            contenders.push(contender.point(name, count));
        };
        add(CBOX, explain::cbox(environment, &before, &after));
        match explain::rival(environment, &before, &after) {
            Ok(command) => add(RIVAL, command),
            Err(why) => missing = Some(why),
        }
    }
    if let Some(why) = missing {
        report.left_out(&why);
    }
    let mut series = in_turn(environment, &contenders, SHORT);
    let ours = |series: &&mut Series| series.failure.is_none() && series.name.starts_with(CBOX);
    for series in series.iter_mut().filter(ours) {
        if !names_the_cause(series) {
            let sentence =
                format!("its answer does not name `{WORD}` of {LEAF}, which is all that differs");
            series.failure = Some(Failure::new(sentence));
        }
    }
    report.timings(&series, Ratio::Growth, &columns(&series));
    Ok(())
}

fn names_the_cause(series: &Series) -> bool {
    let text = String::from_utf8_lossy(&series.output);
    text.contains(LEAF) && text.contains(WORD)
}

fn columns(all: &[Series]) -> Columns {
    let row = |series: &Series| match series.failure {
        Some(_) => Vec::new(),
        None => {
            let count = String::from_utf8_lossy(&series.output).lines().count();
            let named = if names_the_cause(series) { "yes" } else { "no" };
            vec![grouped(count as u64), named.to_owned()]
        }
    };
    Columns {
        heads: vec!["lines", "names the cause"],
        rows: all.iter().map(row).collect(),
    }
}
