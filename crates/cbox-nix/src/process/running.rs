//! A child that is read from while it runs, and ended when its time has come.

use std::{fs::File, io, process::ExitStatus, time::Duration};

use rustix::{
    process::{Pid, kill_process, kill_process_group},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, ChildStderr, ChildStdout},
};

use super::{Command, GRACE, Input, STDERR_KEPT, ended, ended_by};
use crate::{Interrupt, NixError};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// How long output may stay away once the child has ended: what it started may hold the
/// pipes open for ever.
const LINGER: Duration = Duration::from_millis(200);

/// The terminal, for a child that reads from it. When this value goes, the terminal is as
/// it was before, whatever the child did to it.
#[derive(Debug)]
pub struct Terminal {
    /// Opened anew: a child that makes its input non-blocking would else do so to the
    /// output of this process, which is mostly the same open file.
    file: File,
    before: Termios,
}

impl Terminal {
    /// The terminal that this process belongs to.
    ///
    /// # Errors
    /// When it belongs to none.
    pub fn open() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        Ok(Self { file, before })
    }

    pub(super) fn for_child(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no care.
        let _gone = tcsetattr(&self.file, OptionalActions::Drain, &self.before);
    }
}

/// What happens with a child.
#[derive(Debug)]
pub enum ChildEvent {
    /// Some of its standard output.
    Stdout(Vec<u8>),
    /// Some of its standard error.
    Stderr(Vec<u8>),
    /// It has ended, and all was read.
    Ended(ExitStatus),
}

/// A child that runs. It is killed when this value goes before its end.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The command as a shell would take it.
    command: String,
    program: String,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// The last of what it wrote to standard error.
    aside: Vec<u8>,
    ended: Option<ExitStatus>,
    /// Held while the child has it: such a child is in the process group of this process,
    /// or the terminal would stop it as soon as it reads.
    terminal: Option<Terminal>,
}

impl Command {
    /// Starts it, to be read from while it runs. With a terminal it reads from that, and
    /// is in the foreground with this process; otherwise it reads nothing.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start(&self, terminal: Option<Terminal>) -> Result<Running, NixError> {
        tracing::debug!("{}", self.to_shell());
        let mut child = self.spawn(terminal.as_ref().map_or(Input::None, Input::Terminal))?;
        Ok(Running {
            command: self.to_shell(),
            program: self.program_name(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            aside: vec![],
            ended: None,
            terminal,
            child,
        })
    }
}

impl Running {
    /// Waits for what it says next. Can be dropped and called again without a loss.
    ///
    /// # Errors
    /// When its pipes cannot be read.
    pub async fn next(&mut self) -> io::Result<ChildEvent> {
        loop {
            tokio::select! {
                biased;
                bytes = read(&mut self.stdout), if self.stdout.is_some() => {
                    match bytes? {
                        Some(bytes) => return Ok(ChildEvent::Stdout(bytes)),
                        None => self.stdout = None,
                    }
                }
                bytes = read(&mut self.stderr), if self.stderr.is_some() => {
                    match bytes? {
                        Some(bytes) => {
                            self.aside.extend_from_slice(&bytes);
                            let surplus = self.aside.len().saturating_sub(STDERR_KEPT);
                            self.aside.drain(..surplus);
                            return Ok(ChildEvent::Stderr(bytes));
                        }
                        None => self.stderr = None,
                    }
                }
                status = self.child.wait(), if self.ended.is_none() => self.ended = Some(status?),
                () = tokio::time::sleep(LINGER), if self.ended.is_some() => {
                    self.stdout = None;
                    self.stderr = None;
                }
            }
            if let (Some(status), None, None) = (self.ended, &self.stdout, &self.stderr) {
                return Ok(ChildEvent::Ended(status));
            }
        }
    }

    /// Asks it to end, and kills it when the grace is over or one more signal comes.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn end(mut self, interrupt: &Interrupt) -> io::Result<()> {
        self.signal(rustix::process::Signal::TERM);
        let mut again = interrupt.clone();
        let seen = again.times();
        let program = self.program.clone();
        // A child that is stuck in writing would not end.
        let drained = async {
            while !matches!(self.next().await?, ChildEvent::Ended(_)) {}
            Ok(())
        };
        let ended = tokio::select! {
            ended = drained => Some(ended),
            () = tokio::time::sleep(GRACE) => None,
            never = interrupt.tell_slow(&program) => match never {},
            _ = again.next(seen) => None,
        };
        if let Some(ended) = ended {
            return ended;
        }
        self.signal(rustix::process::Signal::KILL);
        self.child.wait().await.map(drop)
    }

    /// The last of what it wrote to standard error, as text.
    #[must_use]
    pub fn aside(&self) -> String {
        String::from_utf8_lossy(&self.aside).trim_end().to_owned()
    }

    /// Its end as an error, unless it ended well.
    #[must_use]
    pub fn failure(&self, status: ExitStatus) -> Option<NixError> {
        (!status.success()).then(|| NixError::Failed {
            command: self.command.clone(),
            status: ended(status),
            signal: ended_by(status),
            stderr: self.aside(),
        })
    }

    fn signal(&self, signal: rustix::process::Signal) {
        // Once it was waited for there is no number, so that nobody else is hit.
        let Some(pid) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        else {
            return;
        };
        // A failure means that it is gone, which is what is wanted.
        let _gone = match self.terminal {
            Some(_) => kill_process(pid, signal),
            None => kill_process_group(pid, signal),
        };
    }
}

/// Reads what there is; `None` at the end.
async fn read(source: &mut Option<impl AsyncRead + Unpin>) -> io::Result<Option<Vec<u8>>> {
    let Some(source) = source else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(CHUNK);
    let read = source.read_buf(&mut bytes).await?;
    Ok((read > 0).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_runtime::run;
    use std::time::Instant;

    fn sh(script: &str) -> Command {
        Command::new("sh", ["-c", script])
    }

    #[test]
    fn all_is_read_before_the_end_is_told() {
        run(async {
            let mut running = sh("cat; printf one; echo two >&2; exit 3")
                .start(None)
                .unwrap();
            let mut output = Vec::new();
            let status = loop {
                match running.next().await.unwrap() {
                    ChildEvent::Stdout(bytes) => output.extend(bytes),
                    ChildEvent::Stderr(bytes) => assert_eq!(bytes, b"two\n"),
                    ChildEvent::Ended(status) => break status,
                }
            };
            assert_eq!(output, b"one");
            let failure = running.failure(status).unwrap();
            assert!(
                failure
                    .to_string()
                    .ends_with("failed with exit code 3:\ntwo")
            );
        });
    }

    #[test]
    fn one_that_left_a_child_behind_has_ended_all_the_same() {
        run(async {
            let begin = Instant::now();
            let mut running = sh("sleep 20 & echo said").start(None).unwrap();
            while !matches!(running.next().await.unwrap(), ChildEvent::Ended(_)) {}
            assert!(begin.elapsed() < Duration::from_secs(10));
        });
    }

    #[test]
    fn one_that_is_told_to_ends() {
        run(async {
            let begin = Instant::now();
            // It writes more than a pipe holds before it looks at the signal.
            let script = "trap 'head -c 300000 /dev/zero; exit' TERM; echo up; while :; do :; done";
            let mut running = sh(script).start(None).unwrap();
            running.next().await.unwrap();
            running.end(&Interrupt::never()).await.unwrap();
            assert!(begin.elapsed() < GRACE);
        });
    }
}
