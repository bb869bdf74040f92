//! Texts that somebody could plant, each of a kind.

/// Stands in each of them, so that what reaches the output is known again.
pub(super) const MARK: &str = "MARKED";

/// Texts of one line: what a terminal, a viewer of logs or a CI system could obey.
pub(super) const LINES: [&str; 14] = [
    "\u{1b}[2J\u{1b}[8mMARKED",
    "\u{1b}]52;c;TUFSS0VE\u{7}MARKED",
    "\u{1b}]8;;x:MARKED\u{1b}\\MARKED\u{1b}]8;;\u{1b}\\",
    "\u{1b}[38;5;196mMARKED\u{1b}cMARKED",
    "\u{9b}2JMARKED\u{9d}0;MARKED\u{9c}\u{85}",
    "MARKED\u{7f}\u{8}\u{8}\u{7}",
    "\u{202e}MARKED\u{2066}\u{61c}\u{200f}",
    "MARKED\u{2028}MARKED\u{2029}\u{200b}\u{feff}\u{2060}\u{ad}\u{e0041}",
    "safe\rMARKED",
    "::error::MARKED",
    "  ::add-mask::MARKED",
    "##[error]MARKED",
    "##vso[task.complete]MARKED",
    "section_start:1700000000:MARKED",
];

/// All of them as the lines of one text.
pub(super) fn all() -> String {
    LINES.join("\n")
}

/// The same with a long line, for what may be long.
pub(super) fn long() -> String {
    format!("{}\n{}", all(), "MARKED\u{1b}[2J".repeat(1 << 16))
}

/// Names that a file can have, some of which are no UTF-8.
pub(super) fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = LINES
        .iter()
        .map(|line| line.as_bytes().to_owned())
        .collect();
    names.push(b"\xff\xfeMARKED\x1b[2J\x9b".to_vec());
    names.push(b"MARKED\n::error::MARKED\n##[error]MARKED".to_vec());
    names.push(b"\nhint: MARKED\tMARKED ".to_vec());
    names
}

/// `text` as an expression of Nix.
pub(super) fn in_nix(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('$', "\\$").replace('\r', "\\r"))
}

/// `text` as a string of TOML and JSON.
pub(super) fn in_json(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

/// `text` as a word of the shell.
pub(super) fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
