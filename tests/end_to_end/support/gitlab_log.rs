//! The log of a job as GitLab reads it: lines, and the sections that they are in.
//!
//! It is made after what GitLab's own reader does (lib/gitlab/ci/ansi2json): a mark counts
//! wherever it stands, with `\r` and an erasing sequence behind it, a carriage return takes back
//! the line, and of the sequences that begin with an escape only looks are more than nothing.

use regex::Regex;

/// A log.
#[derive(Debug, Default)]
pub(crate) struct GitlabLog {
    /// The lines, each with the names of its sections.
    lines: Vec<(Vec<String>, String)>,
    titles: Vec<(String, String)>,
    open: Vec<String>,
}

impl GitlabLog {
    pub(crate) fn read(text: &str) -> Self {
        let mark =
            r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(?:\[\w+=\w+(?:, ?\w+=\w+)*\])?\r\x1b\[0K";
        let token = format!(r"(?s){mark}|\x1b[@-_][^@-~]*[@-~]|\r?\n|\r|.");
        let token = Regex::new(&token).unwrap();
        let mut log = Self::default();
        let (mut line, mut has_title) = (String::new(), None);
        for found in token.captures_iter(text) {
            let (whole, action) = (&found[0], found.get(1).map(|action| action.as_str()));
            match (action, whole) {
                (Some("start"), _) => {
                    let name = found[3].to_lowercase();
                    let is_new = log.titles.iter().all(|(known, _)| *known != name);
                    assert!(is_new, "two sections are called {name}");
                    log.open.push(name.clone());
                    has_title = Some(name);
                }
                (Some(_), _) => {
                    let name = found[3].to_lowercase();
                    log.open.retain(|open| *open != name);
                }
                (None, "\n" | "\r\n") => {
                    let line = std::mem::take(&mut line);
                    match has_title.take() {
                        Some(name) => log.titles.push((name, line)),
                        None if line.is_empty() => {}
                        None => log.lines.push((log.open.clone(), line)),
                    }
                }
                (None, "\r") => line.clear(),
                (None, sequence) if sequence.starts_with('\u{1b}') => {}
                (None, character) => line.push_str(character),
            }
        }
        log
    }

    /// The titles of the sections, as they come.
    pub(crate) fn titles(&self) -> Vec<&str> {
        self.titles.iter().map(|(_, title)| &**title).collect()
    }

    /// Whether every section has an end.
    pub(crate) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// The lines in no section.
    pub(crate) fn outside(&self) -> impl Iterator<Item = &str> {
        let outside = self
            .lines
            .iter()
            .filter(|(sections, _)| sections.is_empty());
        outside.map(|(_, line)| &**line)
    }

    /// The lines in the section called so.
    pub(crate) fn inside(&self, title: &str) -> impl Iterator<Item = &str> {
        let (name, _) = self
            .titles
            .iter()
            .find(|(_, known)| known == title)
            .unwrap();
        let inside = self
            .lines
            .iter()
            .filter(move |(sections, _)| sections.contains(name));
        inside.map(|(_, line)| &**line)
    }
}

#[test]
fn sections_are_seen_as_gitlab_sees_them() {
    let log = GitlabLog::read(
        "a\n\u{1b}[0Ksection_start:1:x.y[collapsed=true]\r\u{1b}[0KTitle\nb section_start:1:z\n\
         lost\rc\u{1b}[31m!\u{1b}[0m\n\u{1b}[0Ksection_end:2:X.y\r\u{1b}[0K\nd\n",
    );
    assert_eq!(log.titles(), ["Title"]);
    assert!(log.is_over());
    assert_eq!(
        log.inside("Title").collect::<Vec<_>>(),
        ["b section_start:1:z", "c!"]
    );
    assert_eq!(log.outside().collect::<Vec<_>>(), ["a", "d"]);
}
