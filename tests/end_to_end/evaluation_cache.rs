//! The evaluation cache: an unchanged tree is evaluated once, and each part of the key
//! counts.
//!
//! Every test counts the calls of `nix eval` with a stand-in that writes them down.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::support::{
    nix::native,
    place::Place,
    stand_in::{NixLog, count},
    tiny, unique,
};

const TARGET: [&str; 3] = ["build", "hosts/mini-thinkcentre", "--drv"];

/// A mini box whose install host has been evaluated.
fn remembered() -> (Place, NixLog) {
    let place = Place::minibox();
    let log = place.log_nix();
    place.ask(&TARGET);
    assert!(log.evaluations() > 0, "the first run evaluates");
    (place, log)
}

/// How many evaluations a run with these further arguments makes.
#[track_caller]
fn evaluations(place: &Place, log: &NixLog, more: &[&str]) -> usize {
    place.ask(&[&TARGET, more].concat());
    log.evaluations()
}

/// Shows that a run with `more` is evaluated anew, is itself remembered, and does not
/// take the place of what was remembered before.
#[track_caller]
fn counts(more: &[&str]) {
    let (place, log) = remembered();
    assert!(evaluations(&place, &log, more) > 0, "{more:?} is new");
    assert_eq!(evaluations(&place, &log, more), 0, "{more:?} is known");
    assert_eq!(evaluations(&place, &log, &[]), 0, "so is what was before");
}

/// The same for a change of the environment.
#[track_caller]
fn environment_counts(variables: &[(&str, String)]) {
    let (place, log) = remembered();
    let changed = || {
        let call = place.cbox(&TARGET);
        let call = variables
            .iter()
            .fold(call, |call, (name, value)| call.env(name, value));
        call.run().ok();
        log.evaluations()
    };
    assert!(changed() > 0, "{variables:?} is new");
    assert_eq!(changed(), 0, "{variables:?} is known");
    assert_eq!(evaluations(&place, &log, &[]), 0, "so is what was before");
}

#[test]
fn an_unchanged_tree_is_evaluated_once() {
    let (place, log) = remembered();
    assert_eq!(evaluations(&place, &log, &[]), 0);
    assert_eq!(evaluations(&place, &log, &["-v"]), 0);
    assert_eq!(evaluations(&place, &log, &["--out-dir", "../other"]), 0);
}

#[test]
fn an_empty_commit_is_no_change() {
    let (place, log) = remembered();
    place.commit("empty");
    assert_eq!(evaluations(&place, &log, &[]), 0);
}

#[test]
fn a_derivation_that_is_gone_is_evaluated_again() {
    let text = format!(
        "derivation {{ name = \"{}\"; system = \"{}\"; builder = \"/bin/sh\"; }}",
        unique(),
        native()
    );
    let place = Place::flake(&tiny::flake(&[("one", &text)]));
    let log = place.log_nix();
    let drv = place.ask(&["build", "hosts/one", "--drv"]);
    assert!(log.evaluations() > 0);
    place.nix(&["store", "delete", &drv]).run().ok();
    assert!(!fs::exists(&drv).unwrap());
    assert_eq!(place.ask(&["build", "hosts/one", "--drv"]), drv);
    assert!(log.evaluations() > 0, "evaluated again");
    assert!(fs::exists(&drv).unwrap(), "and there again");
}

/// The one file in a folder of the cache.
fn remembered_file(place: &Place, folder: &str) -> PathBuf {
    let folder = place.beside("cache/cbox").join(folder);
    let mut files = fs::read_dir(folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "more than one file");
    file
}

/// Does damage of every kind to a file, one at a time, with what is said of it.
fn damage(file: &Path, mut see: impl FnMut(&str, &str)) {
    let whole = fs::read(file).unwrap();
    let begin = &whole[..40];
    let last = whole.len() - 2;
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    let newer = String::from_utf8_lossy(&whole).replace("\"schema\":1", "\"schema\":2");
    let cut = "it is cut off, or another cbox wrote it";
    let changed = "it was changed since it was written";
    for (kind, bytes, why) in [
        ("empty", vec![], cut),
        ("truncated", begin.to_vec(), cut),
        ("without its end", whole[..last].to_vec(), changed),
        ("zeros", vec![0; whole.len()], cut),
        ("of another schema", newer.into_bytes(), cut),
        ("another document", b"{\"system\": \"x\"}\n".to_vec(), cut),
        ("a bit of the key", flipped(30), "it is of another key"),
        ("a bit of the content", flipped(last), changed),
    ] {
        fs::write(file, bytes).unwrap();
        see(kind, why);
    }
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
    see("a folder", "it cannot be read: it is not a file");
    fs::remove_dir(file).unwrap();
    std::os::unix::fs::symlink(file, file).unwrap();
    see("a link to itself", "it cannot be read: it is not a file");
    fs::remove_file(file).unwrap();
    fs::write(file, &whole).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads in spite of modes.
    if fs::File::open(file).is_err() {
        see(
            "without a permission",
            "it cannot be read: Permission denied",
        );
    }
}

#[test]
fn an_evaluation_that_is_damaged_is_made_anew() {
    let (place, log) = remembered();
    let drv = place.ask(&TARGET);
    let file = remembered_file(&place, "evaluations");
    log.take();
    damage(&file, |kind, why| {
        let run = place.cbox(&[&TARGET[..], &["-v"]].concat()).run().ok();
        let sentence = format!(
            "what is remembered of hosts/mini-thinkcentre is not used, and it is evaluated anew: {why}"
        );
        let run = run.says(&[&sentence]);
        assert_eq!(run.text(), drv, "{kind}");
        assert!(log.evaluations() > 0, "{kind}");
        if file.is_file() {
            assert_eq!(evaluations(&place, &log, &[]), 0, "{kind}: it is mended");
        }
        if file.is_dir() {
            let run = place.cbox(&TARGET).run().ok();
            run.says(&["warning: this evaluation will not be remembered: cannot write"]);
        }
    });
}

#[test]
fn an_evaluation_under_the_name_of_another_is_refused() {
    let place = Place::minibox();
    let hosts = ["hosts/mini-thinkcentre", "hosts/mini-arm64"];
    let drv = |host: &str| place.ask(&["build", host, "--drv"]);
    let right = hosts.map(drv);
    assert_ne!(right[0], right[1]);
    let folder = place.beside("cache/cbox/evaluations");
    let files = fs::read_dir(&folder).unwrap();
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    let [one, other] = &files[..] else {
        panic!("{files:?}")
    };
    let between = folder.join("between");
    for (from, to) in [(one, &between), (other, one), (&between, other)] {
        fs::rename(from, to).unwrap();
    }
    let run = place.cbox(&["build", hosts[0], hosts[1], "--drv", "-v"]);
    let run = run.run().ok();
    assert_eq!(run.lines(), right);
    assert_eq!(
        run.stderr.matches("it is of another key").count(),
        2,
        "{run}"
    );
    assert_eq!(hosts.map(drv), right);
}

#[test]
fn a_verdict_on_the_lock_file_that_is_damaged_is_sought_anew() {
    let (place, log) = remembered();
    let file = remembered_file(&place, "locks");
    let run = || {
        log.take();
        // What is evaluated anew comes to the lock file, which is the same.
        let set = format!("_module.args.value={}", unique());
        let anew = ["-v", "--set", &set];
        let run = place.cbox(&[&TARGET[..], &anew].concat()).run().ok();
        (count(&log.take(), " --no-update-lock-file ") > 0, run)
    };
    let (is_asked, known) = run();
    assert!(!is_asked, "it is known: {known}");
    damage(&file, |kind, why| {
        let (is_asked, run) = run();
        assert!(is_asked, "{kind}: {run}");
        let sentence =
            format!("what is remembered of flake.lock is not used, and Nix is asked anew: {why}");
        run.says(&[&sentence]);
    });
}

#[test]
fn a_memory_that_cannot_be_written_is_no_error() {
    let place = Place::minibox();
    fs::write(place.beside("cache/cbox"), "a file, and no folder").unwrap();
    let run = place.cbox(&TARGET).run().ok();
    assert!(run.stderr.contains("will not be remembered"), "{run}");
}

#[test]
fn a_file_of_the_tree_counts() {
    let (place, log) = remembered();
    let before = place.read("hosts/mini-thinkcentre/default.nix");
    place.edit(
        "hosts/mini-thinkcentre/default.nix",
        "under the desk",
        "on the desk",
    );
    assert!(evaluations(&place, &log, &[]) > 0);
    assert_eq!(evaluations(&place, &log, &[]), 0);
    place.write("hosts/mini-thinkcentre/default.nix", before);
    assert_eq!(evaluations(&place, &log, &[]), 0);
}

#[test]
fn an_executable_bit_counts() {
    let (place, log) = remembered();
    place.call("chmod").args(["+x", "README.md"]).run().ok();
    assert!(evaluations(&place, &log, &[]) > 0);
}

#[test]
fn local_settings_count() {
    let (place, log) = remembered();
    place.write(
        "hosts/mini-thinkcentre/local.nix",
        "{ environment.etc.mine.text = \"x\"; }",
    );
    assert!(evaluations(&place, &log, &[]) > 0);
    assert_eq!(evaluations(&place, &log, &[]), 0);
}

#[test]
fn an_override_counts() {
    counts(&["--set", "networking.hostName=other"]);
}

#[test]
fn the_value_of_an_override_counts() {
    let (place, log) = remembered();
    for value in ["one", "two", "\"1\"", "1"] {
        let set = format!("_module.args.value={value}");
        assert!(evaluations(&place, &log, &["--set", &set]) > 0, "{value}");
    }
}

#[test]
fn the_system_counts() {
    let place = Place::minibox();
    let log = place.log_nix();
    for system in ["x86_64-linux", "aarch64-linux"] {
        place.drv(&["appliance", "iso", system]);
        assert!(log.evaluations() > 0, "{system} is new");
        place.drv(&["appliance", "iso", system]);
        assert_eq!(log.evaluations(), 0, "{system} is known");
    }
}

#[test]
fn host_and_attribute_count() {
    let (place, log) = remembered();
    place.ask(&["build", "hosts/mini-arm64", "--drv"]);
    assert!(log.evaluations() > 0, "another host");
    place.drv(&["appliance", "iso"]);
    log.evaluations();
    place.edit(
        "cbox.toml",
        "\"system.build.isoImage\"",
        "\"system.build.squashfs\"",
    );
    place.drv(&["appliance", "iso"]);
    assert!(log.evaluations() > 0, "another attribute");
}

#[test]
fn a_replaced_input_counts_by_its_content() {
    let system = native();
    let toplevel = format!(
        "derivation {{ name = inputs.word.name; system = \"{system}\"; builder = \"/bin/sh\"; }}"
    );
    let place = Place::flake("{ outputs = _: { }; }");
    for name in ["one", "two"] {
        let folder = place.beside(name);
        fs::create_dir(&folder).unwrap();
        let text = format!("{{ outputs = _: {{ name = \"{name}\"; }}; }}");
        fs::write(folder.join("flake.nix"), text).unwrap();
    }
    let url = |name: &str| format!("path:{}", place.beside(name).display());
    let inputs = format!("inputs.word.url = \"{}\";", url("one"));
    place.write(
        "flake.nix",
        tiny::flake_with_inputs(&inputs, &[("box", &toplevel)]),
    );
    place.git(&["add", "--all"]);
    place.nix(&["flake", "lock"]).run().ok();
    place.commit("locked");

    let log = place.log_nix();
    let build = ["build", "hosts/box", "--drv"];
    let two = url("two");
    let replaced = [&build[..], &["--override-input", "word", &two]].concat();
    let evaluated = |args: &[&str], name: &str| {
        let drv = place.ask(args);
        assert!(drv.ends_with(&format!("-{name}.drv")), "{drv}");
        log.evaluations() > 0
    };
    assert!(evaluated(&build, "one"));
    assert!(evaluated(&replaced, "two"), "another input");
    assert!(!evaluated(&replaced, "two"), "the same input");
    assert!(!evaluated(&build, "one"), "no override");
    let text = "{ outputs = _: { name = \"three\"; }; }";
    fs::write(place.beside("two/flake.nix"), text).unwrap();
    assert!(
        evaluated(&replaced, "three"),
        "the same name, other content"
    );
}

#[test]
fn the_store_counts() {
    let (place, log) = remembered();
    let store = place.beside("store").into_os_string();
    let store = store.into_string().unwrap();
    assert!(evaluations(&place, &log, &["--store", &store]) > 0);
    assert_eq!(evaluations(&place, &log, &["--store", &store]), 0);
    assert_eq!(evaluations(&place, &log, &[]), 0);
    // A store without the derivation would be evaluated for in any case: two entries show
    // that the key is another one.
    assert_eq!(place.names("../cache/cbox/evaluations").len(), 2);
    // Nix keeps the folders of a store from being written.
    place.call("chmod").args(["-R", "u+w", &store]).run().ok();
}

#[test]
fn the_store_directory_counts() {
    let place = Place::minibox();
    let folder = |name: &str| place.beside(name).into_os_string().into_string().unwrap();
    let log = place.log_nix();
    let run = |store: &str| {
        let call = place.cbox(&TARGET).env("NIX_REMOTE", "local");
        let call = call.env("NIX_STORE_DIR", store);
        let call = call.env("NIX_STATE_DIR", folder("state"));
        let call = call.env("NIX_LOG_DIR", folder("log"));
        let drv = call.run().ok().text().to_owned();
        assert!(drv.starts_with(&format!("{store}/")), "{drv}");
        log.evaluations() > 0
    };
    place.ask(&TARGET);
    assert!(log.evaluations() > 0);
    let (one, two) = (folder("one"), folder("two"));
    assert!(run(&one), "another directory");
    assert!(!run(&one), "the same");
    fs::remove_dir_all(place.beside("state")).unwrap();
    assert!(run(&two), "a third");
    place
        .call("chmod")
        .args(["-R", "u+w", &one, &two])
        .run()
        .ok();
}

#[test]
fn experimental_features_count() {
    let earlier = std::env::var("NIX_CONFIG").unwrap_or_default();
    let config = format!("{earlier}\nextra-experimental-features = ca-derivations");
    environment_counts(&[("NIX_CONFIG", config)]);
}

#[test]
fn the_version_of_nix_counts() {
    let place = Place::minibox();
    let log = place.log_nix();
    place.ask(&TARGET);
    assert!(log.evaluations() > 0);
    place.claim_nix_version("nix (Nix) 2.99.0");
    let there = || place.names("../cache/cbox/evaluations").len();
    assert_eq!(there(), 1);
    place.ask(&TARGET);
    assert_eq!(there(), 2, "another version, another entry");
}

#[test]
fn an_option_of_nix_that_is_not_known_to_be_harmless_is_never_remembered() {
    for option in [
        &["--option", "max-call-depth", "9999"][..],
        &["--system", "x86_64-linux"],
        &["--no-eval-cache"],
    ] {
        let (place, log) = remembered();
        let more = [&["--"], option].concat();
        for time in ["the first", "the second"] {
            assert!(
                evaluations(&place, &log, &more) > 0,
                "{option:?} {time} time"
            );
        }
        assert_eq!(place.names("../cache/cbox/evaluations").len(), 1);
        assert_eq!(evaluations(&place, &log, &[]), 0);
    }
}

#[test]
fn an_option_of_nix_that_is_known_to_be_harmless_changes_nothing() {
    let (place, log) = remembered();
    for option in [
        &["-L"][..],
        &["--max-jobs", "1"],
        &["--option", "cores", "1"],
    ] {
        let more = [&["--"], option].concat();
        assert_eq!(evaluations(&place, &log, &more), 0, "{option:?}");
    }
}

#[test]
fn import_from_derivation_is_never_remembered() {
    let (place, log) = remembered();
    let config = place.read("cbox.toml");
    place.write(
        "cbox.toml",
        format!("[evaluation]\nimport-from-derivation = true\n{config}"),
    );
    for _ in 0..2 {
        assert!(evaluations(&place, &log, &[]) > 0);
    }
}
