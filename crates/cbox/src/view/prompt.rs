//! What the user types when asked.

use std::io;

use cbox_nix::{Interrupt, Signal};
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
