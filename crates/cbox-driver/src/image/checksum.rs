//! Checksums beside a file: `FILE.sha256`, and a `SHA256SUMS` for all files of a folder, as
//! `sha256sum` writes them and `sha256sum --tag` does.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{NixError, regular_file};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Kind},
    flake::session::Hears,
    progress::follow::{Called, Watch, follow},
};

/// What the name of a file's own checksum ends with.
pub(super) const OWN: &str = ".sha256";

/// The checksums of a folder's files.
pub(super) const ALL: &str = "SHA256SUMS";

/// How much is hashed between two looks at whether to stop.
const CHUNK: usize = 1 << 20;

/// What a file has to be, and where that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The file that says it, as people know it.
    pub said_in: Utf8PathBuf,
    /// The hash in hexadecimal.
    pub sha256: String,
}

/// The checksums beside the file at `path`, which people know as `shown`.
///
/// # Errors
/// When one is for other files, or cannot be understood.
pub fn beside(path: &Utf8Path, shown: &Utf8Path) -> Result<Vec<Checksum>, Error> {
    let name = path.file_name().unwrap_or_default();
    let mut found = Vec::new();
    for (beside, is_own) in [(format!("{name}{OWN}"), true), (ALL.to_owned(), false)] {
        let file = path.with_file_name(&beside);
        if file.symlink_metadata().is_err() {
            continue;
        }
        let said_in = shown.with_file_name(&beside);
        let wrong = |what: String| {
            Error::new(Kind::Artifact, format!("{said_in} {what}")).hint(format!(
                "mend or remove {said_in}; without it {shown} is taken as it is"
            ))
        };
        let text = regular_file::read(&file);
        let text = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let text = String::from_utf8_lossy(&text);
        if let Some(sha256) = look_up(&text, name, is_own).map_err(wrong)? {
            found.push(Checksum { said_in, sha256 });
        }
    }
    Ok(found)
}

/// The hash that `text` has for `name`, or what is wrong with it, as the end of a sentence. A
/// text of its own has to have one.
pub(super) fn look_up(text: &str, name: &str, is_own: bool) -> Result<Option<String>, String> {
    let (mut hashes, mut others) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        match parse(line) {
            Some((sha256, None)) if is_own => hashes.push(sha256),
            Some((sha256, Some(named))) if is_called(&named, name) => hashes.push(sha256),
            Some((_, Some(named))) => others.push(named),
            _ if line.contains(name) && !line.trim_start().starts_with('#') => {
                let number = number + 1;
                return Err(format!(
                    "has no SHA-256 for {name} in line {number}, where it names it"
                ));
            }
            _ => {}
        }
    }
    hashes.dedup();
    match (hashes.as_slice(), others.as_slice()) {
        ([_], _) => Ok(hashes.pop()),
        ([], _) if !is_own => Ok(None),
        ([], [other, ..]) => Err(format!("is the checksum of {other}, not of {name}")),
        ([], []) => Err("is not a SHA-256, as `sha256sum` writes it".to_owned()),
        _ => Err(format!("has several hashes for {name}")),
    }
}

/// The hash of a line, and the name that it is for (GNU coreutils manual, "cksum common
/// options"). Other programs write the hash alone.
fn parse(line: &str) -> Option<(String, Option<String>)> {
    let line = line.trim_end_matches('\r');
    let (line, is_escaped) = match line.strip_prefix('\\') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let name = |name: &str| match is_escaped {
        true => unescaped(name),
        false => name.to_owned(),
    };
    if let Some(tagged) = line.strip_prefix("SHA256 (") {
        let (named, sha256) = tagged.rsplit_once(") = ")?;
        return Some((hash(sha256)?, Some(name(named))));
    }
    let (sha256, rest) = line.split_at_checked(64)?;
    let sha256 = hash(sha256)?;
    match rest.strip_prefix("  ").or(rest.strip_prefix(" *")) {
        Some(named) if !named.is_empty() => Some((sha256, Some(name(named)))),
        _ => rest.trim().is_empty().then_some((sha256, None)),
    }
}

fn hash(text: &str) -> Option<String> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text.to_ascii_lowercase())
}

fn unescaped(name: &str) -> String {
    let (mut text, mut characters) = (String::new(), name.chars());
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    text
}

/// Whether a checksum for `named`, a path from wherever it was made, is for the file `name`.
fn is_called(named: &str, name: &str) -> bool {
    Utf8Path::new(named).file_name() == Some(name)
}

/// The SHA-256 of `file` in hexadecimal. Answers `None` when it is to stop.
pub(crate) fn sha256(file: &mut impl io::Read, watch: &Watch<'_>) -> io::Result<Option<String>> {
    let (mut hasher, mut chunk, mut done) = (Sha256::new(), vec![0; CHUNK], 0);
    while !(watch.stop)() {
        match file.read(&mut chunk)? {
            0 => return Ok(Some(HEXLOWER.encode(&hasher.finalize()))),
            length => {
                hasher.update(&chunk[..length]);
                done += length as u64;
                (watch.progress)(done);
            }
        }
    }
    Ok(None)
}

/// The SHA-256 of the file at `path`, which people know as `shown` and has `bytes`, in hexadecimal.
///
/// # Errors
/// When it cannot be read, or a signal comes.
pub(super) async fn of(
    (reporter, interrupt): Hears<'_>,
    path: &Utf8Path,
    shown: &Utf8Path,
    bytes: u64,
) -> Result<String, Error> {
    let called = Called {
        what: &format!("hashing {shown}"),
        title: None,
        done: None,
    };
    let unread = |error| Error::file(Kind::Artifact, "read", shown, &error);
    let mut file = regular_file::open(path).map_err(unread)?;
    let hashed = follow(reporter, interrupt, called, bytes, move |watch| {
        sha256(&mut file, watch)
    });
    let hashed = hashed.await.map_err(unread)?;
    match (hashed, interrupt.signal()) {
        (Some(sha256), _) => Ok(sha256),
        (None, Some(signal)) => Err(NixError::Interrupted(signal).into()),
        (None, None) => Err(Error::new(Kind::Artifact, "hashing stopped")),
    }
}

/// Compares the file at `path`, which people know as `shown` and has `bytes`, with `wanted`.
///
/// # Errors
/// When it is another one, cannot be read, or a signal comes.
pub async fn verify(
    hears: Hears<'_>,
    path: &Utf8Path,
    shown: &Utf8Path,
    bytes: u64,
    wanted: &[Checksum],
) -> Result<(), Error> {
    let sha256 = of(hears, path, shown, bytes).await?;
    match wanted.iter().find(|one| one.sha256 != sha256) {
        None => Ok(()),
        Some(Checksum {
            said_in,
            sha256: should,
        }) => Err(Error::new(
            Kind::Artifact,
            format!(
                "{shown} is not the file that {said_in} is of: its SHA-256 is {sha256}, and should be {should}"
            ),
        )
        .hint("download both again; nothing was written")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_as_programs_write_them() {
        let (one, two) = ("0a".repeat(32), "0b".repeat(32));
        let own = |text: &str| look_up(text, "a.iso", true);
        let hash = Ok(Some(one.clone()));
        for text in [
            format!("{one}  a.iso\n"),
            format!("{one} *a.iso"),
            format!("{one}  ./images/a.iso\r\n"),
            format!("{}  a.iso\n", one.to_uppercase()),
            format!("# made today\n\n{two}  b.iso\n{one}  a.iso\n"),
            format!("SHA256 (a.iso) = {one}\n"),
            format!("{one}\n"),
            format!("{one}  a.iso\n{one}  a.iso\n"),
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{one}  a.iso\n"),
        ] {
            assert_eq!(own(&text), hash, "{text}");
        }
        let escaped = format!("\\{one}  a\\\\b\\nc\n");
        assert_eq!(look_up(&escaped, "a\\b\nc", true), hash);
        for (text, what) in [
            (
                format!("{one}  b.iso\n"),
                "is the checksum of b.iso, not of a.iso",
            ),
            (String::new(), "is not a SHA-256"),
            ("404: not found\n".to_owned(), "is not a SHA-256"),
            (one.repeat(2), "is not a SHA-256"),
            (
                format!("{}  a.iso\n", &one[2..]),
                "has no SHA-256 for a.iso in line 1",
            ),
            (
                format!("{one}  a.iso\n{two}  a.iso\n"),
                "has several hashes for a.iso",
            ),
        ] {
            let error = own(&text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn a_list_need_not_name_every_file() {
        let one = "0a".repeat(32);
        let all = |text: &str| look_up(text, "a.iso", false);
        assert_eq!(all(&format!("{one}  a.iso\n")), Ok(Some(one.clone())));
        for text in [format!("{one}  b.iso\n"), String::new(), format!("{one}\n")] {
            assert_eq!(all(&text), Ok(None), "{text}");
        }
        assert!(all("0a0b  a.iso\n").is_err());
    }
}
