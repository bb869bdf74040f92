//! A command as a value: what is started, where, and with which of its exit codes it has
//! done its work.

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How many of the last lines of standard error a failure shows.
const LAST_LINES: usize = 6;
/// How much of each of them, in letters.
const LONGEST_LINE: usize = 200;

/// A program with its arguments. It sees the environment of the bench and `variables`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    variables: Vec<(String, PathBuf)>,
    /// The file that is standard input; without one there is none.
    input: Option<PathBuf>,
    /// The exit codes that mean that it worked.
    good: Vec<i32>,
}

impl Command {
    /// `program` with `arguments`, run in `folder`; 0 means that it worked.
    pub(crate) fn new<A: AsRef<str>>(
        program: &Path,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter();
        Self {
            program: program.to_owned(),
            arguments: arguments.map(|word| word.as_ref().to_owned()).collect(),
            folder: folder.to_owned(),
            variables: vec![("LC_ALL".into(), "C".into())],
            input: None,
            good: vec![0],
        }
    }

    pub(crate) fn variable(mut self, name: &str, value: &Path) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn input(mut self, file: &Path) -> Self {
        self.input = Some(file.to_owned());
        self
    }

    /// Exits of `codes` are the ones that mean that it worked.
    pub(crate) fn good(mut self, codes: &[i32]) -> Self {
        self.good = codes.to_vec();
        self
    }

    /// The process to start, its output going into the files `stdout` and `stderr`.
    pub(crate) fn process(&self, stdout: &Path, stderr: &Path) -> Result<Process, Failure> {
        let create =
            |path| File::create(path).map_err(|error| Failure::file("write", path, &error));
        let input = match &self.input {
            None => Stdio::null(),
            Some(path) => File::open(path)
                .map_err(|error| Failure::file("read", path, &error))?
                .into(),
        };
        let mut process = Process::new(&self.program);
        process
            .args(&self.arguments)
            .current_dir(&self.folder)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(create(stdout)?)
            .stderr(create(stderr)?);
        Ok(process)
    }

    /// That it cannot be started.
    pub(crate) fn not_started(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("`{}` cannot be started: {error}", self.shown()))
    }

    /// Whether `code` means that it worked; `None` stands for a signal.
    ///
    /// # Errors
    /// Otherwise, with the last lines of what it said on standard error, or if it said
    /// nothing there, of what it printed.
    pub(crate) fn judge(
        &self,
        code: Option<i32>,
        stdout: &Path,
        stderr: &Path,
    ) -> Result<(), Failure> {
        if code.is_some_and(|code| self.good.contains(&code)) {
            return Ok(());
        }
        let ended = code.map_or("by a signal".to_owned(), |code| format!("with {code}"));
        let said = [read(stderr)?, read(stdout)?];
        let said = said.iter().find(|said| !said.is_empty());
        let text = String::from_utf8_lossy(said.map_or(&[], Vec::as_slice));
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        let shown = last.iter().map(|line| {
            let line: String = line.chars().take(LONGEST_LINE).collect();
            format!("\n    {line}")
        });
        Err(Failure::new(format!(
            "`{}` ended {ended}{}",
            self.shown(),
            shown.collect::<String>()
        )))
    }

    /// Runs it once, unmeasured, and gives its standard output.
    pub(crate) fn ask(&self) -> Result<String, Failure> {
        let place = tempfile::tempdir()
            .map_err(|error| Failure::new(format!("cannot make a temporary folder: {error}")))?;
        let (stdout, stderr) = (place.path().join("stdout"), place.path().join("stderr"));
        let mut process = self.process(&stdout, &stderr)?;
        let status = process.status().map_err(|error| self.not_started(&error))?;
        self.judge(status.code(), &stdout, &stderr)?;
        String::from_utf8(read(&stdout)?)
            .map_err(|_| Failure::new(format!("`{}` gave no UTF-8", self.shown())))
    }

    /// As a person would type it, long arguments cut short.
    fn shown(&self) -> String {
        let name = self.program.file_name().unwrap_or(OsStr::new("?"));
        let mut text = name.to_string_lossy().into_owned();
        for argument in &self.arguments {
            let line = argument.split_whitespace().collect::<Vec<_>>().join(" ");
            let cut: String = line.chars().take(100).collect();
            text.push_str(&format!(" {cut}"));
            if cut.len() < line.len() {
                text.push('…');
            }
        }
        text
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command::new(Path::new("/bin/sh"), Path::new("/"), ["-c", script])
    }

    #[test]
    fn a_failure_is_told_with_its_last_words() {
        let script = "echo first >&2; echo a; for n in 1 2 3 4 5 6; do echo $n >&2; done; exit 3";
        let failure = shell(script).ask().unwrap_err().to_string();
        assert!(failure.contains("ended with 3\n    1\n"), "{failure}");
        assert!(failure.ends_with("\n    6"), "{failure}");
    }

    #[test]
    fn without_those_what_it_printed_is_told() {
        let failure = shell("echo changed; exit 1").ask().unwrap_err().to_string();
        assert!(failure.ends_with("ended with 1\n    changed"), "{failure}");
    }

    #[test]
    fn another_code_can_be_good() {
        assert_eq!(shell("echo x; exit 1").good(&[0, 1]).ask().unwrap(), "x\n");
    }

    #[test]
    fn a_signal_is_never_good() {
        let failure = shell("kill -9 $$").ask().unwrap_err().to_string();
        assert!(failure.contains("ended by a signal"), "{failure}");
    }
}
