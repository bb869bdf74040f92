//! How an evaluation that had too little memory ends.

/// What Nix, its collector and the C++ library write when there is no more memory, each at
/// the start of a line. What a flake throws itself stands indented, behind a trace.
const LAST_WORDS: [&str; 6] = [
    "error: out of memory",
    "GC Warning: Out of Memory!",
    "GC Warning: Failed to expand heap",
    "Out of Memory! Aborting",
    "Can't start up: not enough memory",
    "terminate called after throwing an instance of 'std::bad_alloc'",
];

/// Says whether a process that failed did so for want of memory, and how that shows:
/// the line that says so, or an empty text where only the signal does.
///
/// `signal` is what ended it, if one did. The kernel ends the largest process by SIGKILL,
/// the collector gives up by SIGABRT, and what runs over a failed allocation gets SIGSEGV.
/// A stack that overflows is no want of memory: Nix says so itself.
#[must_use]
pub(crate) fn died_of_memory(signal: Option<i32>, stderr: &str) -> Option<String> {
    const KILL: i32 = 9;
    const ABORT: i32 = 6;
    const SEGMENTATION: i32 = 11;
    let lines = || stderr.lines().rev();
    let word = lines().find(|line| {
        let is_error = line.trim_start().starts_with("error:");
        LAST_WORDS.iter().any(|word| line.starts_with(word))
            || (is_error && line.contains("Cannot allocate memory"))
    });
    let overflow = || lines().any(|line| line.starts_with("error: stack overflow"));
    match (signal, word) {
        (Some(KILL), None) => Some(String::new()),
        (Some(ABORT | SEGMENTATION), None) if !overflow() => Some(String::new()),
        (_, Some(line)) => Some(line.trim().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_for_memory_is_known() {
        for (signal, stderr, cause) in [
            (Some(9), "", ""),
            (Some(6), "", ""),
            (Some(11), "evaluating", ""),
            (None, "error: out of memory", "error: out of memory"),
            (
                Some(6),
                "GC Warning: Out of Memory! Heap size: 1024 MiB. Returning NULL!\nx",
                "GC Warning: Out of Memory! Heap size: 1024 MiB. Returning NULL!",
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
            let died = died_of_memory(signal, stderr);
            assert_eq!(died.as_deref(), Some(cause), "{signal:?} {stderr}");
        }
    }

    #[test]
    fn other_deaths_are_not_for_memory() {
        for (signal, stderr) in [
            (None, ""),
            (Some(15), ""),
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
        ] {
            assert_eq!(died_of_memory(signal, stderr), None, "{signal:?} {stderr}");
        }
    }
}
