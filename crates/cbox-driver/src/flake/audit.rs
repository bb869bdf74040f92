//! The audit of the staged tree, for its own command and before an image is built.
//!
//! It is about the tree without local settings: those of one host are never baked as files,
//! and `--with-local` puts their values into an image on purpose.

use std::path::Path;

use camino::Utf8PathBuf;
use cbox_source::{
    audit::{self, Allow, Audit},
    audit_rules::{Finding, Found},
};

use crate::{
    error::{Error, Kind, Place},
    flake::{session::Session, snapshot::stopped, version::Version},
    process::blocking::blocking,
    progress::Event,
    text::{count, path_line},
};

/// The way out where a disk image is in the tree.
pub const NO_DISK_IMAGE: &str = "move the disk image out of the tree, name it in .gitignore (and `git rm --cached` it, if git tracks it), or name it under `exclude` in cbox.toml";

/// The most findings that an error lists.
const LISTED: usize = 20;

/// Audits the tree of `sources`. Entries that allow nothing that is there are warned of.
pub async fn audit(session: &Session<'_>, sources: &Version<'_>) -> Result<Audit, Error> {
    let allow = session.project.allowed()?;
    let (tree, rules) = (sources.base.clone(), sources.rules.clone());
    let (cores, interrupt) = (session.environment.cores, session.interrupt.clone());
    let audit = blocking(move || {
        let stop = || interrupt.signal().is_some();
        audit::audit(&tree, &rules, &allow, cores, &stop)
    });
    let audit = audit.await.map_err(|error| stopped(session, error))?;
    let entries = session.project.config().source.allow;
    for entry in audit.unused.iter().map(|entry| &entries[*entry]) {
        session.reporter.warn(&format!(
            "cbox.toml allows {} in `{}`, where there is none: remove that entry",
            entry.finding, entry.path
        ));
    }
    Ok(audit)
}

/// Audits the tree that an image is about to be built from.
///
/// # Errors
/// With all that is found, as an error of the source.
pub async fn check(session: &Session<'_>, sources: &Version<'_>) -> Result<(), Error> {
    let audit = audit(session, sources).await?;
    annotate(session, &audit);
    let Some(mut error) = failure(session, &audit) else {
        return Ok(());
    };
    for (path, found) in audit.found.iter().take(LISTED) {
        error.message.push_str("\n  ");
        error.message.push_str(&described(session, path, found));
    }
    if audit.found.len() > LISTED {
        let more = format!("\n  and {} more", audit.found.len() - LISTED);
        error.message.push_str(&more);
    }
    Err(error)
}

/// The error for what was found; `None` for nothing.
pub fn failure(session: &Session<'_>, audit: &Audit) -> Option<Error> {
    let (path, found) = audit.found.first()?;
    let dir = session.project.dir().as_std_path();
    let message = format!(
        "{} in the staged tree must not be baked into an image",
        count(audit.found.len(), "finding")
    );
    let is_image = |found: &Found| found.finding == Finding::DiskImage;
    if audit.found.iter().any(|(_, found)| is_image(found)) {
        return Some(Error::new(Kind::Source, message).hint(NO_DISK_IMAGE));
    }
    let mut hint =
        "remove it from the tree, and replace every secret that was ever committed".to_owned();
    // What is outside of the flake's folder is beyond its patterns.
    if let Ok(inside) = path.strip_prefix(dir) {
        hint.push_str("; what is there on purpose can be allowed in cbox.toml:\n");
        hint.push_str(&entry(inside, found.finding));
    }
    Some(Error::new(Kind::Source, message).hint(hint))
}

/// The lines of `cbox.toml` that allow `finding` in the file at `inside`, relative to the folder
/// of the flake. They begin with blanks, so that no view wraps them.
fn entry(inside: &Path, finding: Finding) -> String {
    let path = toml_string(&Allow::pattern_of(inside));
    format!("  [[source.allow]]\n  path = {path}\n  finding = \"{finding}\"\n  why = \"…\"")
}

/// `text` as a string of TOML, in which nothing is left that a view would change: what is not
/// seen, and the quotes of commands.
fn toml_string(text: &str) -> String {
    let mut string = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            '`' => string.push_str("\\u0060"),
            _ if is_seen(character) => string.push(character),
            _ => string.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    string + "\""
}

fn is_seen(character: char) -> bool {
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}

/// Marks each finding for a CI system, where one reads.
pub fn annotate(session: &Session<'_>, audit: &Audit) {
    for (path, found) in &audit.found {
        let Ok(file) = Utf8PathBuf::from_path_buf(path.clone()) else {
            continue;
        };
        let error = Error::new(Kind::Source, told(found)).at(Some(Place {
            file,
            line: found.line.unwrap_or(1),
        }));
        session.reporter.report(Event::Annotation(&error));
    }
}

/// A finding with its place, in one line.
pub fn described(session: &Session<'_>, path: &Path, found: &Found) -> String {
    let whole = session.project.top.as_std_path().join(path);
    let display_path = match Utf8PathBuf::from_path_buf(whole) {
        Ok(whole) => path_line(session.environment.display_path(&whole).as_std_path()),
        Err(_) => path_line(path),
    };
    let line = found
        .line
        .map_or_else(String::new, |line| format!(":{line}"));
    format!("{display_path}{line}: {}", told(found))
}

/// What was found, and under which name it is allowed.
fn told(found: &Found) -> String {
    let value = found.value.as_ref();
    let value = value.map_or_else(String::new, |value| format!(": {value}"));
    format!("{}{value} [{}]", found.what, found.finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_toml_that_says_the_same() {
        for path in [
            "a.nix",
            "a b/it's \"x\" \\ `cbox build`",
            "#[x]* ",
            "tab\tbell\u{7}",
            "\u{202e}é\u{a0}",
        ] {
            let text = entry(Path::new(path), Finding::Token);
            let is_plain = |one: char| one == '\n' || (is_seen(one) && one != '`');
            assert!(text.chars().all(is_plain), "{text}");
            let parsed: toml::Table = text.parse().unwrap();
            let allow = &parsed["source"]["allow"][0];
            let pattern = Allow::pattern_of(Path::new(path));
            assert_eq!(allow["path"].as_str(), Some(pattern.as_str()));
            assert_eq!(allow["finding"].as_str(), Some("token"));
            assert_eq!(allow["why"].as_str(), Some("…"));
        }
    }
}
