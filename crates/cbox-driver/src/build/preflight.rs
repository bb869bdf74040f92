//! What would make a build fail, found before it begins.

use camino::Utf8Path;
use cbox_nix::{derivations, plan::Plan};
use nix_formats::derivation::{Derivation, STRUCTURED};

use crate::{
    build::Job,
    error::{Error, Kind},
    eval::evaluator::Evaluator,
    process::machine::free_space,
    target_name::TargetName,
    text::size,
};

/// With more free space than this in the store, nobody asks how much a build needs.
const PLENTY: u64 = 20 << 30;

/// What is kept free beside what a build fetches, for what it makes.
const ROOM: u64 = 1 << 30;

/// Refuses a build that cannot succeed here, unless there is nothing to build.
pub async fn check(evaluator: &Evaluator<'_>, job: &Job<'_>) -> Result<(), Error> {
    let nix = &evaluator.nix;
    let out = job.derivation.out.as_ref();
    // What another machine can do, and how much room it has, only that machine knows.
    if !nix.outputs.is_here() || out.is_some_and(|out| nix.outputs.holds(out) == Some(true)) {
        return Ok(());
    }
    let wrong_system = !nix.can_build(&job.derivation.builder);
    let lacking = lacking_features(evaluator, job);
    let free = nix
        .outputs
        .physical(&nix.outputs.dir)
        .and_then(|dir| free_space(&dir));
    let tight = free.is_some_and(|free| free < PLENTY);
    if !wrong_system && lacking.is_empty() && !tight {
        return Ok(());
    }
    // Asking what there is to do takes a while, so only now.
    let plan = cbox_nix::build::plan(nix, &[job.derivation.installable()]).await?;
    if plan.build.is_empty() && plan.unknown.is_empty() {
        return check_space(&plan, free, evaluator);
    }
    if wrong_system {
        return Err(other_system(evaluator, job));
    }
    if plan.build.iter().any(|drv| *drv == *job.derivation.drv) && !lacking.is_empty() {
        return Err(without(&lacking, job));
    }
    check_space(&plan, free, evaluator)
}

fn other_system(evaluator: &Evaluator<'_>, job: &Job<'_>) -> Error {
    let message = format!(
        "{} must be built on {}, but this machine only builds for {}",
        job.target.name, job.derivation.builder, evaluator.nix.settings.system
    );
    let cross = match job.target.name {
        TargetName::Image { .. } => {
            ", or set `cross = true` in cbox.toml if the flake can cross-compile"
        }
        TargetName::Host { .. } => "",
    };
    Error::new(Kind::Unsupported, message).hint(format!(
        "name a remote builder with `--builders`, or emulate the architecture \
         (boot.binfmt.emulatedSystems and extra-platforms){cross}; `cbox doctor` shows what there is"
    ))
}

/// The features that the target's own derivation needs and that no machine here offers.
/// What cannot be read is left to Nix.
fn lacking_features(evaluator: &Evaluator<'_>, job: &Job<'_>) -> Vec<String> {
    let settings = &evaluator.nix.settings;
    let read = derivations::read(&evaluator.nix.store, &[&job.derivation.drv]);
    let Some(derivation) = read.ok().and_then(|read| read.into_iter().next()) else {
        return vec![];
    };
    let needed = required_features(&derivation);
    let offered = |features: &[String]| needed.iter().all(|feature| features.contains(feature));
    let elsewhere = settings.builders.iter().any(|builder| {
        builder.builds(&job.derivation.builder, &settings.system) && offered(&builder.features)
    });
    if elsewhere {
        return vec![];
    }
    let is_lacking = |feature: &String| !settings.system_features.contains(feature);
    needed.into_iter().filter(is_lacking).collect()
}

/// The features in `requiredSystemFeatures`, a text or an attribute of `__json`.
pub fn required_features(derivation: &Derivation) -> Vec<String> {
    const NAME: &str = "requiredSystemFeatures";
    if let Some(text) = derivation.variable(NAME.as_bytes()) {
        let text = String::from_utf8_lossy(text);
        return text.split_whitespace().map(str::to_owned).collect();
    }
    let attributes = derivation.variable(STRUCTURED).unwrap_or_default();
    let attributes: serde_json::Value = serde_json::from_slice(attributes).unwrap_or_default();
    let list = attributes[NAME].as_array().into_iter().flatten();
    list.filter_map(|feature| feature.as_str().map(str::to_owned))
        .collect()
}

fn without(lacking: &[String], job: &Job<'_>) -> Error {
    let features = lacking.join(", ");
    let hint = match lacking.iter().any(|feature| feature == "kvm") {
        true => {
            "the image is made in a virtual machine: use a machine with /dev/kvm and `system-features = kvm …` \
             in nix.conf, or a builder that has it (`--builders`); `cbox doctor` shows what there is"
        }
        false => {
            "add it to `system-features` in nix.conf, or use a builder that has it (`--builders`)"
        }
    };
    Error::new(
        Kind::Unsupported,
        format!(
            "{} needs the feature {features}, and no builder here offers it",
            job.target.name
        ),
    )
    .hint(hint)
}

fn check_space(plan: &Plan, free: Option<u64>, evaluator: &Evaluator<'_>) -> Result<(), Error> {
    let needed = plan.unpacked_bytes + if plan.build.is_empty() { 0 } else { ROOM };
    match free {
        Some(free) if free < needed => Err(Error::new(
            Kind::Environment,
            format!(
                "{} has {} free, but the build needs at least {}",
                Utf8Path::new(&evaluator.nix.store.dir),
                size(free),
                size(needed)
            ),
        )
        .hint("`nix store gc` frees what nothing needs; `cbox status` shows what cbox keeps")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_either_form() {
        let read = |environment: &str| {
            let text = format!(r#"Derive([("out","","","")],[],[],"s","b",[],[{environment}])"#);
            required_features(&Derivation::from_aterm_bytes(text.as_bytes()).unwrap())
        };
        assert_eq!(
            read(r#"("requiredSystemFeatures","kvm big-parallel")"#),
            ["kvm", "big-parallel"]
        );
        assert_eq!(
            read(r#"("__json","{\"requiredSystemFeatures\":[\"kvm\"]}")"#),
            ["kvm"]
        );
        assert!(read(r#"("name","x")"#).is_empty());
    }
}
