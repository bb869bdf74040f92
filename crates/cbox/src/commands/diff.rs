//! `cbox diff A B`: why two derivations differ, whatever names them, and which packages do.

use cbox_driver::{
    diff::{self, Comparison, Named},
    error::{Error, Kind},
    eval::hosts,
    process::options::NixArguments,
    subject::words,
};

use crate::{
    commands::context::Context,
    formats::{
        explanation::{Shown, heading},
        markdown, plain,
    },
    options::{Explain, Format, LimitOptions, ShowOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox diff HEAD~1:box box                       a host before the last commit, and now
  cbox diff appliance iso appliance iso aarch64  two images
  cbox diff out/appliance-iso appliance/iso      what was built, and what would be
  cbox diff github:owner/repo#box .#box          a host of two flakes
  cbox diff /run/current-system box              what this machine runs, and what it would run
  cbox diff ssh://root@box box                   the same of another machine
  cbox diff /nix/store/…-a.drv /nix/store/…-b.drv
";

/// Explain why two systems or images differ, and list the packages that do
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "cbox diff [OPTIONS] <A> <B>")]
pub(crate) struct DiffArgs {
    /// The old and the new side: each an image, a host, a .drv file, a link into the store, a
    /// store path, a machine as `ssh://HOST`, or an image or host at a commit, `REV:host`
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
    let project = context.project.as_ref().ok();
    if project.is_some() {
        hosts::for_words(&context.open(None)?, &args.sides).await?;
    }
    let words = words::subjects(project, &args.sides)?;
    words::check_number(project, &words, 2)?;
    let [old, new] = words.as_slice() else {
        return Err(not_two(&words));
    };
    let old = Named::parse(environment, old)?;
    let new = Named::parse(environment, new)?;
    let comparison = compare(context, args, (&old, &new)).await?;
    context.document("diff", "diff", || comparison.to_json());
    context.lines(comparison.sameness());
    if comparison.is_same() {
        return Ok(());
    }
    if let Some([old, new]) = &comparison.systems {
        context.lines([format!("they are for different systems: {old} and {new}")]);
    }
    show(context, args.show, &comparison);
    if let Some(reason) = &comparison.unexplained {
        view.note(&format!("not explained: {reason}"));
    }
    Ok(())
}

/// Asks no more than the two words need: nothing, Nix alone, or the flake.
async fn compare(
    context: &Context<'_>,
    args: &DiffArgs,
    names: (&Named, &Named),
) -> Result<Comparison, Error> {
    let options = context.options.run_options();
    let (environment, view) = (context.environment, context.view);
    if let Some(comparison) = diff::files(environment, &options, view, names).await? {
        return Ok(comparison);
    }
    if !names.0.is_target() && !names.1.is_target() {
        let hears = (view as _, context.interrupt);
        return diff::stored(environment, &options, hears, names).await;
    }
    let session = context.open(None)?;
    let evaluator = session.evaluator(&NixArguments::default()).await?;
    diff::evaluated(&evaluator, names, args.tracked, &args.limits.into()).await
}

/// Shows what differs, in the form that was asked for.
fn show(context: &Context<'_>, show: ShowOptions, comparison: &Comparison) {
    let (view, detail) = (context.view, show.explain);
    let shown = Shown {
        explanation: comparison.explanation.as_ref(),
        places: &comparison.places,
        packages: Some(&comparison.packages),
    };
    let plain = |paint| plain::explanation(shown, detail, paint);
    let form = show.form(view.is_json(), context.environment);
    match (form, detail.explain) {
        (_, Explain::None) => {
            let explanation = comparison.explanation.iter();
            context.lines(explanation.flat_map(|explanation| {
                let causes = explanation.causes.iter();
                causes.map(|cause| heading(cause, explanation.same_output))
            }));
        }
        (Format::Markdown, _) => {
            let text = markdown::fenced("diff", &markdown::diff(shown, detail));
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
