//! `cbox <kind> <format> [system]`: builds one target of `cbox.toml`.

use cbox_driver::{
    environment::Environment,
    error::{Error, Kind},
    flake::project::Project,
    nearest::{nearest, suggestion},
    subject::{name::TargetName, target},
};
use clap::{CommandFactory as _, FromArgMatches as _};

use super::build;
use crate::{
    cli::{Cli, Common, ImageArgs},
    context::Context,
};

/// Parses what stands behind the kind. Help and usage errors come back as clap has them.
pub(crate) fn parse(words: &[String]) -> Result<ImageArgs, clap::Error> {
    let kind = words.first().map_or("<kind>", String::as_str);
    let name = format!("cbox {kind}");
    let command = ImageArgs::command()
        .name("cbox")
        .bin_name(&name)
        .about(format!("Build a target of the kind `{kind}`"));
    ImageArgs::from_arg_matches(&command.try_get_matches_from(words)?)
}

/// Checks the kind before its arguments are looked at: a slip in a command's name
/// lands here too, and is no missing format.
pub(crate) fn check_kind(
    environment: &Environment,
    common: &Common,
    words: &[String],
) -> Result<(), Error> {
    let kind = words.first().map_or("", String::as_str);
    let cli = Cli::command();
    let commands: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    let found = Project::find(environment, common.flake.as_deref(), None);
    let config = match found.as_ref().map(Project::required_config) {
        Ok(Ok(config)) => config,
        // A slip in a command's name is the nearer thought, where there is one.
        _ if !nearest(kind, commands.iter().copied()).is_empty() => {
            return Err(unknown(kind, &commands));
        }
        Ok(Err(error)) => return Err(error),
        Err(error) => return Err(error.clone()),
    };
    let kinds = config.targets.iter().map(|target| target.kind.as_str());
    if kinds.clone().any(|known| known == kind) {
        return Ok(());
    }
    let mut known: Vec<&str> = commands.iter().copied().chain(kinds).collect();
    known.sort_unstable();
    known.dedup();
    Err(unknown(kind, &known))
}

fn unknown(word: &str, known: &[&str]) -> Error {
    let hint = match word.parse::<TargetName>() {
        Ok(target) => format!("`cbox build {target}` builds the target of that name"),
        Err(_) => suggestion(word, known),
    };
    Error::new(
        Kind::Usage,
        format!("`{word}` is neither a command nor a kind of target"),
    )
    .hint(hint)
}

fn no_format(project: &Project, kind: &str) -> Error {
    let config = project.config();
    let targets = config.targets.iter().filter(|target| target.kind == kind);
    let commands: Vec<String> = targets
        .map(|target| format!("`cbox {kind} {}`", target.format))
        .collect();
    Error::new(Kind::Usage, format!("which format of `{kind}`?"))
        .hint(format!("there are {}", commands.join(", ")))
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, kind: &str, args: &ImageArgs) -> Result<(), Error> {
    let Some(format) = &args.format else {
        let session = context.open(args.flags.out_dir.as_deref())?;
        return Err(no_format(&session.project, kind));
    };
    let name = TargetName::image(kind, format, args.system.as_deref())
        .map_err(|error| target::no_target(&error, ""))?;
    build::run(context, &args.flags, &[name]).await
}
