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
    // A child of another cbox, on its way to become what that wants to run.
    if let Some(failed) = cbox_nix::process::launcher::become_child() {
        return failed;
    }
    run::main()
}
