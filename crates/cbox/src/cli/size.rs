//! The words of `cbox size`.

use camino::Utf8PathBuf;
use cbox_driver::options::{Forced, NixArguments};
use cbox_nix::overrides::Setting;
use clap::Args;

use super::{LimitArgs, nix_arguments, parse_setting};

pub(super) const EXAMPLES: &str = "\
Examples:
  cbox size appliance/iso                       the largest packages, and what pulled them in
  cbox size appliance/iso --why python3         every way to a package
  cbox size appliance/iso --against HEAD~1      what came, went, grew and shrank
  cbox size appliance/iso --html ../size.html   a map to look around in
";

/// `cbox size`
#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// What was built: a target, a host, REV:target, a link in out/ or a store path
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// Compare with a commit's build of the same target, or with any other TARGET
    #[arg(long, value_name = "REV|TARGET")]
    pub(crate) against: Option<String>,
    /// Show every way to one package
    #[arg(long, value_name = "PACKAGE", conflicts_with_all = ["against", "html"])]
    pub(crate) why: Option<String>,
    /// Show the N largest
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    pub(crate) top: usize,
    /// Show all
    #[arg(long)]
    pub(crate) all: bool,
    /// Write a page with a map of it, which any browser opens; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<Utf8PathBuf>,
    /// Force an option, as for the build
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_setting, help_heading = "Evaluation")]
    set: Vec<Setting>,
    /// With the commit and the branch in it, as for the build
    #[arg(long, help_heading = "Evaluation")]
    stamp: bool,
    /// With an image host's local settings, as for the build
    #[arg(long, help_heading = "Evaluation")]
    pub(crate) with_local: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Arguments for Nix
    #[arg(last = true, value_name = "NIX ARGS", help_heading = "Nix")]
    nix_args: Vec<String>,
}

impl SizeArgs {
    /// What Nix is told.
    pub(crate) fn nix(&self) -> NixArguments {
        nix_arguments(&self.nix_args)
    }

    /// What was forced on the build that is asked about.
    pub(crate) fn forced(&self) -> Forced {
        Forced {
            set: self.set.clone(),
            stamp: self.stamp,
        }
    }

    /// How many lines of one kind are shown at most.
    pub(crate) fn most(&self) -> usize {
        if self.all { usize::MAX } else { self.top }
    }
}
