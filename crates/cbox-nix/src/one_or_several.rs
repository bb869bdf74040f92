//! A list that may be written as its only element, in Nix and in TOML.

use std::fmt;

use serde::{
    Deserializer,
    de::{SeqAccess, Visitor},
};

/// Reads a text, a list of texts, or nothing.
///
/// # Errors
/// When it is anything else.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(OneOrSeveral)
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or a list of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(vec![])
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(vec![])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = elements.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_a_list_of_one() {
        let read = |text: &str| super::deserialize(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(read("\"a\"").unwrap(), ["a"]);
        assert_eq!(read("[\"a\", \"b\"]").unwrap(), ["a", "b"]);
        assert!(read("null").unwrap().is_empty());
        let error = read("1").unwrap_err().to_string();
        assert!(
            error.contains("expected a string or a list of strings"),
            "{error}"
        );
    }
}
