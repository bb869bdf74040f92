//! The logs of the last runs, under `.log/` beside the links: what was built and fetched
//! when, and what the builders printed, one file a run.
//!
//! They are there to look at afterwards, and nothing depends on them: a log that cannot be
//! written is none.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::text::{harmless_lines, utc};

/// The folder, beside the links.
pub const FOLDER: &str = ".log";

/// How many logs are kept.
const KEPT: usize = 10;

/// How many bytes of what builders print are kept of a run.
const MOST_LINES: u64 = 16 << 20;

/// How many bytes of what happened are kept besides.
const MOST_EVENTS: u64 = 4 << 20;

/// The log of one run. There is no file before the first thing that is worth one.
#[derive(Debug)]
pub struct RunLog {
    folder: Utf8PathBuf,
    slug: String,
    head: String,
    file: Option<BufWriter<File>>,
    room_for_lines: u64,
    room_for_events: u64,
}

impl RunLog {
    /// The log of a run that builds `targets` (each a name and a slug) into `out_dir`.
    pub fn new(out_dir: &Utf8Path, targets: &[(String, String)]) -> Self {
        let first = targets.first().map_or("", |(_, slug)| slug.as_str());
        let more = match targets.len() {
            0 | 1 => String::new(),
            all => format!("-and-{}-more", all - 1),
        };
        let names: Vec<&str> = targets.iter().map(|(name, _)| name.as_str()).collect();
        let head = format!("cbox {}: {}", env!("CARGO_PKG_VERSION"), names.join(", "));
        Self {
            folder: out_dir.join(FOLDER),
            slug: format!("{first}{more}"),
            head,
            file: None,
            room_for_lines: MOST_LINES,
            room_for_events: MOST_EVENTS,
        }
    }

    /// Makes the file: there is something to be told.
    pub fn begin(&mut self, now: Duration) {
        if self.file.is_some() || self.room_for_events == 0 {
            return;
        }
        match self.create() {
            Ok(file) => {
                self.file = Some(BufWriter::with_capacity(64 * 1024, file));
                let head = self.head.clone();
                self.event(&head, now);
            }
            Err(error) => {
                tracing::debug!("cannot write a log to {}: {error}", self.folder);
                self.room_for_events = 0;
            }
        }
    }

    /// Keeps what happened, if there is a file.
    pub fn event(&mut self, text: &str, now: Duration) {
        let text = harmless_lines(text);
        let size = text.len() as u64 + 16;
        if let Some(file) = &mut self.file
            && self.room_for_events >= size
        {
            self.room_for_events -= size;
            // A disk that is full is told by what needs it.
            let written = writeln!(file, "[{:>8.1} s] {text}", now.as_secs_f64());
            let _lost = written.and_then(|()| file.flush());
        }
    }

    /// Keeps a line that the build `name` has printed.
    pub fn line(&mut self, name: &str, line: &str) {
        let line = harmless_lines(line);
        let size = (name.len() + line.len() + 3) as u64;
        let Some(file) = &mut self.file else { return };
        if self.room_for_lines >= size {
            self.room_for_lines -= size;
            let _lost = writeln!(file, "{name}> {line}");
        } else if self.room_for_lines > 0 {
            self.room_for_lines = 0;
            let _lost = writeln!(file, "… what builds print from here on is left out");
        }
    }

    fn create(&self) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = utc::compact(since.unwrap_or_default().as_secs());
        let file = (0..100).find_map(|number| {
            // Two runs can begin in one second.
            let again = match number {
                0 => String::new(),
                number => format!("-{number}"),
            };
            let name = format!("{time}-{}{again}.log", self.slug);
            match File::create_new(self.folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                created => Some(created),
            }
        });
        remove_oldest(&self.folder);
        file.unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))
    }
}

/// Removes all logs but the last ones. Files with other names are somebody else's.
fn remove_oldest(folder: &Utf8Path) {
    for name in names(folder).iter().rev().skip(KEPT) {
        // Another run may be at it too; what stays is tried again next time.
        let _gone = fs::remove_file(folder.join(name));
    }
}

/// The names of the logs in `folder`, the oldest first.
fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| is_log(name))
        .collect();
    names.sort();
    names
}

/// The logs beside the links in `out_dir`: those that were begun before a time in seconds
/// since 1970, or all. A link in the place of their folder is not followed.
pub fn before(out_dir: &Utf8Path, time: Option<u64>) -> Vec<Utf8PathBuf> {
    let folder = out_dir.join(FOLDER);
    if !folder
        .symlink_metadata()
        .is_ok_and(|folder| folder.is_dir())
    {
        return vec![];
    }
    let time = time.map(utc::compact);
    let mut names = names(&folder);
    names.retain(|name| time.as_ref().is_none_or(|time| name < time));
    names.iter().map(|name| folder.join(name)).collect()
}

/// Whether cbox has given a file this name: `20260125T101500Z-appliance-iso.log`.
fn is_log(name: &str) -> bool {
    let Some((time, slug)) = name.split_once("Z-") else {
        return false;
    };
    let digits =
        |text: &str, number| text.len() == number && text.bytes().all(|byte| byte.is_ascii_digit());
    slug.ends_with(".log")
        && time
            .split_once('T')
            .is_some_and(|(day, clock)| digits(day, 8) && digits(clock, 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_dir() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn all_names(out_dir: &Utf8Path) -> Vec<String> {
        let entries = out_dir.join(FOLDER).read_dir_utf8().unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        names.sort();
        names
    }

    fn targets(slugs: &[&str]) -> Vec<(String, String)> {
        let pairs = slugs
            .iter()
            .map(|slug| (slug.replace('-', "/"), (*slug).to_owned()));
        pairs.collect()
    }

    #[test]
    fn a_run_that_does_nothing_leaves_none() {
        let (_folder, out_dir) = out_dir();
        let mut log = RunLog::new(&out_dir, &targets(&["appliance-iso"]));
        log.event("a word", Duration::ZERO);
        log.line("box", "a line");
        assert!(!out_dir.join(FOLDER).exists());
    }

    #[test]
    fn what_happens_is_kept() {
        let (_folder, out_dir) = out_dir();
        let mut log = RunLog::new(&out_dir, &targets(&["appliance-iso", "hosts-box"]));
        log.begin(Duration::ZERO);
        log.line("box", "a \u{1b}[2Jline");
        log.event("built box\u{202e}", Duration::from_millis(1234));
        let names = all_names(&out_dir);
        let [name] = &names[..] else {
            panic!("{names:?}")
        };
        assert!(name.ends_with("Z-appliance-iso-and-1-more.log") && is_log(name));
        let text = fs::read_to_string(out_dir.join(FOLDER).join(name)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(": appliance/iso, hosts/box"), "{text}");
        assert_eq!(
            lines[1..],
            ["box> a \\u{1b}[2Jline", "[     1.2 s] built box\\u{202e}"]
        );
    }

    #[test]
    fn a_log_has_an_end() {
        let (_folder, out_dir) = out_dir();
        let mut log = RunLog::new(&out_dir, &targets(&["a"]));
        log.begin(Duration::ZERO);
        let line = "x".repeat(1000);
        for _ in 0..30_000 {
            log.line("box", &line);
            log.event(&line, Duration::ZERO);
        }
        drop(log);
        let file = out_dir.join(FOLDER).join(&all_names(&out_dir)[0]);
        let size = file.metadata().unwrap().len();
        assert!(size < MOST_LINES + MOST_EVENTS + 1000, "{size}");
        assert!(size > MOST_LINES + MOST_EVENTS - 20_000, "{size}");
    }

    #[test]
    fn the_last_ones_are_kept_and_what_is_not_ours() {
        let (_folder, out_dir) = out_dir();
        fs::create_dir_all(out_dir.join(FOLDER)).unwrap();
        for other in ["notes.txt", "20200101T000000Z.log", "2020Z-a.log"] {
            fs::write(out_dir.join(FOLDER).join(other), "").unwrap();
        }
        for second in 0..20 {
            let name = format!("20200101T0000{second:02}Z-a.log");
            fs::write(out_dir.join(FOLDER).join(name), "").unwrap();
        }
        for _ in 0..2 {
            RunLog::new(&out_dir, &targets(&["a"])).begin(Duration::ZERO);
        }
        let names = all_names(&out_dir);
        let logs: Vec<&String> = names.iter().filter(|name| is_log(name)).collect();
        assert_eq!(logs.len(), KEPT);
        assert!(logs[0].starts_with("20200101T000012Z"), "{logs:?}");
        assert_eq!(names.len(), KEPT + 3);
    }

    #[test]
    fn logs_are_found_by_their_age() {
        let (_folder, out_dir) = out_dir();
        let logs = out_dir.join(FOLDER);
        fs::create_dir_all(&logs).unwrap();
        for name in [
            "19700101T000009Z-a.log",
            "19700101T000010Z-b.log",
            "notes.txt",
        ] {
            fs::write(logs.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/nowhere", logs.join("19700101T000000Z-c.log")).unwrap();
        assert_eq!(
            before(&out_dir, Some(10)),
            [logs.join("19700101T000009Z-a.log")]
        );
        assert_eq!(before(&out_dir, None).len(), 2);
        fs::create_dir(out_dir.join("other")).unwrap();
        std::os::unix::fs::symlink(&logs, out_dir.join("other").join(FOLDER)).unwrap();
        assert!(before(&out_dir.join("other"), None).is_empty());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_no_reason_to_stop() {
        let (_folder, out_dir) = out_dir();
        fs::write(out_dir.join(FOLDER), "a file").unwrap();
        let mut log = RunLog::new(&out_dir, &targets(&["a"]));
        log.begin(Duration::ZERO);
        log.event("a word", Duration::ZERO);
        log.line("box", "a line");
    }
}
