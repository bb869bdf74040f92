//! Words as a shell takes them.

use std::ffi::OsStr;

/// `word` as a shell takes it.
#[must_use]
pub fn shell_word(word: &OsStr) -> String {
    let Some(text) = word
        .to_str()
        .filter(|text| !text.contains(char::is_control))
    else {
        return escaped_word(word);
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,^".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `word` with what a terminal would obey, and what is no text, written out (POSIX.1-2024, 2.2.4).
fn escaped_word(word: &OsStr) -> String {
    let mut escaped = String::from("$'");
    for chunk in word.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' | '\\' => escaped.extend(['\\', character]),
                control if control.is_control() => {
                    let mut bytes = [0; 4];
                    let bytes = control.encode_utf8(&mut bytes).bytes();
                    bytes.for_each(|byte| escaped.push_str(&format!("\\{byte:03o}")));
                }
                other => escaped.push(other),
            }
        }
        let invalid = chunk.invalid().iter();
        invalid.for_each(|byte| escaped.push_str(&format!("\\{byte:03o}")));
    }
    escaped + "'"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interrupt, process::Command, test_runtime::run};

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        use std::os::unix::ffi::OsStrExt as _;
        for (bytes, word) in [
            (&b"a\x1b[2J'b\\"[..], r"$'a\033[2J\'b\\'"),
            (b"\xff\n1", r"$'\377\0121'"),
            ("\u{9b}m".as_bytes(), r"$'\302\233m'"),
        ] {
            assert_eq!(shell_word(OsStr::from_bytes(bytes)), word);
            let script = format!("printf %s {word}");
            // Not every `sh` knows these yet.
            let command = Command::new("bash", ["-c", &script]);
            let Ok(output) = run(command.run(&Interrupt::never())) else {
                continue;
            };
            assert_eq!(output.stdout, bytes);
        }
    }
}
