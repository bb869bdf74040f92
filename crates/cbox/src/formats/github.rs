//! Verdicts as GitHub Actions take them: annotations, a summary of the job, outputs.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
};

use camino::Utf8Path;
use cbox_driver::{
    ci::workflow_command::{command, of_error},
    environment::GitHub,
    error::{Error, Kind},
    verify::{
        report::{HostReport, Report},
        verdict::Status,
    },
};

use super::plain;

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
