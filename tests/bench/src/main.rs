//! `make bench`: what cbox costs in time and memory, beside other tools and as its work
//! grows.
//!
//! Every table compares commands that run in turn (A B A B …) on the same input, so that
//! whatever else the machine does hits them alike. It holds no figure to compare with and
//! judges no time; it fails when a command fails, or gives another answer than it should.
//!
//! Real hosts need nixpkgs: BOX_NIXPKGS and BOX_DISKO name it as for
//! `nixos/tests/evaluate.sh`, or BOX_LOCKED=1 takes the locked inputs. Without them the
//! tables that need a real host are left out, loudly, and the others take graphs of
//! derivations without nixpkgs.
//!
//! [`tables`] holds what is compared, [`fixture`] what it is compared on, [`peers`] what with,
//! [`run`] how it is timed. What comes of it is kept as [`results`], of which [`page`] and
//! [`plot`] make the documentation. Linux only, as the images are.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench starts programs that have nothing to do with cbox, reads its own environment, and prints"
)]

mod command;
mod environment;
mod failure;
mod fixture;
mod measure;
mod memory;
mod nix;
mod page;
mod peers;
mod plot;
mod report;
mod results;
mod run;
mod tables;
mod text;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::{
    environment::Environment, failure::Failure, fixture::Fixture, report::Report, tables::Table,
};

/// The top of this repository.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Compares what cbox costs with what other tools cost.
#[derive(Debug, Parser)]
#[command(name = "cbox-bench", version)]
struct Arguments {
    /// The tables to make [default: all of them]
    #[arg(value_enum, value_name = "TABLE")]
    tables: Vec<Table>,
    /// The cbox to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    cbox: Option<PathBuf>,
    /// Keep what comes of each table in tests/bench/results, and write docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// For a try: no more hosts, files, derivations and store paths than so many
    #[arg(long, value_name = "NUMBER", conflicts_with = "write")]
    most: Option<usize>,
    /// Measure nothing: write docs/benchmarks.md of the results that are kept
    #[arg(long, exclusive = true)]
    page: bool,
    /// Run this one command, given as JSON, and print what it took: how each is measured
    #[arg(long, hide = true, value_name = "JSON")]
    measure: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match &arguments.measure {
        Some(order) => measure::answer(order).map(|answer| {
            println!("{answer}");
            true
        }),
        None if arguments.page => page::write_all(TOP.as_ref()).map(|()| true),
        None => compare(&arguments),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("cbox-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the tables; whether all of them could be made or rightly left out.
fn compare(arguments: &Arguments) -> Result<bool, Failure> {
    let wanted = match arguments.tables.as_slice() {
        [] => Table::all(),
        some => some.to_vec(),
    };
    let environment = Environment::read(arguments.cbox.as_deref(), arguments.most)?;
    let mut report = Report::new(environment.made());
    let real_wanted = wanted.iter().any(|table| table.wants_real_hosts());
    let mut fixture = Fixture::make(&environment, real_wanted, &mut report);
    for table in wanted {
        report.begin(table);
        if let Err(failure) = table.make(&environment, &mut fixture, &mut report) {
            report.failed(&failure);
        }
        // After each, so that a run that is ended keeps what it had.
        if let (Some(outcome), true) = (report.end(), arguments.write) {
            results::keep(&environment.top, &outcome)?;
            page::write_all(&environment.top)?;
        }
    }
    Ok(report.close())
}
