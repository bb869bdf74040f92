//! Every target for two seconds; `make test-long` gives each ten minutes, `CBOX_FUZZ_SECONDS` any
//! number.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, starts a process, and reads its own environment"
)]

use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cbox-fuzz");

fn output(args: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        output.status.success(),
        text + &String::from_utf8_lossy(&output.stderr),
    )
}

fn seconds() -> String {
    let long = std::env::var_os("CBOX_LONG").map(|_| "600".to_owned());
    std::env::var("CBOX_FUZZ_SECONDS")
        .ok()
        .or(long)
        .unwrap_or("2".to_owned())
}

#[test]
fn nothing_is_found() {
    let (_, targets) = output(&[]);
    let targets: Vec<&str> = targets.lines().collect();
    assert!(targets.len() > 10, "{targets:?}");
    let found = concat!(env!("CARGO_TARGET_TMPDIR"), "/found");
    let mut bad = Vec::new();
    for target in targets {
        let (good, said) = output(&[target, &seconds(), found]);
        println!("{}", said.trim_end());
        let executions = said
            .split(' ')
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        if !good || executions.is_none_or(|number| number == 0) {
            bad.push(said);
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
