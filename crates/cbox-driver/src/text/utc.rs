//! Times as the calendar has them, in UTC, from seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::{format_rfc3339_millis, format_rfc3339_seconds};

/// The last second of the year 9999: later years have no form in RFC 3339.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// What the clock of this machine says, since 1970.
#[must_use]
pub fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The time this long after the beginning of 1970, or the last that can be written.
fn time(since: Duration) -> SystemTime {
    UNIX_EPOCH + since.min(LAST)
}

/// A time as a part of a file name: `20260125T101500Z`. Names sort as the times do.
#[must_use]
pub fn compact(seconds: u64) -> String {
    rfc3339(seconds).replace(['-', ':'], "")
}

/// A time by RFC 3339: `2026-01-25T10:15:00Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    format_rfc3339_seconds(time(Duration::from_secs(seconds))).to_string()
}

/// A time by RFC 3339 to the millisecond: `2026-01-25T10:15:00.250Z`.
#[must_use]
pub fn rfc3339_millis(since: Duration) -> String {
    format_rfc3339_millis(time(since)).to_string()
}

/// The seconds since 1970 of a time as [`rfc3339`] writes it.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    // Fractions, leap seconds and offsets are not of that form.
    (rfc3339(seconds) == text).then_some(seconds)
}

/// Seconds since 1970 that a file holds by RFC 3339, or as a number.
pub mod as_rfc3339 {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };

    struct Time;

    impl Visitor<'_> for Time {
        type Value = u64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a time by RFC 3339, or seconds since 1970")
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<u64, E> {
            Ok(seconds)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            super::parse_rfc3339(text)
                .ok_or_else(|| E::custom(format!("`{text}` is no time by RFC 3339")))
        }
    }

    /// Writes the time by RFC 3339.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*seconds))
    }

    /// Reads a time.
    ///
    /// # Errors
    /// When it is none.
    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_the_calendar_has_them() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_767_225_599, "20251231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(compact(seconds), text);
        }
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
        let later = Duration::from_millis(1_767_225_599_042);
        assert_eq!(rfc3339_millis(later), "2025-12-31T23:59:59.042Z");
        for late in [253_402_300_799, 253_402_300_800, u64::MAX] {
            assert_eq!(rfc3339(late), "9999-12-31T23:59:59Z");
        }
        assert_eq!(rfc3339_millis(Duration::MAX), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for seconds in (0..5_000_000_000).step_by(86_399 * 17) {
            assert_eq!(parse_rfc3339(&rfc3339(seconds)), Some(seconds));
        }
        for bad in [
            "",
            "2025-12-31",
            "2025-12-31T23:59:59",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2025-12-31T23:59:60Z",
            "2025-12-31T23:59:59.5Z",
            "2025-12-31T23:59:59+00:00",
            "2025-12-31T23:59:59Z-1",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
