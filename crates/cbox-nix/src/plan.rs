//! What a build would do: the answer of `nix build --dry-run`, read.
//!
//! Nix gives it as text for people, so every line that is not understood is passed by:
//! a plan that says less is better than no build.

use serde::Serialize;

/// What is to be done until all wanted outputs are there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The derivations to build.
    pub build: Vec<String>,
    /// The store paths to fetch.
    pub fetch: Vec<String>,
    /// How much is to be downloaded, in bytes, as far as Nix says it.
    #[serde(rename = "downloadSize")]
    pub download_bytes: u64,
    /// How much that is in the store, in bytes.
    #[serde(rename = "unpackedSize")]
    pub unpacked_bytes: u64,
    /// Paths that are neither there nor to be had.
    pub unknown: Vec<String>,
}

impl Plan {
    /// Whether everything is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.build.is_empty() && self.fetch.is_empty() && self.unknown.is_empty()
    }

    /// Reads what `nix build --dry-run` wrote on its standard error, in English.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut plan = Self::default();
        let mut list: Option<fn(&mut Self) -> &mut Vec<String>> = None;
        for line in text.lines() {
            if let Some(path) = line.strip_prefix("  ") {
                if let Some(list) = list {
                    list(&mut plan).push(path.trim().to_owned());
                }
                continue;
            }
            list = None;
            if line.contains("will be built") {
                list = Some(|plan| &mut plan.build);
            } else if line.contains("will be fetched") {
                list = Some(|plan| &mut plan.fetch);
                plan.download_bytes += size_before(line, " download").unwrap_or(0);
                plan.unpacked_bytes += size_before(line, " unpacked").unwrap_or(0);
            } else if line.starts_with("don't know how to build") {
                list = Some(|plan| &mut plan.unknown);
            }
        }
        plan
    }
}

/// The size that stands before `word`: `(12.3 MiB download, …` gives 12.3 MiB in bytes.
fn size_before(line: &str, word: &str) -> Option<u64> {
    let before = &line[..line.find(word)?];
    let mut words = before.rsplit([' ', '(']);
    let unit = match words.next()? {
        "B" | "bytes" => 0,
        "KiB" => 1,
        "MiB" => 2,
        "GiB" => 3,
        "TiB" => 4,
        _ => return None,
    };
    let number: f64 = words.next()?.parse().ok()?;
    Some((number * 1024_f64.powi(unit)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_nix_are_read() {
        let plan = Plan::parse(
            "warning: something\n\
             these 2 derivations will be built:\n  /nix/store/a.drv\n  /nix/store/b.drv\n\
             this path will be fetched (1.5 MiB download, 0.0 KiB unpacked):\n  /nix/store/c\n\
             these 2 paths will be fetched (2.00 GiB download, 3 MiB unpacked):\n  /nix/store/d\n  /nix/store/e\n\
             don't know how to build these paths:\n  /nix/store/f\n",
        );
        assert_eq!(plan.build, ["/nix/store/a.drv", "/nix/store/b.drv"]);
        assert_eq!(plan.fetch, ["/nix/store/c", "/nix/store/d", "/nix/store/e"]);
        assert_eq!(plan.unknown, ["/nix/store/f"]);
        assert_eq!(
            plan.download_bytes,
            1024 * 1024 * 3 / 2 + 2 * 1024 * 1024 * 1024
        );
        assert_eq!(plan.unpacked_bytes, 3 * 1024 * 1024);
    }

    #[test]
    fn nothing_to_do_is_a_plan() {
        assert!(Plan::parse("").is_empty());
        assert!(Plan::parse("some words\n  indented\n").is_empty());
        assert!(!Plan::parse("this derivation will be built:\n  /nix/store/a.drv").is_empty());
    }
}
