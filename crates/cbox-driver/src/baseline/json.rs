//! JSON that keeps a name that is there twice, which the usual maps drop in silence.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::BaselineError;

/// JSON as it stands in the file, with names that are there twice.
#[derive(Debug)]
pub(super) enum Node {
    Object(Vec<(String, Node)>),
    Text(String),
    Number(u64),
    Null,
    /// What no baseline holds.
    Other,
}

impl Node {
    pub(super) fn into_fields(self, place: &str) -> Result<Fields, BaselineError> {
        match self {
            Self::Object(pairs) => Ok(Fields {
                place: place.to_owned(),
                pairs,
            }),
            _ => Err(BaselineError::Type {
                place: place.to_owned(),
                expected: "an object",
            }),
        }
    }
}

/// The fields of one object that have not been looked at.
#[derive(Debug)]
pub(super) struct Fields {
    /// What the object is, for messages.
    place: String,
    pub(super) pairs: Vec<(String, Node)>,
}

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let pair = self.pairs.iter().find(|(known, _)| known == name)?;
        Some(&pair.1)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.remove(index).1)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, BaselineError> {
        match self.take(name) {
            Some(Node::Text(text)) => Ok(text),
            None => Err(BaselineError::MissingField {
                place: self.place.clone(),
                name,
            }),
            Some(_) => Err(self.no_text(name, "a text")),
        }
    }

    pub(super) fn text_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<String>, BaselineError> {
        match self.take(name) {
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Null) | None => Ok(None),
            Some(_) => Err(self.no_text(name, "a text or null")),
        }
    }

    fn no_text(&self, name: &str, expected: &'static str) -> BaselineError {
        BaselineError::Type {
            place: format!("`{name}` of {}", self.place),
            expected,
        }
    }

    /// Refuses a name that is there twice.
    pub(super) fn check_names(&self) -> Result<(), BaselineError> {
        let mut seen = BTreeSet::new();
        match self.pairs.iter().find(|(name, _)| !seen.insert(name)) {
            None => Ok(()),
            Some((name, _)) => Err(BaselineError::Duplicate {
                place: self.place.clone(),
                name: name.clone(),
            }),
        }
    }

    /// Refuses what is left.
    pub(super) fn check_empty(&self) -> Result<(), BaselineError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(BaselineError::UnknownField {
                place: self.place.clone(),
                name: name.clone(),
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Node::Object(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                while list.next_element::<Node>()?.is_some() {}
                Ok(Node::Other)
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number))
            }

            fn visit_i64<E>(self, _number: i64) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_f64<E>(self, _number: f64) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_bool<E>(self, _truth: bool) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
