//! `cbox completions`: what a shell loads, for those who package cbox.

use cbox_driver::Error;

use crate::{commands::context::Context, options::complete};

const EXAMPLES: &str = "\
Examples:
  source <(cbox completions bash)                                         in ~/.bashrc
  cbox completions zsh >~/.zfunc/_cbox                                    in a folder of $fpath
  cbox completions fish >~/.config/fish/completions/cbox.fish
  cbox completions nushell | save ($nu.data-dir)/vendor/autoload/cbox.nu";

/// Print the completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: complete::Shell,
}

/// Runs the command.
pub(crate) fn run(context: &Context<'_>, args: &CompletionsArgs) -> Result<(), Error> {
    let script = complete::script(args.shell);
    match context.view.is_json() {
        true => context.document("completions", "script", || script.into()),
        false => context.view.document(script.trim_end()),
    }
    Ok(())
}
