//! From a word on the command line to what it names: a target or a host, in the working tree
//! or at a commit, a `.drv` file, a link into the store or a path in it, a machine.
//!
//! [`words`] takes the words of a command line apart, [`Subject`] is what one alone tells, and
//! [`find`] looks for it. [`target`] says what is evaluated for
//! a target, [`variants`] which images a host offers by itself.

pub mod find;
pub mod target;
pub mod variants;
pub mod words;

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{NixError, machine::Machine};
use nix_formats::derivation::EXTENSION;

use crate::{
    error::{Error, Kind},
    flake::reference::{Meant, Reference},
    process::environment::Environment,
    target_name::{TargetName, word},
};

/// How the paths of cbox's own links begin, which no target's name does.
const LINKS: &str = "out/";

/// What a word names, as far as it alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A `.drv` file.
    Derivation(Utf8PathBuf),
    /// A link into the store, or a path in it.
    Output(Utf8PathBuf),
    /// A machine behind ssh, whose running system is meant.
    Machine(Machine),
    /// A target, at a commit, in another flake or in the working tree.
    Target {
        /// Where; `None` for the working tree.
        revision: Option<Origin>,
        /// The target or host.
        name: TargetName,
    },
}

/// Where a target is that is not in the working tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// At a commit.
    Commit(String),
    /// In another flake.
    Flake(Reference),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Commit(revision) => revision,
            Self::Flake(reference) => reference.as_option(),
        })
    }
}

impl Subject {
    /// The version of the flake that it is of, or (`Some(None)`) the working tree.
    pub fn revision(&self) -> Option<Option<&Origin>> {
        match self {
            Self::Target { revision, .. } => Some(revision.as_ref()),
            Self::Derivation(_) | Self::Output(_) | Self::Machine(_) => None,
        }
    }

    /// Understands what was typed.
    ///
    /// # Errors
    /// When it names nothing that there can be.
    pub fn parse(environment: &Environment, text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(Kind::Usage, "an empty word names nothing")
                .hint("`cbox list` shows the targets, `cbox hosts` the hosts"));
        }
        if let Some((reference, Some(fragment))) = Reference::of_word(environment, text)? {
            let name = Meant::parse(&fragment)?.to_string();
            return Ok(Self::Target {
                revision: Some(Origin::Flake(reference)),
                name: target::parse_name(&name)?,
            });
        }
        if Machine::is_meant(text) {
            return Ok(Self::Machine(Machine::parse(text).map_err(NixError::from)?));
        }
        // A derivation with an output of it, as `nix build` and `nix-store` write it, is compared
        // like the derivation.
        let text = without_output(text);
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
                Err(Error::new(Kind::Usage, format!("`{text}` is not REV:host"))
                    .hint("write a commit, a colon, and a host or a target"))
            }
            Some((revision, name)) => Ok(Self::Target {
                revision: Some(Origin::Commit(revision.to_owned())),
                name: target::parse_name(name)?,
            }),
            None => Ok(Self::Target {
                revision: None,
                name: target::parse_name(text).map_err(|error| match is_login(text) {
                    true => error.hint(format!("a machine is written `ssh://{text}`")),
                    false => error,
                })?,
            }),
        }
    }
}

/// Whether `text` is a user of a machine, as ssh takes them: `root@box`.
fn is_login(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(user, machine)| word(user).is_ok() && word(machine).is_ok())
}

/// `text` without what stands behind the name of a derivation: `x.drv^out`, `x.drv!out`.
fn without_output(text: &str) -> &str {
    let output = text.rfind(['^', '!']);
    let derivation = output.map(|output| &text[..output]);
    derivation
        .filter(|derivation| derivation.ends_with(EXTENSION))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_meant() {
        let environment = Environment::unknown();
        let target = |revision: Option<&str>, name: &str| Subject::Target {
            revision: revision.map(|revision| Origin::Commit(revision.to_owned())),
            name: target::parse_name(name).unwrap(),
        };
        let subject = |text: &str| Subject::parse(&environment, text);
        assert_eq!(subject("box").unwrap(), target(None, "box"));
        assert_eq!(
            subject("appliance/iso").unwrap(),
            target(None, "appliance/iso")
        );
        assert_eq!(
            subject("v1:hosts/box").unwrap(),
            target(Some("v1"), "hosts/box")
        );
        assert_eq!(
            subject("HEAD~1:appliance/iso/aarch64").unwrap(),
            target(Some("HEAD~1"), "appliance/iso/aarch64")
        );
        assert!(matches!(
            subject("/nix/store/x-y.drv").unwrap(),
            Subject::Derivation(_)
        ));
        for output in ["^out", "!out", "^*", "^dev,out", ""] {
            let text = format!("/nix/store/x-y.drv{output}");
            let derivation = Subject::Derivation("/nix/store/x-y.drv".into());
            assert_eq!(subject(&text).unwrap(), derivation, "{text}");
        }
        assert_eq!(subject("v1^:box").unwrap(), target(Some("v1^"), "box"));
        assert!(matches!(
            subject("./out/appliance-iso").unwrap(),
            Subject::Output(_)
        ));
        assert!(matches!(
            subject("out/appliance-iso").unwrap(),
            Subject::Output(_)
        ));
        assert_eq!(
            subject("github:o/r#box").unwrap(),
            Subject::Target {
                revision: Some(Origin::Flake(Reference::Fetched("github:o/r".into()))),
                name: target::parse_name("hosts/box").unwrap(),
            }
        );
        assert_eq!(
            subject("fix#12:box").unwrap(),
            target(Some("fix#12"), "box")
        );
        assert!(matches!(
            subject("ssh://root@box").unwrap(),
            Subject::Machine(_)
        ));
        assert!(subject("ssh://").is_err());
        for (text, hint) in [
            ("nobody@127.0.0.1", "`ssh://nobody@127.0.0.1`"),
            ("HEAD@{1}", "`cbox list`"),
            ("nixpkgs#hello", "`flake:nixpkgs#hello`"),
        ] {
            let error = subject(text).unwrap_err().hint.unwrap();
            assert!(error.contains(hint), "{text}: {error}");
        }
        assert!(subject(":box").is_err() && subject("v1:").is_err() && subject("").is_err());
    }
}
