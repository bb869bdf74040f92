//! What a derivation's name says of a package: its name, its version, and what follows.
//!
//! Source of the rule: `builtins.parseDrvName` in the Nix manual: the version begins
//! behind the first `-` that no letter follows. Where a letter follows a later `-` the
//! rest is a part of the package (`linux-6.12.1-modules`), which Nix leaves in the version, as
//! it has to be where the letters are those of a release (`foo-0-unstable-2025-01-31`, by the
//! Nixpkgs manual, "Versioning").

/// What a file that is fetched for a package can end with.
const EXTENSIONS: &[&str] = &[
    ".tar", ".tgz", ".tbz", ".txz", ".zip", ".crate", ".gem", ".whl", ".patch", ".diff",
];

/// What numbers of releases follow in a version.
const RELEASES: &[&str] = &[
    "unstable", "nightly", "snapshot", "alpha", "beta", "pre", "rc", "git",
];

/// A name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageName<'a> {
    /// The package: `linux`.
    pub package: &'a str,
    /// Its version: `6.12.1`; empty where there is none.
    pub version: &'a str,
    /// What of it: `modules`, `.tar.gz`; empty where there is nothing.
    pub part: &'a str,
}

impl<'a> PackageName<'a> {
    /// Takes `name` apart.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        let whole = Self {
            package: name,
            version: "",
            part: "",
        };
        let Some((package, rest)) = split(name, |next| !next.is_ascii_alphabetic()) else {
            return whole;
        };
        if !rest.starts_with(|first: char| first.is_ascii_digit()) {
            return whole;
        }
        let (version, mut part) = split_rest(rest, |behind| {
            behind.starts_with(|next: char| next.is_ascii_alphabetic()) && !is_release(behind)
        })
        .unwrap_or((rest, ""));
        let extension = EXTENSIONS
            .iter()
            .filter_map(|extension| version.find(extension))
            .min();
        let version = match extension {
            Some(position) => {
                part = &rest[position..];
                &rest[..position]
            }
            None => version,
        };
        Self {
            package,
            version,
            part,
        }
    }

    /// Whether both are the same part of the same package, whatever the version.
    #[must_use]
    pub fn is_same_package(&self, other: &PackageName<'_>) -> bool {
        (self.package, self.part) == (other.package, other.part)
    }
}

/// Splits at the first `-` whose follower is as wanted.
fn split(text: &str, wanted: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    split_rest(text, |rest| rest.starts_with(&wanted))
}

/// Splits at the first `-` behind which all is as wanted.
fn split_rest(text: &str, wanted: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    text.match_indices('-').find_map(|(position, _)| {
        let rest = &text[position + 1..];
        wanted(rest).then(|| (&text[..position], rest))
    })
}

/// Whether `text` begins with the number of a release: `rc1`, `unstable-2025-01-31`.
fn is_release(text: &str) -> bool {
    RELEASES.iter().any(|word| {
        let number = text.strip_prefix(word);
        let number = number.map(|rest| rest.strip_prefix(['-', '.']).unwrap_or(rest));
        number.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, package, version, part) in [
            ("coder-2.24.1", "coder", "2.24.1", ""),
            ("zlib-1.3.1", "zlib", "1.3.1", ""),
            ("linux-6.12.1-modules", "linux", "6.12.1", "modules"),
            (
                "coder-2.24.1-vendor-staging",
                "coder",
                "2.24.1",
                "vendor-staging",
            ),
            (
                "python3.12-requests-2.32",
                "python3.12-requests",
                "2.32",
                "",
            ),
            ("jq-1.8.1.tar.gz", "jq", "1.8.1", ".tar.gz"),
            ("bash-5.3p9", "bash", "5.3p9", ""),
            (
                "foo-0-unstable-2025-01-31",
                "foo",
                "0-unstable-2025-01-31",
                "",
            ),
            (
                "foo-1.2-unstable-2025-01-31-dev",
                "foo",
                "1.2-unstable-2025-01-31",
                "dev",
            ),
            ("foo-1.0-rc1-man", "foo", "1.0-rc1", "man"),
            ("foo-1.0-beta.2", "foo", "1.0-beta.2", ""),
            ("foo-1.0-gitk", "foo", "1.0", "gitk"),
            ("glibc-locales-2.42-67", "glibc-locales", "2.42-67", ""),
            (
                "nixos-system-box-26.05.20260101.abc",
                "nixos-system-box",
                "26.05.20260101.abc",
                "",
            ),
            ("unit-coder.service", "unit-coder.service", "", ""),
            ("etc", "etc", "", ""),
            ("a-", "a-", "", ""),
            ("-1", "", "1", ""),
            ("", "", "", ""),
            ("hook-\u{e9}", "hook-\u{e9}", "", ""),
        ] {
            let expected = PackageName {
                package,
                version,
                part,
            };
            assert_eq!(PackageName::parse(name), expected, "{name}");
        }
    }
}
