//! What this machine has of what cbox needs, each with the way to get it.
//!
//! All checks run at once and none waits for long, so that the answer comes within a
//! second. What is missing for everything is bad; what only some commands need is a
//! warning.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{Interrupt, argv::Options, git, nix::Nix};
use nix_formats::system::System;
use serde::Serialize;

use crate::{
    boot::{arch::Arch, firmware::Places, kvm, window},
    error::Error,
    flake::{config::TargetConfig, project::Project},
    process::{
        environment::Environment,
        machine::{available_memory, free_space},
        options::Options as RunOptions,
        user_config::UserConfig,
    },
    text::size,
};

/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_millis(800);

/// The same of one on another machine: ssh alone may need a second.
const MORE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the store at `uri` may take to answer.
fn patience(uri: &str) -> Duration {
    match uri.contains("://") {
        true => MORE_PATIENCE,
        false => PATIENCE,
    }
}

/// With less free space nothing can be built.
const LEAST_SPACE: u64 = 1 << 30;

/// With less free space an image may not fit.
const GOOD_SPACE: u64 = 15 << 30;

/// With less free memory the evaluation of a NixOS host may not fit.
const GOOD_MEMORY: u64 = 2 << 30;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// Some commands will not do.
    Warning,
    /// Nothing will do.
    Bad,
}

/// The answer of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// The command or the setting that mends it.
    #[serde(rename = "hint")]
    pub way_out: Option<String>,
}

impl Finding {
    fn good(what: &str, found: impl Into<String>) -> Self {
        Self::new(what, Health::Good, found, "")
    }

    fn warning(what: &str, found: impl Into<String>, way_out: &str) -> Self {
        Self::new(what, Health::Warning, found, way_out)
    }

    fn bad(what: &str, found: impl Into<String>, way_out: &str) -> Self {
        Self::new(what, Health::Bad, found, way_out)
    }

    fn new(what: &str, health: Health, found: impl Into<String>, way_out: &str) -> Self {
        Self {
            what: what.to_owned(),
            health,
            found: found.into(),
            way_out: (!way_out.is_empty()).then(|| way_out.to_owned()),
        }
    }

    /// An error as the answer: its hint is the way out.
    fn error(what: &str, health: Health, error: &Error) -> Self {
        Self::new(
            what,
            health,
            error.headline(),
            error.hint.as_deref().unwrap_or_default(),
        )
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Patient<'a> {
    /// The process.
    pub environment: &'a Environment,
    /// What ends the run.
    pub interrupt: &'a Interrupt,
    /// What the run is asked for.
    pub options: &'a RunOptions,
    /// The flake here; none outside of one, or where it cannot be read.
    pub project: Option<&'a Project>,
}

/// Looks at everything.
///
/// # Errors
/// When a signal comes. What is wrong with the machine is a finding.
pub async fn examine(patient: Patient<'_>) -> Result<Vec<Finding>, Error> {
    let (nix, git, boots) = tokio::join!(nix(patient), git(patient), boots(patient));
    let mut findings = nix?;
    findings.extend(git?);
    findings.extend(boots?);
    findings.extend(preferences(patient.environment));
    findings.extend(space(patient));
    findings.push(memory());
    Ok(findings)
}

/// Nix, its store, and the systems that can be built for.
async fn nix(patient: Patient<'_>) -> Result<Vec<Finding>, Error> {
    let options = Options {
        store: patient.options.store.clone(),
        offline: patient.options.offline,
        ..Options::default()
    };
    let store_dir = patient.environment.nix_store_dir.as_deref();
    let nix = match Nix::find(options, store_dir, patient.interrupt).await {
        Ok(nix) => nix,
        Err(error) => return Ok(vec![Finding::error("nix", Health::Bad, &stopped(error)?)]),
    };
    let mut findings = vec![Finding::good("nix", nix.version.clone())];
    let nix = &nix;
    let builders = nix.settings.builders.iter().map(|builder| async move {
        let answers = nix.answers(&builder.uri, patience(&builder.uri)).await?;
        Ok::<_, Error>((builder, answers))
    });
    let store = nix.answers(&nix.outputs.uri, patience(&nix.outputs.uri));
    let (store, builders) = tokio::join!(store, futures_util::future::join_all(builders));
    findings.push(match store? {
        true => Finding::good(
            "store",
            match nix.outputs.uri.as_str() {
                "" | "auto" => format!("{}, on this machine", nix.store.dir),
                uri => uri.to_owned(),
            },
        ),
        false => Finding::bad(
            "store",
            format!("{} does not answer", nix.outputs.uri),
            &match nix.outputs.is_here() {
                true => "`nix store info` says why; with a daemon: `systemctl start nix-daemon`"
                    .to_owned(),
                false => format!("`nix store info --store {}` says why", nix.outputs.uri),
            },
        ),
    });
    let builders = builders.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (builder, answers) in &builders {
        if !answers {
            findings.push(Finding::warning(
                "builder",
                format!(
                    "{} does not answer within {} s",
                    builder.uri,
                    patience(&builder.uri).as_secs_f32()
                ),
                &format!("`nix store info --store {}` says why", builder.uri),
            ));
        }
    }
    for system in systems(patient, &nix.settings.system) {
        let builder = builders
            .iter()
            .find(|(builder, answers)| *answers && builder.builds(&system, &nix.settings.system));
        findings.push(building(
            nix,
            &system,
            builder.map(|(builder, _)| builder.uri.as_str()),
        ));
    }
    Ok(findings)
}

/// The systems that the images here are for, this machine's own first.
fn systems(patient: Patient<'_>, native: &System) -> Vec<System> {
    let mut systems = vec![native.clone()];
    let targets = patient
        .project
        .map(|project| project.config().targets)
        .unwrap_or_default();
    for system in targets.into_iter().flat_map(|target| target.systems()) {
        if !systems.contains(&system) {
            systems.push(system);
        }
    }
    systems
}

fn building(nix: &Nix, system: &System, builder: Option<&str>) -> Finding {
    let what = format!("builds for {system}");
    if *system == nix.settings.system {
        return Finding::good(&what, "this machine");
    }
    if nix
        .settings
        .extra_platforms
        .iter()
        .any(|extra| extra == system.as_str())
    {
        return Finding::good(&what, "this machine (extra-platforms)");
    }
    match builder {
        Some(uri) => Finding::good(&what, uri),
        None => Finding::warning(
            &what,
            "no builder",
            "configure a builder (`builders` in nix.conf, or `--builders`), or emulate the architecture: boot.binfmt.emulatedSystems on NixOS, \
             qemu-user-static elsewhere, and `extra-platforms` in nix.conf",
        ),
    }
}

async fn git(patient: Patient<'_>) -> Result<Vec<Finding>, Error> {
    let Some(repository) = patient
        .project
        .and_then(|project| project.repository.as_ref())
    else {
        return Ok(match git::version(patient.interrupt).await {
            Ok(version) => vec![Finding::good("git", version)],
            Err(error) => vec![Finding::error("git", Health::Warning, &stopped(error)?)],
        });
    };
    // The question that staging asks, so that it is refused for the same reasons.
    let (version, head) = tokio::join!(
        git::version(patient.interrupt),
        repository.head(patient.interrupt)
    );
    Ok(match (version, head) {
        (Ok(version), Ok(_)) => vec![Finding::good("git", version)],
        (Err(error), _) | (_, Err(error)) => {
            vec![Finding::error("git", Health::Bad, &stopped(error)?)]
        }
    })
}

/// What `cbox boot` needs, and building disk images in virtual machines: QEMU, firmware,
/// and a KVM that really starts a machine.
async fn boots(patient: Patient<'_>) -> Result<Vec<Finding>, Error> {
    let environment = patient.environment;
    let mut findings = Vec::new();
    for arch in arches(patient) {
        let what = format!("boots {}", arch.name());
        let Some(program) = environment.program(arch.program()) else {
            findings.push(Finding::warning(
                &what,
                format!("`{}` is not on the PATH", arch.program()),
                "install QEMU (Debian: qemu-system-x86, qemu-system-arm; nixpkgs: qemu)",
            ));
            continue;
        };
        let places = Places::usual(
            std::path::Path::new("/"),
            environment.firmware.as_deref(),
            environment.config_home.as_deref(),
            Some(&program),
        );
        let (accelerator, slow) = kvm::accelerator(arch, patient.interrupt).await?;
        let by = match &slow {
            None => accelerator.name().to_owned(),
            Some(reason) => format!("emulated: {reason}"),
        };
        let by = match window::missing(environment, &program, patient.interrupt).await? {
            None => format!("{by}; in a window"),
            Some(reason) => format!("{by}; on the serial console: {reason}"),
        };
        findings.push(match (places.find(arch), &slow) {
            (None, _) => Finding::warning(
                &what,
                "no UEFI firmware was found",
                "install it (Debian: ovmf, qemu-efi-aarch64), or set CBOX_FIRMWARE_DIR to its folder",
            ),
            (Some(_), Some(_)) if arch.name() == std::env::consts::ARCH => Finding::warning(
                &what,
                by,
                "load kvm_intel or kvm_amd, enable virtualisation in the firmware (nested, in a virtual machine), \
                 and join the group `kvm`; emulation is slow, and images that are assembled in a virtual machine cannot be built",
            ),
            (Some(_), _) => Finding::good(&what, by),
        });
    }
    Ok(findings)
}

/// The architectures that images here are for, as far as cbox boots them.
fn arches(patient: Patient<'_>) -> Vec<Arch> {
    let targets = patient
        .project
        .map(|project| project.config().targets)
        .unwrap_or_default();
    let mut arches: Vec<Arch> = Vec::new();
    for system in targets.iter().flat_map(TargetConfig::systems) {
        if let Some(arch) = Arch::of(&system)
            && !arches.contains(&arch)
        {
            arches.push(arch);
        }
    }
    arches
}

/// What counts for this user in all flakes, and where it comes from.
fn preferences(environment: &Environment) -> Vec<Finding> {
    const WHAT: &str = "your settings";
    let mut found: Vec<String> = Vec::new();
    let variables = [
        (
            "CBOX_FLAKE",
            environment.flake.as_ref().map(|flake| flake.as_str()),
        ),
        ("CBOX_HEARTBEAT", environment.heartbeat.as_deref()),
    ];
    for (name, value) in variables {
        found.extend(value.map(|value| format!("{name} {value}")));
    }
    let Some(home) = &environment.config_home else {
        return vec![];
    };
    let file = UserConfig::file(home);
    match &environment.user {
        Err(error) => return vec![Finding::error(WHAT, Health::Bad, error)],
        Ok(config) => match (config.settings().join(", "), file.exists()) {
            (_, false) => found.push(format!("no {file}")),
            (settings, true) if settings.is_empty() => found.push(format!("none in {file}")),
            (settings, true) => found.push(format!("{settings} from {file}")),
        },
    }
    vec![Finding::good(WHAT, found.join("; "))]
}

fn space(patient: Patient<'_>) -> Vec<Finding> {
    let store = patient
        .environment
        .nix_store_dir
        .as_deref()
        .unwrap_or(nix_formats::store_path::DEFAULT_STORE_DIR);
    let places = [
        (
            "space in the store",
            Utf8PathBuf::from(store),
            "`nix store gc` frees what nothing needs; `cbox status` shows what cbox keeps",
        ),
        (
            "space for temporary files",
            patient.environment.temporary.clone(),
            "free some space, or set TMPDIR to a folder with more",
        ),
    ];
    let finding = |(what, path, way_out): (&str, Utf8PathBuf, &str)| {
        let free = free_space(existing(&path).as_std_path())?;
        let found = format!("{} free in {path}", size(free));
        Some(match free {
            free if free < LEAST_SPACE => Finding::bad(what, found, way_out),
            free if free < GOOD_SPACE => Finding::warning(what, found, way_out),
            _ => Finding::good(what, found),
        })
    };
    places.into_iter().filter_map(finding).collect()
}

/// The path, or the nearest above it that is there.
fn existing(path: &Utf8Path) -> &Utf8Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}

fn memory() -> Finding {
    const WHAT: &str = "memory";
    match available_memory() {
        None => Finding::good(WHAT, "unknown"),
        Some(free) if free < GOOD_MEMORY => Finding::warning(
            WHAT,
            format!("{} free", size(free)),
            "evaluating a NixOS host takes 1.5 GB or more: add swap, or close other programs",
        ),
        Some(free) => Finding::good(WHAT, format!("{} free", size(free))),
    }
}

/// The error, unless it is that a signal came.
fn stopped(error: cbox_nix::NixError) -> Result<Error, Error> {
    let error = Error::from(error);
    match error.kind {
        crate::error::Kind::Interrupted(_) => Err(error),
        _ => Ok(error),
    }
}
