//! The commands in hints, as they can be pasted: with the options of this run that they need.

use std::borrow::Cow;

use cbox_nix::process::shell_word;

/// What a run was given to find its flake and its links.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    pub(crate) flake: Option<String>,
    pub(crate) out_dir: Option<String>,
    /// The commands that take an `--out-dir`.
    pub(crate) with_out_dir: Vec<String>,
}

impl Repeated {
    /// `text` with the options in each command of cbox between backquotes.
    pub(super) fn in_commands_of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.flake.is_none() && self.out_dir.is_none() {
            return Cow::Borrowed(text);
        }
        let parts = text.split('`').enumerate();
        let parts = parts.map(|(number, part)| match part.strip_prefix("cbox ") {
            Some(words) if number % 2 == 1 => self.command(words),
            _ => part.to_owned(),
        });
        Cow::Owned(parts.collect::<Vec<_>>().join("`"))
    }

    fn command(&self, words: &str) -> String {
        let mut command = "cbox".to_owned();
        if let Some(flake) = self.flake.as_ref().filter(|_| !words.contains("--flake")) {
            command.push_str(&format!(" --flake {}", shell_word(flake.as_ref())));
        }
        let (words, behind) = match words.split_once(" -- ") {
            Some((words, behind)) => (words, format!(" -- {behind}")),
            None => (words, String::new()),
        };
        command.push_str(&format!(" {words}"));
        let takes = |word: &str| self.with_out_dir.iter().any(|name| name == word);
        if let Some(out_dir) = &self.out_dir
            && words.split(' ').next().is_some_and(takes)
            && !words.contains("--out-dir")
        {
            command.push_str(&format!(" --out-dir {}", shell_word(out_dir.as_ref())));
        }
        command + &behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_hints_can_be_pasted() {
        let repeated = Repeated {
            flake: Some("it's mine".to_owned()),
            out_dir: Some("/tmp/o".to_owned()),
            with_out_dir: vec!["build".to_owned()],
        };
        let flake = r"--flake 'it'\''s mine'";
        for (text, expected) in [
            ("cbox list", "cbox list".to_owned()),
            ("`cbox list` or not", format!("`cbox {flake} list` or not")),
            (
                "`a` `cbox build x`",
                format!("`a` `cbox {flake} build x --out-dir /tmp/o`"),
            ),
            (
                "`cbox build x -- -L`",
                format!("`cbox {flake} build x --out-dir /tmp/o -- -L`"),
            ),
            (
                "`cbox build x --out-dir DIR`",
                format!("`cbox {flake} build x --out-dir DIR`"),
            ),
        ] {
            assert_eq!(repeated.in_commands_of(text), expected);
        }
        let text = "`cbox list`";
        assert_eq!(Repeated::default().in_commands_of(text), text);
    }
}
