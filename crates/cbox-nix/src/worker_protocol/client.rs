//! The client's side of the protocol, over anything that carries bytes.

use std::io::{self, Read, Write};

use nix_formats::wire::{read_number, write_number, write_string};

use super::{
    Fault, Op, Version, WORKER_MAGIC_1, WORKER_MAGIC_2,
    messages::{read_length, read_message, read_text},
};

/// How an archive is addressed by its content: `fixed:r:sha256` is the SHA-256 of the whole
/// archive, as `nix store add` and flakes have it.
const NAR_SHA256: &[u8] = b"fixed:r:sha256";

/// How much goes into a frame.
const FRAME: usize = 64 << 10;

/// Carries bytes to and from a daemon. Reads wait for at least one byte.
pub trait Transport: Read {
    /// Sends some of `bytes` and says how many. It is 0 when none could be sent, because the
    /// daemon has something to say first: it may not listen before that is read.
    ///
    /// # Errors
    /// When the daemon has gone.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// One conversation. After a [`Fault`] it is of no further use.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
}

impl<T: Transport> Client<T> {
    /// Greets the daemon.
    ///
    /// # Errors
    /// When it does not answer as a daemon of a known version.
    pub fn greet(mut transport: T) -> Result<Self, Fault> {
        let mut hello = Vec::new();
        write_number(&mut hello, WORKER_MAGIC_1)?;
        write_number(&mut hello, Version::OWN.to_number())?;
        send_all(&mut transport, &hello)?;
        match read_number(&mut transport)? {
            WORKER_MAGIC_2 => {}
            other => return Err(Fault::Garbled(format!("it greets with {other:#x}"))),
        }
        let found = Version::from_number(read_number(&mut transport)?);
        if found.major != Version::OWN.major || found < Version::LEAST {
            return Err(Fault::Version { found });
        }
        let mut obsolete = Vec::new();
        for _cpu_affinity_and_reserved_space in 0..2 {
            write_number(&mut obsolete, 0)?;
        }
        send_all(&mut transport, &obsolete)?;
        let daemon = read_text(&mut transport)?;
        let _trusted = read_number(&mut transport)?;
        tracing::debug!("nix daemon {daemon} speaks version {found}");
        let mut client = Self { transport };
        client.hear_to_the_end()?;
        Ok(client)
    }

    /// Keeps the garbage collector from `path` for as long as the conversation lasts, whether
    /// it is there or not.
    ///
    /// # Errors
    /// When the daemon refuses, or cannot be spoken to any more.
    pub fn add_temp_root(&mut self, path: &str) -> Result<(), Fault> {
        self.ask(Op::AddTempRoot, path)?;
        read_number(&mut self.transport)?;
        Ok(())
    }

    /// Whether `path` is valid in the store.
    ///
    /// # Errors
    /// As [`Client::add_temp_root`].
    pub fn is_valid_path(&mut self, path: &str) -> Result<bool, Fault> {
        self.ask(Op::IsValidPath, path)?;
        Ok(read_number(&mut self.transport)? != 0)
    }

    /// Adds the archive that `write` writes under `name`, and gives its path, which is a
    /// temporary root from now on. An error of `write` ends the conversation too.
    ///
    /// # Errors
    /// As [`Client::add_temp_root`].
    pub fn add_to_store<E>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Result<String, E>, Fault> {
        let (references, repair) = (0, 0);
        let mut request = Vec::new();
        write_number(&mut request, Op::AddToStore as u64)?;
        write_string(&mut request, name.as_bytes())?;
        write_string(&mut request, NAR_SHA256)?;
        write_number(&mut request, references)?;
        write_number(&mut request, repair)?;
        send_all(&mut self.transport, &request)?;
        let mut frames = Frames::to(&mut self.transport);
        let written = write(&mut frames);
        // What the daemon said is why writing failed, if it said something.
        if let Some(fault) = frames.fault {
            return Err(fault);
        }
        if let Err(error) = written {
            return Ok(Err(error));
        }
        frames.end()?;
        self.hear_to_the_end()?;
        Ok(Ok(self.read_path_info()?))
    }

    #[cfg(test)]
    pub(super) fn transport(&self) -> &T {
        &self.transport
    }

    /// The path of a `ValidPathInfo`.
    fn read_path_info(&mut self) -> Result<String, Fault> {
        let from = &mut self.transport;
        let path = read_text(from)?;
        let (_deriver, _nar_hash) = (read_text(from)?, read_text(from)?);
        skip_strings(from)?;
        for _registered_size_ultimate in 0..3 {
            read_number(from)?;
        }
        skip_strings(from)?;
        let _content_address = read_text(from)?;
        Ok(path)
    }

    fn ask(&mut self, op: Op, path: &str) -> Result<(), Fault> {
        let mut request = Vec::new();
        write_number(&mut request, op as u64)?;
        write_string(&mut request, path.as_bytes())?;
        send_all(&mut self.transport, &request)?;
        self.hear_to_the_end()
    }

    fn hear_to_the_end(&mut self) -> Result<(), Fault> {
        while !read_message(&mut self.transport)? {}
        Ok(())
    }
}

fn skip_strings(from: &mut impl Read) -> Result<(), Fault> {
    for _ in 0..read_length(from)? {
        read_text(from)?;
    }
    Ok(())
}

/// Sends all of `bytes`, and hears what the daemon has to say meanwhile.
fn send_all(transport: &mut impl Transport, bytes: &[u8]) -> Result<(), Fault> {
    let mut left = bytes;
    while !left.is_empty() {
        match transport.send(left) {
            Ok(0) => hear(transport)?,
            Ok(sent) => left = left.get(sent..).unwrap_or_default(),
            // Its last words say why it has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => loop {
                hear(transport)?;
            },
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Hears a message in the middle of a request, which cannot be the last one.
fn hear(transport: &mut impl Transport) -> Result<(), Fault> {
    match read_message(transport)? {
        false => Ok(()),
        true => Err(Fault::Garbled("an answer before the end".to_owned())),
    }
}

/// Sends what is written in frames: each is its length and as many bytes, and one without
/// bytes is the end.
struct Frames<'t, T> {
    transport: &'t mut T,
    /// The frame that is being filled, its length in front.
    frame: Vec<u8>,
    /// Why nothing more can be sent.
    fault: Option<Fault>,
}

/// How much room the length of a frame takes.
const LENGTH: usize = size_of::<u64>();

impl<'t, T: Transport> Frames<'t, T> {
    fn to(transport: &'t mut T) -> Self {
        let mut frame = Vec::with_capacity(LENGTH + FRAME);
        frame.resize(LENGTH, 0);
        Self {
            transport,
            frame,
            fault: None,
        }
    }

    fn send(&mut self) -> Result<(), Fault> {
        let length = self.frame.len() - LENGTH;
        self.frame[..LENGTH].copy_from_slice(&(length as u64).to_le_bytes());
        let sent = send_all(self.transport, &self.frame);
        self.frame.truncate(LENGTH);
        sent
    }

    fn end(mut self) -> Result<(), Fault> {
        if self.frame.len() > LENGTH {
            self.send()?;
        }
        self.send()
    }
}

impl<T: Transport> Write for Frames<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.frame.len() == LENGTH + FRAME
            && let Err(fault) = self.send()
        {
            self.fault = Some(fault);
        }
        if self.fault.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = LENGTH + FRAME - self.frame.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.frame.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
