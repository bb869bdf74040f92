//! `cbox` builds, checks and records images of NixOS hosts.
//!
//! Arguments become a validated request ([`cli`], [`targets`]), the tree becomes a staged
//! source ([`staging`]), both become a derivation ([`evaluation`]), and that becomes a
//! link with a record beside it ([`realise`]). [`view`] is the only place that prints.

mod artifact;
mod cli;
mod commands;
mod config;
mod environment;
mod error;
mod evaluation;
mod exit;
mod project;
mod realise;
mod run;
mod session;
mod staging;
mod targets;
mod terminal;
mod view;

fn main() -> std::process::ExitCode {
    run::main()
}
