//! The order of versions, as Nix has it.
//!
//! Source of the rule: `builtins.compareVersions` in the Nix manual, which `nix-env --upgrade`
//! goes by: a version is a row of numbers and words, and what parts them counts for nothing.

use std::cmp::Ordering;

/// How two versions stand to each other: `2.3pre1` is before `2.3`, `2.3` before `2.3a`, that
/// before `2.3.1`, and `1.0` is as good as `1-0`.
///
/// ```
/// use std::cmp::Ordering;
/// use nix_formats::version::compare;
///
/// assert_eq!(compare("2.9", "2.10"), Ordering::Less);
/// ```
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (Parts(one), Parts(other));
    loop {
        let (left, right) = (one.next(), other.next());
        if left.is_none() && right.is_none() {
            return Ordering::Equal;
        }
        let order = rank(left).cmp(&rank(right));
        if order.is_ne() {
            return order;
        }
    }
}

/// A part of a version by its place among others, the earliest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank<'v> {
    /// What comes before a release.
    Pre,
    /// The other version has one more.
    End,
    Word(&'v str),
    Number(i32),
}

fn rank(part: Option<&str>) -> Rank<'_> {
    match part {
        None => Rank::End,
        Some("pre") => Rank::Pre,
        // A number that is none of C's `int` is a word to Nix.
        Some(part) => part.parse().map_or(Rank::Word(part), Rank::Number),
    }
}

/// The numbers and words of what is left of a version.
struct Parts<'v>(&'v str);

impl<'v> Iterator for Parts<'v> {
    type Item = &'v str;

    fn next(&mut self) -> Option<&'v str> {
        let rest = self.0.trim_start_matches(['.', '-']);
        let is_number = rest.starts_with(|first: char| first.is_ascii_digit());
        let ends = |next: char| match is_number {
            true => !next.is_ascii_digit(),
            false => next.is_ascii_digit() || next == '.' || next == '-',
        };
        let (part, rest) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        self.0 = rest;
        (!part.is_empty()).then_some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_examples_hold() {
        for (one, other, order) in [
            ("1.0", "2.3", Ordering::Less),
            ("2.1", "2.3", Ordering::Less),
            ("2.3", "2.3", Ordering::Equal),
            ("2.5", "2.3", Ordering::Greater),
            ("3.1", "2.3", Ordering::Greater),
            ("2.3.1", "2.3", Ordering::Greater),
            ("2.3.1", "2.3a", Ordering::Greater),
            ("2.3pre1", "2.3", Ordering::Less),
            ("2.3pre3", "2.3pre12", Ordering::Less),
            ("2.3a", "2.3c", Ordering::Less),
            ("2.3pre1", "2.3c", Ordering::Less),
            ("2.3pre1", "2.3q", Ordering::Less),
            ("1-0", "1.0", Ordering::Equal),
            ("", "pre", Ordering::Greater),
            ("99999999999", "1", Ordering::Less),
        ] {
            assert_eq!(compare(one, other), order, "{one} {other}");
            assert_eq!(compare(other, one), order.reverse(), "{other} {one}");
        }
    }
}
