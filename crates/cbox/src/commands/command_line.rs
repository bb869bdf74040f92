//! The one command line of the program: its commands, and the kinds of image in the
//! `cbox.toml` of the flake that is here.

use std::ffi::{OsStr, OsString};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_driver::{
    Environment, Error, Kind,
    error::TABLE,
    flake::{config::TargetConfig, project::Project},
    subject::words::which_format,
    target_name::TargetName,
    text::{
        harmless, harmless_lines,
        nearest::{nearest, suggestion},
        path_text,
    },
};
use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand as _, ValueEnum as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    commands::{
        Command,
        image::{self, ImageArgs},
    },
    options::{ColorArg, Format, GlobalOptions, RepeatedOptions, flake_words, nix_flags},
    view::{Form, hint::Repeated},
};

const EXAMPLES: &str = "\
Examples:
  cbox appliance iso                  build the ISO for this machine's architecture
  cbox appliance qcow2 aarch64        build another architecture's disk image
  cbox appliance raw --dry-run        show what would be built and fetched
  cbox build appliance iso box        build several targets in one run: an image and a host
  cbox init                           write a cbox.toml for the flake here
  cbox list                           show what there is to build
  cbox image box iso                  build an image of a host, without a cbox.toml
  cbox boot appliance iso             boot what was built
  cbox flash appliance iso /dev/sdb   write it to a drive
  cbox verify-hosts                   check that no install host changes unnoticed
";

const ENVIRONMENT: &str = "\
Environment:
  CBOX_FIRMWARE_DIR  where `cbox boot` finds UEFI firmware
  CBOX_FLAKE         the flake, where `--flake` names none
  CBOX_HEARTBEAT     seconds of silence after which a line says what still runs, where no
                     terminal shows it [default: 30; 0: never]
  NO_COLOR, CLICOLOR_FORCE, CLICOLOR=0
                     turn colours off, on everywhere, or off on terminals

Your own settings, for all flakes, are in ~/.config/cbox/config.toml.
";

/// Builds, checks and records images of NixOS hosts.
///
/// `cbox <kind> <format> [system]` builds one of the targets in cbox.toml: it stages a
/// clean copy of the flake, evaluates it purely, builds it with Nix and keeps the result
/// under out/. `cbox <kind> --help` shows the options. Without a cbox.toml, `cbox image <host>
/// <variant>` builds what a host offers by itself.
#[derive(Debug, Parser)]
#[command(name = "cbox", version, after_help = EXAMPLES, after_long_help = long_after_help())]
#[command(
    override_usage = "cbox [OPTIONS] <COMMAND>\n       cbox [OPTIONS] <KIND> <FORMAT> [SYSTEM]"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What the commands in hints repeat.
    #[arg(skip)]
    pub(crate) repeated: Repeated,
}

fn long_after_help() -> String {
    let codes = TABLE.iter();
    let codes = codes.map(|(code, meaning)| format!("  {code:>3}  {meaning}\n"));
    let codes: String = codes.collect();
    format!("{EXAMPLES}\n{ENVIRONMENT}\nExit codes:\n{codes}")
}

/// Finds the flake, in `flake` or around the working directory.
///
/// # Errors
/// When there is none, or its `cbox.toml` will not do: it cannot be read, or calls a kind as
/// a command is called.
pub(crate) fn find_project(
    environment: &Environment,
    flake: Option<&Utf8Path>,
) -> Result<Project, Error> {
    checked(Project::find(environment, flake)?)
}

/// `project`, none of whose kinds is called as a command is.
///
/// # Errors
/// When one is.
pub(crate) fn checked(project: Project) -> Result<Project, Error> {
    let mut targets = targets(Some(&project)).iter();
    let Some(number) = targets.position(|target| is_command(&target.kind)) else {
        return Ok(project);
    };
    let kind = &project.config().targets[number].kind;
    let message = format!("the kind `{kind}` has the name of a command of cbox");
    let hint = "rename the kind: `cbox <kind> <format>` would be taken for the command";
    Err(project
        .wrong_config(&format!("target.{number}.kind"), &message)
        .hint(hint))
}

/// Whether `word` stands for a command, and so for no kind of image.
fn is_command(word: &str) -> bool {
    // Clap adds this one when it parses.
    word == "help" || Command::has_subcommand(word)
}

/// The commands' names.
pub(crate) fn command_names() -> Vec<String> {
    let commands = Cli::command();
    let names = commands.get_subcommands().map(clap::Command::get_name);
    names.chain(["help"]).map(str::to_owned).collect()
}

fn targets(project: Option<&Project>) -> &[TargetConfig] {
    project.map_or(&[], Project::targets)
}

/// The command line with the kinds of image in `project`, which have a place of their own in
/// its help.
pub(crate) fn command(project: Option<&Project>) -> clap::Command {
    let mut command = Cli::command();
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut kinds: Vec<(&str, Vec<&TargetConfig>)> = Vec::new();
    for target in targets(project) {
        match kinds.iter_mut().find(|(kind, _)| *kind == target.kind) {
            Some((_, formats)) => formats.push(target),
            None => kinds.push((&target.kind, vec![target])),
        }
    }
    for (kind, targets) in kinds {
        let formats: Vec<&str> = targets.iter().map(|target| &*target.format).collect();
        rows.push([kind.to_owned(), formats.join(", ")]);
        command = command.subcommand(image::command(kind, &targets).hide(true));
    }
    with_repeated(with_section(command, "Kinds of image in cbox.toml", &rows))
}

/// The option of the folder of the links, as clap knows it.
const OUT_DIR: &str = "out_dir";

/// The commands that never ask Nix, and take none of its options.
const WITHOUT_NIX: [&str; 3] = ["completions", "man", "verify-image"];

/// `command` whose commands take the options that each has for itself.
fn with_repeated(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|command| {
        let with_nix = !WITHOUT_NIX.contains(&command.get_name());
        with_args(command, &RepeatedOptions::clap_args(with_nix))
    })
}

/// `command`, and the commands below it, with `args`.
fn with_args(command: clap::Command, args: &[clap::Arg]) -> clap::Command {
    let command = command.args(args);
    command.mut_subcommands(|command| with_args(command, args))
}

/// `command` with rows under a heading of their own, before its options.
pub(crate) fn with_section(
    command: clap::Command,
    heading: &str,
    rows: &[[String; 2]],
) -> clap::Command {
    if rows.is_empty() {
        return command;
    }
    let styles = command.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let width = rows.iter().map(|[name, _]| name.len()).max();
    let width = width.unwrap_or_default();
    let rows = rows.iter().map(|[name, text]| {
        let gap = " ".repeat(width - name.len());
        format!("\n  {literal}{name}{literal:#}{gap}  {text}")
    });
    let section = format!("{header}{heading}:{header:#}{}", rows.collect::<String>());
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{section}\n\n\
         {{all-args}}{{after-help}}"
    ))
}

/// The folder that `--flake` names among the words of the command line, finished or not.
/// Clap cannot say it: the flake has the words that clap is to know.
pub(crate) fn flake_among(words: &[OsString]) -> Option<Utf8PathBuf> {
    value_among(words, "--flake").map(Utf8PathBuf::from)
}

/// What `--color` asks for among words that may be no command line.
pub(crate) fn color_among(words: &[OsString]) -> Option<ColorArg> {
    ColorArg::from_str(value_among(words, "--color")?, true).ok()
}

/// The value of the option `name` among the words of the command line, the last one if there are
/// several.
fn value_among<'w>(words: &'w [OsString], name: &str) -> Option<&'w str> {
    let words = words.iter().filter_map(|word| word.to_str()).skip(1);
    // A shell that completes puts this one before the line.
    let mut line = words.peekable();
    line.next_if_eq(&"--");
    let mut line = line.take_while(|word| *word != "--");
    let mut value = None;
    while let Some(word) = line.next() {
        match word.strip_prefix(name) {
            Some("") => value = line.next().or(value),
            Some(rest) => value = rest.strip_prefix('=').or(value),
            None => {}
        }
    }
    value
}

/// Why the words of a command line are no command.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// What clap says, help among it.
    Clap(clap::Error),
    /// What cbox says.
    Cbox(Error),
    /// JSON is asked for, and another form.
    TwoForms,
}

impl Refusal {
    /// The error for two forms.
    pub(crate) fn two_forms() -> Error {
        let message = "`--json` and `--format` ask for different forms";
        Error::new(Kind::Usage, message)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Cbox(error)
    }
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Clap(error)
    }
}

/// Parses the words of the command line.
///
/// # Errors
/// When they are no command, and when they ask for help.
pub(crate) fn parse(project: Result<&Project, &Error>, words: &[OsString]) -> Result<Cli, Refusal> {
    parse_with(words, &|words| {
        parse_words(project, command(project.ok()), words)
    })
}

/// The same where the flake is one that Nix has yet to fetch: what is no command may be a kind of
/// image in it.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_unfetched(error: &Error, words: &[OsString]) -> Result<Cli, Refusal> {
    let mut known = command(None);
    let kind = flake_words::command_among(words, &known);
    if !kind.is_empty() && !is_command(kind) {
        known = with_repeated(Cli::command().subcommand(image::command(kind, &[])));
    }
    parse_with(words, &|words| {
        parse_words(Err(error), known.clone(), words)
    })
}

fn parse_with(
    words: &[OsString],
    parse: &dyn Fn(&[OsString]) -> Result<Cli, Refusal>,
) -> Result<Cli, Refusal> {
    let refused = match parse(words) {
        Err(Refusal::Clap(error)) => error,
        parsed => return parsed,
    };
    // Clap puts the words into its text as they are, beside its own colours: it is to say the
    // same of words that can be shown.
    let shown: Vec<OsString> = words.iter().map(|word| shown(word)).collect();
    if shown == words {
        return Err(refused.into());
    }
    Err(match parse(&shown) {
        Err(Refusal::Clap(error)) if error.kind() == refused.kind() => error.into(),
        _ => {
            let text = harmless_lines(&refused.to_string()).into_owned();
            let text = text.trim_start_matches("error: ").to_owned();
            clap::Error::raw(refused.kind(), text).into()
        }
    })
}

/// A word as it can be shown. Clap says some twice in a line, and each character may take six.
fn shown(word: &OsStr) -> OsString {
    const LONGEST: usize = 600;
    harmless(&path_text(word.as_ref()), LONGEST).into()
}

fn parse_words(
    project: Result<&Project, &Error>,
    known: clap::Command,
    words: &[OsString],
) -> Result<Cli, Refusal> {
    let matches = match known.try_get_matches_from(words) {
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => {
            return Err(unknown_word(project, words, error));
        }
        Err(error) if lacks(&error, image::FORMAT) => {
            let words = words.iter().filter_map(|word| word.to_str());
            let is_kind = |word: &&str| targets(project.ok()).iter().any(|it| it.kind == *word);
            return Err(match (project, words.clone().skip(1).find(is_kind)) {
                (Ok(project), Some(kind)) => which_format(project, kind, "cbox ").into(),
                _ => error.into(),
            });
        }
        Err(error) => return Err(foreign_flag(words, error)),
        Ok(matches) => matches,
    };
    let mut cli = match matches.subcommand() {
        Some((kind, image)) if !is_command(kind) => Cli {
            options: GlobalOptions::from_arg_matches(&matches)?,
            command: Command::Image(kind.to_owned(), ImageArgs::from_arg_matches(image)?),
            repeated: Repeated::default(),
        },
        _ => Cli::from_arg_matches(&matches)?,
    };
    let mut level = &matches;
    while let Some((_, behind)) = level.subcommand() {
        cli.options.add(RepeatedOptions::behind(behind)?);
        level = behind;
    }
    if cli.command.wants_build_logs() {
        cli.options.repeated.verbose = cli.options.repeated.verbose.max(1);
    }
    cli.repeated.flake = cli.options.flake.as_ref().map(ToString::to_string);
    if let Ok(Some(out_dir)) = level.try_get_one::<Utf8PathBuf>(OUT_DIR) {
        cli.repeated.out_dir = Some(out_dir.to_string());
        let takes = |command: &&clap::Command| {
            let mut args = command.get_arguments();
            args.any(|arg| arg.get_id() == OUT_DIR)
        };
        let commands = command(project.ok());
        let commands = commands.get_subcommands().filter(takes);
        let names = commands.map(|command| command.get_name().to_owned());
        cli.repeated.with_out_dir = names.collect();
    }
    match level.try_get_one::<Format>("format") {
        Ok(Some(Format::Json)) => cli.options.json = true,
        Ok(Some(_)) if cli.options.form() != Form::Text => return Err(Refusal::TwoForms),
        _ => {}
    }
    Ok(cli)
}

/// The error for an option that is not known, where it is one of Nix: clap would guess among those
/// that are.
fn foreign_flag(words: &[OsString], error: clap::Error) -> Refusal {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return error.into();
    };
    let known = command(None);
    let name = flake_words::command_among(words, &known);
    let build = || known.find_subcommand("build");
    // A kind of image takes what a build takes.
    let own = match name {
        "" => None,
        name if is_command(name) => known.find_subcommand(name),
        _ => build(),
    };
    if let Some(error) = too_early(words, flag, name, &known) {
        return error.into();
    }
    let passes_on =
        own.is_some_and(|own| own.get_arguments().any(|arg| arg.get_id() == "nix_args"));
    match nix_flags::misplaced(flag, name, passes_on) {
        Some(misplaced) if own.is_some() => misplaced.into(),
        _ => error.into(),
    }
}

/// The error for an option of a command that stands before the command, or before `kind` of image.
fn too_early(words: &[OsString], flag: &str, kind: &str, known: &clap::Command) -> Option<Error> {
    let words = words.iter().filter_map(|word| word.to_str());
    let words: Vec<&str> = words.skip(1).take_while(|word| *word != "--").collect();
    let place = words.iter().position(|word| word.starts_with(flag))?;
    let (before, behind) = words.split_at(place);
    if before.iter().any(|word| is_command(word)) {
        return None;
    }
    let command = behind.iter().find(|word| is_command(word));
    let name = *command.or_else(|| behind.iter().find(|word| **word == kind))?;
    let takes = |arg: &clap::Arg| {
        let short = arg.get_short().map(|short| format!("-{short}"));
        let long = arg.get_long().map(|long| format!("--{long}"));
        [short, long].iter().flatten().any(|own| own == flag)
    };
    let own = known.find_subcommand(command.map_or("build", |name| *name))?;
    own.get_arguments().any(takes).then(|| {
        let message = format!("`{flag}` is an option of `cbox {name}`, and stands before it");
        Error::new(Kind::Usage, message).hint(format!(
            "write it behind the command: `cbox {name} {flag} …`"
        ))
    })
}

/// Whether the argument `name` is what clap misses.
fn lacks(error: &clap::Error, name: &str) -> bool {
    let missing = error.get(ContextKind::InvalidArg);
    error.kind() == ErrorKind::MissingRequiredArgument
        && matches!(missing, Some(ContextValue::Strings(all)) if all[0] == format!("<{name}>"))
}

/// The error for a first word that is neither a command nor a kind. It is a slip in the name
/// of either; where the kinds cannot be known, help is shown as for a kind.
fn unknown_word(
    project: Result<&Project, &Error>,
    words: &[OsString],
    error: clap::Error,
) -> Refusal {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.clone(),
        _ => return error.into(),
    };
    let word = word.as_str();
    let words = words.iter().filter_map(|word| word.to_str());
    let mut before = words.clone().skip(1).take_while(|other| *other != word);
    if before.any(is_command) {
        // It is behind a command that has commands of its own.
        return error.into();
    }
    let commands = command_names();
    let mut known: Vec<&str> = commands.iter().map(String::as_str).collect();
    match project {
        Ok(project) if project.is_configured() => {
            known.extend(targets(Some(project)).iter().map(|target| &*target.kind))
        }
        _ if words.clone().any(|word| word == "-h" || word == "--help") => {
            let command = with_repeated(Cli::command().subcommand(image::command(word, &[])));
            let help = command.try_get_matches_from(words);
            return help.err().unwrap_or(error).into();
        }
        // A slip in a command's name is the nearer thought, where there is one.
        Err(error) if nearest(word, known.iter().copied()).is_empty() => {
            return error.clone().into();
        }
        _ => {}
    }
    known.sort_unstable();
    known.dedup();
    let is_host = project.is_ok_and(|project| {
        let last = project.last_known();
        project.hosts().iter().any(|host| host == word) || last.hosts().any(|host| host == word)
    });
    let is_near = !nearest(word, known.iter().copied()).is_empty();
    let message = format!("`{word}` is neither a command nor a kind of target");
    let hint = match (word.parse::<TargetName>(), project) {
        (Ok(_), _) => format!("`cbox build {word}` builds the target of that name"),
        (Err(_), _) if is_host => format!(
            "`cbox build {word}` builds the target of that name, and `cbox image {word} <VARIANT>` an \
             image of that host"
        ),
        // Whether it is a host, only Nix knows.
        (Err(_), Ok(project)) if !is_near && !project.is_configured() => {
            let message = format!("{message}: there is no cbox.toml in {}", project.shown());
            let hint = "`cbox image <HOST> <VARIANT>` builds an image of a host without one, `cbox \
                        list` shows the hosts, and `cbox init` writes a cbox.toml";
            return Error::new(Kind::Config, message).hint(hint).into();
        }
        (Err(_), _) => suggestion(word, &known),
    };
    Error::new(Kind::Usage, message).hint(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_flake_is_found_on_an_unfinished_line() {
        let flake = |line: &str| flake_among(&words(line)).map(Utf8PathBuf::into_string);
        assert_eq!(flake("cbox --flake a/b build "), Some("a/b".into()));
        assert_eq!(flake("cbox build --flake=a x"), Some("a".into()));
        assert_eq!(flake("cbox -- cbox build --flake=a "), Some("a".into()));
        assert_eq!(flake("cbox --flake a build --flake b"), Some("b".into()));
        assert_eq!(flake("cbox build --flake"), None);
        assert_eq!(flake("cbox build --flakes x"), None);
        assert_eq!(flake("cbox build x -- --flake y"), None);
    }

    /// A flake with one image.
    fn flake() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let target =
            "[[target]]\nkind = \"appliance\"\nformat = \"iso\"\nhost = \"x\"\nattribute = \"a\"\n";
        std::fs::write(folder.path().join("cbox.toml"), target).unwrap();
        std::fs::write(folder.path().join("flake.nix"), "").unwrap();
        let environment = Environment {
            folder: folder.path().to_owned().try_into().unwrap(),
            ..Environment::unknown()
        };
        let project = find_project(&environment, None).unwrap();
        (folder, project)
    }

    #[test]
    fn the_definitions_hold() {
        command(None).debug_assert();
        let (_folder, project) = flake();
        command(Some(&project)).debug_assert();
    }

    #[test]
    fn a_kind_is_a_command() {
        let (_folder, project) = flake();
        let line = words("cbox --flake x appliance iso --drv --json -- -L");
        let cli = parse(Ok(&project), &line).unwrap();
        assert_eq!(cli.options.flake.as_deref(), Some("x".into()));
        assert!(cli.options.json);
        let Command::Image(kind, image) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!((&*kind, &*image.format), ("appliance", "iso"));
        assert!(image.build.drv);
        assert_eq!(image.build.nix_arguments().others, ["-L"]);
    }

    #[test]
    fn options_count_on_either_side() {
        let (_folder, project) = flake();
        for command in ["hosts", "appliance iso", "source hash"] {
            let line = format!(
                "cbox --flake a -v --override-input n r {command} --json -v --override-input m s"
            );
            let options = parse(Ok(&project), &words(&line)).unwrap().options;
            assert_eq!(options.repeated.verbose, 2, "{command}");
            let run = options.run_options();
            assert!(options.json && run.flake.unwrap() == "a");
            let inputs = [("n", "r"), ("m", "s")].map(|(n, r)| (n.to_owned(), r.to_owned()));
            assert_eq!(run.override_inputs, inputs, "{command}");
            let line = format!("cbox --offline --store a {command} --show-trace --store b");
            let run = parse(Ok(&project), &words(&line)).unwrap().options;
            let run = run.run_options();
            assert!(run.offline && run.show_trace && run.store.unwrap() == "b");
        }
        for command in WITHOUT_NIX {
            let line = format!("cbox {command} --offline");
            assert!(parse(Ok(&project), &words(&line)).is_err(), "{command}");
        }
    }
}
