//! QEMU that ends with an error: what it said, and the way out.

use cbox_nix::NixError;

use crate::error::{Error, Kind};

/// What QEMU says, and what helps.
const WAYS_OUT: [(&[&str], &str); 5] = [
    (
        &["gtk initialization failed", "nitialize SDL", "open display"],
        "`--headless` boots without a window",
    ),
    (
        &["KVM kernel module", "initialize kvm"],
        "`cbox doctor` tests KVM, and shows how to mend it",
    ),
    (
        &["\"write\" lock"],
        "another machine has this file: end that, or name another file with `--keep`",
    ),
    (
        &["allocate memory", "set up guest memory"],
        "give it less memory: `--memory 2G`",
    ),
    (
        &["host forwarding rule"],
        "choose another port: `--forward HOST:GUEST`",
    ),
];

/// How much of what QEMU said is a part of the sentence.
const LINES: usize = 3;

/// The failure of QEMU in one sentence. `has_extra` is whether the user has added arguments.
pub(super) fn explain(failure: NixError, has_extra: bool) -> Error {
    let NixError::Failed { status, stderr, .. } = &failure else {
        return failure.into();
    };
    let without_name = |line: &'_ str| {
        let (name, rest) = line.split_once(": ").unwrap_or(("", line));
        let rest = if name.starts_with("qemu-system-") {
            rest
        } else {
            line
        };
        rest.trim().to_owned()
    };
    let said: Vec<String> = stderr.lines().map(without_name).collect();
    let said = said[said.len().saturating_sub(LINES)..].join("; ");
    let message = match said.as_str() {
        "" => format!("QEMU {status}, and said nothing"),
        said => format!("QEMU {status}: {said}"),
    };
    let known = WAYS_OUT
        .iter()
        .find(|(marks, _)| marks.iter().any(|mark| said.contains(mark)));
    let hint = match (known, has_extra) {
        (Some((_, hint)), _) => hint,
        (None, true) => "check the arguments after `--`, which go to QEMU as they are",
        (None, false) => "`-vv` shows how QEMU was called",
    };
    Error::new(Kind::Environment, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_sentence_with_a_way_out() {
        let explained = |stderr: &str, has_extra| {
            let failure = NixError::Failed {
                command: "qemu-system-x86_64 -m 4096".into(),
                status: "failed with exit code 1".into(),
                signal: None,
                stderr: stderr.into(),
            };
            explain(failure, has_extra).lines()
        };
        assert_eq!(
            explained("qemu-system-x86_64: gtk initialization failed", false),
            [
                "QEMU failed with exit code 1: gtk initialization failed",
                "hint: `--headless` boots without a window"
            ]
        );
        assert_eq!(
            explained("qemu-system-x86_64: -x: invalid option", true),
            [
                "QEMU failed with exit code 1: -x: invalid option",
                "hint: check the arguments after `--`, which go to QEMU as they are"
            ]
        );
        let lock = "qemu-system-x86_64: -drive file=a: Failed to get \"write\" lock\n\
                    Is another process using the image [a]?";
        let lines = explained(lock, false);
        assert!(lines[0].ends_with("lock; Is another process using the image [a]?"));
        assert!(lines[1].contains("another machine has this file"));
        assert!(explained("", false)[0].ends_with("and said nothing"));
    }
}
