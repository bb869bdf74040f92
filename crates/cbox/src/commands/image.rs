//! `cbox <kind> <format> [system]`: builds one target of `cbox.toml`.

use cbox_core::{nearest::suggestion, target::TargetName};
use cbox_nix::Interrupt;
use clap::{CommandFactory as _, FromArgMatches as _};

use super::build;
use crate::{
    cli::{Cli, Common, ImageArgs},
    environment::Environment,
    error::Error,
    exit::Kind,
    project::Project,
    session::Session,
    view::View,
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
    let command = Cli::command();
    let mut known: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let config = match Project::find(environment, common.flake.as_deref(), None) {
        Ok(project) => project.config(),
        // A slip in a command's name is the nearer thought, where there is one.
        Err(error) => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return match cbox_core::nearest::nearest(kind, known.iter().copied()).as_slice() {
                [] => Err(error),
                _ => Err(unknown(kind, &known)),
            };
        }
    };
    if config.targets.iter().any(|target| target.kind == kind) {
        return Ok(());
    }
    known.extend(config.targets.into_iter().map(|target| target.kind));
    known.dedup();
    Err(unknown(
        kind,
        &known.iter().map(String::as_str).collect::<Vec<_>>(),
    ))
}

fn unknown(word: &str, known: &[&str]) -> Error {
    Error::new(
        Kind::Usage,
        format!("`{word}` is neither a command nor a kind of target"),
    )
    .hint(suggestion(word, known))
}

/// Runs the command.
pub(crate) async fn run(
    environment: &Environment,
    view: &View,
    interrupt: &Interrupt,
    kind: &str,
    args: &ImageArgs,
    common: &Common,
) -> Result<(), Error> {
    let name = TargetName::image(kind, &args.format, args.system.as_deref())
        .map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
    let session = Session::open(
        environment,
        view,
        interrupt,
        common,
        args.flags.out_dir.as_deref(),
    )?;
    build::run(&session, common, &args.flags, &[name]).await
}
