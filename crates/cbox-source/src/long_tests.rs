//! How long random and repeated tests may take, and which other trees there are to try on:
//! `make test-long` sets `CBOX_LONG`, and `BOX_NIXPKGS` names nixpkgs as for The Box.

use std::path::PathBuf;

pub(crate) fn is_long() -> bool {
    variable("CBOX_LONG").is_some()
}

/// A checkout of nixpkgs, where `BOX_NIXPKGS` names one on this machine.
pub(crate) fn nixpkgs() -> Option<PathBuf> {
    let reference = variable("BOX_NIXPKGS")?.into_string().ok()?;
    let (_, path) = reference.split_once(':')?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(path.split('?').next().unwrap_or(path).into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where tests read variables"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
