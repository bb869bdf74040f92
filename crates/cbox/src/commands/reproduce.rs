//! `cbox reproduce TARGET…`: whether targets build the same twice, and what differs if not.

use cbox_driver::{
    build::Job,
    error::Error,
    eval::hosts,
    reproduce::{
        DifferingOutput, Reproduction,
        compare::{Content, Difference, Entry, What},
        differ,
        place::{Part, Place},
        reproduce,
    },
    subject::{
        target::{self, Target},
        words,
    },
    text::{count, path_line, size},
};
use cbox_nix::NixError;
use serde_json::{Value, json};

use super::{build, report, source::with_path};
use crate::{
    commands::context::Context,
    formats::junit,
    options::{LimitOptions, NixOptions, OfBuildOptions, complete, junit::JunitOption},
};

const EXAMPLES: &str = "\
Examples:
  cbox reproduce appliance iso                  after `cbox appliance iso`
  cbox reproduce appliance/iso appliance/raw    both, one after the other
  cbox reproduce box -- --cores 1               a host, with one core";

/// How many differences of an output are shown.
const MOST_SHOWN: usize = 20;

/// Build again, and say what differs from the first build, file by file
///
/// Nix builds the target's own derivation once more, on this machine, and compares: what that needs
/// is not built again. A target that is not built yet is built twice, without a link. Neither what
/// the store has nor a link changes; a second build that differs is kept beside the first, as
/// PATH.check.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReproduceArgs {
    /// What to build again: images, `<kind> <format> [system]` or with slashes, and hosts
    #[arg(required = true, value_name = "TARGET", add = complete::targets())]
    targets: Vec<String>,
    #[command(flatten)]
    of: OfBuildOptions,
    #[command(flatten)]
    pub(super) junit: JunitOption,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    nix: NixOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &ReproduceArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    let is_configured = session.project.is_configured();
    let known = match is_configured {
        true => Some(words::targets(&session.project, &args.targets)?),
        false => None,
    };
    let (evaluator, sources) = session.to_evaluate(&args.nix.arguments()).await?;
    let names = match known {
        Some(names) => names,
        None => {
            match hosts::are_ambiguous(&args.targets) {
                true => hosts::find(&evaluator, &sources).await?,
                false => hosts::for_targets(&evaluator, &sources).await?,
            }
            words::targets(&session.project, &args.targets)?
        }
    };
    let (forced, native) = (args.of.forced(), &evaluator.nix.settings.system);
    let targets = names
        .iter()
        .map(|name| target::resolve(&session.project, name, &forced, native, &sources))
        .collect::<Result<Vec<Target>, Error>>()?;
    let snapshots = build::snapshots(context, &sources, &targets, args.of.with_local).await?;
    let (jobs, mut failures) =
        build::evaluate(&evaluator, &args.limits.into(), &targets, &snapshots).await?;
    let mut reproduced = Vec::new();
    // One after the other: what runs beside a build is a reason for it to differ.
    for job in &jobs {
        let one = reproduce(&evaluator, &sources, job).await;
        if let Some(signal) = session.interrupt.signal() {
            return Err(NixError::Interrupted(signal).into());
        }
        match one {
            Ok(one) => {
                show(context, &one);
                reproduced.push((job, one));
            }
            Err(error) => failures.push(error),
        }
    }
    let documents = reproduced.iter().map(|(job, one)| document(job, one));
    context.parts(
        "reproduce",
        json!({
            "targets": documents.collect::<Vec<_>>(),
            "errors": failures.iter().map(Error::to_json).collect::<Vec<_>>(),
        }),
    );
    let reproduced: Vec<Reproduction> = reproduced.into_iter().map(|(_, one)| one).collect();
    context.tested(|| junit::reproduced(&names, &reproduced, &failures));
    // What could not be found out weighs more than what was.
    failures.extend(reproduced.iter().filter_map(Reproduction::error));
    report::first_of(context.view, failures)
}

/// Shows what came of one target.
fn show(context: &Context<'_>, one: &Reproduction) {
    if one.is_same() {
        context.lines([one.headline()]);
        return;
    }
    for output in &one.differing {
        context.lines([format!("{} differs: {}", one.target, output.out)]);
        let Some(compared) = &output.compared else {
            context.view.warn(&format!(
                "{} is on another machine, where its files can be compared",
                output.check()
            ));
            continue;
        };
        let differences = &compared.differences;
        let most = match context.options.repeated.verbose {
            0 => MOST_SHOWN,
            _ => usize::MAX,
        };
        let rows = differences.iter().take(most);
        context.table(&rows.map(|it| row(output, it)).collect::<Vec<_>>());
        match differences.len().saturating_sub(most) {
            0 => {}
            hidden => context.lines([format!("  … {hidden} more, which `-v` lists")]),
        }
    }
    if let Some(folder) = &one.folder {
        context.view.note(&format!(
            "Nix kept the folder in which it built, too: {folder}"
        ));
    }
}

/// A difference as a row: where, what, and more of it.
fn row(output: &DifferingOutput, difference: &Difference) -> [String; 3] {
    let path = match difference.path.as_os_str().is_empty() {
        // The output is a file: its name is what it is called.
        true => output.name().to_owned(),
        false => path_line(&difference.path),
    };
    let detail = match &difference.what {
        What::Missing(entry) | What::Added(entry) => described(entry),
        What::Kind(one, other) => format!("{}, then {}", described(one), described(other)),
        What::Target(one, other) => format!("{}, then {}", path_line(one), path_line(other)),
        What::Executable(true) => "executable, then not".to_owned(),
        What::Executable(false) => "not executable, then so".to_owned(),
        What::Content(content) => describe_content(content),
    };
    [
        format!("  {path}"),
        difference.what.name().to_owned(),
        detail,
    ]
}

fn described(entry: &Entry) -> String {
    match entry {
        Entry::Folder => "a folder".to_owned(),
        Entry::File { size: bytes, .. } => format!("a file of {}", size(*bytes)),
        Entry::Symlink(target) => format!("a symlink to {}", path_line(target)),
    }
}

fn describe_content(content: &Content) -> String {
    let Content {
        sizes: [one, other],
        first,
        count: differing,
        place,
    } = content;
    let sizes = match one == other {
        true => size(*one),
        false => format!("{one} bytes, then {other}"),
    };
    let how_many = match differing {
        Some(number) => format!("{} {}, ", count(*number, "byte"), differ(*number)),
        None => String::new(),
    };
    let place = match place {
        None => String::new(),
        Some(Place { part, name, offset }) => {
            let part = match part {
                Part::File => "",
                Part::Partition => "partition ",
            };
            format!(
                ", which is byte {offset} of {part}{}",
                path_line(name.as_ref())
            )
        }
    };
    format!("{sizes}; {how_many}from byte {first}{place}")
}

/// What came of one target, as JSON.
fn document(job: &Job<'_>, one: &Reproduction) -> Value {
    let outputs = one.differing.iter().map(|output| {
        let compared = output.compared.as_ref();
        let differences =
            compared.map(|it| it.differences.iter().map(difference).collect::<Vec<_>>());
        json!({
            "outPath": output.out,
            "checkPath": output.check(),
            "fileCount": compared.map(|it| it.file_count),
            "differences": differences,
        })
    });
    json!({
        "target": one.target,
        "system": job.evaluated.system,
        "drvPath": job.derivation.drv,
        "outPath": one.out,
        "isSame": one.is_same(),
        "isBuiltFirst": one.is_built_first,
        "durationSeconds": cbox_driver::report::seconds(one.lasted),
        "buildFolder": one.folder,
        "outputs": outputs.collect::<Vec<_>>(),
    })
}

fn difference(difference: &Difference) -> Value {
    let mut item = with_path(json!({ "what": difference.what.name() }), &difference.path);
    let (first, second) = match &difference.what {
        What::Missing(one) => (Some(entry(one)), None),
        What::Added(other) => (None, Some(entry(other))),
        What::Kind(one, other) => (Some(entry(one)), Some(entry(other))),
        What::Target(one, other) => {
            let link = |target: &std::path::Path| entry(&Entry::Symlink(target.to_owned()));
            (Some(link(one)), Some(link(other)))
        }
        What::Executable(one) => {
            let file = |is_executable| json!({ "kind": "file", "isExecutable": is_executable });
            (Some(file(*one)), Some(file(!one)))
        }
        What::Content(content) => {
            item["firstByte"] = content.first.into();
            item["differingSize"] = content.count.into();
            item["place"] = match &content.place {
                None => Value::Null,
                Some(Place { part, name, offset }) => {
                    json!({ "part": part.name(), "name": name, "byte": offset })
                }
            };
            let file = |size| json!({ "kind": "file", "size": size });
            let [one, other] = content.sizes.map(file);
            (Some(one), Some(other))
        }
    };
    item["first"] = first.into();
    item["second"] = second.into();
    item
}

fn entry(entry: &Entry) -> Value {
    match entry {
        Entry::Folder => json!({ "kind": "folder" }),
        Entry::File {
            size,
            is_executable,
        } => json!({ "kind": "file", "size": size, "isExecutable": is_executable }),
        Entry::Symlink(target) => {
            json!({ "kind": "symlink", "target": cbox_driver::text::path_text(target) })
        }
    }
}
