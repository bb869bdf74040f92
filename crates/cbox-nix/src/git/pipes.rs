//! What git waits for without end: it opens the files with its rules as they are, and a named
//! pipe in the place of one opens only when somebody writes to it.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Pid;

/// After how long a silence of git's is looked for one. It mostly answers before.
const MOMENT: Duration = Duration::from_secs(1);

/// How long the look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The files that git opens in a working tree by their names.
const NAMES: [&str; 3] = [".gitignore", ".gitattributes", ".gitmodules"];

/// Waits a moment, and gives the pipe below `top` at which the process `git` then waits. Where there
/// is none, it never returns.
pub(crate) async fn waited_for(top: PathBuf, git: Pid) -> PathBuf {
    tokio::time::sleep(MOMENT).await;
    let look = move || first(&top, Instant::now() + PATIENCE);
    if let Ok(Some(pipe)) = tokio::task::spawn_blocking(look).await {
        // It may be in a folder that git does not look into, and git be busy with others.
        let before = processor_time(git);
        tokio::time::sleep(MOMENT / 2).await;
        if processor_time(git) == before {
            return pipe;
        }
    }
    std::future::pending().await
}

/// What a process has used of the processor, in the words of the system.
fn processor_time(process: Pid) -> Option<[String; 2]> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    // The 14th and 15th word (proc_pid_stat(5)); the second is a name, in parentheses.
    let mut words = stat.rsplit(')').next()?.split_whitespace().skip(11);
    Some([words.next()?.to_owned(), words.next()?.to_owned()])
}

fn first(folder: &Path, end: Instant) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let name = entry.file_name();
            if kind.is_fifo() && NAMES.iter().any(|known| name == *known) {
                return Some(entry.path());
            }
            if kind.is_dir() && name != ".git" {
                folders.push(entry.path());
            }
            if Instant::now() >= end {
                return None;
            }
        }
    }
    None
}
