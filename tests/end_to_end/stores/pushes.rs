//! `cbox build --push`: what was built is copied to another store beside the builds that go on,
//! and nothing is lost where that store does not take it.

use std::fs;

use rustix::process::Signal;

use super::lab::{Lab, each, each_with_builder};
use crate::support::{
    call::{Ended, find_program},
    nix::{native, say_left_out},
    place::Place,
    processes, quoted,
    tiny::{self, script_host},
    unique, wait_until,
};

/// Two hosts, the second of which is bigger than a small store.
fn place() -> Place {
    let word = unique();
    let random = "/usr/bin/head -c 3000000 /dev/urandom >$out";
    Place::flake(&tiny::flake(&[
        (
            "small",
            &script_host("small", &format!("echo {word} >$out")),
        ),
        (
            "large",
            &script_host("large", &format!(": {word}; {random}")),
        ),
    ]))
}

const BOTH: [&str; 3] = ["build", "hosts/large", "hosts/small"];

fn folder(lab: &Lab, name: &str) -> std::path::PathBuf {
    lab.place.beside(name)
}

fn cache(lab: &Lab, name: &str) -> String {
    format!("file://{}", folder(lab, name).display())
}

/// Whether a store has what the link of a target points to.
fn has(lab: &Lab, store: &str, slug: &str) -> bool {
    let out = lab.place.link(slug);
    let asked = lab.nix(&["path-info", "--store", store, &out]);
    asked.run().status.success()
}

/// The command that an error tells to run.
fn told(ended: &Ended, behind: &str) -> String {
    let (_, hint) = ended.stderr.split_once("hint: `").unwrap();
    hint.split_once(behind).unwrap().0.to_owned()
}

#[test]
fn a_target_is_pushed_while_the_next_is_built() {
    let place = || {
        let place = Place::empty("repo");
        let quick = script_host("quick", &format!("echo {} >$out", unique()));
        // It ends when the cache has the other one.
        let late = format!(
            "(part: derivation {{ name = \"late\"; system = \"{}\"; builder = \"/bin/sh\"; args = [ \"-c\" \
             \"until /bin/ls {}/*.narinfo; do /bin/sleep 0.1; done; echo ${{part}} >$out\" ]; }}) ({quick})",
            native(),
            place.beside("cache-of-team").display()
        );
        place.write(
            "flake.nix",
            tiny::flake(&[("quick", &quick), ("late", &late)]),
        );
        place.write(".gitignore", "/out/\n");
        place.make_repository();
        place
    };
    each(place, |lab| {
        let store = cache(&lab, "cache-of-team");
        let words = ["build", "hosts/late", "hosts/quick", "--push", &store];
        let ended = lab.cbox(&words).run().ok().says(&[
            &format!("pushing hosts/quick to {store}"),
            &format!("pushing hosts/late to {store}"),
            "pushed hosts/late in",
            "built 2 derivations, pushed 2 targets, in",
        ]);
        let place = |line: &str| ended.stderr.find(line).unwrap();
        assert!(place("pushed hosts/quick in") < place("built late in"));
        assert_eq!(ended.lines(), ["out/hosts-late", "out/hosts-quick"]);
        assert!(has(&lab, &store, "hosts-late") && has(&lab, &store, "hosts-quick"));
        let log = fs::read_dir(lab.place.path("out/.log")).unwrap();
        let logs = log.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default());
        assert!(logs.collect::<String>().contains("pushed hosts/late in"));
        // What is built already goes to another store as well, and programs are told.
        let other = cache(&lab, "other");
        let again = ["build", "hosts/late", "hosts/quick", "--push", &other];
        let ended = lab.cbox(&again).args(["--json"]).run().ok();
        let targets = ended.json()["targets"].clone();
        assert_eq!(
            (&targets[0]["pushed"], &targets[1]["pushed"]),
            (&true.into(), &true.into())
        );
        assert!(has(&lab, &other, "hosts-late") && has(&lab, &other, "hosts-quick"));
        let ended = lab.cbox(&again).args(["--json-lines"]).run().ok();
        let pushed = "\"event\":\"push-ended\"";
        assert_eq!(ended.stdout.matches(pushed).count(), 2, "{ended}");
        let without = lab.cbox(&again[..3]).args(["--json"]).run().ok();
        assert_eq!(without.json()["targets"][0].get("pushed"), None);
    });
}

#[test]
fn a_store_that_is_full_half_way_is_told_and_the_other_target_is_pushed() {
    each(place, |lab| {
        let full = folder(&lab, "full");
        fs::create_dir(&full).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        lab.call("mount").args(mount).args([&full]).run().ok();
        let store = cache(&lab, "full");
        let report = lab.place.beside("report.xml");
        let words = [&BOTH[..], &["--push", &store, "--json", "--junit"]].concat();
        let ended = lab.cbox(&words).args([&report]).run().code(10);
        let ended = ended.says(&[
            &format!("error: hosts/large is built, and not pushed to {store}: "),
            "No space left on device",
            "failed: pushing hosts/large after",
            "pushed hosts/small in",
            "built 2 derivations, pushed 1 target, in",
        ]);
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{ended}");
        let document = ended.json();
        let pushed = [0, 1].map(|number| document["targets"][number]["pushed"].clone());
        assert_eq!(pushed, [false, true]);
        assert_eq!(document["errors"][0]["exitCode"], 10);
        assert!(has(&lab, &store, "hosts-small") && !has(&lab, &store, "hosts-large"));
        let report = fs::read_to_string(report).unwrap();
        assert!(
            report.contains("tests=\"2\" failures=\"0\" errors=\"1\""),
            "{report}"
        );
        // With room, what is told to run pushes it.
        lab.call("mount")
            .args(["-o", "remount,size=64m"])
            .args([&full])
            .run()
            .ok();
        let again = told(&ended, "` pushes it again");
        lab.call("sh").args(["-c", &again]).run().ok();
        assert!(has(&lab, &store, "hosts-large"));
    });
}

/// An HTTP cache that can be written to, and closes the connection in the middle of what is large.
const SERVER: &str = r#"
import http.server, os, sys

class Cache(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            body = open("." + self.path, "rb").read()
        except OSError:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
    do_HEAD = do_GET
    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        if length > 1000000:
            self.rfile.read(1000)
            return self.connection.close()
        os.makedirs(os.path.dirname("." + self.path), exist_ok=True)
        open("." + self.path, "wb").write(self.rfile.read(length))
        self.send_response(201)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", 8001), Cache).serve_forever()
"#;

#[test]
fn a_cache_that_breaks_off_or_is_down_loses_nothing() {
    each(place, |lab| {
        lab.configure("download-attempts = 1");
        let none = "http://127.0.0.1:9";
        let words = [&BOTH[..], &["--push", none]].concat();
        let ended = lab.cbox(&words).run().code(10);
        let ended = ended.says(&[
            &format!("warning: {none}, which is to be pushed to, does not answer: "),
            &format!("error: hosts/large is built, and not pushed to {none}: "),
            &format!("error: hosts/small is built, and not pushed to {none}: "),
            "built 2 derivations, in",
        ]);
        assert_eq!(ended.lines(), ["out/hosts-large", "out/hosts-small"]);
        let Some(python) = find_program("python3") else {
            say_left_out("no `python3` here");
            return;
        };
        let files = folder(&lab, "http");
        fs::create_dir(&files).unwrap();
        lab.place
            .write(files.join("nix-cache-info"), "StoreDir: /nix/store\n");
        lab.place.write(lab.place.beside("server.py"), SERVER);
        let serve = format!(
            "cd {} && exec {} {} >/dev/null 2>&1 &",
            quoted(&files),
            quoted(python),
            quoted(lab.place.beside("server.py"))
        );
        lab.call("sh").args(["-c", &serve]).run().ok();
        let store = "http://127.0.0.1:8001";
        wait_until("it serves", || {
            let asked = lab.nix(&["store", "info", "--store", store]).run();
            asked.status.success()
        });
        let ended = lab
            .cbox(&[&BOTH[..], &["--push", store]].concat())
            .run()
            .code(10);
        let ended = ended.says(&[
            &format!("error: hosts/large is built, and not pushed to {store}: "),
            "pushed hosts/small in",
        ]);
        assert!(!ended.stderr.contains("warning"), "{ended}");
        assert!(has(&lab, store, "hosts-small") && !has(&lab, store, "hosts-large"));
        lab.end_all("server.py");
    });
}

#[test]
fn a_store_that_there_is_not_is_said_before_anything_is_built() {
    let place = place();
    for store in ["nonsense", "ftp://cache"] {
        let run = place.cbox(&[&BOTH[..], &["--push", store]].concat()).run();
        let run = run.code(2).says(&[
            &format!("error: `--push`: Nix knows no store `{store}`"),
            "hint: what is built can be pushed to `file:///DIR`",
        ]);
        assert!(!run.stderr.contains("building"), "{run}");
        assert!(place.names("out").is_empty());
    }
    let folder = place.beside("folder").display().to_string();
    let run = place
        .cbox(&[&BOTH[..], &["--push", &folder]].concat())
        .run();
    run.code(2).says(&[
        &format!("error: `--push`: {folder} is a folder"),
        &format!("hint: `file://{folder}` is a binary cache in it"),
    ]);
    assert!(!place.beside("folder").exists());
    for option in ["--drv", "--dry-run"] {
        let words = [&BOTH[..], &["--push", "file:///x", option]].concat();
        place.cbox(&words).run().code(2).says(&[option]);
    }
}

/// As docs/ci.md has it for GitHub's cache: a folder that the jobs restore and save.
#[test]
fn a_folder_that_is_pushed_to_is_the_next_jobs_cache() {
    each(place, |lab| {
        let store = cache(&lab, "kept");
        let push = format!("{store}?compression=zstd");
        let words = [&BOTH[..], &["--no-link", "--push", &push, "--"]].concat();
        let trusted = format!("{store}?trusted=true");
        let build = || {
            let call = lab
                .cbox(&words)
                .args(["--option", "extra-substituters", &trusted]);
            call.run().ok()
        };
        let first = build().says(&["built 2 derivations, pushed 2 targets"]);
        // Another machine has nothing yet.
        lab.nix(&["store", "delete"]).args(first.lines()).run().ok();
        let second = build().says(&["fetched 2 paths", "pushed 2 targets"]);
        assert!(!second.stderr.contains("building"), "{second}");
        assert_eq!(second.lines(), first.lines());
    });
}

#[test]
fn another_machine_takes_what_a_trusted_key_signed() {
    each_with_builder(place, |lab| {
        let push = ["build", "hosts/small", "--push", "ssh-ng://builder"];
        let ended = lab.cbox(&push).run().code(10);
        ended.says(&[
            "error: hosts/small is built, and not pushed to ssh-ng://builder: ",
            "lacks a signature by a trusted key",
        ]);
        let (secret, public) = (folder(lab, "secret"), folder(lab, "public"));
        let words = ["--generate-binary-cache-key", "team-1"];
        let made = lab.call("nix-store").args(words).args([&secret, &public]);
        made.run().ok();
        lab.configure(&format!("secret-key-files = {}", secret.display()));
        let public = fs::read_to_string(public).unwrap();
        lab.configure_in("conf-builder", &format!("trusted-public-keys = {public}"));
        // What is there is not signed afterwards.
        let text = lab
            .place
            .read("flake.nix")
            .replace(">$out", "; echo more >$out");
        lab.place.write("flake.nix", text);
        lab.cbox(&push).run().ok();
        assert!(lab.holds("nix-builder", &lab.place.link("hosts-small")));
        // What is built there goes on from there.
        let store = cache(lab, "cache-of-team");
        let there = ["build", "hosts/large", "--store", "ssh-ng://builder"];
        let ended = lab.cbox(&[&there[..], &["--push", &store]].concat());
        let ended = ended.run().ok().says(&["pushed hosts/large in"]);
        assert!(!lab.holds("nix", ended.text()), "{ended}");
        let asked = lab.nix(&["path-info", "--store", &store, ended.text()]);
        asked.run().ok();
    });
}

#[test]
fn ctrl_c_ends_a_push_and_leaves_what_is_built() {
    let place = place();
    let store = format!("file://{}", place.beside("cache-of-team").display());
    let word = unique();
    let reached = place.stall("nix", "*' copy '*");
    let words = ["build", "hosts/small", "--push", &store];
    let call = place.cbox(&words).env("CBOX_TEST_WORD", &word);
    let running = call.start();
    wait_until("it pushes", || {
        reached.exists() && place.path("out/hosts-small.json").exists()
    });
    running.signal(Signal::INT);
    let ended = running.wait().code(130);
    assert!(!ended.stderr.contains("not pushed"), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
    // As if it had not been asked for.
    let built = place.link("hosts-small");
    fs::remove_file(place.beside("bin/nix")).unwrap();
    place.cbox(&words).run().ok().says(&["pushed 1 target"]);
    assert_eq!(place.link("hosts-small"), built);
}
