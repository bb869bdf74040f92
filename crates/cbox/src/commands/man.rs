//! `cbox man`: the manual pages, for those who package cbox.

use camino::Utf8PathBuf;
use cbox_driver::{Error, Kind};
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_mangen::Man;

use super::image;
use crate::commands::{command_line, context::Context};

/// Write the man pages
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cbox man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder to write them to
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Utf8PathBuf,
}

/// Writes the pages into a folder, which is made.
///
/// # Errors
/// When a page cannot be written.
pub(crate) fn run(context: &Context<'_>, args: &ManArgs) -> Result<(), Error> {
    let folder = context.environment.absolute(&args.folder);
    let failed =
        |error: std::io::Error| Error::file(Kind::Output, "write the manual to", &folder, &error);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let image = image::command("<kind>", &[]).bin_name("cbox <kind>");
    let image = with_synopsis(image);
    // Its page has a name that can be typed.
    let page = Man::new(image).title("cbox-image");
    let mut text = Vec::new();
    page.render(&mut text).map_err(failed)?;
    std::fs::write(folder.join("cbox-image.1"), text).map_err(failed)?;
    let command = with_synopsis(command_line::command(None));
    clap_mangen::generate_to(command, folder.as_std_path()).map_err(failed)?;
    context.document("man", "folder", || folder.as_str().into());
    Ok(())
}

/// `command` and those below it with a synopsis that names each option and its values: what clap
/// has for help says `[OPTIONS]`, and what clap_mangen would say leaves the values out.
fn with_synopsis(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    with_usage(command)
}

/// The same of what is built.
fn with_usage(command: Command) -> Command {
    let mut command = command.mut_subcommands(with_usage);
    let options = command.get_opts().chain(flags(&command));
    let mut options: Vec<&Arg> = options.filter(|arg| !arg.is_hide_set()).collect();
    options.sort_by_key(|arg| arg.get_long().map(str::to_owned));
    let options: Vec<String> = options.into_iter().map(option).collect();
    let options = options.join(" ");
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let forms = usage.lines().map(|form| {
        let form = form.trim();
        form.replacen("[OPTIONS]", &options, 1)
    });
    let usage = forms.collect::<Vec<_>>().join("\n");
    command.override_usage(usage)
}

/// The options without a value.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let takes_none = |arg: &&Arg| !arg.get_action().takes_values();
    command.get_arguments().filter(takes_none)
}

/// An option in a synopsis: `[--jobs <N>]`.
fn option(arg: &Arg) -> String {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let mut text = names.join("|");
    if arg.get_action().takes_values() {
        for name in arg.get_value_names().unwrap_or_default() {
            text.push_str(&format!(" <{name}>"));
        }
    }
    let again = match arg.get_action() {
        ArgAction::Append | ArgAction::Count => "...",
        _ => "",
    };
    format!("[{text}]{again}")
}
