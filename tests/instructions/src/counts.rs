//! The counts as they are kept, and what they are compared with.

use std::{collections::BTreeMap, fmt, fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};

/// Instructions, by the name of the workload.
pub(crate) type ByWorkload = BTreeMap<String, u64>;

/// How much more is a failure, in per cent. Two builds, two folders and two runs differ by 0.03 %,
/// by how hash maps fall out; two releases of valgrind by 0.5 %, by which system calls they know.
const TOLERATED: u64 = 2;

/// What counts depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) compiler: String,
    pub(crate) architecture: String,
    pub(crate) valgrind: String,
}

/// The file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) machine: Machine,
    pub(crate) counts: ByWorkload,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// When a program is missing.
    pub(crate) fn here() -> Result<Self, String> {
        let version = |program: &str| {
            let answer = Command::new(program).arg("--version").output();
            let answer = answer.ok().filter(|answer| answer.status.success());
            let answer = answer.ok_or_else(|| {
                format!("there is no {program} on the PATH (`scripts/setup.sh valgrind` fetches valgrind)")
            })?;
            let text = String::from_utf8_lossy(&answer.stdout);
            Ok::<_, String>(text.lines().next().unwrap_or_default().trim().to_owned())
        };
        Ok(Self {
            compiler: version("rustc")?,
            architecture: std::env::consts::ARCH.to_owned(),
            valgrind: version("valgrind")?,
        })
    }

    /// Whether counts of both say the same: valgrind only tells which it was.
    pub(crate) fn comparable(&self, other: &Self) -> bool {
        (&self.compiler, &self.architecture) == (&other.compiler, &other.architecture)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.compiler, self.architecture)
    }
}

impl Counts {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        let text = format!("# Written by `make bench-instructions accept=1`.\n{text}");
        fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    /// A sentence for each of `now` that takes more than is tolerated, or that is on one side
    /// alone.
    pub(crate) fn rises(&self, now: &ByWorkload, way_out: &str) -> Vec<String> {
        let gone = self.counts.keys().filter(|name| !now.contains_key(*name));
        let gone = gone.map(|name| format!("{name} is counted no more; {way_out}"));
        let rises = now.iter().filter_map(|(name, &count)| {
            let Some(&before) = self.counts.get(name) else {
                return Some(format!("{name} takes {count} instructions, and no count of before is known; {way_out}"));
            };
            let per_cent = (count as f64 / before as f64 - 1.0) * 100.0;
            (count > before + before * TOLERATED / 100).then(|| {
                format!("{name} takes {count} instructions, {per_cent:.1} % more than the {before} of before; {way_out}")
            })
        });
        gone.chain(rises).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_is_named_with_both_counts() {
        let machine = Machine {
            compiler: "rustc 1".into(),
            architecture: "x".into(),
            valgrind: "3".into(),
        };
        let counts = |pairs: &[(&str, u64)]| -> ByWorkload {
            pairs
                .iter()
                .map(|&(name, count)| (name.to_owned(), count))
                .collect()
        };
        let before = Counts {
            machine: machine.clone(),
            counts: counts(&[("a", 1_000), ("b", 1_000), ("c", 7)]),
        };
        let rises = before.rises(&counts(&[("a", 1_020), ("b", 1_021), ("d", 5)]), "so");
        assert_eq!(
            rises,
            [
                "c is counted no more; so",
                "b takes 1021 instructions, 2.1 % more than the 1000 of before; so",
                "d takes 5 instructions, and no count of before is known; so",
            ]
        );
        assert!(
            before
                .rises(&counts(&[("a", 10), ("b", 1_000), ("c", 7)]), "")
                .is_empty()
        );
        let other = Machine {
            valgrind: "4".into(),
            ..machine.clone()
        };
        assert!(other.comparable(&machine));
        let other = Machine {
            compiler: "rustc 2".into(),
            ..machine.clone()
        };
        assert!(!other.comparable(&machine));
    }

    #[test]
    fn every_workload_is_in_the_file() {
        let file = Path::new(crate::FILE);
        let known: Vec<String> = Counts::read(file).unwrap().counts.into_keys().collect();
        let mut names: Vec<&str> = crate::WORKLOADS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(known, names);
    }
}
