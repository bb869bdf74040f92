use super::*;
use crate::{process::Command, test_runtime::run};
use std::time::{Duration, Instant};

/// What a daemon of Nix 2.26 answers to a path that is held and one that is added.
const ANSWERS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/worker_protocol/client/recorded/2.26.daemon"
);

const PATH: &str = "/nix/store/9vym1f1kyygc8aj8h7fd5zhrk3532062-source";

/// A shell script in the place of the daemon, greeted.
fn open(script: &str, interrupt: &Interrupt) -> Result<Connection, Fault> {
    let conversation = Command::new("sh", ["-c", script]).converse().unwrap();
    Connection::open(conversation, interrupt)
}

fn lost(script: &str) -> String {
    run(async { open(script, &Interrupt::never()).unwrap_err().to_string() })
}

#[test]
fn the_last_words_of_the_process_are_the_reason() {
    let says = "echo first >&2; printf '\\033[31;1merror:\\033[0m no such host\\n' >&2; exit 1";
    assert_eq!(
        lost(says),
        "the connection to the store's daemon broke off: no such host"
    );
    assert_eq!(
        lost("exit 0"),
        "the connection to the store's daemon broke off"
    );
}

#[test]
fn a_process_that_says_much_aside_is_not_kept_waiting() {
    let script = format!("head -c 3000000 /dev/zero >&2; cat {ANSWERS}; cat >/dev/null");
    run(async {
        let mut connection = open(&script, &Interrupt::never()).unwrap();
        assert_eq!(connection.hold(PATH), Ok(false));
        let aside = &connection.client.transport().aside;
        assert!(aside.len() <= ASIDE_KEPT);
    });
}

#[test]
fn an_archive_is_sent_through_pipes_that_hold_less() {
    // It answers to all only when it has read all.
    let script =
        format!("head -c 48 {ANSWERS}; head -c 10000000 >/dev/null; tail -c +81 {ANSWERS}");
    run(async {
        let mut connection = open(&script, &Interrupt::never()).unwrap();
        let added = connection.add("source", |sink| sink.write_all(&vec![0; 10_000_000]));
        assert_eq!(added.unwrap().unwrap(), PATH);
    });
}

#[test]
fn a_daemon_that_hangs_is_left_when_a_signal_comes() {
    run(async {
        let (interrupt, cancel) = Interrupt::never().child();
        for script in [
            // It does not greet; it does not answer; it does not read.
            "sleep 60".to_owned(),
            format!("head -c 40 {ANSWERS}; sleep 60"),
            format!("head -c 48 {ANSWERS}; sleep 60"),
        ] {
            let (interrupt, cancel) = interrupt.child();
            let begin = Instant::now();
            let talk = tokio::task::spawn_blocking(move || {
                let mut connection = open(&script, &interrupt)?;
                connection
                    .add("source", |sink| sink.write_all(&vec![0; 10_000_000]))
                    .map(drop)
            });
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
            let ended = talk.await.unwrap();
            assert_eq!(ended, Err(Fault::Interrupted(crate::Signal::Terminate)));
            assert!(begin.elapsed() < Duration::from_secs(5));
        }
        drop(cancel);
    });
}
