//! Signatures as minisign has them: keys, signing, and checking. What is signed are checksum files,
//! a few lines each; a secret key stays in this process, in memory.

use std::{
    io::{Cursor, ErrorKind},
    time::{SystemTime, UNIX_EPOCH},
};

use camino::Utf8Path;
use cbox_nix::regular_file;
use data_encoding::BASE64;
use minisign::{PublicKey as OwnKey, SecretKey, SecretKeyBox};
use minisign_verify::{PublicKey, Signature};

use crate::{
    error::{Error, Kind},
    process::environment::Environment,
};

/// What the name of a signature ends with, behind the name of what it is of.
pub const EXTENSION: &str = ".minisig";

/// What a signature begins with.
pub(crate) const COMMENT: &str = "untrusted comment: ";

/// How many bytes a public key has, with its algorithm and its number.
const PUBLIC: usize = 42;

/// How many a secret key has.
const SECRET: usize = 158;

/// How many of them, at the end, are a checksum of the rest.
const CHECKSUM: usize = 32;

/// The algorithm that keys begin with.
const ALGORITHM: &[u8] = b"Ed";

/// The number of a public key, as minisign shows it.
fn number(bytes: &[u8]) -> String {
    let number = bytes.iter().skip(2).take(8).rev();
    number.map(|byte| format!("{byte:02X}")).collect()
}

/// The bytes of the key in `text`, which is one line, or follows a comment.
fn key_bytes(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.next()?;
    let line = match first.starts_with(COMMENT) {
        true => lines.next()?,
        false => first,
    };
    let bytes = BASE64.decode(line.as_bytes()).ok()?;
    bytes.starts_with(ALGORITHM).then_some(bytes)
}

/// How one gets keys.
const PAIR: &str = "`minisign -G -p minisign.pub -s minisign.key` makes a pair of keys";

/// Reads the key in `file`, which is a `what`; `hint` is the way out where there is none.
fn read(
    environment: &Environment,
    file: &Utf8Path,
    what: &str,
    hint: &str,
) -> Result<String, Error> {
    regular_file::read_to_string(environment.absolute(file)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Error::new(Kind::Usage, format!("there is no {what} {file}")).hint(hint)
        }
        ErrorKind::InvalidData => not_a_key(file, what),
        _ => Error::file(Kind::Usage, "read", format!("the {what} {file}"), &error),
    })
}

fn not_a_key(file: &Utf8Path, what: &str) -> Error {
    Error::new(Kind::Usage, format!("{file} is not a {what} of minisign")).hint(PAIR)
}

/// A file with a secret key, which may have a password.
pub struct KeyFile {
    shown: String,
    text: String,
    is_locked: bool,
}

impl KeyFile {
    /// Reads the key at `file`.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(environment: &Environment, file: &Utf8Path) -> Result<Self, Error> {
        let text = read(environment, file, "secret key", PAIR)?;
        let bytes = key_bytes(&text).unwrap_or_default();
        match bytes.len() {
            SECRET => Ok(Self {
                shown: file.to_string(),
                text,
                is_locked: bytes[2..4] != [0, 0],
            }),
            PUBLIC => Err(Error::new(
                Kind::Usage,
                format!("{file} is a public key, and the secret one signs"),
            )
            .hint("minisign calls the secret one minisign.key, unless it is told another name")),
            _ => Err(not_a_key(file, "secret key")),
        }
    }

    /// Whether it has a password.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// The key, unlocked with the password where it has one.
    ///
    /// # Errors
    /// When the password is missing or another one, or the key is damaged.
    pub fn unlock(self, password: Option<String>) -> Result<SigningKey, Error> {
        let Self {
            shown,
            text,
            is_locked,
        } = self;
        let bytes = key_bytes(&text).unwrap_or_default();
        let has_no_checksum = bytes.iter().rev().take(CHECKSUM).all(|byte| *byte == 0);
        // The file may have the key alone, without its comment.
        let text = match text.starts_with(COMMENT) {
            true => text,
            false => format!("{COMMENT}minisign secret key\n{text}"),
        };
        let text = SecretKeyBox::from(text);
        let secret = match (is_locked, password) {
            // minisign writes those without a checksum.
            (false, _) if has_no_checksum => SecretKey::from_bytes(&bytes),
            (false, _) => text.into_unencrypted_secret_key(),
            (true, Some(password)) => text.into_secret_key(Some(password)),
            (true, None) => {
                let message = format!("the secret key {shown} has a password, and none was given");
                return Err(Error::new(Kind::Usage, message)
                    .hint("type it when it is asked for, or pass it as a line on standard input"));
            }
        };
        let damaged = || {
            let message = format!("the secret key {shown} is damaged");
            Error::new(Kind::Usage, message).hint("use a copy of it that is whole")
        };
        let secret = secret.map_err(|_| match is_locked {
            true => Error::new(
                Kind::Usage,
                format!("that is not the password of the secret key {shown}"),
            ),
            false => damaged(),
        })?;
        let public = OwnKey::from_secret_key(&secret).map_err(|_| damaged())?;
        let key = SigningKey { secret, public };
        // Its two halves have to be a pair.
        key.sign(b"", "nothing").map_err(|_| damaged())?;
        Ok(key)
    }
}

/// A secret key, ready to sign. It has no `Debug`: nothing of it may be shown.
pub struct SigningKey {
    secret: SecretKey,
    public: OwnKey,
}

impl SigningKey {
    /// The public key, as people pass it on.
    #[must_use]
    pub fn public(&self) -> String {
        BASE64.encode(&self.public.to_bytes())
    }

    /// The number of the pair.
    #[must_use]
    pub fn number(&self) -> String {
        number(&self.public.to_bytes())
    }

    /// The signature of `content`, the content of the file `name`, as minisign writes it.
    ///
    /// # Errors
    /// When there is no randomness, or the two halves of the key are not a pair.
    pub fn sign(&self, content: &[u8], name: &str) -> Result<String, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let comment = format!(
            "timestamp:{}\tfile:{name}\thashed",
            now.unwrap_or_default().as_secs()
        );
        let signed = minisign::sign(
            Some(&self.public),
            &self.secret,
            Cursor::new(content),
            Some(&comment),
            Some("signature from minisign secret key"),
        );
        let signed = signed.map_err(|error| {
            Error::new(Kind::Environment, format!("cannot sign {name}: {error}"))
        })?;
        Ok(signed.into_string())
    }
}

/// The public key that signatures are compared with.
#[derive(Debug)]
pub struct VerifyingKey {
    key: PublicKey,
    /// Its number, as minisign shows it.
    pub number: String,
}

impl VerifyingKey {
    /// The key that `given` is, or that is in the file of this name.
    ///
    /// # Errors
    /// When it is neither.
    pub fn find(environment: &Environment, given: &str) -> Result<Self, Error> {
        if let Some(found) = Self::of(given) {
            return Ok(found);
        }
        let file = Utf8Path::new(given);
        let hint =
            "name a file with it, or the key itself: 56 letters and digits that begin with `RW`";
        let text = read(environment, file, "public key", hint)?;
        if key_bytes(&text).is_some_and(|bytes| bytes.len() == SECRET) {
            let message = format!("{file} is a secret key, and the public one verifies");
            return Err(Error::new(Kind::Usage, message)
                .hint("keep it to yourself; minisign calls the public one minisign.pub"));
        }
        Self::of(&text).ok_or_else(|| not_a_key(file, "public key"))
    }

    fn of(text: &str) -> Option<Self> {
        let bytes = key_bytes(text).filter(|bytes| bytes.len() == PUBLIC)?;
        let key = PublicKey::from_base64(&BASE64.encode(&bytes)).ok()?;
        Some(Self {
            key,
            number: number(&bytes),
        })
    }

    /// Checks `signature`, which has to be of `content`, and gives its trusted comment.
    ///
    /// # Errors
    /// When it is not, with the end of a sentence that begins with its name.
    pub fn verify(&self, content: &[u8], signature: &[u8]) -> Result<String, String> {
        let text = String::from_utf8_lossy(signature);
        let signature = Signature::decode(&text);
        let signature = signature.map_err(|_| "is not a signature of minisign".to_owned())?;
        match self.key.verify(content, &signature, true) {
            Ok(()) => Ok(signature.trusted_comment().to_owned()),
            Err(minisign_verify::Error::UnexpectedKeyId) => {
                let other = text.lines().nth(1).and_then(|line| {
                    let bytes = BASE64.decode(line.trim().as_bytes()).ok()?;
                    Some(number(&bytes))
                });
                Err(format!(
                    "is by another key, {}, and not by {}",
                    other.unwrap_or_default(),
                    self.number
                ))
            }
            Err(_) => Err(
                "does not fit: what it signed, or its own comment, was changed since".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The test vector of minisign's own authors, in their crate minisign-verify.
    const PUBLIC_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

    #[test]
    fn a_signature_that_others_made_is_understood() {
        let environment = Environment::unknown();
        let key = VerifyingKey::find(&environment, PUBLIC_KEY).unwrap();
        assert_eq!(key.number, "E7620F1842B4E81F");
        let check =
            |content: &str, signature: &str| key.verify(content.as_bytes(), signature.as_bytes());
        let comment = "timestamp:1555779966\tfile:test".to_owned();
        assert_eq!(check("test", SIGNATURE), Ok(comment));
        let changed = SIGNATURE.replace("file:test", "file:other");
        let short = SIGNATURE.replace("QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==", "QtKM");
        for (content, signature, what) in [
            ("Test", SIGNATURE, "does not fit"),
            ("test", &*changed, "does not fit"),
            ("test", &*short, "is not a signature of minisign"),
            ("test", "", "is not a signature of minisign"),
            (
                "test",
                "<html>\n404\n\n\n",
                "is not a signature of minisign",
            ),
        ] {
            let why = check(content, signature).unwrap_err();
            assert!(why.starts_with(what), "{why}");
        }
    }

    #[test]
    fn what_is_signed_verifies_with_the_key_of_the_pair_alone() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            folder: Utf8Path::from_path(folder.path()).unwrap().to_owned(),
            ..Environment::unknown()
        };
        let write = |name: &str| {
            let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
            let text = pair.sk.to_box(None).unwrap().into_string();
            std::fs::write(folder.path().join(name), text).unwrap();
            let file = KeyFile::read(&environment, name.into()).unwrap();
            assert!(!file.is_locked());
            (file.unlock(None).unwrap(), pair)
        };
        let ((key, _), (other, pair)) = (write("one.key"), write("other.key"));
        let public = |key: &SigningKey| VerifyingKey::find(&environment, &key.public()).unwrap();
        let signature = key.sign(b"a checksum", "a.sha256").unwrap();
        let comment = public(&key).verify(b"a checksum", signature.as_bytes());
        assert!(comment.unwrap().ends_with("\tfile:a.sha256\thashed"));
        let why = public(&other).verify(b"a checksum", signature.as_bytes());
        let (one, two) = (key.number(), other.number());
        assert_eq!(
            why,
            Err(format!("is by another key, {one}, and not by {two}"))
        );
        // Half of another pair.
        let text = pair.pk.to_box().unwrap().into_string();
        std::fs::write(folder.path().join("a.pub"), text).unwrap();
        assert_eq!(
            VerifyingKey::find(&environment, "a.pub").unwrap().number,
            two
        );
        let error = KeyFile::read(&environment, "a.pub".into()).err().unwrap();
        assert!(error.message.contains("is a public key"), "{error}");
        let error = VerifyingKey::find(&environment, "one.key").unwrap_err();
        assert!(error.message.contains("is a secret key"), "{error}");
    }
}
