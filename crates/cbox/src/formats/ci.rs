//! Verdicts as a CI system takes them: annotations and outputs.

use cbox_driver::{
    ci::{CiSystem, Level, Line},
    verify::{
        report::{HostReport, Report},
        verdict::Status,
    },
};

use super::plain;

/// The most annotations for one host: a CI system shows only the first few of a step.
const ANNOTATIONS: usize = 5;

/// The most lines of an annotation.
const LINES: usize = 8;

/// The annotations, one a line.
pub(crate) fn annotations(system: &dyn CiSystem, report: &Report) -> Vec<Line> {
    let hosts = report.hosts.iter();
    hosts
        .flat_map(|host| of_host(system, host, report))
        .collect()
}

fn of_host(system: &dyn CiSystem, host: &HostReport, report: &Report) -> Vec<Line> {
    let fails = !host.status.passes(report.strict);
    let level = if fails && (!report.accepting || host.error.is_some()) {
        Level::Error
    } else if host.status == Status::Unchanged && !host.accepted {
        return vec![];
    } else {
        Level::Notice
    };
    let aside = match (host.accepted, host.stale) {
        (true, _) => ", accepted in this change",
        (false, true) => ", and was before: the baseline is stale",
        (false, false) => "",
    };
    let title = format!("{} {}{aside}", host.host, host.status.word());
    if let Some(error) = &host.error {
        return Vec::from_iter(system.error_annotation(error, &title));
    }
    let Some(explanation) = &host.explanation else {
        let message = host
            .unexplained
            .clone()
            .unwrap_or_else(|| match host.status {
                Status::Added => "nothing was accepted for it yet".to_owned(),
                Status::Removed => "it is in the baseline and no longer in the flake".to_owned(),
                _ => "it differs from what was accepted".to_owned(),
            });
        return Vec::from_iter(system.annotation(level, None, &title, &message));
    };
    let causes = explanation.causes.iter().enumerate().take(ANNOTATIONS);
    causes
        .filter_map(|(number, cause)| {
            let place = host.places.get(number).and_then(Option::as_ref);
            let lines = plain::cause(cause, explanation.same_output, LINES);
            system.annotation(level, place, &title, &lines.join("\n"))
        })
        .collect()
}

/// The outputs. Names of hosts hold no line feed, so neither do these.
pub(crate) fn outputs(report: &Report) -> [(&'static str, String); 4] {
    let list = |hosts: Vec<&str>| serde_json::json!(hosts).to_string();
    [
        ("verdict", report.verdict().to_owned()),
        ("changed", list(report.open())),
        ("failed", list(report.failed())),
        ("accepted", list(report.hosts_that(|host| host.accepted))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbox_driver::ci::SYSTEMS;

    #[test]
    fn outputs_name_the_hosts() {
        let hosts = [
            ("a", Status::Changed),
            ("b", Status::Unchanged),
            ("c", Status::Failed),
        ];
        let report = Report {
            state: "the working tree".into(),
            tree: String::new(),
            baseline_hash: None,
            all_hosts: vec![],
            base: None,
            has_baseline: true,
            forced: false,
            strict: false,
            accepting: false,
            hosts: hosts
                .map(|(host, status)| HostReport::new(host, status))
                .into(),
            notes: vec![],
        };
        let outputs = outputs(&report);
        assert_eq!(
            outputs.each_ref().map(|(name, value)| (*name, &**value)),
            [
                ("verdict", "failed"),
                ("changed", "[\"a\"]"),
                ("failed", "[\"c\"]"),
                ("accepted", "[]"),
            ]
        );
        assert_eq!(annotations(SYSTEMS[0], &report).len(), 2);
    }
}
