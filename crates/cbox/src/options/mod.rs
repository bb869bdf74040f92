//! The options that commands share.

pub(crate) mod complete;
pub(crate) mod flake_words;
pub(crate) mod junit;
pub(crate) mod nix_flags;

use std::{num::NonZeroUsize, sync::LazyLock};

use self::junit::JunitOption;
use crate::view::Form;
use anstream::ColorChoice;
use camino::Utf8PathBuf;
use cbox_driver::{
    Environment,
    ci::{CiSystem, SYSTEMS},
    process::options::{Forced, Limits, NixArguments, Options},
    provenance::BUILDER,
    text::memory_size::parse_size,
};
use cbox_nix::overrides::Setting;
use clap::{
    ArgMatches, Args, FromArgMatches as _, ValueEnum, ValueHint,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

/// Where the options of every command stand in help: behind the command's own.
const SHARED: usize = 500;

/// Options of every command.
#[derive(Debug, Default, Args)]
pub(crate) struct GlobalOptions {
    /// The flake: a folder, or a reference that Nix fetches, with `#host` if one is meant
    /// [default: this folder, or the nearest above with a flake.nix]
    #[arg(display_order = SHARED, long, global = true, value_name = "FLAKE", value_hint = ValueHint::DirPath, add = complete::flakes())]
    pub(crate) flake: Option<Utf8PathBuf>,
    /// Print the result as JSON
    #[arg(display_order = SHARED, long, global = true)]
    pub(crate) json: bool,
    /// Print what happens and the result as JSON, a document a line
    #[arg(display_order = SHARED, long, global = true, conflicts_with = "json")]
    pub(crate) json_lines: bool,
    /// When to use colours: auto, always or never
    #[arg(display_order = SHARED, long, global = true, value_enum, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Option<ColorArg>,
    #[command(flatten)]
    pub(crate) repeated: RepeatedOptions,
    /// Show results and errors only
    #[arg(display_order = SHARED, short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    /// On terminals, unless variables say otherwise
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl From<ColorArg> for ColorChoice {
    fn from(arg: ColorArg) -> Self {
        match arg {
            ColorArg::Auto => Self::Auto,
            ColorArg::Always => Self::Always,
            ColorArg::Never => Self::Never,
        }
    }
}

/// Options that belong to each command by itself, and count before it too; [`GlobalOptions::add`]
/// puts the two together. Clap lets the last place of a global option count alone, and shows it
/// for every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RepeatedOptions {
    /// Show build logs and evaluation warnings; given twice, also every command that is run
    #[arg(display_order = SHARED, short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    nix: NixRunOptions,
}

/// Those of them that only commands with a use for Nix have.
#[derive(Debug, Clone, Default, Args)]
struct NixRunOptions {
    /// Replace an input of the flake, for this run
    #[arg(display_order = SHARED, long, num_args = 2, value_names = ["NAME", "REF"], action = clap::ArgAction::Append, help_heading = "Nix")]
    override_input: Vec<String>,
    /// Use another Nix store
    #[arg(display_order = SHARED, long, value_name = "URI", help_heading = "Nix")]
    store: Option<String>,
    /// Do not use the network
    #[arg(display_order = SHARED, long, help_heading = "Nix")]
    offline: bool,
    /// Show Nix's whole trace with the errors of an evaluation
    #[arg(display_order = SHARED, long, help_heading = "Nix")]
    show_trace: bool,
}

impl RepeatedOptions {
    /// Those behind a command, which may have none of Nix.
    pub(crate) fn behind(matches: &ArgMatches) -> Result<Self, clap::Error> {
        // A switch always has a value where there is one. (To ask for an unknown one is an error of
        // clap's in debug builds alone.)
        let nix = if matches.ids().any(|id| id.as_str() == "offline") {
            NixRunOptions::from_arg_matches(matches)?
        } else {
            NixRunOptions::default()
        };
        Ok(Self {
            verbose: matches.get_count("verbose"),
            nix,
        })
    }

    /// Its options as clap has them, those of Nix left out unless they are wanted.
    pub(crate) fn clap_args(with_nix: bool) -> Vec<clap::Arg> {
        let all = Self::augment_args(clap::Command::new("options"));
        let is_wanted = |arg: &&clap::Arg| with_nix || arg.get_help_heading().is_none();
        all.get_arguments().filter(is_wanted).cloned().collect()
    }
}

impl GlobalOptions {
    /// Adds what stands behind a command to what stands before it.
    pub(crate) fn add(&mut self, behind: RepeatedOptions) {
        let (all, nix) = (&mut self.repeated, behind.nix);
        all.verbose = all.verbose.saturating_add(behind.verbose);
        all.nix.override_input.extend(nix.override_input);
        all.nix.store = nix.store.or(all.nix.store.take());
        all.nix.offline |= nix.offline;
        all.nix.show_trace |= nix.show_trace;
    }

    /// The form of results.
    pub(crate) fn form(&self) -> Form {
        match (self.json_lines, self.json) {
            (true, _) => Form::JsonLines,
            (false, true) => Form::Json,
            (false, false) => Form::Text,
        }
    }

    /// What a run is asked for.
    pub(crate) fn run_options(&self) -> Options {
        let nix = &self.repeated.nix;
        let inputs = nix.override_input.chunks_exact(2);
        Options {
            flake: self.flake.clone(),
            store: nix.store.clone(),
            offline: nix.offline,
            show_trace: nix.show_trace,
            override_inputs: inputs
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
        }
    }
}

/// Where the links are.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OutDirOption {
    /// Where the links are [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: Option<Utf8PathBuf>,
}

/// How much is evaluated at once.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct LimitOptions {
    /// Run N evaluations at once [default: as many as cores and free memory allow]
    #[arg(long, value_name = "N", value_parser = parse_number, help_heading = "Evaluation")]
    jobs: Option<NonZeroUsize>,
    /// Limit the memory of all evaluations together, such as 4G or 1500M [default: what is free]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Evaluation")]
    max_memory: Option<u64>,
}

impl From<LimitOptions> for Limits {
    fn from(options: LimitOptions) -> Self {
        Self {
            jobs: options.jobs,
            max_memory: options.max_memory,
        }
    }
}

/// A number of things of which there is at least one.
pub(crate) fn parse_number(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse()
        .map_err(|_| "expected a whole number, at least 1")
}

/// Arguments for Nix: settings, and whatever stands behind `--`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NixOptions {
    /// Change a setting of Nix, for this run
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append, help_heading = "Nix")]
    option: Vec<String>,
    /// Arguments for Nix
    #[arg(last = true, value_name = "NIX ARGS", help_heading = "Nix")]
    pub(crate) nix_args: Vec<String>,
}

impl NixOptions {
    /// What Nix is told.
    pub(crate) fn arguments(&self) -> NixArguments {
        let settings = self.option.chunks_exact(2);
        let settings = settings.flat_map(|pair| ["--option", &pair[0], &pair[1]]);
        let mut others: Vec<String> = settings.map(str::to_owned).collect();
        others.extend(self.nix_args.iter().cloned());
        NixArguments {
            others,
            ..NixArguments::default()
        }
    }
}

/// Options of every build.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BuildOptions {
    /// Show what would be built and fetched, and stop
    #[arg(long, conflicts_with_all = ["drv", "junit"])]
    pub(crate) dry_run: bool,
    /// Print the path of the derivation, and stop
    #[arg(long, conflicts_with = "junit")]
    pub(crate) drv: bool,
    /// Force an option: the value is JSON or a plain word; quote a string that looks like
    /// something else: 'a.b="25.11"'
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_setting)]
    set: Vec<Setting>,
    /// Record the commit and the branch in the image
    #[arg(long)]
    stamp: bool,
    /// Use an image host's local settings; their values enter the image
    #[arg(long)]
    pub(crate) with_local: bool,
    /// Where the links go [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: Option<Utf8PathBuf>,
    /// Build, but create no links or records in that folder
    #[arg(long)]
    pub(crate) no_link: bool,
    /// Make a link of this name too; those of further targets are called PATH-1, PATH-2 and so on
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) out_link: Option<Utf8PathBuf>,
    /// Print the store path of each result, and nothing else
    #[arg(long)]
    pub(crate) print_out_paths: bool,
    /// Leave out what is in the store, or in a binary cache that Nix uses
    #[arg(long, conflicts_with_all = ["drv", "dry_run"])]
    pub(crate) skip_cached: bool,
    /// Build nothing when a target does not evaluate, and nothing more when a build fails
    #[arg(long, conflicts_with = "keep_going")]
    pub(crate) fail_fast: bool,
    /// Build what failed again, up to N times
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,
    /// Copy what was built to this store too, each target as soon as it is there
    #[arg(long, value_name = "STORE", conflicts_with_all = ["drv", "dry_run"])]
    pub(crate) push: Option<String>,
    /// Write what each image is made of beside it: an SBOM, CycloneDX 1.6
    #[arg(long, conflicts_with_all = ["drv", "dry_run", "no_link"])]
    pub(crate) sbom: bool,
    /// Write where each image comes from beside it: SLSA's provenance
    #[arg(long, conflicts_with_all = ["drv", "dry_run", "no_link"])]
    pub(crate) provenance: bool,
    /// Who built it, in the provenance: a URI for the machine, or for the service
    #[arg(long, value_name = "URI", default_value = BUILDER, value_parser = uri, requires = "provenance", hide_default_value = true)]
    pub(crate) builder_id: String,
    /// Sign the checksums of the images with this secret key of minisign
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["drv", "dry_run", "no_link"])]
    pub(crate) sign: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) junit: JunitOption,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    /// Machines to build on, in the syntax of Nix's `builders`
    #[arg(long, value_name = "BUILDERS", help_heading = "Nix")]
    builders: Option<String>,
    /// Run at most N builds at once on this machine, or `auto`; `--jobs` is about evaluations
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_max_jobs, help_heading = "Nix")]
    max_jobs: Option<String>,
    /// Show build logs
    #[arg(short = 'L', long, help_heading = "Nix")]
    pub(crate) print_build_logs: bool,
    /// Build the rest when a build fails, as cbox does in any case
    #[arg(short = 'k', long, help_heading = "Nix")]
    keep_going: bool,
    /// Keep the temporary folders of builds that fail
    #[arg(short = 'K', long, help_heading = "Nix")]
    keep_failed: bool,
    #[command(flatten)]
    nix: NixOptions,
}

/// The value of Nix's `--max-jobs`.
fn parse_max_jobs(text: &str) -> Result<String, &'static str> {
    match text == "auto" || text.parse::<u32>().is_ok() {
        true => Ok(text.to_owned()),
        false => Err("expected a whole number, or `auto`"),
    }
}

impl BuildOptions {
    /// What Nix is told.
    pub(crate) fn nix_arguments(&self) -> NixArguments {
        let mut others = Vec::new();
        if let Some(jobs) = &self.max_jobs {
            others.extend(["--max-jobs".to_owned(), jobs.clone()]);
        }
        if self.keep_failed {
            others.push("--keep-failed".to_owned());
        }
        // What stands behind `--` counts last.
        others.extend(self.nix.arguments().others);
        NixArguments {
            builders: self.builders.clone(),
            others,
            fail_fast: self.fail_fast,
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

/// How the build was made that is asked about.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OfBuildOptions {
    /// Force an option, as for the build
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_setting, help_heading = "Evaluation")]
    set: Vec<Setting>,
    /// With the commit and the branch, as for the build
    #[arg(long, help_heading = "Evaluation")]
    stamp: bool,
    /// With an image host's local settings, as for the build
    #[arg(long, help_heading = "Evaluation")]
    pub(crate) with_local: bool,
}

impl OfBuildOptions {
    /// What was forced on it.
    pub(crate) fn forced(&self) -> Forced {
        Forced {
            set: self.set.clone(),
            stamp: self.stamp,
        }
    }
}

/// Reads the value of `--set`.
fn parse_setting(text: &str) -> Result<Setting, String> {
    text.parse()
        .map_err(|error: cbox_nix::overrides::OverrideError| error.to_string())
}

/// How far an explanation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Explain {
    /// Verdicts only
    None,
    /// The causes, up to `--max-lines`
    #[default]
    Causes,
    /// Everything
    Full,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    Plain,
    /// As `--json`
    Json,
    /// A table with folded details
    Markdown,
    /// As a CI system takes it
    Ci(&'static dyn CiSystem),
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<Format>> = LazyLock::new(|| {
            let ours = [Format::Plain, Format::Json, Format::Markdown];
            ours.into_iter().chain(SYSTEMS.map(Format::Ci)).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Plain => ("plain", "For people"),
            Self::Json => ("json", "As `--json`"),
            Self::Markdown => ("markdown", "A table with folded details"),
            Self::Ci(system) => (system.name(), system.form()),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// The formats of a CI system alone.
pub(crate) fn ci_formats() -> impl TypedValueParser<Value = Format> {
    let names = SYSTEMS.map(|system| PossibleValue::new(system.name()).help(system.title()));
    PossibleValuesParser::new(names).map(|name| {
        let named = SYSTEMS.iter().find(|system| system.name() == name);
        Format::Ci(*named.unwrap_or(&SYSTEMS[0]))
    })
}

/// The help of `--format`.
fn format_help() -> String {
    let defaults = SYSTEMS.map(|system| format!("{} in {}", system.name(), system.title()));
    let defaults = defaults.join(", ");
    format!("The format of the result [default: {defaults}, plain elsewhere]")
}

/// How much is explained.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ExplainOptions {
    /// How much to explain
    #[arg(long, value_enum, default_value_t)]
    pub(crate) explain: Explain,
    /// The most lines of one explanation
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) max_lines: usize,
}

/// How an explanation is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ShowOptions {
    #[command(flatten)]
    pub(crate) explain: ExplainOptions,
    #[arg(long, value_enum, help = format_help())]
    format: Option<Format>,
}

impl ShowOptions {
    /// The form to use.
    pub(crate) fn form(self, json: bool, environment: &Environment) -> Format {
        match (self.format, environment.ci()) {
            _ if json => Format::Json,
            (Some(format), _) => format,
            (None, Some(job)) => Format::Ci(job.system),
            (None, None) => Format::Plain,
        }
    }
}

impl JudgeOptions {
    /// The hosts that are meant, as names and patterns; all without one.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let words = self.named.iter().chain(&self.hosts);
        let name = |word: &String| word.strip_prefix("hosts/").unwrap_or(word).to_owned();
        words.map(name).collect()
    }
}

/// How hosts are judged: by `verify-hosts` and `accept`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JudgeOptions {
    /// Install hosts, also by patterns: 'lab-*' [default: all]
    #[arg(value_name = "HOST", add = complete::install_hosts())]
    named: Vec<String>,
    /// The same, as it was before hosts could be named by themselves
    #[arg(long = "host", value_name = "GLOB", hide = true, add = complete::install_hosts())]
    hosts: Vec<String>,
    /// Evaluate everything, even what is cached
    #[arg(long, help_heading = "Evaluation")]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    /// Force an option, to see what that would change
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<Setting>,
    #[command(flatten)]
    pub(crate) show: ShowOptions,
    #[command(flatten)]
    pub(crate) nix: NixOptions,
}

/// Checks that `text` is a URI, by its scheme and its characters.
pub(crate) fn uri(text: &str) -> Result<String, String> {
    let is_scheme = |scheme: &str| {
        let mut bytes = scheme.bytes();
        bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    match text.split_once(':') {
        Some((scheme, rest))
            if is_scheme(scheme) && !rest.is_empty() && rest.bytes().all(is_plain) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("it is no URI, such as https://example.org/builders/1".to_owned()),
    }
}
