//! A `nix build` that says what a test tells it, when the test tells it.

use std::{cell::Cell, fs, path::PathBuf};

use serde_json::{Value, json};

use super::{nix, place::Place, quoted};

/// The words of the call of `nix` that builds.
const BUILD: &str = "*' build --json --log-format '*";

/// The number of the activity that is all builds.
const ALL: u64 = 1;

/// A build under a test's control. The real Nix does all else, and also builds, in silence,
/// once the scripted build has gone well.
#[derive(Debug)]
pub(crate) struct Scripted {
    folder: PathBuf,
    steps: Cell<u32>,
}

impl Place {
    /// From now on `nix build` waits for what it is to say.
    pub(crate) fn scripted_build(&self) -> Scripted {
        let folder = self.beside("steps");
        fs::create_dir_all(&folder).unwrap();
        self.stand_in_for_build(&format!(
            "steps='{}'; step=1\n\
             while :; do\n\
             if [ -e $steps/$step ]; then cat $steps/$step >&2; step=$((step + 1))\n\
             elif [ -e $steps/end ]; then code=$(cat $steps/end); break\n\
             else sleep 0.02; fi\n\
             done",
            folder.display()
        ));
        Scripted {
            folder,
            steps: Cell::new(1),
        }
    }

    /// From now on `nix build` says what is in `stream` and ends with `code`; with 0 it has
    /// then built.
    pub(crate) fn build_says(&self, stream: impl AsRef<[u8]>, code: i32) {
        let file = self.beside("stream");
        fs::write(&file, stream).unwrap();
        self.stand_in_for_build(&format!("cat '{}' >&2; code={code}", file.display()));
    }

    /// `script` says what there is to be said, and sets `code`.
    pub(crate) fn stand_in_for_build(&self, script: &str) {
        let nix = quoted(nix::real());
        self.stand_in(
            "nix",
            &format!(
                "case \" $* \" in {BUILD}) ;; *) exec {nix} \"$@\" ;; esac\n{script}\n\
                 [ \"$code\" = 0 ] || exit \"$code\"\nexec {nix} \"$@\" 2>/dev/null"
            ),
        );
    }
}

impl Scripted {
    /// Says this.
    pub(crate) fn say(&self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let step = self.steps.get();
        self.steps.set(step + 1);
        self.write(&step.to_string(), &text);
    }

    /// Ends with this exit code.
    pub(crate) fn end(&self, code: i32) {
        self.write("end", &code.to_string());
    }

    fn write(&self, name: &str, text: &str) {
        let new = self.folder.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.join(name)).unwrap();
    }
}

fn event(value: &Value) -> String {
    format!("@nix {value}")
}

/// The path of a derivation of this name.
pub(crate) fn drv(name: &str) -> String {
    format!("/nix/store/{}-{name}.drv", "0".repeat(32))
}

/// An activity of any kind begins.
pub(crate) fn start(id: u64, kind: u64, fields: &Value) -> String {
    event(&json!({
        "action": "start", "id": id, "type": kind, "level": 3, "parent": 0, "text": "", "fields": fields
    }))
}

/// The activity begins that counts all builds.
pub(crate) fn all_builds() -> String {
    start(ALL, 104, &json!([]))
}

/// So many derivations are built of so many, so many are being built, and so many failed.
pub(crate) fn counts(done: u64, expected: u64, running: u64, failed: u64) -> String {
    result(ALL, 105, &json!([done, expected, running, failed]))
}

/// A derivation of this name is being built.
pub(crate) fn build(id: u64, name: &str) -> String {
    start(id, 105, &json!([drv(name), "", 1, 1]))
}

/// The derivation at this path is being built.
pub(crate) fn build_of(id: u64, drv: &str) -> String {
    start(id, 105, &json!([drv, "", 1, 1]))
}

/// Something of an activity.
pub(crate) fn result(id: u64, kind: u64, fields: &Value) -> String {
    event(&json!({"action": "result", "id": id, "type": kind, "fields": fields}))
}

/// A line of a build's log.
pub(crate) fn log(id: u64, line: &str) -> String {
    result(id, 101, &json!([line]))
}

/// A build comes to a phase.
pub(crate) fn phase(id: u64, phase: &str) -> String {
    result(id, 104, &json!([phase]))
}

/// An activity ends.
pub(crate) fn stop(id: u64) -> String {
    event(&json!({"action": "stop", "id": id}))
}

/// Nix says something at this level.
pub(crate) fn message(level: u64, text: &str) -> String {
    event(&json!({"action": "msg", "level": level, "msg": text}))
}

/// The error of a build that failed.
pub(crate) fn failure(name: &str) -> String {
    let drv = drv(name);
    message(
        0,
        &format!("error: builder for '{drv}' failed with exit code 1"),
    )
}
