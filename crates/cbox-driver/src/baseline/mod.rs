//! The baseline: what each install host builds, as it was last accepted.
//!
//! It is a file that people merge, so it is written with one field a line and read with
//! distrust: whatever a merge, a full disk or a newer cbox can leave behind has a sentence
//! of its own. It is committed with the change that it accepts, so it names no commit: which
//! one accepted what a host builds is for [`history`] to find.

mod error;
pub mod file;
pub mod history;
mod json;

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use nix_formats::store_path::{DrvPath, OutPath};
use serde_json::Value;

pub use error::BaselineError;
use json::Node;

use crate::target_name::word;
use nix_formats::system::System;
use nix_formats::{
    nar::{Hasher, NarHash},
    store_path::StorePath,
};

/// The file's name, beside `flake.nix`.
pub const FILE: &str = "baseline.json";

/// The form of the file that this version writes, and the newest that it reads.
pub const SCHEMA: u64 = 2;

/// With what git begins the lines that it puts around a conflict.
const CONFLICT: [&[u8]; 4] = [b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>"];

/// What each install host builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The hosts by name.
    pub hosts: BTreeMap<String, Entry>,
}

/// What one host builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The system that it runs on.
    pub system: System,
    /// The store path of its derivation.
    pub drv_path: DrvPath,
    /// The store path of its output; `None` where only a build can tell it.
    pub out_path: Option<OutPath>,
    /// The hash of `flake.lock` (see [`lock_hash`]); `None` where there was none.
    pub flake_lock: Option<String>,
}

/// The hash of a `flake.lock` by its bytes, as an entry holds it: SRI, with SHA-256.
#[must_use]
pub fn lock_hash(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    // Writing to a hasher cannot fail.
    let _written = hasher.write_all(bytes);
    hasher.finish().to_string()
}

impl Baseline {
    /// Reads the file's content.
    ///
    /// # Errors
    /// The first thing that keeps it from being a baseline.
    pub fn parse(bytes: &[u8]) -> Result<Self, BaselineError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(BaselineError::Empty);
        }
        // No line of the JSON that cbox writes, or of any other, begins like this.
        let conflict = bytes
            .split(|&byte| byte == b'\n')
            .position(|line| CONFLICT.iter().any(|marker| line.starts_with(marker)));
        if let Some(before) = conflict {
            return Err(BaselineError::Conflict { line: before + 1 });
        }
        let node: Node = serde_json::from_slice(bytes).map_err(|error| syntax(&error))?;
        Self::from_node(node)
    }

    fn from_node(node: Node) -> Result<Self, BaselineError> {
        const PLACE: &str = "the file";
        let mut fields = node.into_fields(PLACE)?;
        // First of all: a newer form may break every rule that follows.
        let schema = match fields.get("schema") {
            None => return Err(BaselineError::NoSchema),
            Some(&Node::Number(found)) if found > SCHEMA => {
                return Err(BaselineError::NewerSchema { found });
            }
            Some(&Node::Number(schema @ 1..)) => schema,
            Some(_) => {
                return Err(BaselineError::Type {
                    place: "`schema`".to_owned(),
                    expected: "the number 1 or 2",
                });
            }
        };
        fields.check_names()?;
        let _schema = fields.take("schema");
        let hosts = fields.take("hosts").ok_or(BaselineError::MissingField {
            place: PLACE.to_owned(),
            name: "hosts",
        })?;
        fields.check_empty()?;
        let hosts = hosts.into_fields("`hosts`")?;
        hosts.check_names()?;
        let entries = hosts.pairs.into_iter().map(|(host, node)| {
            if word(&host).is_err() {
                return Err(BaselineError::HostName(host));
            }
            let entry = Entry::from_node(&host, node, schema)?;
            Ok((host, entry))
        });
        Ok(Self {
            hosts: entries.collect::<Result<_, _>>()?,
        })
    }

    /// The file's content: hosts in the order of their names, each field on a line of its
    /// own, so that git merges changes of different hosts and sees a conflict on one.
    #[must_use]
    pub fn to_json(&self) -> String {
        let hosts: Vec<String> = self
            .hosts
            .iter()
            .map(|(host, entry)| entry.to_json(host))
            .collect();
        let hosts = match hosts.as_slice() {
            [] => "{}".to_owned(),
            hosts => format!("{{\n{}\n  }}", hosts.join(",\n")),
        };
        format!("{{\n  \"schema\": {SCHEMA},\n  \"hosts\": {hosts}\n}}\n")
    }
}

impl Entry {
    fn from_node(host: &str, node: Node, schema: u64) -> Result<Self, BaselineError> {
        let mut fields = node.into_fields(&format!("host `{host}`"))?;
        fields.check_names()?;
        let system = fields.text("system")?;
        let drv_path = fields.text("drvPath")?;
        let out_path = fields.text_or_null("outPath")?;
        let flake_lock = fields.text_or_null("flakeLock")?;
        if schema == 1 {
            // The commit on top of which it was accepted, which a rebase took away.
            let _revision = fields.take("revision");
        }
        fields.check_empty()?;
        let owned = |text: &str| (host.to_owned(), text.to_owned());
        let system: System = system.parse().map_err(|_| {
            let (host, text) = owned(&system);
            BaselineError::System { host, text }
        })?;
        let drv_path = match drv_path.parse::<DrvPath>() {
            Ok(drv_path) if is_store_path(&drv_path) => drv_path,
            _ => {
                let (host, text) = owned(&drv_path);
                return Err(BaselineError::DrvPath { host, text });
            }
        };
        let out_path = match out_path.as_deref().map(str::parse::<OutPath>) {
            None => None,
            Some(Ok(out_path)) if is_store_path(&out_path) => Some(out_path),
            Some(_) => {
                let (host, text) = owned(&out_path.unwrap_or_default());
                return Err(BaselineError::OutPath { host, text });
            }
        };
        if let Some(text) = flake_lock
            .as_deref()
            .filter(|text| NarHash::from_sri(text).is_none())
        {
            let (host, text) = owned(text);
            return Err(BaselineError::FlakeLock { host, text });
        }
        Ok(Self {
            system,
            drv_path,
            out_path,
            flake_lock,
        })
    }

    fn to_json(&self, host: &str) -> String {
        let fields = [
            ("system", Value::from(self.system.as_str())),
            ("drvPath", Value::from(self.drv_path.as_str())),
            (
                "outPath",
                Value::from(self.out_path.as_ref().map(OutPath::as_str)),
            ),
            ("flakeLock", Value::from(self.flake_lock.as_deref())),
        ];
        let mut text = format!("    {}: {{\n", Value::from(host));
        for (index, (name, value)) in fields.iter().enumerate() {
            let comma = if index + 1 < fields.len() { "," } else { "" };
            // Writing to a text cannot fail.
            let _written = writeln!(text, "      \"{name}\": {value}{comma}");
        }
        text.push_str("    }");
        text
    }
}

/// Whether `text` is a path directly below some store: which one is not the file's to say.
fn is_store_path(text: &str) -> bool {
    text.rsplit_once('/').is_some_and(|(dir, _)| {
        dir.starts_with('/') && StorePath::from_absolute_path(text, dir).is_ok()
    })
}

fn syntax(error: &serde_json::Error) -> BaselineError {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return BaselineError::Truncated { line };
    }
    let reason = error.to_string();
    let place = format!(" at line {line} column {column}");
    BaselineError::Syntax {
        line,
        column,
        reason: reason.strip_suffix(&place).unwrap_or(&reason).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{
  "schema": 2,
  "hosts": {
    "a": {
      "system": "x86_64-linux",
      "drvPath": "/nix/store/00000000000000000000000000000000-nixos-system-a.drv",
      "outPath": "/nix/store/11111111111111111111111111111111-nixos-system-a",
      "flakeLock": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    },
    "b.c": {
      "system": "aarch64-linux",
      "drvPath": "/nix/store/22222222222222222222222222222222-nixos-system-b.drv",
      "outPath": null,
      "flakeLock": null
    }
  }
}
"#;

    fn refused(text: &str) -> String {
        Baseline::parse(text.as_bytes()).unwrap_err().to_string()
    }

    /// What `GOOD` says with `from` replaced by `to`.
    fn with(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        refused(&GOOD.replacen(from, to, 1))
    }

    #[test]
    fn a_baseline_is_read_and_written() {
        let baseline = Baseline::parse(GOOD.as_bytes()).unwrap();
        let entry = &baseline.hosts["a"];
        assert_eq!(entry.system.as_str(), "x86_64-linux");
        assert_eq!(entry.flake_lock, Some(lock_hash(b"")));
        assert!(entry.out_path.is_some());
        assert_eq!(baseline.hosts["b.c"].out_path, None);
        assert_eq!(baseline.to_json(), GOOD);
        let none = Baseline::default();
        assert_eq!(none.to_json(), "{\n  \"schema\": 2,\n  \"hosts\": {}\n}\n");
        assert_eq!(Baseline::parse(none.to_json().as_bytes()), Ok(none));
    }

    #[test]
    fn the_first_schema_had_a_revision_too() {
        let old = GOOD.replace("\"schema\": 2", "\"schema\": 1").replace(
            "5NMpJWZG3hSuFU=\"",
            "5NMpJWZG3hSuFU=\",\n      \"revision\": \"0123456789abcdef-dirty\"",
        );
        let read = Baseline::parse(old.as_bytes()).unwrap();
        assert_eq!(read.to_json(), GOOD, "it is written in the form of today");
        assert_eq!(
            refused(&old.replace("\"schema\": 1", "\"schema\": 2")),
            "baseline.json: host `a` has a field `revision` that cbox does not know"
        );
    }

    #[test]
    fn a_file_that_is_no_whole_json_says_how() {
        for empty in ["", " \n\t\r\n"] {
            assert_eq!(refused(empty), "baseline.json is empty");
        }
        assert_eq!(
            refused("{\n<<<<<<< HEAD\n  \"schema\": 1\n=======\n>>>>>>> other\n}\n"),
            "baseline.json:2: a merge conflict is not resolved"
        );
        assert_eq!(
            with("    \"b.c\"", ">>>>>>> other\n    \"b.c\""),
            "baseline.json:10: a merge conflict is not resolved"
        );
        for (end, line) in [(1, 1), (40, 4), (GOOD.len() - 3, 16)] {
            assert_eq!(
                refused(&GOOD[..end]),
                format!(
                    "baseline.json is cut off: it ends in line {line}, in the middle of a value"
                )
            );
        }
        assert_eq!(
            with("\"schema\": 2,", "\"schema\": 2"),
            "baseline.json:3:3: this is not JSON: expected `,` or `}`"
        );
        assert!(refused("version https://x").starts_with("baseline.json:1:1: this is not JSON"));
        assert!(refused(&format!("{GOOD}x")).contains("trailing characters"));
        let bytes = Baseline::parse(b"{\"schema\": \"\xff\"}").unwrap_err();
        assert!(matches!(bytes, BaselineError::Syntax { .. }), "{bytes}");
        let deep = "[".repeat(100_000);
        assert!(refused(&deep).contains("recursion limit"));
    }

    #[test]
    fn the_schema_comes_before_all_else() {
        assert_eq!(
            refused("{}"),
            "baseline.json has no `schema`, so it is no baseline"
        );
        assert_eq!(
            refused(r#"{"other": [1.5, -1, true], "schema": 3}"#),
            "baseline.json has schema 3, and this cbox knows schemas up to 2"
        );
        for bad in ["0", "\"1\"", "null", "1.0", "-1"] {
            let message = refused(&format!("{{\"schema\": {bad}}}"));
            assert_eq!(
                message,
                "baseline.json: `schema` should be the number 1 or 2"
            );
        }
        assert_eq!(
            refused("[1, {}]"),
            "baseline.json: the file should be an object"
        );
    }

    #[test]
    fn nothing_is_named_twice() {
        assert_eq!(
            with("\"b.c\"", "\"a\""),
            "baseline.json: `hosts` names `a` twice"
        );
        assert_eq!(
            with("\"outPath\"", "\"drvPath\""),
            "baseline.json: host `a` names `drvPath` twice"
        );
        assert_eq!(
            with("  \"hosts\"", "  \"hosts\": {},\n  \"hosts\""),
            "baseline.json: the file names `hosts` twice"
        );
        assert_eq!(
            with("  \"hosts\"", "  \"schema\": 1,\n  \"hosts\""),
            "baseline.json: the file names `schema` twice"
        );
    }

    #[test]
    fn fields_are_those_that_there_are() {
        assert_eq!(
            with("\"schema\": 2,", "\"schema\": 2, \"x\": 1,"),
            "baseline.json: the file has a field `x` that cbox does not know"
        );
        assert_eq!(
            with("\"system\": \"x", "\"drvpath\": 1, \"system\": \"x"),
            "baseline.json: host `a` has a field `drvpath` that cbox does not know"
        );
        assert_eq!(
            refused(r#"{"schema": 1, "hosts": {"a": {}}}"#),
            "baseline.json: host `a` has no `system`"
        );
        assert_eq!(
            refused(r#"{"schema": 1}"#),
            "baseline.json: the file has no `hosts`"
        );
        assert_eq!(
            refused(r#"{"schema": 1, "hosts": []}"#),
            "baseline.json: `hosts` should be an object"
        );
        assert_eq!(
            refused(r#"{"schema": 1, "hosts": {"a": null}}"#),
            "baseline.json: host `a` should be an object"
        );
        assert_eq!(
            with("\"flakeLock\": null", "\"flakeLock\": []"),
            "baseline.json: `flakeLock` of host `b.c` should be a text or null"
        );
    }

    #[test]
    fn values_are_what_they_should_be() {
        for bad in ["", "a/b", "-a", "a b", "ü"] {
            assert_eq!(
                with("\"b.c\"", &format!("\"{bad}\"")),
                format!("baseline.json: `{bad}` cannot be the name of a host")
            );
        }
        let sentence = |message: String| message.split(" is `").next().unwrap().to_owned();
        for (from, to, what) in [
            ("x86_64-linux", "x 86", "the system"),
            ("-a.drv", "-a", "the drvPath"),
            ("/nix/store/0", "nix/store/0", "the drvPath"),
            ("/nix/store/00", "/nix/store/e0", "the drvPath"),
            ("/nix/store/1", "/1", "the outPath"),
            ("sha256-", "sha512-", "the flakeLock"),
        ] {
            assert_eq!(
                sentence(with(from, to)),
                format!("baseline.json: {what} of host `a`"),
                "{from}"
            );
        }
        let elsewhere = GOOD.replace("/nix/store/", "/elsewhere/store/");
        assert!(Baseline::parse(elsewhere.as_bytes()).is_ok());
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let digest = "[0-9a-df-np-sv-z]{32}";
        let name = "[a-zA-Z0-9+._?=-]{1,20}";
        let out = prop::option::of((digest, name));
        let lock = prop::option::of(any::<Vec<u8>>());
        (digest, name, out, lock).prop_map(|(drv, drv_name, out, lock)| Entry {
            system: "x86_64-linux".parse().unwrap(),
            drv_path: format!("/nix/store/{drv}-{drv_name}.drv")
                .try_into()
                .unwrap(),
            out_path: out.map(|(out, name)| format!("/nix/store/{out}-{name}").try_into().unwrap()),
            flake_lock: lock.map(|bytes| lock_hash(&bytes)),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            hosts in prop::collection::btree_map("[a-zA-Z0-9_][a-zA-Z0-9_.+-]{0,12}", entry(), 0..6)
        ) {
            let baseline = Baseline { hosts };
            prop_assert_eq!(Baseline::parse(baseline.to_json().as_bytes()), Ok(baseline));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), cut in 0..GOOD.len(), at in 0..GOOD.len()) {
            let _any = Baseline::parse(&bytes);
            let mut spliced = GOOD.as_bytes()[..cut].to_vec();
            spliced.extend_from_slice(&bytes);
            spliced.extend_from_slice(&GOOD.as_bytes()[at..]);
            let _any = Baseline::parse(&spliced);
        }
    }
}
