//! What several store paths need together, where what they share counts once.

use std::collections::BTreeSet;

use super::{PathInfos, base_name};

impl PathInfos {
    /// Whether something is said of `path`: then it is in the store.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        self.0.contains_key(base_name(path))
    }

    /// All that `roots` need, themselves included, each as `<hash>-<name>`. What nothing is
    /// said of is left out.
    pub fn needed_by<'a>(&'a self, roots: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = roots.into_iter().map(base_name).collect();
        while let Some(base) = open.pop() {
            if let Some(info) = self.0.get(base)
                && found.insert(base)
            {
                open.extend(info.references.iter().map(|path| base_name(path)));
            }
        }
        found
    }

    /// The sizes of `paths` together, in bytes.
    pub fn size_of<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> u64 {
        let infos = paths
            .into_iter()
            .filter_map(|path| self.0.get(base_name(path)));
        infos.map(|info| info.nar_size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_counts_once() {
        let answer = r#"{
            "/s/a": {"narSize": 1, "references": ["/s/a", "/s/c"]},
            "/s/b": {"narSize": 2, "references": ["/s/c"]},
            "/s/c": {"narSize": 4, "references": []},
            "/s/gone": null}"#;
        let infos = PathInfos::parse(answer.as_bytes()).unwrap();
        let size = |roots: &[&str]| {
            let roots: Vec<String> = roots.iter().map(|root| format!("/s/{root}")).collect();
            infos.size_of(infos.needed_by(roots.iter().map(String::as_str)))
        };
        assert_eq!(size(&["a"]), 5);
        assert_eq!(size(&["a", "b"]), 7);
        assert_eq!(size(&["gone", "unknown"]), 0);
        assert!(infos.holds("/s/a") && !infos.holds("/s/gone"));
    }
}
