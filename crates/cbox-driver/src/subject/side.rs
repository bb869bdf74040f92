//! What a word can name besides a target: a commit's target, a `.drv` file, a link into the
//! store or a path in it.

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::store::Store;
use nix_formats::derivation::EXTENSION;

use crate::{
    environment::Environment,
    error::{Error, Kind},
};

/// How the paths of cbox's own links begin, which no target's name does.
const LINKS: &str = "out/";

/// One side, as far as the words alone tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// A `.drv` file.
    Derivation(Utf8PathBuf),
    /// A link into the store, or a path in it.
    Output(Utf8PathBuf),
    /// A target, at a commit or in the working tree.
    Target {
        /// The commit; `None` for the working tree.
        revision: Option<String>,
        /// The target or host.
        name: String,
    },
}

impl Side {
    /// The version of the flake that it is of: a commit, or (`Some(None)`) the working tree.
    pub fn revision(&self) -> Option<Option<&str>> {
        match self {
            Self::Target { revision, .. } => Some(revision.as_deref()),
            Self::Derivation(_) | Self::Output(_) => None,
        }
    }

    /// Understands what was typed.
    pub fn parse(environment: &Environment, text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(Kind::Usage, "an empty word names nothing")
                .hint("`cbox list` shows the targets, `cbox hosts` the hosts"));
        }
        let path = environment.absolute(Utf8Path::new(text));
        // Without the `.` of `./result`.
        let path: Utf8PathBuf = path.components().collect();
        let is_path = text.starts_with(['/', '.'])
            || text.starts_with(LINKS)
            || path
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink());
        if text.ends_with(EXTENSION) && (is_path || path.exists()) {
            return Ok(Self::Derivation(path));
        }
        if is_path {
            return Ok(Self::Output(path));
        }
        match text.split_once(':') {
            Some(("", _) | (_, "")) => {
                Err(Error::new(Kind::Usage, format!("`{text}` is no REV:host"))
                    .hint("a commit stands before the colon, a host or a target behind it"))
            }
            Some((revision, name)) => Ok(Self::Target {
                revision: Some(revision.to_owned()),
                name: name.to_owned(),
            }),
            None => Ok(Self::Target {
                revision: None,
                name: text.to_owned(),
            }),
        }
    }
}

/// Where the links at `path` end.
pub fn target_of(environment: &Environment, path: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    path.canonicalize_utf8().map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "`cbox status` shows the links, `cbox list` the targets",
            _ => "",
        };
        Error::file(Kind::Usage, "open", environment.shown(path), &error).hint(hint)
    })
}

/// The store's own name for a place in it; `None` for a place elsewhere.
pub fn inside<'a>(store: &Store, place: &'a Utf8Path) -> Option<&'a str> {
    let root = store.root().to_string_lossy();
    let inside = place
        .as_str()
        .strip_prefix(&*root)
        .unwrap_or(place.as_str());
    inside
        .starts_with(&format!("{}/", store.dir))
        .then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_meant() {
        let environment = Environment::unknown();
        let target = |revision: Option<&str>, name: &str| Side::Target {
            revision: revision.map(str::to_owned),
            name: name.to_owned(),
        };
        let side = |text: &str| Side::parse(&environment, text);
        assert_eq!(side("box").unwrap(), target(None, "box"));
        assert_eq!(
            side("appliance/iso").unwrap(),
            target(None, "appliance/iso")
        );
        assert_eq!(
            side("v1:hosts/box").unwrap(),
            target(Some("v1"), "hosts/box")
        );
        assert_eq!(
            side("HEAD~1:appliance/iso/aarch64").unwrap(),
            target(Some("HEAD~1"), "appliance/iso/aarch64")
        );
        assert!(matches!(
            side("/nix/store/x-y.drv").unwrap(),
            Side::Derivation(_)
        ));
        assert!(matches!(
            side("./out/appliance-iso").unwrap(),
            Side::Output(_)
        ));
        assert!(matches!(
            side("out/appliance-iso").unwrap(),
            Side::Output(_)
        ));
        assert!(side(":box").is_err() && side("v1:").is_err() && side("").is_err());
    }
}
