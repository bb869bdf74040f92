//! `cbox` builds, checks and records images of NixOS hosts.
//!
//! What it does is the library `cbox-driver`; here are the words of the command line
//! ([`cli`], [`completion`]), the commands ([`commands`]), and how all of it looks:
//! [`view`] is the only place that prints, [`formats`] has the forms of results.

mod cli;
mod commands;
mod completion;
mod context;
mod formats;
mod prompt;
mod run;
mod terminal;
mod view;

fn main() -> std::process::ExitCode {
    run::main()
}
