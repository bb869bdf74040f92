//! `cbox doctor`: what this machine lacks, and how to get it.

use cbox_driver::{
    doctor::{Finding, Health, Patient, examine},
    error::{Error, Kind},
};
use serde_json::json;

use crate::commands::context::Context;

/// Check what this machine needs for cbox, and how to get it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cbox doctor")]
pub(crate) struct DoctorArgs;

/// Runs the command, which works outside of a flake too.
pub(crate) async fn run(context: &Context<'_>) -> Result<(), Error> {
    let environment = context.environment;
    let (options, project) = (context.options.run_options(), context.project);
    let patient = Patient {
        environment,
        interrupt: context.interrupt,
        options: &options,
        project: project.as_ref().ok(),
    };
    let mut findings = examine(patient).await?;
    if let Err(error) = project {
        findings.push(Finding {
            what: "flake".to_owned(),
            health: Health::Warning,
            found: error.headline().to_owned(),
            way_out: error.hint.clone(),
        });
    }
    show(context, &findings);
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
        format!("not ready for cbox: {}", bad.join(", ")),
    ))
}

fn show(context: &Context<'_>, findings: &[Finding]) {
    context.document("doctor", "doctor", || json!(findings));
    let width = findings.iter().map(|finding| finding.what.len()).max();
    let width = width.unwrap_or_default();
    for finding in findings {
        let word = match finding.health {
            Health::Good => "good",
            Health::Warning => "warning",
            Health::Bad => "BAD",
        };
        let head = format!("{word:7}  {:width$}  ", finding.what);
        context.view.beside(&head, &finding.found);
        if let Some(way_out) = &finding.way_out {
            context.view.beside(&" ".repeat(9), way_out);
        }
    }
}
