//! Sizes as people write them: `2 GiB`, `1.5 GB`, `700 kB`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The units and how many bytes each is: powers of 1000, and with an `i` of 1024.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// The most decimal places: enough for every byte of a terabyte, and no sum overflows.
const MOST_PLACES: usize = 12;

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a size: it is a number and a unit, one of B, kB, MB, GB, TB, KiB, MiB, GiB and TiB, as in `1.5 GiB`"
)]
pub struct NotASize(String);

/// A size that remembers how it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize {
    bytes: u64,
    text: String,
}

impl ByteSize {
    /// The number of bytes, parts of one left out.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let bytes = parse(text).ok_or_else(|| NotASize(text.to_owned()))?;
        Ok(Self {
            bytes,
            text: text.to_owned(),
        })
    }
}

/// The bytes of a number, at most one blank, and a unit.
fn parse(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, places) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, places)) => (whole, places),
        None => (number, ""),
    };
    if places.len() > MOST_PLACES || places.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(places.len()).ok()?);
    let factor = u128::from(*factor);
    let parts: u128 = match places {
        "" => 0,
        places => places.parse().ok()?,
    };
    // A u64 times a factor below 2^41 fits into a u128.
    let whole = u128::from(whole.parse::<u64>().ok()?);
    u64::try_from(whole * factor + parts * factor / scale).ok()
}

impl TryFrom<String> for ByteSize {
    type Error = NotASize;

    fn try_from(text: String) -> Result<Self, NotASize> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.text
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        for (text, bytes) in [
            ("0 B", 0),
            ("17B", 17),
            ("2 GiB", 2 << 30),
            ("2GB", 2_000_000_000),
            ("1.5 KiB", 1536),
            ("0.25 kB", 250),
            ("1.0001 kB", 1000),
            ("16 TiB", 16 << 40),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.bytes(), &*size.to_string()), (bytes, text));
        }
    }

    #[test]
    fn all_else_is_refused() {
        for bad in [
            "",
            " ",
            "2",
            "GiB",
            "2 gib",
            "2  GiB",
            " 2 GiB",
            "2 GiB ",
            "-2 GiB",
            "+2 GiB",
            "2 KB",
            "2,5 GB",
            "2. GB",
            ".5 GB",
            "1.2.3 GB",
            "1e3 B",
            "0x10 B",
            "2 GiBs",
            "٢ GB",
            "18446744073709551616 B",
            "99999999999 TiB",
            "1.1234567890123 GB",
        ] {
            assert_eq!(bad.parse::<ByteSize>(), Err(NotASize(bad.to_owned())));
        }
    }
}
