//! What a daemon says before it answers: its log, and how it ended.

use std::io::{self, Read};

use nix_formats::{
    nix_text::without_escapes,
    wire::{read_number, read_string},
};

use super::Fault;

const STDERR_NEXT: u64 = 0x6f6c_6d67;
const STDERR_WRITE: u64 = 0x6461_7416;
const STDERR_LAST: u64 = 0x616c_7473;
const STDERR_ERROR: u64 = 0x6378_7470;
const STDERR_START_ACTIVITY: u64 = 0x5354_5254;
const STDERR_STOP_ACTIVITY: u64 = 0x5354_4f50;
const STDERR_RESULT: u64 = 0x5253_4c54;

/// The longest string: a message of Nix can hold a whole trace.
pub(super) const STRING_LIMIT: u64 = 4 << 20;

/// The most items of a list.
const LIST_LIMIT: u64 = 100_000;

/// How much of an error is kept.
const ERROR_KEPT: usize = 16 << 10;

/// Reads one message; whether it was the last before the answer.
///
/// # Errors
/// When the daemon says that it failed, goes away, or says what is no message.
pub(super) fn read_message(from: &mut impl Read) -> Result<bool, Fault> {
    match read_number(from)? {
        STDERR_LAST => return Ok(true),
        STDERR_ERROR => return Err(Fault::Refused(read_error(from)?)),
        STDERR_NEXT => {
            let line = read_text(from)?;
            tracing::debug!("nix daemon: {}", without_escapes(line.trim_end()));
        }
        STDERR_WRITE => drop(read_string(from, STRING_LIMIT)?),
        STDERR_START_ACTIVITY => {
            let [_activity, _level, _kind] = read_numbers(from)?;
            read_text(from)?;
            skip_fields(from)?;
            let [_parent] = read_numbers(from)?;
        }
        STDERR_STOP_ACTIVITY => {
            let [_activity] = read_numbers(from)?;
        }
        STDERR_RESULT => {
            let [_activity, _kind] = read_numbers(from)?;
            skip_fields(from)?;
        }
        other => return Err(Fault::Garbled(format!("message {other:#x}"))),
    }
    Ok(false)
}

/// Reads a string as text.
pub(super) fn read_text(from: &mut impl Read) -> io::Result<String> {
    let string = read_string(from, STRING_LIMIT)?;
    Ok(String::from_utf8_lossy(&string).into_owned())
}

/// Reads the length of a list.
pub(super) fn read_length(from: &mut impl Read) -> Result<u64, Fault> {
    match read_number(from)? {
        length if length <= LIST_LIMIT => Ok(length),
        length => Err(Fault::Garbled(format!("a list of {length} items"))),
    }
}

/// What went wrong, without Nix's marks and colours. Traces lead into Nix, not into the tree.
fn read_error(from: &mut impl Read) -> Result<String, Fault> {
    let _type = read_text(from)?;
    let [_level] = read_numbers(from)?;
    let _name = read_text(from)?;
    let mut message = read_text(from)?;
    let [_position] = read_numbers(from)?;
    for _ in 0..read_length(from)? {
        let [_position] = read_numbers(from)?;
        read_text(from)?;
    }
    message.truncate(message.floor_char_boundary(ERROR_KEPT));
    let message = without_escapes(&message);
    let message = message.trim();
    Ok(message
        .strip_prefix("error: ")
        .unwrap_or(message)
        .to_owned())
}

fn skip_fields(from: &mut impl Read) -> Result<(), Fault> {
    for _ in 0..read_length(from)? {
        match read_number(from)? {
            0 => drop(read_number(from)?),
            1 => drop(read_string(from, STRING_LIMIT)?),
            other => return Err(Fault::Garbled(format!("a field of kind {other}"))),
        }
    }
    Ok(())
}

fn read_numbers<const N: usize>(from: &mut impl Read) -> io::Result<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = read_number(from)?;
    }
    Ok(numbers)
}
