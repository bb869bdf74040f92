//! `cbox doctor`: what this machine lacks, and how it gets it.

use cbox_driver::{
    doctor::{Finding, Health, Patient, examine},
    error::{Error, Kind},
    flake::project::Project,
    text::columns,
};
use serde_json::json;

use super::document;
use crate::{context::Context, view::View};

/// Runs the command, which works outside of a flake too.
pub(crate) async fn run(context: &Context<'_>) -> Result<(), Error> {
    let environment = context.environment;
    let options = context.common.options();
    let project = Project::find(environment, options.flake.as_deref(), None);
    let patient = Patient {
        environment,
        interrupt: context.interrupt,
        options: &options,
        project: project.as_ref().ok(),
    };
    let mut findings = examine(patient).await?;
    if let Err(error) = &project {
        findings.push(Finding {
            what: "flake".to_owned(),
            health: Health::Warning,
            found: error.headline().to_owned(),
            way_out: error.hint.clone(),
        });
    }
    show(context.view, &findings);
    let bad: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.health == Health::Bad)
        .map(|finding| finding.what.as_str())
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Environment,
        format!("not as it should be: {}", bad.join(", ")),
    ))
}

fn show(view: &View, findings: &[Finding]) {
    view.json(&document("doctor", json!(findings)));
    let rows: Vec<[String; 3]> = findings
        .iter()
        .map(|finding| {
            let word = match finding.health {
                Health::Good => "good",
                Health::Warning => "warning",
                Health::Bad => "BAD",
            };
            [word.to_owned(), finding.what.clone(), finding.found.clone()]
        })
        .collect();
    for (row, finding) in columns(&rows).iter().zip(findings) {
        view.plain(row);
        if let Some(way_out) = &finding.way_out {
            view.plain(&format!("         {way_out}"));
        }
    }
}
