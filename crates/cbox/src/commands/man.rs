//! `cbox man`: the manual pages, for those who package cbox.

use camino::Utf8PathBuf;
use cbox_driver::{Error, Kind};
use clap::ValueHint;
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
    // Its page has a name that can be typed.
    let page = Man::new(image).title("cbox-image");
    let mut text = Vec::new();
    page.render(&mut text).map_err(failed)?;
    std::fs::write(folder.join("cbox-image.1"), text).map_err(failed)?;
    clap_mangen::generate_to(command_line::command(None), folder.as_std_path()).map_err(failed)
}
