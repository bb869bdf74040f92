//! The memory of a process and all that it started, at one moment.
//!
//! The kernel keeps the peak of each process and no peak of their sum, so the sum is
//! looked at now and then. Pages that two processes share count twice.

use std::{
    fs,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

/// Often enough for evaluations, which take seconds, and too seldom to slow them.
const PAUSE: Duration = Duration::from_millis(20);

/// A thread that looks at a process and its descendants until it is told to end.
#[derive(Debug)]
pub(crate) struct Watch {
    end: Sender<()>,
    thread: JoinHandle<(u64, u64)>,
}

impl Watch {
    pub(crate) fn over(process: u32) -> Self {
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let (mut peak, mut own) = (0, 0);
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PAUSE) {
                peak = peak.max(of_tree(process));
                own = own.max(kibibytes(&status(process), "VmHWM:"));
            }
            (peak, own)
        });
        Self { end, thread }
    }

    /// The peaks of all together and of the process itself that were seen, in KiB; 0 for what ended
    /// before the first look.
    pub(crate) fn end(self) -> (u64, u64) {
        drop(self.end);
        self.thread.join().unwrap_or_default()
    }
}

/// The resident memory of `process` and its descendants, in KiB. What has ended meanwhile
/// counts nothing.
fn of_tree(process: u32) -> u64 {
    let below: u64 = children(process).into_iter().map(of_tree).sum();
    kibibytes(&status(process), "VmRSS:") + below
}

fn status(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default()
}

/// How long `process` has worked itself, on all its threads, to the hundredth of a second.
pub(crate) fn worked(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    Duration::from_millis(10 * ticks(&stat))
}

/// The hundredths of seconds in user and in kernel mode of a `/proc/<pid>/stat`. The name of the
/// program, in parentheses, can hold anything.
fn ticks(stat: &str) -> u64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let numbers = rest.split_whitespace().skip(11).take(2);
    numbers.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// Whether `process` has started others that have not ended.
pub(crate) fn has_children(process: u32) -> bool {
    !children(process).is_empty()
}

/// Any thread may have started a child, and each keeps a list of its own.
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<u32> {
    let words = list.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// `VmRSS` or `VmHWM` of a `/proc/<pid>/status`, in KiB; a process that is a zombie has none.
fn kibibytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.trim().strip_suffix("kB"));
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_memory_is_read() {
        let status = "Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t    7128 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), 7128);
        assert_eq!(kibibytes(status, "VmHWM:"), 9);
        assert_eq!(kibibytes("Name:\tx\nState:\tZ (zombie)\n", "VmRSS:"), 0);
    }

    #[test]
    fn what_a_process_worked_itself_is_read() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 12 30 500 600 20 0";
        assert_eq!(ticks(stat), 42);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn a_child_counts() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "sleep 30 & read -r _; kill $!"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut grandchildren = Vec::new();
        while grandchildren.is_empty() {
            grandchildren = children(child.id());
        }
        assert!(children(std::process::id()).contains(&child.id()));
        // `wait` closes its standard input, which ends both.
        child.wait().unwrap();
    }
}
