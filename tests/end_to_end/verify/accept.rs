//! `cbox accept`: what is recorded, what is left alone, and when nothing is written.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use crate::support::{
    place::{Place, top},
    stand_in::count,
};

use super::{BASELINE, accept, accepted, baseline, commit, entry, hosts, set, verdicts, verify};

/// The lines of the baseline on one host.
fn block(place: &Place, host: &str) -> Vec<String> {
    let text = place.read(BASELINE);
    let lines = text.lines();
    let from = lines.skip_while(|line| line.trim() != format!("\"{host}\": {{"));
    from.take(5).map(str::to_owned).collect()
}

/// This repository is watched over as its users' are. Where the change is intended, `cbox accept
/// --flake examples/minibox` is the way to pass.
#[test]
fn the_mini_box_is_as_accepted() {
    let place = Place::minibox();
    let accepted = top().join("examples/minibox/baseline.json");
    fs::copy(accepted, place.path("baseline.json")).unwrap();
    let hosts = ["mini-arm64", "mini-thinkcentre"].map(|host| format!("unchanged  {host}"));
    let run = place.cbox(&["verify-hosts", "--strict"]).run().ok();
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), hosts, "{run}");
}

#[test]
fn each_host_is_a_block_in_the_order_of_their_names() {
    let place = hosts(&[("b", "echo b >$out"), ("a", "echo a >$out")]);
    let run = place.cbox(&["accept"]).run().ok();
    assert_eq!(verdicts(&run), ["added a", "added b"]);
    assert!(run.stderr.contains("wrote baseline.json"), "{run}");
    let part = |host: &str| {
        let drv = place.drv(&["build", &format!("hosts/{host}")]);
        let out = place.plain_eval(&format!(
            "nixosConfigurations.{host}.config.system.build.toplevel.outPath"
        ));
        let system = crate::support::nix::native();
        format!(
            "    \"{host}\": {{\n      \"system\": \"{system}\",\n      \"drvPath\": \"{drv}\",\n      \
             \"outPath\": \"{out}\",\n      \"flakeLock\": null\n    }}"
        )
    };
    assert_eq!(
        place.read(BASELINE),
        format!(
            "{{\n  \"schema\": 2,\n  \"hosts\": {{\n{},\n{}\n  }}\n}}\n",
            part("a"),
            part("b")
        )
    );
    let mode = fs::metadata(place.path(BASELINE)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o644, "as git has it");
    assert_eq!(place.names("../tmp"), [""; 0]);
}

#[test]
fn a_change_and_its_record_are_one_commit() {
    let place = accepted(&[("box", "echo one >$out")]);
    set(&place, "box", "echo two >$out");
    let run = place.cbox(&["accept"]).run().ok();
    assert_eq!(verdicts(&run), ["changed box"]);
    assert!(run.stdout.contains("echo two"), "{run}");
    run.says(&["wrote baseline.json: commit it with the change"]);
    place.git(&["commit", "--quiet", "--all", "--message", "two"]);
    let clone = place.beside("clone");
    place.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    for args in [&[][..], &["--rev", "HEAD"]] {
        let run = verify(&place, args).folder(&clone).run().ok();
        assert_eq!(run.lines(), ["unchanged  box"]);
    }
}

#[test]
fn what_is_staged_in_part_is_judged_as_it_is_on_disk() {
    let place = accepted(&[("box", "echo one >$out")]);
    set(&place, "box", "echo two >$out");
    place.git(&["add", "hosts"]);
    set(&place, "box", "echo three >$out");
    let run = place.cbox(&["accept"]).run().ok();
    assert!(run.stdout.contains("echo three"), "{run}");
}

#[test]
fn verify_hosts_never_writes_the_baseline() {
    let place = hosts(&[("box", ":")]);
    let refused = verify(&place, &["--accept"]).run().code(2);
    refused.says(&["--accept"]);
    assert!(!place.path(BASELINE).exists());
}

/// A flake with a host that takes up what there is in `extra/`.
fn with_extras() -> Place {
    let place = hosts(&[]);
    let names = "${toString (builtins.attrNames (builtins.readDir ../../extra))}";
    let host = crate::support::tiny::script_host("box", "NAMES").replace("NAMES", names);
    place.write("hosts/box/default.nix", host);
    place.write("extra/one", "");
    place.commit("with extras");
    accept(&place);
    place
}

#[test]
fn hidden_changes_are_named_and_refused_only_if_a_host_would_be_another_one() {
    let place = with_extras();
    place.write("note.txt", "one");
    place.write("extra/two", "");
    place.commit("more");
    accept(&place);
    place.git(&["update-index", "--assume-unchanged", "note.txt"]);
    place.git(&["update-index", "--skip-worktree", "extra/two"]);
    place.write("note.txt", "two");
    let text = place.read(BASELINE);
    let named = "`git add` does not take them, so a commit lacks the change: note.txt";
    place.cbox(&["accept"]).run().ok().says(&[named]);
    fs::remove_file(place.path("extra/two")).unwrap();
    let refused = place.cbox(&["accept"]).run().code(6);
    refused.says(&[
        "box would build something else without changes that `git add` does not take: \
         note.txt, extra/two",
        "--no-assume-unchanged --no-skip-worktree",
    ]);
    assert_eq!(place.read(BASELINE), text);
}

#[test]
fn untracked_files_are_named_and_refused_only_if_a_host_would_be_another_one() {
    let place = with_extras();
    let text = place.read(BASELINE);
    place.write("note.txt", "");
    place.write("hosts/new/default.nix", "throw \"not yet\"");
    place.cbox(&["accept"]).run().ok().says(&[
        "staged by a build, and not judged since git does not track them: \
         hosts/new/default.nix, note.txt\n",
        "baseline.json is up to date already",
    ]);
    fs::remove_file(place.path("note.txt")).unwrap();
    place.write("extra/two", "");
    set(&place, "other", ":");
    place.git(&["add", "hosts/other"]);
    place.cbox(&["accept"]).run().code(6).says(&[
        "error: box would build something else with files that git does not track: extra/two, \
         hosts/new/default.nix\n",
        "hint: `git add` those that belong to the change",
    ]);
    assert_eq!(place.read(BASELINE), text);
    // What a build leaves out is no concern of it.
    place.write(".gitignore", "/out/\n/extra/two\n");
    place.cbox(&["accept"]).run().ok();
    place.write(".gitignore", "/out/\n");
    place.git(&["add", "extra"]);
    let run = place.cbox(&["accept"]).run().ok();
    assert_eq!(verdicts(&run), ["changed box", "unchanged other"]);
}

#[test]
fn a_file_that_breaks_a_host_is_refused_too() {
    let place = with_extras();
    place.write("flake.lock", "no lock");
    place.cbox(&["accept"]).run().code(6).says(&[
        "error: box would build something else with files that git does not track: flake.lock",
    ]);
}

#[test]
fn files_that_are_only_meant_to_be_added_are_named_and_refused_in_the_same_way() {
    let place = with_extras();
    place.write("note.txt", "");
    place.write("extra/two", "");
    place.git(&["add", "--intent-to-add", "note.txt"]);
    place.cbox(&["accept"]).run().code(6); // extra/two is not even that
    place.git(&["add", "--intent-to-add", "extra/two"]);
    let named =
        "judged, but only added with `git add -N`, so a commit may lack them: extra/two, note.txt";
    let run = place.cbox(&["accept"]).run().code(6).says(&[
        named,
        "error: box would build something else without files that were only added with \
         `git add -N`: extra/two, note.txt\n",
    ]);
    // As the hint says.
    let hint = run.stderr.split("hint: `").nth(1).unwrap();
    let command = hint.split('`').next().unwrap();
    place.call("sh").args(["-c", command]).run().ok();
    let run = place.cbox(&["accept"]).run().ok();
    assert!(!run.stderr.contains("may lack"), "{run}");
    place.write("other.txt", "");
    place.git(&["add", "--intent-to-add", "other.txt"]);
    place.cbox(&["accept"]).run().ok().says(&["other.txt"]);
}

#[test]
fn nothing_more_is_evaluated_where_all_files_are_tracked() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    set(&place, "a", "echo other");
    let log = place.log_nix();
    let evaluated = || {
        place.cbox(&["accept", "--no-cache"]).run().ok();
        count(&log.take(), ".nixosConfigurations.\"")
    };
    assert_eq!(evaluated(), 2, "each host once");
    place.write("note.txt", "");
    assert_eq!(evaluated(), 4, "with it and without it");
}

#[test]
fn a_tree_that_changes_meanwhile_is_not_accepted() {
    let place = accepted(&[("box", ":")]);
    let text = place.read(BASELINE);
    let real = crate::support::nix::real();
    // The host is changed by hand while it is evaluated.
    place.stand_in(
        "nix",
        &format!(
            "case \" $* \" in *' --apply '*) echo >>{}; esac\nexec '{}' \"$@\"",
            place.path("hosts/box/default.nix").display(),
            real.display()
        ),
    );
    set(&place, "box", "echo other");
    place.cbox(&["accept"]).run().ok().says(&["wrote"]);
    assert_ne!(place.read(BASELINE), text, "an empty line changes no host");
    place.stand_in(
        "nix",
        &format!(
            "case \" $* \" in *' --apply '*) sed -i s/other/more/ {}; esac\nexec '{}' \"$@\"",
            place.path("hosts/box/default.nix").display(),
            real.display()
        ),
    );
    set(&place, "box", "echo yet other");
    place.cbox(&["accept"]).run().code(6).says(&[
        "error: the tree changed while the hosts were evaluated",
        "hint: run `cbox accept` again",
    ]);
}

#[test]
fn a_record_of_the_first_schema_is_read_and_becomes_one_of_today() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let today = place.read(BASELINE);
    let revision = format!(
        "\"flakeLock\": null,\n      \"revision\": \"{}\"",
        commit(&place, "HEAD")
    );
    let old = today.replace("\"flakeLock\": null", &revision);
    place.write(BASELINE, old.replace("\"schema\": 2", "\"schema\": 1"));
    place.commit("as it was");
    let run = verify(&place, &["--rev", "HEAD"]).run().ok();
    assert_eq!(run.lines(), ["unchanged  a", "unchanged  b"]);
    place
        .cbox(&["accept"])
        .run()
        .ok()
        .says(&["wrote baseline.json"]);
    assert_eq!(place.read(BASELINE), today);
}

#[test]
fn an_output_that_only_a_build_can_tell_is_absent() {
    let place = hosts(&[]);
    let floating =
        "__contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\";";
    let host = |script: &str| {
        let host = crate::support::tiny::script_host("box", script);
        place.write(
            "hosts/box/default.nix",
            host.replace("derivation {", &format!("derivation {{ {floating}")),
        );
        place.commit(script);
    };
    let cbox = |args: &[&str]| {
        let config = "extra-experimental-features = nix-command flakes ca-derivations";
        place.cbox(args).env("NIX_CONFIG", config).run()
    };
    host("echo one >$out");
    cbox(&["accept"]).ok();
    place.commit("accepted");
    assert!(baseline(&place)["hosts"]["box"]["outPath"].is_null());
    assert_eq!(verdicts(&cbox(&["verify-hosts"]).ok()), ["unchanged box"]);
    host("echo two >$out");
    assert_eq!(verdicts(&cbox(&["verify-hosts"]).code(1)), ["changed box"]);
    let json = cbox(&["verify-hosts", "--json"]).code(1).json();
    let host = &json["verifyHosts"]["hosts"][0];
    assert!(host["now"]["outPath"].is_null() && host["before"]["outPath"].is_null());
}

#[test]
fn a_dirty_submodule_is_named_and_does_not_refuse() {
    let place = hosts(&[("box", ":")]);
    let other = place.beside("other");
    fs::create_dir(&other).unwrap();
    for args in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["commit", "--quiet", "--allow-empty", "--message", "first"],
    ] {
        place.call("git").args(args).folder(&other).run().ok();
    }
    let url = other.to_str().unwrap();
    place.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        url,
        "inner",
    ]);
    place.commit("submodule");
    let inner = ["commit", "--quiet", "--allow-empty", "--message", "more"];
    let inner = place.call("git").args(inner).folder(place.path("inner"));
    inner.run().ok();
    let run = place.cbox(&["accept"]).run().ok();
    assert!(run.stderr.contains("submodules have changes"), "{run}");
    let said = run.stderr.matches("submodules are not staged, as").count();
    assert_eq!(said, 1, "{run}");
    assert!(run.stderr.contains("inner"), "{run}");
    let said = "submodules have changes of their own: inner (submodules are not staged)";
    verify(&place, &[]).run().ok().says(&[said]);
}

#[test]
fn json_says_what_was_judged_and_whether_it_was_written() {
    let place = hosts(&[("a", ":"), ("b", ":")]);
    let json = |code: i32| place.cbox(&["accept", "--json"]).run().code(code).json();
    let document = json(0);
    assert_eq!(document["schema"], "cbox/accept/2");
    assert_eq!(document["accept"]["written"], true);
    assert_eq!(document["accept"]["hosts"][0]["status"], "added");
    let document = json(0);
    assert_eq!(document["accept"]["written"], false);
    assert_eq!(document["accept"]["hosts"][0]["status"], "unchanged");
    place.write("hosts/b/default.nix", "throw \"no disk\"");
    let document = json(7);
    assert_eq!(document["accept"]["written"], false);
    assert_eq!(document["accept"]["verdict"], "failed");
}

#[test]
fn nothing_is_accepted_that_the_repository_alone_does_not_say() {
    let place = hosts(&[("box", ":")]);
    for (args, how) in [
        (
            &["--override-input", "nixpkgs", "."][..],
            "`--override-input`",
        ),
        (&["--set", "a.b=1"], "`--set`"),
        (
            &["--", "--option", "system", "aarch64-linux"],
            "arguments for Nix",
        ),
    ] {
        let log = place.log_nix();
        place.cbox(&["accept"]).args(args).run().code(2).says(&[
            "error: nothing is accepted ",
            how,
            "hint: ",
        ]);
        assert_eq!(log.take(), [""; 0], "Nix is not even called: {how}");
        assert!(!place.path(BASELINE).exists(), "{how}");
    }
}

#[test]
fn a_host_that_does_not_evaluate_means_that_nothing_is_written() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let text = place.read(BASELINE);
    set(&place, "a", "echo other");
    place.write("hosts/b/default.nix", "throw \"no disk\"");
    place.commit("broken");
    let run = place.cbox(&["accept"]).run().code(7);
    assert_eq!(verdicts(&run), ["changed a", "failed b"]);
    assert_eq!(place.read(BASELINE), text);
    // One that is asked for alone is not kept from it.
    place.cbox(&["accept", "--host", "a"]).run().ok();
    assert_ne!(place.read(BASELINE), text);
}

#[test]
fn only_what_changed_gets_another_block() {
    let place = accepted(&[("a", ":"), ("b", ":"), ("c", ":")]);
    let before = ["a", "b", "c"].map(|host| block(&place, host));
    assert_eq!(before[0].len(), 5);
    set(&place, "b", "echo other");
    set(&place, "c", "echo other");
    place.commit("others");
    place.cbox(&["accept", "--host", "b"]).run().ok();
    assert_eq!(block(&place, "a"), before[0], "unchanged");
    assert_ne!(block(&place, "b"), before[1]);
    assert_eq!(block(&place, "c"), before[2], "not asked for");
    let run = verify(&place, &[]).run().code(1);
    assert_eq!(verdicts(&run), ["unchanged a", "unchanged b", "changed c"]);
}

#[test]
fn a_host_that_is_gone_goes() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    place.git(&["rm", "-rq", "hosts/b"]);
    place.commit("b goes");
    let run = place.cbox(&["accept"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a", "removed b"]);
    let hosts = baseline(&place)["hosts"].as_object().unwrap().clone();
    assert_eq!(hosts.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn accepting_twice_does_not_touch_the_file() {
    let place = accepted(&[("box", ":")]);
    let state = || {
        let found = fs::metadata(place.path(BASELINE)).unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec())
    };
    let before = state();
    place.commit("empty");
    place
        .cbox(&["accept"])
        .run()
        .ok()
        .says(&["baseline.json is up to date already"]);
    assert_eq!(state(), before);
}

#[test]
fn an_output_that_somebody_got_wrong_is_mended() {
    let place = accepted(&[("a", ":"), ("b", "echo b")]);
    let (text, wrong) = (place.read(BASELINE), entry(&place, "b", "outPath"));
    place.write(
        BASELINE,
        text.replace(&entry(&place, "a", "outPath"), &wrong),
    );
    let run = place.cbox(&["accept"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a", "unchanged b"]);
    assert_ne!(entry(&place, "a", "outPath"), wrong);
}

#[test]
fn a_folder_that_cannot_be_written_damages_nothing() {
    let place = accepted(&[("box", ":")]);
    let text = place.read(BASELINE);
    set(&place, "box", "echo other");
    place.commit("other");
    let refused = || {
        let ended = place.cbox(&["accept"]).run().code(10);
        ended.says(&["error: cannot write baseline.json: "]);
    };
    let mode = |mode| {
        fs::set_permissions(place.path("."), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o555);
    // Root writes in spite of modes.
    if fs::write(place.path("probe"), "").is_err() {
        refused();
        assert_eq!(place.read(BASELINE), text);
    }
    mode(0o755);
    // Nor does a link lead anywhere that is no baseline.
    fs::remove_file(place.path(BASELINE)).unwrap();
    symlink("/proc/version", place.path(BASELINE)).unwrap();
    let refused = place.cbox(&["accept"]).run().code(3);
    refused.says(&["error: cannot read baseline.json: it is a link to /proc/version, outside"]);
    assert!(place.path(BASELINE).is_symlink());
}

#[test]
fn a_folder_in_the_way_is_one_sentence() {
    let place = hosts(&[("box", ":")]);
    fs::create_dir(place.path(BASELINE)).unwrap();
    for command in ["accept", "verify-hosts"] {
        place
            .cbox(&[command])
            .run()
            .code(3)
            .says(&["error: cannot read baseline.json: "]);
    }
}

#[test]
fn two_at_once_leave_a_whole_file() {
    let place = hosts(&[("a", ":"), ("b", ":")]);
    for (host, script) in [("a", "echo x"), ("b", "echo y")] {
        set(&place, host, script);
    }
    place.commit("others");
    let running: Vec<_> = (0..4).map(|_| place.cbox(&["accept"]).start()).collect();
    for run in running {
        run.wait().ok();
    }
    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a", "unchanged b"]);
    let left = place.names(".");
    assert!(
        !left.iter().any(|name| name.starts_with(".cbox")),
        "{left:?}"
    );
}

#[test]
fn two_at_once_that_differ_lose_nothing() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    set(&place, "a", "echo x");
    set(&place, "b", "echo y");
    place.commit("others");
    let running = ["a", "b"].map(|host| place.cbox(&["accept", "--host", host]).start());
    for (host, run) in ["a", "b"].into_iter().zip(running) {
        let ended = run.wait();
        // Who comes second is told, and has to look again.
        if ended.status.code() != Some(0) {
            ended.code(10).says(&[
                "baseline.json changed while the hosts were evaluated",
                "run `cbox accept` again",
            ]);
            place.cbox(&["accept", "--host", host]).run().ok();
        }
    }
    verify(&place, &[]).run().ok();
}

#[test]
fn from_a_folder_below_it_is_the_same_file() {
    let place = hosts(&[("box", ":")]);
    let inside = place.cbox(&["accept"]).folder(place.path("hosts/box"));
    inside.run().ok().says(&["wrote ../../baseline.json"]);
    accept(&place);
    let inside = verify(&place, &[]).folder(place.path("hosts/box"));
    assert_eq!(verdicts(&inside.run().ok()), ["unchanged box"]);
}

#[test]
fn a_flake_below_the_top_of_the_repository_has_its_own() {
    let place = hosts(&[("box", ":")]);
    fs::create_dir(place.path("nix")).unwrap();
    for name in ["flake.nix", "hosts"] {
        place.git(&["mv", name, "nix"]);
    }
    place.commit("below");
    let flake = ["--flake", "nix"];
    place
        .cbox(&["accept"])
        .args(flake)
        .run()
        .ok()
        .says(&["wrote nix/baseline.json"]);
    place.commit("accepted");
    assert_eq!(place.names("nix"), [BASELINE, "flake.nix", "hosts"]);
    place.write(
        "nix/baseline.json",
        format!("{}\n", place.read("nix/baseline.json")),
    );
    // Its own baseline is no part of the tree there either.
    place.cbox(&["accept"]).args(flake).run().ok();
    let run = verify(&place, &["--rev", "HEAD"]).args(flake).run().ok();
    assert_eq!(verdicts(&run), ["unchanged box"]);
    place.write("nix/note", "");
    place
        .cbox(&["accept"])
        .args(flake)
        .run()
        .ok()
        .says(&["since git does not track them: nix/note"]);
}

#[test]
fn outside_a_repository_all_files_are_judged() {
    let place = hosts(&[("box", ":")]);
    fs::remove_dir_all(place.path(".git")).unwrap();
    place.cbox(&["accept"]).run().ok();
    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged box"]);
    set(&place, "box", "echo other");
    let run = verify(&place, &[]).run().code(1);
    assert_eq!(verdicts(&run), ["changed box"]);
    assert!(run.stdout.contains("echo other"), "{run}");
    verify(&place, &["--rev", "HEAD"])
        .run()
        .code(2)
        .says(&["error: "]);
}
