//! Text from outside: none of it is obeyed by whoever shows or reads what cbox writes.
//!
//! Hostile text is planted wherever somebody else could put some, many places at once
//! ([`texts`]), and every command is asked ([`words`]) in a pipe, on a terminal, as a job of
//! GitHub and of GitLab, with `--json` and with `-v`. Every byte that comes is looked at ([`scan`]).
//!
//! The long form (`CBOX_LONG=1`) asks each line in each way; the short one, each line in one of
//! them. With `CBOX_STRINGS=FILE`, a JSON list of strings or one a line, the strings of somebody
//! else's collection are planted too.

mod scan;
mod strings;
mod texts;
mod words;

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::Signal;

use self::{
    scan::{Where, wrong},
    texts::{all, in_json, in_nix, in_shell, long, names},
};
use crate::support::{call::Call, nix, place::Place, quoted, unique};

/// A way to ask: further options, and where the output goes.
#[derive(Debug, Clone, Copy)]
struct Way {
    options: &'static [&'static str],
    place: Where,
}

const WAYS: [Way; 6] = [
    Way {
        options: &["-v"],
        place: Where::GitHub,
    },
    Way {
        options: &["--json"],
        place: Where::Pipe,
    },
    Way {
        options: &[],
        place: Where::Terminal,
    },
    Way {
        options: &["-vv"],
        place: Where::Pipe,
    },
    Way {
        options: &["--json"],
        place: Where::GitHub,
    },
    Way {
        options: &["-v"],
        place: Where::GitLab,
    },
];

fn is_long() -> bool {
    std::env::var_os("CBOX_LONG").is_some()
}

/// Every line in the long form; in the short one, one of `of`, others in each turn.
fn some(lines: &[Vec<String>], turn: usize, of: usize) -> Vec<Vec<String>> {
    let (start, step) = if is_long() { (0, 1) } else { (turn % of, of) };
    lines.iter().skip(start).step_by(step).cloned().collect()
}

/// Asks everything, and fails with all that is wrong at once. `change` is for each call.
#[track_caller]
fn attack(place: &Place, lines: &[Vec<String>], change: impl Fn(Call) -> Call + Sync) {
    let mut calls: Vec<(&[String], Way)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        // Each line comes to each way, in one stage or another.
        let turn = number + line.len() + lines.len();
        for (way, known) in WAYS.iter().enumerate() {
            if is_long() || way == turn % WAYS.len() {
                calls.push((line, *known));
            }
        }
    }
    let wrong = calls.iter().filter_map(|(line, way)| {
        let found = ask(place, line, *way, &change)?;
        Some(format!("{} {way:?}: {found}", in_short(line)))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        calls.len(),
        wrong.join("\n")
    );
}

/// A line as a failed test can show it.
fn in_short(line: &[String]) -> String {
    format!("{line:?}").chars().take(300).collect()
}

/// What is wrong with the output of one call.
fn ask(place: &Place, line: &[String], way: Way, change: &impl Fn(Call) -> Call) -> Option<String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (words, behind) = match line.iter().position(|word| word == "--") {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let has_format = words.contains(&"--format") || words.contains(&"--html");
    words.extend(
        way.options
            .iter()
            .filter(|option| !has_format || **option != "--json"),
    );
    words.extend(behind.iter().map(String::as_str));
    let watches = words[0] == "watch";
    let file = |name: &str| place.beside(&format!("{name}-{number}"));
    let with_way = |call: Call| {
        let call = change(call.env("CBOX_FIRMWARE_DIR", place.beside("firmware")));
        match way.place {
            Where::GitHub => call
                .env("GITHUB_ACTIONS", "true")
                .env("GITHUB_STEP_SUMMARY", file("summary"))
                .env("GITHUB_OUTPUT", file("outputs")),
            Where::GitLab => call.env("GITLAB_CI", "true"),
            _ => call,
        }
    };
    if way.place == Where::Terminal {
        // A machine may draw on the terminal that is its console; what it may not is tested with
        // the console.
        if words.contains(&"--headless") {
            return None;
        }
        let mut terminal = place.in_terminal(&words, (90, 40), with_way)?;
        if watches {
            terminal.wait_for("a save is waited for, or an error", |rows| {
                // What is wrong may have scrolled by, and the hint behind it is there.
                let words = ["waiting for a save", "error", "hint: "];
                rows.iter()
                    .any(|row| words.iter().any(|word| row.contains(word)))
            });
            terminal.press(b"\x03");
        }
        return wrong(&terminal.wait().bytes, Where::Terminal);
    }
    let outputs = [file("stdout"), file("stderr")];
    let create = |path: &PathBuf| File::create(path).unwrap();
    let call = with_way(place.cbox(&words));
    let mut running = call
        .stdout(create(&outputs[0]))
        .stderr(create(&outputs[1]))
        .start();
    if watches {
        crate::support::wait_until("it watches", || {
            running.has_ended()
                || outputs
                    .iter()
                    .any(|path| fs::metadata(path).unwrap().len() > 0)
        });
        std::thread::sleep(std::time::Duration::from_secs(2));
        if !running.has_ended() {
            running.signal(Signal::INT);
        }
    }
    let ended = running.wait();
    assert_ne!(
        ended.status.code(),
        Some(101),
        "{} panicked",
        in_short(line)
    );
    let has_json = !words.contains(&"--help") && words[0] != "completions";
    let is_document = words.contains(&"--json") && has_json;
    let mut found = Vec::new();
    for path in outputs.iter().chain(&[file("summary"), file("outputs")]) {
        let bytes = fs::read(path).unwrap_or_default();
        let all = match way.place {
            _ if path == &outputs[0] && is_document => Where::Document,
            Where::GitHub if !outputs.contains(path) => Where::Pipe,
            place => place,
        };
        found.extend(wrong(&bytes, all).map(|wrong| format!("{}: {wrong}", path.display())));
        if path == &outputs[0] && is_document && !bytes.is_empty() && !watches {
            let document: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
            found.extend(document.err().map(|error| format!("no JSON: {error}")));
        }
    }
    (!found.is_empty()).then(|| found.join("\n  "))
}

/// A host whose build prints everything, and has it in its environment.
fn derivation(text: &str, ends: &str) -> String {
    let script = format!("printf '%s\\n' \"$text\"; printf '\\377\\033[2J\\n'; {ends}");
    format!(
        "derivation {{ name = \"box\"; system = \"{}\"; builder = \"/bin/sh\"; text = {}; \
         {} = {}; args = [ \"-c\" {} ]; }}",
        nix::native(),
        in_nix(text),
        in_nix("MARKED\u{1b}[2J\u{9b}\u{202e}::error::MARKED"),
        in_nix(text),
        in_nix(&script),
    )
}

/// The mini box, with hostile text in all that works nevertheless, and something built.
fn place() -> Place {
    let place = Place::minibox();
    for name in names() {
        place.write(
            PathBuf::from("planted").join(OsStr::from_bytes(&name)),
            "MARKED",
        );
        let folder = PathBuf::from("planted/in").join(OsStr::from_bytes(&name));
        place.write(
            folder.join("key.pem"),
            "-----BEGIN PRIVATE KEY-----\n\u{1b}[2J\u{9b}MARKED\n",
        );
    }
    let box_of = |text: &str, ends: &str| {
        format!(
            "{{ nixpkgs.hostPlatform.system = \"{0}\"; networking.hostName = {1}; \
                 system.build.toplevel = builtins.trace {1} ({2}); }}",
            nix::native(),
            in_nix(&all()),
            derivation(text, ends)
        )
    };
    let original = place.read("flake.nix");
    let hosts = |text: &str| {
        let good = box_of(text, "echo \"$text\" >$out");
        let bad = box_of(&unique(), "echo last; exit 3");
        let throws = format!("throw {}", in_nix(&long()));
        let hostile = in_nix("MARKED\u{1b}[2J\u{9b}");
        place.write("hosts/box/default.nix", "{ }");
        place.write("hosts/bad/default.nix", "{ }");
        let of_folders = "nixosConfigurations = lib.discoverHosts ./hosts;";
        assert!(original.contains(of_folders));
        let text = original.replace(
            of_folders,
            &format!(
                "nixosConfigurations = lib.discoverHosts ./hosts // {{ box.config = {good}; \
             bad.config = {bad}; {hostile}.config = {throws}; }};"
            ),
        );
        let description = text
            .lines()
            .find(|line| line.contains("description ="))
            .unwrap();
        place.write(
            "flake.nix",
            text.replace(description, &format!("description = {};", in_nix(&all()))),
        );
    };
    hosts(&format!("before\n{}", unique()));
    place.write(
        "cbox.toml",
        format!(
            "{}\n[[source.allow]]\npath = {1}\nfinding = \"private-key\"\nwhy = {1}\n",
            place.read("cbox.toml").replace(
                "exclude = []",
                &format!("exclude = [{}]", in_json("/x\u{1b}[2J\u{9b}\u{202e}"))
            ),
            in_json("/planted/in/*"),
        ),
    );
    place.commit(&all());
    place.git(&["checkout", "--quiet", "-b", "MARKED\u{9b}\u{202e}x"]);
    place.ask(&["appliance", "iso"]);
    place.cbox(&["build", "box", "mini-thinkcentre"]).run().ok();
    place.cbox(&["accept"]).run();
    place.git(&["add", "--all"]);
    place.commit("accepted");
    hosts(&format!("after\n{}\n{}", all(), unique()));
    place.edit(
        "hosts/mini-thinkcentre/default.nix",
        "\"The machine under the desk.\\n\"",
        &in_nix(&all()),
    );
    // What others print: firmware, QEMU, and drives that are files.
    place.stand_in_firmware();
    let printed = in_shell(&format!("{}\r\nready\r\n", all()));
    for arch in ["x86_64", "aarch64"] {
        let script = format!(
            "case \" $* \" in *' -nodefaults '*) exit 1 ;; esac\n\
            printf %s {printed}; printf '\\377\\233\\n' >&2; printf %s {printed} >&2; exit 1"
        );
        place.stand_in(&format!("qemu-system-{arch}"), &script);
    }
    place.write(place.beside("drive"), vec![0; 1 << 20]);
    place
}

#[test]
fn what_is_planted_in_a_tree_that_works_is_shown_and_not_obeyed() {
    let place = place();
    attack(&place, &words::lines(&place), |call| call);
}

/// A file that holds `text` in the place of every string of JSON, or as the names.
fn with_strings(json: &str, change: &impl Fn(&str) -> String) -> String {
    fn walk(value: &mut serde_json::Value, change: &impl Fn(&str) -> String) {
        match value {
            serde_json::Value::String(text) => *text = change(text),
            serde_json::Value::Array(all) => all.iter_mut().for_each(|value| walk(value, change)),
            serde_json::Value::Object(all) => {
                all.values_mut().for_each(|value| walk(value, change))
            }
            _ => {}
        }
    }
    let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
    walk(&mut value, change);
    value.to_string()
}

#[test]
fn records_that_somebody_has_changed_are_shown_and_not_obeyed() {
    let place = place();
    let lines = words::lines(&place);
    let known = ["x86_64-linux", "aarch64-linux"];
    let hostile = |text: &str| {
        // What a type would refuse stays, so that the rest is read.
        match text.starts_with("/nix/") || known.contains(&text) || text.starts_with("sha256-") {
            true => text.to_owned(),
            false => format!("{text}{}", all()),
        }
    };
    let manifests = [
        "out/appliance-iso.json",
        "out/hosts-box.json",
        "out/hosts-mini-thinkcentre.json",
    ];
    let before: Vec<String> = manifests.iter().map(|file| place.read(file)).collect();
    for (file, text) in manifests.iter().zip(&before) {
        place.write(file, with_strings(text, &hostile));
    }
    for name in names() {
        let link = place.path("out").join(OsStr::from_bytes(&name));
        std::os::unix::fs::symlink(OsStr::from_bytes(&name), link).unwrap();
    }
    attack(&place, &lines, |call| call);
    // What no type takes: paths, systems, whole documents, keys.
    let baseline = place.read("baseline.json");
    for (number, text) in [
        with_strings(&baseline, &|text| format!("{text}{}", texts::LINES[0])),
        with_strings(&baseline, &|_| long()),
        format!("{{{}: {}}}", in_json(&all()), in_json(&all())),
        baseline.replacen("\"box\"", &in_json(&all()), 1),
        format!("{} {}", all(), long()),
        format!("{{\"schema\": 99, \"by\": {}}}", in_json(&all())),
    ]
    .iter()
    .enumerate()
    {
        place.write("baseline.json", text);
        for (file, before) in manifests.iter().zip(&before) {
            match number % 2 {
                0 => place.write(
                    file,
                    with_strings(before, &|text| format!("{text}{}", all())),
                ),
                _ => place.write(file, text),
            }
        }
        attack(&place, &some(&lines, number, 4), |call| call);
    }
}

#[test]
fn a_cbox_toml_is_shown_and_not_obeyed() {
    let place = Place::minibox();
    let lines = words::lines(&place);
    let before = place.read("cbox.toml");
    let value = in_json(&all());
    for (number, text) in [
        format!("{value} = 1\n{before}"),
        format!("hosts = [{value}]\n{before}"),
        before.replace("kind = \"appliance\"", &format!("kind = {value}")),
        before.replace("format = \"iso\"", &format!("format = {value}")),
        before.replace("host = \"_appliance_iso\"", &format!("host = {value}")),
        before.replace("system.build.isoImage", "a.\u{9b}b..::error::c"),
        before.replace("iso/*.iso", "a/[\\u001b[2J\\u009b\\u202e"),
        before.replace("\"x86_64-linux\"", &value),
        before.replace("[source]", &format!("[source]\nbaked = {value}")),
        before.replace("local = [", &format!("local = [{value}, ")),
        before.replace("exclude = []", &format!("exclude = [{value}]")),
        format!("{before}\n[[source.allow]]\npath = \"x\"\nfinding = {value}\nwhy = {value}\n"),
        format!("{before}\n[target.overrides.{value}]\n{value} = {value}\n"),
        format!("not = [ \u{9b}\u{202e}\n::error::MARKED\n{}", long()),
        format!("x = 1979-05-27T07:32:00Z{}", texts::LINES[0]),
    ]
    .iter()
    .enumerate()
    {
        assert_ne!(*text, before);
        place.write("cbox.toml", text);
        attack(&place, &some(&lines, number, 4), |call| call);
    }
}

#[test]
fn what_nix_and_git_print_is_shown_and_not_obeyed() {
    let place = place();
    let lines = words::lines(&place);
    let file = |name: &str, text: &[u8]| {
        let path = place.beside(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let raw = file(
        "raw",
        &[all().as_bytes(), b"\n\xff\x9b\n", long().as_bytes(), b"\n"].concat(),
    );
    // Each kind of event, with a text wherever it can have one.
    let mut events = String::new();
    let text = in_json(&all());
    for kind in [
        0, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112,
    ] {
        events.push_str(&format!(
            "@nix {{\"action\":\"start\",\"id\":{kind},\"level\":0,\"parent\":0,\"text\":{text},\
             \"type\":{kind},\"fields\":[{text},{text},1,1]}}\n"
        ));
        events.push_str(&format!(
            "@nix {{\"action\":\"result\",\"id\":{kind},\"type\":{kind},\"fields\":[{text}]}}\n"
        ));
    }
    events.push_str("@nix {\"action\":\"result\",\"id\":105,\"type\":101,\"fields\":[");
    events.push_str(&format!(
        "{text}]}}\n@nix {{\"action\":\"msg\",\"level\":1,\"msg\":{text}}}\n"
    ));
    let errors = format!(
        "@nix {{\"action\":\"msg\",\"level\":0,\"msg\":{}}}\n",
        in_json(&format!("error: {}", all()))
    );
    let events = file("events", events.as_bytes());
    let errors = file("errors", errors.as_bytes());
    let nix = quoted(nix::real());
    let git = quoted(crate::support::call::find_program("git").unwrap());
    let real = format!("exec {nix} \"$@\"");
    for (program, script) in [
        // Beside all that works.
        (
            "nix",
            format!(
                "cat {raw} >&2; case \" $* \" in *internal-json*) cat {events} >&2 ;; esac; {real}"
            ),
        ),
        (
            "nix",
            format!("case \" $* \" in *' --version '*) cat {raw} ;; *) {real} ;; esac"),
        ),
        (
            "nix",
            format!(
                "case \" $* \" in *' --version '*) printf 'nix (Nix) 2.26.3 '; cat {raw} ;; *) {real} ;; esac"
            ),
        ),
        // In the place of what would work.
        (
            "nix",
            format!("case \" $* \" in *' --version '*) {real} ;; *) cat {raw} >&2; exit 1 ;; esac"),
        ),
        (
            "nix",
            format!(
                "case \" $* \" in *' eval '*) printf 'error: ' >&2; cat {raw} >&2; exit 1 ;; *) {real} ;; esac"
            ),
        ),
        (
            "nix",
            format!("case \" $* \" in *' eval '*) cat {raw}; exit 0 ;; *) {real} ;; esac"),
        ),
        (
            "nix",
            format!(
                "case \" $* \" in *' build '*) cat {events} {errors} >&2; exit 1 ;; *) {real} ;; esac"
            ),
        ),
        ("git", format!("cat {raw} >&2; exec {git} \"$@\"")),
        ("git", format!("cat {raw} >&2; exit 128")),
        (
            "git",
            format!(
                "case \" $* \" in *' --version '*) cat {raw} ;; *' ls-files '*) exec {git} \"$@\" ;; *) cat {raw}; exit 0 ;; esac"
            ),
        ),
    ] {
        place.stand_in(program, &script);
        attack(&place, &some(&lines, script.len(), 6), |call| call);
        fs::remove_file(place.beside("bin").join(program)).unwrap();
    }
}

#[test]
fn words_and_variables_are_shown_and_not_obeyed() {
    let place = Place::minibox();
    let lines = words::lines(&place);
    let mut commands: Vec<&str> = lines.iter().map(|line| line[0].as_str()).collect();
    commands.dedup();
    let mut asked = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        for (turn, text) in texts::LINES.iter().chain(&[&*all(), &*long()]).enumerate() {
            let text = &text[..text.floor_char_boundary(100_000)].to_owned();
            let lines = [
                vec![text.clone()],
                vec![format!("--{text}")],
                vec!["--flake".into(), text.clone()],
                vec!["--host".into(), text.clone()],
                vec!["--set".into(), format!("{text}={text}")],
                vec!["--set".into(), format!("a.b={text}")],
                vec!["--jobs".into(), text.clone()],
                vec!["--format".into(), text.clone()],
                vec!["--out-dir".into(), text.clone(), "x".into()],
                vec!["--store".into(), text.clone()],
                vec!["--override-input".into(), text.clone(), text.clone()],
                vec!["x".into(), "--until".into(), format!("({text}")],
                vec!["box".into(), "--".into(), text.clone()],
                vec![text.clone(), "--help".into()],
                vec![format!("appliance/{text}"), text.clone()],
            ];
            if is_long() || (turn + number) % 4 == 0 {
                let words = &lines[(turn + number) % lines.len()];
                asked.push([&[(*command).to_owned()], &words[..]].concat());
            }
        }
    }
    for text in texts::LINES {
        asked.push(vec![text.to_owned()]);
        asked.push(vec![text.to_owned(), "--help".to_owned()]);
    }
    attack(&place, &asked, |call| call);
    // What is no text at all, behind words that wait for some.
    let raw = OsStr::from_bytes(b"MARKED\xff\x1b[2J\x9b");
    let alone: Vec<Vec<String>> = lines.iter().map(|line| line[..1].to_vec()).collect();
    attack(&place, &alone, |call| call.args([raw]));
    let folder = place
        .beside("tmp")
        .join(OsStr::from_bytes("MARKED\u{1b}[2J\u{9b}::".as_bytes()));
    fs::create_dir(&folder).unwrap();
    for (name, value) in [
        (
            "CBOX_HEARTBEAT",
            OsStr::new("\u{1b}[2J\u{9b}\n::error::MARKED"),
        ),
        ("TMPDIR", folder.as_os_str()),
        ("TMPDIR", raw),
        ("XDG_CACHE_HOME", folder.as_os_str()),
        ("HOME", folder.as_os_str()),
        ("CBOX_FIRMWARE_DIR", folder.as_os_str()),
        (
            "NIX_CONFIG",
            OsStr::new("\u{1b}[2J\u{9b} = MARKED\n::error::MARKED"),
        ),
        (
            "GITHUB_BASE_REF",
            OsStr::new("\u{1b}[2J\u{9b}\n::error::MARKED"),
        ),
        (
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
            OsStr::new("\u{1b}[0Ksection_start:1:MARKED\r\u{1b}[0K"),
        ),
        (
            "CI_MERGE_REQUEST_DIFF_BASE_SHA",
            OsStr::new("--MARKED\u{1b}[0Ksection_end:1:a\r\u{1b}[0K"),
        ),
        (
            "GC_INITIAL_HEAP_SIZE",
            OsStr::new("\u{1b}[2J\u{9b}\n::error::MARKED"),
        ),
    ] {
        attack(&place, &some(&lines, name.len(), 6), |call| {
            call.env("GITHUB_EVENT_NAME", "pull_request")
                .env(name, value)
        });
    }
}
