//! The secrets that the command line names: files that are read once, into memory alone.
//!
//! What is in them goes to the drive and nowhere else: no message has it, no debug output, and
//! the memory is emptied behind it as well as safe Rust can.

use std::{
    fmt,
    fs::{self, File},
    hint::black_box,
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;

use crate::{
    error::{Error, Kind},
    process::environment::Environment,
    text::size,
};

/// The most that one secret has, as with systemd's credentials.
pub(super) const LARGEST: u64 = 1 << 20;

/// The longest name.
const LONGEST_NAME: usize = 64;

/// How the option is written.
const FORM: &str = "write `--secret FILE=NAME`, such as `--secret wifi.txt=wifi.nmconnection`";

/// A secret.
pub struct Secret {
    /// What the machine knows it by.
    pub name: String,
    pub(super) content: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({})", self.name)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.content);
    }
}

/// Empties memory that held something of a secret.
pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Nobody reads it afterwards, which is no reason to leave it out.
    black_box(&*bytes);
}

/// All secrets of a run, in the order of the command line.
#[derive(Debug)]
pub struct Secrets {
    pub(super) all: Vec<Secret>,
    /// What is told of files that others can read.
    pub warnings: Vec<String>,
}

impl Secrets {
    /// Reads the secrets of `words`, each `FILE=NAME`. `None` where there are none.
    ///
    /// # Errors
    /// When a word has another form, a name cannot be used or is there twice, or a file cannot be
    /// read, is empty or too large.
    pub fn read(environment: &Environment, words: &[String]) -> Result<Option<Self>, Error> {
        let mut named: Vec<(&Utf8Path, &str)> = Vec::new();
        for word in words {
            // Whoever wrote the secret itself here does not want to see it again.
            let Some((file, name)) = word.rsplit_once('=') else {
                let message = "a `--secret` has no `=` between the file and the name";
                return Err(Error::new(Kind::Usage, message).hint(FORM));
            };
            if file.is_empty() {
                let message = format!("`--secret ={name}` names no file");
                return Err(Error::new(Kind::Usage, message).hint(FORM));
            }
            check_name(file, name)?;
            let earlier = named.iter().find(|(_, one)| one.eq_ignore_ascii_case(name));
            if let Some((_, earlier)) = earlier {
                let message = match *earlier == name {
                    true => format!("two secrets are called {name}"),
                    false => format!(
                        "the secrets {earlier} and {name} would be one file, since FAT does not tell capitals"
                    ),
                };
                return Err(Error::new(Kind::Usage, message).hint("give one of them another name"));
            }
            named.push((Utf8Path::new(file), name));
        }
        let mut warnings = Vec::new();
        let all = named.into_iter().map(|(file, name)| {
            let path = environment.absolute(file);
            let content = read(&path, file, &mut warnings)?;
            let name = name.to_owned();
            Ok(Secret { name, content })
        });
        let all: Vec<Secret> = all.collect::<Result<_, Error>>()?;
        Ok((!all.is_empty()).then_some(Self { all, warnings }))
    }

    /// Their names.
    pub fn names(&self) -> Vec<&str> {
        self.all.iter().map(|secret| &*secret.name).collect()
    }
}

/// Refuses names that FAT, a shell or systemd would make something else of.
fn check_name(file: &str, name: &str) -> Result<(), Error> {
    let wrong = |what: String| {
        Err(Error::new(Kind::Usage, what).hint(format!(
            "a name has up to {LONGEST_NAME} letters, digits, dots, hyphens and underscores, and begins and ends with a letter or digit"
        )))
    };
    if name.is_empty() {
        return wrong(format!("`--secret {file}=` gives the secret no name"));
    }
    if name.len() > LONGEST_NAME {
        return wrong(format!(
            "the name of the secret in {file} has {} characters",
            name.chars().count()
        ));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
    let may_be = |byte: u8| is_plain(byte) || b"._-".contains(&byte);
    let bytes = name.as_bytes();
    let ends_well = bytes.first().is_some_and(|byte| is_plain(*byte))
        && bytes.last().is_some_and(|byte| is_plain(*byte));
    if !ends_well || !bytes.iter().all(|byte| may_be(*byte)) {
        return wrong(format!("`{name}` cannot be the name of a secret"));
    }
    Ok(())
}

/// The content of the file at `path`, which people know as `shown`.
fn read(
    path: &Utf8PathBuf,
    shown: &Utf8Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, Error> {
    let unread = |error: &io::Error| Error::file(Kind::Usage, "read the secret", shown, error);
    let wrong = |message: String, hint: &str| Error::new(Kind::Usage, message).hint(hint);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(wrong(
                format!("there is no file {shown} with a secret"),
                FORM,
            ));
        }
        Err(error) => return Err(unread(&error)),
    };
    let file = match metadata.file_type().is_fifo() && is_open_already(path) {
        true => File::open(path),
        false => regular_file::open(path),
    };
    let file = file.map_err(|error| {
        unread(&error).hint("name a file, or `/dev/stdin` with another program's output")
    })?;
    let too_large = || {
        let message = format!("{shown} is larger than a secret can be");
        wrong(message, &format!("a secret has up to {}", size(LARGEST)))
    };
    if metadata.is_file() && metadata.len() > LARGEST {
        return Err(too_large());
    }
    // Its full size at once: a vector that grows leaves copies behind.
    let mut content = Vec::with_capacity(LARGEST as usize + 1);
    let read = file.take(LARGEST + 1).read_to_end(&mut content);
    let refused = match read {
        Err(error) => Some(unread(&error)),
        Ok(0) => Some(wrong(
            format!("the secret in {shown} is empty"),
            "write it into the file first",
        )),
        Ok(length) if length as u64 > LARGEST => Some(too_large()),
        Ok(_) => None,
    };
    if let Some(error) = refused {
        wipe(&mut content);
        return Err(error);
    }
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & 0o044 != 0 {
        warnings.push(format!(
            "others can read the secret in {shown}: `chmod 600 {shown}`"
        ));
    }
    Ok(content)
}

/// Whether the path stands for what this process was started with: a pipe there has another end,
/// and a named one need not have.
fn is_open_already(path: &Utf8Path) -> bool {
    path == "/dev/stdin" || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}
