//! What a build command shows: derivations, a plan, or what was built.

use camino::Utf8PathBuf;
use cbox_driver::{
    build::{Built, Job},
    error::Error,
    eval::evaluator::Evaluator,
    links::{artifact::Which, manifest::Forced},
    size::budget,
    target_name::TargetName,
    text::{count, size},
};
use cbox_nix::{build, expression::Evaluated, plan::Plan};
use serde_json::{Value, json};

use crate::{
    commands::context::Context,
    formats::{builds, junit},
    view::View,
};

/// How many derivations or paths of a plan are shown.
const MOST_PLANNED: usize = 20;

/// Shows the derivations, the last line of all being the last one.
pub(super) fn derivations(context: &Context<'_>, jobs: &[Job<'_>], failures: &[Error]) {
    context.parts(
        "derivations",
        targets(jobs.iter().map(evaluated).collect(), failures),
    );
    context.lines(jobs.iter().map(|job| job.derivation.drv.as_str()));
}

/// Shows what would be done.
pub(super) async fn plan(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    jobs: &[Job<'_>],
    failures: &[Error],
) -> Result<(), Error> {
    let installables: Vec<String> = jobs
        .iter()
        .map(|job| job.derivation.installable())
        .collect();
    let plan = if installables.is_empty() {
        Plan::default()
    } else {
        build::plan(&evaluator.nix, &installables).await?
    };
    context.parts(
        "plan",
        json!({
            "targets": jobs.iter().map(evaluated).collect::<Value>(),
            "plan": plan,
            "errors": errors(failures),
        }),
    );
    for job in jobs {
        let (info, name) = (&job.derivation, &job.target.name);
        context.lines([format!("{name} ({})", job.evaluated.system)]);
        let mut rows = vec![
            origin(job),
            ["  derivation".to_owned(), info.drv.to_string()],
            [
                "  output".to_owned(),
                info.out
                    .as_ref()
                    .map_or("known once it is built".to_owned(), ToString::to_string),
            ],
        ];
        let patterns = match job.evaluated.artifact_path.as_slice() {
            [] => job.artifacts.as_ref().map_or(&[][..], Which::patterns),
            paths => paths,
        };
        let named = job.evaluated.text.as_slice();
        let artifacts = if named.is_empty() { patterns } else { named };
        for artifact in artifacts {
            rows.push(["  artifact".to_owned(), artifact.clone()]);
        }
        for (option, value) in job.target.request.overrides.iter() {
            rows.push(["  forced".to_owned(), format!("{option} = {value}")]);
        }
        if let Some(variant) = &job.evaluated.variant {
            rows.insert(1, ["  option".to_owned(), variant.attribute.join(".")]);
        }
        context.table(&rows);
    }
    let list = |title: String, paths: &[String]| {
        if paths.is_empty() {
            return;
        }
        context.lines([title]);
        // Those next to the targets stand last, and no terminal holds the thousands of a host.
        let hidden = match context.options.repeated.verbose {
            0 if paths.len() > MOST_PLANNED => paths.len() - MOST_PLANNED,
            _ => 0,
        };
        if hidden > 0 {
            context.lines([format!("  … {hidden} more, which `-v` lists")]);
        }
        context.lines(paths[hidden..].iter().map(|path| format!("  {path}")));
    };
    list(
        format!("{} to build:", count(plan.build.len(), "derivation")),
        &plan.build,
    );
    let sizes = format!(
        "{} to download, {} unpacked",
        size(plan.download_bytes),
        size(plan.unpacked_bytes)
    );
    list(
        format!("{} to fetch ({sizes}):", count(plan.fetch.len(), "path")),
        &plan.fetch,
    );
    list(
        format!(
            "{} that cannot be obtained:",
            count(plan.unknown.len(), "path")
        ),
        &plan.unknown,
    );
    if plan.is_empty() && !jobs.is_empty() {
        context.lines(["nothing to build or fetch: everything is in the store"]);
    }
    Ok(())
}

/// How it is shown what was built.
pub(super) struct Shown<'s> {
    /// The links that the user named, one for each that was built, or none.
    pub(super) out_links: &'s [Utf8PathBuf],
    /// Whether nothing but store paths is wanted.
    pub(super) only_paths: bool,
    /// The targets that were not to be built, since they are cached.
    pub(super) skipped: &'s [String],
}

/// Shows what was built, and names what was not.
pub(super) fn built(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    names: &[TargetName],
    (built, failures): (&[Built], &[Error]),
    shown: &Shown<'_>,
) {
    let view = context.view;
    let (session, nix) = (evaluator.session, &evaluator.nix);
    let display_path =
        |path: &camino::Utf8Path| session.environment.display_path(path).into_string();
    let items = built.iter().enumerate().map(|(number, done)| {
        let mut item = json!({
            "link": done.link,
            "path": done.place,
            "store": nix.outputs.uri,
            "fetch": done.fetch,
            "manifest": done.manifest,
        });
        if let Some(pushed) = &done.pushed {
            item["pushed"] = pushed.is_ok().into();
        }
        if let Some(link) = shown.out_links.get(number) {
            item["outLink"] = json!(link);
        }
        item
    });
    context.tested(|| {
        let budget = |done: &Built| budget::of_image(&session.project, &done.manifest);
        junit::built(names, shown.skipped, built, failures, budget)
    });
    view.sum_up(!failures.is_empty());
    let mut parts = targets(items.collect(), failures);
    parts["skipped"] = json!(shown.skipped);
    let builds = view.builds();
    let builds = builds.iter().map(|build| {
        json!({
            "drvPath": build.drv,
            "machine": build.machine,
            "succeeded": !build.failed,
        })
    });
    parts["builds"] = builds.collect();
    context.parts("build", parts);
    for (number, done) in built.iter().enumerate() {
        let manifest = &done.manifest;
        if let Some(warning) = budget::image_warning(&session.project, manifest) {
            view.warn(&warning);
        }
        // Where the store has its files elsewhere, the link leads nowhere by itself.
        let is_usual = nix.outputs.root().as_os_str().is_empty();
        let link = shown.out_links.get(number).or(done.link.as_ref());
        let place = match (link, &done.place) {
            (Some(link), _) if is_usual => display_path(link),
            (_, Some(place)) => place.display().to_string(),
            (_, None) => manifest.out.to_string(),
        };
        if shown.only_paths {
            view.plain(manifest.out.as_str());
            continue;
        }
        if manifest.artifacts.is_empty() {
            view.plain(&place);
        }
        for artifact in manifest.artifacts.iter() {
            let of = match manifest.artifacts.len() {
                1 => String::new(),
                _ => format!(", {}", artifact.path),
            };
            view.note(&format!(
                "{}{of}: {}, sha256 {}",
                manifest.target,
                size(artifact.size),
                artifact.sha256
            ));
            view.plain(&artifact.below(&place));
        }
    }
    for done in built {
        if let Some(fetch) = &done.fetch {
            view.note(&format!(
                "{} is in {}, so nothing is linked here; to fetch it: {fetch}",
                done.manifest.target, nix.outputs.uri
            ));
        }
    }
    missing(view, names, shown.skipped, built);
}

/// Writes what became of the targets, and who built what, for the summary of the job that this run
/// is in, where it has one.
///
/// # Errors
/// When it cannot be written.
pub(super) fn summarize(
    context: &Context<'_>,
    names: &[TargetName],
    skipped: &[String],
    built: &[Built],
) -> Result<(), Error> {
    match context.environment.ci() {
        Some(job) if job.summary.is_some() => {
            let ended = context.view.builds();
            job.record(&builds::summary(names, skipped, built, &ended), &[])
        }
        _ => Ok(()),
    }
}

/// Says which of several targets are not there, since their errors may be about
/// derivations that many share.
fn missing(view: &View, names: &[TargetName], skipped: &[String], built: &[Built]) {
    let is_built = |name: &String| {
        skipped.contains(name) || built.iter().any(|done| done.manifest.target == *name)
    };
    let missing: Vec<String> = names
        .iter()
        .map(TargetName::to_string)
        .filter(|name| !is_built(name))
        .collect();
    if names.len() > 1 && !missing.is_empty() {
        view.warn(&format!(
            "{} of {} not built: {}",
            missing.len(),
            count(names.len(), "target"),
            missing.join(", ")
        ));
    }
}

/// Shows all failures but the first, which becomes the run's own. What several hosts have in
/// common is shown once.
pub(super) fn first_of(view: &View, failures: Vec<Error>) -> Result<(), Error> {
    let mut failures = Error::merged(failures).into_iter();
    let Some(first) = failures.next() else {
        return Ok(());
    };
    failures.for_each(|error| view.error(&error));
    Err(first)
}

/// The document of a build: its targets, and what went wrong with the others.
fn targets(items: Value, failures: &[Error]) -> Value {
    json!({ "targets": items, "errors": errors(failures) })
}

fn errors(failures: &[Error]) -> Vec<Value> {
    failures.iter().map(Error::to_json).collect()
}

/// What a target is made from: a host, or a package of the flake.
fn origin(job: &Job<'_>) -> [String; 2] {
    let request = &job.target.request;
    match &request.package {
        Some(package) => ["  package".to_owned(), package.to_string()],
        None => [
            "  host".to_owned(),
            host_line(&request.host, job.evaluated.host_name.as_deref()),
        ],
    }
}

fn host_line(host: &str, name: Option<&str>) -> String {
    match name {
        Some(name) if name != host => format!("{host}, named {name}"),
        _ => host.to_owned(),
    }
}

fn evaluated(job: &Job<'_>) -> Value {
    let Evaluated {
        system,
        host_name,
        text: artifact_name,
        ..
    } = &job.evaluated;
    json!({
        "target": job.target.name.to_string(),
        "host": job.target.request.settings_of(),
        "hostName": host_name,
        "system": system,
        "drvPath": job.derivation.drv,
        "outPath": job.derivation.out,
        "output": job.derivation.output,
        "builder": job.derivation.builder,
        "artifactName": artifact_name,
        "overrides": Forced::all(&job.target.request.overrides),
        "reference": job.snapshot.staged.reference(),
    })
}
