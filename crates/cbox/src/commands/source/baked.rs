//! `cbox source baked`: what of the staged tree is baked into images.

use cbox_driver::{
    baked::{self, Baked, Row, State, folded},
    error::Error,
    flake::{session::Session, version::Version},
    process::options::NixArguments,
    text::{count, path_line},
};
use serde_json::{Value, json};

use super::with_path;
use crate::{
    commands::context::Context,
    options::{LimitOptions, complete},
};

/// Show what of the staged tree is baked into images
///
/// The flake itself decides that: the option that holds the baked source is evaluated,
/// and what it leads to is compared with the staged tree. `source.baked` in cbox.toml names
/// that option.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cbox source baked\n  cbox source baked _appliance_iso --files"
)]
pub(super) struct BakedArgs {
    /// The host [default: those that exist only to be built into images]
    #[arg(add = complete::image_hosts())]
    host: Option<String>,
    /// Each file, also where all of a folder are alike
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    session: &Session<'_>,
    args: &BakedArgs,
) -> Result<(), Error> {
    let sources = Version::working_tree(session, false).await?;
    let evaluator = session.evaluator(&NixArguments::default()).await?;
    let host = args.host.as_deref();
    let all = baked::find(&evaluator, &sources, host, &args.limits.into()).await?;
    let view = context.view;
    let sources = all.iter().map(|baked| {
        let files = baked
            .files
            .iter()
            .map(|(path, state)| with_path(json!({ "state": state }), path));
        json!({ "hosts": baked.hosts, "storePath": baked.path, "files": files.collect::<Value>() })
    });
    context.document("source-baked", "baked", || sources.collect());
    for baked in &all {
        if all.len() > 1 {
            view.plain(&format!("{}:", baked.hosts.join(", ")));
        }
        context.table(&rows(baked, args.files));
        view.note(&summary(baked));
    }
    let option = baked::option(session)?;
    view.note(&format!(
        "the flake's own filter behind `{option}` leaves out the rest"
    ));
    Ok(())
}

fn rows(baked: &Baked, each_file: bool) -> Vec<[String; 3]> {
    let of_file = |(path, state): (&std::path::PathBuf, &State)| Row {
        state: *state,
        name: path_line(path),
        files: 1,
    };
    let rows = match each_file {
        true => baked.files.iter().map(of_file).collect(),
        false => folded(&baked.files),
    };
    let row = |row: Row| {
        let files = match row.name.ends_with('/') {
            true => count(row.files, "file"),
            false => String::new(),
        };
        [row.state.word().to_owned(), row.name, files]
    };
    rows.into_iter().map(row).collect()
}

/// How many files are in which state, in one line.
fn summary(baked: &Baked) -> String {
    let number = |state| baked.files.values().filter(|it| **it == state).count();
    let staged = baked.files.len() - number(State::Added);
    let mut text = format!(
        "{}: {} of {} baked",
        baked.hosts.join(", "),
        number(State::Baked),
        count(staged, "staged file"),
    );
    for state in [State::Changed, State::Added] {
        if number(state) > 0 {
            text.push_str(&format!(", {} {}", number(state), state.word()));
        }
    }
    text
}
