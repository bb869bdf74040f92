//! How an evaluation that did not end by itself ended: for want of memory, or otherwise.

/// What Nix and the C++ library write when there is no more memory, each at the start of a line.
/// What a flake throws itself stands indented, behind a trace.
const LAST_WORDS: [&str; 4] = [
    "error: out of memory",
    "Out of Memory! Aborting",
    "Can't start up: not enough memory",
    "terminate called after throwing an instance of 'std::bad_alloc'",
];

/// What the collector writes when the system gives it no more. It may find another way, so that
/// an error behind it is one of its own.
const WARNINGS: [&str; 2] = [
    "GC Warning: Out of Memory!",
    "GC Warning: Failed to expand heap",
];

/// How an evaluation ended that did not end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Death {
    /// There was too little memory. Nix said this line, or nothing where it could not.
    Memory(String),
    /// A signal, for another reason.
    Signal,
}

/// Says how a process died that failed; `None` where it ended by itself, for whatever reason.
///
/// `signal` is what ended it, if one did: SIGKILL may come from the kernel, which ends the
/// largest process where memory runs out, and `by_kernel` says whether it has done so meanwhile
/// (`None` where that cannot be known), but also from anybody else. A stack that overflows is
/// neither: Nix says so itself.
#[must_use]
pub(crate) fn death(signal: Option<i32>, stderr: &str, by_kernel: Option<bool>) -> Option<Death> {
    const KILL: i32 = 9;
    let begins = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let lines = || stderr.lines().rev();
    let word = lines().find(|line| {
        let is_error = line.trim_start().starts_with("error:");
        begins(line, &LAST_WORDS) || (is_error && line.contains("Cannot allocate memory"))
    });
    let is_error = |line: &&str| line.starts_with("error:");
    let warning = lines()
        .take_while(|line| !is_error(line))
        .find(|line| begins(line, &WARNINGS));
    match (signal, word.or(warning)) {
        (_, Some(line)) => Some(Death::Memory(line.trim().to_owned())),
        (Some(KILL), None) if by_kernel != Some(false) => Some(Death::Memory(String::new())),
        // One that has said what is wrong is heard.
        (Some(_), None) if !lines().any(|line| is_error(&line)) => Some(Death::Signal),
        _ => None,
    }
}

/// How many processes the kernel has ended for want of memory, here and in every container;
/// `None` where it does not say.
pub(crate) fn ended_by_kernel() -> Option<u64> {
    let numbers = std::fs::read_to_string("/proc/vmstat").ok()?;
    let mut numbers = numbers.lines();
    numbers.find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(words: &str) -> Option<Death> {
        Some(Death::Memory(words.to_owned()))
    }

    #[test]
    fn a_death_for_memory_is_known() {
        for (signal, stderr, words) in [
            (None, "error: out of memory", "error: out of memory"),
            (
                Some(6),
                "GC Warning: Out of Memory! Heap size: 1024 MiB. Returning NULL!\nx",
                "GC Warning: Out of Memory! Heap size: 1024 MiB. Returning NULL!",
            ),
            (
                None,
                "GC Warning: Out of Memory! Heap size: 384 MiB. Returning NULL!\nerror: out of memory",
                "error: out of memory",
            ),
            (
                None,
                "GC Warning: Failed to expand heap by 2097152000 KiB\nCan't start up: not enough memory",
                "Can't start up: not enough memory",
            ),
            (
                None,
                "error:\n   … while\n       error: creating a pipe: Cannot allocate memory",
                "error: creating a pipe: Cannot allocate memory",
            ),
            (
                Some(6),
                "terminate called after throwing an instance of 'std::bad_alloc'",
                "terminate called after throwing an instance of 'std::bad_alloc'",
            ),
        ] {
            for by_kernel in [None, Some(false), Some(true)] {
                let died = death(signal, stderr, by_kernel);
                assert_eq!(died, memory(words), "{signal:?} {stderr}");
            }
        }
    }

    #[test]
    fn the_kernel_says_whether_it_was_the_one_that_killed() {
        for by_kernel in [None, Some(true)] {
            assert_eq!(death(Some(9), "", by_kernel), memory(""));
        }
        assert_eq!(death(Some(9), "", Some(false)), Some(Death::Signal));
        // It counts what it ends, or this test runs where nothing is known of it.
        if let (Some(one), Some(other)) = (ended_by_kernel(), ended_by_kernel()) {
            assert!(one <= other);
        }
    }

    #[test]
    fn a_crash_is_no_want_of_memory() {
        for (signal, stderr) in [
            (6, ""),
            (11, "evaluating"),
            (7, "warning: x"),
            (15, ""),
            (4, "trace: Cannot allocate memory"),
        ] {
            assert_eq!(
                death(Some(signal), stderr, Some(true)),
                Some(Death::Signal),
                "{signal} {stderr}"
            );
        }
    }

    #[test]
    fn what_ended_by_itself_is_neither() {
        for (signal, stderr) in [
            (None, ""),
            (None, "error: stack overflow (possible infinite recursion)"),
            (
                Some(11),
                "error: stack overflow (possible infinite recursion)",
            ),
            (
                None,
                "error:\n   … while\n\n       error: infinite recursion encountered",
            ),
            // What a flake says itself.
            (
                None,
                "error:\n   … while calling\n\n       error: out of memory",
            ),
            (None, "trace: Cannot allocate memory\nerror: something else"),
            // The collector has found another way.
            (
                None,
                "GC Warning: Failed to expand heap by 4 KiB\nerror: attribute 'x' missing",
            ),
        ] {
            assert_eq!(
                death(signal, stderr, Some(true)),
                None,
                "{signal:?} {stderr}"
            );
        }
    }
}
