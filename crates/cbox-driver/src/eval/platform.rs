//! Whether a host is for the system that was asked for.

use cbox_nix::expression::{Evaluated, Request};
use nix_formats::system::System;
use serde_json::Value;

use crate::error::{Error, Kind};

/// The option that says what a host runs on.
pub const HOST_PLATFORM: &str = "nixpkgs.hostPlatform";

/// The system that a value of [`HOST_PLATFORM`] names: a text, or a set with `system`.
pub fn platform(value: &Value) -> Option<System> {
    let name = value.as_str().or_else(|| value["system"].as_str())?;
    name.parse().ok()
}

/// Checks that the host is for the system that was asked for.
///
/// # Errors
/// When it is for another one: it does not take its packages from `nixpkgs.hostPlatform`.
pub fn check(request: &Request, evaluated: Evaluated) -> Result<Evaluated, Error> {
    let (asked, system) = (request.asked(), &evaluated.system);
    let Some(wanted) = request.system.as_ref().filter(|wanted| *wanted != system) else {
        return Ok(evaluated);
    };
    let set = request
        .overrides
        .iter()
        .find_map(|(path, value)| (path.to_string() == HOST_PLATFORM).then(|| platform(value))?);
    let hint = match set {
        Some(set) if set == *system => {
            "`--set nixpkgs.hostPlatform` says otherwise than the target: name the system with the \
             target (`cbox list` shows them)"
                .to_owned()
        }
        Some(_) => format!(
            "it takes its packages from elsewhere (`nixpkgs.pkgs`, or `pkgs` of `nixosSystem`): let \
             {HOST_PLATFORM} choose them, or offer the target for {system} only, in cbox.toml"
        ),
        None => format!("`system = \"{system}\"` of the target in cbox.toml is what it is"),
    };
    Err(Error::new(
        Kind::Unsupported,
        format!("{asked} is for {system}, and {wanted} was asked for"),
    )
    .hint(hint))
}
