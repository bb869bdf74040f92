//! The form in which verdicts are shown.

use cbox_driver::{ci::workflow_command, error::Error, session::Session, verify::report::Report};

use super::document;
use crate::{
    cli::{Format, ShowArgs},
    context::Context,
    formats::{github, markdown, plain},
    view::Paint,
};

/// Shows a report in the form that was asked for.
pub(super) fn show(
    context: &Context<'_>,
    session: &Session<'_>,
    report: &Report,
    args: ShowArgs,
) -> Result<(), Error> {
    let view = context.view;
    let github = &session.environment.github;
    let detail = args.explain.into();
    let form = args.form(view.is_json(), github);
    // The form for GitHub has them itself.
    if form != Format::Github {
        let failed = report.hosts.iter().filter_map(|host| host.error.as_ref());
        failed.for_each(|error| view.annotate(error));
    }
    match form {
        Format::Json => {
            view.json(&document("verifyHosts", report.to_json()));
            return Ok(());
        }
        Format::Markdown => view.plain(markdown::report(report, detail).trim_end()),
        Format::Plain => plain::report(report, detail, view.results())
            .iter()
            .for_each(|line| view.plain(line)),
        Format::Github => {
            let lines = workflow_command::log(&plain::report(report, detail, Paint::NONE));
            let annotations = github::annotations(report);
            lines
                .iter()
                .chain(&annotations)
                .for_each(|line| view.plain(line));
            github::record(github, report, &markdown::report(report, detail))?;
        }
    }
    report.notes.iter().for_each(|note| view.note(note));
    Ok(())
}
