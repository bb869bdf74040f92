//! Files of settings that people write in TOML: what is wrong in one is told with line and column.

use camino::Utf8Path;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::{
    error::{Error, Kind, Place},
    text::nearest::suggestion,
};

/// The newest form of such files that this version knows.
const SCHEMA: i64 = 1;

/// Reads `text`, the TOML of `file`. The way out of a mistake is `hint`.
///
/// # Errors
/// The first mistake, with its line and column; that it has a newer form counts before all others.
pub(crate) fn parse_toml<T: DeserializeOwned>(
    text: &str,
    file: &Utf8Path,
    hint: &str,
) -> Result<T, Error> {
    let at = |start| Some(position(text, start));
    if let Ok(table) = DeTable::parse(text)
        && let Some(schema) = table.get_ref().get("schema")
        && let DeValue::Integer(number) = schema.get_ref()
        && let Ok(number) = i64::from_str_radix(number.as_str(), number.radix())
        && number > SCHEMA
    {
        let message =
            format!("schema {number} is newer than this cbox, which knows schemas up to {SCHEMA}");
        return Err(wrong(file, at(schema.span().start), &message)
            .hint("use the version of cbox that it was written for, or a newer one"));
    }
    toml::from_str(text).map_err(|error| {
        let message = error.message().trim().replace('\n', ", ");
        let message = unknown_field(&message).unwrap_or_else(|| in_words(message));
        let place = error.span().and_then(|span| at(span.start));
        wrong(file, place, &message).hint(hint)
    })
}

/// The error for a mistake in `file`, at a line and a column.
pub(crate) fn wrong(file: &Utf8Path, position: Option<(usize, usize)>, message: &str) -> Error {
    let place = position.map(|(line, _)| Place {
        file: file.to_owned(),
        line,
    });
    let position = position.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
    Error::new(Kind::Config, format!("{file}{position}: {message}")).at(place)
}

/// serde's message with words for the types of numbers.
fn in_words(message: String) -> String {
    let number = match message.rsplit_once("expected ") {
        Some((said, "a nonzero usize")) => (said, "a whole number, 1 or more"),
        Some((said, "u64" | "u32" | "usize")) => (said, "a whole number"),
        _ => return message,
    };
    format!("{}expected {}", number.0, number.1)
}

/// serde's message for a field that does not exist, with the fields that may have been meant.
fn unknown_field(message: &str) -> Option<String> {
    let fields = message.strip_prefix("unknown field ")?;
    let fields: Vec<&str> = fields.split('`').skip(1).step_by(2).collect();
    let (field, known) = fields.split_first()?;
    Some(format!(
        "unknown field `{field}`: {}",
        suggestion(field, known)
    ))
}

/// Where in `text` the value at `path` stands, `target.0.kind` say, or the nearest above that
/// is there.
pub(crate) fn offset(text: &str, path: &str) -> usize {
    let Ok(table) = DeTable::parse(text) else {
        return 0;
    };
    let (mut value, mut start) = (&DeValue::Table(table.into_inner()), 0);
    for key in path.split('.') {
        let inner = match value {
            DeValue::Table(table) => table.get(key),
            DeValue::Array(array) => key.parse().ok().and_then(|place: usize| array.get(place)),
            _ => None,
        };
        let Some(inner) = inner else { break };
        (value, start) = (inner.get_ref(), inner.span().start);
    }
    start
}

/// Line and column of the byte at `offset`, both from 1.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}
