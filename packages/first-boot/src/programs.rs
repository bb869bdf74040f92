//! Other programs, where they are the authority: for accounts (getent, chpasswd, id), and for the
//! way to the network. Secrets reach them on standard input, never as arguments: every user can
//! read those in /proc.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

use crate::failure::{Code, Result};

/// Where the programs are, fixed when a package is built; the PATH otherwise.
const FOLDERS: Option<&str> = option_env!("FIRST_BOOT_PATH");

/// The user id of an account, where there is such an account.
pub(crate) fn user_id(name: &str) -> Result<Option<u32>> {
    Ok(run("id", &["-u", "--", name], "")?.and_then(|text| text.trim().parse().ok()))
}

/// The second field of an account's line in /etc/shadow, where there is such an account.
pub(crate) fn shadow_hash(name: &str) -> Result<Option<String>> {
    let line = run("getent", &["shadow", name], "")?;
    Ok(line.and_then(|line| line.trim_end().split(':').nth(1).map(str::to_owned)))
}

/// Gives an account this password.
pub(crate) fn set_password(name: &str, password: &str) -> Result<()> {
    match run("chpasswd", &[], &format!("{name}:{password}\n"))? {
        Some(_) => Ok(()),
        None => Code::Io.fail(format!("cannot set the password of '{name}'")),
    }
}

/// What a program prints, where it succeeds.
pub(crate) fn run(program: &str, arguments: &[&str], input: &str) -> Result<Option<String>> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(folders) = FOLDERS {
        command.env("PATH", folders);
    }
    let run = |mut command: Command| -> io::Result<Output> {
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read it says in its exit code what it thinks of it.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    };
    match run(command) {
        Ok(Output { status, stdout, .. }) => Ok(status
            .success()
            .then(|| String::from_utf8_lossy(&stdout).into_owned())),
        Err(error) => Code::Io.fail(format!("cannot run {program}: {error}")),
    }
}
