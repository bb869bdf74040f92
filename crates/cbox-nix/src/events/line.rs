//! The form of an event line.
//!
//! One flat struct with what any action can have: a log of 100 MB is a million lines, and a
//! form that looks at each twice would cost seconds.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// What stands behind the prefix of an event line. What an action lacks is empty.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    #[serde(default)]
    pub(super) id: u64,
    #[serde(rename = "type", default)]
    pub(super) kind: u64,
    #[serde(default)]
    pub(super) parent: u64,
    #[serde(default)]
    pub(super) level: u64,
    #[serde(borrow, default)]
    pub(super) text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) msg: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) fields: Vec<Field<'a>>,
}

impl Line<'_> {
    /// The field at `place`, if it is a text.
    pub(super) fn text(&self, place: usize) -> Option<&str> {
        match self.fields.get(place)? {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The field at `place`, if it is a number.
    pub(super) fn number(&self, place: usize) -> Option<u64> {
        match self.fields.get(place)? {
            Field::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// One of an event's fields.
#[derive(Debug)]
pub(super) enum Field<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    /// What no release of Nix sends so far.
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field of an event")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}
