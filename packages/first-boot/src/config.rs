//! Reads the environment once, so that a bad setting is told before anything is done. The names
//! are documented in README.md.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Code, Result};

pub(crate) struct Config {
    pub(crate) state: PathBuf,
    pub(crate) password_file: PathBuf,
    pub(crate) owners_mark: PathBuf,
    pub(crate) given_file: PathBuf,
    pub(crate) token_file: PathBuf,
    pub(crate) stamps: PathBuf,
    pub(crate) unix: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) flag_file: PathBuf,
    pub(crate) coder_url: String,
    pub(crate) access_url: String,
    pub(crate) admin_user: String,
    pub(crate) admin_email: String,
    pub(crate) owner_password_file: Option<PathBuf>,
    pub(crate) templates: PathBuf,
    pub(crate) desktop_user: Option<String>,
    pub(crate) show_passwords: bool,
    pub(crate) secrets: Secrets,
    pub(crate) held_lock: Option<String>,
    pub(crate) probe_url: String,
    pub(crate) wait: Duration,
    pub(crate) tries: u32,
    pub(crate) backoff: Duration,
    pub(crate) import: Duration,
    pub(crate) lock: Duration,
}

/// Where secrets come from that are on the drive, and what takes them.
pub(crate) struct Secrets {
    pub(crate) folder: PathBuf,
    pub(crate) account: Option<String>,
    pub(crate) keys: Option<PathBuf>,
    pub(crate) is_for_coder: bool,
    pub(crate) networks: Option<PathBuf>,
}

impl Config {
    pub(crate) fn from_environment() -> Result<Self> {
        let (state, runtime) = (absolute("STATE_DIRECTORY")?, absolute("RUNTIME_DIRECTORY")?);
        let coder_url = or("FIRST_BOOT_CODER_URL", "http://127.0.0.1:3000");
        let coder_url = coder_url.strip_suffix('/').unwrap_or(&coder_url).to_owned();
        let address = coder_url.strip_prefix("http://").unwrap_or_default();
        if address.is_empty() || address.contains(char::is_whitespace) {
            return Code::Config.fail(format!(
                "FIRST_BOOT_CODER_URL is no http address: '{coder_url}'"
            ));
        }
        let show_passwords = match or("FIRST_BOOT_SHOW_PASSWORDS", "yes").as_str() {
            "yes" => true,
            "no" => false,
            other => {
                let text = format!("FIRST_BOOT_SHOW_PASSWORDS is neither yes nor no: '{other}'");
                return Code::Config.fail(text);
            }
        };
        let owners = "FIRST_BOOT_ADMIN_PASSWORD_FILE";
        // Where Terraform starts when it looks for a provider. Empty is an answer: a box with a
        // provider mirror needs no network.
        let registry = "https://registry.terraform.io/.well-known/terraform.json";
        Ok(Self {
            password_file: state.join("admin-password"),
            owners_mark: state.join("admin-password-is-the-owners"),
            given_file: state.join("admin-password.given"),
            token_file: state.join("session-token"),
            stamps: state.join("templates"),
            unix: state.join("unix"),
            state,
            flag_file: runtime.join("first-user-exists"),
            runtime,
            access_url: or("FIRST_BOOT_ACCESS_URL", &coder_url),
            coder_url,
            admin_user: or("FIRST_BOOT_ADMIN_USER", "admin"),
            admin_email: or("FIRST_BOOT_ADMIN_EMAIL", "admin@coder-box.local"),
            owner_password_file: set(owners).map(|_| absolute(owners)).transpose()?,
            templates: or("FIRST_BOOT_TEMPLATES", "").into(),
            desktop_user: set("FIRST_BOOT_DESKTOP_USER"),
            show_passwords,
            secrets: Secrets {
                folder: or("FIRST_BOOT_SECRETS", "/boot/secrets").into(),
                account: set("FIRST_BOOT_SECRETS_ACCOUNT"),
                keys: set("FIRST_BOOT_SECRETS_KEYS").map(PathBuf::from),
                is_for_coder: or("FIRST_BOOT_SECRETS_CODER", "no") == "yes",
                networks: set("FIRST_BOOT_SECRETS_NETWORKS").map(PathBuf::from),
            },
            held_lock: set("FIRST_BOOT_LOCK_FD"),
            probe_url: variable("FIRST_BOOT_PROBE_URL").unwrap_or_else(|| registry.into()),
            wait: Duration::from_secs(number("FIRST_BOOT_WAIT_SECONDS", 300)?.into()),
            tries: number("FIRST_BOOT_TRIES", 6)?,
            backoff: Duration::from_millis(number("FIRST_BOOT_BACKOFF_MS", 1000)?.into()),
            import: Duration::from_secs(number("FIRST_BOOT_IMPORT_SECONDS", 600)?.into()),
            lock: Duration::from_secs(number("FIRST_BOOT_LOCK_SECONDS", 900)?.into()),
        })
    }
}

fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Empty is as good as unset.
fn set(name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

fn or(name: &str, default: &str) -> String {
    set(name).unwrap_or_else(|| default.to_owned())
}

fn absolute(name: &str) -> Result<PathBuf> {
    let value = or(name, "");
    if !value.starts_with('/') {
        return Code::Config.fail(format!("{name} is not an absolute path: '{value}'"));
    }
    Ok(value.into())
}

fn number(name: &str, default: u32) -> Result<u32> {
    let value = or(name, &default.to_string());
    // Neither a sign nor a leading 0.
    match value.parse() {
        Ok(number @ 1..10_000_000) if number.to_string() == value => Ok(number),
        _ => Code::Config.fail(format!("{name} is not a number above 0: '{value}'")),
    }
}
