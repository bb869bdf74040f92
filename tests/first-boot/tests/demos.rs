//! Each demo of the `languages` template answers, where its language is
//! installed; the run says which were left out.

use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const DEMOS: [(&str, &str); 5] = [
    ("python", "python3"),
    ("nodejs", "node"),
    ("go", "go"),
    ("java", "java"),
    ("rust", "rustc"),
];

/// A demo that runs, with whatever it has started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Not by the program `kill`, which a bare machine does not have.
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn start(demo: &Path, port: u16) -> Running {
    let child = Command::new("sh")
        .arg("run.sh")
        .current_dir(demo)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    Running(child)
}

fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a temporary folder");
    for entry in fs::read_dir(from).expect("a demo").flatten() {
        fs::copy(entry.path(), to.path().join(entry.file_name())).expect("copy");
    }
    to
}

fn installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir: PathBuf| dir.join(tool).is_file())
}

#[test]
fn each_demo_says_hello() {
    let demos =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../coderd/templates/languages/demos");
    for (name, tool) in DEMOS {
        if !installed(tool) {
            let line = format!("SKIPPED, not passed: the demo {name} needs {tool}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            continue;
        }
        let demo = copy(&demos.join(name));
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let _running = start(demo.path(), port);
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer = loop {
            if let Some(answer) = ask(port) {
                break answer;
            }
            assert!(Instant::now() < deadline, "{name} does not answer");
            thread::sleep(Duration::from_millis(100));
        };
        assert!(
            answer
                .lines()
                .next()
                .is_some_and(|line| line.contains(" 200")),
            "{name}: {answer}"
        );
        assert!(answer.contains("Hello from"), "{name}: {answer}");
    }
}
