//! Overrides: values that a build forces on options of a host.
//!
//! They travel as data. [`Overrides::to_module`] makes the configuration of a NixOS
//! module in which each value is what `lib.mkForce` would make of it, as JSON; no
//! value ever becomes Nix text.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

/// The priority of `lib.mkForce`.
const FORCE: u32 = 50;

/// What is wrong with an option path, a `--set` argument or a set of overrides.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// The text is no option path.
    #[error(
        "`{0}` is not an option: join its parts with dots, and put a part that contains a dot in double quotes"
    )]
    Path(String),
    /// `--set` has no `=`.
    #[error("`{0}` sets nothing: write OPTION=VALUE")]
    NoValue(String),
    /// The value is neither JSON nor a plain word.
    #[error(
        "the value `{value}` of `{path}` is neither JSON nor a plain word; write a string as '{path}={quoted}'"
    )]
    Value {
        /// The option.
        path: String,
        /// The value as it was given.
        value: String,
        /// The value as a JSON string.
        quoted: String,
    },
    /// One path goes through another.
    #[error("`{inner}` is part of `{outer}`, and both are set")]
    Nested {
        /// The shorter path.
        outer: String,
        /// The longer path.
        inner: String,
    },
}

/// The way to an option: `services.openssh.enable`, `environment.etc."motd".text`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionPath(Vec<String>);

impl OptionPath {
    /// The path that these parts make; `None` when there are none.
    #[must_use]
    pub fn from_parts(parts: Vec<String>) -> Option<Self> {
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// The attribute names, outermost first; at least one.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Whether `other` is this path or goes on from it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl FromStr for OptionPath {
    type Err = OverrideError;

    /// Parts are bare or in double quotes; inside quotes `\"` and `\\` stand for
    /// themselves and nothing else is special.
    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let refused = || OverrideError::Path(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        loop {
            let mut part = String::new();
            if rest.next_if_eq(&'"').is_some() {
                loop {
                    match rest.next().ok_or_else(refused)? {
                        '"' => break,
                        '\\' => part.push(rest.next().ok_or_else(refused)?),
                        other => part.push(other),
                    }
                }
            } else {
                let bare = |next: &char| next.is_alphanumeric() || "_-'+/@:*".contains(*next);
                while let Some(next) = rest.next_if(bare) {
                    part.push(next);
                }
                if part.is_empty() {
                    return Err(refused());
                }
            }
            parts.push(part);
            match rest.next() {
                None => return Ok(Self(parts)),
                Some('.') => {}
                Some(_) => return Err(refused()),
            }
        }
    }
}

impl TryFrom<String> for OptionPath {
    type Error = OverrideError;

    fn try_from(text: String) -> Result<Self, OverrideError> {
        text.parse()
    }
}

impl From<OptionPath> for String {
    fn from(path: OptionPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for OptionPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str(".")?;
            }
            let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-'".contains(&byte);
            if !part.is_empty() && part.bytes().all(bare) {
                formatter.write_str(part)?;
            } else {
                write!(
                    formatter,
                    "\"{}\"",
                    part.replace('\\', "\\\\").replace('"', "\\\"")
                )?;
            }
        }
        Ok(())
    }
}

/// One `--set path=value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The option.
    pub path: OptionPath,
    /// Its value.
    pub value: Value,
}

impl FromStr for Setting {
    type Err = OverrideError;

    /// The value is JSON, or a plain word that stands for itself as a text.
    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let (path, value) = split_setting(text)?;
        let path: OptionPath = path.parse()?;
        let parsed = serde_json::from_str(value).or_else(|_| {
            if is_plain_word(value) {
                Ok(Value::String(value.to_owned()))
            } else {
                Err(OverrideError::Value {
                    path: path.to_string(),
                    value: value.to_owned(),
                    quoted: Value::String(value.to_owned()).to_string(),
                })
            }
        })?;
        Ok(Self {
            path,
            value: parsed,
        })
    }
}

/// Splits at the first `=` outside quotes.
fn split_setting(text: &str) -> Result<(&str, &str), OverrideError> {
    let mut quoted = false;
    let mut escaped = false;
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '=' if !quoted && position + 1 < text.len() => {
                return Ok((&text[..position], &text[position + 1..]));
            }
            '=' if !quoted => break,
            _ => {}
        }
    }
    Err(OverrideError::NoValue(text.to_owned()))
}

/// A word that cannot be mistaken for broken JSON or for a command line gone wrong.
fn is_plain_word(value: &str) -> bool {
    value.starts_with(|first: char| first.is_alphabetic() || "_/.".contains(first))
        && value
            .chars()
            .all(|character| character.is_alphanumeric() || "_-./:@+%~".contains(character))
}

/// Values to force, by option. Later values win over earlier ones of the same option.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Overrides(BTreeMap<OptionPath, Value>);

impl Overrides {
    /// Forces `value` on the option at `path`.
    pub fn force(&mut self, path: OptionPath, value: Value) {
        self.0.insert(path, value);
    }

    /// Whether nothing is forced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The options and their values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&OptionPath, &Value)> {
        self.0.iter()
    }

    /// Checks that no path goes through another, which no module could mean.
    ///
    /// # Errors
    /// [`OverrideError::Nested`] with the first two that do.
    pub fn check(&self) -> Result<(), OverrideError> {
        let mut outer: Option<&OptionPath> = None;
        // In sorted order all that lies inside a path follows it at once.
        for path in self.0.keys() {
            match outer {
                Some(outer) if outer.contains(path) => {
                    return Err(OverrideError::Nested {
                        outer: outer.to_string(),
                        inner: path.to_string(),
                    });
                }
                _ => outer = Some(path),
            }
        }
        Ok(())
    }

    /// The configuration of a module, as JSON, in which every value is forced: nested
    /// sets, and at each option `{"_type": "override", "priority": 50, "content": …}`,
    /// which is what `lib.mkForce` gives.
    ///
    /// # Errors
    /// As [`Overrides::check`].
    pub fn to_module(&self) -> Result<Value, OverrideError> {
        self.check()?;
        let mut module = json!({});
        for (path, value) in &self.0 {
            let place = path
                .parts()
                .iter()
                .fold(&mut module, |set, part| &mut set[part.as_str()]);
            *place = json!({ "_type": "override", "priority": FORCE, "content": value });
        }
        Ok(module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn setting(text: &str) -> Result<(String, Value), OverrideError> {
        let setting: Setting = text.parse()?;
        Ok((setting.path.to_string(), setting.value))
    }

    #[test]
    fn settings_take_json_and_plain_words() {
        let cases = [
            ("a.b=true", "a.b", json!(true)),
            ("a=1", "a", json!(1)),
            ("a=word", "a", json!("word")),
            ("a=./path/to.x", "a", json!("./path/to.x")),
            (r#"a="two words""#, "a", json!("two words")),
            (r#"a=["x", {"y": null}]"#, "a", json!(["x", { "y": null }])),
            (r#"a."b.c=d".e=x"#, r#"a."b.c=d".e"#, json!("x")),
            (r#"a="x=y""#, "a", json!("x=y")),
            (r#"a="${x} '' \n --""#, "a", json!("${x} '' \n --")),
            ("a=null", "a", json!(null)),
        ];
        for (text, path, value) in cases {
            assert_eq!(setting(text), Ok((path.to_owned(), value)), "{text}");
        }
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        for text in ["a", "a=", "", r#""a=b""#] {
            assert!(
                matches!(setting(text), Err(OverrideError::NoValue(_))),
                "{text}"
            );
        }
        for text in ["=x", "a..b=x", ".a=x", "a.=x", "a b=x", r#""a=x"#, "${x}=y"] {
            assert!(setting(text).is_err(), "{text}");
        }
        for text in ["a=[1", "a={", "a=two words", "a=$x", "a=1x", "a=-x", "a=--"] {
            assert!(
                matches!(setting(text), Err(OverrideError::Value { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn the_error_shows_how_a_text_is_written() {
        let error = setting("motd=hello \"you\"").unwrap_err().to_string();
        assert!(error.contains(r#"'motd="hello \"you\""'"#), "{error}");
    }

    #[test]
    fn a_module_forces_every_value() {
        let mut overrides = Overrides::default();
        overrides.force("a.b".parse().unwrap(), json!("old"));
        overrides.force("a.b".parse().unwrap(), json!({ "x": 1 }));
        overrides.force("a.c".parse().unwrap(), json!(null));
        let forced =
            |content: Value| json!({"_type": "override", "priority": 50, "content": content});
        assert_eq!(
            overrides.to_module().unwrap(),
            json!({ "a": { "b": forced(json!({ "x": 1 })), "c": forced(json!(null)) } })
        );
    }

    #[test]
    fn a_path_inside_another_is_refused() {
        let mut overrides = Overrides::default();
        for path in ["a.b.c", "a.b-x", "a.b"] {
            overrides.force(path.parse().unwrap(), json!(1));
        }
        let error = overrides.to_module().unwrap_err();
        assert_eq!(
            error,
            OverrideError::Nested {
                outer: "a.b".into(),
                inner: "a.b.c".into()
            }
        );
    }

    proptest! {
        #[test]
        fn paths_round_trip(parts in prop::collection::vec(".{1,8}", 1..4)) {
            let path = OptionPath(parts);
            prop_assert_eq!(path.to_string().parse::<OptionPath>(), Ok(path));
        }
    }
}
