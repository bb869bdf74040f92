//! A build: the image, its link and root, its checksum, its manifest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{call::Ended, nix::native, place::Place, stand_in::count, tiny, unique};

/// Builds an image and checks that it lies where cbox says, under the name that it should
/// have.
fn builds(format: &str, file: &str) {
    let place = Place::minibox();
    let system = native();
    let printed = place.ask(&["appliance", format]);
    let file = file.replace("SYSTEM", &system);
    assert_eq!(printed, format!("out/appliance-{format}/{file}"));
    assert!(place.path(&printed).is_file(), "{printed}");
    let link = place.link(&format!("appliance-{format}"));
    assert!(link.starts_with("/nix/store/"), "{link}");
}

#[test]
fn an_iso_is_built() {
    builds("iso", "iso/coder-box-appliance-SYSTEM.iso");
}

#[test]
fn a_qcow2_image_is_built() {
    builds("qcow2", "coder-box-appliance-SYSTEM.qcow2");
}

#[test]
fn a_raw_image_is_built() {
    builds("raw", "coder-box-appliance-SYSTEM.raw");
}

#[test]
fn a_host_is_built_as_its_system() {
    let place = Place::minibox();
    // The minibox's machine for x86_64 can be put together on any machine.
    let build = ["build", "hosts/mini-thinkcentre"];
    let platform = format!("nixpkgs.buildPlatform={}", native());
    let printed = place.ask(&[&build[..], &["--set", &platform]].concat());
    assert_eq!(printed, "out/hosts-mini-thinkcentre");
    assert_eq!(
        place.read("out/hosts-mini-thinkcentre/system"),
        "x86_64-linux\n"
    );
    assert!(place.manifest("hosts-mini-thinkcentre")["artifact"].is_null());
    assert_eq!(
        place.names("out"),
        ["hosts-mini-thinkcentre", "hosts-mini-thinkcentre.json"]
    );
}

#[test]
fn a_named_system_is_part_of_the_links_name() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso", "arm64"]);
    assert_eq!(
        place.names("out"),
        [
            "appliance-iso-aarch64-linux",
            "appliance-iso-aarch64-linux.json",
            "appliance-iso-aarch64-linux.sha256"
        ]
    );
    let manifest = place.manifest("appliance-iso-aarch64-linux");
    assert_eq!(manifest["system"], "aarch64-linux");
    assert_eq!(manifest["target"], "appliance/iso/aarch64-linux");
}

#[test]
fn short_names_of_systems_are_the_same_systems() {
    let place = Place::minibox();
    for names in [
        ["x86_64-linux", "x86_64", "amd64"],
        ["aarch64-linux", "aarch64", "arm64"],
    ] {
        let drvs = names.map(|system| place.drv(&["appliance", "raw", system]));
        assert_eq!([&drvs[0], &drvs[0]], [&drvs[1], &drvs[2]]);
    }
    assert_eq!(
        place.drv(&["appliance", "raw"]),
        place.drv(&["appliance", "raw", &native()])
    );
}

#[test]
fn the_final_link_is_the_one_root_of_the_image() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso"]);
    assert_eq!(
        place.roots(&place.link("appliance-iso")),
        [place.path("out/appliance-iso")]
    );
}

#[test]
fn a_new_image_replaces_the_link_and_its_root() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso"]);
    let before = place.link("appliance-iso");
    place.ask(&["appliance", "iso", "--set", "system.nixos.version=v2"]);
    let after = place.link("appliance-iso");
    assert_ne!(before, after);
    assert_eq!(place.manifest("appliance-iso")["outPath"], after.as_str());
    assert_eq!(place.roots(&after), [place.path("out/appliance-iso")]);
    assert!(
        place.roots(&before).is_empty(),
        "{:?}",
        place.roots(&before)
    );
}

/// The links that Nix has registered as roots in a place with a store of its own, with whether
/// each is still there.
fn registered(place: &Place) -> Vec<(PathBuf, bool)> {
    let folder = place.beside("state/gcroots/auto");
    let roots = fs::read_dir(folder).unwrap();
    let roots = roots.map(|root| fs::read_link(root.unwrap().path()).unwrap());
    let mut roots: Vec<_> = roots
        .map(|link| (link.clone(), link.is_symlink()))
        .collect();
    roots.sort();
    roots
}

#[test]
fn a_build_that_changes_nothing_registers_no_root() {
    let place = Place::flake(&tiny::scripts(&[
        ("a", "echo a >$out"),
        ("b", "echo b >$out"),
    ]));
    let place = place.with_own_store();
    let build = ["build", "hosts/a", "hosts/b"];
    place.ask(&build);
    let before = registered(&place);
    for link in ["out/hosts-a", "out/hosts-b"] {
        assert!(before.contains(&(place.path(link), true)), "{before:?}");
    }
    // What Nix remembers that is not there any more goes with the next garbage collection.
    place.nix(&["store", "gc"]).run().ok();
    let kept = registered(&place);
    assert!(kept.iter().all(|(_, is_there)| *is_there), "{kept:?}");
    for _ in 0..20 {
        place.ask(&build);
    }
    assert_eq!(registered(&place), kept);
    // A link that is no root any more is made one again.
    fs::remove_dir_all(place.beside("state/gcroots/auto")).unwrap();
    place.ask(&build);
    let there = registered(&place);
    let there = there.into_iter().filter(|(_, is_there)| *is_there);
    assert_eq!(there.collect::<Vec<_>>(), kept);
}

#[test]
fn builds_that_change_something_leave_no_more_and_more_roots_that_are_gone() {
    let script = |number| tiny::scripts(&[("box", &format!("echo {number} >$out"))]);
    let place = Place::flake(&script(0)).with_own_store();
    let mut gone = vec![];
    for number in 1..5 {
        place.write("flake.nix", script(number));
        place.ask(&["build", "hosts/box"]);
        gone.push(registered(&place).len());
    }
    assert_eq!(gone, [2; 4], "the link, and one name that each run uses");
}

#[test]
fn sha256sum_accepts_the_checksum() {
    let place = Place::minibox();
    place.ask(&["build", "appliance/iso", "appliance/qcow2"]);
    let check = place
        .call("sha256sum")
        .args(["-c", "appliance-iso.sha256", "appliance-qcow2.sha256"])
        .folder(place.path("out"))
        .run()
        .ok();
    assert_eq!(check.stdout.matches(": OK\n").count(), 2, "{check}");
    let sum = place.manifest("appliance-iso")["artifact"]["sha256"].clone();
    let file = place.read("out/appliance-iso.sha256");
    assert!(file.starts_with(sum.as_str().unwrap()), "{file}");
}

#[test]
fn the_manifest_says_what_was_built_from_what() {
    let place = Place::minibox();
    let drv = place.drv(&["appliance", "iso"]);
    place.ask(&["appliance", "iso"]);
    let manifest = place.manifest("appliance-iso");
    let system = native();
    let file = format!("iso/coder-box-appliance-{system}.iso");
    let size = place.path(format!("out/appliance-iso/{file}")).metadata();
    let revision = place.git(&["rev-parse", "HEAD"]);
    let nix = place.nix(&["--version"]).run().ok();
    for (pointer, value) in [
        ("/schema", 2.into()),
        ("/target", "appliance/iso".into()),
        ("/host", "_appliance_iso".into()),
        ("/hostName", "coder-box".into()),
        ("/system", system.as_str().into()),
        ("/drvPath", drv.into()),
        ("/outPath", place.link("appliance-iso").into()),
        ("/output", "out".into()),
        ("/artifact/path", file.into()),
        ("/artifact/size", size.unwrap().len().into()),
        ("/overrides/0/option", "nixpkgs.hostPlatform".into()),
        ("/overrides/0/value", system.as_str().into()),
        ("/source/narHash", place.ask(&["source", "hash"]).into()),
        ("/source/revision", revision.text().into()),
        ("/source/branch", "main".into()),
        ("/source/dirty", false.into()),
        ("/source/local", serde_json::json!([])),
        ("/tools/nix", nix.text().into()),
    ] {
        assert_eq!(manifest.pointer(pointer), Some(&value), "{pointer}");
    }
}

#[test]
fn the_manifest_says_when_the_tree_was_dirty() {
    let place = Place::minibox();
    place.write("modules/new.txt", "not committed\n");
    place.ask(&["appliance", "iso"]);
    assert_eq!(place.manifest("appliance-iso")["source"]["dirty"], true);
}

#[test]
fn a_second_run_evaluates_nothing_and_hashes_nothing() {
    let place = Place::minibox();
    let first = place.cbox(&["appliance", "iso"]).run().ok();
    assert!(first.stderr.contains("hashing"), "{first}");
    let log = place.log_nix();
    let second = place.cbox(&["appliance", "iso"]).run().ok();
    assert_eq!(second.stdout, first.stdout);
    assert!(!second.stderr.contains("hashing"), "{second}");
    let calls = log.take();
    assert_eq!(count(&calls, " eval "), 0, "{calls:?}");
    assert_eq!(count(&calls, " daemon "), 0, "{calls:?}");
}

#[test]
fn drv_prints_a_derivation_that_is_there_and_builds_nothing() {
    let place = Place::minibox();
    let set = format!("environment.etc.word.text={}", unique());
    let run = place.cbox(&["appliance", "iso", "--drv", "--set", &set]);
    let run = run.run().ok();
    let drv = *run.lines().last().unwrap();
    assert!(drv.ends_with(".drv") && Path::new(drv).is_file(), "{run}");
    assert!(place.names("out").is_empty());
}

#[test]
fn of_a_long_plan_the_end_is_shown_and_all_of_it_where_that_is_asked_for() {
    let word = unique();
    let names: Vec<String> = (1..=25).map(|number| format!("h{number}")).collect();
    let hosts: Vec<(&str, String)> = names
        .iter()
        .map(|name| (name.as_str(), format!("echo {word} >$out")))
        .collect();
    let hosts: Vec<(&str, &str)> = hosts
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    let place = Place::flake(&tiny::scripts(&hosts));
    let words = names.iter().map(String::as_str);
    let words: Vec<&str> = ["build", "--dry-run"].into_iter().chain(words).collect();
    let derivations = |run: &Ended| {
        let lines = run.stdout.lines();
        lines
            .filter(|line| line.starts_with("  /nix/store/"))
            .count()
    };
    let run = place.cbox(&words).run().ok();
    assert!(
        run.stdout.contains("\n  … 5 more, which `-v` lists\n"),
        "{run}"
    );
    assert_eq!(derivations(&run), 20, "{run}");
    let all = place.cbox(&words).args(["-v"]).run().ok();
    assert_eq!(derivations(&all), 25, "{all}");
}

#[test]
fn a_dry_run_shows_what_would_be_built_and_builds_nothing() {
    let place = Place::minibox();
    let word = unique();
    let set = format!("environment.etc.word.text={word}");
    let target = ["appliance", "iso", "x86_64", "--dry-run", "--set", &set];
    let run = place.cbox(&target).run().ok();
    let text = place.stable(&run.stdout.replace(&word, "<word>"));
    // How many there are, what is built already says.
    let (plan, _) = text.split_once(" derivations to build:\n").unwrap();
    let (plan, _) = plan.rsplit_once('\n').unwrap();
    insta::assert_snapshot!(plan, @r#"
    appliance/iso/x86_64-linux (x86_64-linux)
      host        _appliance_iso, named coder-box
      derivation  /nix/store/<1>-coder-box-appliance-x86_64-linux.iso.drv
      output      /nix/store/<2>-coder-box-appliance-x86_64-linux.iso
      artifact    coder-box-appliance-x86_64-linux.iso
      forced      environment.etc.word.text = "<word>"
      forced      nixpkgs.hostPlatform = "x86_64-linux"
    "#);
    assert!(run.stdout.contains("root.squashfs.drv"), "{run}");
    let built = run
        .lines()
        .iter()
        .filter_map(|line| line.trim().strip_prefix("output"))
        .any(|output| Path::new(output.trim()).exists());
    assert!(!built, "{run}");
    assert!(place.names("out").is_empty());
}

#[test]
fn no_link_links_and_records_nothing() {
    let place = Place::minibox();
    let printed = place.ask(&["appliance", "iso", "--no-link"]);
    assert!(printed.starts_with("/nix/store/"), "{printed}");
    assert!(Path::new(&printed).is_file(), "{printed}");
    assert!(place.names("out").is_empty());
}

#[test]
fn out_dir_is_relative_to_where_the_user_stands() {
    let place = Place::minibox();
    let run = place.cbox(&["appliance", "iso", "--out-dir", "../../images"]);
    run.folder(place.path("hosts")).run().ok();
    assert!(place.beside("images/appliance-iso.json").is_file());
    assert!(place.names("out").is_empty());
}

#[test]
fn a_folder_below_the_flake_will_do() {
    let place = Place::minibox();
    let run = place.cbox(&["appliance", "iso"]);
    let run = run.folder(place.path("hosts")).run().ok();
    assert!(run.stdout.starts_with("../out/appliance-iso/"), "{run}");
    assert!(place.path("out/appliance-iso.json").is_file());
}

#[test]
fn a_flake_in_a_folder_of_its_repository_is_built() {
    let place = Place::minibox();
    let plain = place.drv(&["appliance", "iso"]);
    place
        .call("sh")
        .args(["-c", "mkdir box && mv [!b.]* .gitignore box/"])
        .run()
        .ok();
    place.commit("moved");
    assert_eq!(place.drv(&["--flake", "box", "appliance", "iso"]), plain);
    place.ask(&["--flake", "box", "appliance", "iso"]);
    assert!(place.path("box/out/appliance-iso.json").is_file());
}

#[test]
fn stamp_puts_commit_and_branch_into_the_image_and_nothing_else_does() {
    let place = Place::minibox();
    let plain = place.drv(&["appliance", "iso"]);
    let stamped = ["appliance", "iso", "--stamp"];
    let first = place.drv(&stamped);
    place.git(&["commit", "--quiet", "--allow-empty", "--message", "empty"]);
    assert_eq!(place.drv(&["appliance", "iso"]), plain);
    assert_ne!(place.drv(&stamped), first);
    let plan = place.cbox(&["appliance", "iso", "--stamp", "--dry-run", "--json"]);
    let plan = plan.run().ok();
    let revision = place.git(&["rev-parse", "HEAD"]);
    let forced = |option: &str| plan.forced(option);
    assert_eq!(forced("system.configurationRevision"), revision.text());
    assert_eq!(forced("system.configurationBranch"), "main");
}

#[test]
fn stamp_says_when_the_tree_is_not_the_commit() {
    let place = Place::minibox();
    let revision = place.git(&["rev-parse", "HEAD"]);
    let forced = |mark: &str| {
        let run = place.cbox(&["appliance", "iso", "--stamp", "--dry-run"]);
        let run = run.run().ok();
        let value = format!(
            "system.configurationRevision = \"{}{mark}\"",
            revision.text()
        );
        let row = run
            .lines()
            .into_iter()
            .filter_map(|line| line.trim().strip_prefix("forced"))
            .any(|row| row.trim() == value);
        assert!(row, "no `{value}` in {run}");
    };
    forced("");
    place.write("modules/new.txt", "not committed\n");
    forced("-dirty");
    place.git(&["add", "--all"]);
    forced("-dirty");
    std::fs::remove_file(place.path("modules/new.txt")).unwrap();
    place.git(&["reset", "--quiet"]);
    forced("");
}
