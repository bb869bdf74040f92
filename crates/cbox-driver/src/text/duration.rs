//! Durations as people type them: `90`, `90s`, `5m`, `1h30m`, `7d`, `2w`.

use std::time::Duration;

use humantime::DurationError;

/// What is said of a text that is no duration.
const FORM: &str = "expected a whole number with a unit, such as 90s, 5m, 12h, 7d or 2w, or several, \
                    such as 1h30m; without a unit it is seconds";

/// What is said of a duration that is a slip.
const TOO_LONG: &str = "expected at most a hundred years";

/// The longest that is meant.
const MOST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Longer than any that is meant, and too short for sums that humantime panics on.
const LONGEST_TEXT: usize = 20;

/// Reads whole numbers with their units, such as `s`, `m`, `h`, `d` or `w`. A number without one
/// is seconds.
///
/// # Errors
/// When it has another form, or is longer than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    // Fractions, spaces and signs could be slips of the keyboard.
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if text.len() > LONGEST_TEXT || !text.bytes().all(is_plain) {
        return Err(FORM);
    }
    let unit = if text.ends_with(|end: char| end.is_ascii_digit()) {
        "s"
    } else {
        ""
    };
    match humantime::parse_duration(&format!("{text}{unit}")) {
        Ok(duration) if duration <= MOST => Ok(duration),
        Ok(_) | Err(DurationError::NumberOverflow) => Err(TOO_LONG),
        Err(_) => Err(FORM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("5m", 300),
            ("1h", 3600),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("0d", 0),
            ("1h30m", 5400),
            ("1m30", 90),
            ("5min", 300),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "d",
            "-1d",
            "+1d",
            "1.5h",
            "5 m",
            "1mm",
            "1D",
            "99999999999h",
            "99999999999999999999s",
            "101years",
            // What humantime cannot add up.
            "18446744073709551615s1000ms",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
