//! How two texts differ, as few lines that a reader can take in.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use super::{Change, Line, Sign};

/// Values up to this length are shown whole, longer ones by the words that differ.
const SHORT: usize = 60;

/// The lines of context around a change.
const CONTEXT: usize = 1;

/// Texts of which the product of line numbers is more are not compared line by line.
const MOST_WORK: usize = 100_000_000;

/// How `old` became `new`: line by line, word by word, or as a whole.
#[must_use]
pub fn change(old: &str, new: &str) -> Change {
    if old.contains('\n') || new.contains('\n') {
        // Not `lines`, to which a carriage return is a part of the end.
        let split = |text: &'_ str| text.split_terminator('\n').map(str::to_owned).collect();
        let (old, new): (Vec<String>, Vec<String>) = (split(old), split(new));
        let lines = lines(&old, &new, CONTEXT);
        if !lines.is_empty() {
            return Change::Text { lines };
        }
    } else if old.len().max(new.len()) > SHORT && (old.contains(' ') || new.contains(' ')) {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        return list_change(&words(old), &words(new));
    }
    Change::Changed {
        before: old.to_owned(),
        after: new.to_owned(),
    }
}

/// How a list became another: the items that went and came. A list in another order is
/// shown as a whole.
pub(super) fn list_change(old: &[String], new: &[String]) -> Change {
    let lines = lines(old, new, 0)
        .into_iter()
        .filter(|line| line.sign != Sign::Gap)
        .collect::<Vec<_>>();
    if lines.is_empty() || old.join(" ").len().max(new.join(" ").len()) <= SHORT {
        return Change::Changed {
            before: old.join(" "),
            after: new.join(" "),
        };
    }
    Change::Text { lines }
}

/// The lines that differ, with some around them.
fn lines<T: AsRef<str> + Eq + std::hash::Hash + Ord>(
    old: &[T],
    new: &[T],
    context: usize,
) -> Vec<Line> {
    let line = |sign, text: &T| Line {
        sign,
        text: text.as_ref().to_owned(),
    };
    let operations = if old.len().saturating_mul(new.len()) > MOST_WORK {
        vec![DiffOp::Replace {
            old_index: 0,
            old_len: old.len(),
            new_index: 0,
            new_len: new.len(),
        }]
    } else {
        capture_diff_slices(Algorithm::Myers, old, new)
    };
    let mut lines = Vec::new();
    for group in group_diff_ops(operations, context) {
        if !lines.is_empty() {
            lines.push(Line {
                sign: Sign::Gap,
                text: String::new(),
            });
        }
        for operation in group {
            let (tag, before, after) = operation.as_tag_tuple();
            if tag == DiffTag::Equal {
                lines.extend(new[after].iter().map(|text| line(Sign::Same, text)));
            } else {
                lines.extend(old[before].iter().map(|text| line(Sign::Removed, text)));
                lines.extend(new[after].iter().map(|text| line(Sign::Added, text)));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(change: &Change) -> String {
        match change {
            Change::Text { lines } => {
                let lines = lines
                    .iter()
                    .map(|line| format!("{}{}", line.sign.as_str(), line.text));
                lines.collect::<Vec<_>>().join("|")
            }
            Change::Changed { before, after } => format!("{before} → {after}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_stand_with_their_neighbours() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nB\nc\nd\ne\nf\nh\n";
        assert_eq!(readable(&change(old, new)), " a|-b|+B| c|…| f|-g| h");
    }

    #[test]
    fn short_values_are_shown_whole() {
        assert_eq!(
            readable(&change("one two", "one three")),
            "one two → one three"
        );
        assert_eq!(readable(&change("", "x")), " → x");
    }

    #[test]
    fn of_long_lists_the_words_that_differ() {
        let many = (0..40)
            .map(|number| format!("word{number}"))
            .collect::<Vec<_>>();
        let old = many.join(" ");
        let new = old.replace("word7 ", "").replace("word20", "other");
        assert_eq!(readable(&change(&old, &new)), "-word7|-word20|+other");
    }

    #[test]
    fn a_carriage_return_is_a_part_of_its_line() {
        assert_eq!(readable(&change("a\r\nb\n", "a\nb\n")), "-a\r|+a| b");
    }

    #[test]
    fn what_differs_in_its_last_line_feed_still_differs() {
        assert_eq!(readable(&change("a\n", "a")), "a\n → a");
    }
}
