//! `cbox verify-hosts`: whether every install host is as accepted, and why not.

use super::document;
use crate::{
    cli::{Common, Format, ShowArgs, VerifyArgs},
    error::Error,
    session::Session,
    shown::{explanation::Detail, github, markdown, plain},
    state::State,
    verify::{
        judge::{Question, evaluator, judge},
        report::Report,
        self_test,
    },
};

/// Runs the command.
pub(crate) async fn run(
    session: &Session<'_>,
    common: &Common,
    args: &VerifyArgs,
) -> Result<(), Error> {
    if args.accept {
        return super::accept::run(session, common, &args.judge, args.dirty).await;
    }
    if args.self_test {
        return self_test::run(session, common, &args.judge).await;
    }
    let state = async {
        match &args.rev {
            Some(revision) => State::of_revision(session, revision).await,
            None => State::working_tree(session).await,
        }
    };
    let (evaluator, state) = tokio::try_join!(evaluator(session, common, &args.judge), state)?;
    let question = Question {
        args: &args.judge,
        base: args.base.as_deref(),
        strict: args.strict,
        accepting: false,
    };
    let judged = judge(session, evaluator, state, &question).await?;
    show(session, &judged.report, args.judge.show)?;
    judged.report.outcome()
}

/// Shows a report in the form that was asked for.
pub(crate) fn show(session: &Session<'_>, report: &Report, args: ShowArgs) -> Result<(), Error> {
    let view = session.view;
    let github = &session.environment.github;
    let detail = Detail {
        explain: args.explain,
        max_lines: args.max_lines,
    };
    match args.form(view.is_json(), github) {
        Format::Json => {
            view.json(&document("verifyHosts", report.to_json()));
            return Ok(());
        }
        Format::Markdown => view.plain(markdown::report(report, detail).trim_end()),
        Format::Plain => plain::report(report, detail)
            .iter()
            .for_each(|line| view.plain(line)),
        Format::Github => {
            let lines = github::log(&plain::report(report, detail));
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
