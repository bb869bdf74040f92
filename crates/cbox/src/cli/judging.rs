//! The words of what judges and explains: `verify-hosts`, `accept`, `diff`, `watch`.

use cbox_driver::{environment::GitHub, options::NixArguments};
use cbox_nix::overrides::Setting;
use clap::{Args, ValueEnum};

use super::{LimitArgs, nix_arguments, parse_setting};

pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  cbox verify-hosts                     the tracked files of the working tree
  cbox verify-hosts --rev v1.2          a commit, by the baseline in it
  cbox verify-hosts --base origin/main  and explain against another commit
  cbox verify-hosts --self-test         show that ignored files move no derivation
";

pub(super) const DIFF_EXAMPLES: &str = "\
Examples:
  cbox diff HEAD~1:box box                       a host before the last commit, and now
  cbox diff appliance/iso appliance/iso/aarch64  two targets
  cbox diff out/appliance-iso appliance/iso      what was built, and what would be
  cbox diff /nix/store/…-a.drv /nix/store/…-b.drv
";

/// How far an explanation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Explain {
    /// Verdicts only
    None,
    /// The causes, within `--max-lines`
    #[default]
    Causes,
    /// All there is to say
    Full,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Plain,
    /// As `--json`
    Json,
    /// A table with folded details
    Markdown,
    /// Annotations, summary and outputs of GitHub Actions
    Github,
}

/// How much is explained.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ExplainArgs {
    /// How much to explain
    #[arg(long, value_enum, default_value_t)]
    pub(crate) explain: Explain,
    /// The most lines for one explanation
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) max_lines: usize,
}

/// How an explanation is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) explain: ExplainArgs,
    /// The form of the result [default: github in GitHub Actions, plain elsewhere]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
}

impl ShowArgs {
    /// The form to use.
    pub(crate) fn form(self, json: bool, github: &GitHub) -> Format {
        match self.format {
            _ if json => Format::Json,
            Some(format) => format,
            None if github.actions => Format::Github,
            None => Format::Plain,
        }
    }
}

/// How hosts are judged.
#[derive(Debug, Clone, Args)]
pub(crate) struct JudgeArgs {
    /// Only install hosts whose names match; can be given more than once
    #[arg(long = "host", value_name = "GLOB")]
    pub(crate) hosts: Vec<String>,
    /// Evaluate everything, also what is remembered
    #[arg(long, help_heading = "Evaluation")]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Force an option, to see what that would change
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<Setting>,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Arguments for Nix
    #[arg(last = true, value_name = "NIX ARGS", help_heading = "Nix")]
    pub(crate) nix_args: Vec<String>,
}

impl JudgeArgs {
    /// What Nix is told.
    pub(crate) fn nix(&self) -> NixArguments {
        nix_arguments(&self.nix_args)
    }
}

/// `cbox verify-hosts`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Judge a commit instead of the working tree
    #[arg(long, value_name = "REV", conflicts_with = "self_test")]
    pub(crate) rev: Option<String>,
    /// Explain against a commit [default: in a pull request, where it began]
    #[arg(long, value_name = "REV", conflicts_with = "self_test")]
    pub(crate) base: Option<String>,
    /// Let only the same derivation pass, not another one with the same output
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write files to ignored and unbaked places of a copy, and show that nothing moves
    #[arg(long)]
    pub(crate) self_test: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
}

/// `cbox accept`
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// Also with uncommitted changes; nobody can evaluate again what was accepted so
    #[arg(long)]
    pub(crate) dirty: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
}

/// `cbox watch`
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Targets or hosts [default: all hosts, and all images of this machine's architecture]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) show: ExplainArgs,
    /// Arguments for Nix
    #[arg(last = true, value_name = "NIX ARGS", help_heading = "Nix")]
    pub(crate) nix_args: Vec<String>,
}

/// `cbox diff`
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// What was: a target, a host, a .drv file, a link in out/, or REV:host
    #[arg(value_name = "A")]
    pub(crate) old: String,
    /// What is: the same
    #[arg(value_name = "B")]
    pub(crate) new: String,
    /// Leave local settings out
    #[arg(long)]
    pub(crate) tracked: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}
