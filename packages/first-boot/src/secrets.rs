//! Secrets that were put on the drive before its first boot, as `cbox flash --secret` does: files in
//! a folder of the EFI system partition, which anybody can read who has the drive. Each is copied
//! to a folder of root's, then they go from the drive, and then each is used, once.
//!
//! The order is what makes a cut harmless. A secret that was copied is marked so before it goes,
//! and with the mark nothing on the drive counts any more, whole or half overwritten: it only goes.
//! One that was copied stays with root until it is where it is used, and using it twice changes
//! nothing.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, Secrets};
use crate::failure::{Code, Context as _, Result, log};
use crate::show::{show, unshow};
use crate::{files, programs};

/// What becomes of a secret, by its name.
enum Use<'c> {
    /// The password of this account.
    Account(&'c str),
    /// The password of Coder's first user.
    Coder,
    /// A file of this mode, in a folder of this mode.
    File(PathBuf, u32, u32),
}

/// Moves the secrets on the drive to where they are used.
pub(crate) fn take(config: &Config) -> Result<()> {
    let folder = config.state.join("secrets");
    let [waiting, taken] = ["waiting", "taken"].map(|name| folder.join(name));
    for folder in [&waiting, &taken] {
        make_folder(folder, 0o700)?;
    }
    unshow(config, "secrets")?;
    let mut failures = Failures::default();
    copy(&config.secrets, &waiting, &taken, &mut failures)?;
    remove(&config.secrets.folder, &mut failures);
    for (name, file) in list(&waiting)? {
        use_up(config, &name, &file, &mut failures)?;
    }
    if failures.0.is_empty() {
        return Ok(());
    }
    let text = format!("Secrets from the drive:\n  {}", failures.0.join("\n  "));
    show(config, "secrets", &text, &text)?;
    Code::Io.fail("the console names the secrets that could not be taken")
}

/// What went wrong with one secret, while the others go on; the person at the machine sees it.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn add(&mut self, text: String) {
        log!("{text}");
        self.0.push(text);
    }
}

fn copy(secrets: &Secrets, waiting: &Path, taken: &Path, failures: &mut Failures) -> Result<()> {
    if !secrets.folder.is_dir() {
        return Ok(());
    }
    for (name, file) in list(&secrets.folder)? {
        let mark = taken.join(&name);
        if mark.exists() {
            log!("the secret '{name}' was taken before");
        } else if use_of(secrets, &name).is_some() {
            let content = fs::read(&file).to("read", &file)?;
            files::write(&waiting.join(&name), 0o600, None, &content)?;
            files::write(&mark, 0o600, None, "")?;
            log!("took the secret '{name}' from the drive");
        } else {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            let shown: String = name
                .chars()
                .map(|it| if plain(it) { it } else { '?' })
                .collect();
            failures.add(format!(
                "nothing here takes '{shown}': it was removed from the drive"
            ));
        }
    }
    Ok(())
}

/// Removes all files from the drive, and their folder.
fn remove(folder: &Path, failures: &mut Failures) {
    if !folder.is_dir() {
        return;
    }
    let remove = || {
        for (_, file) in list(folder)? {
            files::erase(&file)?;
        }
        fs::remove_dir(folder).to("remove", folder)?;
        let above = folder.parent().unwrap_or(folder);
        File::open(above)
            .and_then(|above| above.sync_all())
            .to("write", above)
    };
    if let Err(failure) = remove() {
        log!("{}", failure.message);
        failures.add(format!(
            "they cannot be removed from {}: it is tried again at the next boot",
            folder.display()
        ));
    }
}

/// Uses a secret that has left the drive, and removes it.
fn use_up(config: &Config, name: &str, file: &Path, failures: &mut Failures) -> Result<()> {
    // A copy that was cut off: the drive still has it, unmarked.
    if let (false, Some(what)) = (name.ends_with(".new"), use_of(&config.secrets, name)) {
        let content = fs::read(file).to("read", file)?;
        match what {
            Use::File(path, folder_mode, mode) => {
                make_folder(path.parent().unwrap_or(&path), folder_mode)?;
                files::write(&path, mode, None, &content)?;
            }
            Use::Account(_) | Use::Coder if password(&content).is_empty() => {
                failures.add(format!(
                    "'{name}' begins with an empty line: it is no password"
                ));
            }
            Use::Account(account) => {
                if let Err(failure) = programs::set_password(account, &password(&content)) {
                    failures.add(format!(
                        "{}: it is tried again at the next boot",
                        failure.message
                    ));
                    return Ok(());
                }
            }
            Use::Coder => {
                let text = password(&content) + "\n";
                files::write(&config.given_file, 0o600, None, &text)?;
            }
        }
        log!("used the secret '{name}'");
    }
    // Under another name first: half overwritten, it must not be used.
    let used = file.with_added_extension("new");
    fs::rename(file, &used).to("rename", file)?;
    files::erase(&used)
}

/// What takes a secret of this name, as far as there is a use for it.
fn use_of<'c>(secrets: &'c Secrets, name: &str) -> Option<Use<'c>> {
    match name {
        "account-password" => secrets.account.as_deref().map(Use::Account),
        "authorized-keys" => {
            let path = secrets.keys.clone()?;
            Some(Use::File(path, 0o755, 0o644))
        }
        "coder-admin-password" => secrets.is_for_coder.then_some(Use::Coder),
        name if name.len() > ".nmconnection".len() && name.ends_with(".nmconnection") => {
            let path = secrets.networks.as_ref()?.join(name);
            Some(Use::File(path, 0o700, 0o600))
        }
        _ => None,
    }
}

/// The first line of a password, as an editor of any system ends it.
fn password(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let line = text.split('\n').next().unwrap_or_default();
    line.strip_suffix('\r').unwrap_or(line).to_owned()
}

/// The files in a folder with their names, in order.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).to("list", folder)? {
        let entry = entry.to("list", folder)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            ));
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a folder that is not there, and those above it.
fn make_folder(folder: &Path, mode: u32) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).to("make", above)?;
    }
    DirBuilder::new()
        .mode(mode)
        .create(folder)
        .to("make", folder)
}
