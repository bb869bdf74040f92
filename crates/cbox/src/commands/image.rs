//! `cbox <kind> <format> [system]`: builds one image of `cbox.toml`.

use cbox_driver::{Error, flake::config::TargetConfig, subject::target, target_name::TargetName};
use clap::Args as _;
use nix_formats::system::System;

use super::build;
use crate::{
    commands::{command_line, context::Context},
    options::{BuildOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox appliance iso
  cbox appliance qcow2 aarch64 --dry-run
  cbox appliance iso --set networking.hostName=demo
  cbox appliance iso -j 4 -L";

/// What the format is called in usage and errors.
pub(crate) const FORMAT: &str = "FORMAT";

/// What stands behind a kind.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageArgs {
    /// The format, as cbox.toml has it: `iso`
    #[arg(value_name = FORMAT, add = complete::rest_of_image())]
    pub(crate) format: String,
    /// The system: `x86_64-linux`, or short `x86_64`, `amd64`, `aarch64`, `arm64`
    /// [default: this machine's]
    #[arg(add = complete::rest_of_image())]
    system: Option<String>,
    #[command(flatten)]
    pub(crate) build: BuildOptions,
}

/// The command that is called as a kind of image is, with the `targets` of that kind.
pub(crate) fn command(kind: &str, targets: &[&TargetConfig]) -> clap::Command {
    let command = ImageArgs::augment_args(clap::Command::new(kind.to_owned()))
        .about(format!("Build an image of the kind `{kind}`"))
        .override_usage(format!(
            "cbox {kind} [OPTIONS] <FORMAT> [SYSTEM] [-- <NIX ARGS>...]"
        ))
        .after_help(EXAMPLES);
    let row = |target: &&TargetConfig| {
        let systems = target.systems();
        let systems: Vec<&str> = systems.iter().map(System::as_str).collect();
        let text = format!("of {}, for {}", target.origin(), systems.join(" and "));
        [target.format.clone(), text]
    };
    let rows: Vec<[String; 2]> = targets.iter().map(row).collect();
    command_line::with_section(command, "Formats", &rows)
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, kind: &str, args: &ImageArgs) -> Result<(), Error> {
    let session = &context.open(args.build.out_dir.as_deref())?;
    let name = TargetName::image(kind, &args.format, args.system.as_deref())
        .map_err(|error| target::no_target(&error, ""))?;
    build::build(context, session, &args.build, &[name]).await
}
