//! What a person prefers in all flakes: `~/.config/cbox/config.toml`.

use std::{io, num::NonZeroUsize};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    error::{Error, Kind},
    text::memory_size::parse_size,
    toml_file::parse_toml,
};

/// Its place below where programs keep what the user configured.
const FILE: &str = "cbox/config.toml";

/// The preferences of a person. Whatever is said on the command line counts before them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserConfig {
    /// The form of the file, 1; a newer cbox may have others.
    pub schema: Option<u32>,
    /// The most evaluations at once: `--jobs`.
    pub jobs: Option<NonZeroUsize>,
    /// The most memory that all evaluations together take, in bytes: `--max-memory`.
    #[serde(default, deserialize_with = "memory")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub max_memory: Option<u64>,
    /// Whether colours are used: `--color`.
    pub color: Option<Color>,
    /// After how many seconds of silence a line says what still runs; 0 for never.
    pub heartbeat: Option<u64>,
}

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// On terminals that have them.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

fn memory<'d, D: Deserializer<'d>>(text: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(text)?;
    let size = parse_size(&text).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))?;
    Ok(Some(size))
}

impl UserConfig {
    /// Where the file is, for a user whose configuration is in `config_home`.
    #[must_use]
    pub fn file(config_home: &Utf8Path) -> Utf8PathBuf {
        config_home.join(FILE)
    }

    /// Reads the file; where there is none, nothing is preferred.
    ///
    /// # Errors
    /// When it cannot be read, or is wrong somewhere.
    pub fn read(config_home: &Utf8Path) -> Result<Self, Error> {
        let file = Self::file(config_home);
        match regular_file::read_to_string(&file) {
            Ok(text) => Self::parse(&text, &file),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(Error::file(Kind::Config, "read", &file, &error)),
        }
    }

    fn parse(text: &str, file: &Utf8Path) -> Result<Self, Error> {
        let hint = "docs/reference.md of cbox lists your own settings";
        parse_toml(text, file, hint)
    }

    /// The settings that it has, as the file has them.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        let Self {
            schema: _,
            jobs,
            max_memory,
            color,
            heartbeat,
        } = self;
        let color = color.map(|color| match color {
            Color::Auto => "auto",
            Color::Always => "always",
            Color::Never => "never",
        });
        let settings = [
            jobs.map(|jobs| format!("jobs {jobs}")),
            max_memory.map(|bytes| format!("max-memory {} MiB", bytes >> 20)),
            color.map(|color| format!("color {color}")),
            heartbeat.map(|seconds| format!("heartbeat {seconds}")),
        ];
        settings.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<UserConfig, String> {
        let file = Utf8Path::new("config.toml");
        UserConfig::parse(text, file).map_err(|error| error.message)
    }

    #[test]
    fn what_is_preferred_is_read() {
        let text = "schema = 1\njobs = 2\nmax-memory = \"4G\"\ncolor = \"never\"\nheartbeat = 0\n";
        let config = parse(text).unwrap();
        assert_eq!(config.jobs, NonZeroUsize::new(2));
        assert_eq!(config.max_memory, Some(4 << 30));
        assert_eq!(config.color, Some(Color::Never));
        assert_eq!(config.heartbeat, Some(0));
        assert_eq!(
            config.settings(),
            [
                "jobs 2",
                "max-memory 4096 MiB",
                "color never",
                "heartbeat 0"
            ]
        );
        assert_eq!(parse(""), Ok(UserConfig::default()));
    }

    #[test]
    fn mistakes_have_a_place_and_a_way_out() {
        for (text, message) in [
            ("a = 1\njob = 2\n", "config.toml:1:1: unknown field `a`"),
            (
                "job = 2\n",
                "config.toml:1:1: unknown field `job`: did you mean `jobs`?",
            ),
            (
                "\njobs = 0\n",
                "config.toml:2:8: invalid value: integer `0`, expected a whole number, 1 or more",
            ),
            (
                "jobs = \"x\"\n",
                "config.toml:1:8: invalid type: string \"x\", expected a whole number, 1 or more",
            ),
            (
                "heartbeat = \"x\"\n",
                "config.toml:1:13: invalid type: string \"x\", expected a whole number",
            ),
            ("max-memory = \"4\"\n", "config.toml:1:14: `4`: "),
            (
                "color = \"neve\"\n",
                "config.toml:1:9: unknown variant `neve`",
            ),
            ("jobs = ", "config.toml:1:"),
            (
                "x = 1\nschema = 2\n",
                "config.toml:2:10: schema 2 is newer than this cbox",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
