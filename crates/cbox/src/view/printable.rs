//! What may be printed: text behind the gate, with the looks that cbox gave to parts of it.
//!
//! Whatever comes here as text may be from outside. There is no other way to the terminal than
//! through this type, or through a document that escapes what it holds itself.

use std::borrow::Cow;

use cbox_driver::text::{bounded, harmless_lines};

use super::text::Paint;

/// Text in which a terminal obeys nothing but the looks that cbox gave to parts of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Printable(String);

impl Printable {
    /// `self` with `other` behind it.
    pub(crate) fn and(mut self, other: impl Into<Self>) -> Self {
        self.0.push_str(&other.into().0);
        self
    }

    /// As it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Without blanks at its end.
    pub(crate) fn trim_end(mut self) -> Self {
        self.0.truncate(self.0.trim_end().len());
        self
    }

    /// The same with its text changed by `change`, which adds nothing but blanks and line feeds.
    pub(super) fn laid_out(self, change: impl FnOnce(&str) -> String) -> Self {
        Self(change(&self.0))
    }
}

impl From<&str> for Printable {
    fn from(text: &str) -> Self {
        // What is escaped is longer, and no more of it is shown.
        let text = bounded(text);
        Self(bounded(&harmless_lines(&text)).into_owned())
    }
}

impl From<String> for Printable {
    fn from(text: String) -> Self {
        let is_as_it_is = |text: &str| {
            matches!(bounded(text), Cow::Borrowed(_))
                && matches!(harmless_lines(text), Cow::Borrowed(_))
        };
        match is_as_it_is(&text) {
            true => Self(text),
            false => Self::from(text.as_str()),
        }
    }
}

impl From<&String> for Printable {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

/// What a line can be printed of.
pub(crate) trait ToPrintable {
    /// As it is printed.
    fn to_printable(&self) -> Printable;
}

impl ToPrintable for str {
    fn to_printable(&self) -> Printable {
        self.into()
    }
}

impl ToPrintable for String {
    fn to_printable(&self) -> Printable {
        self.as_str().into()
    }
}

impl ToPrintable for Printable {
    fn to_printable(&self) -> Printable {
        self.clone()
    }
}

impl Paint {
    /// `text` in the look of `code` (ECMA-48, 8.3.117).
    pub(crate) fn paint(self, text: &str, code: &str) -> Printable {
        let text = Printable::from(text);
        match self.wanted {
            true => Printable(self.template(&text.0, code)),
            false => text,
        }
    }

    /// What clap says of the command line, of which every word went through the gate before.
    pub(super) fn clap(self, error: &clap::Error) -> Printable {
        let text = error.render();
        match self.wanted {
            true => Printable(text.ansi().to_string()),
            false => Printable::from(text.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_our_own_looks_passes() {
        let paint = Paint { wanted: true };
        let text = paint.paint("a\u{1b}[8m", "31").and(" \u{9b}b\n\tc");
        assert_eq!(
            text.as_str(),
            "\u{1b}[31ma\\u{1b}[8m\u{1b}[0m \\u{9b}b\n\tc"
        );
        let text = Paint::NONE.paint("a\u{202e}", "31");
        assert_eq!(text, Printable::from("a\u{202e}".to_owned()));
        assert_eq!(text.as_str(), "a\\u{202e}");
        assert!(Printable::from("x".repeat(1 << 20)).as_str().len() < 10_000);
    }
}
