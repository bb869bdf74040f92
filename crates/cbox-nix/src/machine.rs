//! A machine behind ssh: which system runs on it.

use std::time::Duration;

use nix_formats::{
    nix_text::percent_decoded,
    store_path::{OutPath, StorePath},
};
use thiserror::Error;

use crate::{Interrupt, NixError, process::Command, store_fault::ssh_says};

/// How the names of machines begin.
const SCHEMES: [&str; 2] = ["ssh://", "ssh-ng://"];

/// What NixOS has at run time: a link to the system that it runs.
pub const RUNNING_SYSTEM: &str = "/run/current-system";

/// How long ssh may take to connect, in seconds.
const TO_CONNECT: u64 = 15;

/// How long a machine may take to say what it runs.
const PATIENCE: Duration = Duration::from_secs(2 * TO_CONNECT);

/// A machine, as a URI names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// As it was typed: `ssh://root@host`.
    pub name: String,
    /// Its store, as Nix names it.
    pub store: String,
    /// What ssh takes for it: `root@host`.
    host: String,
    /// The options of ssh that its URI gives.
    options: Vec<String>,
}

/// Why it is not known what runs on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MachineFault {
    /// The URI names none.
    #[error("`{0}` names no machine")]
    Name(String),
    /// ssh cannot connect.
    #[error("the machine `{machine}` cannot be reached: {reason}")]
    Unreachable {
        /// As it was typed.
        machine: String,
        /// What ssh says.
        reason: String,
    },
    /// It says nothing.
    #[error("the machine `{0}` does not answer")]
    Silent(String),
    /// It runs something else.
    #[error("the machine `{0}` does not run NixOS: it has no {RUNNING_SYSTEM}")]
    NotNixos(String),
}

impl MachineFault {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Name(_) => "write `ssh://HOST` or `ssh://USER@HOST`",
            Self::Unreachable { .. } | Self::Silent(_) => {
                "ssh has to get in by itself: by a key, and with the machine in known_hosts; \
                 NIX_SSHOPTS adds options"
            }
            Self::NotNixos(_) => "name a machine that runs NixOS, a store path or a target",
        }
    }
}

impl Machine {
    /// Whether `text` is meant to name a machine.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Understands `ssh://[USER@]HOST[:PORT][?ssh-key=FILE]`, or the same with `ssh-ng`.
    ///
    /// # Errors
    /// When that names no machine.
    pub fn parse(text: &str) -> Result<Self, MachineFault> {
        let unknown = || MachineFault::Name(text.to_owned());
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or_else(unknown)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.trim_end_matches('/');
        let is_port = |port: &str| port.parse::<u16>().is_ok();
        let (host, port) = match place.rsplit_once(':') {
            // An IPv6 address without brackets has colons of its own.
            Some((host, port)) if is_port(port) && (!host.contains(':') || host.ends_with(']')) => {
                (host, Some(port))
            }
            _ => (place, None),
        };
        let host = host.replace(['[', ']'], "");
        let name = host.rsplit('@').next().unwrap_or_default();
        let is_host = |character: char| !character.is_whitespace() && !"/'\"\\".contains(character);
        if name.is_empty() || host.starts_with(['-', '@']) || !host.chars().all(is_host) {
            return Err(unknown());
        }
        let key = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("ssh-key="));
        let key = key.map(|key| ["-i".to_owned(), percent_decoded(key)]);
        let port = port.map(|port| ["-p".to_owned(), port.to_owned()]);
        Ok(Self {
            name: text.to_owned(),
            store: format!("{}{rest}", SCHEMES[1]),
            host,
            options: port.into_iter().chain(key).flatten().collect(),
        })
    }

    /// The system that it runs, which is in its store. `more` are further options of ssh, as
    /// `NIX_SSHOPTS` has them.
    ///
    /// # Errors
    /// When it cannot be reached or runs no NixOS, ssh is missing, or a signal comes.
    pub async fn running_system(
        &self,
        more: Option<&str>,
        store_dir: &str,
        interrupt: &Interrupt,
    ) -> Result<OutPath, NixError> {
        let command = Command::new("ssh", self.arguments(more));
        let machine = self.name.clone();
        let Ok(answer) = tokio::time::timeout(PATIENCE, command.run(interrupt)).await else {
            return Err(MachineFault::Silent(machine).into());
        };
        match answer {
            Ok(output) => self
                .system(&output.stdout, store_dir)
                .map_err(NixError::from),
            Err(NixError::Failed { stderr, .. }) => Err(match reason(&stderr) {
                Some(reason) => MachineFault::Unreachable { machine, reason },
                // There, the file is missing, or what looks for it.
                None => MachineFault::NotNixos(machine),
            }
            .into()),
            Err(error) => Err(error),
        }
    }

    fn arguments(&self, more: Option<&str>) -> Vec<String> {
        let connect = format!("ConnectTimeout={TO_CONNECT}");
        // Nobody sees what ssh would ask.
        let mut arguments = ["-o", "BatchMode=yes", "-o", &connect]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(
            more.unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned),
        );
        arguments.extend(self.options.iter().cloned());
        let rest = ["--", &self.host, "readlink", "-f", RUNNING_SYSTEM];
        arguments.extend(rest.map(str::to_owned));
        arguments
    }

    /// The system in an answer: a link that is not there leads to itself.
    fn system(&self, answer: &[u8], store_dir: &str) -> Result<OutPath, MachineFault> {
        let answer = String::from_utf8_lossy(answer);
        let path = answer.trim_end();
        StorePath::from_absolute_path(path, store_dir)
            .ok()
            .and_then(|path| path.as_str().parse().ok())
            .ok_or_else(|| MachineFault::NotNixos(self.name.clone()))
    }
}

/// What ssh says of a connection that it does not get.
fn reason(stderr: &str) -> Option<String> {
    let said = stderr.lines().filter_map(ssh_says).next_back();
    said.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_a_host_and_perhaps_more() {
        let arguments = |text: &str| {
            let machine = Machine::parse(text).unwrap();
            let arguments = machine.arguments(Some(" -F  file "));
            (arguments[4..].join(" "), machine.store)
        };
        for (text, words, store) in [
            ("ssh://box", "box", "ssh-ng://box"),
            ("ssh-ng://box/", "box", "ssh-ng://box/"),
            ("ssh://me@box:22", "-p 22 -- me@box", "ssh-ng://me@box:22"),
            ("ssh://::1", "::1", "ssh-ng://::1"),
            (
                "ssh://[fe80::1]:22",
                "-p 22 -- fe80::1",
                "ssh-ng://[fe80::1]:22",
            ),
            (
                "ssh-ng://box?compress=true&ssh-key=/a%20b",
                "-i /a b -- box",
                "ssh-ng://box?compress=true&ssh-key=/a%20b",
            ),
        ] {
            let words = match words.contains("--") {
                true => words.to_owned(),
                false => format!("-- {words}"),
            };
            let expected = format!("-F file {words} readlink -f /run/current-system");
            assert_eq!(arguments(text), (expected, store.to_owned()), "{text}");
            assert!(Machine::is_meant(text));
        }
        for bad in [
            "ssh://",
            "ssh:///x",
            "ssh://-oProxyCommand=x",
            "ssh://me@",
            "ssh://a b",
        ] {
            let fault = Machine::parse(bad).unwrap_err();
            assert_eq!(fault, MachineFault::Name(bad.to_owned()));
        }
        assert!(!Machine::is_meant("ssh:box") && !Machine::is_meant("box"));
    }

    #[test]
    fn only_a_store_path_is_a_system() {
        let machine = Machine::parse("ssh://box").unwrap();
        let system = |answer: &str| machine.system(answer.as_bytes(), "/nix/store");
        let path = format!("/nix/store/{}-nixos-system-box-1", "a".repeat(32));
        assert_eq!(system(&format!("{path}\n")).unwrap().as_str(), path);
        for answer in [
            "",
            "/run/current-system\n",
            "/nix/store",
            "/nix/store/x/../..\n",
            "\u{1b}[",
        ] {
            let fault = system(answer).unwrap_err();
            assert_eq!(
                fault,
                MachineFault::NotNixos("ssh://box".into()),
                "{answer}"
            );
        }
    }

    #[test]
    fn what_ssh_says_is_the_reason() {
        let refused = "Warning: x\nssh: connect to host a port 22: Connection refused\n";
        let said = "ssh: connect to host a port 22: Connection refused";
        assert_eq!(reason(refused).as_deref(), Some(said));
        assert_eq!(reason("sh: readlink: not found\n"), None);
    }
}
