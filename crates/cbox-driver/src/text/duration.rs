//! Durations as people type them: `90`, `90s`, `5m`, `12h`, `7d`, `2w`.

use std::time::Duration;

/// What is said of a text that is no duration.
const FORM: &str = "expected a whole number with a unit: 90s, 5m, 12h, 7d or 2w; without a unit \
                    it is seconds";

/// Reads a whole number with its unit: `s`, `m`, `h`, `d` or `w`. A number alone is seconds.
///
/// # Errors
/// When it has another form, or has more seconds than the clock can count.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return Err(FORM),
    };
    if number.is_empty() {
        return Err(FORM);
    }
    // More than a hundred years is a slip.
    let most = 100 * 366 * 24 * 3600;
    let number: Option<u64> = number.parse().ok();
    let seconds = number.and_then(|number| number.checked_mul(factor));
    let seconds = seconds.filter(|seconds| *seconds <= most);
    seconds
        .map(Duration::from_secs)
        .ok_or("expected at most a hundred years")
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
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
