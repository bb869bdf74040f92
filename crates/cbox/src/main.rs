//! `cbox` builds, checks and records images of NixOS hosts.
//!
//! What it does is the library `cbox-driver`. Here are the command line ([`cli`]), the
//! commands ([`commands`]), and how all of it looks: [`view`] is the only place that prints,
//! [`formats`] has the forms of results.

mod cli;
mod commands;
mod formats;
mod run;
mod view;

fn main() -> std::process::ExitCode {
    run::main()
}
