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
struct Asked {
    first: Option<Signal>,
    times: u32,
}

/// Says whether a signal has come. Clones all say the same.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<Asked>);

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP of this process, for as long as the runtime
    /// lives.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(Asked::default());
        for wanted in Signal::ALL {
            let mut stream = signal(wanted.kind())?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    sender.send_modify(|asked| {
                        asked.first.get_or_insert(wanted);
                        asked.times += 1;
                    });
                }
            });
        }
        Ok(Self(receiver))
    }

    /// One that never says stop.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(Asked::default()).1)
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
        match self.0.wait_for(|asked| asked.times > seen).await {
            Ok(asked) if asked.first.is_some() => asked.first.unwrap_or(Signal::Interrupt),
            // No signal can come any more.
            _ => std::future::pending().await,
        }
    }
}
