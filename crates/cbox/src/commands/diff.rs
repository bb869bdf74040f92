//! `cbox diff A B`: why two derivations differ, whatever names them.

use cbox_driver::{
    ci::workflow_command,
    diff::{self, Named},
    environment::Environment,
    error::Error,
    explain::explain,
    options::NixArguments,
};
use drv_causes::Explanation;
use nix_formats::store_path::DrvPath;
use serde_json::json;

use super::document;
use crate::{
    cli::{DiffArgs, Explain, Format},
    context::Context,
    formats::{explanation::heading, markdown, plain},
    view::{Paint, View},
};

/// A side with its derivation.
#[derive(Debug, Clone)]
struct Found {
    /// As it was typed.
    name: String,
    drv: DrvPath,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &DiffArgs) -> Result<(), Error> {
    let Context {
        environment, view, ..
    } = *context;
    let options = context.common.options();
    let old = Named::parse(environment, &args.old)?;
    let new = Named::parse(environment, &args.new)?;
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
    let found = |name: &str, drv| Found {
        name: name.to_owned(),
        drv,
    };
    let (old, new) = (found(&args.old, old_drv), found(&args.new, new_drv));
    view.briefly("comparing");
    let explanation = explain(&store, &old.drv, &new.drv).await?;
    show((environment, view), args, (&old, &new), &explanation);
    Ok(())
}

fn show(
    (environment, view): (&Environment, &View),
    args: &DiffArgs,
    (old, new): (&Found, &Found),
    explanation: &Explanation,
) {
    let detail = args.show.explain.into();
    let said = match (old.drv == new.drv, explanation.same_output) {
        (true, _) => "the same derivation",
        (false, true) => "another derivation with the same output",
        (false, false) => "",
    };
    match args.show.form(view.is_json(), &environment.github) {
        Format::Json => {
            let side = |found: &Found| json!({ "name": found.name, "drvPath": found.drv });
            view.json(&document(
                "diff",
                json!({ "old": side(old), "new": side(new), "explanation": explanation }),
            ));
        }
        _ if old.drv == new.drv => view.plain(said),
        form => {
            if !said.is_empty() {
                view.plain(said);
            }
            match (form, args.show.explain.explain) {
                (_, Explain::None) => {
                    for cause in &explanation.causes {
                        view.plain(&heading(cause, explanation.same_output));
                    }
                }
                (Format::Markdown, _) => {
                    view.plain(
                        markdown::fenced("diff", &markdown::diff(explanation, &[], detail))
                            .trim_end(),
                    );
                }
                (Format::Github, _) => {
                    workflow_command::log(&plain::explanation(
                        explanation,
                        &[],
                        detail,
                        Paint::NONE,
                    ))
                    .iter()
                    .for_each(|line| view.plain(line));
                }
                _ => plain::explanation(explanation, &[], detail, view.results())
                    .iter()
                    .for_each(|line| view.plain(line)),
            }
        }
    }
}
