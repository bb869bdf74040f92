//! `cbox clean`: what it removes, what it leaves alone, and what that frees.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    bad_words::fails,
    support::{nix::native, place::Place, tiny, wait_until},
};

/// A place with the hosts `a` and `b`, built and linked.
fn built() -> Place {
    let hosts = [("a", "echo a >$out"), ("b", "echo b >$out")];
    let place = Place::flake(&tiny::scripts(&hosts));
    place.ask(&["build", "hosts/a", "hosts/b"]);
    place
}

const BOTH: [&str; 4] = ["hosts-a", "hosts-a.json", "hosts-b", "hosts-b.json"];

/// A log that no test is old enough to find old.
const YOUNG_LOG: &str = "29990101T000000Z-hosts-a.log";

/// Lets the link of `slug` be as old as the hills.
fn make_old(place: &Place, slug: &str) {
    let now = place.manifest(slug)["linkedAt"].to_string();
    let file = format!("out/{slug}.json");
    place.edit(
        &file,
        &format!("\"linkedAt\": {now}"),
        "\"linkedAt\": \"2001-09-09T01:46:40Z\"",
    );
}

#[test]
fn something_has_to_be_named() {
    let place = built();
    let run = fails(
        &place,
        &["clean"],
        2,
        &["nothing to remove is named", "--older-than 7d", "--all"],
    );
    assert_eq!(run.stderr.lines().count(), 2, "{run}");
    for (args, words) in [
        (&["clean", "--dry-run"][..], "nothing to remove is named"),
        (&["clean", "--older-than", "7 d"], "7d"),
        (&["clean", "--older-than", "soon"], "7d"),
        (&["clean", "--all", "hosts/a"], "--all"),
        (&["clean", "--all", "--older-than", "1d"], "--all"),
        (&["clean", "hosts/a", "hosts/a"], "twice"),
        (&["clean", "hosts/a", "hosts/bb"], "did you mean `hosts/b`"),
        (&["clean", "appliance/iso/x86"], "did you mean `x86_64`"),
        (&["clean", "a/b/c/d"], "`a/b/c/d` is not a target"),
        (&["clean", "c"], "hosts/c"),
    ] {
        fails(&place, args, 2, &[words]);
    }
    assert_eq!(place.names("out"), BOTH);
}

#[test]
fn a_target_goes_with_its_records_and_its_root() {
    let place = Place::minibox();
    place.ask(&["build", "appliance/iso", "appliance/qcow2"]);
    let iso = place.link("appliance-iso");
    let printed = place.ask(&["clean", "appliance/iso"]);
    let [removed, freed] = &printed.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed}")
    };
    assert_eq!(*removed, "removed appliance/iso");
    assert!(
        freed.starts_with("`nix-collect-garbage` frees up to 22."),
        "{printed}"
    );
    let rest = [
        "appliance-qcow2",
        "appliance-qcow2.json",
        "appliance-qcow2.sha256",
    ];
    assert_eq!(place.names("out"), rest);
    assert!(place.roots(&iso).is_empty());
    assert!(Path::new(&iso).exists(), "cbox collects no garbage");
    fails(
        &place,
        &["clean", "appliance/iso"],
        9,
        &["is not built", "cbox appliance iso"],
    );
    assert_eq!(place.names("out"), rest);
}

#[test]
fn a_dry_run_says_the_same_and_removes_nothing() {
    let place = built();
    let dry = |args: &[&str]| place.cbox(&[args, &["--json"]].concat()).run().ok().json();
    let would = dry(&["clean", "hosts/a", "-n"]);
    assert_eq!(would["dryRun"], true);
    assert_eq!(place.names("out"), BOTH);
    let run = place.cbox(&["clean", "hosts/a", "--dry-run"]).run().ok();
    assert!(run.stdout.starts_with("would remove hosts/a\n"), "{run}");
    let done = dry(&["clean", "hosts/a"]);
    for field in ["removed", "freed", "leftAlone", "logs", "command"] {
        assert_eq!(would[field], done[field], "{field}");
    }
    assert_eq!(done["removed"][0]["target"], "hosts/a");
    assert_eq!(place.names("out"), BOTH[2..]);
}

#[test]
fn what_is_old_goes_and_what_is_young_stays() {
    let place = built();
    make_old(&place, "hosts-a");
    let logs = ["20010101T000000Z-hosts-a.log", YOUNG_LOG, "notes.txt"];
    for log in logs {
        place.write(Path::new("out/.log").join(log), "");
    }
    let logs = || place.names("out/.log").contains(&YOUNG_LOG.to_owned());
    let printed = place.ask(&["clean", "--older-than", "1d"]);
    assert!(
        printed.starts_with("removed hosts/a\nremoved 1 log\n"),
        "{printed}"
    );
    assert_eq!(place.names("out"), BOTH[2..]);
    // Without a unit it is seconds, as for `--timeout`.
    let run = place.cbox(&["clean", "--older-than", "3600"]).run().ok();
    run.says(&["nothing to remove"]);
    assert!(logs() && place.path("out/.log/notes.txt").exists());
    let run = place.cbox(&["clean", "--older-than", "1d"]).run().ok();
    assert_eq!(run.stdout, "", "{run}");
    run.says(&["nothing to remove"]);
    // With targets it is about those alone, and logs are of all.
    place.ask(&["build", "hosts/a"]);
    make_old(&place, "hosts-a");
    make_old(&place, "hosts-b");
    place.write("out/.log/20010101T000000Z-hosts-a.log", "");
    place.ask(&["clean", "--older-than", "1d", "hosts/b"]);
    assert_eq!(place.names("out"), BOTH[..2]);
    assert!(place.path("out/.log/20010101T000000Z-hosts-a.log").exists());
}

#[test]
fn all_is_all_that_cbox_made_and_nothing_else() {
    let place = Place::minibox();
    let platform = format!("nixpkgs.buildPlatform={}", native());
    place.ask(&["build", "hosts/mini-thinkcentre", "--set", &platform]);
    place.ask(&["appliance", "iso"]);
    let host = place.link("hosts-mini-thinkcentre");
    let manifest = place.read("out/hosts-mini-thinkcentre.json");
    let of = |name: &str| manifest.replace("hosts/mini-thinkcentre", &format!("hosts/{name}"));
    let link = |name: &str, target: &str| symlink(target, place.path("out").join(name)).unwrap();
    // Not cbox's, each in its own way.
    place.write("out/notes.txt", "mine\n");
    place.write("out/folder/appliance-iso.json", "mine\n");
    place.write(
        "out/hosts-mini-thinkcentre.sha256",
        "mine: a host has no image\n",
    );
    place.write("out/hosts-newer.json", r#"{"schema": 999}"#);
    link("hosts-newer", &host);
    link("hosts-plain", &host);
    place.write("out/hosts-changed.json", of("changed"));
    link(
        "hosts-changed",
        "/nix/store/00000000000000000000000000000000-other",
    );
    fs::write(place.beside("precious.json"), of("outside")).unwrap();
    link("hosts-outside", &host);
    link(
        "hosts-outside.json",
        place.beside("precious.json").to_str().unwrap(),
    );
    fs::create_dir(place.beside("precious")).unwrap();
    fs::write(place.beside("precious/file"), "mine\n").unwrap();
    link(".cbox-link", place.beside("precious").to_str().unwrap());
    link(
        "hosts-file",
        place.beside("precious/file").to_str().unwrap(),
    );
    place.write(
        "out/hosts-file.json",
        of("file").replace(&host, place.beside("precious/file").to_str().unwrap()),
    );
    // cbox's, though the link is gone.
    place.write("out/hosts-unlinked.json", of("unlinked"));
    fs::create_dir(place.path("out/.cbox-killed")).unwrap();
    let run = place.cbox(&["clean", "--all"]).run().ok();
    assert!(run.stdout.contains("removed appliance/iso\n"), "{run}");
    assert!(run.stdout.contains("removed hosts/unlinked\n"), "{run}");
    assert!(run.stdout.contains("removed 1 temporary folder\n"), "{run}");
    assert_eq!(
        place.names("out"),
        [
            ".cbox-link",
            "folder",
            "hosts-changed",
            "hosts-changed.json",
            "hosts-file",
            "hosts-file.json",
            "hosts-mini-thinkcentre.sha256",
            "hosts-newer",
            "hosts-newer.json",
            "hosts-outside",
            "hosts-outside.json",
            "hosts-plain",
            "notes.txt",
        ],
        "{run}"
    );
    assert_eq!(place.names("out/.log"), [""; 0], "{run}");
    assert_eq!(fs::read_dir(place.beside("precious")).unwrap().count(), 1);
    assert!(place.beside("precious.json").exists());
    run.says(&[
        "left alone: out/notes.txt: cbox did not make it",
        "left alone: out/hosts-plain: there is no manifest",
        "left alone: out/hosts-newer: a newer cbox",
        "left alone: out/hosts-changed: it does not point",
        "left alone: out/hosts-outside: its manifest cannot be read: it is not a file",
    ]);
}

#[test]
fn a_named_target_that_is_not_cboxs_is_refused_before_anything_goes() {
    let place = built();
    fs::remove_file(place.path("out/hosts-b.json")).unwrap();
    fails(
        &place,
        &["clean", "hosts/a", "hosts/b"],
        10,
        &[
            "out/hosts-b is not removed: there is no manifest",
            "nothing was removed",
        ],
    );
    assert_eq!(place.names("out"), BOTH[..3]);
}

#[test]
fn a_folder_that_is_a_link_is_refused_unless_its_real_name_is_given() {
    let place = built();
    fs::rename(place.path("out"), place.beside("real")).unwrap();
    symlink(place.beside("real"), place.path("out")).unwrap();
    assert!(place.ask(&["status"]).contains("hosts/a"));
    let real = place.beside("real");
    fails(
        &place,
        &["clean", "--all"],
        10,
        &["/out is a link", real.to_str().unwrap()],
    );
    assert_eq!(place.names("out"), BOTH);
    place.ask(&["clean", "--all", "--out-dir", "../real"]);
    assert_eq!(place.names("out"), [""; 0]);
    assert!(place.path("out").is_symlink());
}

#[test]
fn in_a_folder_of_sources_only_cboxs_own_goes() {
    let place = built();
    place.ask(&["build", "hosts/a", "--out-dir", "."]);
    place.write("data.json", "{}\n");
    symlink("flake.nix", place.path("link.nix")).unwrap();
    place.ask(&["clean", "--all", "--out-dir", "."]);
    let names = [
        ".git",
        ".gitignore",
        "data.json",
        "flake.nix",
        "link.nix",
        "out",
    ];
    assert_eq!(place.names("."), names);
    assert_eq!(place.names("out"), BOTH);
}

#[test]
fn what_a_live_run_needs_stays() {
    let place = built();
    place.write(Path::new("out/.log").join(YOUNG_LOG), "");
    let alive = place.path("out/.cbox-alive");
    fs::create_dir(&alive).unwrap();
    let held = File::open(&alive).unwrap();
    held.lock().unwrap();
    let run = place.cbox(&["clean", "--all"]).run().ok();
    run.says(&["left alone: the logs, because another cbox"]);
    assert_eq!(place.names("out"), [".cbox-alive"]);
    assert_ne!(place.names("out/.log"), [""; 0]);
    drop(held);
    place.ask(&["clean", "--all"]);
    assert_eq!(place.names("out"), [""; 0]);
    assert_eq!(place.names("out/.log"), [""; 0]);
}

#[test]
fn a_run_that_makes_a_link_is_waited_for() {
    let place = built();
    let turn = File::open(place.path("out")).unwrap();
    turn.lock().unwrap();
    let clean = || place.cbox(&["clean", "--all"]).start();
    let out = place.path("out");
    let has_it_open = |pid: u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd"));
        let open = open.into_iter().flatten().flatten();
        open.filter_map(|file| fs::read_link(file.path()).ok())
            .any(|file| file == out)
    };
    let waits = |running: &mut crate::support::call::Running| {
        wait_until("it is at the lock", || has_it_open(running.pid()));
        assert!(!running.has_ended());
        assert_eq!(place.names("out"), BOTH);
    };
    let mut first = clean();
    waits(&mut first);
    first.signal(Signal::INT);
    first.wait().code(130);
    assert_eq!(place.names("out"), BOTH);
    let mut second = clean();
    waits(&mut second);
    drop(turn);
    second.wait().ok();
    assert_eq!(place.names("out"), [""; 0]);
}

#[test]
fn ctrl_c_leaves_links_and_records_together() {
    let place = built();
    let reached = place.stall("nix", "*' path-info '*|*' path-info --json '*");
    let running = place.cbox(&["clean", "--all"]).start();
    wait_until("the closures are asked for", || reached.exists());
    running.signal(Signal::INT);
    let ended = running.wait().code(130);
    assert_eq!(ended.stdout, "", "{ended}");
    assert_eq!(place.names("out"), BOTH);
}

#[test]
fn what_frees_nothing_says_so() {
    let place = built();
    place
        .nix(&["build", "--out-link", "out/mine", &place.link("hosts-b")])
        .run()
        .ok();
    let printed = place.ask(&["clean", "hosts/b"]);
    assert!(printed.contains("other links keep all of it"), "{printed}");
    let gone = "/nix/store/00000000000000000000000000000000-gone";
    let manifest = place.read("out/hosts-a.json");
    place.write(
        "out/hosts-a.json",
        manifest.replace(&place.link("hosts-a"), gone),
    );
    fs::remove_file(place.path("out/hosts-a")).unwrap();
    symlink(gone, place.path("out/hosts-a")).unwrap();
    let printed = place.ask(&["clean", "hosts/a"]);
    assert!(
        printed.contains("what is removed keeps nothing in the store"),
        "{printed}"
    );
    assert_eq!(place.names("out"), ["mine"]);
}

#[test]
fn without_nix_links_go_all_the_same() {
    let place = built();
    let few = place.path_with_only(&["git"]);
    let printed = place.cbox(&["clean", "hosts/a"]).env("PATH", &few);
    let printed = printed.run().ok().says(&["`nix` is not on the PATH"]);
    assert!(
        printed.stdout.contains("frees what nothing else needs"),
        "{printed}"
    );
    assert_eq!(place.names("out"), BOTH[2..]);
}

/// A derivation with a part that it shares with others of its kind.
fn sharing(name: &str) -> String {
    let shared = tiny::script_host("shared", "echo shared part >$out");
    let own = tiny::script_host(&format!("{name}-part"), &format!("echo only {name} >$out"));
    format!(
        r#"let shared = {shared}; own = {own}; in derivation {{
          name = "{name}"; system = "{}"; builder = "/bin/sh";
          args = [ "-c" "echo ${{shared}} ${{own}} >$out" ]; }}"#,
        native()
    )
}

#[test]
fn what_is_said_to_be_freed_is_freed_and_what_is_kept_survives() {
    let (a, b) = (sharing("a"), sharing("b"));
    let place = Place::flake(&tiny::flake(&[("a", &a), ("b", &b)]));
    let place = place.with_own_store();
    place.ask(&["build", "hosts/a", "hosts/b"]);
    let collect = || place.call("nix-collect-garbage").run().ok();
    collect();
    let closure = |slug: &str| -> BTreeSet<String> {
        let link = place.link(slug);
        let paths = place.nix(&["path-info", "--recursive", &link]).run().ok();
        paths.lines().into_iter().map(str::to_owned).collect()
    };
    let (of_a, of_b) = (closure("hosts-a"), closure("hosts-b"));
    let only: Vec<&String> = of_a.difference(&of_b).collect();
    assert_eq!([of_a.len(), only.len()], [3, 2], "{of_a:?}");
    let sizes = place
        .nix(&["path-info", "--json", only[0], only[1]])
        .run()
        .ok()
        .json();
    let size = |path: &String| sizes[path]["narSize"].as_u64().unwrap();
    let expected = size(only[0]) + size(only[1]);
    let freed = |args: &[&str]| -> Value {
        let run = place.cbox(&[&["clean", "hosts/a", "--json"], args].concat());
        run.run().ok().json()["freed"].clone()
    };
    for dry in [&["--dry-run"][..], &[]] {
        let freed = freed(dry);
        assert_eq!(
            [&freed["pathCount"], &freed["maxSize"]],
            [&2.into(), &Value::from(expected)]
        );
        for path in &only {
            assert!(Path::new(path).exists(), "cbox itself collects nothing");
        }
    }
    collect();
    for path in &only {
        assert!(!Path::new(path).exists(), "{path} stayed");
    }
    for path in &of_b {
        assert!(Path::new(path).exists(), "{path} went");
    }
    let status = place.cbox(&["status", "--json"]).run().ok().json();
    assert_eq!(
        [&status["links"][0]["state"], &status["links"][0]["gcRoot"]],
        [&"current".into(), &Value::from(true)]
    );
    let roots = fs::read_dir(place.beside("state/gcroots/auto")).unwrap();
    assert_eq!(roots.count(), 1, "the root went with its link");
    // And what status warns of comes true.
    fs::rename(place.path("out"), place.path("elsewhere")).unwrap();
    fs::create_dir(place.path("out")).unwrap();
    fs::rename(place.path("elsewhere/hosts-b"), place.path("out/hosts-c")).unwrap();
    let run = place.cbox(&["status", "--json"]).run().ok();
    assert_eq!(run.json()["links"][0]["gcRoot"], false, "{run}");
    collect();
    let run = place.cbox(&["status", "--json"]).run().ok();
    assert_eq!(run.json()["links"][0]["state"], "dangling", "{run}");
}
