//! "Did you mean": the known words that are nearest to one that is not known.

/// How many suggestions are a help; more are a list.
const MOST: usize = 3;

/// The words of `known` that `word` may be a slip of, the nearest first. At most
/// three; none when nothing is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = word.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&lower, &other);
            let part = lower.len() >= 3 && (other.contains(&lower) || lower.contains(&other));
            let slip = distance <= 1 + word.len().max(candidate.len()) / 4;
            (slip || part).then_some((distance, candidate))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(MOST).map(|(_, word)| word).collect()
}

/// A sentence about what was meant: the nearest words, or all of `known` when none
/// is near. Empty when nothing is known.
#[must_use]
pub fn suggestion(word: &str, known: &[&str]) -> String {
    let near = nearest(word, known.iter().copied());
    match (near.is_empty(), known) {
        (false, _) => format!("did you mean {}?", quoted(&near, "or")),
        (true, []) => String::new(),
        (true, [only]) => format!("there is only `{only}`"),
        (true, _) => format!("there are {}", quoted(known, "and")),
    }
}

/// `a`, `b` and `c`.
pub(crate) fn quoted(words: &[&str], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} {conjunction} `{last}`", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_parts_are_found() {
        let known = ["iso", "qcow2", "raw"];
        assert_eq!(nearest("qcow", known), ["qcow2"]);
        assert_eq!(nearest("ios", known), ["iso"]);
        assert_eq!(nearest("ISO", known), ["iso"]);
        assert_eq!(nearest("vmdk", known), [""; 0]);
        assert_eq!(
            nearest("thinkcentre", ["coder-thinkcentre", "arm"]),
            ["coder-thinkcentre"]
        );
    }

    #[test]
    fn a_sentence_for_every_case() {
        assert_eq!(
            suggestion("vmdk", &["iso", "raw"]),
            "there are `iso` and `raw`"
        );
        assert_eq!(suggestion("vmdk", &["iso"]), "there is only `iso`");
        assert_eq!(suggestion("rw", &["iso", "raw"]), "did you mean `raw`?");
        assert_eq!(suggestion("x", &[]), "");
    }
}
