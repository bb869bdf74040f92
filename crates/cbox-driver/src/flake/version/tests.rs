//! Tests on repositories that git made, and of what needs none.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{Interrupt, nix_error::Fault, process::Command};

use super::*;
use crate::{
    baseline::FILE,
    ci::{Job, SYSTEMS},
    error::Kind,
    eval::diagnose::in_users_terms,
    flake::{base, project::Project},
    process::{environment::Environment, options::Options},
    progress::Silent,
};

/// A repository with a flake in a folder of its own.
struct Place {
    _folder: tempfile::TempDir,
    top: Utf8PathBuf,
    /// The folder of the flake below the top.
    dir: &'static str,
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs git in `folder`, without what the user of this machine has configured.
fn git(folder: &Utf8Path, arguments: &[&str]) -> String {
    let own = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgSign=false",
    ];
    let command = Command::new("git", own.iter().chain(arguments))
        .in_folder(folder.as_std_path())
        .without(&["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
        .with("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = run(command.run(&Interrupt::never())).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Place {
    fn bare(dir: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let top = Utf8PathBuf::try_from(folder.path().canonicalize().unwrap()).unwrap();
        let place = Self {
            _folder: folder,
            top,
            dir,
        };
        place.write("flake.nix", "{ }");
        place.write(
            "cbox.toml",
            "[source]\nlocal = [\"hosts/{host}/local.nix\"]\n",
        );
        place.write("hosts/a/default.nix", "{ }");
        place.write("hosts/_image/default.nix", "{ }");
        place
    }

    fn new(dir: &'static str) -> Self {
        let place = Self::bare(dir);
        place.git(&["init", "-q", "-b", "main", "--template=", "."]);
        place.write(".gitignore", "local.nix\n");
        place.commit();
        place
    }

    fn flake(&self) -> Utf8PathBuf {
        self.top.join(self.dir)
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.top, arguments)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.flake().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "-m", "a"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn commit_nothing(&self) {
        self.git(&["commit", "-q", "--allow-empty", "-m", "nothing"]);
    }

    /// Does `work` in a session for which CI systems say `ci_jobs`.
    fn with_ci<T>(&self, ci_jobs: Vec<Job>, work: impl AsyncFnOnce(&Session<'_>) -> T) -> T {
        let environment = Environment {
            folder: self.flake(),
            ci_jobs,
            ..Environment::unknown()
        };
        let interrupt = Interrupt::never();
        let session = Session {
            environment: &environment,
            reporter: &Silent,
            interrupt: &interrupt,
            options: Options::default(),
            project: Project::find(&environment, None).unwrap(),
        };
        run(work(&session))
    }

    fn session<T>(&self, work: impl AsyncFnOnce(&Session<'_>) -> T) -> T {
        self.with_ci(vec![], work)
    }

    fn refused(&self, revision: &str) -> Error {
        self.session(async |session| Version::commit(session, revision).await.unwrap_err())
    }
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.display().to_string();
    paths.iter().map(name).collect()
}

#[test]
fn the_working_tree_counts_as_far_as_it_is_tracked() {
    for dir in ["", "sub/flake"] {
        let place = Place::new(dir);
        let commit = place.git(&["rev-parse", "HEAD"]);
        place.write("hosts/new/default.nix", "{ }");
        place.write("hosts/a/local.nix", "{ }");
        place.write("hosts/a/default.nix", "{ changed = 1; }");
        place.write("flake.lock", "{ }");
        place.write(FILE, "{\"schema\": 1, \"hosts\": {}}");
        place.session(async |session| {
            let state = Version::tracked(session).await.unwrap();
            assert_eq!(state.label(), "the working tree");
            assert_eq!(state.revision(), Some(commit.as_str()));
            assert_eq!(state.install_hosts(), ["a"]);
            assert_eq!(state.image_hosts(), ["_image"]);
            assert_eq!(state.hosts_set_aside(), ["new"]);
            let local = format!(
                "{}hosts/a/local.nix",
                if dir.is_empty() { "" } else { "sub/flake/" }
            );
            assert_eq!(names(&state.set_aside().unwrap()), [local]);
            assert_eq!(state.flake_lock_hash().await.unwrap(), None, "not tracked");
            let file = state.baseline_file().unwrap();
            assert_eq!((file.shown.as_str(), file.tracked), (FILE, false));
            assert_eq!(state.baseline().unwrap(), Some(Baseline::default()));
            assert_eq!(state.uncommitted().await.unwrap(), Uncommitted::default());
        });
    }
}

#[test]
fn a_commit_is_itself_whatever_the_working_tree_says() {
    for dir in ["", "sub/flake"] {
        let place = Place::new(dir);
        place.write("flake.lock", "{ }");
        place.write(FILE, "{\"schema\": 1, \"hosts\": {}}");
        place.write("excluded", "");
        place.write("cbox.toml", "[source]\nexclude = [\"/excluded\"]\n");
        let commit = place.commit();
        let hash = place.session(async |session| {
            let tree = Version::tracked(session).await.unwrap();
            assert_eq!(tree.revision(), Some(commit.as_str()));
            tree.snapshot().await.unwrap().staged.nar_hash
        });
        place.git(&["tag", "v1"]);
        place.write("cbox.toml", "not toml at all, in a later commit\n");
        place.write("hosts/b/default.nix", "{ }");
        place.write(FILE, "<<<<<<< nonsense");
        let broken = place.commit();
        place.write("cbox.toml", "[evaluation]\nimport-from-derivation = true\n");
        let before = place.git(&["status", "--porcelain=v2", "--branch"]);
        place.session(async |session| {
            let state = Version::commit(session, "v1").await.unwrap();
            assert_eq!(state.label(), format!("v1 ({})", &commit[..10]));
            assert_eq!(state.revision(), Some(commit.as_str()));
            assert_eq!(state.install_hosts(), ["a"]);
            assert_eq!(state.hosts_set_aside(), ["b"]);
            assert!(state.set_aside().unwrap().is_empty());
            assert_eq!(
                state.flake_lock_hash().await.unwrap(),
                Some(baseline::lock_hash(b"{ }"))
            );
            let file = state.baseline_file().unwrap();
            assert!(file.tracked);
            assert!(file.shown.starts_with("v1:") && file.shown.ends_with(FILE));
            assert_eq!(file.parse().unwrap(), Some(Baseline::default()));
            assert_eq!(state.uncommitted().await.unwrap(), Uncommitted::default());
            let config = state.checkout.project.config();
            assert!(!config.evaluation.import_from_derivation);
            let snapshot = state.snapshot().await.unwrap();
            assert_eq!(snapshot.staged.nar_hash, hash, "as it was staged then");
            let mut staged = snapshot.tree.entries.iter();
            assert!(staged.all(|entry| !entry.path.ends_with(FILE)));
            // The folder goes with the last that needs it.
            let top = snapshot.tree.top.clone();
            drop(state);
            assert!(top.is_dir());
            drop(snapshot);
            assert!(!top.exists());
        });
        assert_eq!(before, place.git(&["status", "--porcelain=v2", "--branch"]));
        let error = place.refused(&broken);
        let prefix = if dir.is_empty() { "" } else { "sub/flake/" };
        let expected = format!("{}:{prefix}cbox.toml:1:", &broken[..10]);
        assert!(error.message.starts_with(&expected), "{}", error.message);
    }
}

#[test]
fn errors_of_a_commit_show_places_in_the_commit() {
    let place = Place::new("sub");
    place.commit_nothing();
    place.session(async |session| {
        let state = Version::commit(session, "HEAD~1").await.unwrap();
        let snapshot = state.snapshot().await.unwrap();
        let store = snapshot.staged.path.as_str();
        let text = format!("error: {store}/lib.nix\n       at {store}/sub/nixos/x.nix:3:1:");
        let error = NixError::Flake {
            fault: Box::new(Fault::of(&text, "", store)),
        };
        let environment = session.environment;
        let staged = &snapshot.staged;
        let error = in_users_terms(&snapshot.checkout, environment, error, staged, "".into());
        assert_eq!(
            error.message,
            "flake.nix does not evaluate: HEAD~1:lib.nix\n  at HEAD~1:sub/nixos/x.nix:3:1"
        );
        assert_eq!(error.place.unwrap().to_string(), "sub/nixos/x.nix:3");
    });
}

#[test]
fn what_cannot_be_laid_out_says_why() {
    let place = Place::new("sub");
    let error = place.refused("--help");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (
            Kind::Usage,
            "there is no commit `--help` in this repository"
        )
    );
    place.git(&["rm", "-q", "-r", "--cached", "sub"]);
    place.git(&["commit", "-q", "-m", "no flake"]);
    let error = place.refused("HEAD");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Config, "there is no HEAD:sub/flake.nix")
    );
    let tracked = place.session(async |session| Version::tracked(session).await.unwrap_err());
    assert!(tracked.hint.unwrap().contains("`git add` does"));
    let nowhere = Place::bare("");
    let error = nowhere.refused("HEAD");
    assert_eq!(error.kind, Kind::Usage);
    assert!(error.message.contains("is not in a git repository"));
    nowhere.session(async |session| {
        let state = Version::tracked(session).await.unwrap();
        assert_eq!(state.install_hosts(), ["a"]);
        assert_eq!(state.revision(), None);
    });
}

#[test]
fn a_pull_request_is_explained_against_where_it_starts() {
    let place = Place::new("");
    let start = place.git(&["rev-parse", "HEAD"]);
    place.git(&["switch", "-q", "-c", "change"]);
    place.commit_nothing();
    let pull_request = |branch: &str| Job {
        is_here: true,
        bases: vec![format!("origin/{branch}"), branch.to_owned()],
        ..SYSTEMS[0].job(&|_| None)
    };
    let base = |branch: &str| {
        place.with_ci(vec![pull_request(branch)], async |session| {
            base::default_base(session).await.unwrap()
        })
    };
    let local = base("main").unwrap();
    assert_eq!((local.commit, local.branch.as_str()), (start, "main"));
    place.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let remote = base("main").unwrap();
    assert_eq!(remote.branch, "origin/main");
    assert_eq!(remote.commit, place.git(&["rev-parse", "HEAD"]));
    assert_eq!(base("gone"), None);
    assert_eq!(
        place.session(async |session| base::default_base(session).await),
        Ok(None)
    );
}

#[test]
fn hosts_are_folders_with_a_default_nix() {
    let of = |dir: &str, path: &str| host_of(Path::new(dir), Path::new(path));
    assert_eq!(of("", "hosts/a/default.nix").as_deref(), Some("a"));
    assert_eq!(of("", "hosts/_a/default.nix").as_deref(), Some("_a"));
    assert_eq!(of("sub", "sub/hosts/a/default.nix").as_deref(), Some("a"));
    for (dir, path) in [
        ("", "hosts/default.nix"),
        ("", "hosts/a/b/default.nix"),
        ("", "hosts/a/local.nix"),
        ("", "hosts/a b/default.nix"),
        ("", "nixos/hosts/a/default.nix"),
        ("", "hostsa/default.nix"),
        ("sub", "hosts/a/default.nix"),
    ] {
        assert_eq!(of(dir, path), None, "{path}");
    }
}

#[test]
fn what_a_commit_can_lack_is_told() {
    let place = Place::new("sub/flake");
    let settings = "[source]\nexclude = [\"/notes\"]\nlocal = [\"hosts/{host}/local.nix\"]\n";
    place.write("cbox.toml", settings);
    for file in ["meant.nix", "notes", "hosts/a/local.nix", "untracked"] {
        place.write(file, "");
    }
    let meant = ["meant.nix", "notes", "hosts/a/local.nix"].map(|file| place.flake().join(file));
    let meant = meant.iter().map(|file| file.as_str());
    let add = ["add", "--intent-to-add", "--force"].into_iter();
    place.git(&add.chain(meant).collect::<Vec<_>>());
    place.session(async |session| {
        let state = Version::tracked(session).await.unwrap();
        let uncommitted = state.uncommitted().await.unwrap();
        let meant = "sub/flake/meant.nix";
        assert_eq!(names(&uncommitted.intended), [meant], "what is staged");
        assert!(state.base.contains(Path::new(meant)));
        let less = state.without(&uncommitted.intended);
        assert!(!less.base.contains(Path::new(meant)));
        assert_eq!(less.base.entries.len() + 1, state.base.entries.len());
    });
}

#[test]
fn changes_inside_of_a_submodule_that_is_staged_are_hidden() {
    let place = Place::new("");
    let inner = place.top.join("lib");
    place.write("lib/a.nix", "1");
    git(&inner, &["init", "-q", "-b", "main", "--template=", "."]);
    git(&inner, &["add", "a.nix"]);
    git(&inner, &["commit", "-q", "-m", "inner"]);
    place.write(
        ".gitmodules",
        "[submodule \"lib\"]\n\tpath = lib\n\turl = ./lib\n",
    );
    place.git(&["config", "submodule.active", "."]);
    place.commit();
    place.write("lib/a.nix", "2");
    let uncommitted = || {
        place.session(async |session| {
            let state = Version::tracked(session).await.unwrap();
            let Uncommitted {
                hidden, submodules, ..
            } = state.uncommitted().await.unwrap();
            (names(&hidden), names(&submodules))
        })
    };
    assert_eq!(
        uncommitted(),
        (vec![], vec!["lib".to_owned()]),
        "not staged"
    );
    place.write("flake.nix", "{ inputs.self.submodules = true; }");
    assert_eq!(uncommitted(), (vec!["lib".to_owned()], vec![]), "staged");
    git(&inner, &["commit", "-q", "-a", "-m", "inner"]);
    assert_eq!(
        uncommitted(),
        (vec![], vec![]),
        "a commit will name that one"
    );
}
