//! The way of a machine's console to standard output: the one stream besides [`crate::view`]
//! that is written there.
//!
//! A thread writes, since a reader may stop reading for as long as it likes, and Ctrl-C has
//! to be heard meanwhile. What waits for it is bounded.

use std::io::{self, Write};

use cbox_nix::Interrupt;
use tokio::sync::{mpsc, oneshot};

/// How many pieces may wait.
const WAITING: usize = 8;

/// Nobody reads any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// A stream that can be written to without being held up.
#[derive(Debug)]
pub(crate) struct Outlet {
    sender: mpsc::Sender<Vec<u8>>,
    /// What is left for the end, and has not to wait for room.
    last: Vec<u8>,
    done: oneshot::Receiver<()>,
}

impl Outlet {
    /// Standard output, or standard error where that is for a result.
    pub(crate) fn open(to_stderr: bool) -> io::Result<Self> {
        let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(WAITING);
        let (ended, done) = oneshot::channel();
        std::thread::Builder::new()
            .name("outlet".to_owned())
            .spawn(move || {
                while let Some(bytes) = pieces.blocking_recv() {
                    let written = if to_stderr {
                        io::stderr().write_all(&bytes)
                    } else {
                        let mut stdout = io::stdout().lock();
                        stdout.write_all(&bytes).and_then(|()| stdout.flush())
                    };
                    if written.is_err() {
                        break;
                    }
                }
                drop(pieces);
                // Whoever waited may be gone.
                let _nobody = ended.send(());
            })?;
        Ok(Self {
            sender,
            last: vec![],
            done,
        })
    }

    /// Waits until there is room for `bytes`, and takes them then: before that, this can be
    /// dropped and called again.
    pub(crate) async fn pass_on(&self, bytes: &mut Option<Vec<u8>>) -> Result<(), Gone> {
        let room = self.sender.reserve().await.map_err(|_| Gone)?;
        if let Some(bytes) = bytes.take() {
            room.send(bytes);
        }
        Ok(())
    }

    /// Leaves something behind, for [`Outlet::close`].
    pub(crate) fn leave(&mut self, mut bytes: Vec<u8>) {
        self.last.append(&mut bytes);
    }

    /// Waits until all is written, or a signal comes: a reader that has stopped must not
    /// keep the program.
    pub(crate) async fn close(self, interrupt: &Interrupt) {
        let Self {
            sender,
            last,
            mut done,
        } = self;
        let written = async {
            // Where nobody reads, nothing is missed.
            let _gone = sender.send(last).await;
            drop(sender);
            let _ended = (&mut done).await;
        };
        tokio::select! {
            () = written => {}
            _ = interrupt.wait() => {}
        }
    }
}
