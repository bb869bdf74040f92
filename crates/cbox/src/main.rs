//! `cbox` builds, checks and records images of NixOS hosts.
//!
//! What it does is the library `cbox-driver`. Here are the commands and the one
//! command line of them ([`commands`]), the options that they share ([`options`]), and how all of it looks: [`view`] is the only place that prints,
//! [`formats`] has the forms of results.

mod commands;
mod formats;
mod options;
mod run;
mod view;

fn main() -> std::process::ExitCode {
    run::main()
}
