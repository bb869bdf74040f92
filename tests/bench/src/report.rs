//! What is printed: headings, tables, what was left out, what failed.

use std::time::Duration;

use crate::{
    environment::{Environment, Inputs},
    failure::Failure,
    run::Series,
    tables::Table,
};

/// Counts what has to be said at the end.
#[derive(Debug, Default)]
pub(crate) struct Report {
    left_out: usize,
    failed: usize,
}

/// What the medians are compared with, and which way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ratio {
    /// How many times the time of this row the first one takes.
    Faster,
    /// How many times the time of the first row this one takes.
    Growth,
}

/// Columns beside the measurements: their heads, and a row for each series.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) heads: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Report {
    /// What all figures of this run depend on.
    pub(crate) fn machine(&self, environment: &Environment) {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let top = &environment.top;
        let first = |command: crate::command::Command| {
            let answer = command.ask().unwrap_or_else(|failure| failure.to_string());
            answer.lines().next().unwrap_or_default().to_owned()
        };
        println!(
            "commit  {}",
            first(environment.git(top, ["describe", "--always", "--dirty"]))
        );
        println!("cbox    {}", first(environment.cbox(top, ["--version"])));
        println!("nix     {}", first(environment.nix(top, ["--version"])));
        match &environment.rival {
            Ok(rival) => println!("rival   nix-diff-rs, {}", rival.version),
            Err(why) => println!("rival   absent: {why}"),
        }
        match &environment.inputs {
            Inputs::Given { nixpkgs, disko } => println!("inputs  {nixpkgs} {disko}"),
            Inputs::Locked => println!("inputs  as locked in flake.lock"),
            Inputs::None => println!("inputs  none"),
        }
        println!("cores   {cores}");
        // Others at work on the machine show in every figure.
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<&str> = load.split_whitespace().take(3).collect();
        println!("load    {}", load.join(" "));
    }

    pub(crate) fn heading(&self, table: Table) {
        println!("\n== {}: {}", table.word(), table.title());
    }

    pub(crate) fn note(&self, text: &str) {
        println!("{text}");
    }

    pub(crate) fn left_out(&mut self, why: &str) {
        self.left_out += 1;
        println!("LEFT OUT: {why}");
    }

    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.failed += 1;
        println!("FAILED: {failure}");
    }

    /// A row for each series; whoever failed is named below.
    pub(crate) fn timings(&mut self, all: &[Series], ratio: Ratio, columns: &Columns) {
        let mut rows = vec![heads(ratio, &columns.heads)];
        for (index, series) in all.iter().enumerate() {
            let mut row = row(series, all.first(), ratio);
            row.extend(columns.rows.get(index).into_iter().flatten().cloned());
            rows.push(row);
        }
        print!("{}", aligned(&rows));
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

fn heads(ratio: Ratio, more: &[&str]) -> Vec<String> {
    let ratio = match ratio {
        Ratio::Faster => "first/this",
        Ratio::Growth => "this/first",
    };
    let own = [
        "command",
        "runs",
        "min",
        "median",
        ratio,
        "largest process",
        "all processes",
    ];
    own.iter()
        .chain(more)
        .map(|&word| word.to_owned())
        .collect()
}

fn row(series: &Series, first: Option<&Series>, ratio: Ratio) -> Vec<String> {
    if series.failure.is_some() {
        return vec![series.name.clone(), "FAILED".to_owned()];
    }
    let dash = || "-".to_owned();
    let median = series.median();
    let against = first.filter(|first| first.failure.is_none());
    let compared = against
        .and_then(Series::median)
        .zip(median)
        .map(|(first, this)| match ratio {
            Ratio::Faster => first.as_secs_f64() / this.as_secs_f64(),
            Ratio::Growth => this.as_secs_f64() / first.as_secs_f64(),
        });
    vec![
        series.name.clone(),
        series.runs.len().to_string(),
        series.least().map_or_else(dash, time),
        median.map_or_else(dash, time),
        compared.map_or_else(dash, |factor| format!("{factor:.2}")),
        series.largest().map_or_else(dash, memory),
        series.together().map_or_else(dash, memory),
    ]
}

/// The first column and what comes in words to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => line.push_str(&format!("{cell:<width$}")),
                _ => line.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A time with as many digits as it deserves.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.2} s")
    }
}

/// KiB as MiB.
fn memory(kibibytes: u64) -> String {
    let tenths = (kibibytes * 10 + 512) / 1024;
    format!("{}.{} MiB", grouped(tenths / 10), tenths % 10)
}

/// A number with a comma between the thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(138_519), "138,519");
        assert_eq!(memory(2_563_072), "2,503.0 MiB");
        assert_eq!(memory(1_000), "1.0 MiB");
        assert_eq!(time(Duration::from_micros(4_260)), "4.3 ms");
        assert_eq!(time(Duration::from_millis(12_872)), "12.87 s");
    }

    #[test]
    fn a_short_row_keeps_the_others_in_line() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        let rows = [row(&["command", "runs", "min"]), row(&["a", "FAILED"])];
        assert_eq!(aligned(&rows), "command    runs  min\na        FAILED\n");
    }
}
