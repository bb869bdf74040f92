use super::*;
use nix_formats::{nar::Writer, wire::read_string};
use proptest::prelude::*;
use std::io::Cursor;

/// What was sent for [`converse`], and what daemons answered to it.
const REQUEST: &[u8] = include_bytes!("recorded/request.client");
const NIX_2_26: &[u8] = include_bytes!("recorded/2.26.daemon");
/// With `-vvvvv`.
const NIX_2_34: &[u8] = include_bytes!("recorded/2.34-verbose.daemon");
const DISK_FULL: &[u8] = include_bytes!("recorded/2.26-disk-full.daemon");

const PATH: &str = "/nix/store/9vym1f1kyygc8aj8h7fd5zhrk3532062-source";

/// Where in [`REQUEST`] the archive begins, and how much of that is about the path.
const FIRST_FRAME: usize = 0xf0;
const ABOUT_THE_PATH: usize = 0x90;

/// A daemon that says what it has to say, whatever it is told.
#[derive(Debug, Default)]
struct Script {
    says: Cursor<Vec<u8>>,
    /// The most bytes that are sent or read at once.
    at_once: usize,
    /// Where among the bytes that it is told it wants to be heard first.
    speaks_at: Vec<usize>,
    /// Where it reads no further.
    deaf_at: Option<usize>,
    told: Vec<u8>,
}

impl Script {
    fn saying(says: &[u8]) -> Self {
        Self {
            says: Cursor::new(says.to_owned()),
            at_once: usize::MAX,
            ..Self::default()
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.at_once);
        self.says.read(&mut buffer[..length])
    }
}

impl Transport for &mut Script {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.deaf_at.is_some_and(|at| self.told.len() >= at) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some(place) = self.speaks_at.iter().position(|at| *at <= self.told.len()) {
            self.speaks_at.remove(place);
            return Ok(0);
        }
        let sent = bytes.len().min(self.at_once);
        self.told.extend_from_slice(&bytes[..sent]);
        Ok(sent)
    }
}

/// All that there is to ask for, about a tree of one file.
fn converse(script: &mut Script) -> Result<(bool, String), Fault> {
    let mut client = Client::greet(script)?;
    client.add_temp_root(PATH)?;
    let is_valid = client.is_valid_path(PATH)?;
    let added = client.add_to_store("source", |sink| {
        let mut archive = Writer::new(sink)?;
        let text = b"{ outputs = _: { }; }\n";
        let size = text.len() as u64;
        archive.file(&[b"flake.nix"], false, size, &mut text.as_slice())?;
        archive.finish().map(drop)
    })?;
    Ok((
        is_valid,
        added.map_err(|error: io::Error| Fault::from(error))?,
    ))
}

fn fault(says: &[u8]) -> Fault {
    converse(&mut Script::saying(says)).unwrap_err()
}

/// The greeting of a daemon that speaks version 1.38.
const GREETING: &[u64] = &[WORKER_MAGIC_2, 0x126, 0, 1];

const LAST: u64 = 0x616c_7473;

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// A greeting, and then `numbers` and `string` in the place of the first answer.
fn then(after: &[u64], string: Option<&[u8]>) -> Vec<u8> {
    let mut says = numbers(&[GREETING, &[LAST], after].concat());
    if let Some(string) = string {
        write_string(&mut says, string).unwrap();
    }
    says
}

#[test]
fn daemons_are_spoken_to_as_recorded() {
    for answers in [NIX_2_26, NIX_2_34] {
        let mut script = Script::saying(answers);
        assert_eq!(converse(&mut script), Ok((false, PATH.to_owned())));
        assert_eq!(script.told, REQUEST);
        assert_eq!(script.says.position(), answers.len() as u64, "all is read");
    }
}

#[test]
fn bytes_may_come_and_go_one_by_one() {
    let mut script = Script {
        at_once: 1,
        ..Script::saying(NIX_2_34)
    };
    assert_eq!(converse(&mut script), Ok((false, PATH.to_owned())));
    assert_eq!(script.told, REQUEST);
}

/// A daemon that is full of words and waits for them to be heard must not be waited for.
#[test]
fn a_daemon_is_heard_while_it_is_told() {
    let mut line = numbers(&[0x6f6c_6d67]);
    write_string(&mut line, b"a line of its log\n").unwrap();
    // Behind its answers to the greeting, AddTempRoot and IsValidPath.
    let (before, after) = NIX_2_26.split_at(80);
    let mut script = Script {
        speaks_at: vec![FIRST_FRAME],
        ..Script::saying(&[before, &line, after].concat())
    };
    assert_eq!(converse(&mut script), Ok((false, PATH.to_owned())));
    assert_eq!(script.told, REQUEST);
}

#[test]
fn what_the_daemon_cannot_do_it_says() {
    let refused = Fault::Refused("writing to file: No space left on device".to_owned());
    assert_eq!(fault(DISK_FULL), refused);
    assert!(!refused.is_of_the_protocol());
    // In the middle of the archive it speaks, or listens no longer.
    for script in [
        Script {
            speaks_at: vec![FIRST_FRAME],
            ..Script::saying(DISK_FULL)
        },
        Script {
            deaf_at: Some(FIRST_FRAME),
            ..Script::saying(DISK_FULL)
        },
    ] {
        let mut script = script;
        assert_eq!(converse(&mut script), Err(refused.clone()));
    }
}

#[test]
fn a_store_that_takes_nothing_may_be_reached_otherwise() {
    let message = b"error: operation 'addToStore' is not supported by store 'x'";
    let mut says = then(&[0x6378_7470], Some(b"Error"));
    says.extend(numbers(&[0]));
    write_string(&mut says, b"Error").unwrap();
    write_string(&mut says, message).unwrap();
    says.extend(numbers(&[0, 0]));
    let refused = fault(&says);
    assert!(refused.is_of_the_protocol(), "{refused}");
    assert_eq!(
        refused.to_string(),
        "the store cannot take the source: operation 'addToStore' is not supported by store 'x'"
    );
}

#[test]
fn versions_are_checked() {
    for (number, text) in [
        (0x122, "1.34"),
        (0x10a, "1.10"),
        (0x226, "2.38"),
        (0, "0.0"),
    ] {
        let fault = fault(&numbers(&[WORKER_MAGIC_2, number]));
        assert!(matches!(fault, Fault::Version { .. }), "{fault}");
        let wanted = format!(
            "the store's daemon speaks version {text} of its protocol, where 1.35 to 1.37 can be spoken"
        );
        assert_eq!(fault.to_string(), wanted);
    }
    // A newer one steps down to the version that is asked for.
    assert_eq!(fault(&then(&[], None)), Fault::Lost(String::new()));
    assert_eq!(
        fault(&numbers(&[WORKER_MAGIC_2, 0x1ff])),
        Fault::Lost(String::new())
    );
}

#[test]
fn what_is_no_daemon_is_told_from_one() {
    for (says, why) in [
        (
            b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
            "it greets with 0x2d302e322d485353",
        ),
        (then(&[0x1234], None), "message 0x1234"),
        (
            then(&[0x6f6c_6d67, u64::MAX], None),
            "a string of 18446744073709551615 bytes, where 4194304 are the most",
        ),
        (
            then(&[0x6f6c_6d67, 3, u64::MAX], None),
            "a string that is not followed by zeros",
        ),
        (
            then(&[0x5253_4c54, 1, 1, u64::MAX], None),
            "a list of 18446744073709551615 items",
        ),
        (then(&[0x5253_4c54, 1, 1, 1, 7], None), "a field of kind 7"),
    ] {
        let fault = fault(&says);
        assert_eq!(fault, Fault::Garbled(why.to_owned()));
        assert!(fault.is_of_the_protocol());
    }
}

#[test]
fn activities_are_passed_by() {
    let mut says = then(&[0x5354_5254, 1, 3, 102], Some(b"copying"));
    says.extend(numbers(&[2, 0, 5, 1]));
    write_string(&mut says, b"a field").unwrap();
    says.extend(numbers(&[0]));
    says.extend(numbers(&[0x5253_4c54, 1, 105, 1, 0, 9, 0x5354_4f50, 1]));
    says.extend(numbers(&[0x6461_7416]));
    write_string(&mut says, b"data").unwrap();
    says.extend(numbers(&[LAST, 1, LAST, 7]));
    let mut script = Script::saying(&says);
    let mut client = Client::greet(&mut script).unwrap();
    assert_eq!(client.add_temp_root(PATH), Ok(()));
    assert_eq!(client.is_valid_path(PATH), Ok(true));
}

#[test]
fn an_archive_goes_in_frames_and_an_error_in_it_ends_it() {
    let mut script = Script::saying(NIX_2_26);
    let mut client = Client::greet(&mut script).unwrap();
    let sent = vec![7; 3 * FRAME + 5];
    let error = client.add_to_store("source", |sink| {
        sink.write_all(&sent).unwrap();
        Err::<(), _>("changed")
    });
    assert_eq!(error, Ok(Err("changed")));
    let mut left = &script.told[FIRST_FRAME - ABOUT_THE_PATH..];
    for _ in 0..3 {
        assert_eq!(read_number(&mut left).unwrap(), FRAME as u64);
        assert!(left[..FRAME].iter().all(|byte| *byte == 7));
        left = &left[FRAME..];
    }
    assert!(left.is_empty(), "what is not whole is not sent");
}

#[test]
fn a_conversation_that_breaks_off_anywhere_is_lost() {
    for length in 0..NIX_2_26.len() {
        assert_eq!(
            fault(&NIX_2_26[..length]),
            Fault::Lost(String::new()),
            "{length}"
        );
    }
}

proptest! {
    /// Whatever a daemon says, there is an answer or a fault, and memory for what came.
    #[test]
    fn any_bytes_are_survived(at in 0..NIX_2_26.len(), bytes: Vec<u8>, at_once in 1..64_usize) {
        let says = [&NIX_2_26[..at], bytes.as_slice()].concat();
        let mut script = Script { at_once, ..Script::saying(&says) };
        if let Ok((_, path)) = converse(&mut script) {
            prop_assert!(path.len() <= says.len());
        }
        let mut source = bytes.as_slice();
        let _any = read_string(&mut source, 1 << 20);
    }
}
