//! Nix's base 32: the alphabet without `e`, `o`, `t` and `u`, the bits taken from
//! the last byte to the first.
//!
//! Source of the format: the Nix manual, "Store path", and `nix hash convert`,
//! whose answers the tests hold. Named as in the crate `nix-compat`.

/// The digits, by their value.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Writes `input` in Nix's base 32: `ceil(8 * len / 5)` characters.
#[must_use]
pub fn encode(input: &[u8]) -> String {
    let length = (input.len() * 8).div_ceil(5);
    (0..length)
        .rev()
        .map(|position| {
            let bit = position * 5;
            let (byte, shift) = (bit / 8, bit % 8);
            let low = u16::from(input[byte]);
            let high = input.get(byte + 1).copied().map_or(0, u16::from);
            let digit = ((high << 8 | low) >> shift) & 0x1f;
            char::from(ALPHABET[usize::from(digit)])
        })
        .collect()
}

/// Whether `character` is a digit.
#[must_use]
pub fn is_digit(character: u8) -> bool {
    matches!(character, b'0'..=b'9' | b'a'..=b'd' | b'f'..=b'n' | b'p'..=b's' | b'v'..=b'z')
}

/// Reads what [`encode`] wrote. `None` for a character outside the alphabet, a
/// length that no number of whole bytes gives, or leftover bits that are not zero.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let length = text.len() * 5 / 8;
    if (length * 8).div_ceil(5) != text.len() {
        return None;
    }
    let mut output = vec![0u8; length];
    for (position, character) in text.bytes().rev().enumerate() {
        let digit = ALPHABET.iter().position(|&known| known == character)?;
        let bit = position * 5;
        let (byte, shift) = (bit / 8, bit % 8);
        let shifted = digit << shift;
        let (low, high) = ((shifted & 0xff) as u8, (shifted >> 8) as u8);
        if byte < length {
            output[byte] |= low;
        } else if low != 0 {
            return None;
        }
        if high != 0 {
            *output.get_mut(byte + 1)? |= high;
        }
    }
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `nix hash convert --hash-algo sha256 --from base16 --to nix32`.
    #[test]
    fn agrees_with_nix() {
        let digest: Vec<u8> = (0..32).collect();
        assert_eq!(
            encode(&digest),
            "07qy3lf1n6hr30bic58l2c91240g1q6hq2qa1440f1h50h1h4080"
        );
        assert_eq!(encode(&[]), "");
    }

    #[test]
    fn the_digits_are_the_alphabet() {
        let digits: Vec<u8> = (0..=u8::MAX).filter(|&byte| is_digit(byte)).collect();
        assert_eq!(digits, ALPHABET);
    }

    #[test]
    fn refuses_what_nix_would_not_write() {
        assert_eq!(decode("e0"), None, "no digit");
        assert_eq!(decode("0"), None, "no whole byte");
        assert_eq!(decode("zz"), None, "leftover bits");
    }

    proptest! {
        #[test]
        fn round_trip(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
