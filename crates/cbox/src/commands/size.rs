//! `cbox size TARGET`: what makes an image large, and what pulled that in.

use camino::Utf8PathBuf;
use cbox_driver::{
    ci::Level,
    error::{Error, Kind},
    eval::hosts,
    size::{
        budget,
        measured::{Comparison, Measured, Why, measure},
        subject::{self, Counted, Question},
    },
    subject::words,
    text::nearest::{nearest, suggestion},
};
use clap::ValueHint;
use serde_json::json;

use crate::{
    commands::context::Context,
    formats::{junit, page, plain, size as text},
    options::{LimitOptions, NixOptions, OfBuildOptions, complete, junit::JunitOption},
};

const EXAMPLES: &str = "\
Examples:
  cbox size appliance iso                       the largest packages, and what pulled them in
  cbox size appliance iso --why python3         every way to a package
  cbox size appliance iso --against HEAD~1      what came, went, grew and shrank
  cbox size appliance iso --html ../size.html   a map to explore
";

/// Show what makes an image large, and what pulled it in
///
/// An image holds what its system needs, so that is what is measured: everything that
/// `system.build.toplevel` of the target's host refers to. Nothing is built.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SizeArgs {
    /// What was built: an image, a host, REV:image, a link in out/ or a store path
    #[arg(required = true, value_name = "TARGET", add = complete::sides())]
    target: Vec<String>,
    /// Compare with a commit's build of the same target, or with any other TARGET
    #[arg(long, value_name = "REV|TARGET", add = complete::sides())]
    against: Option<String>,
    /// Show every way to one package
    #[arg(long, value_name = "PACKAGE", conflicts_with_all = ["against", "html"])]
    why: Option<String>,
    /// Show the N largest
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    top: usize,
    /// Show all
    #[arg(long)]
    all: bool,
    /// Write a web page with a map of it; `-` is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<Utf8PathBuf>,
    #[command(flatten)]
    of: OfBuildOptions,
    #[command(flatten)]
    pub(super) junit: JunitOption,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    nix: NixOptions,
}

impl SizeArgs {
    /// How many lines of one kind are shown at most.
    fn most(&self) -> usize {
        if self.all { usize::MAX } else { self.top }
    }
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &SizeArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    hosts::for_words(session, &args.target).await?;
    let target = words::subject(&session.project, &args.target)?;
    let to_stdout = args.html.as_deref().is_some_and(|file| file == "-");
    if to_stdout && context.view.is_json() {
        return Err(Error::new(
            Kind::Usage,
            "`--json` and `--html -` both write to standard output",
        )
        .hint("name a file for the page"));
    }
    if let Some(file) = args.html.as_deref().filter(|_| !to_stdout) {
        page::FILE.check(&session.environment.absolute(file), file)?;
    }
    let evaluator = session.evaluator(&args.nix.arguments()).await?;
    let forced = args.of.forced();
    let question = Question {
        target: &target,
        against: args.against.as_deref(),
        forced: &forced,
        with_local: args.of.with_local,
        limits: args.limits.into(),
    };
    let subjects = subject::find(session, &evaluator, question).await?;
    let (measured, comparison) = measure(&evaluator, subjects).await?;
    let why = match &args.why {
        Some(word) => Some(measured.why(word).ok_or_else(|| unknown(&measured, word))?),
        None => None,
    };
    let view = context.view;
    remark(context, &measured);
    match &args.html {
        Some(_) if to_stdout => view.document(page::render(&measured)?.trim_end()),
        Some(file) => {
            page::write(&session.environment.absolute(file), file, &measured)?;
            view.note(&format!("wrote the page {file}"));
        }
        None => {}
    }
    if !to_stdout {
        show(
            context,
            args,
            &measured,
            (comparison.as_ref(), why.as_ref()),
        );
    }
    let checked = budget::check(&measured, comparison.as_ref());
    context.tested(|| {
        let hint = checked
            .as_ref()
            .err()
            .and_then(|error| error.hint.as_deref());
        junit::budgets(&measured.subject.name, &budget::verdicts(&measured), hint)
    });
    if let (Err(error), Some(job)) = (&checked, session.environment.ci())
        && !to_stdout
    {
        let message = match &error.hint {
            Some(hint) => format!("{}\n{hint}", error.message),
            None => error.message.clone(),
        };
        let title = format!("{} is too large", measured.subject.name);
        let annotation = job.system.annotation(Level::Error, None, &title, &message);
        annotation.iter().for_each(|line| view.command(line));
    }
    checked
}

/// Says what is not as one would expect.
fn remark(context: &Context<'_>, measured: &Measured) {
    let (view, subject) = (context.view, &measured.subject);
    let name = &subject.name;
    match subject.counted {
        Counted::Output => view.note(&format!(
            "the host of {name} has no config.system.build.toplevel: this is what the output \
             itself refers to"
        )),
        Counted::Path if measured.closure.members().len() == 1 => view.note(&format!(
            "{name} refers to nothing else; to see what is in an image, name its target"
        )),
        _ if subject.budget.image.is_some() && subject.image.is_empty() => view.warn(&format!(
            "the image of {name} is not here, so its budget is not checked"
        )),
        _ => {}
    }
}

fn show(
    context: &Context<'_>,
    args: &SizeArgs,
    measured: &Measured,
    (comparison, why): (Option<&Comparison>, Option<&Why<'_>>),
) {
    context.document("size", "size", || {
        let mut value = measured.to_json();
        if let Some(comparison) = comparison {
            value["against"] = comparison.old.to_json();
            value["changes"] = json!(comparison.changes);
            value["packageChanges"] = json!(comparison.packages);
        }
        if let Some(why) = why {
            let Why {
                package,
                only_way,
                ways,
            } = why;
            value["why"] = json!({ "package": package.name, "onlyWay": only_way, "ways": ways });
        }
        value
    });
    let most = args.most();
    let lines = match (comparison, why) {
        (_, Some(why)) => text::why(measured, why, most),
        (Some(comparison), None) => [
            text::heading(measured),
            text::changes(measured, comparison, most),
        ]
        .concat(),
        (None, None) => [text::heading(measured), text::packages(measured, most)].concat(),
    };
    context.lines(lines);
    if let Some(comparison) = comparison.filter(|it| !it.packages.changes.is_empty()) {
        // The heading is a line of its own, and so is what says how many more there are.
        let most = most.saturating_add(2);
        let paint = context.view.results();
        context.lines(plain::packages(&comparison.packages, most, paint));
    }
}

fn unknown(measured: &Measured, word: &str) -> Error {
    let names: Vec<&str> = measured
        .packages
        .iter()
        .map(|package| &*package.name)
        .collect();
    let name = &measured.subject.name;
    let hint = match nearest(word, names.iter().copied()).is_empty() {
        true => format!("`cbox size {name} --all` lists them"),
        false => suggestion(word, &names),
    };
    Error::new(
        Kind::Usage,
        format!("there is no package `{word}` in the closure of {name}"),
    )
    .hint(hint)
}
