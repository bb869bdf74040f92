//! Children that end with this process, whatever ends it.
//!
//! A signal that can be heard is passed on ([`super`]). `kill -9`, and the kernel where memory
//! runs out, leave no time for that, so there the kernel has to tell the children: with
//! PR_SET_PDEATHSIG (prctl(2)) a process gets a signal when its parent ends. It can ask for that
//! only itself, and keeps it when it becomes another program. So what is started first is the
//! program of this library once more, in a mode ([`become_child`]) in which it asks for it, looks
//! whether its parent is still there, and becomes what was wanted: the same process, about a
//! millisecond later.
//!
//! The signal comes when the *thread* ends that has started the child. So only the thread that has
//! asked for this mode starts children in it; that has to be one that lives as long as the program.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::ExitCode,
    sync::OnceLock,
    thread::ThreadId,
};

use rustix::{
    fs::{Access, access},
    process::{
        Pid, Signal, getpid, getppid, set_parent_process_death_signal as on_death_of_parent,
    },
};

/// The name under which the program of this library starts as a child that is to be another.
const NAME: &str = "cbox-child";

/// This program, as the child sees it: also where its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";

/// The exit code of a child that could not become what was wanted, as shells have it.
const NOT_STARTED: u8 = 127;

/// The thread whose children end with this process; none where the program did not ask.
static THREAD: OnceLock<ThreadId> = OnceLock::new();

/// From now on, what this thread starts ends with this process. It has to be a thread that lives
/// as long as the process, and the program one that calls [`become_child`] before all else.
pub fn children_end_with_this_process() {
    // Where the program is run by its loader, or /proc is not there, it cannot be started like
    // that: then all is as without it.
    let program = std::fs::read_link(PROGRAM).ok();
    let name = program.as_deref().and_then(Path::file_name);
    if name.is_some_and(|name| !name.to_string_lossy().starts_with("ld")) {
        let _again = THREAD.set(std::thread::current().id());
    }
}

/// What starts `program`: that itself, or this program where its children end with it. `path` is
/// where the child looks for programs.
///
/// # Errors
/// When there is no such program, which this program in its place could tell nobody.
#[expect(clippy::disallowed_methods, reason = "the one spawn point")]
pub(super) fn starting(
    program: &OsStr,
    path: Option<&OsStr>,
    signal: Signal,
) -> io::Result<tokio::process::Command> {
    if THREAD.get() != Some(&std::thread::current().id()) {
        return Ok(tokio::process::Command::new(program));
    }
    look_for(program, path)?;
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .arg0(NAME)
        .arg(getpid().as_raw_nonzero().to_string())
        .arg(signal.as_raw().to_string())
        .arg(program);
    Ok(command)
}

/// Looks for a program as the system does it.
fn look_for(program: &OsStr, path: Option<&OsStr>) -> io::Result<()> {
    let executable = |file: &Path| match file.is_file() {
        true => Ok(access(file, Access::EXEC_OK)?),
        false => Err(io::ErrorKind::NotFound.into()),
    };
    // Where nothing is set, the system has folders of its own.
    let Some(path) = path else { return Ok(()) };
    if Path::new(program).components().count() > 1 {
        // Relative to the folder that the child is started in.
        return match Path::new(program).is_absolute() {
            true => executable(Path::new(program)),
            false => Ok(()),
        };
    }
    let mut found = Err(io::ErrorKind::NotFound.into());
    for folder in std::env::split_paths(path) {
        match executable(&folder.join(program)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found = Err(error),
            Ok(()) => return Ok(()),
        }
    }
    found
}

/// Becomes what a parent wants this process to be, if it was started for that; otherwise `None`.
/// It gives an exit code only if that fails.
#[must_use]
pub fn become_child() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next()? != NAME {
        return None;
    }
    let error = become_command(words);
    // There is no view in this mode: the parent shows it as what the command said.
    let _gone = io::Write::write_fmt(&mut io::stderr(), format_args!("cannot start: {error}\n"));
    Some(ExitCode::from(NOT_STARTED))
}

/// Gives back what went wrong.
#[expect(clippy::disallowed_methods, reason = "the one spawn point")]
fn become_command(mut words: impl Iterator<Item = OsString>) -> io::Error {
    let mut number = || words.next()?.to_str()?.parse::<i32>().ok();
    let (parent, signal) = (number(), number());
    let signal = signal.and_then(Signal::from_named_raw);
    let (Some(parent), Some(signal), Some(program)) = (parent, signal, words.next()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = on_death_of_parent(Some(signal)) {
        return error.into();
    }
    // It may have ended before it could be asked for.
    if getppid().map(Pid::as_raw_pid) != Some(parent) {
        return io::Error::other("the parent has ended");
    }
    std::process::Command::new(program).args(words).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_as_the_system_does_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plain"), "").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let path = std::env::join_paths([folder.path(), Path::new("/bin"), Path::new("/usr/bin")]);
        let path = path.unwrap();
        let look = |program: &str| {
            let found = look_for(OsStr::new(program), Some(&path));
            found.err().map(|error| error.kind())
        };
        assert_eq!(look("sh"), None);
        assert_eq!(look("/bin/sh"), None);
        assert_eq!(look("no-such-program"), Some(io::ErrorKind::NotFound));
        assert_eq!(look("/no/such/program"), Some(io::ErrorKind::NotFound));
        assert_eq!(look("folder"), Some(io::ErrorKind::NotFound));
        assert_eq!(look("plain"), Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn a_thread_that_did_not_ask_starts_programs_as_they_are() {
        let command = starting(OsStr::new("sh"), None, Signal::KILL).unwrap();
        assert_eq!(command.as_std().get_program(), "sh");
    }
}
