//! A conversation with `nix daemon --stdio`, and its pipes.

use std::io::{self, Read, Write};

use nix_formats::nix_text::without_escapes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    pipe::fcntl_setpipe_size,
};

use super::{
    Fault,
    client::{Client, Transport},
};
use crate::{Interrupt, NixError, nix::Nix, process::Conversation};

/// How long a signal may go unheard.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How much is under way to the daemon: Linux gives that much to everybody.
const PIPE_SIZE: usize = 1 << 20;

/// How much of what the process says on its standard error is kept.
const ASIDE_KEPT: usize = 64 << 10;

/// A conversation with the daemon of a store. What it added to the store, and what it was
/// told to hold, is safe from the garbage collector until this value goes; so is it when this
/// process is killed, since the daemon then reads the end of its input.
///
/// Everything here waits for the daemon, so it belongs on a thread that may wait.
#[derive(Debug)]
pub struct Connection {
    client: Client<Pipes>,
}

impl Nix {
    /// Starts what speaks the worker protocol for this run's store.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn daemon(&self) -> Result<Conversation, NixError> {
        self.command(self.options.daemon())
            .ends_orderly()
            .converse()
    }
}

impl Connection {
    /// Greets the other side of `conversation`. Signals end all waiting.
    ///
    /// # Errors
    /// When it is not a daemon that is understood.
    pub fn open(conversation: Conversation, interrupt: &Interrupt) -> Result<Self, Fault> {
        let pipes = Pipes::of(conversation, interrupt)?;
        let client = Client::greet(pipes)?;
        Ok(Self { client })
    }

    /// Holds `path`, and says whether it is valid: in this order, so that it stays valid.
    ///
    /// # Errors
    /// When the daemon refuses or is gone.
    pub fn hold(&mut self, path: &str) -> Result<bool, Fault> {
        self.client.add_temp_root(path)?;
        self.client.is_valid_path(path)
    }

    /// Puts the archive that `write` writes into the store as `name`, holds it, and gives its
    /// path. After an error of `write` the connection is of no further use.
    ///
    /// # Errors
    /// When the daemon refuses or is gone.
    pub fn add<E>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Result<String, E>, Fault> {
        self.client.add_to_store(name, write)
    }
}

/// The pipes of a conversation. None of them blocks, so that no wait misses a signal.
#[derive(Debug)]
struct Pipes {
    conversation: Conversation,
    interrupt: Interrupt,
    /// The last of what came on standard error: ssh and Nix say there why they end.
    aside: Vec<u8>,
}

impl Pipes {
    fn of(conversation: Conversation, interrupt: &Interrupt) -> io::Result<Self> {
        let Conversation {
            stdin,
            stdout,
            stderr,
            ..
        } = &conversation;
        for pipe in [stdin, stdout, stderr] {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        // Both sides then work at once. A user whose pipes hold too much already gets no more.
        let _as_it_is = fcntl_setpipe_size(stdin, PIPE_SIZE);
        Ok(Self {
            conversation,
            interrupt: interrupt.clone(),
            aside: vec![],
        })
    }

    /// Waits until there is something to read, which it tells, or, where something is to be
    /// sent, room for that.
    fn wait(&mut self, to_send: bool) -> io::Result<bool> {
        loop {
            if let Some(signal) = self.interrupt.signal() {
                return Err(io::Error::other(Fault::Interrupted(signal)));
            }
            self.take_aside();
            let Conversation { stdin, stdout, .. } = &self.conversation;
            let mut pipes = [
                PollFd::new(stdout, PollFlags::IN),
                PollFd::new(stdin, PollFlags::OUT),
            ];
            let waited = if to_send { &mut pipes } else { &mut pipes[..1] };
            match poll(waited, Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(!pipes[0].revents().is_empty()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes what there is on standard error: a process that can say no more there would stop.
    fn take_aside(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = self.conversation.stderr.read(&mut bytes) {
            self.aside.extend_from_slice(&bytes[..read]);
            let surplus = self.aside.len().saturating_sub(ASIDE_KEPT);
            self.aside.drain(..surplus);
        }
    }

    /// The end of the conversation, with the last words of the process as the reason.
    fn lost(&mut self) -> io::Error {
        // It may close one pipe a moment before it has said why on the other.
        let mut stderr = [PollFd::new(&self.conversation.stderr, PollFlags::IN)];
        let _said_nothing = poll(&mut stderr, Some(&TICK));
        self.take_aside();
        let said = without_escapes(&String::from_utf8_lossy(&self.aside));
        let last = said.trim_end().lines().next_back().unwrap_or_default();
        let last = last.trim_start_matches("error: ").to_owned();
        io::Error::other(Fault::Lost(last))
    }
}

impl Read for Pipes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.conversation.stdout.read(buffer) {
                Ok(0) if !buffer.is_empty() => return Err(self.lost()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(false)?;
                }
                read => return read,
            }
        }
    }
}

impl Transport for Pipes {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.conversation.stdin.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.wait(true)? {
                        return Ok(0);
                    }
                }
                sent => return sent,
            }
        }
    }
}

#[cfg(test)]
mod tests;
