//! `cbox` builds, checks and records images of NixOS hosts.
//!
//! Arguments become a validated request ([`cli`], [`targets`]), the tree becomes a staged
//! source ([`staging`]; [`origin`] names its files, [`state`] is one that others have too),
//! both become a derivation ([`evaluation`]), and that becomes a
//! link with a record beside it ([`realise`]), and the link a machine that runs ([`boot`])
//! or a drive that boots ([`flash`]). What lies beside the links is read by [`out_dir`].
//! [`view`] is the only place that prints, and shows what [`progress`] knows.

mod answer;
mod artifact;
mod audit;
mod baked;
mod baseline_file;
mod boot;
mod cli;
mod commands;
mod completion;
mod config;
mod doctor;
mod durations;
mod environment;
mod error;
mod evaluation;
mod exit;
mod explain;
mod flash;
mod image;
mod machine;
mod mention;
mod origin;
mod out_dir;
mod outlet;
mod place;
mod preflight;
mod progress;
mod project;
mod realise;
#[cfg(test)]
mod recorded;
mod run;
mod run_log;
mod session;
mod shown;
mod side;
mod side_by_side;
mod silence;
mod size;
mod staging;
mod state;
mod targets;
mod unstaged;
mod verify;
mod view;
mod watch;
mod whole_file;
mod workflow_command;

fn main() -> std::process::ExitCode {
    run::main()
}
