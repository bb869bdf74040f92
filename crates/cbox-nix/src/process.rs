//! The one place where processes start.
//!
//! A child reads nothing but what it is given, speaks English, leads a process group of its own and
//! is always waited for. A signal to cbox reaches the whole group; what does not end is killed, and
//! all ends with cbox, whatever ends that ([`launcher`]). Output is bounded: a child that writes
//! without end fills no memory.
//! [`running`] has those that are read from while they run, [`conversation`] those that are
//! also written to.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Interrupt, NixError, git::pipes, lines::read_lines, regular_file};

mod conversation;
pub mod launcher;
mod running;
mod shell_word;

pub use conversation::Conversation;
pub use running::{ChildEvent, Running, Terminal};
pub use shell_word::shell_word;

/// How long a child may take to end after a signal, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How much of standard output is kept: no answer that cbox asks for comes near it.
const STDOUT_LIMIT: u64 = 1 << 30;

/// How much of standard error is kept: its last lines, up to this many bytes.
const STDERR_KEPT: usize = 1 << 20;

/// A command that is about to run.
#[derive(Debug, Clone)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    set: Vec<(&'static str, OsString)>,
    unset: &'static [&'static str],
    /// What it reads on its standard input.
    input: Vec<u8>,
    /// The working tree in which it reads git's rules.
    rules_in: Option<PathBuf>,
    /// What it gets when cbox ends without a chance to end it.
    on_death: Signal,
}

/// Where a child reads from.
#[derive(Debug, Clone, Copy)]
enum Input<'t> {
    None,
    Pipe,
    Terminal(&'t Terminal),
}

/// What a command gave that ended well.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The last lines of its standard error.
    pub stderr: String,
}

impl Command {
    /// A command from its program and arguments.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            folder: None,
            set: vec![],
            unset: &[],
            input: vec![],
            rules_in: None,
            on_death: Signal::KILL,
        }
    }

    /// Runs it in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Sets an environment variable for it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.set.push((name, value.into()));
        self
    }

    /// Keeps environment variables from it.
    #[must_use]
    pub fn without(mut self, names: &'static [&'static str]) -> Self {
        self.unset = names;
        self
    }

    /// Gives it this to read, where it is run to its end.
    #[must_use]
    pub fn reading(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Where cbox is killed, it is asked to end (SIGTERM), so that it can remove what it made:
    /// for programs that look at that soon. The others are killed too.
    #[must_use]
    pub fn ends_orderly(mut self) -> Self {
        self.on_death = Signal::TERM;
        self
    }

    /// It reads the files with git's rules in the working tree `top`, and is ended where it waits
    /// at one that is a named pipe.
    #[must_use]
    pub(crate) fn reading_rules_in(mut self, top: &Path) -> Self {
        self.rules_in = Some(top.to_owned());
        self
    }

    /// The command as a shell would take it.
    #[must_use]
    pub fn to_shell(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| shell_word(word))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot start, ends with an error, or a signal comes.
    pub async fn run(&self, interrupt: &Interrupt) -> Result<Output, NixError> {
        self.stream(interrupt, |_| {}).await
    }

    /// Runs it to its end, and passes each line of its standard error on as it comes,
    /// without its line feed.
    ///
    /// # Errors
    /// As [`Command::run`].
    pub async fn stream(
        &self,
        interrupt: &Interrupt,
        on_line: impl FnMut(&[u8]),
    ) -> Result<Output, NixError> {
        let (status, output) = self.stream_to_end(interrupt, on_line).await?;
        if status.success() {
            return Ok(output);
        }
        Err(self.failed(status, output))
    }

    /// Runs a command to its end that says no with exit code 1, as git's questions do;
    /// `None` is that no.
    ///
    /// # Errors
    /// As [`Command::run`], for every other exit code.
    pub async fn ask(&self, interrupt: &Interrupt) -> Result<Option<Output>, NixError> {
        let (status, output) = self.stream_to_end(interrupt, |_| {}).await?;
        match status.code() {
            Some(0) => Ok(Some(output)),
            Some(1) => Ok(None),
            _ => Err(self.failed(status, output)),
        }
    }

    fn failed(&self, status: ExitStatus, output: Output) -> NixError {
        // Ctrl-C reaches a child in the foreground before this process hears of it.
        if ended_by(status) == Some(Signal::INT.as_raw()) {
            return NixError::Interrupted(crate::Signal::Interrupt);
        }
        NixError::Failed {
            command: self.to_shell(),
            status: ended(status),
            signal: ended_by(status),
            stderr: output.stderr,
        }
    }

    async fn stream_to_end(
        &self,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(&[u8]),
    ) -> Result<(ExitStatus, Output), NixError> {
        if let Some(signal) = interrupt.signal() {
            return Err(NixError::Interrupted(signal));
        }
        tracing::debug!("{}", self.to_shell());
        let started = std::time::Instant::now();
        let input = match self.input.as_slice() {
            [] => Input::None,
            _ => Input::Pipe,
        };
        let mut child = self.spawn(input)?;
        let failed = |source| NixError::Start {
            program: self.program_name(),
            source,
        };
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut bytes = Vec::new();
        let mut tail = Tail::default();
        let work = async {
            let read_stdout = async {
                match stdout {
                    Some(stdout) => stdout
                        .take(STDOUT_LIMIT)
                        .read_to_end(&mut bytes)
                        .await
                        .map(drop),
                    None => Ok(()),
                }
            };
            let read_stderr = async {
                match stderr {
                    Some(stderr) => {
                        read_lines(stderr, |line| {
                            tail.push(line);
                            on_line(line);
                        })
                        .await
                    }
                    None => Ok(()),
                }
            };
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // One that reads no further says why by how it ends.
                    let _read = stdin.write_all(&self.input).await;
                }
            };
            let (read_out, read_err, ()) = tokio::join!(read_stdout, read_stderr, feed);
            read_out.and(read_err)?;
            child.wait().await
        };
        let program = self.program_name();
        let pipe = async {
            match (self.rules_in.clone(), group) {
                (Some(top), Some(git)) => pipes::waited_for(top, git).await,
                _ => std::future::pending().await,
            }
        };
        let status = tokio::select! {
            status = work => status.map_err(failed)?,
            path = pipe => {
                if let Some(group) = group {
                    let _gone = kill_process_group(group, Signal::KILL);
                }
                child.wait().await.map_err(failed)?;
                return Err(not_a_file(path));
            }
            signal = end_on_signal(interrupt.clone(), group, &program) => {
                // The group was killed if it did not end; the child is reaped either way.
                child.wait().await.map_err(failed)?;
                return Err(NixError::Interrupted(signal));
            }
        };
        // A child that saw the terminal's own signal may end before cbox sees its own.
        if let Some(signal) = interrupt.signal() {
            if let Some(group) = group {
                let _gone = kill_process_group(group, Signal::KILL);
            }
            return Err(NixError::Interrupted(signal));
        }
        let (name, lasted) = (self.program_name(), started.elapsed().as_millis());
        tracing::debug!("{name}, {lasted} ms: {}", ended(status));
        Ok((
            status,
            Output {
                stdout: bytes,
                stderr: tail.into_text(),
            },
        ))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "where programs are, unless the child is told otherwise"
    )]
    fn starting(&self) -> std::io::Result<tokio::process::Command> {
        let mut set = self.set.iter().rev();
        let path = set.find(|(name, _)| *name == "PATH");
        let path = path.map(|(_, path)| path.clone());
        let path = path.or_else(|| std::env::var_os("PATH"));
        launcher::starting(&self.program, path.as_deref(), self.on_death)
    }

    fn spawn(&self, input: Input<'_>) -> Result<tokio::process::Child, NixError> {
        let mut command = self.starting().map_err(|source| self.not_started(source))?;
        command
            .args(&self.arguments)
            .env("LC_ALL", "C")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match input {
            Input::None => command.stdin(Stdio::null()).process_group(0),
            Input::Pipe => command.stdin(Stdio::piped()).process_group(0),
            Input::Terminal(terminal) => command.stdin(terminal.for_child().map_err(|source| {
                let program = self.program_name();
                NixError::Start { program, source }
            })?),
        };
        for name in self.unset {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.spawn().map_err(|source| self.not_started(source))
    }

    fn not_started(&self, source: std::io::Error) -> NixError {
        let folder_is_there = self.folder.as_ref().is_none_or(|folder| folder.is_dir());
        let program = self.program_name();
        match source.kind() {
            std::io::ErrorKind::NotFound if folder_is_there => NixError::NotFound(program),
            _ => NixError::Start { program, source },
        }
    }

    fn program_name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

/// The error for a pipe at `path` where git expects a file.
fn not_a_file(path: PathBuf) -> NixError {
    let path = path.to_string_lossy().into_owned();
    match regular_file::open(&path) {
        Err(source) => NixError::File {
            action: "read",
            path: path.into(),
            source,
        },
        // It has become one meanwhile.
        Ok(_) => NixError::File {
            action: "read",
            path: path.into(),
            source: std::io::ErrorKind::TimedOut.into(),
        },
    }
}

/// Waits for a signal, passes it on to the group, and kills the group if the grace is
/// over or a second signal comes. Returns when it is time to reap.
async fn end_on_signal(
    mut interrupt: Interrupt,
    group: Option<Pid>,
    program: &str,
) -> crate::Signal {
    let signal = interrupt.next(0).await;
    let Some(group) = group else { return signal };
    // A failure means that the group is gone, which is what is wanted.
    let _gone = kill_process_group(group, signal.for_child());
    let gone = async {
        while rustix::process::test_kill_process_group(group).is_ok() && !only_zombie(group) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let telling = interrupt.clone();
    tokio::select! {
        () = gone => {}
        () = tokio::time::sleep(GRACE) => {}
        never = telling.tell_slow(program) => match never {},
        _ = interrupt.next(1) => {}
    }
    let _gone = kill_process_group(group, Signal::KILL);
    signal
}

/// Whether the group's leader has ended and waits to be reaped, so that the group looks
/// alive while nothing in it runs.
fn only_zombie(leader: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", leader.as_raw_nonzero()));
    // The state follows the program's name, which stands in parentheses.
    stat.is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}

/// The last lines that fit into [`STDERR_KEPT`] bytes.
#[derive(Debug, Default)]
struct Tail {
    lines: std::collections::VecDeque<Vec<u8>>,
    size: usize,
}

impl Tail {
    fn push(&mut self, line: &[u8]) {
        // Events are read as they come; kept, they would be noise in an error.
        if line.starts_with(crate::events::PREFIX) {
            return;
        }
        self.size += line.len() + 1;
        self.lines.push_back(line.to_owned());
        while self.size > STDERR_KEPT {
            let Some(first) = self.lines.pop_front() else {
                break;
            };
            self.size -= first.len() + 1;
        }
    }

    fn into_text(self) -> String {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| String::from_utf8_lossy(line))
            .collect();
        lines.join("\n").trim_end().to_owned()
    }
}

/// How a process ended, as a verb.
fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended well".to_owned(),
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// The signal that ended a process, also where a shell in front of it only passed that on
/// as an exit code, which is 128 and its number.
fn ended_by(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt as _;
    let passed_on = status.code().map(|code| code - 128);
    status
        .signal()
        .or(passed_on.filter(|signal| (1..=64).contains(signal)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lines::{END_KEPT, LINE_LIMIT},
        test_runtime::run,
    };

    fn sh(script: &str) -> Command {
        Command::new("sh", ["-c", script])
    }

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        let command = Command::new("nix", ["eval", "a b", "it's", "", "x^out", "$y"]);
        assert_eq!(
            command.to_shell(),
            r"nix eval 'a b' 'it'\''s' '' x^out '$y'"
        );
    }

    #[test]
    fn a_child_reads_nothing_and_speaks_english() {
        let output = run(sh("cat; echo $LC_ALL; echo aside >&2").run(&Interrupt::never())).unwrap();
        assert_eq!(output.stdout, b"C\n");
        assert_eq!(output.stderr, "aside");
    }

    #[test]
    fn a_failure_says_all() {
        let error =
            run(sh("echo one >&2; echo two >&2; exit 3").run(&Interrupt::never())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c 'echo one >&2; echo two >&2; exit 3'` failed with exit code 3:\none\ntwo"
        );
        let killed = run(sh("kill -9 $$").run(&Interrupt::never())).unwrap_err();
        assert!(
            killed.to_string().contains("was killed by signal 9"),
            "{killed}"
        );
        for (script, wanted) in [
            ("kill -9 $$", Some(9)),
            ("exit 134", Some(6)),
            ("exit 128", None),
            ("exit 3", None),
            ("exit 255", None),
        ] {
            let error = run(sh(script).run(&Interrupt::never())).unwrap_err();
            assert!(
                matches!(error, NixError::Failed { signal, .. } if signal == wanted),
                "{script}: {error:?}"
            );
        }
        let missing = run(Command::new("cbox-no-such-program", [""; 0]).run(&Interrupt::never()))
            .unwrap_err();
        assert!(matches!(missing, NixError::NotFound(_)));
    }

    #[test]
    fn lines_are_bounded_and_memory_with_them() {
        let script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; printf '%s' last >&2";
        let mut lengths = Vec::new();
        let output =
            run(sh(script).stream(&Interrupt::never(), |line| lengths.push(line.len()))).unwrap();
        let both_ends = LINE_LIMIT + '…'.len_utf8() + END_KEPT - 1;
        assert_eq!(lengths, [both_ends, 4]);
        assert_eq!(output.stderr, "last");
    }

    #[test]
    fn of_many_lines_the_last_are_kept() {
        let line = [b'x'; 1000];
        let mut tail = Tail::default();
        for _ in 0..100_000 {
            tail.push(&line);
        }
        assert!(tail.size <= STDERR_KEPT && tail.lines.len() > 1000);
        tail.push(b"last");
        assert!(tail.into_text().ends_with("\nlast"));
    }

    #[test]
    fn both_outputs_are_read_at_once() {
        let script =
            "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero";
        let output = run(sh(script).run(&Interrupt::never())).unwrap();
        assert_eq!(output.stdout.len(), 2_000_000);
    }
}
