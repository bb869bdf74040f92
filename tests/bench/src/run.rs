//! Running commands in turn, and what came of it.

use std::{fs, time::Duration};

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    measure::{self, Taken},
};

/// How often what takes less than some seconds is run.
pub(crate) const SHORT: usize = 5;
/// How often evaluations of real hosts are run.
pub(crate) const LONG: usize = 3;
/// How often evaluations of many of them are run.
pub(crate) const LONGEST: usize = 2;

/// One side of a comparison: commands that run one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) steps: Vec<Command>,
}

impl Contender {
    pub(crate) fn new(name: impl Into<String>, steps: Vec<Command>) -> Self {
        Self {
            name: name.into(),
            steps,
        }
    }
}

/// What the runs of one contender took.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
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
            runs: Vec::new(),
            output: Vec::new(),
            failure: None,
        })
        .collect();
    for round in 0..=rounds {
        for (contender, series) in contenders.iter().zip(&mut all) {
            if series.failure.is_some() {
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

impl Series {
    pub(crate) fn least(&self) -> Option<Duration> {
        self.runs.iter().map(|run| run.time).min()
    }

    pub(crate) fn median(&self) -> Option<Duration> {
        median(self.runs.iter().map(|run| run.time).collect())
    }

    /// The most that any run had in one process, in KiB.
    pub(crate) fn largest(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.largest).max()
    }

    /// The most that any run had in all its processes, in KiB.
    pub(crate) fn together(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.together).max()
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    let upper = times.get(times.len() / 2)?;
    let lower = times.get((times.len() - 1) / 2)?;
    Some((*lower + *upper) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |numbers: &[u64]| {
            median(
                numbers
                    .iter()
                    .map(|number| Duration::from_millis(*number))
                    .collect(),
            )
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[9, 1, 2]), Some(Duration::from_millis(2)));
        assert_eq!(of(&[4, 9, 1, 2]), Some(Duration::from_millis(3)));
    }
}
