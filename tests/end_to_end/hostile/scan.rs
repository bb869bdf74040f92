//! What a program wrote, byte by byte: is there anything that a terminal, a viewer of logs or a
//! CI system would obey, and that cbox did not mean?

use regex::Regex;

/// What is allowed besides text and line feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// A pipe or a file, which nobody obeys.
    Pipe,
    /// The log of a job of GitHub Actions, with cbox's own commands.
    GitHub,
    /// The log of a job of GitLab, with cbox's own sections and colours.
    GitLab,
    /// A JSON document on its way to a program: its strings may be long.
    Document,
    /// A terminal, with cbox's own colours and its live view.
    Terminal,
}

/// The first thing in `bytes` that must not be there, with what stands around it.
pub(super) fn wrong(bytes: &[u8], place: Where) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let around = &bytes[error.valid_up_to().saturating_sub(40)..];
            let around = String::from_utf8_lossy(&around[..around.len().min(80)]).into_owned();
            return Some(format!("no UTF-8: {around:?}"));
        }
    };
    let text = match place {
        Where::Terminal => without_our_own(&text),
        Where::GitLab => without_our_sections(&text),
        Where::Pipe | Where::GitHub | Where::Document => text,
    };
    let around = |at: usize| {
        let start = text.floor_char_boundary(at.saturating_sub(60));
        let end = text.ceil_char_boundary((at + 60).min(text.len()));
        format!("{:?}", &text[start..end])
    };
    for (at, character) in text.char_indices() {
        if is_obeyed(character) {
            return Some(format!("{character:?} in {}", around(at)));
        }
    }
    let mut frame: Option<&str> = None;
    let mut at = 0;
    for line in text.split('\n') {
        let word = line.trim_start();
        let is_ours = place == Where::GitHub && is_of_cbox(word);
        let ends_frame = frame.is_some_and(|token| word == format!("::{token}::"));
        if ends_frame {
            frame = None;
        } else if let Some(token) = word.strip_prefix("::stop-commands::") {
            frame = (place == Where::GitHub).then_some(token);
        } else if frame.is_none() && !is_ours && is_command(line) {
            return Some(format!("a command: {}", around(at)));
        }
        if place != Where::Document && line.chars().count() > LONGEST {
            return Some(format!("a line of {} bytes: {}", line.len(), around(at)));
        }
        at += line.len() + 1;
    }
    frame.map(|_| "a frame without an end".to_owned())
}

/// No line that is for people is longer.
const LONGEST: usize = 12_000;

/// As the task has it, and not as the program does: the two must not be wrong alike.
fn is_obeyed(character: char) -> bool {
    let number = u32::from(character);
    match number {
        0x0a | 0x09 => false,
        0..=0x1f | 0x7f..=0x9f => true,
        // Marks of direction, and ends of lines that some viewers see.
        0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069 => true,
        // What has no width, and tags.
        0x200b..=0x200d | 0x2060 | 0xfeff | 0xad | 0xe0000..=0xe007f => true,
        _ => false,
    }
}

fn is_command(line: &str) -> bool {
    let patterns = [
        // GitHub; Azure and TeamCity; GitLab.
        r"^\s*::",
        r"##[a-z]*\[",
        r"section_(start|end):",
    ];
    patterns
        .iter()
        .any(|pattern| Regex::new(pattern).unwrap().is_match(line))
}

/// cbox's own commands of GitHub: those of the texts have no title.
fn is_of_cbox(word: &str) -> bool {
    let pattern = r"^::(group::|endgroup::$|(error|notice) (file=[^,]*,line=\d+,)?title=)";
    Regex::new(pattern).unwrap().is_match(word)
        && !Regex::new(r"##[a-z]*\[").unwrap().is_match(word)
}

/// `text` without cbox's own looks and sections. A section is a line: nothing stands before it,
/// and behind the mark of its end nothing either.
fn without_our_sections(text: &str) -> String {
    let marks = r"(?m)^\x1b\[0Ksection_(start:\d+:cbox_[a-z0-9_]+\[collapsed=true\]\r\x1b\[0K|end:\d+:cbox_[a-z0-9_]+\r\x1b\[0K$)";
    let text = Regex::new(marks).unwrap().replace_all(text, "");
    let looks = r"\x1b\[(0|1|2|4|22|24|31|32|33|34|35|36|39)?(;[01234])?m";
    Regex::new(looks)
        .unwrap()
        .replace_all(&text, "")
        .into_owned()
}

/// `text` without cbox's own looks and its live view, and with the line feeds of a pipe.
fn without_our_own(text: &str) -> String {
    let looks = r"\x1b\[(0|1|2|4|22|24|31|32|33|34|35|36|39)?(;[01234])?m";
    let view = r"\r\x1b\[J|\x1b\[\?7[lh]|\x1b\[[KJ]|\x1b\[\d+A|\r\n|\r\x1b\[\?7h";
    let text = Regex::new(looks).unwrap().replace_all(text, "");
    let text = Regex::new(view)
        .unwrap()
        .replace_all(
            &text,
            |found: &regex::Captures<'_>| {
                if found[0].ends_with('\n') { "\n" } else { "" }
            },
        );
    // The view begins each of its rows with one; those of the texts stand before their mark.
    let mark = super::texts::MARK;
    let parts: Vec<&str> = text.split('\r').collect();
    let (first, rest) = parts.split_first().unwrap();
    let rest = rest.iter().map(|part| match part.starts_with(mark) {
        true => format!("\r{part}"),
        false => (*part).to_owned(),
    });
    std::iter::once((*first).to_owned()).chain(rest).collect()
}

#[test]
fn what_is_wrong_is_found_and_what_is_ours_is_not() {
    for (bytes, place) in [
        (&b"a\x1b[2J"[..], Where::Pipe),
        (b"a\x1b[31mb", Where::Pipe),
        (b"a\x1b[8mb", Where::Terminal),
        (b"a\x1b[38;5;9mb", Where::Terminal),
        (b"a\x1b]52;c;eA==\x07", Where::Terminal),
        (b"a\rMARKED", Where::Terminal),
        (b"a\rb", Where::Pipe),
        (b"a\xffb", Where::Pipe),
        ("a\u{9b}b".as_bytes(), Where::GitHub),
        ("a\u{202e}b".as_bytes(), Where::Terminal),
        ("a\u{200b}b".as_bytes(), Where::Pipe),
        (b"a\n  ::error::x", Where::GitHub),
        (b"::group::a", Where::Pipe),
        (b"a ##[x]", Where::GitHub),
        (b"::error title=a::##[x]", Where::GitHub),
        (b"##vso[x]", Where::Pipe),
        (b"a section_start:1:b", Where::GitLab),
        (b"\x1b[0Ksection_start:1:foreign\r\x1b[0Ka", Where::GitLab),
        (b"a\x1b[0Ksection_end:1:cbox_a_1_1\r\x1b[0K", Where::GitLab),
        (b"\x1b[0Ksection_end:1:cbox_a_1_1\r\x1b[0Kb", Where::GitLab),
        (b"a\x1b[0Kb", Where::GitLab),
        (b"::stop-commands::a\n::a::\n::error::x", Where::GitHub),
        (b"::stop-commands::a\nx", Where::GitHub),
    ] {
        assert!(
            wrong(bytes, place).is_some(),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert!(wrong("x".repeat(LONGEST + 1).as_bytes(), Where::Pipe).is_some());
    for (bytes, place) in [
        (&b"a\tb\nc"[..], Where::Pipe),
        (
            b"::group::a\n::endgroup::\n::error file=a%0Ab,line=3,title=x::y",
            Where::GitHub,
        ),
        (b"::stop-commands::a\n::error::x\n::a::\nb", Where::GitHub),
        (
            b"\x1b[0Ksection_start:17:cbox_a_1_1[collapsed=true]\r\x1b[0Ka: b\n\x1b[31;1merror:\x1b[0m c\n\x1b[0Ksection_end:18:cbox_a_1_1\r\x1b[0K\n",
            Where::GitLab,
        ),
        (
            b"\x1b[31;1merror:\x1b[0m a\r\n\r\x1b[J\x1b[?7l\r\x1b[K\x1b[J\r\x1b[?7h",
            Where::Terminal,
        ),
    ] {
        assert_eq!(
            wrong(bytes, place),
            None,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}
