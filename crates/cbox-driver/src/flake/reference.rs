//! What names a flake where Nix users type it: a folder, whose working tree is worked on, or a
//! reference that Nix fetches (`github:owner/repo`), whose tree in the store can only be read;
//! and behind `#` what is meant in it.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{
    NixError, argv,
    fetch::{self, Tree},
    nix::Nix,
    nix_error::Cause,
};
use nix_formats::nix_text::{percent_decoded, query_value, without_escapes};

use super::session::Hears;
use crate::{
    error::{Error, Kind},
    flake::{checkout::short_revision, project::FLAKE},
    process::{environment::Environment, options::Options},
    progress::Event,
    target_name::{HOSTS, word},
    text::nearest::{nearest, quoted},
};

/// What names a flake.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The flake around the working directory.
    Here,
    /// The flake in this folder, as it was typed.
    Folder(Utf8PathBuf),
    /// One that Nix fetches, as Nix takes it from any folder.
    Fetched(String),
}

/// The beginnings of what Nix fetches, up to the colon. (`path:` and `git+file:` are folders
/// unless something in them is asked for that only Nix can give.)
const SCHEMES: &[&str] = &[
    "flake",
    "github",
    "gitlab",
    "sourcehut",
    "git",
    "git+http",
    "git+https",
    "git+ssh",
    "hg+http",
    "hg+https",
    "hg+ssh",
    "hg+file",
    "http",
    "https",
    "tarball+http",
    "tarball+https",
    "tarball+file",
    "file+http",
    "file+https",
    "file+file",
];

/// What stands before a folder.
const FOLDER_SCHEMES: [&str; 2] = ["path", "git+file"];

impl Reference {
    /// Understands `text`, which stands where nothing but a flake can.
    ///
    /// # Errors
    /// When it is a reference, but not one of a flake.
    pub fn parse(environment: &Environment, text: &str) -> Result<Self, Error> {
        match text {
            "" | "." => return Ok(Self::Here),
            // Whatever its name looks like.
            _ if environment.absolute(text.into()).is_dir() => {
                return Ok(Self::Folder(text.into()));
            }
            _ => {}
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = match path.split_once(':') {
            Some((scheme, _)) if SCHEMES.contains(&scheme) => {
                return Ok(Self::Fetched(text.to_owned()));
            }
            Some((scheme, path)) if FOLDER_SCHEMES.contains(&scheme) => {
                percent_decoded(path.strip_prefix("//").unwrap_or(path))
            }
            _ if query.is_empty() => return Ok(Self::Folder(text.into())),
            _ => path.to_owned(),
        };
        let mut dir = None;
        let mut is_plain = true;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.strip_prefix("dir=") {
                Some(value) => dir = Some(percent_decoded(value)),
                None => is_plain = false,
            }
        }
        if is_plain {
            let folder = match path.as_str() {
                "" => Utf8PathBuf::from("."),
                path => path.into(),
            };
            return Ok(match dir {
                Some(dir) => Self::Folder(folder.join(dir)),
                None if folder == "." => Self::Here,
                None => Self::Folder(folder),
            });
        }
        // A state of it that is not the working tree.
        let scheme = match text.starts_with("path:") {
            true => "path:",
            false => "git+file://",
        };
        let folder = environment.absolute(path.as_str().into());
        let folder = folder.canonicalize_utf8().unwrap_or(folder);
        let folder = query_value(folder.as_str());
        Ok(Self::Fetched(format!("{scheme}{folder}?{query}")))
    }

    /// What a run works with: what `flake` names, or `CBOX_FLAKE`, or the flake that is here.
    ///
    /// # Errors
    /// As [`Reference::parse`].
    pub fn of_run(environment: &Environment, flake: Option<&Utf8Path>) -> Result<Self, Error> {
        match (flake, &environment.flake) {
            (Some(flake), _) => Self::parse(environment, flake.as_str()),
            (None, Some(flake)) => match Self::of_option(environment, flake.as_str())? {
                (reference, None) => Ok(reference),
                (_, Some(fragment)) => {
                    let message = format!(
                        "CBOX_FLAKE names `#{fragment}` in a flake, but it is for every command"
                    );
                    Err(Error::new(Kind::Usage, message).hint("let it name the flake alone"))
                }
            },
            (None, None) => Ok(Self::Here),
        }
    }

    /// Understands `text`, a word that may as well stand for something else, as a flake and what
    /// is meant in it; `None` where it is no such.
    ///
    /// # Errors
    /// As [`Reference::parse`].
    pub fn of_word(
        environment: &Environment,
        text: &str,
    ) -> Result<Option<(Self, Option<String>)>, Error> {
        let (before, fragment) = match text.split_once('#') {
            Some((before, fragment)) => (before, Some(percent_decoded(fragment))),
            None => (text, None),
        };
        let scheme = before.split_once(':').map(|(scheme, _)| scheme);
        let has_scheme = scheme
            .is_some_and(|scheme| SCHEMES.contains(&scheme) || FOLDER_SCHEMES.contains(&scheme));
        let is_path = || before.is_empty() || before.starts_with(['.', '/']);
        let has_flake = || environment.absolute(before.into()).join(FLAKE).is_file();
        let is_reference = match &fragment {
            // `out/a` and `HEAD~1:a` are other things, and a path may be a link or a file.
            None => has_scheme || before == "." || before == "..",
            // A branch may have a `#` in its name: `fix#12:box`.
            Some(fragment) => has_scheme || is_path() || !fragment.contains(':') && has_flake(),
        };
        let is_file = || environment.absolute(text.into()).symlink_metadata().is_ok();
        if !is_reference || fragment.is_some() && is_file() {
            return Ok(None);
        }
        Ok(Some((Self::parse(environment, before)?, fragment)))
    }

    /// Understands `text`, the value of `--flake`, as a flake and what is meant in it.
    ///
    /// # Errors
    /// As [`Reference::parse`].
    pub fn of_option(
        environment: &Environment,
        text: &str,
    ) -> Result<(Self, Option<String>), Error> {
        match text.split_once('#') {
            Some((before, fragment)) if !environment.absolute(text.into()).is_dir() => Ok((
                Self::parse(environment, before)?,
                Some(percent_decoded(fragment)).filter(|fragment| !fragment.is_empty()),
            )),
            _ => Ok((Self::parse(environment, text)?, None)),
        }
    }

    /// As `--flake` takes it.
    #[must_use]
    pub fn as_option(&self) -> &str {
        match self {
            Self::Here => ".",
            Self::Folder(folder) => folder.as_str(),
            Self::Fetched(reference) => reference,
        }
    }

    /// Whether both name the same flake.
    #[must_use]
    pub fn is_same(&self, other: &Self, environment: &Environment) -> bool {
        let place = |reference: &Self| {
            let folder = match reference {
                Self::Here => around(&environment.folder)?.to_owned(),
                Self::Folder(folder) => environment.absolute(folder),
                Self::Fetched(_) => return None,
            };
            folder.canonicalize_utf8().ok()
        };
        self == other || place(self).is_some_and(|one| Some(one) == place(other))
    }
}

/// `folder`, or the nearest above it, with a `flake.nix`.
pub(super) fn around(folder: &Utf8Path) -> Option<&Utf8Path> {
    folder
        .ancestors()
        .find(|folder| folder.join(FLAKE).is_file())
}

/// What is meant in a flake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// A host.
    Host(String),
    /// An image that a host offers: the host and the variant.
    Variant(String, String),
    /// A target as the command line has it: `appliance/iso`.
    Target(String),
}

impl fmt::Display for Meant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(formatter, "{HOSTS}/{host}"),
            Self::Variant(host, variant) => write!(formatter, "{host}/{variant}"),
            Self::Target(target) => formatter.write_str(target),
        }
    }
}

/// The outputs of a flake that have no hosts.
const OUTPUTS: &[&str] = &[
    "apps",
    "checks",
    "darwinConfigurations",
    "devShell",
    "devShells",
    "formatter",
    "homeConfigurations",
    "hydraJobs",
    "legacyPackages",
    "lib",
    "nixosModules",
    "overlays",
    "packages",
];

impl Meant {
    /// Understands what stands behind the `#`.
    ///
    /// # Errors
    /// When it is nothing that is built from a host.
    pub fn parse(fragment: &str) -> Result<Self, Error> {
        // What `nix build` takes for all outputs, or the one that there is.
        let attribute = fragment
            .strip_suffix("^out")
            .or(fragment.strip_suffix("^*"))
            .unwrap_or(fragment);
        if attribute.contains('/') {
            return Ok(match attribute.split_once('/') {
                Some((HOSTS, host)) => Self::Host(checked(host, fragment)?),
                _ => Self::Target(attribute.to_owned()),
            });
        }
        let parts = split(attribute);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let build = ["config", "system", "build"];
        let (host, behind) = match parts.as_slice() {
            ["nixosConfigurations", host, behind @ ..] => (*host, behind),
            [first, _, ..] if OUTPUTS.contains(first) => return Err(no_host(attribute)),
            // As nixos-rebuild takes it, where a dot is a part of the name.
            _ => return Ok(Self::Host(checked(attribute.trim_matches('"'), fragment)?)),
        };
        let host = checked(host, fragment)?;
        let variant = match behind {
            [] => return Ok(Self::Host(host)),
            behind => match behind.strip_prefix(&build) {
                Some(["toplevel"]) => return Ok(Self::Host(host)),
                Some(["images", variant]) => (*variant).to_owned(),
                Some(["isoImage"]) => "iso".to_owned(),
                Some(["sdImage"]) => "sd-card".to_owned(),
                _ => {
                    let behind = behind.join(".");
                    let message =
                        format!("`{behind}` of host `{host}` is no image that cbox knows");
                    return Err(Error::new(Kind::Usage, message).hint(format!(
                        "`cbox list {host}` shows those that it offers; a [[target]] of cbox.toml \
                         can name any other: host = \"{host}\", attribute = \"{}\"",
                        behind.strip_prefix("config.").unwrap_or(&behind)
                    )));
                }
            },
        };
        Ok(Self::Variant(host, checked(&variant, fragment)?))
    }
}

fn checked(name: &str, fragment: &str) -> Result<String, Error> {
    word(name).map_err(|_| {
        let message = format!("`#{fragment}` names no host");
        Error::new(Kind::Usage, message)
            .hint("write `#HOST` or `#nixosConfigurations.HOST`; `cbox list` shows the hosts")
    })
}

fn no_host(attribute: &str) -> Error {
    let message = format!("`#{attribute}` is no host, and cbox builds hosts and targets");
    Error::new(Kind::Usage, message).hint(format!(
        "a [[target]] of cbox.toml makes a target of it: package = \"{attribute}\"; `nix build` \
         builds it as it is"
    ))
}

/// The parts of an attribute path, quoted or not.
fn split(attribute: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    for character in attribute.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            other => {
                if let Some(last) = parts.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    parts
}

/// A flake that Nix fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// As it was asked for, without credentials: it is recorded beside images.
    pub reference: String,
    /// The commit, where it is of one.
    pub revision: Option<String>,
}

impl Fetched {
    /// One that is not fetched yet.
    #[must_use]
    pub fn called(reference: &str) -> Self {
        Self {
            reference: without_credentials(reference),
            revision: None,
        }
    }

    /// What it is called in a sentence: `github:o/r (0123456789)`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.revision {
            Some(revision) if !self.reference.contains(revision.as_str()) => {
                format!("{} ({})", self.reference, short_revision(revision))
            }
            _ => self.reference.clone(),
        }
    }

    /// The error for what needs more than its files.
    #[must_use]
    pub fn lacks(&self, what: &str) -> Error {
        let message = format!("{} is a flake that Nix fetched, so {what}", self.reference);
        Error::new(Kind::Usage, message).hint("clone it, and name the clone with `--flake DIR`")
    }
}

/// `reference` without a name and a password before the host. (The name for SSH is none that
/// anybody keeps to themselves.)
fn without_credentials(reference: &str) -> String {
    let Some((scheme, rest)) = reference.split_once("://") else {
        return reference.to_owned();
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, host)) if !scheme.ends_with("ssh") || user.contains(':') => {
            format!("{scheme}://{host}{}", &rest[authority.len()..])
        }
        _ => reference.to_owned(),
    }
}

/// The tree of a flake that Nix fetched.
#[derive(Debug)]
pub struct FetchedTree {
    /// What it is.
    pub fetched: Fetched,
    /// Where its files are.
    pub top: Utf8PathBuf,
    /// The folder of `flake.nix` in it.
    pub folder: Utf8PathBuf,
}

/// Has Nix fetch `reference`, unless it did before.
///
/// # Errors
/// When it cannot be fetched, or is no flake.
pub async fn fetch(
    environment: &Environment,
    options: &Options,
    (reporter, interrupt): Hears<'_>,
    reference: &str,
) -> Result<FetchedTree, Error> {
    let wanted = argv::Options {
        store: options.store_uri(environment),
        offline: options.offline,
        ..argv::Options::default()
    };
    let nix = Nix::find(wanted, environment.nix_store_dir.as_deref(), interrupt).await?;
    let mut fetched = Fetched::called(reference);
    reporter.report(Event::Doing(&format!("fetching {}", fetched.reference)));
    let tree = fetch::fetch(&nix, reference).await;
    let Tree {
        path,
        revision,
        dir,
    } = tree.map_err(|error| not_fetched(&fetched.reference, options.offline, error))?;
    fetched.revision = revision;
    let top = nix.store.physical(path.as_str()).map(Utf8PathBuf::try_from);
    let Some(Ok(top)) = top else {
        let message = format!("the files of {} are not on this machine", fetched.label());
        return Err(Error::new(Kind::Environment, message));
    };
    let folder = match dir.as_deref() {
        None | Some("") => top.clone(),
        Some(dir) => top.join(dir),
    };
    if !folder.join(FLAKE).is_file() {
        let label = fetched.label();
        let message = match dir {
            Some(dir) => format!("there is no {FLAKE} in the folder {dir} of {label}"),
            None => format!("there is no {FLAKE} in {label}"),
        };
        return Err(Error::new(Kind::Config, message)
            .hint("`?dir=FOLDER` at the end of the reference says in which folder it is"));
    }
    Ok(FetchedTree {
        fetched,
        top,
        folder,
    })
}

/// What it means that `reference` cannot be fetched.
fn not_fetched(reference: &str, is_offline: bool, error: NixError) -> Error {
    let NixError::Failed { stderr, .. } = &error else {
        return error.into();
    };
    if matches!(error.cause(), Some(Cause::Cache { .. })) {
        return error.into();
    }
    let said = without_escapes(stderr);
    let reason = fetch::Reason::of(&said);
    let (kind, hint) = match reason {
        fetch::Reason::NoSuch => (
            Kind::Usage,
            "check the name and the revision; what is private needs access (`access-tokens` of Nix, \
             or an SSH key)",
        ),
        fetch::Reason::NoReference => (
            Kind::Usage,
            "cbox takes what `nix flake metadata` takes: `github:OWNER/REPO`, `git+https://…`, \
             `path:DIR`, or a folder",
        ),
        fetch::Reason::Unreachable if is_offline => (
            Kind::Environment,
            "without `--offline` it is fetched; with it, only what Nix has fetched before is there",
        ),
        fetch::Reason::Unreachable => (
            Kind::Environment,
            "check the network, and that it is there; a clone on this machine will do as well: \
             `--flake DIR`",
        ),
    };
    let what = fetch::told(&said);
    Error::new(kind, format!("{reference} cannot be fetched: {what}")).hint(hint)
}

/// The error for a folder that is not there, whose name may be one that Nix's registry has.
pub(super) fn no_folder(text: &Utf8Path, by: &str, error: &std::io::Error) -> Error {
    let is_name = word(text.as_str()).is_ok();
    let scheme = text.as_str().split_once(':').map(|(scheme, _)| scheme);
    let scheme = scheme.filter(|scheme| !scheme.contains('/'));
    let more = match scheme {
        Some(scheme) => {
            let known = FOLDER_SCHEMES.iter().chain(SCHEMES).copied();
            match nearest(scheme, known).as_slice() {
                [] => ", such as `github:OWNER/REPO`".to_owned(),
                near => format!(": did you mean {}?", quoted(near, "or")),
            }
        }
        None if is_name && error.kind() == std::io::ErrorKind::NotFound => {
            format!("; what Nix's registry calls `{text}` is `flake:{text}`")
        }
        None => String::new(),
    };
    Error::file(Kind::Config, "open the folder", text, error).hint(format!(
        "{by} takes the folder of a flake.nix, or a reference that Nix fetches{more}"
    ))
}

#[cfg(test)]
mod tests;
