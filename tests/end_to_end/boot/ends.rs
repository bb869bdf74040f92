//! How a boot ends: signals, readers who go or stop, a probe that hangs, a terminal.

use super::*;

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
    let bench = Bench::with(STAYS);
    stopped(&bench, &["--headless"], Signal::INT, 130);
    stopped(&bench, &["--headless"], Signal::TERM, 143);
    stopped(&bench, &["--until", "never"], Signal::INT, 130);
    stopped(&bench, &["--until", "never"], Signal::HUP, 129);
}

#[test]
fn a_machine_that_does_not_listen_is_killed_by_the_second_signal() {
    let bench = Bench::with(&format!("trap '' TERM INT; {STAYS}"));
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
    let bench = Bench::with("echo up; sleep 60");
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
    let bench = Bench::with(script);
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
    let bench = Bench::with(script);
    let (running, console) = with_reader(&bench, &["--headless"]);
    drop(console);
    let ended = running.wait().ok();
    assert!(!ended.stderr.contains("error"), "{ended}");
    bench.is_clean();
    let (running, console) = with_reader(&bench, &["--until", "^end$"]);
    drop(console);
    running.wait().ok().says(&["printed this line after"]);
    bench.is_clean();
}

#[test]
fn a_reader_who_stops_reading_does_not_keep_ctrl_c_away() {
    let bench = Bench::with("echo up; yes");
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
    // A boot loader, which clears the screen, a kernel, and a system.
    let bench = Bench::with(
        "printf '\\033[2Jmenu'; sleep 1.5; printf '\\033[31mred\\033[0m\\r\\n'; read word; \
         echo \"heard $word\"; read word; sleep 60",
    );
    let (stdin, mut keys) = std::io::pipe().unwrap();
    let cbox = format!(
        "{} boot appliance/iso --headless",
        quoted(env!("CARGO_BIN_EXE_cbox"))
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
    // Once more for whom the boot loader took it off the screen.
    let told: Vec<_> = seen.match_indices("Ctrl-C ends the machine").collect();
    let [before, again] = told[..] else {
        panic!("{seen:?}");
    };
    let menu = seen.find("menu").unwrap();
    assert!(before.0 < menu && menu < again.0, "{seen:?}");
    assert!(seen.contains("stopped by Ctrl-C"), "{seen:?}");
    bench.is_clean();
}

#[test]
fn a_boot_is_a_case_with_its_time() {
    let bench = Bench::with("echo there; sleep 60");
    let file = bench.place.beside("junit.xml");
    let report = |options: &[&str], code: i32| {
        let junit = ["--junit", file.to_str().unwrap()];
        let run = bench.boot(&[options, &junit].concat()).run().code(code);
        let text = fs::read_to_string(&file).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let mut cases = document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"));
        let case = cases.next().unwrap();
        assert!(cases.next().is_none(), "{text}");
        assert_eq!(case.attribute("name"), Some("appliance/iso"), "{run}");
        assert_eq!(case.attribute("classname"), Some("cbox boot"));
        let time: f64 = case.attribute("time").unwrap().parse().unwrap();
        let outcome = case.first_element_child();
        let outcome = outcome.map(|outcome| {
            let kind = outcome.attribute("type").unwrap();
            let word = format!("{} {kind}", outcome.tag_name().name());
            (word, outcome.text().unwrap().to_owned())
        });
        (time, outcome)
    };
    assert_eq!(report(&["--until", "^there$", "-q"], 0).1, None);
    let (time, outcome) = report(&["--until", "never", "--timeout", "1s", "--json"], 13);
    let (word, text) = outcome.unwrap();
    assert_eq!(word, "failure timeout");
    assert!(text.contains("the last lines:\n  there\n"), "{text}");
    assert!((1.0..60.0).contains(&time), "{time}");
    bench.qemu("echo 'no such option' >&2; exit 1");
    let (_, outcome) = report(&["--until", "never"], 5);
    assert_eq!(outcome.unwrap().0, "error environment");
}
