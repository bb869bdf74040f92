//! Amounts of memory as people type them: `4G`, `1500M`.

use thiserror::Error;

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// It is no number with a unit.
    #[error("expected a whole number with a unit, such as 4G or 1500M")]
    Form,
    /// It is nothing.
    #[error("expected more than 0")]
    Zero,
    /// It is beyond what a machine can have.
    #[error("expected an amount that a machine can have")]
    TooLarge,
}

/// Reads a size: `4G`, `1500M`, `4GiB`. Units are powers of 1024, as Nix and control groups
/// have them.
///
/// # Errors
/// When it has another form, is zero, or has more than 64 bits.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.to_ascii_lowercase();
    let factor: u64 = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return Err(SizeError::Form),
    };
    if number.is_empty() {
        return Err(SizeError::Form);
    }
    let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
    match number.checked_mul(factor) {
        Some(0) => Err(SizeError::Zero),
        Some(bytes) => Ok(bytes),
        None => Err(SizeError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("4G", 4 * GIB),
            ("4g", 4 * GIB),
            ("1500M", 1500 * MIB),
            ("2GiB", 2 * GIB),
            ("2GB", 2 * GIB),
            ("8192k", 8 * MIB),
            ("1T", 1024 * GIB),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "4", "G", "-1G", "1.5G", "4 G", "4Gi G", "4X", "b", "٤G"] {
            assert_eq!(parse_size(text), Err(SizeError::Form), "{text}");
        }
        assert_eq!(parse_size("0G"), Err(SizeError::Zero));
        for text in ["99999999T", "99999999999999999999999K"] {
            assert_eq!(parse_size(text), Err(SizeError::TooLarge), "{text}");
        }
    }
}
