//! What a workspace does when it starts (`coderd/shared/start.sh`): run as Coder's
//! agent runs it, with stand-ins for the programs that it calls.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use first_boot_tests::templates;
use tempfile::TempDir;

/// A workspace: a home, the programs of its image, and what was called.
struct Workspace {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

struct Outcome {
    code: i32,
    said: String,
}

/// What the script takes of any image.
const TOOLS: &[&str] = &[
    "awk", "cat", "cp", "cut", "du", "mkdir", "mv", "nohup", "rm", "sh", "tar", "timeout", "uname",
];

impl Workspace {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self {
            folder,
            environment: Vec::new(),
        };
        for name in ["home", "bin", "tmp"] {
            fs::create_dir(workspace.path(name)).expect("a folder");
        }
        for tool in TOOLS {
            workspace.program(tool, &format!("exec {} \"$@\"", find(tool).display()));
        }
        workspace.program("df", "printf 'x\\nx 1 1 9999999 1%% /\\n'");
        workspace.recorded("code-server", "");
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// A program whose calls can be asked for afterwards.
    fn recorded(&self, name: &str, text: &str) {
        let log = self.path(name);
        self.program(name, &format!("echo \"$*\" >>'{}'\n{text}", log.display()));
    }

    /// With git that clones, and a coder that knows dotfiles.
    fn with_git(self) -> Self {
        self.recorded("git", "mkdir -p \"$4\" && echo cloned >\"$4/file\"");
        self.recorded("coder", "");
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn without(self, program: &str) -> Self {
        fs::remove_file(self.path("bin").join(program)).expect("it was there");
        self
    }

    /// As the agent does, which hands the text to a shell.
    fn start(&self) -> Outcome {
        let text = fs::read_to_string(templates::start_script()).expect("the script");
        let said = self.path("said");
        let output = fs::File::create(&said).expect("a file");
        let status = Command::new("/bin/sh")
            .args(["-c", &text])
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a copy"))
            .stderr(output)
            .status()
            .expect("sh starts");
        Outcome {
            code: status.code().expect("no signal"),
            said: fs::read_to_string(said).expect("text"),
        }
    }

    fn calls(&self, program: &str) -> String {
        // The editor runs beside the script.
        for _ in 0..50 {
            if let Ok(calls) = fs::read_to_string(self.path(program))
                && calls.ends_with('\n')
            {
                return calls;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        String::new()
    }
}

fn find(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    std::env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("there is no {tool}"))
}

#[test]
fn with_nothing_to_do_it_starts_the_editor_of_the_image() {
    let workspace = Workspace::new().with("WORKSPACE_FOLDER", "/somewhere");
    let outcome = workspace.start();
    assert_eq!((outcome.code, outcome.said.as_str()), (0, ""));
    let call = workspace.calls("code-server");
    assert!(call.contains("--bind-addr 127.0.0.1:13337"), "{call}");
    assert!(call.trim_end().ends_with(" /somewhere"), "{call}");
}

#[test]
fn a_repository_is_cloned_once_and_dotfiles_are_installed() {
    let workspace = Workspace::new()
        .with_git()
        .with("WORKSPACE_REPOSITORY", "https://host/group/name.git/")
        .with("WORKSPACE_DOTFILES", "git@host:me/dotfiles.git");
    assert_eq!(workspace.start().code, 0);
    let home = workspace.path("home");
    assert!(home.join("name/file").is_file());
    fs::write(home.join("name/file"), "changed").expect("write");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    let kept = fs::read_to_string(home.join("name/file")).expect("text");
    assert_eq!(kept, "changed");
    assert_eq!(workspace.calls("git").lines().count(), 1);
    let dotfiles = "dotfiles --yes git@host:me/dotfiles.git\n";
    assert_eq!(workspace.calls("coder"), dotfiles.repeat(2));
}

#[test]
fn the_folder_of_a_repository_has_its_name_whatever_the_address() {
    for (address, name) in [
        ("git@host:name", "name"),
        ("ssh://git@host:22/a/b.git", "b"),
        ("https://host/a/b/", "b"),
    ] {
        let workspace = Workspace::new()
            .with_git()
            .with("WORKSPACE_REPOSITORY", address);
        assert_eq!(workspace.start().code, 0, "{address}");
        assert!(workspace.path("home").join(name).is_dir(), "{address}");
    }
    let workspace = Workspace::new()
        .with_git()
        .with("WORKSPACE_REPOSITORY", "https://host/..");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 1);
    assert!(outcome.said.contains("without a name"), "{}", outcome.said);
}

#[test]
fn what_cannot_be_done_is_a_sentence_and_stops_nothing_else() {
    let workspace = Workspace::new()
        .with_git()
        .with("WORKSPACE_REPOSITORY", "https://host/name")
        .with("WORKSPACE_DOTFILES", "https://host/dotfiles");
    workspace.program("git", "exit 128");
    workspace.program("coder", "exit 1");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 1);
    for sentence in [
        "The dotfiles of https://host/dotfiles were not installed",
        "The repository https://host/name was not cloned",
    ] {
        assert!(outcome.said.contains(sentence), "{}", outcome.said);
    }
    let home = workspace.path("home");
    assert!(!home.join("name").exists() && !home.join("name.part").exists());
    assert!(workspace.calls("code-server").contains("13337"));
}

#[test]
fn an_image_without_git_is_named() {
    let workspace = Workspace::new().with("WORKSPACE_REPOSITORY", "https://host/name");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 1);
    let sentence = "The repository was not cloned: this image has no git.\n";
    assert_eq!(outcome.said, sentence);
}

#[test]
fn a_full_home_is_told_with_what_is_left() {
    let workspace = Workspace::new();
    workspace.program("df", "printf 'x\\nx 1 1 2048 100%% /\\n'");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 1);
    let sentence = "The home folder is full: 2 MB are left on its disk.";
    assert!(outcome.said.starts_with(sentence), "{}", outcome.said);
}

#[test]
fn a_home_larger_than_asked_for_is_told() {
    let workspace = Workspace::new().with("WORKSPACE_HOME_GB", "2");
    workspace.program("du", "printf '3145728\\t/home\\n'");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 1);
    let sentence = "The home folder has 3 GB, more than the 2 GB that were asked for";
    assert!(outcome.said.starts_with(sentence), "{}", outcome.said);
    workspace.program("du", "printf '2097152\\t/home\\n'");
    assert_eq!(workspace.start().code, 0);
}

#[test]
fn without_an_editor_and_a_network_it_says_so() {
    let workspace = Workspace::new().without("code-server");
    workspace.program("curl", "exit 6");
    let outcome = workspace.start();
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .said
            .contains("The editor in the browser was not started"),
        "{}",
        outcome.said
    );
    let left = fs::read_dir(workspace.path("home").join(".local/lib")).expect("a folder");
    assert_eq!(left.count(), 0, "half a download is left");
}

#[test]
fn an_editor_that_was_downloaded_is_there_for_good() {
    let workspace = Workspace::new().without("code-server");
    workspace.program("gzip", &format!("exec {} \"$@\"", find("gzip").display()));
    let release = workspace.path("release/code-server-x/bin");
    fs::create_dir_all(&release).expect("folders");
    let program = release.join("code-server");
    let log = workspace.path("code-server");
    fs::write(
        &program,
        format!("#!/bin/sh\necho \"$*\" >>'{}'\n", log.display()),
    )
    .expect("write");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let archive = workspace.path("archive.tar.gz");
    assert!(tar(&workspace.path("release"), &archive));
    let show = format!("exec {} '{}'", find("cat").display(), archive.display());
    workspace.recorded("curl", &show);
    let outcome = workspace.start();
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    assert!(workspace.calls("code-server").contains("13337"));
    assert_eq!(workspace.start().code, 0);
    let calls = workspace.calls("curl");
    assert_eq!(calls.lines().count(), 1, "{calls}");
    assert!(calls.contains("-linux-"), "{calls}");
}

fn tar(folder: &Path, to: &Path) -> bool {
    let status = Command::new("tar")
        .arg("-czf")
        .arg(to)
        .arg("-C")
        .arg(folder)
        .arg("code-server-x")
        .status();
    status.is_ok_and(|status| status.success())
}

/// The expression is Go's; what it holds is POSIX's too.
#[test]
fn addresses_that_git_takes_pass_and_options_do_not() {
    let parameters = templates::start_script().with_file_name("parameters.tf");
    let text = fs::read_to_string(parameters).expect("text");
    let (_, rest) = text.split_once("git_address = \"").expect("an expression");
    let (expression, _) = rest.split_once("\"\n").expect("its end");
    let passes = |address: &str| {
        let mut grep = Command::new("grep")
            .args(["-qE", "-e", expression])
            .stdin(Stdio::piped())
            .spawn()
            .expect("grep starts");
        let mut input = grep.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, format!("{address}\n").as_bytes()).expect("a line");
        drop(input);
        grep.wait().expect("it ends").success()
    };
    for address in [
        "",
        "https://host/name.git",
        "ssh://git@host:2222/name",
        "git@host:group/name.git",
    ] {
        assert!(passes(address), "{address}");
    }
    for address in [
        "-uhttps://host",
        "--upload-pack=x",
        "name",
        "ext::sh -c x",
        "file:///etc",
        "https://host/a b",
        "-a@host:b",
    ] {
        assert!(!passes(address), "{address}");
    }
}
