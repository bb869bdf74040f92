//! Verdicts as Markdown: a table, and the explanations folded below it.

use cbox_driver::{
    text::count,
    verify::report::{HostReport, Report},
};
use drv_causes::Sign;

use super::{
    explanation::{Shown, heading, lines},
    plain::about,
};
use crate::options::ExplainOptions;

/// The report as a document of its own.
pub(crate) fn report(report: &Report, detail: ExplainOptions) -> String {
    let mut text = format!("### Install hosts: {}\n\n", report.verdict());
    text.push_str("| host | verdict | why |\n|---|---|---|\n");
    for host in &report.hosts {
        let cells = [&host.host, &verdict(host), &why(host)].map(|text| cell(text));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    for note in &report.notes {
        text.push_str(&format!("\n{}\n", escaped(note)));
    }
    for host in &report.hosts {
        if let Some(body) = body(host, detail) {
            let title = html(&format!("{}: {}", host.host, verdict(host)));
            text.push_str(&format!(
                "\n<details><summary>{title}</summary>\n\n{body}\n</details>\n"
            ));
        }
    }
    text
}

fn verdict(host: &HostReport) -> String {
    let accepted = if host.accepted {
        ", accepted in this change"
    } else {
        ""
    };
    format!("{}{accepted}", host.status.word())
}

/// The first cause, or what stands in its place.
fn why(host: &HostReport) -> String {
    if let Some(error) = &host.error {
        return error.headline().to_owned();
    }
    let Some(explanation) = &host.explanation else {
        return about(host);
    };
    let Some(first) = explanation.causes.first() else {
        return String::new();
    };
    let heading = heading(first, explanation.same_output);
    match explanation.causes.len() - 1 {
        0 => heading,
        more => format!("{heading}, and {}", count(more, "more cause")),
    }
}

fn body(host: &HostReport, detail: ExplainOptions) -> Option<String> {
    if let Some(error) = &host.error {
        return Some(fenced("text", &error.lines().join("\n")));
    }
    host.explanation.as_ref()?;
    let diff = fenced("diff", &diff(Shown::of(host), detail));
    Some(format!("{}\n\n{diff}", escaped(&about(host))))
}

/// The explanation as a difference that is shown in colour: the signs stand first.
pub(crate) fn diff(shown: Shown<'_>, detail: ExplainOptions) -> String {
    let lines = lines(shown, detail).into_iter().map(|line| {
        let sign = match line.sign {
            Sign::Gap => " ",
            sign => sign.as_str(),
        };
        format!("{sign}{}{}", "  ".repeat(line.depth), line.text)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `text` in a fence that nothing in it can end.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    let runs = text.split(|character| character != '`').map(str::len);
    let fence = "`".repeat((runs.max().unwrap_or(0) + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// `text` as a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// `text` without what Markdown or HTML would make of it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in html(text).chars() {
        if "\\`*_[]~".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fenced("diff", "a"), "```diff\na\n```\n");
        assert_eq!(fenced("", "```` b"), "`````\n```` b\n`````\n");
    }

    #[test]
    fn nothing_in_a_cell_is_obeyed() {
        assert_eq!(cell("a|b\n<img>`x`*"), "a\\|b &lt;img&gt;\\`x\\`\\*");
    }
}
