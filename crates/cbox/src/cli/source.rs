//! `cbox source`: its words.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::LimitArgs;

const WHY_EXAMPLES: &str = "\
Examples:
  cbox source why hosts/box/disk.nix
  cbox source why docs secrets.img --baked

The exit code is 0 if all of them are staged, and 1 if one is not.";

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// List the staged files
    #[command(
        after_help = "Examples:\n  cbox source list | grep nixos/\n  cbox source list --largest"
    )]
    List(ListArgs),
    /// Print the hash of the staged tree, as flake references have it
    #[command(after_help = "Example: cbox source hash")]
    Hash(SourceArgs),
    /// Put the staged tree into the store and print its flake reference
    #[command(
        after_help = "Example: nixos-rebuild switch --flake \"$(cbox source ref --host box)#box\""
    )]
    Ref(SourceArgs),
    /// Say which rule decides whether files and folders are staged
    #[command(after_help = WHY_EXAMPLES)]
    Why(WhyArgs),
    /// Show what of the staged tree is baked into images
    ///
    /// The flake itself decides that: the option that holds the baked source is evaluated,
    /// and what it leads to is compared with the staged tree. `baked` under [source] in
    /// cbox.toml names that option.
    #[command(
        after_help = "Examples:\n  cbox source baked\n  cbox source baked _appliance_iso --files"
    )]
    Baked(BakedArgs),
    /// Look for keys, tokens, passwords and state in the staged tree
    ///
    /// Fails with a list of what must not be baked into an image. The build of an image does
    /// this first.
    #[command(after_help = "Example: cbox source audit")]
    Audit {
        /// Only what git tracks
        #[arg(long)]
        tracked: bool,
    },
}

/// What of the tree is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceArgs {
    /// With the local settings of this host
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Only what git tracks
    #[arg(long)]
    pub(crate) tracked: bool,
}

/// `cbox source list`
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// With the size of each file
    #[arg(long)]
    pub(crate) sizes: bool,
    /// The largest first, with their sizes
    #[arg(long)]
    pub(crate) largest: bool,
}

/// `cbox source why`
#[derive(Debug, Clone, Args)]
pub(crate) struct WhyArgs {
    /// Files and folders, there or not
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) paths: Vec<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Say too whether they are baked into images; this evaluates the image hosts
    #[arg(long)]
    pub(crate) baked: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `cbox source baked`
#[derive(Debug, Clone, Args)]
pub(crate) struct BakedArgs {
    /// The host [default: those that exist only to be built into images]
    pub(crate) host: Option<String>,
    /// Each file, also where all of a folder are alike
    #[arg(long)]
    pub(crate) files: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}
