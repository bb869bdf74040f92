//! `cbox boot` with a stand-in for QEMU: what it is told, and what becomes of what it does.

mod downloads;
mod ends;
mod refused;
mod serial;

use std::{
    fs::{self, File},
    io::Read as _,
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{
    call::{Call, Running, find_program},
    nix::{native, say_left_out},
    place::Place,
    processes, quoted, unique, wait_until,
};

/// A place with an ISO, and QEMUs that are shell scripts.
struct Bench {
    place: Place,
    /// What all processes of this test have in their environment.
    word: String,
}

impl Bench {
    /// QEMU does what `script` says. KVM's probe is not for it: there KVM does not work.
    fn with(script: &str) -> Self {
        Self::of_place(script, |_| {})
    }

    /// The same, of a mini box that was changed before.
    fn of_place(script: &str, change: impl FnOnce(&Place)) -> Self {
        let place = Place::minibox();
        change(&place);
        place.ask(&["appliance", "iso"]);
        let bench = Self {
            place,
            word: unique(),
        };
        bench.qemu(script);
        bench.place.stand_in_firmware();
        bench
    }

    fn qemu(&self, script: &str) {
        let arguments = self.place.beside("arguments");
        let script = format!(
            "case \" $* \" in\n\
             *' -nodefaults '*) exit 1 ;;\n\
             *' -display help '*) printf '%s\\n' none \"${{TEST_DISPLAY:-gtk}}\"; exit ;;\n\
             esac\n\
             printf '%s\\n' \"$@\" >'{}'\n{script}",
            arguments.display()
        );
        for arch in ["x86_64", "aarch64"] {
            self.place.stand_in(&format!("qemu-system-{arch}"), &script);
        }
    }

    fn file(&self, path: &str, content: &[u8]) {
        let file = self.place.beside(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn boot(&self, options: &[&str]) -> Call {
        self.of("appliance/iso", options)
    }

    fn of(&self, target: &str, options: &[&str]) -> Call {
        let boot = [&["boot", target][..], options].concat();
        let call = self.place.cbox(&boot).env("CBOX_TEST_WORD", &self.word);
        call.env("CBOX_FIRMWARE_DIR", self.place.beside("firmware"))
    }

    /// What QEMU was told last, in one line.
    fn told(&self) -> String {
        let told = fs::read_to_string(self.place.beside("arguments")).unwrap();
        told.replace('\n', " ")
    }

    fn was_started(&self) -> bool {
        self.place.beside("arguments").exists()
    }

    /// Nothing is left of a boot.
    #[track_caller]
    fn is_clean(&self) {
        assert_eq!(self.place.names("../tmp"), [""; 0]);
        wait_until("no process is left", || {
            processes::with_word(&self.word).is_empty()
        });
    }
}

/// Says something, and then stays.
const STAYS: &str = "echo up; while :; do sleep 1; done";

#[test]
fn a_machine_is_told_what_it_is() {
    let bench = Bench::with("echo there");
    let state = bench.place.beside("state, kept");
    let state = state.to_str().unwrap();
    let options = [
        ["--memory", "1500M"],
        ["--cpus", "3"],
        ["--as", "disk"],
        ["--until", "^there$"],
        ["--keep", state],
    ];
    let options: Vec<&str> = options.iter().flatten().copied().collect();
    if find_program("qemu-img").is_some() {
        let last = ["--headless", "--", "-name", "two words"];
        bench.boot(&[&options[..], &last].concat()).run().ok();
        let told = bench.told();
        for words in [
            " -smp 3 -m 1500 ",
            &format!("format=qcow2,file={} ", state.replace(',', ",,")),
            "/firmware/",
            " -chardev stdio,id=console,signal=on -serial chardev:console ",
            " -no-reboot -name two words ",
        ] {
            assert!(told.contains(words), "{words} in {told}");
        }
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    bench
        .boot(&["--forward", &format!("{port}:80"), "--headless"])
        .run()
        .ok();
    let told = bench.told();
    let image = bench
        .place
        .path("out/appliance-iso/iso")
        .read_dir()
        .unwrap();
    let image = image
        .last()
        .unwrap()
        .unwrap()
        .path()
        .canonicalize()
        .unwrap();
    let drive = format!(
        "media=cdrom,readonly=on,format=raw,file={} ",
        image.display()
    );
    assert!(told.contains(&drive), "{told}");
    assert!(
        told.contains(&format!("hostfwd=tcp:127.0.0.1:{port}-:80 ")),
        "{told}"
    );
    assert!(!told.contains("-no-reboot"), "{told}");
    bench.is_clean();
}

#[test]
fn a_window_is_opened_where_there_is_a_display() {
    let bench = Bench::with("echo to nobody; echo a note >&2");
    let shown = bench.boot(&[]).env("DISPLAY", ":7").run().ok();
    assert_eq!(shown.stdout, "", "{shown}");
    assert!(bench.told().contains("usb-tablet"));
    assert!(!bench.told().contains("-display none"));
    shown.says(&["a note", "the machine ended after"]);
    for options in [&["--headless"][..], &["--until", "nobody"]] {
        let hidden = bench.boot(options).env("DISPLAY", ":7").run().ok();
        assert_eq!(hidden.text(), "to nobody");
        assert!(bench.told().contains("-display none"));
    }
    let without = bench.boot(&[]).run().ok();
    assert_eq!(without.text(), "to nobody");
    without.says(&["there is no display here: this is the serial console"]);
    let blind = bench
        .boot(&[])
        .env("DISPLAY", ":7")
        .env("TEST_DISPLAY", "curses");
    let blind = blind.run().ok();
    assert_eq!(blind.text(), "to nobody");
    blind.says(&[
        "this QEMU cannot open a window",
        "this is the serial console",
    ]);
}

#[test]
fn the_line_is_the_result() {
    let bench = Bench::with(
        "printf 'one\\r\\n\\033[31mtw\\377o\\033[0m\\033]0;title\\007\\nit is up\\n'; sleep 60",
    );
    let run = bench.boot(&["--until", "is (up|there)"]).run().ok();
    assert_eq!(run.stdout, "one\ntw\u{fffd}o\nit is up\n");
    let run = run.says(&[
        "emulated, which is slow",
        "appliance/iso printed this line after",
    ]);
    assert_eq!(run.stderr.matches("emulated").count(), 1, "{run}");
    let quiet = bench.boot(&["--until", "is (up|there)", "-q"]).run().ok();
    assert_eq!((quiet.text(), &*quiet.stderr), ("it is up", ""));
    let json = bench
        .boot(&["--until", "is (up|there)", "--json"])
        .run()
        .ok();
    assert!(json.stderr.contains("tw\u{fffd}o\n"), "{json}");
    let boot = &json.json()["boot"];
    assert_eq!(boot["target"], "appliance/iso");
    assert_eq!(boot["system"], native());
    assert_eq!(boot["line"], "it is up");
    assert_eq!(boot["accelerator"], "tcg");
    assert!(boot["firmware"].as_str().unwrap().contains("/firmware/"));
    let seconds = boot["durationSeconds"].as_f64().unwrap();
    assert!(0.0 < seconds && seconds < 60.0, "{seconds}");
    bench.is_clean();
}

#[test]
fn a_prompt_has_no_line_feed_and_half_a_line_is_no_line() {
    let script = "printf 'box lo'; sleep 0.1; printf 'gin: '; sleep 60";
    let bench = Bench::with(script);
    let run = bench.boot(&["--until", "^box", "-q"]).run().ok();
    assert_eq!(run.text(), "box login:");
    let run = bench.boot(&["--until", "login: $", "-q"]).run().ok();
    assert_eq!(run.text(), "box login:");
    // It is seen too when it is the last that was said.
    bench.qemu("printf 'box login: '");
    bench.boot(&["--until", "login:", "-q"]).run().ok();
}

#[test]
fn what_does_not_come_has_its_exit_codes() {
    let bench = Bench::with("seq 1 30; printf half; sleep 60");
    let late = bench.boot(&["--until", "never", "--timeout", "1s", "-q"]);
    let late = late.run().code(13);
    assert_eq!(late.stdout, "");
    late.says(&[
        "no console line matched within 1 s; the last lines:\n  20\n",
        "\n  30\n  half\n",
    ]);
    bench.is_clean();
    let silent = ["--until", "never", "--timeout", "1", "--json"];
    bench.qemu("sleep 60");
    let answer = bench.boot(&silent).run().code(13).json();
    assert_eq!(answer["error"]["kind"], "timeout");
    bench.qemu("echo so far; echo 'terminating on a whim' >&2");
    let early = bench.boot(&["--until", "never"]).run().code(12);
    early.says(&[
        "the machine ended after",
        "the last lines:\n  so far\n",
        "on a whim",
    ]);
    bench.qemu("echo 'no such option' >&2; exit 1");
    let wrong = bench.boot(&["--until", "never", "--", "-x"]).run().code(5);
    wrong.says(&[
        "error: QEMU failed with exit code 1: no such option\n",
        "hint: check the arguments after `--`",
    ]);
    bench.is_clean();
}
