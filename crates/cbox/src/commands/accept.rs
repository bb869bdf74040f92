//! `cbox accept`: what the install hosts build now becomes the baseline.

use cbox_driver::{
    baseline::{Baseline, Entry},
    error::{Error, Kind},
    flake::{session::Session, version::Version},
    verify::{
        judge::{Judged, Question},
        verdict::Status,
    },
};
use cbox_nix::pass_through::PassThrough;
use serde_json::json;

use super::verdicts;
use crate::{commands::context::Context, options::JudgeOptions};

/// Record in baseline.json what the install hosts build now
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cbox accept\n  cbox accept 'lab-*'")]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    judge: JudgeOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &AcceptArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    let args = &args.judge;
    refuse_overrides(session, args)?;
    let hosts = args.hosts();
    let question = Question {
        accepting: true,
        ..args.question(&hosts)
    };
    let judged = verdicts::judge(session, args, &question, Version::tracked(session)).await?;
    let view = context.view;
    // What changes is said before it is written; a JSON document says both at once.
    if !view.is_json() {
        verdicts::show(context, &judged.report, args.show)?;
    }
    let tell = |written: bool| {
        let mut report = judged.report.to_json();
        report["written"] = json!(written);
        context.document("accept", "accept", || report);
    };
    // What does not evaluate cannot be accepted, and half a baseline helps nobody.
    if !judged.report.failed().is_empty() {
        if view.is_json() {
            tell(false);
        }
        return judged.report.outcome();
    }
    if let Some(refusal) = judged.refusal {
        return Err(refusal);
    }
    let baseline = accepted(&judged).await?;
    let written = judged.file.replace(session.hears(), &baseline).await?;
    if view.is_json() {
        tell(written);
    }
    let display_path = &judged.file.shown;
    view.note(&match written {
        true => format!("wrote {display_path}: commit it with the change"),
        false => format!("{display_path} is up to date already"),
    });
    Ok(())
}

fn refuse_overrides(session: &Session<'_>, args: &JudgeOptions) -> Result<(), Error> {
    if !session.options.override_inputs.is_empty() {
        return Err(refused("under `--override-input`"));
    }
    if !args.set.is_empty() {
        return Err(refused("under `--set`"));
    }
    let pass_through = PassThrough::sort(&args.nix.nix_args)
        .map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
    if pass_through.may_change_evaluation {
        return Err(refused(
            "with arguments for Nix that may change what is evaluated",
        ));
    }
    Ok(())
}

fn refused(how: &str) -> Error {
    Error::new(Kind::Usage, format!("nothing is accepted {how}")).hint(
        "a baseline records what the repository alone says: `cbox verify-hosts` shows the rest",
    )
}

/// The baseline after this: hosts that were not judged stay, and so does the record of
/// those that are as they were.
async fn accepted(judged: &Judged<'_>) -> Result<Baseline, Error> {
    let mut baseline = judged.accepted.clone().unwrap_or_default();
    let flake_lock = judged.state.flake_lock_hash().await?;
    for host in &judged.report.hosts {
        match (host.status, &host.now, &host.system) {
            (status, Some(now), Some(system)) => {
                let stays = baseline.hosts.get(&host.host).is_some_and(|known| {
                    status == Status::Unchanged
                        && known.out_path == now.out_path
                        && known.system == *system
                });
                if !stays {
                    let entry = Entry {
                        system: system.clone(),
                        drv_path: now.drv_path.clone(),
                        out_path: now.out_path.clone(),
                        flake_lock: flake_lock.clone(),
                    };
                    baseline.hosts.insert(host.host.clone(), entry);
                }
            }
            _ => {
                baseline.hosts.remove(&host.host);
            }
        }
    }
    Ok(baseline)
}
