//! The keyboard and the screen of a machine, by QEMU's machine protocol over two named
//! pipes: keys are pressed, and it is seen whether the picture changes.

use cbox_nix::temporary::TemporaryFolder;
use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hasher as _},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    time::Duration,
};

use camino::Utf8PathBuf;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::chooser::{Hands, Key, Picture};

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked for.
const OFTEN: Duration = Duration::from_millis(20);

/// How much of what QEMU says is kept while its line has no end.
const KEPT: usize = 1 << 16;

/// A keyboard whose cable has two ends: QEMU has the other one.
#[derive(Debug)]
pub struct Keyboard {
    folder: TemporaryFolder,
    keys: File,
    answers: File,
    /// What was read of a line.
    begun: Vec<u8>,
    /// How many questions were asked.
    asked: u64,
}

impl Keyboard {
    /// Makes the pipes. What is written before QEMU is there waits for it.
    pub fn new() -> io::Result<Self> {
        let folder = TemporaryFolder::new()?;
        let pipe = |end: &str| {
            let path = folder.path().join(format!("keyboard.{end}"));
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
            // For both, or opening it would wait for the other end.
            let mut options = File::options();
            options.read(true).write(true);
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            options.custom_flags(flags).open(path)
        };
        let mut keyboard = Self {
            keys: pipe("in")?,
            answers: pipe("out")?,
            folder,
            begun: vec![],
            asked: 0,
        };
        keyboard.tell(&json!({ "execute": "qmp_capabilities" }))?;
        Ok(keyboard)
    }

    /// The name of the pipes for QEMU, which adds `.in` and `.out`.
    pub fn path(&self) -> Option<Utf8PathBuf> {
        Utf8PathBuf::from_path_buf(self.folder.path().join("keyboard")).ok()
    }

    fn tell(&mut self, command: &Value) -> io::Result<()> {
        self.keys.write_all(format!("{command}\n").as_bytes())
    }

    /// The answer to a question, if it is there by now.
    fn answer(&mut self, id: u64) -> io::Result<Option<Value>> {
        let mut bytes = [0; 4096];
        match self.answers.read(&mut bytes) {
            Ok(read) => self.begun.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            // Events, and what is no JSON, are for nobody.
            let answer = serde_json::from_slice::<Value>(&line).unwrap_or_default();
            if answer["id"] == id {
                return Ok(Some(answer));
            }
        }
        if self.begun.len() > KEPT {
            self.begun.clear();
        }
        Ok(None)
    }

    fn take(path: &PathBuf) -> io::Result<Picture> {
        let bytes = fs::read(path)?;
        fs::remove_file(path)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        Ok(Picture(hasher.finish()))
    }
}

impl Hands for Keyboard {
    fn press(&mut self, key: Key) -> io::Result<()> {
        let name = match key {
            Key::Down => "down",
            Key::Home => "home",
            Key::Enter => "ret",
        };
        let key = json!({ "type": "qcode", "data": name });
        self.tell(&json!({ "execute": "send-key", "arguments": { "keys": [key] } }))
    }

    async fn look(&mut self) -> io::Result<Picture> {
        self.asked += 1;
        let (id, path) = (self.asked, self.folder.path().join("screen"));
        self.tell(&json!({
            "execute": "screendump", "arguments": { "filename": path }, "id": id,
        }))?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(answer) = self.answer(id)? {
                return match answer["error"]["desc"].as_str() {
                    None => Self::take(&path),
                    Some(reason) => Err(io::Error::other(reason.to_owned())),
                };
            }
            sleep(OFTEN).await;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn qemu_is_told_in_its_own_words() {
        run(async {
            let mut keyboard = Keyboard::new().unwrap();
            let path = keyboard.path().unwrap();
            let told = |keyboard: &mut Keyboard| {
                let mut bytes = [0; 4096];
                let read = keyboard.keys.read(&mut bytes).unwrap();
                String::from_utf8(bytes[..read].to_vec()).unwrap()
            };
            assert_eq!(told(&mut keyboard), "{\"execute\":\"qmp_capabilities\"}\n");
            keyboard.press(Key::Enter).unwrap();
            assert!(told(&mut keyboard).contains(r#"[{"data":"ret","type":"qcode"}]"#));
            // Answers of others, and half a line.
            let mut qemu = File::options()
                .write(true)
                .open(format!("{path}.out"))
                .unwrap();
            write!(qemu, "{{\"QMP\": 1}}\nno JSON\n{{\"id\": 7}}\n{{\"ret").unwrap();
            assert_eq!(keyboard.answer(1).unwrap(), None);
            let screen = path.with_file_name("screen");
            fs::write(&screen, "a picture").unwrap();
            write!(qemu, "urn\": {{}}, \"id\": 1}}\r\n").unwrap();
            let first = keyboard.look().await.unwrap();
            assert!(told(&mut keyboard).contains("screendump"));
            assert!(!screen.exists());
            fs::write(&screen, "another picture").unwrap();
            writeln!(qemu, "{{\"return\": {{}}, \"id\": 2}}").unwrap();
            assert_ne!(keyboard.look().await.unwrap(), first);
            writeln!(
                qemu,
                "{{\"error\": {{\"desc\": \"no screen\"}}, \"id\": 3}}"
            )
            .unwrap();
            let error = keyboard.look().await.unwrap_err();
            assert_eq!(error.to_string(), "no screen");
        });
    }
}
