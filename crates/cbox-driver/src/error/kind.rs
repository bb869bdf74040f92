//! Exit codes: one for each kind of trouble, the same in every command.

use cbox_nix::Signal;

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A host would build something else than what was accepted, something that must not
    /// matter does, or a path is not staged: the answer to a question is no.
    Changed,
    /// The command line asks for something that there is not.
    Usage,
    /// `cbox.toml` or `flake.nix` is missing or wrong.
    Config,
    /// `flake.lock` does not lock everything.
    Lock,
    /// Something is missing on this machine.
    Environment,
    /// The working tree cannot be staged.
    Source,
    /// The flake does not evaluate.
    Evaluation,
    /// A build failed.
    Build,
    /// The build gave another artifact than `cbox.toml` says.
    Artifact,
    /// The result cannot be written or linked.
    Output,
    /// The flake or this machine cannot do the system.
    Unsupported,
    /// A booted machine ended before its console said what was waited for.
    Ended,
    /// A booted machine did not say it in time.
    Timeout,
    /// An image or its closure is larger than `cbox.toml` allows.
    Budget,
    /// A signal came.
    Interrupted(Signal),
}

/// The table that `--help` and docs/reference.md quote.
pub const TABLE: &[(u8, &str)] = &[
    (0, "done"),
    (
        1,
        "changed: a host is not as accepted, the self-test found a leak, or a path is not staged",
    ),
    (
        2,
        "usage: an unknown command, target, host, format or option",
    ),
    (
        3,
        "configuration: cbox.toml, flake.nix or baseline.json missing or wrong",
    ),
    (
        4,
        "lock: flake.lock missing, stale or open, or an override of no input",
    ),
    (
        5,
        "environment: nix, git, QEMU or firmware missing, too old or refusing, or a port or drive that cannot be used",
    ),
    (
        6,
        "source: the working tree cannot be staged, is not committed, or holds what must not be baked",
    ),
    (7, "evaluation: a host does not evaluate"),
    (8, "build: a build failed"),
    (
        9,
        "artifact: none or several match the pattern, or it is not built yet",
    ),
    (
        10,
        "output: a result cannot be linked, written or removed, or a drive does not hold it",
    ),
    (11, "system: the target or this machine cannot do it"),
    (
        12,
        "boot: the machine ended before the console said what `--until` waits for",
    ),
    (13, "timeout: the console did not say it within `--timeout`"),
    (
        14,
        "budget: an image or its closure is larger than cbox.toml allows",
    ),
    (129, "stopped by SIGHUP"),
    (130, "stopped by Ctrl-C"),
    (143, "stopped by SIGTERM"),
];

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Changed => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Lock => 4,
            Self::Environment => 5,
            Self::Source => 6,
            Self::Evaluation => 7,
            Self::Build => 8,
            Self::Artifact => 9,
            Self::Output => 10,
            Self::Unsupported => 11,
            Self::Ended => 12,
            Self::Timeout => 13,
            Self::Budget => 14,
            Self::Interrupted(signal) => signal.exit_code(),
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Usage => "usage",
            Self::Config => "configuration",
            Self::Lock => "lock",
            Self::Environment => "environment",
            Self::Source => "source",
            Self::Evaluation => "evaluation",
            Self::Build => "build",
            Self::Artifact => "artifact",
            Self::Output => "output",
            Self::Unsupported => "system",
            Self::Ended => "boot",
            Self::Timeout => "timeout",
            Self::Budget => "budget",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_table_once() {
        let kinds = [
            Kind::Changed,
            Kind::Usage,
            Kind::Config,
            Kind::Lock,
            Kind::Environment,
            Kind::Source,
            Kind::Evaluation,
            Kind::Build,
            Kind::Artifact,
            Kind::Output,
            Kind::Unsupported,
            Kind::Ended,
            Kind::Timeout,
            Kind::Budget,
            Kind::Interrupted(Signal::HangUp),
            Kind::Interrupted(Signal::Interrupt),
            Kind::Interrupted(Signal::Terminate),
        ];
        let mut codes: Vec<u8> = kinds.iter().map(|kind| kind.code()).collect();
        codes.insert(0, 0);
        assert_eq!(
            codes,
            TABLE.iter().map(|(code, _)| *code).collect::<Vec<_>>()
        );
    }

    /// The table of docs/reference.md is the one above.
    #[test]
    fn the_reference_tells_the_same() {
        let reference = include_str!("../../../../docs/reference.md");
        for (code, meaning) in TABLE.iter().filter(|(code, _)| *code < 128) {
            assert!(
                reference.contains(&format!("| {code} | {meaning} |")),
                "{code}"
            );
        }
    }
}
