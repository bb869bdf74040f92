//! `--junit FILE`.

use camino::Utf8PathBuf;
use clap::{Args, ValueHint};

/// Where a run reports what it tests.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct JunitOption {
    /// Write a report for CI as JUnit's XML, also when the command fails
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<Utf8PathBuf>,
}
