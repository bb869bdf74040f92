//! The words of `cbox flash`.

use camino::Utf8PathBuf;
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  cbox flash appliance/iso /dev/sdb --dry-run    show what is on it, and whether it may be erased
  sudo \"$(command -v cbox)\" flash appliance/iso /dev/sdb
  cbox flash appliance/raw /dev/sdb --erase sdb  ask nothing
  cbox flash appliance/raw disk.img --file       to a file, as to a drive of its size
";

/// `cbox flash`
#[derive(Debug, Args)]
pub(crate) struct FlashArgs {
    /// What to write: `<kind>/<format>[/<system>]`
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// The drive to write it to: `/dev/sdb`
    #[arg(value_name = "DEVICE")]
    pub(crate) device: Utf8PathBuf,
    /// Erase the drive of this name without asking: `sdb`
    #[arg(long, value_name = "NAME")]
    pub(crate) erase: Option<String>,
    /// Show what would be erased, and stop
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Write to a file that is there, as to a drive of its size
    #[arg(long)]
    pub(crate) file: bool,
    /// Where the links are [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<Utf8PathBuf>,
}
