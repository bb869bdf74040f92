//! Which files are staged: what `cbox.toml` says of the tree, what cbox itself puts there,
//! and what is no source whoever says so.

use std::{
    fs::Metadata,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::{
    SourceError,
    never_source::{editors_pattern, is_in_a_cache, version_control},
    pattern::{Above, Patterns},
};

/// What stands for the host's name in a pattern of local settings.
const HOST: &str = "{host}";

/// What local settings are called where no pattern names them.
const LOCAL: &str = "local.nix";

/// The rules of one flake.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The folder of the flake, relative to the top of the tree; patterns start there.
    dir: PathBuf,
    exclude: Patterns,
    local: Vec<LocalPattern>,
    made: Made,
}

/// What cbox itself writes into the tree, as paths relative to its top: no source, even
/// where git does not ignore it. Tracked files are never counted in.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// Folders that are cbox's own, with all that is in them.
    pub folders: Vec<PathBuf>,
    /// Single files and links in folders of others.
    pub files: Vec<PathBuf>,
    /// What the paths of temporary files begin with.
    pub temporary: Vec<PathBuf>,
    /// Where caches are, cbox's own and Nix's.
    pub caches: Vec<PathBuf>,
    /// The files that this run's output goes to, wherever they are and whatever they are called.
    pub outputs: Vec<FileId>,
}

/// A file in the file systems of a machine, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

impl FileId {
    /// The file that `metadata` are of.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Why a file is not staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// It belongs to a version control system, whose folder has this name.
    VersionControl(&'static str),
    /// This pattern excludes it.
    Excluded(String),
    /// It is a local setting, as this pattern says.
    Local(String),
    /// cbox made it.
    Made,
    /// It is in a cache, of cbox's or Nix's.
    Cache,
    /// An editor made it, as its name tells, which this pattern matches.
    Editor(&'static str),
    /// The output of this run goes to it.
    Output,
}

impl Rules {
    /// Makes the rules of the flake in `dir`.
    ///
    /// `exclude` are patterns as in `.gitignore`, `local` are paths in which `{host}` may
    /// stand for a host's name.
    ///
    /// # Errors
    /// When a pattern cannot be used, with the reason.
    pub fn new(
        dir: &Path,
        exclude: &[String],
        local: &[String],
        made: Made,
    ) -> Result<Self, SourceError> {
        let mut patterns = Patterns::default();
        for pattern in exclude {
            if pattern.contains('\n') {
                return Err(refused(pattern, "it has to be one line"));
            }
            patterns.add(pattern.as_bytes());
        }
        let local = local
            .iter()
            .map(|pattern| LocalPattern::new(pattern))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            dir: dir.to_owned(),
            exclude: patterns,
            local,
            made,
        })
    }

    /// Why the file at `path` is not staged, as far as its path is the reason. `above` is
    /// what was found for the folders of a neighbour.
    ///
    /// What git tracks is source whatever it is called, but for what belongs to another
    /// version control system.
    #[must_use]
    pub fn leave_out(&self, path: &Path, tracked: bool, above: &mut Above) -> Option<LeftOut> {
        if let Some(name) = version_control(path) {
            return Some(LeftOut::VersionControl(name));
        }
        if let Some(pattern) = self.local_pattern(path) {
            return Some(LeftOut::Local(pattern.with(HOST)));
        }
        if let Ok(inside) = path.strip_prefix(&self.dir)
            && let Some(pattern) = self.exclude.ignoring(inside, above)
        {
            return Some(LeftOut::Excluded(pattern.line()));
        }
        if tracked {
            return None;
        }
        let below = |folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
        let temporary = |beginning: &PathBuf| {
            let (path, beginning) = (path.as_os_str(), beginning.as_os_str());
            path.as_bytes().starts_with(beginning.as_bytes())
        };
        if below(&self.made.caches) || is_in_a_cache(path) {
            return Some(LeftOut::Cache);
        }
        if below(&self.made.folders)
            || self.made.files.iter().any(|file| path == file)
            || self.made.temporary.iter().any(temporary)
        {
            return Some(LeftOut::Made);
        }
        editors_pattern(path).map(LeftOut::Editor)
    }

    /// Why the file at `path`, which `metadata` are of, is not staged, as far as these rules
    /// are the reason.
    #[must_use]
    pub fn why_left_out(
        &self,
        path: &Path,
        tracked: bool,
        metadata: Option<&Metadata>,
    ) -> Option<LeftOut> {
        let output = !tracked && metadata.is_some_and(|metadata| self.is_output(metadata));
        self.leave_out(path, tracked, &mut Above::default())
            .or(output.then_some(LeftOut::Output))
    }

    /// Whether it is a file that the output of this run goes to.
    #[must_use]
    pub fn is_output(&self, metadata: &Metadata) -> bool {
        metadata.is_file() && self.made.outputs.contains(&FileId::of(metadata))
    }

    /// Whether `path` is a local setting, of whichever host.
    #[must_use]
    pub fn is_local(&self, path: &Path) -> bool {
        self.local_pattern(path).is_some()
    }

    fn local_pattern(&self, path: &Path) -> Option<&LocalPattern> {
        let inside = path.strip_prefix(&self.dir).ok()?.to_str()?;
        self.local.iter().find(|pattern| pattern.matches(inside))
    }

    /// Whether `path` has the name of local settings, wherever it is: at another place they
    /// count as source.
    #[must_use]
    pub fn is_named_as_local(&self, path: &Path) -> bool {
        let names = self.local.iter().filter_map(LocalPattern::file_name);
        path.file_name().is_some_and(|name| {
            std::iter::once(LOCAL)
                .chain(names)
                .any(|local| name == local)
        })
    }

    /// The places where local settings of `host` would be.
    #[must_use]
    pub fn local_of(&self, host: &str) -> Vec<PathBuf> {
        let places = self
            .local
            .iter()
            .map(|pattern| self.dir.join(pattern.with(host)));
        let mut places: Vec<PathBuf> = places.collect();
        places.sort();
        places.dedup();
        places
    }
}

/// A path with at most one `{host}` in it.
#[derive(Debug, Clone)]
struct LocalPattern {
    before: String,
    /// What follows the host's name; `None` in a path that is the same for all hosts.
    after: Option<String>,
}

impl LocalPattern {
    fn new(pattern: &str) -> Result<Self, SourceError> {
        let parts: Vec<&str> = pattern.split(HOST).collect();
        let (before, after) = match parts.as_slice() {
            [before] => (*before, None),
            [before, after] => (*before, Some((*after).to_owned())),
            _ => return Err(refused(pattern, "`{host}` can stand in it once")),
        };
        let relative = Path::new(pattern)
            .components()
            .all(|component| matches!(component, std::path::Component::Normal(_)));
        if pattern.is_empty() || !relative {
            return Err(refused(
                pattern,
                "it has to be a path below the flake, without `..`",
            ));
        }
        if pattern.contains(['*', '?', '[']) {
            return Err(refused(
                pattern,
                "it is a path with `{host}` in it, not a glob: what git ignores is looked for by name only",
            ));
        }
        Ok(Self {
            before: before.to_owned(),
            after,
        })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.after {
            None => path == self.before,
            Some(after) => path
                .strip_prefix(self.before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|host| !host.is_empty() && !host.contains('/')),
        }
    }

    /// The name of its files; `None` where that is the host's.
    fn file_name(&self) -> Option<&str> {
        let end = self.after.as_ref().unwrap_or(&self.before);
        let name = match end.rsplit_once('/') {
            Some((_, name)) => name,
            None if self.after.is_none() => end,
            None => return None,
        };
        (!name.is_empty()).then_some(name)
    }

    fn with(&self, host: &str) -> String {
        match &self.after {
            None => self.before.clone(),
            Some(after) => format!("{}{host}{after}", self.before),
        }
    }
}

fn refused(pattern: &str, reason: &str) -> SourceError {
    SourceError::Pattern {
        pattern: pattern.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(dir: &str, exclude: &[&str], local: &[&str]) -> Result<Rules, SourceError> {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let made = Made {
            folders: vec![Path::new(dir).join("out")],
            files: vec![Path::new(dir).join("images/a.json")],
            temporary: vec![Path::new(dir).join("images/.cbox-")],
            caches: vec![Path::new(dir).join("cache/nix")],
            ..Made::default()
        };
        Rules::new(Path::new(dir), &owned(exclude), &owned(local), made)
    }

    fn why(rules: &Rules, path: &str, tracked: bool) -> Option<LeftOut> {
        rules.leave_out(Path::new(path), tracked, &mut Above::default())
    }

    #[test]
    fn exclude_reads_as_gitignore_does() {
        let rules = rules("", &["/crates/", "*.md", "!KEEP.md"], &[]).unwrap();
        let excluded = |pattern: &str| Some(LeftOut::Excluded(pattern.to_owned()));
        for (path, left_out) in [
            ("crates/a/src/lib.rs", excluded("/crates/")),
            ("crates/KEEP.md", excluded("/crates/")),
            ("nixos/crates/x", None),
            ("docs/a.md", excluded("*.md")),
            ("docs/KEEP.md", None),
            ("flake.nix", None),
        ] {
            for tracked in [true, false] {
                assert_eq!(why(&rules, path, tracked), left_out, "{path}");
            }
        }
    }

    #[test]
    fn what_cbox_and_editors_make_is_no_source_unless_git_tracks_it() {
        let rules = rules("", &[], &[]).unwrap();
        for (path, left_out) in [
            ("out/x", Some(LeftOut::Made)),
            ("images/a.json", Some(LeftOut::Made)),
            ("images/b.json", None),
            ("images/.cbox-x/root", Some(LeftOut::Made)),
            ("cache/nix/x", Some(LeftOut::Cache)),
            ("sub/.cache/nix/x", Some(LeftOut::Cache)),
            ("x/.#a.nix", Some(LeftOut::Editor(".#*"))),
        ] {
            assert_eq!(why(&rules, path, false), left_out, "{path}");
            assert_eq!(why(&rules, path, true), None, "{path}");
        }
        let of = Some(LeftOut::VersionControl(".hg"));
        assert_eq!(why(&rules, "x/.hg/store", true), of, "tracked or not");
    }

    #[test]
    fn patterns_start_at_the_flake() {
        let rules = rules("sub", &["/crates/"], &["hosts/{host}/local.nix"]).unwrap();
        assert!(why(&rules, "sub/crates/x", true).is_some());
        assert!(why(&rules, "crates/x", true).is_none());
        assert!(rules.is_local(Path::new("sub/hosts/a/local.nix")));
        assert!(!rules.is_local(Path::new("hosts/a/local.nix")));
        assert_eq!(
            rules.local_of("b"),
            [PathBuf::from("sub/hosts/b/local.nix")]
        );
    }

    #[test]
    fn local_patterns_name_one_host() {
        let rules = rules("", &[], &["hosts/{host}/local.nix", "secrets.nix"]).unwrap();
        for (path, local) in [
            ("hosts/a/local.nix", true),
            ("hosts/_a/local.nix", true),
            ("hosts/local.nix", false),
            ("hosts//local.nix", false),
            ("hosts/a/b/local.nix", false),
            ("secrets.nix", true),
            ("a/secrets.nix", false),
        ] {
            assert_eq!(rules.is_local(Path::new(path)), local, "{path}");
        }
        assert_eq!(
            why(&rules, "hosts/a/local.nix", true),
            Some(LeftOut::Local("hosts/{host}/local.nix".to_owned()))
        );
    }

    #[test]
    fn local_settings_elsewhere_are_told_by_their_names() {
        let rules = rules("", &[], &["hosts/{host}/facter.json", "local/{host}.nix"]).unwrap();
        for (path, named) in [
            ("hosts/a/b/facter.json", true),
            ("machines/local.nix", true),
            ("machines/a.nix", false),
            ("local/a.nix", false),
        ] {
            assert_eq!(rules.is_named_as_local(Path::new(path)), named, "{path}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_used_say_why() {
        for bad in [
            "",
            "/abs",
            "../x",
            "hosts/*/local.nix",
            "{host}/{host}",
            "a/./../b",
        ] {
            assert!(rules("", &[], &[bad]).is_err(), "{bad}");
        }
        assert!(rules("", &["a\nb"], &[]).is_err(), "two lines");
    }
}
