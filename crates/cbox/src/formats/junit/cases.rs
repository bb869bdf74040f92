//! What becomes of verdicts, budgets and builds as cases of a test.

use cbox_driver::{
    build::Built,
    error::Error,
    reproduce::Reproduction,
    size::budget::Verdict,
    target_name::TargetName,
    verify::{
        report::{HostReport, Report},
        self_test::Found,
    },
};

use super::{Case, Outcome, Reason};
use crate::{
    formats::{
        explanation::Shown,
        plain::{about, explanation},
    },
    options::ExplainOptions,
    view::Paint,
};

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind.name().to_owned(),
            message: error.headline().to_owned(),
            text: error.lines().join("\n"),
        }
    }
}

/// A case for each host.
pub(crate) fn verdicts(report: &Report, detail: ExplainOptions) -> Vec<Case> {
    let hosts = report.hosts.iter();
    hosts.map(|host| verdict(host, report, detail)).collect()
}

fn verdict(host: &HostReport, report: &Report, detail: ExplainOptions) -> Case {
    let place = |error: &Error| error.place.as_ref().map(|place| place.file.to_string());
    if let Some(error) = &host.error {
        return Case {
            file: place(error),
            ..Case::new(&host.host, Outcome::Errored(error.into()))
        };
    }
    if host.status.passes(report.strict) {
        return Case::new(&host.host, Outcome::Passed);
    }
    let word = host.status.word();
    let mut lines = vec![format!("{word} {}", about(host)).trim_end().to_owned()];
    let below = explanation(Shown::of(host), detail, Paint::NONE);
    lines.extend(below.iter().map(|line| line.as_str().trim_end().to_owned()));
    let mut places = host.places.iter().flatten();
    Case {
        file: places.next().map(|place| place.file.to_string()),
        ..Case::new(
            &host.host,
            Outcome::Failed(Reason {
                kind: word.to_owned(),
                message: lines[0].clone(),
                text: lines.join("\n"),
            }),
        )
    }
}

/// A case for each file that must not matter.
pub(crate) fn self_test(found: &Found) -> Vec<Case> {
    let rows = found.rows.iter();
    let cases = rows.map(|row| {
        let leaks = found.leaks.iter().filter(|leak| leak.file == row.file);
        let lines: Vec<String> = leaks
            .map(|leak| format!("reaches {}: {}", leak.target, leak.by))
            .collect();
        let outcome = match lines.first() {
            None => Outcome::Passed,
            Some(first) => Outcome::Failed(Reason {
                kind: "leak".to_owned(),
                message: first.clone(),
                text: lines.join("\n"),
            }),
        };
        Case::new(row.file.display().to_string(), outcome)
    });
    cases.collect()
}

/// A case for each budget of `target`, or one that says that it has none.
///
/// `hint` says where to look if one is passed.
pub(crate) fn budgets(target: &str, verdicts: &[Verdict], hint: Option<&str>) -> Vec<Case> {
    if verdicts.is_empty() {
        let reason = "cbox.toml has no budget for it".to_owned();
        return vec![Case::new(
            format!("{target} budget"),
            Outcome::Skipped(reason),
        )];
    }
    let cases = verdicts.iter().map(|verdict| {
        let what = verdict.what;
        let outcome = match (verdict.found, verdict.over()) {
            (None, _) => Outcome::Skipped(format!("its {what} is not here")),
            (Some(_), None) => Outcome::Passed,
            (Some(_), Some(message)) => Outcome::Failed(Reason {
                kind: "budget".to_owned(),
                text: [Some(&*message), hint]
                    .map(Option::unwrap_or_default)
                    .join("\n"),
                message,
            }),
        };
        Case::new(format!("{target} {what} budget"), outcome)
    });
    cases.collect()
}

/// A case for each target, and one for the budget of each image that was built.
pub(crate) fn built(
    names: &[TargetName],
    skipped: &[String],
    built: &[Built],
    failures: &[Error],
    budget: impl Fn(&Built) -> Option<Verdict>,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in names {
        let name = name.to_string();
        if skipped.contains(&name) {
            cases.push(Case::new(
                &name,
                Outcome::Skipped("it is cached".to_owned()),
            ));
            continue;
        }
        let Some(done) = built.iter().find(|done| done.manifest.target == name) else {
            cases.push(Case::new(&name, Outcome::Errored(missing(&name, failures))));
            continue;
        };
        let outcome = match &done.pushed {
            Some(Err(error)) => Outcome::Errored(missing(&name, std::slice::from_ref(error))),
            _ => Outcome::Passed,
        };
        cases.push(Case::new(&name, outcome));
        if let Some(verdict) = budget(done) {
            let hint = format!("`cbox size {name}` shows why");
            cases.extend(budgets(&name, &[verdict], Some(&hint)));
        }
    }
    cases
}

/// A case for each target that was to be built twice.
pub(crate) fn reproduced(
    names: &[TargetName],
    all: &[Reproduction],
    failures: &[Error],
) -> Vec<Case> {
    let cases = names.iter().map(|name| {
        let name = name.to_string();
        let Some(one) = all.iter().find(|one| one.target == name) else {
            return Case::new(&name, Outcome::Errored(missing(&name, failures)));
        };
        let outcome = match one.error() {
            None => Outcome::Passed,
            Some(error) => Outcome::Failed((&error).into()),
        };
        Case {
            lasted: Some(one.lasted),
            ..Case::new(name, outcome)
        }
    });
    cases.collect()
}

/// Why a target was not built: the errors that name it, or else all of them.
fn missing(name: &str, failures: &[Error]) -> Reason {
    let names_it = |error: &&Error| error.lines().iter().any(|line| line.contains(name));
    let mut errors: Vec<&Error> = failures.iter().filter(names_it).collect();
    if errors.is_empty() {
        errors.extend(failures);
    }
    let lines = errors.iter().flat_map(|error| error.lines());
    let first = errors.first();
    Reason {
        kind: first.map_or("build", |error| error.kind.name()).to_owned(),
        message: first
            .map_or("it was not built", |error| error.headline())
            .to_owned(),
        text: lines.collect::<Vec<_>>().join("\n"),
    }
}
