//! Programs that stand before the real ones on the PATH of a place.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::{call::find_program, nix, place::Place, quoted};

/// Where Debian has UEFI firmware, below a folder like `/usr/share`.
const FIRMWARE: [&str; 4] = [
    "OVMF/OVMF_CODE_4M.fd",
    "OVMF/OVMF_VARS_4M.fd",
    "AAVMF/AAVMF_CODE.fd",
    "AAVMF/AAVMF_VARS.fd",
];

impl Place {
    /// Makes files for firmware in `firmware/`, with nothing in them: `CBOX_FIRMWARE_DIR` can be
    /// that folder.
    pub(crate) fn stand_in_firmware(&self) {
        for file in FIRMWARE {
            self.write(self.beside("firmware").join(file), "");
        }
    }

    /// Puts a shell script on the PATH, before all else.
    pub(crate) fn stand_in(&self, name: &str, script: &str) {
        let file = self.beside("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A PATH with these real programs on it and nothing else.
    pub(crate) fn path_with_only(&self, programs: &[&str]) -> PathBuf {
        let folder = self.beside("few");
        fs::create_dir_all(&folder).unwrap();
        for program in programs {
            let real = find_program(program).unwrap();
            let real = real.canonicalize().unwrap_or(real);
            // A link would do for most; a program may find its libraries by its own name.
            let script = format!("#!/bin/sh\nexec {} \"$@\"\n", quoted(real));
            let file = folder.join(program);
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    /// From now on every call of `nix` is written down, and then answered by the real one.
    pub(crate) fn log_nix(&self) -> NixLog {
        let folder = self.beside("nix-calls");
        fs::create_dir_all(&folder).unwrap();
        let log = format!("{}/$$", quoted(&folder));
        self.stand_in(
            "nix",
            &format!(
                "{{ printf '%s ' \"$@\" | tr '\\n' ' '; echo; }} >>{log}\n{}",
                exec_nix()
            ),
        );
        NixLog { folder }
    }

    /// From now on `nix` waits for ever when `pattern` (of the shell's `case`) is in its
    /// words. The file answered with is made once it does.
    pub(crate) fn stall(&self, program: &str, pattern: &str) -> PathBuf {
        let reached = self.beside("stalled");
        let real = find_program(program).unwrap();
        let script = format!(
            "case \" $* \" in {pattern}) : >{}; while :; do sleep 1; done ;; esac\nexec {} \"$@\"",
            quoted(&reached),
            quoted(real)
        );
        self.stand_in(program, &script);
        reached
    }

    /// The same, but only when the real program has done what it was told.
    pub(crate) fn stall_behind(&self, program: &str, pattern: &str) -> PathBuf {
        let reached = self.beside("stalled");
        let real = find_program(program).unwrap();
        let script = format!(
            "{1} \"$@\" || exit\n\
             case \" $* \" in {pattern}) : >{0}; while :; do sleep 1; done ;; esac",
            quoted(&reached),
            quoted(real)
        );
        self.stand_in(program, &script);
        reached
    }

    /// From now on `nix --version` says this, and all else is as it was.
    pub(crate) fn claim_nix_version(&self, version: &str) {
        let script = format!(
            "case \" $* \" in *' --version '*) echo '{version}'; exit ;; esac\n{}",
            exec_nix()
        );
        self.stand_in("nix", &script);
    }
}

fn exec_nix() -> String {
    format!("exec {} \"$@\"", quoted(nix::real()))
}

/// The calls of `nix` that were written down.
#[derive(Debug)]
pub(crate) struct NixLog {
    folder: PathBuf,
}

impl NixLog {
    /// The calls since the last look, in no order, each as its words in one line.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut calls = Vec::new();
        for entry in fs::read_dir(&self.folder).unwrap() {
            let file = entry.unwrap().path();
            let text = fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&text);
            calls.extend(text.lines().map(str::to_owned));
            fs::remove_file(file).unwrap();
        }
        calls
    }

    /// How many calls since the last look evaluated something.
    pub(crate) fn evaluations(&self) -> usize {
        let calls = self.take();
        assert!(!calls.is_empty(), "nix was not called at all");
        count(&calls, " eval ")
    }
}

/// How many calls have these words.
pub(crate) fn count(calls: &[String], words: &str) -> usize {
    calls.iter().filter(|call| call.contains(words)).count()
}
