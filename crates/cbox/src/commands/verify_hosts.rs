//! `cbox verify-hosts`: whether every install host is as accepted, and why not.

use cbox_driver::{
    error::{Error, Kind},
    flake::version::Version,
    session::Session,
    text::{columns, count},
    verify::{
        judge::{Question, evaluator, judge},
        self_test,
    },
};

use super::{document, verdicts};
use crate::{
    cli::{Explain, JudgeArgs, VerifyArgs},
    context::Context,
};

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &VerifyArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    if args.self_test {
        return run_self_test(context, session, &args.judge).await;
    }
    let arguments = args.judge.nix();
    let state = async {
        match &args.rev {
            Some(revision) => Version::commit(session, revision).await,
            None => Version::tracked(session).await,
        }
    };
    let (evaluator, state) =
        tokio::try_join!(evaluator(session, &arguments, !args.judge.no_cache), state)?;
    let question = Question {
        hosts: &args.judge.hosts,
        set: &args.judge.set,
        limits: args.judge.limits.into(),
        explain: args.judge.show.explain.explain != Explain::None,
        base: args.base.as_deref(),
        strict: args.strict,
        accepting: false,
    };
    let judged = judge(session, evaluator, state, &question).await?;
    verdicts::show(context, session, &judged.report, args.judge.show)?;
    judged.report.outcome()
}

/// Shows what a self-test found.
async fn run_self_test(
    context: &Context<'_>,
    session: &Session<'_>,
    args: &JudgeArgs,
) -> Result<(), Error> {
    if !args.set.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "`--self-test` is about the flake as it is: it takes no `--set`",
        ));
    }
    let settings = self_test::Settings {
        hosts: &args.hosts,
        limits: args.limits.into(),
        arguments: &args.nix(),
        cached: !args.no_cache,
    };
    let found = self_test::run(session, settings).await?;
    let view = context.view;
    view.json(&document("selfTest", found.to_json()));
    let lines: Vec<[String; 3]> = found
        .rows
        .iter()
        .map(|row| {
            let leaks = found.leaks.iter().any(|leak| leak.file == row.file);
            let became = match (row.staged, leaks) {
                (false, _) => "not staged",
                (true, false) => "staged, moves nothing",
                (true, true) => "LEAKS",
            };
            [
                row.file.display().to_string(),
                row.why.to_owned(),
                became.to_owned(),
            ]
        })
        .collect();
    columns(&lines).iter().for_each(|line| view.plain(line));
    for leak in &found.leaks {
        view.plain(&format!(
            "{} reaches {}: {}",
            leak.file.display(),
            leak.target,
            leak.by
        ));
    }
    if found.leaks.is_empty() {
        view.plain(&format!(
            "{} in a copy, and none of {} moved",
            count(found.rows.len(), "file"),
            count(found.targets.len(), "derivation")
        ));
    }
    found.outcome()
}
