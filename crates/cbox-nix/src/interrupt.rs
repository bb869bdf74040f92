//! Ctrl-C and its kin, as a value that the work looks at.
//!
//! Nothing is torn down from outside: every wait and every long loop sees the signal,
//! ends what it began and returns, so that temporary roots and folders go with the
//! values that own them.

use std::{convert::Infallible, fmt, io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// After how long it is said that a program has yet to end.
const MOMENT: Duration = Duration::from_secs(1);

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A polite kill.
    Terminate,
    /// The terminal went away.
    HangUp,
    /// Ctrl-\\.
    Quit,
}

impl Signal {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Interrupt, Self::Terminate, Self::HangUp, Self::Quit];

    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::HangUp => SignalKind::hangup(),
            Self::Quit => SignalKind::quit(),
        }
    }

    /// The exit code that shells give to a program that this signal ended: 128 and its number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        128 + self.kind().as_raw_value() as u8
    }

    /// The signal for a child. None gets SIGQUIT: most would write their memory to the disk.
    pub(crate) fn for_child(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate | Self::Quit => rustix::process::Signal::TERM,
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
            Self::Quit => "SIGQUIT",
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
pub struct Interrupt {
    requests: watch::Receiver<StopRequests>,
    /// The program that was told to end and takes its time for it.
    slow: watch::Sender<Option<String>>,
}

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
    /// Takes over SIGINT, SIGTERM, SIGHUP and SIGQUIT of this process, for as long as the
    /// runtime lives, and sees to it that it hears of the end of its children.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(StopRequests::default());
        // A parent that ignores SIGCHLD leaves that to its children, and the kernel then throws
        // away how theirs end. With a handler it keeps it.
        drop(signal(SignalKind::child())?);
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
        Ok(Self::of(receiver))
    }

    /// One that never says stop.
    #[must_use]
    pub fn never() -> Self {
        Self::of(watch::channel(StopRequests::default()).1)
    }

    fn of(requests: watch::Receiver<StopRequests>) -> Self {
        Self {
            requests,
            slow: watch::channel(None).0,
        }
    }

    /// One that also says stop when the handle is told to: the work that looks at it ends in
    /// the same orderly way, and the run goes on.
    #[must_use]
    pub fn child(&self) -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(StopRequests::default());
        let (cancel, mut parent) = (Cancel(sender.clone()), self.requests.clone());
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
        let child = Self {
            requests: receiver,
            slow: self.slow.clone(),
        };
        (child, cancel)
    }

    /// The first signal that came.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        self.requests.borrow().first
    }

    /// How many signals came.
    pub(crate) fn times(&self) -> u32 {
        self.requests.borrow().times
    }

    /// Waits for the first signal.
    pub async fn wait(&self) -> Signal {
        self.clone().next(0).await
    }

    /// Waits until a program takes its time to end after a signal, and gives its name.
    pub async fn slow_to_end(&self) -> String {
        match self.slow.subscribe().wait_for(Option::is_some).await {
            Ok(program) => program.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Tells that `program` was told to end and is still there, a moment later. Never returns.
    pub(crate) async fn tell_slow(&self, program: &str) -> Infallible {
        tokio::time::sleep(MOMENT).await;
        self.slow.send_replace(Some(program.to_owned()));
        std::future::pending().await
    }

    /// Waits for the first signal, or for the second when one has come already.
    pub(crate) async fn next(&mut self, seen: u32) -> Signal {
        match self
            .requests
            .wait_for(|requests| requests.times > seen)
            .await
        {
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
            let parent = Interrupt::never();
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
            let (mut child, _cancel) = Interrupt::of(receiver).child();
            sender.send_modify(|requests| {
                requests.first = Some(Signal::Interrupt);
                requests.times = 1;
            });
            assert_eq!(child.next(0).await, Signal::Interrupt);
        });
    }
}
