//! Shows generated passwords to whoever sits at the machine: as issue(5) snippets, which agetty
//! prints on local terminals and sshd never reads, and as files for the one desktop user. All of
//! it lives in /run: it is gone with the power and rewritten on each boot.
//!
//! What a serial line prints is read by management boards and kept by clouds, so there is a second
//! set of snippets, without passwords.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::failure::{Code, Failure, Result, log};
use crate::{files, programs};

/// Shows a text under this name, on serial lines another one.
pub(crate) fn show(config: &Config, name: &str, text: &str, serial: &str) -> Result<()> {
    let [console, serial_line, desktop] = paths(config, name);
    for (path, text) in [(console, text), (serial_line, serial)] {
        // agetty expands backslashes.
        files::write(
            &path,
            0o600,
            None,
            &format!("{}\n\n", text.replace('\\', "\\\\")),
        )?;
    }
    let Some(user) = &config.desktop_user else {
        return Ok(());
    };
    let Some(id) = programs::user_id(user)? else {
        log!("no account '{user}': nothing is shown on the desktop");
        return Ok(());
    };
    files::write(&desktop, 0o400, Some(id), &format!("{text}\n"))
}

/// Shows a generated password below the text, and says which file it is kept in.
pub(crate) fn show_password(
    config: &Config,
    name: &str,
    text: &str,
    password: &str,
    file: &Path,
) -> Result<()> {
    let label = format!("{text}\n  password ");
    if config.show_passwords {
        let console = format!("{label} {password}   (until it is changed)");
        show(
            config,
            name,
            &console,
            &format!("{label} (on the screen of this machine)"),
        )
    } else {
        let text = format!("{label} (root finds it in {})", file.display());
        show(config, name, &text, &text)
    }
}

/// Takes back what is shown under this name.
pub(crate) fn unshow(config: &Config, name: &str) -> Result<()> {
    paths(config, name)
        .iter()
        .try_for_each(|path| files::remove(path))
}

fn paths(config: &Config, name: &str) -> [PathBuf; 3] {
    [
        ("console", "issue"),
        ("serial", "issue"),
        ("desktop", "txt"),
    ]
    .map(|(folder, kind)| config.runtime.join(folder).join(format!("{name}.{kind}")))
}

/// Says why the first boot is not done, to the one who looks at the console and not into the log.
pub(crate) fn tell(config: &Config, Failure { code, message }: &Failure) -> Result<()> {
    let next = match code {
        Code::Later | Code::Io => {
            "\n  It is tried again by itself; journalctl -u coder -u coder-first-boot tells more."
        }
        Code::NoInput => "",
        _ => "\n  Once that is mended: sudo systemctl restart coder-first-boot",
    };
    let text = format!("First boot: {message}{next}");
    show(config, "notice", &text, &text)
}
