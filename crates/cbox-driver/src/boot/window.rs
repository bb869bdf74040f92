//! Whether a machine can have a window here.

use std::path::Path;

use cbox_nix::{Interrupt, process::Command};

use crate::{error::Error, process::environment::Environment};

/// QEMU's displays that are windows.
const WINDOWS: [&str; 3] = ["gtk", "sdl", "cocoa"];

/// Why the machines of the emulator `program` have no window here; `None` where they have one.
/// An emulator that does not list its displays is taken to have one.
///
/// # Errors
/// When a signal comes.
pub async fn missing(
    environment: &Environment,
    program: &Path,
    interrupt: &Interrupt,
) -> Result<Option<&'static str>, Error> {
    if !environment.has_display {
        return Ok(Some("there is no display here"));
    }
    let displays = Command::new(program, ["-display", "help"]);
    let Some(displays) = displays.ask(interrupt).await? else {
        return Ok(None);
    };
    let displays = String::from_utf8_lossy(&displays.stdout);
    let is_window = |display: &str| WINDOWS.contains(&display.trim());
    Ok(match displays.lines().any(is_window) {
        true => None,
        false => Some("this QEMU cannot open a window (Debian: install qemu-system-gui)"),
    })
}
