//! The words of `cbox status` and `cbox clean`.

use std::time::Duration;

use camino::Utf8PathBuf;
use cbox_driver::units::duration::parse_duration;
use clap::Args;

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  cbox status
  cbox status appliance/iso --json";

pub(super) const CLEAN_EXAMPLES: &str = "\
Examples:
  cbox clean --older-than 2w --dry-run    what would go, and what that would free
  cbox clean appliance/iso hosts/box
  cbox clean --all && nix-collect-garbage";

/// `cbox status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The targets to show [default: all links]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Where the links are [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<Utf8PathBuf>,
}

/// `cbox clean`
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// The targets whose links go
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Remove what was built longer ago: 12h, 7d, 2w. With targets: of those alone
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Remove all links, and the logs
    #[arg(long, conflicts_with_all = ["targets", "older_than"])]
    pub(crate) all: bool,
    /// Show what would be removed, and stop
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Where the links are [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<Utf8PathBuf>,
}
