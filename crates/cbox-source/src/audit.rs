//! The audit of a tree: what of it must not be baked into images, less what is allowed.
//!
//! The rules are [`crate::audit_rules`]'s. Files are read side by side, each once.

use std::{
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    SourceError,
    audit_rules::{Finding, Found, LOOKED_INTO, bare_repositories, of_content, of_path},
    folder::Folder,
    pattern::{Above, Patterns},
    rules::Rules,
    tree::{Entry, Kind, Tree},
};

/// A finding that is there on purpose.
#[derive(Debug, Clone)]
pub struct Allow {
    /// The folder of the flake, relative to the top of the tree; the pattern starts there.
    dir: PathBuf,
    files: Patterns,
    finding: Finding,
}

impl Allow {
    /// Allows `finding` in the files that `pattern`, as in `.gitignore`, names below `dir`.
    ///
    /// # Errors
    /// When the pattern cannot be used, with the reason.
    pub fn new(dir: &Path, pattern: &str, finding: Finding) -> Result<Self, SourceError> {
        let refused = |reason: &str| SourceError::Pattern {
            pattern: pattern.to_owned(),
            reason: reason.to_owned(),
        };
        if pattern.contains('\n') {
            return Err(refused("it has to be one line"));
        }
        let mut files = Patterns::default();
        files.add(pattern.as_bytes());
        if !files.ignore_something() {
            return Err(refused("it names no file"));
        }
        Ok(Self {
            dir: dir.to_owned(),
            files,
            finding,
        })
    }

    /// The pattern that names the file or folder at `path`, relative to the folder of the
    /// flake, and no other.
    ///
    /// A byte that no text can have, and a line feed, is `?`: there it names others as well.
    #[must_use]
    pub fn pattern_of(path: &Path) -> String {
        let mut pattern = "/".to_owned();
        let bytes = path.as_os_str().as_bytes();
        // Within a name git reads a blank as it is; those at the end need a backslash.
        let blanks_from = bytes.len() - bytes.iter().rev().take_while(|it| **it == b' ').count();
        let (name, blanks) = bytes.split_at(blanks_from);
        for chunk in name.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\n' => pattern.push('?'),
                    // At the end of a line it does not count, with a backslash or without.
                    '\r' => pattern.push_str("[\r]"),
                    '*' | '?' | '[' | '\\' => pattern.extend(['\\', character]),
                    _ => pattern.push(character),
                }
            }
            pattern.extend(chunk.invalid().iter().map(|_| '?'));
        }
        pattern.extend(blanks.iter().map(|_| "\\ "));
        pattern
    }

    fn allows(&self, path: &Path, finding: Finding) -> bool {
        let inside = path.strip_prefix(&self.dir);
        finding == self.finding
            && inside.is_ok_and(|inside| {
                let found = self.files.ignoring(inside, &mut Above::default());
                found.is_some()
            })
    }
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// What must not be there, in the order of the tree.
    pub found: Vec<(PathBuf, Found)>,
    /// What is allowed, with the number of the entry that allows it.
    pub allowed: Vec<(PathBuf, Found, usize)>,
    /// The numbers of the entries that allow nothing that is there.
    pub unused: Vec<usize>,
}

/// Looks at all files of `tree`, `workers` at once. `stop` is asked again and again; once it
/// says yes, the work ends.
///
/// # Errors
/// When a file cannot be read, and when asked to stop.
pub fn audit(
    tree: &Tree,
    rules: &Rules,
    allow: &[Allow],
    workers: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Audit, SourceError> {
    let next = AtomicUsize::new(0);
    let folder = Folder::open(&tree.top)?;
    let work = || -> Result<Vec<(PathBuf, Found)>, SourceError> {
        let mut found = Vec::new();
        let mut content = Vec::new();
        while let Some(entry) = tree.entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop() {
                return Err(SourceError::Stopped);
            }
            let of_entry = look(&folder, rules, entry, &mut content)?;
            found.extend(of_entry.into_iter().map(|it| (entry.path.clone(), it)));
        }
        Ok(found)
    };
    let answers: Vec<Result<_, SourceError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        let answers = workers.into_iter().map(|worker| match worker.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        answers.collect()
    });
    let mut found = Vec::new();
    for answer in answers {
        found.extend(answer?);
    }
    let paths = tree.entries.iter().map(|entry| entry.path.as_path());
    for folder in bare_repositories(paths) {
        let what = "a repository of git's".to_owned();
        let of_folder = Found {
            line: None,
            finding: Finding::GitFolder,
            what,
            value: None,
        };
        found.push((folder, of_folder));
    }
    found.sort();
    Ok(judge(found, allow))
}

/// Sets aside what is allowed.
fn judge(all: Vec<(PathBuf, Found)>, allow: &[Allow]) -> Audit {
    let mut audit = Audit::default();
    let mut used = vec![false; allow.len()];
    for (path, found) in all {
        let mut entries = allow.iter();
        match entries.position(|entry| entry.allows(&path, found.finding)) {
            Some(entry) => {
                used[entry] = true;
                audit.allowed.push((path, found, entry));
            }
            None => audit.found.push((path, found)),
        }
    }
    let unused = used.iter().enumerate().filter(|(_, used)| !**used);
    audit.unused = unused.map(|(entry, _)| entry).collect();
    audit
}

/// What is found in one file. `content` is room to read it into.
fn look(
    folder: &Folder<'_>,
    rules: &Rules,
    entry: &Entry,
    content: &mut Vec<u8>,
) -> Result<Vec<Found>, SourceError> {
    let mut found: Vec<Found> = of_path(&entry.path).into_iter().collect();
    if rules.is_named_as_local(&entry.path) {
        found.push(Found {
            line: None,
            finding: Finding::LocalSettings,
            what: "local settings that count as source, since no pattern under `local` names them"
                .to_owned(),
            value: None,
        });
    }
    if let Kind::File { size, .. } = entry.kind {
        let (file, _) = folder.file(&entry.path)?;
        content.clear();
        file.take(LOOKED_INTO)
            .read_to_end(content)
            .map_err(|error| SourceError::unreadable(&folder.top().join(&entry.path), error))?;
        let inside = of_content(&entry.path, content, size);
        // What the name says already need not be said again of what is inside.
        let said = found.first().map(|found| found.finding);
        found.extend(inside.into_iter().filter(|it| Some(it.finding) != said));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{list::Listed, rules::Made};
    use std::{ffi::OsStr, fs};

    fn tree(folder: &Path, files: &[(&str, &str)]) -> (Tree, Rules) {
        let local = ["hosts/{host}/local.nix".to_owned()];
        let rules = Rules::new(Path::new(""), &[], &local, Made::default()).unwrap();
        let listed = files.iter().map(|(path, text)| {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
            Listed {
                path: path.into(),
                tracked: true,
            }
        });
        let listed: Vec<Listed> = listed.collect();
        (Tree::select(folder, listed, &rules, false).unwrap(), rules)
    }

    /// A text that is a finding, and not in this file.
    fn token() -> String {
        format!("it is {}{}\n", "glpat-", "Zq3vX8mK2pLw9RtB5nYc")
    }

    fn allow(pattern: &str, finding: Finding) -> Allow {
        Allow::new(Path::new(""), pattern, finding).unwrap()
    }

    #[test]
    fn all_files_are_looked_at_and_what_is_allowed_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("a", &*token()),
            ("hosts/x/local.nix", &token()),
            ("hosts/x/y/local.nix", "{ }"),
            ("tests/a", &token()),
            ("repo.git/HEAD", ""),
            ("repo.git/config", ""),
            ("repo.git/objects/x", ""),
        ];
        let (tree, rules) = tree(folder.path(), &files);
        let entries = [
            allow("/tests/", Finding::Token),
            allow("/tests/", Finding::Secret),
        ];
        for workers in [1, 3] {
            let audit = audit(&tree, &rules, &entries, workers, &|| false).unwrap();
            let found: Vec<(&Path, Finding)> = audit
                .found
                .iter()
                .map(|(path, found)| (path.as_path(), found.finding))
                .collect();
            let expected = [
                ("a", Finding::Token),
                ("hosts/x/y/local.nix", Finding::LocalSettings),
                ("repo.git", Finding::GitFolder),
            ];
            assert_eq!(found, expected.map(|(path, it)| (Path::new(path), it)));
            assert_eq!(audit.allowed.len(), 1);
            assert_eq!(audit.unused, [1]);
        }
    }

    #[test]
    fn patterns_that_name_nothing_are_refused() {
        for bad in ["", "#x", "!tests/", "a\nb"] {
            assert!(
                Allow::new(Path::new(""), bad, Finding::Token).is_err(),
                "{bad}"
            );
        }
        let below = Allow::new(Path::new("sub"), "/a", Finding::Token).unwrap();
        assert!(below.allows(Path::new("sub/a"), Finding::Token));
        assert!(!below.allows(Path::new("a"), Finding::Token));
    }

    /// Names that mean something in a pattern, in TOML or to git, and random ones of the same
    /// characters.
    #[test]
    fn the_pattern_of_a_file_names_it_and_no_other() {
        const NASTY: &[u8] = b" \t*?[]\\!#{}'\"`$~.^-ab\r/\xc3\xa9";
        let mut random = fastrand::Rng::with_seed(14);
        let mut names: Vec<Vec<u8>> = [
            &b"a"[..],
            b"#a",
            b"!a",
            b" ",
            "a\u{a0}".as_bytes(),
            b"a  ",
            b"\\",
            b"\\ ",
            b"a\\ ",
            b"[a]",
            b"*",
            b"a b/ c ",
            b"a\r",
            b"\r",
            b"[!a]",
            b"a/**/b",
            b"\\ \\",
        ]
        .map(<[u8]>::to_owned)
        .into();
        for _ in 0..2000 {
            let length = random.usize(1..6);
            let name: Vec<u8> = (0..length)
                .filter_map(|_| random.choice(NASTY).copied())
                .collect();
            let mut parts = name.split(|&byte| byte == b'/');
            let is_path = parts.all(|part| !matches!(part, b"" | b"." | b".."));
            if is_path && std::str::from_utf8(&name).is_ok() {
                names.push(name);
            }
        }
        let paths = names.iter().map(|name| Path::new(OsStr::from_bytes(name)));
        let paths: Vec<&Path> = paths.collect();
        for path in &paths {
            let pattern = Allow::pattern_of(path);
            let entry = allow(&pattern, Finding::Token);
            assert!(
                entry.allows(path, Finding::Token),
                "{pattern:?} for {path:?}"
            );
            for other in paths.iter().filter(|other| !other.starts_with(path)) {
                assert!(
                    !entry.allows(other, Finding::Token),
                    "{pattern:?} for {other:?}"
                );
            }
        }
        let raw = Path::new(OsStr::from_bytes(b"a\xff\nb"));
        assert_eq!(Allow::pattern_of(raw), "/a??b");
        assert!(allow("/a??b", Finding::Token).allows(raw, Finding::Token));
    }

    #[test]
    fn a_file_that_is_gone_and_a_wish_to_stop_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, rules) = tree(folder.path(), &[("a", "")]);
        assert!(matches!(
            audit(&tree, &rules, &[], 1, &|| true),
            Err(SourceError::Stopped)
        ));
        fs::remove_file(folder.path().join("a")).unwrap();
        let error = audit(&tree, &rules, &[], 1, &|| false).unwrap_err();
        assert!(matches!(error, SourceError::Read { .. }), "{error}");
    }
}
