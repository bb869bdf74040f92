//! Lines of any length, in bounded memory.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// How much of the beginning of a line is passed on.
pub(crate) const LINE_LIMIT: usize = 1 << 20;

/// How many parts are read as soon as they come.
const PARTS_AT_ONCE: u32 = 100;

/// How long is waited for more, behind that. A pipe holds what is written meanwhile.
const MOMENT: Duration = Duration::from_millis(5);

/// With as many bytes at once, a pipe may be full, and is not waited for.
const MUCH: usize = 24 * 1024;

/// Reads lines of any length, at most [`LINE_LIMIT`] bytes of the beginning of each. Of a
/// longer one its end is passed on too, so that what stands around a text stays whole.
pub(crate) async fn read_lines(
    source: impl AsyncRead + Unpin,
    mut on_line: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, source);
    let mut line = LongLine::default();
    let (mut parts, mut last_part) = (0_u32, 0);
    loop {
        // Nix writes line by line, and to wake up for each takes longer than to read it. Of
        // one that writes much, what comes in a moment is taken at once.
        let is_new = reader.buffer().is_empty();
        if is_new && parts > PARTS_AT_ONCE && last_part < MUCH {
            tokio::time::sleep(MOMENT).await;
        }
        let available = reader.fill_buf().await?;
        if is_new {
            (parts, last_part) = (parts.saturating_add(1), available.len());
        }
        if available.is_empty() {
            if !line.is_empty() {
                on_line(line.whole());
            }
            return Ok(());
        }
        let end = memchr::memchr(b'\n', available);
        let part = &available[..end.unwrap_or(available.len())];
        match end {
            // Nearly always: a line that is there as a whole.
            Some(_) if line.is_empty() => on_line(part),
            _ => line.push(part),
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() && !line.is_empty() {
            on_line(line.whole());
            line.clear();
        }
    }
}

/// A line in parts: its beginning, and where that is not all, its end.
#[derive(Debug, Default)]
struct LongLine {
    start: Vec<u8>,
    end: Vec<u8>,
    is_cut: bool,
}

/// How much of the end of a line that is too long is kept.
pub(crate) const END_KEPT: usize = 1024;

impl LongLine {
    fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    fn push(&mut self, part: &[u8]) {
        let room = LINE_LIMIT.saturating_sub(self.start.len());
        let (fits, rest) = part.split_at(part.len().min(room));
        self.start.extend_from_slice(fits);
        if rest.is_empty() {
            return;
        }
        self.is_cut = true;
        self.end
            .extend_from_slice(&rest[rest.len().saturating_sub(END_KEPT)..]);
        self.end.drain(..self.end.len().saturating_sub(END_KEPT));
    }

    /// The line; of a long one, the parts that were kept with `…` between them, none of
    /// which ends or begins within a character or an escape of JSON.
    fn whole(&mut self) -> &[u8] {
        if self.is_cut {
            self.start.truncate(whole_beginning(&self.start));
            self.start.extend_from_slice("…".as_bytes());
            self.start.extend_from_slice(whole_end(&self.end));
            self.is_cut = false;
        }
        &self.start
    }

    fn clear(&mut self) {
        self.start.clear();
        self.end.clear();
        self.is_cut = false;
        // One long line must not hold the memory for ever.
        self.start.shrink_to(64 * 1024);
    }
}

/// Where to cut `text`, which was cut somewhere, to leave no half of a character or of an
/// escape of JSON at its end.
fn whole_beginning(text: &[u8]) -> usize {
    let mut end = text.len();
    let near = end.saturating_sub(6);
    if let Some(last) = text[near..].iter().rposition(|&byte| byte == b'\\') {
        let last = near + last;
        let run = text[..=last].iter().rev();
        let run = run.take_while(|&&byte| byte == b'\\').count();
        let length = if text.get(last + 1) == Some(&b'u') {
            6
        } else {
            2
        };
        if run % 2 == 1 && last + length > end {
            end = last;
        }
    }
    let is_inside = |byte: u8| byte & 0xc0 == 0x80;
    let inside = text[..end].iter().rev().take(3);
    let inside = inside.take_while(|&&byte| is_inside(byte)).count();
    if text[..end].last().is_some_and(|byte| !byte.is_ascii()) {
        // The last character, whole or not.
        end = end.saturating_sub(inside + 1);
    }
    end
}

/// `text` without the half of a character or of an escape that it may begin with.
fn whole_end(text: &[u8]) -> &[u8] {
    let backslashes = text.iter().take_while(|&&byte| byte == b'\\').count();
    let rest = text.get(backslashes + 1..).unwrap_or_default();
    let inside = rest.iter().take_while(|&&byte| byte & 0xc0 == 0x80).count();
    &rest[inside..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_long_text_stays_whole() {
        for middle in [
            "x",
            "é",
            r#"\""#,
            r"\u001b",
            r"a\\",
            r"a\n",
            "\u{1f4a9}",
            r#"\\\""#,
        ] {
            for shift in 0..7 {
                let text = format!(
                    "{}{}",
                    "y".repeat(shift),
                    middle.repeat((3 << 20) / middle.len() / 2)
                );
                let event = format!(r#"{{"fields":["{text}"],"id":7}}"#);
                let mut line = LongLine::default();
                for part in event.as_bytes().chunks(60_000) {
                    line.push(part);
                }
                let read: Result<serde_json::Value, _> = serde_json::from_slice(line.whole());
                assert_eq!(read.unwrap()["id"], 7, "{middle}");
                assert!(line.whole().len() <= LINE_LIMIT + 2 * END_KEPT);
            }
        }
    }
}
