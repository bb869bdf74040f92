//! `cbox diff A B`: why two derivations differ, whatever names them.

use cbox_driver::{
    diff::{self, Named, explain::explain},
    error::{Error, Kind},
    eval::hosts,
    process::options::NixArguments,
    progress::{Event, Reporter as _},
    subject::words,
};
use drv_causes::Explanation;
use nix_formats::store_path::DrvPath;
use serde_json::json;

use crate::{
    commands::context::Context,
    formats::{explanation::heading, markdown, plain},
    options::{Explain, Format, LimitOptions, ShowOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox diff HEAD~1:box box                       a host before the last commit, and now
  cbox diff appliance iso appliance iso aarch64  two images
  cbox diff out/appliance-iso appliance/iso      what was built, and what would be
  cbox diff github:owner/repo#box .#box          a host of two flakes
  cbox diff /nix/store/…-a.drv /nix/store/…-b.drv
";

/// Explain why two derivations differ: the causes, and how much follows from them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "cbox diff [OPTIONS] <A> <B>")]
pub(crate) struct DiffArgs {
    /// The old and the new side: each an image, a host, a .drv file, a link in out/, or an image
    /// or host at a commit, `REV:host`
    #[arg(required = true, value_name = "A> <B", add = complete::sides())]
    sides: Vec<String>,
    /// Leave out local settings
    #[arg(long)]
    tracked: bool,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    show: ShowOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &DiffArgs) -> Result<(), Error> {
    let Context {
        environment, view, ..
    } = *context;
    let options = context.options.run_options();
    let project = context.project.as_ref().ok();
    if project.is_some() {
        hosts::for_words(&context.open(None)?, &args.sides).await?;
    }
    let names = words::subjects(project, &args.sides)?;
    words::check_number(project, &names, 2)?;
    let [old_name, new_name] = names.as_slice() else {
        return Err(not_two(&names));
    };
    let old = Named::parse(environment, old_name)?;
    let new = Named::parse(environment, new_name)?;
    let (store, [old_drv, new_drv]) = match diff::of_files(environment, &options, &old, &new)? {
        Some(files) => files,
        None => {
            let session = context.open(None)?;
            let evaluator = session.evaluator(&NixArguments::default()).await?;
            let names = (&old, &new);
            let limits = args.limits.into();
            let drvs = diff::derivations(&evaluator, names, args.tracked, &limits).await?;
            (evaluator.nix.store.clone(), drvs)
        }
    };
    view.report(Event::Briefly("comparing"));
    let explanation = explain(&store, &old_drv, &new_drv).await?;
    let side = |named: &Named, drv: &DrvPath| json!({ "name": named.word, "drvPath": drv });
    context.document("diff", "diff", || {
        json!({
            "old": side(&old, &old_drv),
            "new": side(&new, &new_drv),
            "explanation": explanation,
        })
    });
    context.lines(match (old_drv == new_drv, explanation.same_output) {
        (true, _) => vec!["the same derivation".to_owned()],
        (false, true) => vec!["another derivation with the same output".to_owned()],
        (false, false) => vec![],
    });
    if old_drv != new_drv {
        show(context, args.show, &explanation);
    }
    Ok(())
}

/// Shows what explains a difference, in the form that was asked for.
fn show(context: &Context<'_>, show: ShowOptions, explanation: &Explanation) {
    let (view, detail) = (context.view, show.explain);
    let plain = |paint| plain::explanation(explanation, &[], detail, paint);
    let form = show.form(view.is_json(), context.environment);
    match (form, detail.explain) {
        (_, Explain::None) => {
            let causes = explanation.causes.iter();
            context.lines(causes.map(|cause| heading(cause, explanation.same_output)));
        }
        (Format::Markdown, _) => {
            let text = markdown::fenced("diff", &markdown::diff(explanation, &[], detail));
            context.lines(text.lines());
        }
        (Format::Ci(system), _) => {
            context.framed(system, &plain(view.results_in(system)), &[]);
        }
        _ => context.lines(plain(view.results())),
    }
}

fn not_two(names: &[String]) -> Error {
    let message = match names {
        [only] => format!("{only} is one side, but there is nothing to compare it with"),
        names => format!("expected two sides, but found {}", names.join(", ")),
    };
    Error::new(Kind::Usage, message)
        .hint("`cbox diff A B`; `cbox diff --help` shows what they can be")
}
