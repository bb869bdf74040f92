//! The command line: what can be typed, and its help.

mod boot;
mod flash;
mod judging;
mod links;
mod matrix;
mod size;
mod source;

use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use cbox_driver::{
    error::TABLE,
    eval::memory_budget::parse_size,
    options::{Forced, Limits, NixArguments, Options},
};
use cbox_nix::overrides::Setting;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub(crate) use boot::BootArgs;
pub(crate) use flash::FlashArgs;
pub(crate) use source::{BakedArgs, ListArgs, SourceArgs, SourceCommand, WhyArgs};

pub(crate) use judging::{
    AcceptArgs, DiffArgs, Explain, ExplainArgs, Format, JudgeArgs, ShowArgs, VerifyArgs, WatchArgs,
};
pub(crate) use links::{CleanArgs, StatusArgs};
pub(crate) use matrix::{MatrixArgs, Runner};
pub(crate) use size::SizeArgs;

const EXAMPLES: &str = "\
Examples:
  cbox appliance iso                  build the ISO for this machine's architecture
  cbox appliance qcow2 aarch64        build another architecture's disk image
  cbox appliance raw --dry-run        show what would be built and fetched
  cbox build appliance/iso hosts/box  build several targets in one run
  cbox init                           write a cbox.toml for the flake that is here
  cbox list                           show what there is to build
  cbox boot appliance/iso             boot what was built
  cbox flash appliance/iso /dev/sdb   write it to a drive
  cbox verify-hosts                   check that no install host changes unseen
";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(cbox completions bash)                                         in ~/.bashrc
  cbox completions zsh >~/.zfunc/_cbox                                    in a folder of $fpath
  cbox completions fish >~/.config/fish/completions/cbox.fish
  cbox completions nushell | save ($nu.data-dir)/vendor/autoload/cbox.nu";

/// Builds, checks and records images of NixOS hosts.
///
/// `cbox <kind> <format> [system]` builds one of the targets in cbox.toml: it stages a
/// clean copy of the flake, evaluates it purely, builds it with Nix and keeps the result
/// under out/. `cbox <kind> <format> --help` shows the options.
#[derive(Debug, Parser)]
#[command(name = "cbox", version, after_help = EXAMPLES, after_long_help = long_after_help())]
#[command(
    override_usage = "cbox [OPTIONS] <COMMAND>\n       cbox [OPTIONS] <KIND> <FORMAT> [SYSTEM]"
)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    infer_subcommands = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  CBOX_FIRMWARE_DIR  where `cbox boot` finds UEFI firmware
  CBOX_HEARTBEAT     after how many silent seconds a line says what still runs, where no
                     terminal shows it [default: 30; 0: never]
  NO_COLOR           no colours, if it is set
";

fn long_after_help() -> String {
    format!("{EXAMPLES}\n{ENVIRONMENT}\n{}", exit_codes())
}

/// The exit codes as a help text.
fn exit_codes() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in TABLE {
        text.push_str(&format!("  {code:>3}  {meaning}\n"));
    }
    text
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Common {
    /// The folder of the flake [default: this one, or the nearest above with a flake.nix]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) flake: Option<Utf8PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show the logs of builds and the warnings of evaluations; twice: every command that is run
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Show results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Use another store, as Nix names it
    #[arg(long, global = true, value_name = "URI", help_heading = "Nix")]
    pub(crate) store: Option<String>,
    /// Fetch nothing
    #[arg(long, global = true, help_heading = "Nix")]
    pub(crate) offline: bool,
    /// Show errors of an evaluation with the whole way to them, as Nix does
    #[arg(long, global = true, help_heading = "Nix")]
    pub(crate) show_trace: bool,
    /// Replace an input of the flake, for this run
    #[arg(long, global = true, num_args = 2, value_names = ["NAME", "REF"], action = clap::ArgAction::Append, help_heading = "Nix")]
    pub(crate) override_input: Vec<String>,
}

impl Common {
    /// What a run is asked for.
    pub(crate) fn options(&self) -> Options {
        let inputs = self.override_input.chunks_exact(2);
        Options {
            flake: self.flake.clone(),
            store: self.store.clone(),
            offline: self.offline,
            show_trace: self.show_trace,
            override_inputs: inputs
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
        }
    }

    /// What was given before the command, with what was given behind it on top.
    pub(crate) fn merge(self, behind: Self) -> Self {
        Self {
            flake: behind.flake.or(self.flake),
            json: behind.json || self.json,
            verbose: behind.verbose.saturating_add(self.verbose),
            quiet: behind.quiet || self.quiet,
            store: behind.store.or(self.store),
            offline: behind.offline || self.offline,
            show_trace: behind.show_trace || self.show_trace,
            override_input: [self.override_input, behind.override_input].concat(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build several targets in one run
    #[command(after_help = "Example: cbox build appliance/iso appliance/raw/aarch64 hosts/box")]
    Build(BuildArgs),
    /// Find the hosts and images of a flake, and write a cbox.toml for them
    ///
    /// Each host is looked at, nothing is built. One that does not evaluate becomes a comment.
    #[command(after_help = "Examples:\n  cbox init\n  cbox init --print")]
    Init(InitArgs),
    /// List the targets
    #[command(after_help = "Example: cbox list --json")]
    List,
    /// List the hosts with kind, system and host name
    #[command(after_help = "Example: cbox hosts")]
    Hosts {
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Check that the install hosts are as accepted in baseline.json, and say why not
    #[command(name = "verify-hosts", after_help = judging::VERIFY_EXAMPLES)]
    VerifyHosts(VerifyArgs),
    /// Record in baseline.json what the install hosts build now
    #[command(after_help = "Examples:\n  cbox accept\n  cbox accept --host 'lab-*'")]
    Accept(AcceptArgs),
    /// Explain why two derivations differ: causes first, what follows from them counted
    #[command(after_help = judging::DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// On each save, show which hosts and images it changes, and why
    #[command(after_help = "Examples:\n  cbox watch\n  cbox watch coder-thinkcentre appliance/iso")]
    Watch(WatchArgs),
    /// Boot the image that was built for a target, in QEMU
    ///
    /// The image is never written to: what the machine writes goes to an overlay that is
    /// thrown away, or kept with `--keep`. KVM is used where it starts a machine, and
    /// emulation elsewhere.
    #[command(after_help = boot::EXAMPLES)]
    Boot(BootArgs),
    /// Write the image that was built for a target to a drive, and compare it
    ///
    /// Shows what is on the drive and asks for its name before anything is written. A drive
    /// that is in use is refused. What was written is read back from the drive and compared.
    #[command(after_help = flash::EXAMPLES)]
    Flash(FlashArgs),
    /// Show what makes an image large, and what pulled that in
    ///
    /// An image holds what its system needs, so that is what is looked at: all that
    /// `system.build.toplevel` of the target's host refers to. Nothing is built.
    #[command(after_help = size::EXAMPLES)]
    Size(SizeArgs),
    /// Show what is staged, why, what of it is baked into images, and what must not be
    #[command(subcommand)]
    Source(SourceCommand),
    /// Show what this machine lacks, and how it gets it
    #[command(after_help = "Example: cbox doctor")]
    Doctor,
    /// Show the links under out/: their size, their age, and whether they are current
    #[command(after_help = links::STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Remove links under out/, with their records and roots
    ///
    /// Only what cbox made is removed. The store paths stay until the garbage collector of
    /// Nix takes them: the last line says how much that would free.
    #[command(after_help = links::CLEAN_EXAMPLES)]
    Clean(CleanArgs),
    /// Print the targets as a matrix of GitHub Actions
    #[command(after_help = matrix::EXAMPLES)]
    Matrix(MatrixArgs),
    /// Print what a shell loads to complete cbox's words
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages
    #[command(after_help = "Example: cbox man ~/.local/share/man/man1")]
    Man {
        /// Where they go
        #[arg(value_name = "DIR")]
        folder: Utf8PathBuf,
    },
    /// Build a target of cbox.toml
    #[command(external_subcommand)]
    Image(Vec<String>),
}

impl Command {
    /// The form of the result, where one was asked for by name.
    pub(crate) fn format(&self) -> Option<Format> {
        match self {
            Self::VerifyHosts(args) => args.judge.show.format,
            Self::Accept(args) => args.judge.show.format,
            Self::Diff(args) => args.show.format,
            _ => None,
        }
    }
}

/// `cbox init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Print the file instead of writing it
    #[arg(long)]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The words that stand for a command, and so for no kind of target.
pub(crate) fn command_names() -> Vec<String> {
    let mut cli = Cli::command();
    cli.build();
    let commands = cli.get_subcommands();
    commands
        .map(|command| command.get_name().to_owned())
        .collect()
}

/// `cbox build`
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// What to build: `<kind>/<format>[/<system>]` or `hosts/<name>`
    #[arg(required = true, value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: BuildFlags,
}

/// `cbox <kind> <format> [system]`, parsed a second time since its first word is free.
#[derive(Debug, Parser)]
#[command(
    disable_version_flag = true,
    after_help = "Examples:\n  cbox appliance iso\n  cbox appliance qcow2 aarch64 --dry-run\n  cbox appliance iso --set networking.hostName=demo\n  cbox appliance iso -- --max-jobs 4"
)]
pub(crate) struct ImageArgs {
    /// The format, as cbox.toml has it: `iso`
    pub(crate) format: Option<String>,
    /// The system: `x86_64-linux`, or short `x86_64`, `amd64`, `aarch64`, `arm64`
    /// [default: this machine's]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) flags: BuildFlags,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// A shell with completion.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Fish,
    Nushell,
    Zsh,
}

/// How much is evaluated at once.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct LimitArgs {
    /// Make N evaluations at once [default: as many as cores and free memory allow]
    #[arg(long, value_name = "N", value_parser = parse_jobs, help_heading = "Evaluation")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Let all evaluations together take this much memory, as 4G or 1500M [default: what is free]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Evaluation")]
    pub(crate) max_memory: Option<u64>,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self {
            jobs: args.jobs,
            max_memory: args.max_memory,
        }
    }
}

fn parse_jobs(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse()
        .map_err(|_| "it is a whole number from 1 on: how many evaluations go at once")
}

/// Options of every build.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BuildFlags {
    /// Show what would be built and fetched, and stop
    #[arg(long, conflicts_with = "drv")]
    pub(crate) dry_run: bool,
    /// Print the path of the derivation, and stop
    #[arg(long)]
    pub(crate) drv: bool,
    /// Force an option: the value is JSON or a plain word, a text that looks like
    /// something else stands in quotes: 'a.b="25.11"'
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<Setting>,
    /// Put the commit and the branch into the image
    #[arg(long)]
    pub(crate) stamp: bool,
    /// Use an image host's local settings; their values enter the image
    #[arg(long)]
    pub(crate) with_local: bool,
    /// Where the links go [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<Utf8PathBuf>,
    /// Build, but link and record nothing
    #[arg(long)]
    pub(crate) no_link: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Machines that build, as Nix names them
    #[arg(long, value_name = "BUILDERS", help_heading = "Nix")]
    pub(crate) builders: Option<String>,
    /// Arguments for Nix
    #[arg(last = true, value_name = "NIX ARGS", help_heading = "Nix")]
    pub(crate) nix_args: Vec<String>,
}

impl BuildFlags {
    /// What Nix is told.
    pub(crate) fn nix(&self) -> NixArguments {
        NixArguments {
            builders: self.builders.clone(),
            others: self.nix_args.clone(),
        }
    }

    /// What is forced on the targets.
    pub(crate) fn forced(&self) -> Forced {
        Forced {
            set: self.set.clone(),
            stamp: self.stamp,
        }
    }
}

/// Arguments for Nix, as they stand behind `--`.
pub(crate) fn nix_arguments(others: &[String]) -> NixArguments {
    NixArguments {
        builders: None,
        others: others.to_owned(),
    }
}

fn parse_setting(text: &str) -> Result<Setting, String> {
    text.parse()
        .map_err(|error: cbox_nix::overrides::OverrideError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_hold() {
        Cli::command().debug_assert();
        ImageArgs::command().debug_assert();
    }

    #[test]
    fn the_words_behind_a_kind_are_left_alone() {
        let cli = Cli::parse_from([
            "cbox",
            "--flake",
            "x",
            "appliance",
            "iso",
            "--drv",
            "--",
            "-L",
        ]);
        let Command::Image(words) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!(words, ["appliance", "iso", "--drv", "--", "-L"]);
        let image = ImageArgs::parse_from(&words);
        assert_eq!(image.format.as_deref(), Some("iso"));
        assert!(image.flags.drv);
        assert_eq!(image.flags.nix_args, ["-L"]);
    }

    #[test]
    fn options_count_on_either_side() {
        let one = Common {
            flake: Some("a".into()),
            verbose: 1,
            ..Common::default()
        };
        let other = Common {
            json: true,
            verbose: 1,
            override_input: vec!["n".into(), "r".into()],
            ..Common::default()
        };
        let merged = one.merge(other);
        assert_eq!(merged.flake.unwrap(), "a");
        assert!(merged.json && merged.verbose == 2 && merged.override_input.len() == 2);
    }
}
