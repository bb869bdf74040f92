//! Ctrl-C and its kin, as a value that the work looks at.
//!
//! Nothing is torn down from outside: every wait and every long loop sees the signal,
//! ends what it began and returns, so that temporary roots and folders go with the
//! values that own them.

use std::{fmt, io};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A polite kill.
    Terminate,
    /// The terminal went away.
    HangUp,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Interrupt, Self::Terminate, Self::HangUp];

    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::HangUp => SignalKind::hangup(),
        }
    }

    /// The exit code that shells give to a program that this signal ended: 128 and its number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        128 + self.kind().as_raw_value() as u8
    }

    /// The signal for a child.
    pub(crate) fn for_child(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::HangUp => rustix::process::Signal::HUP,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        })
    }
}

/// What was asked so far.
#[derive(Debug, Clone, Copy, Default)]
struct StopRequests {
    first: Option<Signal>,
    times: u32,
}

/// Says whether a signal has come. Clones all say the same.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<StopRequests>);

/// Ends what looks at one [`Interrupt::child`].
#[derive(Debug)]
pub struct Cancel(watch::Sender<StopRequests>);

impl Cancel {
    /// Asks it to stop.
    pub fn cancel(&self) {
        self.0.send_modify(|requests| {
            requests.first.get_or_insert(Signal::Terminate);
            requests.times += 1;
        });
    }
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP of this process, for as long as the runtime
    /// lives.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(StopRequests::default());
        for wanted in Signal::ALL {
            let mut stream = signal(wanted.kind())?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    sender.send_modify(|requests| {
                        requests.first.get_or_insert(wanted);
                        requests.times += 1;
                    });
                }
            });
        }
        Ok(Self(receiver))
    }

    /// One that never says stop.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(StopRequests::default()).1)
    }

    /// One that also says stop when the handle is told to: the work that looks at it ends in
    /// the same orderly way, and the run goes on.
    #[must_use]
    pub fn child(&self) -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(StopRequests::default());
        let (cancel, mut parent) = (Cancel(sender.clone()), self.0.clone());
        tokio::spawn(async move {
            loop {
                let requests = *parent.borrow_and_update();
                if requests.first.is_some() {
                    sender.send_modify(|known| {
                        known.first = requests.first;
                        known.times = known.times.max(requests.times);
                    });
                }
                tokio::select! {
                    changed = parent.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        (Self(receiver), cancel)
    }

    /// The first signal that came.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        self.0.borrow().first
    }

    /// How many signals came.
    pub(crate) fn times(&self) -> u32 {
        self.0.borrow().times
    }

    /// Waits for the first signal.
    pub async fn wait(&self) -> Signal {
        self.clone().next(0).await
    }

    /// Waits for the first signal, or for the second when one has come already.
    pub(crate) async fn next(&mut self, seen: u32) -> Signal {
        match self.0.wait_for(|requests| requests.times > seen).await {
            Ok(requests) if requests.first.is_some() => requests.first.unwrap_or(Signal::Interrupt),
            // No signal can come any more.
            _ => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_runtime::run;

    #[test]
    fn a_child_stops_when_it_is_told_to_and_its_parent_goes_on() {
        run(async {
            let parent = Interrupt(watch::channel(StopRequests::default()).1);
            let (mut child, cancel) = parent.child();
            assert_eq!(child.signal(), None);
            cancel.cancel();
            assert_eq!(child.next(0).await, Signal::Terminate);
            assert_eq!(parent.signal(), None);
        });
    }

    #[test]
    fn a_child_stops_with_its_parent() {
        run(async {
            let (sender, receiver) = watch::channel(StopRequests::default());
            let (mut child, _cancel) = Interrupt(receiver).child();
            sender.send_modify(|requests| {
                requests.first = Some(Signal::Interrupt);
                requests.times = 1;
            });
            assert_eq!(child.next(0).await, Signal::Interrupt);
        });
    }
}
