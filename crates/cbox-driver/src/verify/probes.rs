//! Files that must not matter: where the self-test writes, and how it takes that back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cbox_source::rules::Rules;

/// What is in the name of every file that is new.
const NAME: &str = "cbox-self-test";

/// Why a file must not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Git ignores it.
    Ignored,
    /// `exclude` in cbox.toml names it.
    Excluded,
    /// It is a local setting.
    Local,
    /// Nothing that a host is made of is there.
    Unbaked,
}

impl Why {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Excluded => "excluded",
            Self::Local => "local settings",
            Self::Unbaked => "not baked",
        }
    }
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Probe {
    /// Its path below the top.
    pub path: PathBuf,
    pub why: Why,
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Written {
    path: PathBuf,
    /// What was there before.
    before: Option<Vec<u8>>,
}

/// The files to write: for each pattern of each `.gitignore` (its folder and its text)
/// and of `exclude` one that it names, the local settings of `hosts`, and two that nothing
/// names. `dir` is the folder of the flake below the top.
pub(super) fn probes(
    dir: &Path,
    ignored: &[(PathBuf, String)],
    excluded: &[String],
    rules: &Rules,
    hosts: &[String],
) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut add = |path: PathBuf, why| probes.push(Probe { path, why });
    for (folder, text) in ignored {
        for path in text.lines().filter_map(sample) {
            add(folder.join(path), Why::Ignored);
        }
    }
    for path in excluded.iter().filter_map(|pattern| sample(pattern)) {
        add(dir.join(path), Why::Excluded);
    }
    for host in hosts {
        for path in rules.local_of(host) {
            add(path, Why::Local);
        }
    }
    add(dir.join(format!("{NAME}.txt")), Why::Unbaked);
    add(dir.join(NAME).join("notes.md"), Why::Unbaked);
    // One file can be named by several patterns: the strongest reason is enough.
    probes.sort();
    probes.dedup_by(|one, other| one.path == other.path);
    probes
}

/// A path that a line of a `.gitignore` names; `None` for a comment, an exception, or a
/// pattern too clever to guess one for.
fn sample(line: &str) -> Option<String> {
    let pattern = line.trim_end();
    if pattern.is_empty() || pattern.starts_with(['#', '!']) || pattern.contains(['[', '\\']) {
        return None;
    }
    let pattern = pattern
        .trim_start_matches('/')
        .replace("**/", "")
        .replace("/**", "/");
    let mut path = pattern.replace('*', NAME).replace('?', "x");
    if path.is_empty() || path.ends_with('/') {
        path.push_str(NAME);
    }
    let inside = Path::new(&path)
        .components()
        .all(|component| matches!(component, std::path::Component::Normal(_)));
    inside.then_some(path)
}

impl Probe {
    /// Writes it below `top`: a file that is there gets another line.
    pub(super) fn write(&self, top: &Path) -> io::Result<Written> {
        let mut path = top.join(&self.path);
        if path.is_dir() {
            path = path.join(NAME);
        }
        let before = match fs::read(&path) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut content = before.clone().unwrap_or_default();
        // No Nix and no JSON: where it is read, evaluation fails.
        content.extend_from_slice(b"\n\"written by the self-test of cbox\n");
        fs::write(&path, content)?;
        Ok(Written { path, before })
    }
}

impl Written {
    /// The file, below `top`.
    pub(super) fn below(&self, top: &Path) -> PathBuf {
        self.path.strip_prefix(top).unwrap_or(&self.path).to_owned()
    }

    /// Takes it back. Folders that were made for it stay: git and the stage see none.
    pub(super) fn undo(&self) -> io::Result<()> {
        match &self.before {
            Some(before) => fs::write(&self.path, before),
            None => fs::remove_file(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbox_source::rules::Made;

    #[test]
    fn patterns_are_given_a_file_that_they_name() {
        for (pattern, path) in [
            ("/target/", Some("target/cbox-self-test")),
            ("out/", Some("out/cbox-self-test")),
            ("result-*", Some("result-cbox-self-test")),
            ("*.iso", Some("cbox-self-test.iso")),
            ("hosts/*/local.nix", Some("hosts/cbox-self-test/local.nix")),
            ("**/node_modules/", Some("node_modules/cbox-self-test")),
            ("a/**", Some("a/cbox-self-test")),
            ("# comment", None),
            ("!kept", None),
            ("*.[oa]", None),
            ("../x", None),
            ("", None),
        ] {
            assert_eq!(sample(pattern).as_deref(), path, "{pattern}");
        }
    }

    #[test]
    fn every_kind_of_place_has_its_files() {
        let local = ["hosts/{host}/local.nix".to_owned()];
        let rules = Rules::new(Path::new("sub"), &[], &local, Made::default()).unwrap();
        let ignored = [(
            PathBuf::from(""),
            "out/\nsub/hosts/a/local.nix\n".to_owned(),
        )];
        let found = probes(
            Path::new("sub"),
            &ignored,
            &["/docs/".into()],
            &rules,
            &["a".into()],
        );
        let shown: Vec<String> = found
            .iter()
            .map(|probe| format!("{} {}", probe.path.display(), probe.why.word()))
            .collect();
        assert_eq!(
            shown,
            [
                "out/cbox-self-test ignored",
                "sub/cbox-self-test/notes.md not baked",
                "sub/cbox-self-test.txt not baked",
                "sub/docs/cbox-self-test excluded",
                "sub/hosts/a/local.nix ignored",
            ]
        );
    }

    #[test]
    fn what_is_written_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::write(top.join("README"), "text").unwrap();
        fs::create_dir(top.join("docs")).unwrap();
        let probe = |path: &str| Probe {
            path: path.into(),
            why: Why::Unbaked,
        };
        let written: Vec<Written> = ["README", "docs", "a/b"]
            .iter()
            .map(|path| probe(path).write(top).unwrap())
            .collect();
        assert_eq!(written[1].below(top), Path::new("docs/cbox-self-test"));
        assert!(
            fs::read_to_string(top.join("README"))
                .unwrap()
                .starts_with("text\n")
        );
        for file in &written {
            file.undo().unwrap();
        }
        assert_eq!(fs::read_to_string(top.join("README")).unwrap(), "text");
        assert!(!top.join("a/b").exists() && !top.join("docs/cbox-self-test").exists());
    }
}
