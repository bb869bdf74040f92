//! Long work on bytes, on a thread of its own, and how far it is.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cbox_nix::Interrupt;
use tokio::time::sleep;

use super::{Event, Reporter};
use crate::process::blocking::blocking;

/// How often it is told how far the work is.
const TICK: Duration = Duration::from_millis(100);

/// What the work asks and tells.
pub struct Watch<'a> {
    /// Takes how many bytes are done.
    pub progress: &'a dyn Fn(u64),
    /// Whether to stop.
    pub stop: &'a dyn Fn() -> bool,
}

/// What the work is called.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// What is done: `writing to sdb`.
    pub what: &'a str,
    /// What it is a part of: `flashing sdb`.
    pub title: Option<&'a str>,
    /// What was done, if that is worth a line: `wrote`.
    pub done: Option<&'a str>,
}

/// Does `work` on `expected` bytes, 0 where nobody knows how many, and reports how far it is until it ends.
pub async fn follow<T: Send + 'static, E: Send + 'static>(
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
    called: Called<'_>,
    expected: u64,
    work: impl FnOnce(&Watch<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let Called { what, title, done } = called;
    reporter.report(Event::CopyBegan {
        what,
        title,
        expected,
    });
    let bytes = Arc::new(AtomicU64::new(0));
    let (interrupt, told) = (interrupt.clone(), Arc::clone(&bytes));
    let mut work = pin!(blocking(move || {
        work(&Watch {
            progress: &|bytes| told.store(bytes, Ordering::Relaxed),
            stop: &|| interrupt.signal().is_some(),
        })
    }));
    let outcome = loop {
        tokio::select! {
            ended = &mut work => break ended,
            () = sleep(TICK) => {
                let done = bytes.load(Ordering::Relaxed);
                reporter.report(Event::Copied { what, done });
            }
        }
    };
    let all = bytes.load(Ordering::Relaxed);
    reporter.report(Event::Copied { what, done: all });
    let done = done.filter(|_| outcome.is_ok());
    reporter.report(Event::CopyEnded { what, done });
    outcome
}
