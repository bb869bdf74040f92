//! What is printed while tables are made, and kept of each: rows, what was left out, what
//! failed.

use std::path::Path;

use crate::{
    failure::Failure,
    results::{Made, Outcome, Ratio, Row},
    run::Series,
    tables::Table,
    text::{aligned, memory, time},
};

/// The table that is being made, and what has to be said at the end.
#[derive(Debug)]
pub(crate) struct Report {
    made: Made,
    current: Option<Outcome>,
    left_out: usize,
    failed: usize,
}

/// Columns beside the measurements: their heads, and a row for each series.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) heads: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Report {
    /// Of a run whose figures depend on `made`, which is printed.
    pub(crate) fn new(made: Made) -> Self {
        println!("date    {}", made.date);
        println!("commit  {}", made.commit);
        println!("machine {}", made.machine);
        for (name, version) in &made.versions {
            println!("{name:<7} {version}");
        }
        // Others at work on the machine show in every figure.
        let load = std::fs::read_to_string(Path::new("/proc/loadavg")).unwrap_or_default();
        let load: Vec<&str> = load.split_whitespace().take(3).collect();
        println!("load    {}", load.join(" "));
        Self {
            made,
            current: None,
            left_out: 0,
            failed: 0,
        }
    }

    /// What real hosts are evaluated with.
    pub(crate) fn inputs(&mut self, inputs: &[String]) {
        println!("inputs  {}", inputs.join(", "));
        self.made.inputs = inputs.to_vec();
    }

    /// Begins a table.
    pub(crate) fn begin(&mut self, table: Table) {
        println!("\n== {}: {}", table.word(), table.title());
        self.current = Some(Outcome::new(table, &self.made));
    }

    /// Ends it, and gives what came of it.
    pub(crate) fn end(&mut self) -> Option<Outcome> {
        self.current.take()
    }

    pub(crate) fn note(&mut self, text: &str) {
        println!("{text}");
        if let Some(outcome) = &mut self.current {
            outcome.notes.push(text.to_owned());
        }
    }

    pub(crate) fn left_out(&mut self, why: &str) {
        self.left_out += 1;
        println!("LEFT OUT: {why}");
        if let Some(outcome) = &mut self.current {
            outcome.left_out.push(why.to_owned());
        }
    }

    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.failed += 1;
        println!("FAILED: {failure}");
        if let Some(outcome) = &mut self.current {
            outcome.failed.push(failure.to_string());
        }
    }

    /// A row for each series; whoever failed is named below.
    pub(crate) fn timings(&mut self, all: &[Series], ratio: Ratio, columns: &Columns) {
        let Some(outcome) = &mut self.current else {
            return;
        };
        outcome.ratio = ratio;
        outcome.heads = columns.heads.iter().map(|&head| head.to_owned()).collect();
        let cells = |index| columns.rows.get(index).cloned().unwrap_or_default();
        let rows = all.iter().enumerate();
        outcome.rows = rows
            .map(|(index, series)| Row::of(series, cells(index)))
            .collect();
        print!("{}", aligned(&lines(outcome)));
        for series in all {
            if let Some(failure) = &series.failure {
                self.failed(&Failure::new(format!("{}: {failure}", series.name)));
            }
        }
    }

    /// The last lines; whether nothing failed.
    pub(crate) fn close(&self) -> bool {
        println!("\n{} left out, {} failed", self.left_out, self.failed);
        self.failed == 0
    }
}

/// The heads and rows of a table, as the terminal and the page show them.
pub(crate) fn lines(outcome: &Outcome) -> Vec<Vec<String>> {
    let ratio = match outcome.ratio {
        Ratio::Faster => "first/this",
        Ratio::Growth => "this/first",
    };
    let heads = ["command", "runs", "least", "median", ratio, "memory", "all"];
    let heads = heads.map(str::to_owned).into_iter();
    let heads = heads.chain(outcome.heads.iter().cloned()).collect();
    let rows = outcome.rows.iter().map(|row| {
        if row.runs.is_empty() {
            return vec![row.name.clone(), "FAILED".to_owned()];
        }
        let dash = || "-".to_owned();
        let compared = outcome.compared(row);
        let cells = [
            row.name.clone(),
            row.runs.len().to_string(),
            row.least().map_or_else(dash, time),
            row.median().map_or_else(dash, time),
            compared.map_or_else(dash, |factor| format!("{factor:.2}")),
            row.largest().map_or_else(dash, memory),
            row.together().map_or_else(dash, memory),
        ];
        cells.into_iter().chain(row.cells.iter().cloned()).collect()
    });
    std::iter::once(heads).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::row;

    #[test]
    fn rows_are_compared_with_the_first() {
        let mut outcome = Outcome::new(Table::Cold, &Made::default());
        outcome.ratio = Ratio::Faster;
        outcome.rows = vec![
            row("a", &[8.0], None),
            row("b", &[], None),
            row("c", &[4.0], None),
        ];
        let lines = lines(&outcome);
        assert_eq!(lines[2], ["b", "FAILED"]);
        let c = ["c", "1", "4.0 ms", "4.0 ms", "2.00", "2.0 MiB", "4.0 MiB"];
        assert_eq!(lines[3], c);
    }
}
