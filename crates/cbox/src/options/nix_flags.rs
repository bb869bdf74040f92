//! Flags of Nix where they mean nothing to a command of cbox: what is said instead of a guess
//! among cbox's own.

use cbox_driver::{Error, Kind};

/// Why a flag has no meaning, and what is there in its stead.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// It is about builds, and some commands build.
    Builds,
    /// It is about how many builds there are at once.
    BuildsAtOnce,
    /// Evaluation is pure and of a flake.
    Pure,
    /// `flake.lock` is never changed.
    Lock,
    /// The system is a word of its own.
    System,
    /// Something else does it.
    Instead(&'static str),
    /// Nix takes it behind `--`.
    Passed,
}

const FLAGS: &[(&[&str], Why)] = &[
    (
        &[
            "-L",
            "--print-build-logs",
            "-k",
            "--keep-going",
            "-K",
            "--keep-failed",
            "-o",
            "--out-link",
            "--no-link",
            "--print-out-paths",
            "--builders",
        ],
        Why::Builds,
    ),
    (&["-j", "--max-jobs"], Why::BuildsAtOnce),
    (
        &[
            "--impure",
            "--no-pure-eval",
            "-E",
            "--expr",
            "-f",
            "--file",
            "-I",
            "--include",
            "--arg",
            "--argstr",
        ],
        Why::Pure,
    ),
    (
        &[
            "--recreate-lock-file",
            "--update-input",
            "--no-update-lock-file",
            "--no-write-lock-file",
            "--commit-lock-file",
            "--output-lock-file",
            "--reference-lock-file",
        ],
        Why::Lock,
    ),
    (&["--system", "--eval-system"], Why::System),
    (
        &["-A", "--attr"],
        Why::Instead("a host is named by itself or behind `#`: `cbox build .#HOST`"),
    ),
    (
        &["--profile", "-p"],
        Why::Instead(
            "`nix-env --profile PROFILE --set \"$(cbox build TARGET --print-out-paths)\"` does that",
        ),
    ),
    (
        &["--no-out-link"],
        Why::Instead("`cbox build TARGET --no-link` makes no link"),
    ),
    (
        &["--log-format"],
        Why::Instead("`-L` shows build logs, and `--json-lines` what happens as JSON"),
    ),
    (
        &["--debug"],
        Why::Instead("`-vv` shows every command that is run"),
    ),
    (
        &[
            "--accept-flake-config",
            "--access-tokens",
            "--cores",
            "--eval-store",
            "--extra-substituters",
            "--fallback",
            "--log-lines",
            "--max-silent-time",
            "--netrc-file",
            "--no-substitute",
            "--option",
            "--rebuild",
            "--refresh",
            "--repair",
            "--substituters",
            "--timeout",
        ],
        Why::Passed,
    ),
];

/// The error for `flag` of Nix behind `command`, which does not take it; `None` where Nix has no
/// such. `passes_on` says whether it takes arguments for Nix behind `--`.
pub(crate) fn misplaced(flag: &str, command: &str, passes_on: bool) -> Option<Error> {
    let (_, why) = FLAGS.iter().find(|(flags, _)| flags.contains(&flag))?;
    let builds_nothing =
        || format!("`cbox {command}` builds nothing, so Nix's `{flag}` means nothing to it");
    let no_meaning = || format!("Nix's `{flag}` means nothing to `cbox {command}`");
    let (message, hint) = match why {
        Why::Builds => (
            builds_nothing(),
            "`cbox build`, `cbox image` and `cbox <KIND>` take it".to_owned(),
        ),
        Why::BuildsAtOnce => (
            builds_nothing(),
            "`--jobs N` says how much is evaluated at once, where hosts are evaluated".to_owned(),
        ),
        Why::Pure => (
            format!(
                "Nix's `{flag}` means nothing here: cbox evaluates flakes, and purely, so that the \
                 same tree gives the same image everywhere"
            ),
            "what an evaluation needs goes into the flake, or is forced with `--set OPTION=VALUE`"
                .to_owned(),
        ),
        Why::Lock => (
            format!("Nix's `{flag}` means nothing here: cbox never changes flake.lock"),
            "`nix flake lock` and `nix flake update` change it; `--override-input NAME REF` replaces \
             an input for one run"
                .to_owned(),
        ),
        Why::System => (
            no_meaning(),
            "the system is the last word of an image: `cbox image HOST VARIANT aarch64`".to_owned(),
        ),
        Why::Instead(hint) => (no_meaning(), (*hint).to_owned()),
        Why::Passed if passes_on => (
            format!("`{flag}` is Nix's, and is not among the options of `cbox {command}`"),
            format!("Nix takes it behind `--`: `cbox {command} … -- {flag} …`"),
        ),
        Why::Passed => (
            no_meaning(),
            "a setting of Nix counts for every command in nix.conf or the variable NIX_CONFIG"
                .to_owned(),
        ),
    };
    Some(Error::new(Kind::Usage, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::command_line;

    /// A flag that a building command takes is never called foreign there.
    #[test]
    fn what_a_build_takes_is_told_from_what_it_does_not() {
        let commands = command_line::command(None);
        let build = commands.find_subcommand("build").unwrap();
        let takes = |flag: &str| {
            build.get_arguments().any(|arg| {
                let short = arg.get_short().map(|short| format!("-{short}"));
                let long = arg.get_long().map(|long| format!("--{long}"));
                [short, long].into_iter().flatten().any(|own| own == flag)
            })
        };
        for (flags, why) in FLAGS {
            for flag in *flags {
                let is_taken =
                    matches!(why, Why::Builds | Why::BuildsAtOnce) || *flag == "--option";
                assert_eq!(takes(flag), is_taken, "{flag}");
            }
        }
    }
}
