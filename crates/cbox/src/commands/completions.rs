//! `cbox completions` and `cbox man`: what shells and `man` load, for those who package cbox.

use camino::Utf8Path;
use cbox_driver::{Error, Kind};
use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::{
    cli::{Cli, ImageArgs, Shell},
    completion,
    view::View,
};

/// Prints the script for a shell.
pub(crate) fn run(view: &View, shell: Shell) {
    view.result(completion::script(shell).trim_end());
}

/// Writes the manual pages into `folder`, which is made.
///
/// # Errors
/// When a page cannot be written.
pub(crate) fn man(folder: &Utf8Path) -> Result<(), Error> {
    let failed =
        |error: std::io::Error| Error::file(Kind::Output, "write the manual to", folder, &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let image = ImageArgs::command()
        .name("cbox <kind>")
        .bin_name("cbox <kind>")
        .about("Build a target of cbox.toml");
    // Its page has a name that can be typed.
    let page = Man::new(image).title("cbox-image");
    let mut text = Vec::new();
    page.render(&mut text).map_err(failed)?;
    std::fs::write(folder.join("cbox-image.1"), text).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder.as_std_path()).map_err(failed)
}
