//! Verdicts and explanations for people.

use cbox_driver::{
    diff::packages::PackageDifference,
    eval::read_set::unread::phrase,
    verify::{
        report::{HostReport, Report},
        verdict::Status,
    },
};
use drv_causes::{Cause, Sign};

use super::explanation::{OutputLine, Shown, cause_lines, cut, lines};
use super::packages::lines as package_lines;
use crate::{
    options::ExplainOptions,
    view::{Paint, Printable},
};

/// The lines of a report.
pub(crate) fn report(report: &Report, detail: ExplainOptions, paint: Paint) -> Vec<Printable> {
    let rows: Vec<[String; 3]> = report
        .hosts
        .iter()
        .map(|host| {
            [
                host.status.word().to_owned(),
                host.host.clone(),
                about(host),
            ]
        })
        .collect();
    let mut lines = Vec::new();
    let mut errors = Repetitions::default();
    for (host, row) in report.hosts.iter().zip(cbox_driver::text::columns(&rows)) {
        let word = host.status.word();
        lines.push(paint.verdict(word).and(&row[word.len()..]));
        let mut below: Vec<Printable> = Vec::new();
        if let Some(error) = &host.error {
            let lines = error.lines_below_host().into_iter();
            below.extend(errors.lines(&host.host, lines.map(Printable::from).collect()));
        }
        below.extend(explanation(Shown::of(host), detail, paint));
        let below = below.into_iter();
        lines.extend(below.map(|line| Printable::from("  ").and(line).trim_end()));
    }
    lines
}

/// Shows what is said of several once.
#[derive(Debug, Default)]
pub(crate) struct Repetitions(Vec<(String, Vec<Printable>)>);

impl Repetitions {
    /// `lines`, which are said of `name`, or whom they were said of before.
    pub(crate) fn lines(&mut self, name: &str, lines: Vec<Printable>) -> Vec<Printable> {
        match self.0.iter().find(|(_, known)| *known == lines) {
            Some((other, _)) if !lines.is_empty() => vec![format!("as {other}").into()],
            _ => {
                self.0.push((name.to_owned(), lines.clone()));
                lines
            }
        }
    }
}

/// What stands beside a verdict.
pub(crate) fn about(host: &HostReport) -> String {
    let mut parts = Vec::new();
    if host.accepted {
        parts.push("accepted in this change".to_owned());
    }
    if let Some(before) = &host.before
        && host.explanation.is_some()
    {
        parts.push(format!("against {}", before.what));
    }
    if host.stale {
        parts.push("the baseline was stale already: accept again on the main branch".to_owned());
    }
    if let Some(changed) = &host.not_read
        && host.status == Status::Unchanged
    {
        parts.push(phrase(changed));
    }
    if let Some(reason) = &host.unexplained {
        parts.push(format!("not explained: {reason}"));
    }
    parts.join("; ")
}

impl<'a> Shown<'a> {
    /// Why a host is not what it was.
    pub(crate) fn of(host: &'a HostReport) -> Self {
        Self {
            explanation: host.explanation.as_ref(),
            places: &host.places,
            packages: host.packages.as_ref(),
        }
    }
}

/// The lines of an explanation.
pub(crate) fn explanation(
    shown: Shown<'_>,
    detail: ExplainOptions,
    paint: Paint,
) -> Vec<Printable> {
    text(lines(shown, detail), paint)
}

/// The packages that differ, `most` lines of them.
pub(crate) fn packages(packages: &PackageDifference, most: usize, paint: Paint) -> Vec<Printable> {
    text(package_lines(packages, most), paint)
}

/// The lines of one cause, at most so many.
pub(crate) fn cause(cause: &Cause, same_output: bool, most: usize) -> Vec<String> {
    let lines = cut(cause_lines(cause, None, same_output, false), most);
    let lines = text(lines, Paint::NONE);
    lines.iter().map(|line| line.as_str().to_owned()).collect()
}

fn text(lines: Vec<OutputLine>, paint: Paint) -> Vec<Printable> {
    let lines = lines.into_iter().map(|line| {
        let (sign, code) = match line.sign {
            Sign::Gap => (" ", None),
            Sign::Added => (line.sign.as_str(), Some("32")),
            Sign::Removed => (line.sign.as_str(), Some("31")),
            sign => (sign.as_str(), None),
        };
        let text = match line.depth {
            0 => return line.text.into(),
            _ => format!("{sign}{}", line.text),
        };
        let text = match code {
            Some(code) => paint.paint(&text, code),
            None => text.into(),
        };
        Printable::from("  ".repeat(line.depth)).and(text)
    });
    lines.collect()
}
