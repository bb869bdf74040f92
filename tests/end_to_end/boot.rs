//! `cbox boot` with a stand-in for QEMU: what it is told, and what becomes of what it does.

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
    processes, unique, wait_until,
};

/// A place with an ISO, and QEMUs that are shell scripts.
struct Bench {
    place: Place,
    /// What all processes of this test have in their environment.
    word: String,
}

impl Bench {
    /// QEMU does what `script` says. KVM's probe is not for it: there KVM does not work.
    fn with(script: &str) -> Option<Self> {
        Self::of_place(script, |_| {})
    }

    /// The same, of a mini box that was changed before.
    fn of_place(script: &str, change: impl FnOnce(&Place)) -> Option<Self> {
        let place = Place::minibox()?;
        change(&place);
        place.ask(&["appliance", "iso"]);
        let bench = Self {
            place,
            word: unique(),
        };
        bench.qemu(script);
        for file in ["OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"] {
            bench.file(&format!("firmware/{file}"), b"");
            let arm = file.replace("OVMF", "AAVMF").replace("_4M", "");
            bench.file(&format!("firmware/{arm}"), b"");
        }
        Some(bench)
    }

    fn qemu(&self, script: &str) {
        let arguments = self.place.beside("arguments");
        let script = format!(
            "case \" $* \" in *' -nodefaults '*) exit 1 ;; esac\n\
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
    let Some(bench) = Bench::with("echo there") else {
        return;
    };
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

/// A boot loader of two menus, which shows nothing but by pictures: QEMU's machine protocol
/// comes by one pipe and its answers go by another.
const LOADER: &str = r#"
for word; do case $word in pipe,*) pipes=${word#*path=} ;; esac; done
menu=0 at=0
while read -r line <&3; do
  case $line in
    *'"down"'*) [ "$menu$at" = 11 ] || [ "$at" = 1 ] || at=1 ;;
    *'"home"'*) at=0 ;;
    *'"ret"'*)
      if [ "$menu$at" = 01 ]; then menu=1 at=0
      elif [ "$menu$at" = 11 ]; then echo starting; sleep 2; echo the kernel speaks; sleep 60
      else exit 1
      fi ;;
    *screendump*)
      file=${line#*filename\":\"}
      echo "$menu $at" >"${file%%\"*}"
      echo "{\"return\": {}, \"id\": ${line##*\"id\":}" >&4 ;;
  esac
done 3<>"$pipes.in" 4<>"$pipes.out"
"#;

#[test]
fn a_serial_entry_is_chosen_by_keys() {
    let Some(bench) = Bench::of_place(LOADER, crate::boots::silence) else {
        return;
    };
    if cfg!(not(target_arch = "x86_64")) {
        return say_left_out("other machines tell the kernel of their serial line");
    }
    let until = ["--until", "speaks", "--json"];
    let run = bench.boot(&until).run().ok();
    assert_eq!(run.json()["boot"]["console"], "menu");
    run.says(&[
        "chosen by keys in the menu of its boot loader: Options > Speaks",
        "chose in its menu: Options > Speaks",
    ]);
    bench.is_clean();
    // One that takes no keys, or ends: what is known is said.
    bench.qemu("sleep 3; echo the end");
    let run = bench.boot(&["--until", "the end"]).run().ok();
    run.says(&["its serial console: chosen"]);
    bench.is_clean();
    // With a window nothing is pressed.
    bench.qemu("echo up");
    bench.boot(&[]).env("DISPLAY", ":7").run().ok();
    assert!(!bench.told().contains("pipe"), "{}", bench.told());
}

#[test]
fn a_disk_is_told_of_the_serial_line_from_outside() {
    let Some(bench) = Bench::with("echo up; sleep 60") else {
        return;
    };
    bench.place.ask(&["appliance", "raw"]);
    let run = bench
        .of("appliance/raw", &["--until", "up", "--json"])
        .run()
        .ok();
    let (console, told) = (&run.json()["boot"]["console"], bench.told());
    let word = ",value=io.systemd.boot.kernel-cmdline-extra=console=ttyS0,,115200n8";
    if cfg!(target_arch = "x86_64") {
        assert!(told.contains(word), "{told}");
        assert_eq!(console, "smbios");
    } else {
        assert_eq!(console, "own");
    }
    // An ISO that speaks by itself is left alone.
    let run = bench.boot(&["--until", "up", "--json"]).run().ok();
    assert_eq!(run.json()["boot"]["console"], "own");
    let told = bench.told();
    assert!(!told.contains("smbios") && !told.contains("pipe"), "{told}");
    assert!(!run.stderr.contains("serial console"), "{run}");
}

#[test]
fn a_window_is_opened_where_there_is_a_display() {
    let Some(bench) = Bench::with("echo to nobody; echo a note >&2") else {
        return;
    };
    let shown = bench.boot(&[]).env("DISPLAY", ":7").run().ok();
    assert_eq!(shown.stdout, "", "{shown}");
    assert!(bench.told().contains("usb-tablet"));
    assert!(!bench.told().contains("-display none"));
    shown.says(&["a note", "the machine has ended after"]);
    for options in [&["--headless"][..], &["--until", "nobody"]] {
        let hidden = bench.boot(options).env("DISPLAY", ":7").run().ok();
        assert_eq!(hidden.text(), "to nobody");
        assert!(bench.told().contains("-display none"));
    }
    let without = bench.boot(&[]).run().ok();
    assert_eq!(without.text(), "to nobody");
    without.says(&["there is no display here"]);
}

#[test]
fn the_line_is_the_result() {
    let Some(bench) = Bench::with(
        "printf 'one\\r\\n\\033[31mtw\\377o\\033[0m\\033]0;title\\007\\nit is up\\n'; sleep 60",
    ) else {
        return;
    };
    let run = bench.boot(&["--until", "is (up|there)"]).run().ok();
    assert_eq!(run.stdout, "one\ntw\u{fffd}o\nit is up\n");
    let run = run.says(&["emulated, which is slow", "appliance/iso is there after"]);
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
    let seconds = boot["seconds"].as_f64().unwrap();
    assert!(0.0 < seconds && seconds < 60.0, "{seconds}");
    bench.is_clean();
}

#[test]
fn a_prompt_has_no_line_feed_and_half_a_line_is_no_line() {
    let script = "printf 'box lo'; sleep 0.1; printf 'gin: '; sleep 60";
    let Some(bench) = Bench::with(script) else {
        return;
    };
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
    let Some(bench) = Bench::with("seq 1 30; printf half; sleep 60") else {
        return;
    };
    let late = bench.boot(&["--until", "never", "--timeout", "1s", "-q"]);
    let late = late.run().code(13);
    assert_eq!(late.stdout, "");
    late.says(&[
        "did not say it within 1 s; its last lines:\n  20\n",
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
        "its last lines:\n  so far\n",
        "on a whim",
    ]);
    bench.qemu("echo 'no such option' >&2; exit 1");
    let wrong = bench.boot(&["--until", "never", "--", "-x"]).run().code(5);
    wrong.says(&["-x` failed with exit code 1:\nno such option"]);
    bench.is_clean();
}

#[track_caller]
fn stopped(bench: &Bench, options: &[&str], signal: Signal, code: i32) {
    let running = bench.boot(options).start();
    wait_until("QEMU runs", || bench.was_started());
    running.signal(signal);
    running.wait().code(code);
    bench.is_clean();
    fs::remove_file(bench.place.beside("arguments")).unwrap();
}

#[test]
fn signals_end_the_machine() {
    let Some(bench) = Bench::with(STAYS) else {
        return;
    };
    stopped(&bench, &["--headless"], Signal::INT, 130);
    stopped(&bench, &["--headless"], Signal::TERM, 143);
    stopped(&bench, &["--until", "never"], Signal::INT, 130);
    stopped(&bench, &["--until", "never"], Signal::HUP, 129);
}

#[test]
fn a_machine_that_does_not_listen_is_killed_by_the_second_signal() {
    let Some(bench) = Bench::with(&format!("trap '' TERM INT; {STAYS}")) else {
        return;
    };
    let begun = Instant::now();
    let mut running = bench.boot(&["--headless"]).start();
    wait_until("QEMU runs", || bench.was_started());
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!running.has_ended());
    running.signal(Signal::INT);
    running.wait().code(130);
    assert!(begun.elapsed() < Duration::from_secs(9));
    bench.is_clean();
}

#[test]
fn a_probe_that_hangs_means_emulation_and_can_be_interrupted() {
    let can = File::options().read(true).write(true).open("/dev/kvm");
    if can.is_err() {
        return say_left_out("no /dev/kvm here");
    }
    let Some(bench) = Bench::with("echo up; sleep 60") else {
        return;
    };
    let qemu = format!("qemu-system-{}", std::env::consts::ARCH);
    let until = ["--until", "up", "--json"];
    let accelerator = |script: &str| {
        bench.place.stand_in(&qemu, script);
        let run = bench.boot(&until).run().ok();
        run.json()["boot"]["accelerator"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let probe = "case \" $* \" in *' -nodefaults '*)";
    let there = if cfg!(target_arch = "x86_64") { 85 } else { 0 };
    let works = format!("{probe} exit {there} ;; esac; echo up; sleep 60");
    assert_eq!(accelerator(&works), "kvm");
    let probed = bench.place.beside("probed");
    let hangs = format!(
        "{probe} : >'{}'; sleep 60 ;; esac; echo up; sleep 60",
        probed.display()
    );
    assert_eq!(accelerator(&hangs), "tcg");
    bench.is_clean();
    fs::remove_file(&probed).unwrap();
    let running = bench.boot(&until).start();
    wait_until("it is probed", || probed.exists());
    running.signal(Signal::INT);
    running.wait().code(130);
    bench.is_clean();
}

#[test]
fn much_output_fills_no_memory() {
    let script = "yes 'a line of a guest that says far too much, with a \u{1b}[31mcolour' \
         | head -c 40000000; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last; \
         while [ ! -e \"$0.go\" ]; do sleep 0.05; done; echo gone; sleep 60";
    let Some(bench) = Bench::with(script) else {
        return;
    };
    let (mut console, write) = std::io::pipe().unwrap();
    let running = bench
        .boot(&["--until", "^gone$"])
        .stdout(Stdio::from(write))
        .start();
    let reader = std::thread::spawn(move || {
        let (mut total, mut chunk) = (0, vec![0; 1 << 16]);
        let mut last = Vec::new();
        loop {
            match console.read(&mut chunk).unwrap() {
                0 => return (total, last),
                read => {
                    total += read;
                    last = chunk[..read].to_vec();
                }
            }
        }
    });
    let marker = bench.place.beside("bin");
    let status = format!("/proc/{}/status", running.pid());
    // The guest is done with it when it only waits.
    wait_until("the guest has said it all", || {
        let waiting = processes::with_word(&bench.word);
        waiting.iter().any(|process| process.contains("sleep 0.05"))
    });
    let status = fs::read_to_string(status).unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} KiB");
    let qemu = format!("qemu-system-{}.go", std::env::consts::ARCH);
    fs::write(marker.join(qemu), "").unwrap();
    running.wait().ok();
    let (total, last) = reader.join().unwrap();
    assert!((55_000_000..60_000_100).contains(&total), "{total}");
    assert!(last.ends_with(b"gone\n"));
    bench.is_clean();
}

/// Boots with a reader who takes a line.
fn with_reader(bench: &Bench, options: &[&str]) -> (Running, std::io::PipeReader) {
    let (mut console, write) = std::io::pipe().unwrap();
    let running = bench.boot(options).stdout(Stdio::from(write)).start();
    let mut line = [0; 3];
    console.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"up\n");
    (running, console)
}

#[test]
fn a_reader_who_goes_ends_a_boot_but_no_boot_test() {
    let script = "echo up; for i in 1 2 3 4 5 6; do sleep 0.2; echo more; done; echo end; sleep 60";
    let Some(bench) = Bench::with(script) else {
        return;
    };
    let (running, console) = with_reader(&bench, &["--headless"]);
    drop(console);
    let ended = running.wait().ok();
    assert!(!ended.stderr.contains("error"), "{ended}");
    bench.is_clean();
    let (running, console) = with_reader(&bench, &["--until", "^end$"]);
    drop(console);
    running.wait().ok().says(&["is there after"]);
    bench.is_clean();
}

#[test]
fn a_reader_who_stops_reading_does_not_keep_ctrl_c_away() {
    let Some(bench) = Bench::with("echo up; yes") else {
        return;
    };
    for options in [&["--headless"][..], &["--until", "never"]] {
        let (running, _console) = with_reader(&bench, options);
        // All that can wait is full by then.
        std::thread::sleep(Duration::from_millis(500));
        running.signal(Signal::INT);
        let begun = Instant::now();
        running.wait().code(130);
        assert!(begun.elapsed() < Duration::from_secs(8));
        bench.is_clean();
    }
}

#[test]
fn in_a_terminal_the_console_is_left_alone_and_ctrl_c_ends_it() {
    if find_program("script").is_none() {
        return say_left_out("no `script` here");
    }
    let Some(bench) = Bench::with(
        "printf '\\033[31mred\\033[0m\\r\\n'; read word; echo \"heard $word\"; sleep 60",
    ) else {
        return;
    };
    let (stdin, mut keys) = std::io::pipe().unwrap();
    let cbox = format!(
        "'{}' boot appliance/iso --headless",
        env!("CARGO_BIN_EXE_cbox")
    );
    let script = ["-qefc", &cbox, "/dev/null"];
    let transcript = bench.place.beside("transcript");
    let mut session = bench.place.call("script").args(script);
    session = session
        .env("CBOX_TEST_WORD", &bench.word)
        .env("TERM", "xterm");
    session = session.env("CBOX_FIRMWARE_DIR", bench.place.beside("firmware"));
    let session = session
        .stdin(stdin)
        .stdout(File::create(&transcript).unwrap())
        .start();
    let seen = || fs::read_to_string(&transcript).unwrap();
    let mut press =
        |keys_pressed: &[u8]| std::io::Write::write_all(&mut keys, keys_pressed).unwrap();
    wait_until("it is up", || seen().contains("red"));
    press(b"hello\r");
    wait_until("it has heard", || seen().contains("heard hello"));
    press(b"\x03");
    session.wait().code(130);
    let seen = seen();
    assert!(seen.contains("\u{1b}[31mred\u{1b}[0m"), "{seen:?}");
    assert_eq!(
        seen.matches("Ctrl-C ends the machine").count(),
        1,
        "{seen:?}"
    );
    assert!(seen.contains("stopped by Ctrl-C"), "{seen:?}");
    bench.is_clean();
}

#[test]
fn what_cannot_be_is_one_sentence_and_a_way_out() {
    let Some(bench) = Bench::with("echo up") else {
        return;
    };
    bench.place.ask(&["appliance", "raw"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let forward = format!("{}:80", taken.local_addr().unwrap().port());
    bench.file("text", b"no firmware\n");
    bench.file("zeros", &[0; 1 << 20]);
    bench.file("large", &[0; 9 << 20]);
    bench.place.write("note", "x");
    let iso = "appliance/iso";
    let other = match std::env::consts::ARCH {
        "x86_64" => "appliance/iso/aarch64",
        _ => "appliance/iso/x86_64",
    };
    for (target, options, code, words) in [
        (
            "appliance/qcow2",
            &[][..],
            9,
            &[
                "not built yet: there is no out/appliance-qcow2",
                "cbox appliance qcow2",
            ][..],
        ),
        (other, &[], 9, &["is not built yet", "cbox appliance iso "]),
        (
            "hosts/mini-arm64",
            &[],
            2,
            &["is the system of a machine, and no image"],
        ),
        ("appliance/is", &[], 2, &["has no format `is`", "iso"]),
        ("iso", &[], 2, &["is not a target"]),
        (
            iso,
            &["--until", "a(b"],
            2,
            &["it is no regular expression: unclosed group"],
        ),
        (
            iso,
            &["--until", "a", "--timeout", "0"],
            2,
            &["nothing boots in no time"],
        ),
        (iso, &["--timeout", "5"], 2, &["--until"]),
        (iso, &["--cpus", "0"], 2, &["whole number from 1"]),
        (iso, &["--memory", "much"], 2, &["--memory"]),
        (iso, &["--forward", "80"], 2, &["8080:80"]),
        (iso, &["--forward", &forward], 5, &["is taken", "--forward"]),
        (
            iso,
            &["--forward", "8081:1", "--forward", "8081:2"],
            2,
            &["8081 is forwarded twice"],
        ),
        (
            iso,
            &["--bios", "--firmware", "x"],
            2,
            &["cannot be used with"],
        ),
        (
            iso,
            &["--firmware", "../gone"],
            5,
            &["cannot read the firmware ../gone"],
        ),
        (
            iso,
            &["--firmware", "../text"],
            5,
            &["../text is no UEFI firmware", "12 bytes"],
        ),
        (iso, &["--firmware", "../zeros"], 5, &["no firmware volume"]),
        (
            iso,
            &["--keep", "../state"],
            2,
            &["nothing is ever written to a CD", "--as usb"],
        ),
        (
            "appliance/raw",
            &["--as", "cd"],
            2,
            &["only an ISO 9660 image is a CD"],
        ),
    ] {
        let run = bench.of(target, options).run().code(code).says(words);
        assert_eq!(run.stdout, "", "{run}");
        assert!(!bench.was_started(), "{run}");
    }
    if cfg!(target_arch = "x86_64") {
        let large = bench.boot(&["--firmware", "../large"]).run().code(5);
        large.says(&["larger than 8 MiB"]);
        bench.place.ask(&["appliance", "iso", "aarch64"]);
        let arm = bench.of(other, &["--bios"]).run().code(11);
        arm.says(&["there is no BIOS on aarch64"]);
    }
    if find_program("qemu-img").is_some() {
        let note = ["--as", "usb", "--keep", "note"];
        let note = bench.boot(&note).run().code(2);
        note.says(&["note is there, and is no overlay of an image"]);
        assert_eq!(bench.place.read("note"), "x");
        let nowhere = ["--as", "usb", "--keep", "../no/such/state"];
        let nowhere = bench.boot(&nowhere).run().code(10);
        nowhere.says(&["cannot make the overlay ../no/such/state"]);
    }
    assert!(!bench.was_started());
    bench.is_clean();
}

#[test]
fn without_an_emulator_it_says_which() {
    let Some(bench) = Bench::with("echo up") else {
        return;
    };
    let qemu = format!("qemu-system-{}", std::env::consts::ARCH);
    let path = bench.place.path_with_only(&["git", "nix"]);
    let without = bench.boot(&["--headless"]).env("PATH", &path);
    let without = without.run().code(5);
    without.says(&[&format!("`{qemu}` is not on the PATH"), "install QEMU"]);
    fs::copy(bench.place.beside("bin").join(&qemu), path.join(&qemu)).unwrap();
    let keep = ["--headless", "--as", "usb", "--keep", "../state"];
    let keep = bench.boot(&keep).env("PATH", &path).run().code(5);
    keep.says(&["`qemu-img` is not on the PATH", "`--keep` needs it"]);
}

#[test]
fn an_image_that_is_gone_is_said_to_be() {
    let Some(bench) = Bench::with("echo up") else {
        return;
    };
    let link = bench.place.path("out/appliance-iso");
    fs::remove_file(&link).unwrap();
    let gone = "/nix/store/00000000000000000000000000000000-gone";
    std::os::unix::fs::symlink(gone, &link).unwrap();
    let run = bench.boot(&["--headless"]).run().code(9);
    run.says(&["out/appliance-iso points to is gone", "cbox appliance iso"]);
}
