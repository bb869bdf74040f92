//! Commands for the runner of GitHub Actions: annotations, and text that is no command.
//!
//! Source: GitHub's documentation, "Workflow commands for GitHub Actions".

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Place};

/// The annotation of an error that has a place.
pub fn annotation(error: &Error) -> Option<String> {
    let title = format!("cbox: {}", error.kind.name());
    error.place.as_ref().map(|_| of_error(error, &title))
}

/// The annotation of an error.
pub fn of_error(error: &Error, title: &str) -> String {
    command(
        "error",
        error.place.as_ref(),
        title,
        &error.lines().join("\n"),
    )
}

/// `::error file=…,line=…,title=…::message`
pub fn command(level: &str, place: Option<&Place>, title: &str, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some(place) = place {
        properties.push(format!("file={}", property(place.file.as_str())));
        properties.push(format!("line={}", place.line));
    }
    properties.push(format!("title={}", property(title)));
    format!("::{level} {}::{}", properties.join(","), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Lines for the log, framed so that nothing in them is taken for a command.
pub fn log(lines: &[String]) -> Vec<String> {
    // A word that whoever wrote one of the lines could not know: it is made of all.
    let token = HEXLOWER.encode(&Sha256::digest(lines.join("\n"))[..16]);
    let mut framed = vec![format!("::stop-commands::{token}")];
    framed.extend(lines.iter().cloned());
    framed.push(format!("::{token}::"));
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        let place = Place {
            file: "a,b:c.nix".into(),
            line: 3,
        };
        assert_eq!(
            command("error", Some(&place), "box: 100%", "one\r\ntwo::x"),
            "::error file=a%2Cb%3Ac.nix,line=3,title=box%3A 100%25::one%0D%0Atwo::x"
        );
    }

    #[test]
    fn lines_of_a_log_are_no_commands() {
        let lines = log(&["::error::x".to_owned()]);
        let token = lines[0].strip_prefix("::stop-commands::").unwrap();
        assert_eq!(token.len(), 32);
        assert_eq!(
            lines[1..],
            ["::error::x".to_owned(), format!("::{token}::")]
        );
    }
}
