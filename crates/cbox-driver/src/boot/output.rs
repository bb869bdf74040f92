//! The way of a machine's console to whoever reads it.
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
pub struct Gone;

/// A stream that can be written to without being held up.
#[derive(Debug)]
pub struct ConsoleOutput {
    sender: mpsc::Sender<Vec<u8>>,
    /// What is left for the end, and has not to wait for room.
    last: Vec<u8>,
    done: oneshot::Receiver<()>,
}

impl ConsoleOutput {
    /// A stream into `writer`, which only this writes to.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(mut writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(WAITING);
        let (ended, done) = oneshot::channel();
        std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || {
                while let Some(bytes) = pieces.blocking_recv() {
                    let written = writer.write_all(&bytes).and_then(|()| writer.flush());
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
    pub async fn pass_on(&self, bytes: &mut Option<Vec<u8>>) -> Result<(), Gone> {
        let room = self.sender.reserve().await.map_err(|_| Gone)?;
        if let Some(bytes) = bytes.take() {
            room.send(bytes);
        }
        Ok(())
    }

    /// Leaves something behind, for [`ConsoleOutput::close`].
    pub fn leave(&mut self, mut bytes: Vec<u8>) {
        self.last.append(&mut bytes);
    }

    /// Waits until all is written, or a signal comes: a reader that has stopped must not
    /// keep the program.
    pub async fn close(self, interrupt: &Interrupt) {
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
