//! Running a program: to its end, or in the background.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{BOUND, schema};

/// A program that is about to run, with all of its environment.
#[derive(Debug)]
pub(crate) struct Call {
    command: Command,
    words: Vec<String>,
    shown: String,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl Call {
    pub(crate) fn new(program: impl AsRef<OsStr>, folder: &Path) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().stdin(Stdio::null());
        let name = Path::new(program).file_name().unwrap_or(program);
        Self {
            command,
            words: vec![],
            shown: name.to_string_lossy().into_owned(),
            stdout: None,
            stderr: None,
        }
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for arg in args {
            self.shown.push(' ');
            self.shown.push_str(&arg.as_ref().to_string_lossy());
            self.words.push(arg.as_ref().to_string_lossy().into_owned());
            self.command.arg(arg);
        }
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Standard input comes from there; it is empty otherwise.
    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Standard output goes there, and not into [`Ended::stdout`].
    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Standard error goes there, and not into [`Ended::stderr`].
    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }

    /// Runs it in the background.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let is_cbox = self.command.get_program() == env!("CARGO_BIN_EXE_cbox");
        let speaks_json = is_cbox && self.stdout.is_none();
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let to = |file: &File| Stdio::from(file.try_clone().unwrap());
        self.command
            .stdout(self.stdout.take().unwrap_or_else(|| to(&stdout)))
            .stderr(self.stderr.take().unwrap_or_else(|| to(&stderr)));
        let child = self.command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", self.shown));
        Running {
            child,
            words: speaks_json.then_some(self.words),
            shown: self.shown,
            stdout,
            stderr,
        }
    }
}

/// A program that runs. It is ended when the test is over.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// The words behind the name of cbox, where its output is to be seen.
    words: Option<Vec<String>>,
    shown: String,
    stdout: File,
    stderr: File,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// What it has said so far on standard error.
    pub(crate) fn said(&self) -> String {
        let mut bytes = vec![0; self.stderr.metadata().unwrap().len() as usize];
        self.stderr.read_exact_at(&mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn ask_to_end(&self) -> Option<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed())?;
        kill_process(pid, Signal::TERM).ok()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let end = Instant::now() + BOUND;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                panic!("{} does not end:\n{}", self.shown, text(&mut self.stderr));
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let ended = Ended {
            shown: self.shown.clone(),
            status,
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
        };
        // One that was killed has said what it has said.
        if let (Some(words), Some(_)) = (&self.words, status.code()) {
            schema::check_output(words, &ended.stdout);
        }
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // The test has failed. A program that is asked ends what it has begun too.
        let _gone = self.ask_to_end();
        let end = Instant::now() + Duration::from_secs(20);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) shown: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails the test unless the program ended with this exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Fails the test unless the program ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Its standard output, trimmed.
    pub(crate) fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Its standard output as lines.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Its standard output, which has to be one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// What the first target of its JSON document has forced on an option.
    #[track_caller]
    pub(crate) fn forced(&self, option: &str) -> serde_json::Value {
        let overrides = self.json()["targets"][0]["overrides"].clone();
        let mut forced = overrides.as_array().unwrap().iter();
        let forced = forced.find(|forced| forced["option"] == option);
        forced.unwrap_or_else(|| panic!("no {option}: {self}"))["value"].clone()
    }

    /// Fails the test unless `words` stand in its standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in {self}");
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shown,
            status,
            stdout,
            stderr,
        } = self;
        write!(
            formatter,
            "`{shown}` ({status})\n--- stdout\n{stdout}--- stderr\n{stderr}---"
        )
    }
}

/// The environment of the test that calls must have, and nothing else of it.
pub(crate) fn inherited() -> Vec<(OsString, OsString)> {
    let wanted = |name: &str| {
        let nix = name.starts_with("NIX_") && !["NIX_CACHE_HOME", "NIX_STATE_HOME"].contains(&name);
        nix || ["PATH", "USER", "SSL_CERT_FILE", "CBOX_FIRMWARE_DIR"].contains(&name)
    };
    std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(wanted))
        .collect()
}

/// A program on the PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
