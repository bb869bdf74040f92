//! The files that this run's output goes to: `>log 2>&1`, `| tee log`, `nohup`, `script`.
//!
//! They grow while the tree is read, so they cannot be a part of it. A file that standard
//! output or error is, is known by its number. Where that is a pipe or a terminal, the file
//! belongs to the process at the other end, which /proc tells: one that reads from the pipe,
//! and is in this session or above this process.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File, Metadata},
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::PathBuf,
};

use cbox_source::rules::FileId;

/// How many processes above this one are looked at.
const MOST_ABOVE: usize = 32;

/// All of them, at this moment.
pub fn all() -> Vec<FileId> {
    let own = [own(std::io::stdout()), own(std::io::stderr())];
    let mut outputs = Outputs::default();
    for (metadata, called) in own.into_iter().flatten() {
        outputs.add(&metadata, called);
        outputs.terminal |= metadata.file_type().is_char_device() && metadata.rdev() != null();
    }
    if outputs.terminal || !outputs.pipes.is_empty() {
        outputs.follow(&other_processes());
    }
    outputs.files
}

/// What an output is, and what /proc calls it.
fn own(output: impl AsFd) -> Option<(Metadata, PathBuf)> {
    let output = output.as_fd();
    let called = format!("/proc/self/fd/{}", output.as_raw_fd());
    let metadata = File::from(output.try_clone_to_owned().ok()?).metadata();
    Some((metadata.ok()?, fs::read_link(called).unwrap_or_default()))
}

/// The device that everything disappears in.
fn null() -> u64 {
    fs::metadata("/dev/null").map_or(0, |null| null.rdev())
}

#[derive(Debug, Default)]
struct Outputs {
    files: Vec<FileId>,
    /// The pipes on the way to them, as /proc calls them: `pipe:[123]`.
    pipes: BTreeSet<PathBuf>,
    /// Whether a terminal is on it.
    terminal: bool,
}

/// Another process: what it has open.
#[derive(Debug)]
struct Process {
    /// Whether it started this one, or one that did.
    is_above: bool,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    /// The link in /proc that leads to it.
    link: PathBuf,
    /// What it is called there.
    called: PathBuf,
    readable: bool,
    writable: bool,
}

impl Outputs {
    /// Whether what `metadata` are of is new here, and is or can lead to a file.
    fn add(&mut self, metadata: &Metadata, called: PathBuf) -> bool {
        let kind = metadata.file_type();
        let id = FileId::of(metadata);
        if kind.is_file() && !self.files.contains(&id) {
            self.files.push(id);
            return true;
        }
        kind.is_fifo() && self.pipes.insert(called)
    }

    /// Adds what the processes write that read what is written here, and so on.
    fn follow(&mut self, processes: &[Process]) {
        let mut more = true;
        while more {
            more = false;
            for process in processes {
                let mut open = process.open.iter();
                let reads = open.any(|open| {
                    // The side of a terminal on which what is shown there is read.
                    let shows = self.terminal && process.is_above && open.called.ends_with("ptmx");
                    shows || open.readable && self.pipes.contains(&open.called)
                });
                for open in process.open.iter().filter(|open| reads && open.writable) {
                    if let Ok(metadata) = fs::metadata(&open.link) {
                        more |= self.add(&metadata, open.called.clone());
                    }
                }
            }
        }
    }
}

/// The processes of this session and above this one, as far as they can be looked into.
fn other_processes() -> Vec<Process> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let relations: HashMap<u32, Relation> = folders
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, Relation::of(process)?)))
        .collect();
    let this = std::process::id();
    let parent = |process: &u32| Some(relations.get(process)?.parent);
    let above = std::iter::successors(parent(&this), parent);
    let above: Vec<u32> = above.take(MOST_ABOVE).collect();
    let session = relations.get(&this).map(|relation| relation.session);
    let near = relations.iter().filter(|(process, relation)| {
        let is_near = above.contains(process) || Some(relation.session) == session;
        is_near && **process != this
    });
    near.map(|(process, _)| Process {
        is_above: above.contains(process),
        open: open_files(*process),
    })
    .collect()
}

/// What a process has to do with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Relation {
    parent: u32,
    session: u32,
}

impl Relation {
    fn of(process: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// Reads proc_pid_stat(5): after the program's name in parentheses, which can hold
    /// anything, come state, parent, group and session.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(1);
        Some(Self {
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
        })
    }
}

fn open_files(process: u32) -> Vec<Open> {
    let files = fs::read_dir(format!("/proc/{process}/fd"));
    let files = files.into_iter().flatten();
    let files = files.flatten().filter_map(|entry| {
        let link = entry.path();
        // The bits of the link say how the file is open.
        let mode = link.symlink_metadata().ok()?.mode();
        Some(Open {
            called: fs::read_link(&link).ok()?,
            link,
            readable: mode & 0o400 != 0,
            writable: mode & 0o200 != 0,
        })
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_to_do_with_others_is_read() {
        let relation = Relation::parse("12 (a) b) c) S 7 12 5 34816 12 4194304 …");
        let expected = Relation {
            parent: 7,
            session: 5,
        };
        assert_eq!(relation, Some(expected));
        assert_eq!(Relation::parse("12 (a"), None);
    }

    fn open(link: &str, called: &str, readable: bool, writable: bool) -> Open {
        Open {
            link: link.into(),
            called: called.into(),
            readable,
            writable,
        }
    }

    #[test]
    fn what_is_written_is_followed_through_pipes_and_terminals() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let other = tempfile::NamedTempFile::new().unwrap();
        let name = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
        let id = FileId::of(&log.as_file().metadata().unwrap());
        let (log, other) = (name(&log), name(&other));
        let reader = |pipe: &str, is_above: bool| Process {
            is_above,
            open: vec![
                open("", pipe, true, false),
                open(&log, &log, false, true),
                open(&other, &other, true, false),
            ],
        };
        let found = |terminal: bool, process: Process| {
            let mut outputs = Outputs {
                pipes: BTreeSet::from(["pipe:[1]".into()]),
                terminal,
                ..Outputs::default()
            };
            outputs.follow(&[process]);
            outputs.files
        };
        assert_eq!(found(false, reader("pipe:[1]", false)), [id]);
        assert_eq!(found(false, reader("pipe:[2]", false)), []);
        assert_eq!(found(true, reader("/dev/pts/ptmx", true)), [id]);
        assert_eq!(found(true, reader("/dev/pts/ptmx", false)), []);
        assert_eq!(found(false, reader("/dev/pts/ptmx", true)), []);
    }
}
