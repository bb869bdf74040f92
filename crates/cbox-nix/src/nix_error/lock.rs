//! What Nix says about a lock file, taken apart.

use super::message::Message;

/// Why Nix does not take a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockMessage {
    /// It is no JSON, or not that of a lock file; the reason in Nix's words.
    Syntax(String),
    /// Its version is another one.
    Version(String),
    /// An entry that can change: what it is locked as, as JSON.
    Unlocked(String),
    /// It needs changes.
    Stale {
        /// The input that Nix was locking when it failed, where it went that far.
        input: Option<String>,
    },
    /// Nix asked its registry for an input, which has no address in `flake.nix`.
    Registry {
        /// The input.
        input: String,
    },
    /// What is locked could not be fetched, and without it Nix cannot tell.
    Unavailable {
        /// The input.
        input: String,
        /// Why not, in Nix's words.
        reason: String,
    },
}

impl LockMessage {
    /// What `stderr` says of the lock file; `None` where it is about something else.
    #[must_use]
    pub fn parse(stderr: &str) -> Option<Self> {
        let message = Message::parse(stderr)?;
        let text = message.text.as_str();
        if let Some((_, reason)) = text.split_once("[json.exception.") {
            let reason = reason.split_once("] ").map_or(reason, |(_, reason)| reason);
            return Some(Self::Syntax(reason.to_owned()));
        }
        let innermost = |before: &str| {
            let mut steps = message.steps.iter().rev();
            steps.find_map(|step| {
                let rest = step.text.strip_prefix(before)?;
                Some(rest.strip_suffix('\'').unwrap_or(rest).to_owned())
            })
        };
        innermost("while updating the lock file of flake '")?;
        if let Some((_, version)) = text.split_once("' has unsupported version ") {
            return Some(Self::Version(version.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("Lock file contains unlocked input '") {
            let entry = rest.split_once("'.").map_or(rest, |(entry, _)| entry);
            return Some(Self::Unlocked(entry.to_owned()));
        }
        if text.contains("requires lock file changes") {
            return Some(Self::Stale { input: None });
        }
        let of_flake = ["input '", "follow cycle detected"];
        if of_flake.iter().any(|words| text.starts_with(words)) {
            return None;
        }
        let Some(input) = innermost("while updating the flake input '") else {
            return Some(Self::Syntax(text.to_owned()));
        };
        let is_locked =
            |reference: String| reference.contains("narHash=") || reference.contains("rev=");
        let fetched = innermost("while fetching the input '");
        let is_fetched = fetched.is_some();
        if fetched.is_some_and(is_locked) {
            let reason = text.to_owned();
            return Some(Self::Unavailable { input, reason });
        }
        let is_below = input.contains('/');
        // A file of the flake's own that is not there: its own sentence says more.
        if text.starts_with("path '") && !is_fetched && !is_below {
            return None;
        }
        if text.contains("flake-registry") && is_below {
            return Some(Self::Registry { input });
        }
        Some(Self::Stale { input: Some(input) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATING: &str = "error:\n       … while updating the lock file of flake 'path:/nix/store/a-source?narHash=x'\n\n";

    fn parse(rest: &str) -> Option<LockMessage> {
        LockMessage::parse(&format!("{UPDATING}{rest}"))
    }

    #[test]
    fn each_verdict_is_told_from_the_others() {
        let open = parse(
            "       error: flake 'path:…' requires lock file changes but they're not allowed due to '--no-update-lock-file'\n",
        );
        assert_eq!(open, Some(LockMessage::Stale { input: None }));
        let fetched = parse(
            "       … while updating the flake input 'dep'\n\n       … while updating the flake input 'dep/inner'\n\n       \
             … while fetching the input 'github:o/r'\n\n       error: unable to download 'https://x/': Could not resolve host\n",
        );
        assert_eq!(
            fetched,
            Some(LockMessage::Stale {
                input: Some("dep/inner".into())
            })
        );
        // What is fetched by its hash is locked: that it cannot be had says nothing of the lock.
        let locked = parse(
            "       … while updating the flake input 'dep'\n\n       \
             … while fetching the input 'github:o/r/0123?narHash=sha256-x'\n\n       error: unable to download 'https://x/'\n",
        );
        assert_eq!(
            locked,
            Some(LockMessage::Unavailable {
                input: "dep".into(),
                reason: "unable to download 'https://x/'".into()
            })
        );
        let registry =
            "error: unable to download 'https://channels.nixos.org/flake-registry.json': no";
        let asking = |input: &str| {
            parse(&format!(
                "       … while updating the flake input '{input}'\n\n       {registry}\n"
            ))
        };
        assert_eq!(
            asking("a/b"),
            Some(LockMessage::Registry {
                input: "a/b".into()
            })
        );
        assert_eq!(
            asking("a"),
            Some(LockMessage::Stale {
                input: Some("a".into())
            })
        );
        let sub = "       error: path '/nix/store/a-source/sub/flake.nix' does not exist\n";
        let missing = |input: &str| {
            parse(&format!(
                "       … while updating the flake input '{input}'\n\n{sub}"
            ))
        };
        assert_eq!(missing("sub"), None);
        assert_eq!(
            missing("a/sub"),
            Some(LockMessage::Stale {
                input: Some("a/sub".into())
            })
        );
        let broken = "lock file references missing node 'x'";
        assert_eq!(
            parse(&format!("       error: {broken}\n")),
            Some(LockMessage::Syntax(broken.into()))
        );
        let version = parse(
            "       error: lock file '/nix/store/a-source/flake.lock' has unsupported version 99\n",
        );
        assert_eq!(version, Some(LockMessage::Version("99".into())));
        let unlocked = parse(
            "       error: Lock file contains unlocked input '{\"path\":\"/a\",\"type\":\"path\"}'. Use '--allow-dirty-locks' to accept this lock file.\n",
        );
        assert_eq!(
            unlocked,
            Some(LockMessage::Unlocked(
                r#"{"path":"/a","type":"path"}"#.into()
            ))
        );
        let circle = parse("       error: follow cycle detected: [b -> a -> b]\n");
        assert_eq!(circle, None, "flake.nix is at fault");
        // Nix 2.26 says it without the step.
        let syntax = "error: [json.exception.parse_error.101] parse error at line 24, column 1: syntax error\n";
        let reason = "parse error at line 24, column 1: syntax error";
        for said in [
            LockMessage::parse(syntax),
            parse(&format!(
                "       error: Could not parse '/nix/store/a-source/flake.lock': {}",
                &syntax[7..]
            )),
        ] {
            assert_eq!(said, Some(LockMessage::Syntax(reason.into())));
        }
        assert_eq!(
            LockMessage::parse("error: syntax error, unexpected end of file\n"),
            None
        );
        assert_eq!(LockMessage::parse(""), None);
    }
}
