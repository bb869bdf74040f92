//! Measuring one run of one command: how long it took, and how much memory.
//!
//! The kernel counts the peak memory of children over the whole life of their parent. So
//! each run has a parent of its own: the bench calls itself with `--measure`, and that
//! process starts the command and nothing else. The kernel also counts what the parent
//! itself held when it forked, so nothing below some MiB can be told.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use unix::{
    sys::{
        resource::{UsageWho, getrusage},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};

use crate::{command::Command, failure::Failure, memory};

/// This program as it was started, even where its file was built anew since.
const ITSELF: &str = "/proc/self/exe";

/// What to run, and where its output goes.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    command: Command,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// From its start to its end.
    pub(crate) time: Duration,
    /// Peak resident memory of the largest of its processes, in KiB.
    pub(crate) largest: u64,
    /// Peak resident memory of all its processes at one moment, in KiB, as far as
    /// looking now and then has seen.
    pub(crate) together: u64,
    /// How long the process that was started worked itself, on all its threads; what it started
    /// does not count.
    pub(crate) own_time: Duration,
    /// Its own peak resident memory, in KiB.
    pub(crate) own_memory: u64,
    /// The exit code; none after a signal.
    code: Option<i32>,
}

impl Taken {
    /// What a part of the life of a process took that goes on: its memory so far is `together`.
    pub(crate) fn part(time: Duration, together: u64) -> Self {
        Self {
            time,
            largest: together,
            together,
            own_time: Duration::ZERO,
            own_memory: 0,
            code: None,
        }
    }

    /// What this and the `next` run took, one after the other: times add up, of the
    /// memory the most counts.
    pub(crate) fn then(self, next: Self) -> Self {
        Self {
            time: self.time + next.time,
            largest: self.largest.max(next.largest),
            together: self.together.max(next.together),
            own_time: self.own_time + next.own_time,
            own_memory: self.own_memory.max(next.own_memory),
            ..next
        }
    }
}

/// Runs `command` once, measured. Its output is left in `folder`, as `stdout` and
/// `stderr`.
///
/// # Errors
/// When it cannot be started, or ends as it should not.
pub(crate) fn run(command: &Command, folder: &Path) -> Result<Taken, Failure> {
    let order = Order {
        command: command.clone(),
        stdout: folder.join("stdout"),
        stderr: folder.join("stderr"),
    };
    let text = serde_json::to_string(&order).map_err(|error| Failure::new(error.to_string()))?;
    let itself = Path::new(ITSELF);
    let answer = std::process::Command::new(itself)
        .args(["--measure", &text])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::file("start", itself, &error))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        let said = said.trim().trim_start_matches("cbox-bench: ");
        return Err(Failure::new(said));
    }
    let taken: Taken = serde_json::from_slice(&answer.stdout)
        .map_err(|error| Failure::new(format!("a measurement cannot be read: {error}")))?;
    command.judge(taken.code, &order.stdout, &order.stderr)?;
    Ok(taken)
}

/// The other side of [`run`]: carries out an order, and gives what it took, as JSON.
pub(crate) fn answer(order: &str) -> Result<String, Failure> {
    let order: Order = serde_json::from_str(order)
        .map_err(|error| Failure::new(format!("`--measure` is for cbox-bench itself: {error}")))?;
    let mut process = order.command.process(&order.stdout, &order.stderr)?;
    let begin = Instant::now();
    let mut child = process
        .spawn()
        .map_err(|error| order.command.not_started(&error))?;
    let watch = memory::Watch::over(child.id());
    // Ended and not yet waited for, it still has its figures.
    let ended = Id::Pid(Pid::from_raw(child.id().cast_signed()));
    waitid(ended, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        .map_err(|error| Failure::new(format!("the end cannot be waited for: {error}")))?;
    let time = begin.elapsed();
    let own_time = memory::worked(child.id());
    let status = child
        .wait()
        .map_err(|error| order.command.not_started(&error))?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|error| Failure::new(format!("the memory cannot be told: {error}")))?;
    let largest = u64::try_from(usage.max_rss()).unwrap_or(0);
    let (together, own) = watch.end();
    let taken = Taken {
        time,
        largest,
        together: together.max(largest),
        own_time,
        // What ended before the first look has started nothing that was larger.
        own_memory: if own == 0 { largest } else { own },
        code: status.code(),
    };
    serde_json::to_string(&taken).map_err(|error| Failure::new(error.to_string()))
}
