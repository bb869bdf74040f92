//! Times as the calendar has them, in UTC, from seconds since 1970.

use std::time::Duration;

/// The fields of a time: year, month, day, hour, minute, second.
///
/// Source: "chrono-Compatible Low-Level Date Algorithms" by Howard Hinnant.
fn fields(seconds: u64) -> [u64; 6] {
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [year, month, day, clock / 3600, clock / 60 % 60, clock % 60]
}

/// A time as a part of a file name: `20260125T101500Z`. Names sort as the times do.
#[must_use]
pub fn compact(seconds: u64) -> String {
    let [year, month, day, hour, minute, second] = fields(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A time by RFC 3339: `2026-01-25T10:15:00Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let [year, month, day, hour, minute, second] = fields(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A time by RFC 3339 to the millisecond: `2026-01-25T10:15:00.250Z`.
#[must_use]
pub fn rfc3339_millis(since: Duration) -> String {
    let whole = rfc3339(since.as_secs());
    format!(
        "{}.{:03}Z",
        whole.trim_end_matches('Z'),
        since.subsec_millis()
    )
}

/// The seconds since 1970 of a time as [`rfc3339`] writes it.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = day.split('-').chain(clock.split(':'));
    let numbers: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [year, month, day, hour, minute, second] = numbers[..] else {
        return None;
    };
    // Years that begin in March, as in `fields`.
    let (years, months) = match month {
        1..=2 => (year.checked_sub(1)?, month + 9),
        _ => (year, month.checked_sub(3)?),
    };
    let era_days = 365 * years + years / 4 - years / 100 + years / 400;
    let days = era_days + (153 * months + 2) / 5 + day;
    let seconds = days.checked_sub(719_469)? * 86_400 + hour * 3600 + minute * 60 + second;
    // What is no day of the calendar comes back as another.
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
            "2025-12-31T23:59:59Z-1",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
