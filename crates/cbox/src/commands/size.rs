//! `cbox size TARGET`: what makes an image large, and what pulled that in.

use cbox_driver::{
    ci::workflow_command,
    error::{Error, Kind},
    nearest::{nearest, suggestion},
    session::Session,
    size::{
        budget,
        measured::{Comparison, Measured, Why, measure},
        subject::{self, Counted, Question},
    },
};
use serde_json::json;

use super::document;
use crate::{
    cli::SizeArgs,
    context::Context,
    formats::{page, size as shown},
};

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &SizeArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    let to_stdout = args.html.as_deref().is_some_and(|file| file == "-");
    if to_stdout && context.common.json {
        return Err(Error::new(
            Kind::Usage,
            "`--json` and `--html -` both ask for standard output",
        )
        .hint("name a file for the page"));
    }
    let evaluator = session.evaluator(&args.nix()).await?;
    let forced = args.forced();
    let question = Question {
        target: &args.target,
        against: args.against.as_deref(),
        forced: &forced,
        with_local: args.with_local,
        limits: args.limits.into(),
    };
    let subjects = subject::find(session, &evaluator, question).await?;
    let (measured, comparison) = measure(&evaluator, subjects).await?;
    let why = match &args.why {
        Some(word) => Some(measured.why(word).ok_or_else(|| unknown(&measured, word))?),
        None => None,
    };
    let view = context.view;
    remark(context, session, &measured);
    match &args.html {
        Some(_) if to_stdout => view.plain(page::render(&measured)?.trim_end()),
        Some(file) => {
            page::write(&session.environment.absolute(file), file, &measured)?;
            view.note(&format!("the page is {file}"));
        }
        None => {}
    }
    if !to_stdout {
        show(
            context,
            session,
            args,
            &measured,
            (comparison.as_ref(), why.as_ref()),
        );
    }
    let checked = budget::check(&measured, comparison.as_ref());
    if let Err(error) = &checked
        && session.environment.github.actions
        && !to_stdout
    {
        let message = match &error.hint {
            Some(hint) => format!("{}\n{hint}", error.message),
            None => error.message.clone(),
        };
        let title = format!("{} is too large", measured.subject.name);
        view.plain(&workflow_command::command("error", None, &title, &message));
    }
    checked
}

/// Says what is not as one would expect.
fn remark(context: &Context<'_>, _session: &Session<'_>, measured: &Measured) {
    let (view, subject) = (context.view, &measured.subject);
    let name = &subject.name;
    match subject.counted {
        Counted::Output => view.note(&format!(
            "the host of {name} has no config.system.build.toplevel: this is what the output \
             itself refers to"
        )),
        Counted::Path if measured.closure.members().len() == 1 => view.note(&format!(
            "{name} refers to nothing else; what is inside an image, its target shows"
        )),
        _ if subject.budget.image.is_some() && subject.image.is_none() => view.warn(&format!(
            "the image of {name} is not here, so its budget is not checked"
        )),
        _ => {}
    }
}

fn show(
    context: &Context<'_>,
    _session: &Session<'_>,
    args: &SizeArgs,
    measured: &Measured,
    (comparison, why): (Option<&Comparison>, Option<&Why<'_>>),
) {
    let view = context.view;
    let mut value = measured.to_json();
    if let Some(Comparison { old, changes }) = comparison {
        value["against"] = old.to_json();
        value["changes"] = json!(changes);
    }
    if let Some(why) = why {
        let Why {
            package,
            only_way,
            ways,
        } = why;
        value["why"] = json!({ "package": package.name, "onlyWay": only_way, "ways": ways });
    }
    view.json(&document("size", value));
    let most = args.most();
    let lines = match (comparison, why) {
        (_, Some(why)) => shown::why(measured, why, most),
        (Some(comparison), None) => [
            shown::heading(measured),
            shown::changes(measured, comparison, most),
        ]
        .concat(),
        (None, None) => [shown::heading(measured), shown::packages(measured, most)].concat(),
    };
    lines.iter().for_each(|line| view.plain(line));
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
