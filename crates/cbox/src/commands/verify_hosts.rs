//! `cbox verify-hosts`: whether every install host is as accepted, and why not.

use camino::Utf8PathBuf;
use cbox_driver::{
    error::{Error, Kind},
    flake::{session::Session, version::Version},
    text::count,
    verify::{
        judge::Question,
        merge::{self, Part},
        report::Report,
        self_test,
    },
};
use cbox_nix::regular_file;
use clap::ValueHint;

use super::verdicts;
use crate::{
    commands::context::Context,
    formats::junit,
    options::{JudgeOptions, junit::JunitOption},
};

const EXAMPLES: &str = "\
Examples:
  cbox verify-hosts                     the tracked files of the working tree
  cbox verify-hosts lab-1 'office-*'    some of the hosts
  cbox verify-hosts --rev v1.2          a commit, by the baseline in it
  cbox verify-hosts --base origin/main  and explain against another commit
  cbox verify-hosts --self-test         show that ignored files move no derivation
  cbox verify-hosts --merge part-*.json one verdict of runs on several machines
";

/// Check the install hosts against baseline.json, and explain every difference
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Judge a commit instead of the working tree
    #[arg(long, value_name = "REV", conflicts_with = "self_test")]
    rev: Option<String>,
    /// Explain against a commit [default: in a pull request, where it began]
    #[arg(long, value_name = "REV", conflicts_with = "self_test")]
    base: Option<String>,
    /// Let only the same derivation pass, not another one with the same output
    #[arg(long)]
    strict: bool,
    /// Write files to ignored and unbaked places of a copy, and show that nothing moves
    #[arg(long)]
    self_test: bool,
    /// Make one verdict of those of several runs, each of which judged some hosts with `--json`
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath, conflicts_with_all = ["rev", "base", "strict", "self_test", "named", "hosts"])]
    merge: Vec<Utf8PathBuf>,
    #[command(flatten)]
    pub(super) junit: JunitOption,
    #[command(flatten)]
    judge: JudgeOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &VerifyArgs) -> Result<(), Error> {
    if !args.merge.is_empty() {
        return show(context, &merged(context, &args.merge)?, args);
    }
    let session = &context.open(None)?;
    if args.self_test {
        return run_self_test(context, session, &args.judge).await;
    }
    let state = async {
        match &args.rev {
            Some(revision) => Version::commit(session, revision).await,
            None => Version::tracked(session).await,
        }
    };
    let hosts = args.judge.hosts();
    let question = Question {
        base: args.base.as_deref(),
        strict: args.strict,
        ..args.judge.question(&hosts)
    };
    let judged = verdicts::judge(session, &args.judge, &question, state).await?;
    show(context, &judged.report, args)
}

/// Shows a report and gives what the run ends with.
fn show(context: &Context<'_>, report: &Report, args: &VerifyArgs) -> Result<(), Error> {
    context.tested(|| junit::verdicts(report, args.judge.show.explain));
    verdicts::show(context, report, args.judge.show)?;
    report.outcome()
}

/// The report that the `files` make together.
fn merged(context: &Context<'_>, files: &[Utf8PathBuf]) -> Result<Report, Error> {
    let part = |file: &Utf8PathBuf| -> Result<Part, Error> {
        let bytes = regular_file::read(context.environment.absolute(file)).map_err(|error| {
            Error::file(Kind::Usage, "read", file, &error)
                .hint("name the files that `cbox verify-hosts HOST… --json` wrote on each machine")
        })?;
        Ok((file.to_string(), bytes))
    };
    merge::merge(&files.iter().map(part).collect::<Result<Vec<_>, _>>()?)
}

/// Shows what a self-test found.
async fn run_self_test(
    context: &Context<'_>,
    session: &Session<'_>,
    args: &JudgeOptions,
) -> Result<(), Error> {
    if !args.set.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "`--self-test` tests the flake as it is, so it takes no `--set`",
        ));
    }
    let settings = self_test::Settings {
        hosts: &args.hosts(),
        limits: args.limits.into(),
        arguments: &args.nix.arguments(),
        cached: !args.no_cache,
    };
    let found = self_test::run(session, settings).await?;
    let view = context.view;
    context.tested(|| junit::self_test(&found));
    context.document("self-test", "selfTest", || found.to_json());
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
    context.table(&lines);
    for (target, proof) in &found.reads {
        view.plain(&format!("{target} {proof}"));
    }
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
