//! Explaining why two derivations of one host differ: how long it takes, how much there is
//! to read, and whether it names what really changed.

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::real::{HOSTS, Real, VARIABLE, Variant},
    nix,
    peers::Peer,
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, SHORT, Series, in_turn},
    text::grouped,
};

/// What the rows are called; the checks below look for cbox's.
pub(crate) const CBOX: &str = "cbox diff";
pub(crate) const RIVAL: &str = "nix-diff-rs";

/// Compares the base of the first host with a variant of it.
pub(crate) fn make(
    environment: &Environment,
    real: &mut Real,
    variant: Variant,
    report: &mut Report,
) -> Result<(), Failure> {
    let before = real.drv(environment, Variant::Base)?;
    let after = real.drv(environment, variant)?;
    let all = real.closure(environment)?;
    let changed = nix::closure(environment, &after)?.difference(&all).count();
    report.note(&format!(
        "{}: {} derivations, of the variant's {} are others",
        HOSTS[0],
        grouped(all.len() as u64),
        grouped(changed as u64),
    ));
    let contenders = contenders(environment, &before, &after, report);
    let mut series = in_turn(environment, &contenders, SHORT);
    let named: Vec<Named> = series
        .iter()
        .map(|series| Named::find(&series.output, VARIABLE, variant.cause()))
        .collect();
    for (series, named) in series.iter_mut().zip(&named) {
        if series.failure.is_none() && series.name == CBOX && named.change.is_none() {
            let sentence =
                format!("its answer does not name {VARIABLE}, which is all that differs");
            series.failure = Some(Failure::new(sentence));
        }
    }
    report.timings(&series, Ratio::Faster, &columns(&series, &named));
    for (series, named) in series.iter().zip(&named) {
        if let (None, Some((_, text))) = (&series.failure, &named.cause) {
            report.note(&format!("{} names first: {text}", series.name));
        }
    }
    Ok(())
}

/// The rival first, where there is one, since the ratio is against the first.
fn contenders(
    environment: &Environment,
    before: &str,
    after: &str,
    report: &mut Report,
) -> Vec<Contender> {
    let cbox = Contender::new(CBOX, vec![cbox(environment, before, after)]);
    match rival(environment, before, after) {
        Ok(command) => vec![Contender::new(RIVAL, vec![command]), cbox],
        Err(why) => {
            report.left_out(&why);
            vec![cbox]
        }
    }
}

/// `cbox diff`, for which a difference is no error whichever code it has for it. It runs
/// in the folder of a flake, as the other commands of cbox do.
pub(crate) fn cbox(environment: &Environment, before: &str, after: &str) -> Command {
    environment
        .cbox(&environment.top, ["diff", before, after])
        .good(&[0, 1])
}

/// nix-diff-rs, which ends as diff(1) does in some releases and with 0 in others.
///
/// # Errors
/// Why it is not there.
pub(crate) fn rival(
    environment: &Environment,
    before: &str,
    after: &str,
) -> Result<Command, String> {
    let words = ["--color", "never", before, after];
    let command = environment.peer(Peer::NixDiffRs, &environment.scratch(""), words)?;
    Ok(command.good(&[0, 1]))
}

/// Where an answer names what really changed, counted from 1.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    lines: usize,
    /// The first line with the variable.
    change: Option<usize>,
    /// The line at or above it that has the name of the derivation, and its text.
    cause: Option<(usize, String)>,
}

impl Named {
    fn find(output: &[u8], variable: &str, cause: &str) -> Self {
        let text = String::from_utf8_lossy(output);
        let lines: Vec<&str> = text.lines().collect();
        let change = lines.iter().position(|line| line.contains(variable));
        let above = change.and_then(|change| {
            let above = lines.iter().take(change + 1).enumerate();
            above.rev().find(|(_, line)| line.contains(cause))
        });
        Self {
            lines: lines.len(),
            change: change.map(|index| index + 1),
            cause: above.map(|(index, line)| {
                let words: Vec<&str> = line.split_whitespace().collect();
                (index + 1, words.join(" "))
            }),
        }
    }
}

fn columns(series: &[Series], named: &[Named]) -> Columns {
    let row = |(series, named): (&Series, &Named)| {
        if series.failure.is_some() {
            return Vec::new();
        }
        let line = |number: Option<usize>| number.map_or("-".to_owned(), |n| grouped(n as u64));
        vec![
            grouped(named.lines as u64),
            line(named.cause.as_ref().map(|(number, _)| *number)),
            line(named.change),
        ]
    };
    Columns {
        heads: vec!["lines", "cause on line", "change on line"],
        rows: series.iter().zip(named).map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_nearest_name_above_the_change() {
        let output =
            b"- /a-zlib.drv\n\xff\n  * b.drv\n    * zlib-1.3.drv\n      CBOX_BENCH:\n + 1\n zlib\n";
        let named = Named::find(output, "CBOX_BENCH", "zlib");
        assert_eq!(named.lines, 7);
        assert_eq!(named.change, Some(5));
        assert_eq!(named.cause, Some((4, "* zlib-1.3.drv".to_owned())));
    }

    #[test]
    fn an_answer_beside_the_point_names_nothing() {
        let named = Named::find(b"everything differs\n", "CBOX_BENCH", "zlib");
        assert_eq!((named.change, named.cause), (None, None));
    }
}
