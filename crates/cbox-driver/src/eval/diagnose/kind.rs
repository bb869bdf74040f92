//! The kind of each error of Nix, git and the tree, and what to do about it.

use std::sync::Arc;

use cbox_nix::{
    NixError, derivations::DerivationFault, lock_file::LockFault, machine::MachineFault,
    nix_error::Cause, store_fault::StoreFault,
};
use cbox_source::SourceError;
use nix_formats::flake_lock::LockError;

use crate::{
    ci::whole_histories,
    error::{Error, Kind, Source},
    flake::audit::NO_DISK_IMAGE,
    target_name::word,
    text::nearest::suggestion,
};

/// What to do where a host offers no image at all.
const NO_IMAGES: &str = "nixpkgs 25.05 and newer offer images of every host; with an older one a host \
     offers what it imports, such as installer/cd-dvd/installation-cd-minimal.nix";

/// The error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        let (kind, hint) = match &error {
            SourceError::DiskImage { .. } => (Kind::Source, NO_DISK_IMAGE),
            SourceError::Special(_) => (
                Kind::Source,
                "remove it, or name it under `exclude` in cbox.toml",
            ),
            SourceError::Pattern { .. } => {
                (Kind::Config, "it is in the [source] section of cbox.toml")
            }
            SourceError::Changed(_) => (
                Kind::Source,
                "run cbox again once nothing writes to the tree",
            ),
            _ => (Kind::Source, ""),
        };
        Self::new(kind, with_causes(&error))
            .hint(hint)
            .from_source(Source::Tree(Arc::new(error)))
    }
}

impl From<NixError> for Error {
    fn from(error: NixError) -> Self {
        if let Some(cause @ Cause::Cache { folder, reason }) = &error.cause() {
            let message = format!("Nix cannot write to its cache in {folder}: {reason}");
            return Self::new(Kind::Environment, message)
                .hint(cause.hint())
                .from_source(Source::Nix(Arc::new(error)));
        }
        let (kind, hint) = match &error {
            NixError::NotFound(program) if program == "nix" => (
                Kind::Environment,
                "install Nix and put it on the PATH (see the README; on Debian, `scripts/setup.sh` sets it up)",
            ),
            NixError::NotFound(_) => (Kind::Environment, "install it, or put it on the PATH"),
            NixError::Store(fault) => {
                let kind = match fault {
                    StoreFault::Unreachable { .. } | StoreFault::Lost { .. } => Kind::Environment,
                    StoreFault::Refused { .. } => Kind::Output,
                    _ => Kind::Usage,
                };
                return Self::new(kind, error.to_string())
                    .hint(fault.hint())
                    .from_source(Source::Nix(Arc::new(error)));
            }
            NixError::Machine(fault) => {
                let kind = match fault {
                    MachineFault::Unreachable { .. } | MachineFault::Silent(_) => Kind::Environment,
                    MachineFault::Name(_) | MachineFault::NotNixos(_) => Kind::Usage,
                };
                (kind, fault.hint())
            }
            NixError::TooOld { .. } => (Kind::Environment, "put a newer Nix first on the PATH"),
            NixError::Failed { .. } | NixError::Start { .. } | NixError::Answer { .. } => {
                (Kind::Environment, "")
            }
            NixError::Interrupted(signal) => (Kind::Interrupted(*signal), ""),
            NixError::Input(LockError::UnknownInput { part, known, .. }) => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = suggestion(part, &known);
                return Self::new(Kind::Lock, error.to_string())
                    .hint(hint)
                    .from_source(Source::Nix(Arc::new(error)));
            }
            NixError::Lock(fault) => {
                let kind = match fault {
                    LockFault::Unavailable { .. } => Kind::Evaluation,
                    _ => Kind::Lock,
                };
                return Self::new(kind, error.to_string())
                    .hint(fault.hint())
                    .from_source(Source::Nix(Arc::new(error)));
            }
            NixError::Input(_) => (Kind::Lock, ""),
            NixError::Override(_) => (Kind::Usage, ""),
            NixError::Options(_) => (
                Kind::Usage,
                "they come from --store, from the arguments after `--`, or from nix.conf",
            ),
            NixError::NoOption { .. } => (Kind::Usage, "--set, --stamp or cbox.toml names it"),
            NixError::NoAttribute { .. } => (
                Kind::Config,
                "`attribute` and `name` of the target in cbox.toml must be options that the host has",
            ),
            NixError::Revision { .. } => (Kind::Usage, "`git log` shows the commits"),
            NixError::Submodule { .. } => (
                Kind::Source,
                "`git submodule update --init --recursive` brings it",
            ),
            NixError::MergeBase { .. } => (
                Kind::Usage,
                "name the commit to compare with: any commit will do",
            ),
            NixError::Crashed { killed: true, .. } => (
                Kind::Environment,
                "the kernel did not do that for want of memory: somebody did, or a program that watches the memory",
            ),
            NixError::Crashed { .. } => (
                Kind::Environment,
                "that is a fault of this Nix or of the machine, whatever is in the flake: run it again, or use another version of Nix",
            ),
            NixError::Memory { .. } => (Kind::Environment, "add memory or swap"),
            NixError::Derivation { fault, .. } => (
                Kind::Environment,
                match fault {
                    DerivationFault::Missing => {
                        "name a host, a target or REV:host instead, and it is evaluated again"
                    }
                    DerivationFault::Elsewhere => {
                        "`nix copy --derivation` copies it into a store on this machine"
                    }
                    _ => "",
                },
            ),
            NixError::NoHost { .. } => (Kind::Usage, "`cbox hosts` shows the hosts"),
            NixError::NoVariant { variant, names, .. } => {
                let names = names.iter().filter(|name| word(name).is_ok());
                let mut names: Vec<&str> = names.map(String::as_str).collect();
                names.sort_unstable();
                let hint = match suggestion(variant, &names) {
                    none if none.is_empty() => NO_IMAGES.to_owned(),
                    hint => hint,
                };
                return Self::new(Kind::Usage, error.to_string())
                    .hint(hint)
                    .from_source(Source::Nix(Arc::new(error)));
            }
            NixError::NoPackage { .. } => (
                Kind::Config,
                "`package` of a target in cbox.toml is the way to a derivation: \
                 package = \"packages.x86_64-linux.image\"",
            ),
            NixError::Flake { fault } | NixError::Evaluation { fault, .. } => (
                Kind::Evaluation,
                match fault.whole {
                    None => "`--show-trace` shows the full trace",
                    Some(_) => "",
                },
            ),
            NixError::Build(failure) => (kind_of_build(&failure.causes), ""),
            NixError::File { action: "read", .. } => (Kind::Source, ""),
            NixError::File { .. } => (Kind::Output, ""),
            _ => (Kind::Environment, ""),
        };
        let special = missing_history(&error)
            .or_else(|| did_you_mean(&error))
            .or_else(|| error.cause().map(|cause| cause.hint()));
        Self::new(kind, with_causes(&error))
            .hint(special.unwrap_or_else(|| hint.to_owned()))
            .from_source(Source::Nix(Arc::new(error)))
    }
}

/// Whether a build failed of itself, or had no builder that could have done it.
fn kind_of_build(causes: &[Cause]) -> Kind {
    let no_builder = |cause| {
        matches!(
            cause,
            &Cause::MissingFeature { .. } | &Cause::WrongSystem { .. } | &Cause::Idle { .. }
        )
    };
    let is_of_build = |cause: &&Cause| !matches!(cause, Cause::Unreachable { .. });
    let causes: Vec<&Cause> = causes.iter().filter(is_of_build).collect();
    match causes.as_slice() {
        [first, rest @ ..] if no_builder(first) && rest.iter().copied().all(no_builder) => {
            Kind::Unsupported
        }
        _ => Kind::Build,
    }
}

/// The names that Nix and nixpkgs take for meant.
fn did_you_mean(error: &NixError) -> Option<String> {
    match error {
        NixError::NoHost { near, .. } | NixError::NoOption { near, .. } => {
            // nixpkgs quotes `so'.
            Some(format!(
                "did you mean {}?",
                near.as_ref()?.replace('\'', "`")
            ))
        }
        _ => None,
    }
}

/// How to get the commits that a shallow clone lacks, where that is what is wrong.
fn missing_history(error: &NixError) -> Option<String> {
    match error {
        NixError::Revision {
            revision,
            shallow: true,
        } => Some(format!("{}; {} does", fetch(revision), whole_histories())),
        NixError::MergeBase { shallow: true, .. } => Some(format!(
            "`git fetch --unshallow` fetches the history; {} does",
            whole_histories()
        )),
        _ => None,
    }
}

/// The git command that brings `revision` into a shallow clone, and under which name.
fn fetch(revision: &str) -> String {
    let is_hash = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if matches!(revision.len(), 40 | 64) && is_hash(revision) {
        return format!("`git fetch --depth=1 origin {revision}` fetches that commit");
    }
    // `HEAD~2`, `v1^{commit}`, the beginning of a hash: a server knows names alone.
    if revision == "HEAD" || revision.contains(['~', '^', '@', ':']) || is_hash(revision) {
        return "`git fetch --unshallow` fetches the history".to_owned();
    }
    // A clone of one branch asks for no other unless it is told where to put it.
    let name = revision.strip_prefix("origin/").unwrap_or(revision);
    let called = match name == revision {
        true => format!(" as `origin/{name}`"),
        false => String::new(),
    };
    format!(
        "`git fetch --depth=1 origin {name}:refs/remotes/origin/{name}` fetches that commit{called}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_commit_says_how_to_get_it() {
        let missing = |revision: &str, shallow| {
            let revision = revision.to_owned();
            Error::from(NixError::Revision { revision, shallow })
        };
        let full = missing("main", false);
        assert_eq!(full.kind, Kind::Usage);
        assert_eq!(full.hint.unwrap(), "`git log` shows the commits");
        let hash = "0123456789abcdef".repeat(4);
        let branch =
            "`git fetch --depth=1 origin main:refs/remotes/origin/main` fetches that commit";
        for (revision, way) in [
            ("origin/main", format!("{branch}; ")),
            ("main", format!("{branch} as `origin/main`; ")),
            (
                "HEAD~2",
                "`git fetch --unshallow` fetches the history; ".to_owned(),
            ),
            (
                "0123456",
                "`git fetch --unshallow` fetches the history; ".to_owned(),
            ),
            (
                &hash,
                format!("`git fetch --depth=1 origin {hash}` fetches that commit; "),
            ),
        ] {
            let hint = missing(revision, true).hint.unwrap();
            assert!(hint.starts_with(&way), "{hint}");
            assert!(hint.contains("fetch-depth: 0"), "{hint}");
        }
    }
}
