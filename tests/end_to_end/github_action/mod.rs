//! The action of this repository: what its scripts do, and what its workflows may.

mod api;
mod comment;
mod install;
mod server;
mod verify;
mod workflows;
mod zip;

use crate::support::{call::find_program, nix::say_left_out};

/// Whether a script can run that calls these programs. Every runner of GitHub has them.
fn has(programs: &[&str]) -> bool {
    let missing = programs
        .iter()
        .find(|program| find_program(program).is_none());
    if let Some(program) = missing {
        say_left_out(&format!("no {program} here"));
    }
    missing.is_none()
}
