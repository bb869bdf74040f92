//! What a fleet costs as its hosts grow in number: evaluated anew, and with nothing changed.

use std::path::PathBuf;

use super::verify;
use crate::{
    environment::Environment,
    failure::Failure,
    fixture::{
        commit,
        real::{HOSTS, Real},
        synthetic,
    },
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, LONGEST, SHORT, in_turn},
    text::grouped,
};

/// How many hosts are evaluated.
pub(super) const EVALUATED: [usize; 5] = [1, 2, 4, 8, 16];
const REAL_UNCHANGED: [usize; 6] = [1, 2, 4, 8, 16, 50];
const SYNTHETIC_UNCHANGED: [usize; 5] = [1, 4, 16, 50, 500];
/// From so many real hosts on, an evaluation of all takes most of a minute and more.
pub(super) const MANY: usize = 8;

/// Evaluated anew, beside Nix and nix-eval-jobs.
pub(crate) fn cold(
    environment: &Environment,
    real: Option<&Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    report.note(&what(real));
    let mut contenders = Vec::new();
    let mut missing = None;
    for count in environment.wanted(&EVALUATED) {
        let folder = many(environment, real, count)?;
        eprintln!("accepting hosts: {count}");
        environment.cbox(&folder, ["accept"]).ask()?;
        let mut all = vec![
            verify::verify(environment, &folder, &["--no-cache"]),
            verify::by_hand(environment, &folder, &names(count)),
        ];
        match verify::jobs(environment, &folder) {
            Ok(jobs) => all.push(jobs),
            Err(why) => missing = Some(why),
        }
        contenders.extend(all.into_iter().map(|contender| {
            let contender = numbered(contender, "", count);
            match real {
                Some(_) if count >= MANY => contender.at_most(LONGEST),
                _ => contender,
            }
        }));
    }
    if let Some(why) = missing {
        report.left_out(&why);
    }
    let rounds = if real.is_some() { LONGEST } else { SHORT };
    let series = in_turn(environment, &contenders, rounds);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// With nothing changed since, beside Nix's own memory of evaluations.
pub(crate) fn unchanged(
    environment: &Environment,
    real: Option<&Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    report.note(&format!(
        "made-up hosts have {} derivations each",
        synthetic::OF_A_SMALL_HOST
    ));
    let mut contenders = Vec::new();
    let mut add = |folder: PathBuf, kind: &str, count: usize| -> Result<(), Failure> {
        eprintln!("accepting hosts: {count}, {kind}");
        environment.cbox(&folder, ["accept"]).ask()?;
        // Nix remembers nothing of a tree with changes.
        commit(environment, &folder)?;
        // What `accept` found is about the tree without the baseline that it wrote.
        environment.cbox(&folder, ["verify-hosts"]).ask()?;
        let names = names(count);
        // What Nix remembers it finds out in parts: all at once, in one process, fifty hosts take
        // more than 24 GiB.
        for some in names.chunks(MANY) {
            for step in verify::remembered(environment, &folder, some).steps {
                step.ask()?;
            }
        }
        let cbox = verify::verify(environment, &folder, &[]);
        let nix = verify::remembered(environment, &folder, &names);
        contenders.extend([cbox, nix].map(|side| numbered(side, kind, count)));
        Ok(())
    };
    match real {
        Some(real) => {
            report.note(&format!("real hosts are copies of {}", HOSTS[1]));
            for count in environment.wanted(&REAL_UNCHANGED) {
                add(real.many(environment, count)?, "real", count)?;
            }
        }
        None => report.left_out(crate::fixture::NO_INPUTS),
    }
    for count in environment.wanted(&SYNTHETIC_UNCHANGED) {
        let folder = synthetic::hosts(environment, count, synthetic::OF_A_SMALL_HOST)?;
        add(folder, "made-up", count)?;
    }
    let series = in_turn(environment, &contenders, SHORT);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// The contender as that of `count` hosts of a `kind`.
fn numbered(contender: Contender, kind: &str, count: usize) -> Contender {
    let kind = match kind {
        "" => "hosts".to_owned(),
        kind => format!("{kind} hosts"),
    };
    let line = match kind.as_str() {
        "hosts" => contender.name.clone(),
        kind => format!("{}, {kind}", contender.name),
    };
    let name = format!("{}, {kind}: {count}", contender.name);
    contender.named(name).point(line, count)
}

/// What hosts there are, for people.
pub(super) fn what(real: Option<&Real>) -> String {
    match real {
        Some(_) => format!("real hosts, copies of {}", HOSTS[1]),
        None => format!(
            "made-up hosts, of {} derivations each",
            grouped(synthetic::OF_A_HOST as u64)
        ),
    }
}

/// A flake of `count` hosts.
pub(super) fn many(
    environment: &Environment,
    real: Option<&Real>,
    count: usize,
) -> Result<PathBuf, Failure> {
    match real {
        Some(real) => real.many(environment, count),
        None => synthetic::hosts(environment, count, synthetic::OF_A_HOST),
    }
}

/// What they are called.
fn names(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("growth-{number}"))
        .collect()
}
