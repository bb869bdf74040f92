//! What a table gave, as it is kept in `tests/bench/results`, one file a table. The page is
//! made of these files and of nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{failure::Failure, run::Series, tables::Table};

/// What the figures of a run depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// When, to the minute, in UTC.
    pub(crate) date: String,
    /// What git calls the commit.
    pub(crate) commit: String,
    /// Processor, cores, memory, kernel.
    pub(crate) machine: String,
    /// Programs with what they say of their version.
    pub(crate) versions: Vec<(String, String)>,
    /// What real hosts were evaluated with; none where there were no real hosts.
    pub(crate) inputs: Vec<String>,
}

/// What the medians are compared with, and which way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ratio {
    /// How many times the time of this row the first one takes.
    Faster,
    /// How many times the time of the first row this one takes.
    Growth,
}

/// Where a row stands in a plot: on which line, and how much work it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) line: String,
    pub(crate) at: u64,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) milliseconds: f64,
    /// Peak memory of the largest process, in KiB.
    pub(crate) largest: u64,
    /// Peak memory of all processes at one moment, in KiB.
    pub(crate) together: u64,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) point: Option<Point>,
    /// None where it failed.
    pub(crate) runs: Vec<Run>,
    /// What stands in the columns beside the measurements.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) cells: Vec<String>,
}

/// A table with all that was said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) table: String,
    pub(crate) made: Made,
    pub(crate) notes: Vec<String>,
    pub(crate) left_out: Vec<String>,
    pub(crate) failed: Vec<String>,
    pub(crate) ratio: Ratio,
    /// The heads of the further columns.
    pub(crate) heads: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    /// What is kept of `series`, with what stands beside it.
    pub(crate) fn of(series: &Series, cells: Vec<String>) -> Self {
        let run = |taken: &crate::measure::Taken| Run {
            // To the microsecond: what is below is noise.
            milliseconds: (taken.time.as_secs_f64() * 1e6).round() / 1e3,
            largest: taken.largest,
            together: taken.together,
        };
        let runs = match series.failure {
            Some(_) => Vec::new(),
            None => series.runs.iter().map(run).collect(),
        };
        Self {
            name: series.name.clone(),
            point: series.point.clone(),
            runs,
            cells,
        }
    }

    /// In milliseconds, as the median.
    pub(crate) fn least(&self) -> Option<f64> {
        let times = self.runs.iter().map(|run| run.milliseconds);
        times.min_by(f64::total_cmp)
    }

    /// The middle one, or the mean of the two in the middle.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut times: Vec<f64> = self.runs.iter().map(|run| run.milliseconds).collect();
        times.sort_by(f64::total_cmp);
        let upper = times.get(times.len() / 2)?;
        let lower = times.get((times.len() - 1) / 2)?;
        Some((lower + upper) / 2.0)
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

impl Outcome {
    /// Of `table`, before anything is known.
    pub(crate) fn new(table: Table, made: &Made) -> Self {
        Self {
            table: table.word(),
            made: made.clone(),
            notes: Vec::new(),
            left_out: Vec::new(),
            failed: Vec::new(),
            ratio: Ratio::Growth,
            heads: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// How its median compares with that of the first row.
    pub(crate) fn compared(&self, row: &Row) -> Option<f64> {
        let first = self.rows.first()?.median()?;
        let this = row.median()?;
        Some(match self.ratio {
            Ratio::Faster => first / this,
            Ratio::Growth => this / first,
        })
    }
}

/// The folder of them, in the repository at `top`.
pub(crate) fn folder(top: &Path) -> PathBuf {
    top.join("tests/bench/results")
}

/// Keeps `outcome` in place of what was known of its table.
pub(crate) fn keep(top: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let file = folder(top).join(format!("{}.json", outcome.table));
    let text =
        serde_json::to_string_pretty(outcome).map_err(|error| Failure::new(error.to_string()))?;
    crate::fixture::write(&file, &format!("{text}\n"))
}

/// What is known of each table, in their order.
pub(crate) fn known(top: &Path) -> Result<Vec<(Table, Option<Outcome>)>, Failure> {
    let of = |table: Table| {
        let file = folder(top).join(format!("{}.json", table.word()));
        let outcome = file.exists().then(|| read(&file)).transpose()?;
        Ok((table, outcome))
    };
    Table::all().into_iter().map(of).collect()
}

/// The JSON in `file`.
fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let text = fs::read(file).map_err(|error| Failure::file("read", file, &error))?;
    serde_json::from_slice(&text).map_err(|error| {
        let file = file.display();
        Failure::new(format!(
            "{file} is none of this version's results ({error}): measure that table anew, or remove the file"
        ))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row that took `times`.
    pub(crate) fn row(name: &str, times: &[f64], point: Option<(&str, u64)>) -> Row {
        let run = |&milliseconds: &f64| Run {
            milliseconds,
            largest: 2048,
            together: 4096,
        };
        Row {
            name: name.to_owned(),
            point: point.map(|(line, at)| Point {
                line: line.to_owned(),
                at,
            }),
            runs: times.iter().map(run).collect(),
            cells: Vec::new(),
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(row("", &[], None).median(), None);
        assert_eq!(row("", &[9.0, 1.0, 2.0], None).median(), Some(2.0));
        assert_eq!(row("", &[4.0, 9.0, 1.0, 2.0], None).median(), Some(3.0));
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let place = tempfile::tempdir().unwrap();
        let mut outcome = Outcome::new(Table::Warm, &Made::default());
        outcome.rows = vec![row("a", &[1.5], Some(("line", 7)))];
        keep(place.path(), &outcome).unwrap();
        let known = known(place.path()).unwrap();
        let of = |table| known.iter().find(|(known, _)| *known == table).unwrap();
        assert_eq!(of(Table::Warm).1, Some(outcome));
        assert_eq!(of(Table::Cold).1, None);
    }
}
