//! Verdicts as GitHub Actions take them: annotations, a summary of the job, outputs.
//!
//! Source: GitHub's documentation, "Workflow commands for GitHub Actions".

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
};

use camino::Utf8Path;
use cbox_core::verdict::Status;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::plain;
use crate::{
    environment::GitHub,
    error::Error,
    exit::Kind,
    place::Place,
    verify::report::{HostReport, Report},
};

/// The most annotations for one host: of one step GitHub shows ten of a kind.
const ANNOTATIONS: usize = 5;

/// The most lines of an annotation.
const LINES: usize = 8;

/// The annotations, one a line.
pub(crate) fn annotations(report: &Report) -> Vec<String> {
    let hosts = report.hosts.iter();
    hosts.flat_map(|host| of_host(host, report)).collect()
}

fn of_host(host: &HostReport, report: &Report) -> Vec<String> {
    let fails = !host.status.passes(report.strict);
    let level = if fails && (!report.accepting || host.error.is_some()) {
        "error"
    } else if host.status == Status::Unchanged && !host.accepted {
        return vec![];
    } else {
        "notice"
    };
    let accepted = if host.accepted {
        ", accepted in this change"
    } else {
        ""
    };
    let title = format!("{} {}{accepted}", host.host, host.status.word());
    if let Some(error) = &host.error {
        return vec![of_error(error, &title)];
    }
    let Some(explanation) = &host.explanation else {
        let message = host
            .unexplained
            .clone()
            .unwrap_or_else(|| match host.status {
                Status::Added => "nothing was accepted for it yet".to_owned(),
                Status::Removed => "it is in the baseline and no longer in the flake".to_owned(),
                _ => "it is not as accepted".to_owned(),
            });
        return vec![command(level, None, &title, &message)];
    };
    let causes = explanation.causes.iter().enumerate().take(ANNOTATIONS);
    causes
        .map(|(number, cause)| {
            let place = host.places.get(number).and_then(Option::as_ref);
            let lines = plain::cause(cause, explanation.same_output, LINES);
            command(level, place, &title, &lines.join("\n"))
        })
        .collect()
}

/// The annotation of an error that has a place.
pub(crate) fn annotation(error: &Error) -> Option<String> {
    let title = format!("cbox: {}", error.kind.name());
    error.place.as_ref().map(|_| of_error(error, &title))
}

fn of_error(error: &Error, title: &str) -> String {
    command(
        "error",
        error.place.as_ref(),
        title,
        &error.lines().join("\n"),
    )
}

/// `::error file=…,line=…,title=…::message`
pub(crate) fn command(level: &str, place: Option<&Place>, title: &str, message: &str) -> String {
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
pub(crate) fn log(lines: &[String]) -> Vec<String> {
    // A word that whoever wrote one of the lines could not know: it is made of all.
    let token = HEXLOWER.encode(&Sha256::digest(lines.join("\n"))[..16]);
    let mut framed = vec![format!("::stop-commands::{token}")];
    framed.extend(lines.iter().cloned());
    framed.push(format!("::{token}::"));
    framed
}

/// Adds the summary and the outputs of the step to the files that GitHub reads.
///
/// # Errors
/// When one of them cannot be written.
pub(crate) fn record(github: &GitHub, report: &Report, summary: &str) -> Result<(), Error> {
    if let Some(file) = &github.step_summary {
        append(file, summary)?;
    }
    if let Some(file) = &github.output {
        append(file, &outputs(report))?;
    }
    Ok(())
}

/// The outputs. Names of hosts hold no line feed, so each takes one line.
fn outputs(report: &Report) -> String {
    let list = |hosts: Vec<&str>| serde_json::json!(hosts).to_string();
    format!(
        "verdict={}\nchanged={}\nfailed={}\naccepted={}\n",
        report.verdict(),
        list(report.open()),
        list(report.failed()),
        list(report.hosts_that(|host| host.accepted)),
    )
}

fn append(file: &Utf8Path, text: &str) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(file)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| Error::file(Kind::Output, "write", file, &error))
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

    #[test]
    fn outputs_are_lines() {
        let hosts = [
            ("a", Status::Changed),
            ("b", Status::Unchanged),
            ("c", Status::Failed),
        ];
        let report = Report {
            state: "the working tree".into(),
            base: None,
            has_baseline: true,
            strict: false,
            accepting: false,
            hosts: hosts
                .map(|(host, status)| HostReport::new(host, status))
                .into(),
            notes: vec![],
        };
        assert_eq!(
            outputs(&report),
            "verdict=failed\nchanged=[\"a\"]\nfailed=[\"c\"]\naccepted=[]\n"
        );
        assert_eq!(annotations(&report).len(), 2);
    }
}
