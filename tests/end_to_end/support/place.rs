//! Where a test works: a folder with a flake in a git repository.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    call::{Call, Ended, inherited},
    nix, schema,
};

/// A folder of one test's own, removed with it:
///
/// ```text
/// repo/    the flake, a git repository with one commit
/// bin/     what stands before the real programs on the PATH (empty)
/// tmp/     TMPDIR
/// cache/   XDG_CACHE_HOME
/// home/    HOME
/// store/   the store of Nix, where the test asks for one
/// ```
///
/// Nothing of the user's configuration is seen there, except Nix's.
#[derive(Debug)]
pub(crate) struct Place {
    root: tempfile::TempDir,
    repo: PathBuf,
    /// Whether Nix keeps its store here too.
    has_store: bool,
}

impl Place {
    /// A copy of the mini box.
    pub(crate) fn minibox() -> Self {
        Self::minibox_in("repo")
    }

    /// The same, in a folder of this name.
    pub(crate) fn minibox_in(name: &str) -> Self {
        nix::real();
        let place = Self::empty(name);
        copy_folder(&top().join("examples/minibox"), &place.repo);
        // What is accepted is for each test to say.
        fs::remove_file(place.path("baseline.json")).unwrap();
        place.make_repository();
        place
    }

    /// A flake with this text.
    pub(crate) fn flake(text: &str) -> Self {
        nix::real();
        let place = Self::empty("repo");
        place.write("flake.nix", text);
        place.write(".gitignore", "/out/\n");
        place.make_repository();
        place
    }

    /// A place whose `repo/` is empty and no repository.
    pub(crate) fn empty(name: &str) -> Self {
        let root = tempfile::Builder::new()
            .prefix("cbox-test-")
            .tempdir()
            .unwrap();
        let repo = root.path().canonicalize().unwrap().join(name);
        for folder in ["bin", "tmp", "cache", "home"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::create_dir_all(&repo).unwrap();
        Self {
            root,
            repo,
            has_store: false,
        }
    }

    /// The same place with a store of its own in `store/`, in which nothing is at first and
    /// garbage can be collected.
    pub(crate) fn with_own_store(mut self) -> Self {
        self.has_store = true;
        self
    }

    /// The folder of all of it.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap()
    }

    /// The working tree, or a path in it.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.repo.join(path)
    }

    /// A path beside the working tree.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        self.folder().join(path)
    }

    /// Writes a file of the working tree.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Reads a text in the working tree.
    #[track_caller]
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces the one occurrence of `from` in a file of the working tree.
    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {path}");
        self.write(path, text.replace(from, to));
    }

    /// The names in a folder of the working tree, sorted; empty where there is none. The
    /// folder of logs, which is beside all links, is left out.
    pub(crate) fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return vec![];
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".log")
            .collect();
        names.sort();
        names
    }

    /// Where a link in `out/` points to.
    #[track_caller]
    pub(crate) fn link(&self, slug: &str) -> String {
        let link = self.path("out").join(slug);
        let target =
            fs::read_link(&link).unwrap_or_else(|error| panic!("{}: {error}", link.display()));
        target.into_os_string().into_string().unwrap()
    }

    /// The manifest of a link in `out/`.
    #[track_caller]
    pub(crate) fn manifest(&self, slug: &str) -> serde_json::Value {
        let manifest = serde_json::from_str(&self.read(format!("out/{slug}.json"))).unwrap();
        schema::check_as("manifest", &manifest);
        manifest
    }

    /// Makes `repo/` a git repository and commits all that is not ignored.
    pub(crate) fn make_repository(&self) {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.commit("first");
    }

    /// Commits all that is not ignored.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Runs git in the working tree.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> Ended {
        self.call("git").args(args).run().ok()
    }

    /// A call of cbox in the working tree.
    pub(crate) fn cbox(&self, args: &[&str]) -> Call {
        self.call(env!("CARGO_BIN_EXE_cbox")).args(args)
    }

    /// What cbox prints, which has to succeed.
    #[track_caller]
    pub(crate) fn ask(&self, args: &[&str]) -> String {
        self.cbox(args).run().ok().text().to_owned()
    }

    /// The derivation of a target, as words of the command line.
    #[track_caller]
    pub(crate) fn drv(&self, target: &[&str]) -> String {
        self.ask(&[target, &["--drv"]].concat())
    }

    /// A call of any program in the working tree, with the environment of this place.
    pub(crate) fn call(&self, program: impl AsRef<std::ffi::OsStr>) -> Call {
        let mut call = Call::new(program, &self.repo);
        for (name, value) in inherited() {
            call = call.env(name, value);
        }
        for (name, value) in self.environment() {
            call = call.env(name, value);
        }
        call
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let folder = self.folder();
        let inside = |name: &str| folder.join(name).into_os_string();
        let mut path = inside("bin");
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut variables = vec![
            ("PATH", path),
            ("HOME", inside("home")),
            ("TMPDIR", inside("tmp")),
            ("XDG_CACHE_HOME", inside("cache")),
            ("XDG_CONFIG_HOME", inside("home/.config")),
            ("LC_ALL", "C.UTF-8".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ];
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            variables.push((name, "Test".into()));
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            variables.push((name, "test@example.org".into()));
        }
        // The user's Nix configuration may be what makes Nix work here.
        let home = std::env::var_os("HOME").unwrap_or_default();
        let own = Path::new(&home).join(".config/nix/nix.conf");
        let files = std::env::var_os("NIX_USER_CONF_FILES").unwrap_or(own.into());
        variables.push(("NIX_USER_CONF_FILES", files));
        if self.has_store {
            variables.push(("NIX_STORE_DIR", inside("store")));
            variables.push(("NIX_STATE_DIR", inside("state")));
            variables.push(("NIX_LOG_DIR", inside("log")));
            // Neither a daemon nor a sandbox knows of this store.
            let config = "sandbox = false\nbuild-users-group =\nsubstituters =\n";
            variables.push(("NIX_CONFIG", config.into()));
        }
        variables
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nix takes the right to write from what is in a store, and so to remove it.
        let store = self.root.path().join("store");
        if self.has_store && store.exists() {
            self.call("chmod").args(["-R", "u+w"]).args([store]).run();
        }
    }
}

/// The top of this repository.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Copies a folder, without what belongs to the developer who built there.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    const PRIVATE: [&str; 5] = ["out", "result", ".git", "local.nix", "facter.json"];
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if PRIVATE.contains(&entry.file_name().to_str().unwrap()) {
            continue;
        } else if kind.is_dir() {
            copy_folder(&from, &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from).unwrap(), &to).unwrap();
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
