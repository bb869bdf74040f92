//! Running commands in turn, and what came of it.

use std::fs;

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    measure::{self, Taken},
    results::Point,
};

/// How often what takes less than some seconds is run.
pub(crate) const SHORT: usize = 5;
/// How often evaluations of real hosts are run.
pub(crate) const LONG: usize = 3;
/// How often evaluations of many of them are run.
pub(crate) const LONGEST: usize = 2;
/// How often what takes milliseconds is run.
pub(crate) const SHORTEST: usize = 20;

/// One side of a comparison: commands that run one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Contender {
    pub(crate) name: String,
    /// What makes ready for a run, unmeasured.
    before: Vec<Command>,
    pub(crate) steps: Vec<Command>,
    /// Where it stands in the plot.
    point: Option<Point>,
    /// In how many rounds it takes part at most, where those are fewer than the table has.
    at_most: Option<usize>,
}

impl Contender {
    pub(crate) fn new(name: impl Into<String>, steps: Vec<Command>) -> Self {
        Self {
            name: name.into(),
            before: Vec::new(),
            steps,
            point: None,
            at_most: None,
        }
    }

    /// It is called `name`.
    pub(crate) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// `steps` make ready for each of its runs, and are not measured.
    pub(crate) fn behind(mut self, steps: impl IntoIterator<Item = Command>) -> Self {
        self.before.extend(steps);
        self
    }

    /// It is the point `at` of `line` in the plot.
    pub(crate) fn point(mut self, line: impl Into<String>, at: usize) -> Self {
        self.point = Some(Point {
            line: line.into(),
            at: at as u64,
        });
        self
    }

    /// It takes so long that it runs in `rounds` rounds and no more, without one that does not
    /// count: what made ready for the table has read the same files.
    pub(crate) fn at_most(mut self, rounds: usize) -> Self {
        self.at_most = Some(rounds);
        self
    }
}

/// What the runs of one contender took.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) point: Option<Point>,
    pub(crate) runs: Vec<Taken>,
    /// What its last step printed, in its last run.
    pub(crate) output: Vec<u8>,
    /// Why it is out of the comparison; what it took before counts no more.
    pub(crate) failure: Option<Failure>,
}

/// Runs the contenders in turn, `rounds` times each, after one round that does not count:
/// it pays for reading files for the first time.
///
/// One that fails is run no more; the others go on.
pub(crate) fn in_turn(
    environment: &Environment,
    contenders: &[Contender],
    rounds: usize,
) -> Vec<Series> {
    let mut all: Vec<Series> = contenders
        .iter()
        .map(|contender| Series {
            name: contender.name.clone(),
            point: contender.point.clone(),
            runs: Vec::new(),
            output: Vec::new(),
            failure: None,
        })
        .collect();
    for round in 0..=rounds {
        for (contender, series) in contenders.iter().zip(&mut all) {
            let has_part = contender
                .at_most
                .is_none_or(|most| (1..=most).contains(&round));
            if series.failure.is_some() || !has_part {
                continue;
            }
            eprintln!("  round {round} of {rounds}: {}", contender.name);
            match once(environment, contender) {
                Err(failure) => series.failure = Some(failure),
                Ok((taken, output)) => {
                    series.output = output;
                    series.runs.extend((round > 0).then_some(taken));
                }
            }
        }
    }
    all
}

/// One run of all its steps.
fn once(environment: &Environment, contender: &Contender) -> Result<(Taken, Vec<u8>), Failure> {
    let folder = environment.scratch_folder("run")?;
    for step in &contender.before {
        step.ask()?;
    }
    let mut sum: Option<Taken> = None;
    for step in &contender.steps {
        let taken = measure::run(step, &folder)?;
        sum = Some(sum.map_or(taken, |sum| sum.then(taken)));
    }
    let output = folder.join("stdout");
    let text = fs::read(&output).map_err(|error| Failure::file("read", &output, &error))?;
    let sum = sum.ok_or_else(|| Failure::new(format!("{} does nothing", contender.name)))?;
    Ok((sum, text))
}
