//! What `verify-hosts` and `accept` share: hosts are judged, and their verdicts shown.

use cbox_driver::{
    Error,
    flake::{session::Session, version::Version},
    verify::{
        judge::{self, Judged, Question},
        report::Report,
    },
};

use crate::{
    commands::context::Context,
    formats::{ci, markdown, plain},
    options::{Explain, Format, JudgeOptions, ShowOptions},
};

impl JudgeOptions {
    /// What is asked of `hosts`, as far as these options say it.
    pub(super) fn question<'q>(&'q self, hosts: &'q [String]) -> Question<'q> {
        Question {
            hosts,
            set: &self.set,
            limits: self.limits.into(),
            explain: self.show.explain.explain != Explain::None,
            base: None,
            strict: false,
            accepting: false,
        }
    }
}

/// Judges the version of the flake that `state` finds.
pub(super) async fn judge<'a>(
    session: &'a Session<'a>,
    options: &JudgeOptions,
    question: &Question<'_>,
    state: impl Future<Output = Result<Version<'a>, Error>>,
) -> Result<Judged<'a>, Error> {
    let arguments = options.nix.arguments();
    let evaluator = judge::evaluator(session, &arguments, !options.no_cache);
    let (evaluator, state) = tokio::try_join!(evaluator, state)?;
    judge::judge(session, evaluator, state, question).await
}

/// Shows a report in the form that was asked for.
pub(super) fn show(context: &Context<'_>, report: &Report, args: ShowOptions) -> Result<(), Error> {
    let view = context.view;
    let detail = args.explain;
    let form = args.form(view.is_json(), context.environment);
    // The form for a CI system has them itself.
    if !matches!(form, Format::Ci(_)) {
        let failed = report.hosts.iter().filter_map(|host| host.error.as_ref());
        failed.for_each(|error| view.annotate(error));
    }
    match form {
        Format::Json => {
            context.document("verify-hosts", "verifyHosts", || report.to_json());
            return Ok(());
        }
        Format::Markdown => context.lines(markdown::report(report, detail).lines()),
        Format::Plain => context.lines(plain::report(report, detail, view.results())),
        Format::Ci(system) => {
            let lines = plain::report(report, detail, view.results_in(system));
            context.framed(system, &lines, &ci::annotations(system, report));
            let mut jobs = context.environment.ci_jobs.iter();
            if let Some(job) = jobs.find(|job| job.system == system) {
                job.record(&markdown::report(report, detail), &ci::outputs(report))?;
            }
        }
    }
    report.notes.iter().for_each(|note| view.note(note));
    Ok(())
}
