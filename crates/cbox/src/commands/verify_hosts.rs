//! `cbox verify-hosts`: whether every install host is as accepted, and why not.

use super::verdicts;
use crate::{
    cli::{Common, VerifyArgs},
    error::Error,
    session::Session,
    state::State,
    verify::{
        judge::{Question, evaluator, judge},
        self_test,
    },
};

/// Runs the command.
pub(crate) async fn run(
    session: &Session<'_>,
    common: &Common,
    args: &VerifyArgs,
) -> Result<(), Error> {
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
    verdicts::show(session, &judged.report, args.judge.show)?;
    judged.report.outcome()
}
