//! A child that answers for as long as it is spoken to.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use rustix::process::{Pid, kill_process_group};
use tokio::process::Child;

use super::{Command, Input};
use crate::NixError;

/// How long it may take to end once nobody speaks to it any more.
const PATIENCE: Duration = Duration::from_millis(300);

/// A child and its pipes. When this value goes, the child reads the end of its input; if it
/// does not end by that, it is killed with all that it started.
#[derive(Debug)]
pub struct Conversation {
    /// What it reads.
    pub stdin: File,
    /// What it answers.
    pub stdout: File,
    /// What else it says.
    pub stderr: File,
    _child: Reaped,
}

impl Command {
    /// Starts it, to be spoken with. It is in a process group of its own, so that the
    /// terminal's signals do not reach it.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn converse(&self) -> Result<Conversation, NixError> {
        tracing::debug!("{}", self.to_shell());
        let mut child = self.spawn(Input::Pipe)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let pipes = || {
            Some((
                stdin?.into_owned_fd(),
                stdout?.into_owned_fd(),
                stderr?.into_owned_fd(),
            ))
        };
        let failed = |source| NixError::Start {
            program: self.program_name(),
            source,
        };
        let (stdin, stdout, stderr) = pipes().ok_or_else(|| failed(io::ErrorKind::Other.into()))?;
        Ok(Conversation {
            stdin: stdin.map_err(failed)?.into(),
            stdout: stdout.map_err(failed)?.into(),
            stderr: stderr.map_err(failed)?.into(),
            _child: Reaped(child),
        })
    }
}

/// Goes behind the pipes, as fields go in their order.
#[derive(Debug)]
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let end = Instant::now() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() >= end {
                let group = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
                // A failure means that it has gone meanwhile, which is what is wanted.
                let _gone =
                    group.map(|group| kill_process_group(group, rustix::process::Signal::KILL));
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_runtime::run;
    use std::io::{Read as _, Write as _};

    fn sh(script: &str) -> Conversation {
        Command::new("sh", ["-c", script]).converse().unwrap()
    }

    #[test]
    fn it_answers_and_ends_when_nobody_speaks_to_it_any_more() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let last = folder.path().join("last");
            let script = format!(
                "while read -r l; do echo \"<$l>\"; done; : >{}",
                last.display()
            );
            let mut conversation = sh(&script);
            conversation.stdin.write_all(b"one\n").unwrap();
            let mut answer = [0; 6];
            conversation.stdout.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"<one>\n");
            drop(conversation);
            assert!(last.exists(), "it ended by itself");
        });
    }

    #[test]
    fn one_that_does_not_end_is_killed_with_what_it_started() {
        run(async {
            let mut conversation =
                sh("trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done");
            let mut pid = [0; 32];
            let read = conversation.stdout.read(&mut pid).unwrap();
            let pid: i32 = std::str::from_utf8(&pid[..read])
                .unwrap()
                .trim()
                .parse()
                .unwrap();
            drop(conversation);
            let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat"));
            let end = Instant::now() + Duration::from_secs(10);
            while stat().is_ok_and(|stat| !stat.contains(") Z ")) {
                assert!(Instant::now() < end, "it lives on");
                std::thread::sleep(Duration::from_millis(10));
            }
        });
    }
}
