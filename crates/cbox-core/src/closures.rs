//! Closures of store paths and their sizes, from what Nix says of each path.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// What is known of one path.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    /// Its size in bytes.
    nar_size: u64,
    /// The paths that it needs, itself at times.
    references: Vec<String>,
}

/// Store paths with their sizes and references.
#[derive(Debug, Clone, Default)]
pub struct Closures(BTreeMap<String, Info>);

impl Closures {
    /// Reads the answer of `nix path-info --json --recursive`: a map by path, in which a
    /// path that is not there has `null`. Lix answers with a list, as Nix before 2.19 did.
    ///
    /// # Errors
    /// What is not understood in it.
    pub fn parse(answer: &[u8]) -> Result<Self, String> {
        let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let entries: Vec<(String, Value)> = match answer {
            Value::Object(paths) => paths.into_iter().collect(),
            Value::Array(infos) => infos
                .into_iter()
                .filter_map(|info| Some((info["path"].as_str()?.to_owned(), info)))
                .collect(),
            _ => return Err("it is no map of paths".to_owned()),
        };
        let mut paths = BTreeMap::new();
        for (path, info) in entries {
            if !info.is_null() && info["valid"] != false {
                let info = serde_json::from_value(info)
                    .map_err(|error| format!("of {path} it says: {error}"))?;
                paths.insert(path, info);
            }
        }
        Ok(Self(paths))
    }

    /// Whether `path` is in the store.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// All that `tops` need, themselves included. What is not in the store is left out.
    pub fn of<'a>(&'a self, tops: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<&str> = tops.into_iter().collect();
        while let Some(path) = waiting.pop() {
            if let Some(info) = self.0.get(path)
                && found.insert(path)
            {
                waiting.extend(info.references.iter().map(String::as_str));
            }
        }
        found
    }

    /// The sizes of `paths` together, in bytes.
    pub fn size<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> u64 {
        let infos = paths.into_iter().filter_map(|path| self.0.get(path));
        infos.map(|info| info.nar_size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{
        "/s/a": {"narSize": 1, "references": ["/s/a", "/s/c"]},
        "/s/b": {"narSize": 2, "references": ["/s/c"]},
        "/s/c": {"narSize": 4, "references": []},
        "/s/gone": null}"#;

    #[test]
    fn what_is_shared_counts_once() {
        let closures = Closures::parse(ANSWER.as_bytes()).unwrap();
        let size = |tops: &[&str]| closures.size(closures.of(tops.iter().copied()));
        assert_eq!(size(&["/s/a"]), 5);
        assert_eq!(size(&["/s/a", "/s/b"]), 7);
        assert_eq!(size(&["/s/gone", "/s/unknown"]), 0);
        assert!(closures.holds("/s/a") && !closures.holds("/s/gone"));
    }

    #[test]
    fn a_list_says_the_same() {
        let list = r#"[{"path": "/s/a", "narSize": 1, "references": ["/s/b"]},
            {"path": "/s/b", "narSize": 2, "references": []}, {"path": "/s/c", "valid": false}]"#;
        let closures = Closures::parse(list.as_bytes()).unwrap();
        assert_eq!(closures.size(closures.of(["/s/a"])), 3);
        assert!(!closures.holds("/s/c"));
    }

    #[test]
    fn other_answers_say_what_is_wrong() {
        assert!(Closures::parse(b"").is_err());
        assert!(Closures::parse(b"1").is_err());
        let error = Closures::parse(br#"{"/s/a": {"references": []}}"#).unwrap_err();
        assert!(
            error.contains("/s/a") && error.contains("narSize"),
            "{error}"
        );
    }
}
