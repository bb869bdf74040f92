//! What the user types when asked.

use std::io;

use cbox_nix::{Interrupt, Signal};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::oneshot;

/// The next line of standard input, without its end; `None` where there is none.
///
/// A thread of its own reads, and is left behind when a signal comes: a read of a terminal
/// ends when the user says so, and not before.
pub(crate) async fn read_line(interrupt: &Interrupt) -> Result<Option<String>, Signal> {
    let (sender, line) = oneshot::channel();
    let reader = move || {
        let mut line = String::new();
        // What is no line is no answer.
        let _unread = io::stdin().read_line(&mut line);
        // Nobody waits any more after a signal.
        let _gone = sender.send(line);
    };
    let thread = std::thread::Builder::new().name("answer".to_owned());
    if thread.spawn(reader).is_err() {
        return Ok(None);
    }
    tokio::select! {
        biased;
        signal = interrupt.wait() => Err(signal),
        line = line => {
            let line = line.ok().filter(|line| !line.is_empty());
            Ok(line.map(|line| line.trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

/// The same, without showing what is typed where standard input is a terminal.
pub(crate) async fn read_secret(interrupt: &Interrupt) -> Result<Option<String>, Signal> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin).ok();
    let set = |modes: &Termios| termios::tcsetattr(&stdin, OptionalActions::Flush, modes);
    if let Some(mut modes) = before.clone() {
        modes.local_modes.remove(LocalModes::ECHO);
        let _shown = set(&modes);
    }
    let line = read_line(interrupt).await;
    if let Some(modes) = before {
        let _stays = set(&modes);
    }
    line
}
