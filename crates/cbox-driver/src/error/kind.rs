//! Exit codes: one for each kind of trouble, the same in every command.

use cbox_nix::Signal;

/// Makes [`Kind`] and [`TABLE`] of rows, so that a kind is one row: its code, its name in JSON
/// and in the table, and what the table says of it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $name:literal, $meaning:literal;)*) => {
        /// A kind of trouble.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// A signal came.
            Interrupted(Signal),
        }

        /// The exit codes and what they mean, as `--help` and docs/reference.md have them.
        pub const TABLE: &[(u8, &str)] = &[
            (0, "done"),
            $(($code, concat!($name, ": ", $meaning)),)*
            (129, "stopped by SIGHUP"),
            (130, "stopped by Ctrl-C"),
            (131, "stopped by SIGQUIT"),
            (143, "stopped by SIGTERM"),
        ];

        impl Kind {
            /// The exit code.
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$kind => $code,)*
                    Self::Interrupted(signal) => signal.exit_code(),
                }
            }

            /// The kind of this name in JSON, but for signals.
            pub fn of_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// The name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    Self::Interrupted(_) => "interrupted",
                }
            }
        }
    };
}

kinds! {
    /// A host would build something else than what was accepted, something that must not
    /// matter does, or a path is not staged: the answer to a question is no.
    Changed = 1, "changed", "a host differs from what was accepted, the self-test found a leak, or a path is not staged";
    /// The command line asks for something that there is not.
    Usage = 2, "usage", "an unknown command, target, host, format or option";
    /// `cbox.toml` or `flake.nix` is missing or wrong.
    Config = 3, "configuration", "cbox.toml, flake.nix or baseline.json missing or wrong";
    /// `flake.lock` does not lock everything.
    Lock = 4, "lock", "flake.lock missing, stale or open, or an override of no input";
    /// Something is missing on this machine.
    Environment = 5, "environment", "nix, git, QEMU or firmware is missing, too old or fails, a flake cannot be fetched, or a port or drive cannot be used";
    /// The working tree cannot be staged.
    Source = 6, "source", "the working tree cannot be staged, has files that a commit would lack, or holds what must not be baked";
    /// The flake does not evaluate.
    Evaluation = 7, "evaluation", "a host does not evaluate";
    /// A build failed.
    Build = 8, "build", "a build failed";
    /// The build gave another artifact than `cbox.toml` says.
    Artifact = 9, "artifact", "no file or several match the pattern, it is not built yet, or an image file is damaged or not what its checksum says";
    /// The result cannot be written or linked.
    Output = 10, "output", "a result cannot be linked, written, pushed or removed, or a drive did not keep it";
    /// The flake or this machine cannot do the system.
    Unsupported = 11, "system", "the target or this machine does not support the system";
    /// A booted machine ended before its console said what was waited for.
    Ended = 12, "boot", "the machine ended before a console line matched `--until`";
    /// A booted machine did not say it in time.
    Timeout = 13, "timeout", "no console line matched `--until` within `--timeout`";
    /// An image or its closure is larger than `cbox.toml` allows.
    Budget = 14, "budget", "an image or its closure is larger than cbox.toml allows";
    /// A build gave something else when it was done again.
    Differs = 15, "reproduce", "a target that was built twice is not the same";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_for_two_kinds() {
        let codes: Vec<u8> = TABLE.iter().map(|(code, _)| *code).collect();
        assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
        for signal in Signal::ALL {
            assert!(
                codes.contains(&Kind::Interrupted(signal).code()),
                "{signal}"
            );
        }
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
