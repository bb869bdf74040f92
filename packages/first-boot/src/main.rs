//! coder-first-boot: turns a freshly started Coder server into one that people can use: a first
//! user, a token for the machine's own jobs, the templates.
//!
//! Every step asks what is already there before it makes anything, so the program may be killed
//! anywhere and started again. README.md is the contract with the units that run it.

mod admin;
mod api;
mod config;
mod failure;
mod files;
mod import;
mod outside;
mod pack;
mod password;
mod programs;
mod secrets;
mod show;
mod templates;
mod token;
mod unix;

use std::env;
use std::io::Write;
use std::process::ExitCode;

use crate::admin::Admin;
use crate::api::Api;
use crate::config::Config;
use crate::failure::{Code, Result, log};

const USAGE: &str = "\
Usage: coder-first-boot COMMAND

  run                 first user, token and templates; does what is missing
  renew               a new token when less than half of the old one's life is left
  take-secrets        what was put on the drive for this machine; removes it there
  unix-password NAME  a password for a Unix account that has none
  forget              removes what is known of Coder's admin, before a reset

Settings come from the environment, results are files: see README.md.
";

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match start(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log!("{}", failure.message);
            ExitCode::from(failure.code as u8)
        }
    }
}

fn start(words: &[&str]) -> Result<()> {
    let problem = match words {
        ["-h" | "--help", ..] => {
            // Nobody is left to tell where this cannot be written.
            let _ = std::io::stdout().write_all(USAGE.as_bytes());
            return Ok(());
        }
        ["run"] => return locked(run),
        ["renew"] => return locked(renew),
        ["forget"] => return locked(forget),
        ["take-secrets"] => return locked_without_coder(secrets::take),
        ["unix-password", name] => {
            return locked_without_coder(|config| unix::ensure_password(config, name));
        }
        ["unix-password", ..] => "'unix-password' takes one name".to_owned(),
        [word @ ("run" | "renew" | "forget" | "take-secrets"), ..] => {
            format!("'{word}' takes no argument")
        }
        [] | ["", ..] => "no command given".to_owned(),
        [word, ..] => format!("unknown command '{word}'"),
    };
    Code::Usage.fail(problem + " (see --help)")
}

fn locked(command: impl FnOnce(&Config) -> Result<()>) -> Result<()> {
    let config = Config::from_environment()?;
    files::prepare(&config)?;
    let lock = config.state.join("lock");
    let _lock = match &config.held_lock {
        None => Some(files::lock(&lock, config.lock)?),
        Some(descriptor) => files::check_held(descriptor, &lock).map(|()| None)?,
    };
    command(&config)
}

/// With a lock of its own: whoever waits to log in must not wait for Coder.
fn locked_without_coder(command: impl FnOnce(&Config) -> Result<()>) -> Result<()> {
    let config = Config::from_environment()?;
    files::prepare(&config)?;
    let _lock = files::lock(&config.unix.join("lock"), config.lock)?;
    command(&config)
}

fn run(config: &Config) -> Result<()> {
    set_up(config).inspect_err(|failure| {
        if let Err(second) = show::tell(config, failure) {
            log!("{}", second.message);
        }
    })
}

fn set_up(config: &Config) -> Result<()> {
    if !config.templates.is_dir() {
        let text = format!(
            "FIRST_BOOT_TEMPLATES is no folder: '{}'",
            config.templates.display()
        );
        return Code::Config.fail(text);
    }
    let api = Api::new(config);
    api.wait()?;
    let mut admin = Admin::new(config, &api);
    admin.ensure()?;
    if let Some(token) = token::ensure(config, &api, &mut admin)? {
        templates::deploy(config, api.with(&token))?;
    } else if admin.password()?.is_none() {
        return Code::LockedOut.fail(
            "Coder has a first user whose password is not known here: write it to a file that \
             box.firstBoot.admin.passwordFile names, or start coder-reset",
        );
    } else if templates::are_wanting(config)? {
        return Code::LockedOut.fail(
            "Coder's admin has another password now, and there are templates to deploy: write it \
             to a file that box.firstBoot.admin.passwordFile names",
        );
    }
    show::unshow(config, "notice")?;
    log!("done");
    Ok(())
}

fn renew(config: &Config) -> Result<()> {
    if !config.token_file.exists() && !config.password_file.exists() {
        log!("there is no admin yet: nothing to renew");
        return Ok(());
    }
    let api = Api::new(config);
    api.wait()?;
    let mut admin = Admin::new(config, &api);
    // A password that was changed is not shown any longer than until now.
    admin.show()?;
    if token::ensure(config, &api, &mut admin)?.is_none() {
        log!(
            "the token is gone with the password that was changed; nothing here needs one until \
             there are new templates"
        );
    }
    Ok(())
}

fn forget(config: &Config) -> Result<()> {
    // What is public goes first: cut short, this must not leave an open port to a server that will
    // soon have no user.
    files::remove(&config.flag_file)?;
    show::unshow(config, "coder")?;
    show::unshow(config, "notice")?;
    files::forget_server(config)?;
    files::remove(&config.password_file)?;
    files::remove(&config.owners_mark)?;
    log!("forgot Coder's admin");
    Ok(())
}
