//! The machine that boots: systemd's folders, a clean environment, and only the
//! tools that the program declares.
//!
//! Each tool is a small wrapper that records its arguments (other users read
//! those in `/proc`). The plug can be pulled ([`crate::plug`]) at each step of the
//! program, and before or after a tool that changes something.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use tempfile::TempDir;

use crate::coder::Coder;
use crate::plug;
pub use crate::plug::When;

/// What `packages/first-boot/package.nix` puts in the program's PATH, and `cat` for stand-ins.
const TOOLS: &[&str] = &["cat", "curl", "id"];

/// Stand-ins, see `unix_accounts.rs`.
const FAKES: &[&str] = &["chpasswd", "getent"];

/// The tools that change something outside of the process.
const PLUGS: &[&str] = &["chpasswd", "curl"];

#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub killed: bool,
    /// stdout and stderr.
    pub log: String,
}

pub struct Machine {
    dir: TempDir,
    pub env: BTreeMap<String, String>,
    coder: Coder,
}

impl Machine {
    /// `None`, and a line that no test harness swallows, where a tool is missing.
    pub fn new(coder: &Coder) -> Option<Self> {
        let missing: Vec<_> = TOOLS.iter().filter(|tool| find(tool).is_none()).collect();
        if !missing.is_empty() {
            let required = std::env::var_os("CBOX_REQUIRE_TOOLS").is_some_and(|set| set == "1");
            assert!(
                !required,
                "CBOX_REQUIRE_TOOLS=1, but there is no {missing:?}"
            );
            let line = format!("SKIPPED, not passed: a first-boot test needs {missing:?}\n");
            // eprint! would be captured and never seen.
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        }
        let dir = temporary_folder();
        let machine = Self {
            env: BTreeMap::new(),
            coder: coder.clone(),
            dir,
        };
        for folder in ["tools", "templates"] {
            fs::create_dir(machine.path(folder)).expect("create");
        }
        machine.wrap_tools();
        Some(machine.with_defaults())
    }

    fn with_defaults(mut self) -> Self {
        let path = |name: &str| self.path(name).display().to_string();
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), path("tools")),
            ("STATE_DIRECTORY".to_owned(), path("state")),
            ("RUNTIME_DIRECTORY".to_owned(), path("run")),
            ("FIRST_BOOT_TEMPLATES".to_owned(), path("templates")),
            ("FIRST_BOOT_CODER_URL".to_owned(), self.coder.url()),
        ]);
        for (name, value) in [
            ("FIRST_BOOT_ACCESS_URL", "http://box.local:3000"),
            ("FIRST_BOOT_BACKOFF_MS", "5"),
            ("FIRST_BOOT_WAIT_SECONDS", "5"),
            ("FIRST_BOOT_IMPORT_SECONDS", "5"),
            ("FIRST_BOOT_PROBE_URL", ""),
            // A proxy that would swallow everything, if it were asked.
            ("http_proxy", "http://127.0.0.1:9"),
        ] {
            env.insert(name.into(), value.into());
        }
        self.env = env;
        self
    }

    fn wrap_tools(&self) {
        let (argv, count) = (self.path("argv"), self.path("count"));
        let (argv, count) = (argv.display(), count.display());
        for tool in TOOLS.iter().chain(FAKES) {
            let real = if FAKES.contains(tool) {
                self.path(&format!("fake-{tool}"))
            } else {
                find(tool).expect("looked for before")
            };
            // A tool may be where this repository is.
            let real = real.display().to_string().replace('\'', "'\\''");
            let plug = if PLUGS.contains(tool) {
                format!(
                    "n=0; read -r n <'{count}'; n=$((n + 1)); echo $n >'{count}'\n\
                     if [ $n = \"$KILL_AT\" ]; then\n\
                     [ $KILL_WHEN = Before ] || '{real}' \"$@\"\n\
                     kill -9 0\n\
                     fi\n"
                )
            } else {
                String::new()
            };
            let script = format!(
                "#!/bin/sh\nprintf '%s\\n' {tool} \"$@\" >>'{argv}'\n{plug}exec '{real}' \"$@\"\n"
            );
            write_script(&self.path("tools").join(tool), &script);
        }
    }

    /// A stand-in for one of the tools that change the system.
    pub fn fake_tool(&self, tool: &str, body: &str) {
        write_script(
            &self.path(&format!("fake-{tool}")),
            &format!("#!/bin/sh\n{body}\n"),
        );
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.insert(name.into(), value.into());
    }

    pub fn add_template(&self, name: &str, main_tf: &str) {
        let dir = self.path("templates").join(name);
        fs::create_dir_all(&dir).expect("create");
        fs::write(dir.join("main.tf"), main_tf).expect("write");
        let readme = "---\ndisplay_name: A title\ndescription: About it\n---\n\n# It\n";
        fs::write(dir.join("README.md"), readme).expect("write");
    }

    /// The owner's own password.
    pub fn owner_password(&mut self, password: &str) {
        let file = self.path("owner-password");
        fs::write(&file, format!("{password}\n")).expect("write");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod");
        self.set("FIRST_BOOT_ADMIN_PASSWORD_FILE", file.display().to_string());
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        self.start(args, None)
    }

    /// Pulls the plug at the n-th step that changes something.
    pub fn run_killed(&self, args: &[&str], at: usize, when: When) -> Outcome {
        self.start(args, Some((at, when)))
    }

    /// How many such steps the last start took.
    pub fn plugs(&self) -> usize {
        plug::counted(&self.path("count"))
    }

    fn start(&self, args: &[&str], at: Option<(usize, When)>) -> Outcome {
        let mut command = Command::new(program());
        command.args(args).envs(&self.env);
        if let Some((at, when)) = at {
            command.env("KILL_AT", at.to_string());
            command.env("KILL_WHEN", format!("{when:?}"));
        }
        let log = self.path("log");
        let status = plug::run(&command, &log, &self.path("count"), at);
        let outcome = Outcome {
            code: match status {
                WaitStatus::Exited(_, code) => Some(code),
                _ => None,
            },
            killed: matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
            log: String::from_utf8_lossy(&fs::read(log).expect("a log")).into_owned(),
        };
        self.assert_no_leak(&outcome);
        outcome
    }

    /// Every secret that the server or this machine knows.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.coder.state().secrets.clone();
        let files = [
            self.path("state/admin-password"),
            self.path("owner-password"),
        ];
        let unix = fs::read_dir(self.path("state/unix"))
            .into_iter()
            .flatten()
            .flatten();
        for file in files.into_iter().chain(unix.map(|entry| entry.path())) {
            secrets.extend(
                fs::read_to_string(file)
                    .ok()
                    .map(|text| text.trim().to_owned()),
            );
        }
        // A file may be there and still be empty after a kill.
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }

    fn assert_no_leak(&self, outcome: &Outcome) {
        let argv = fs::read_to_string(self.path("argv")).unwrap_or_default();
        for secret in self.secrets() {
            assert!(
                !outcome.log.contains(&secret),
                "a secret in the log: {}",
                outcome.log
            );
            assert!(!argv.contains(&secret), "a secret in an argument list");
            for top in ["state", "run"] {
                assert_private(&self.path(top), &secret);
            }
        }
    }

    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    pub fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name))
            .expect(name)
            .permissions()
            .mode()
            & 0o7777
    }
}

/// The program: what FIRST_BOOT_PROGRAM names, or what cargo makes of `packages/first-boot`, which
/// is no member of this workspace.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(program) = std::env::var_os("FIRST_BOOT_PROGRAM") {
            return program.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = root.join("target/first-boot");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(root.join("packages/first-boot/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .env_remove("CARGO_BUILD_TARGET")
            .status()
            .expect("cargo starts");
        assert!(built.success(), "the program does not compile");
        let program = target.join("debug/coder-first-boot");
        program.canonicalize().expect("the program")
    })
}

/// In memory where there is a place for it: the program writes through to the
/// disk after each file, and the tests start it hundreds of times.
fn temporary_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder")
}

/// Whoever may read a file that holds the secret owns it.
fn assert_private(path: &Path, secret: &str) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder").flatten() {
            assert_private(&entry.path(), secret);
        }
    } else if fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(secret)) {
        let mode = fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(
            mode & 0o077,
            0,
            "{} holds a secret and is open to others",
            path.display()
        );
    }
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|file| file.is_file())
}

fn write_script(path: &Path, text: &str) {
    fs::write(path, text).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}
