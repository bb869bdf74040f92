//! `cbox diff A B`: two of whatever can name a derivation, and why they differ.

use std::{fs, os::unix::fs::symlink};

use crate::support::{call::Ended, place::Place, tiny};

/// Two hosts of a flake of folders that differ in one word.
fn two() -> Place {
    let place = Place::flake(&tiny::of_folders());
    set(&place, "one", "echo first >$out");
    set(&place, "two", "echo second >$out");
    place.commit("hosts");
    place
}

fn set(place: &Place, host: &str, script: &str) {
    place.write(
        format!("hosts/{host}/default.nix"),
        tiny::script_host("box", script),
    );
}

fn diff(place: &Place, sides: [&str; 2], more: &[&str]) -> Ended {
    place.cbox(&["diff"]).args(sides).args(more).run()
}

/// Shows that the two differ in the words of the two hosts.
#[track_caller]
fn differs(place: &Place, sides: [&str; 2]) {
    let run = diff(place, sides, &[]).ok();
    for part in ["echo first", "echo second", "nothing else follows"] {
        assert!(run.stdout.contains(part), "{sides:?}: {part}: {run}");
    }
    let staged = run.stderr.matches("staging").count();
    assert!(staged < 2, "one tree is staged once: {run}");
}

#[test]
fn hosts_commits_derivations_and_links_can_be_mixed() {
    let place = two();
    let drv = |host: &str| place.drv(&["build", &format!("hosts/{host}")]);
    let (one, two) = (drv("one"), drv("two"));
    place.ask(&["build", "hosts/one"]);
    place.git(&["tag", "v1"]);
    set(&place, "one", "echo second >$out");
    set(&place, "two", "echo first >$out");
    place.commit("the other way round");

    for sides in [
        ["two", "one"],
        ["hosts/two", "hosts/one"],
        ["v1:one", "one"],
        ["v1:one", "v1:two"],
        ["HEAD~1:hosts/one", "HEAD:one"],
        [&one, &two],
        [&one, "one"],
        ["two", &two],
        ["out/hosts-one", "one"],
        ["./out/hosts-one", &two],
        [
            &format!("{}/out/hosts-one", place.path("").display()),
            "v1:two",
        ],
    ] {
        differs(&place, sides);
    }
    for sides in [
        ["v1:one", "two"],
        ["out/hosts-one", &one],
        ["one", "one"],
        ["out/hosts-one", "out/hosts-one"],
    ] {
        let run = diff(&place, sides, &[]).ok();
        assert_eq!(run.text(), "the same derivation", "{sides:?}");
    }
    assert_eq!(place.names("../tmp"), [""; 0]);
}

#[test]
fn a_link_that_cbox_did_not_make_is_traced_by_nix() {
    let place = two();
    place.ask(&["build", "hosts/one"]);
    let output = place.link("hosts-one");
    symlink(&output, place.path("result")).unwrap();
    differs(&place, ["result", "two"]);
    differs(&place, ["./result", "two"]);
    differs(&place, [&output, "two"]);
    symlink("out/hosts-one", place.path("mine")).unwrap();
    differs(&place, ["mine", "two"]);
    let run = place.cbox(&["diff", "../result", "two"]);
    run.folder(place.path("hosts")).run().ok();
}

#[test]
fn targets_are_compared_as_they_would_be_built() {
    let place = Place::minibox();
    let targets = ["appliance/qcow2", "appliance/raw"];
    let run = diff(&place, targets, &[]).ok();
    assert!(run.stdout.contains("qcow2"), "{run}");
    assert!(run.lines().len() <= 40, "{run}");
    place.edit(
        "hosts/_appliance_iso/default.nix",
        "Appliance, live on",
        "appliance, alive on",
    );
    let run = diff(&place, ["HEAD:appliance/iso", "appliance/iso"], &[]).ok();
    for part in [
        "etc-motd",
        "-Coder Box Appliance, live",
        "+Coder Box appliance, alive",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run}");
    }
}

#[test]
fn local_settings_count_as_in_a_build_and_can_be_left_out() {
    let place = Place::minibox();
    let local = "{ environment.etc.motd.text = \"Mine.\\n\"; }";
    place.write("hosts/mini-thinkcentre/local.nix", local);
    let sides = ["HEAD:mini-thinkcentre", "mini-thinkcentre"];
    let run = diff(&place, sides, &[]).ok();
    let run = run.says(&["mini-thinkcentre: with local settings (`--tracked` leaves them out)"]);
    assert!(run.stdout.contains("Mine."), "{run}");
    let run = diff(&place, sides, &["--tracked"]).ok();
    assert_eq!(run.text(), "the same derivation");
}

#[test]
fn another_derivation_with_the_same_output_is_called_so() {
    let place = Place::flake(&tiny::of_folders());
    for url in ["one", "two"] {
        let text = format!(
            r#"derivation {{
  name = "box"; system = "x86_64-linux"; builder = "/bin/sh"; url = "{url}.example";
  outputHashAlgo = "sha256"; outputHashMode = "flat";
  outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
}}"#
        );
        place.write(format!("hosts/{url}/default.nix"), text);
    }
    place.commit("hosts");
    let run = diff(&place, ["one", "two"], &[]).ok();
    assert_eq!(run.lines()[0], "another derivation with the same output");
    assert!(run.stdout.contains("one.example → two.example"), "{run}");
    assert!(!run.stdout.contains("1 rebuilt"), "{run}");
}

/// What two derivations need that are in the store: nothing but cbox.
#[test]
fn two_derivations_need_no_nix_and_no_flake() {
    let place = two();
    let drv = |host: &str| place.drv(&["build", &format!("hosts/{host}")]);
    let (one, two) = (drv("one"), drv("two"));
    let nothing = place.path_with_only(&[]);
    let alone = |sides: [&str; 2]| {
        let call = place.cbox(&["diff"]).args(sides).env("PATH", &nothing);
        call.folder(place.beside("home")).run()
    };
    let run = alone([&one, &two]).ok();
    assert!(run.stdout.contains("echo second"), "{run}");
    assert_eq!(alone([&one, &one]).ok().text(), "the same derivation");
    alone([&one, "two"])
        .code(3)
        .says(&["there is no flake.nix"]);

    // A link to one is one.
    symlink(&one, place.beside("home/link.drv")).unwrap();
    let run = alone(["link.drv", &two]).ok();
    assert!(run.stdout.contains("echo second"), "{run}");
}

#[test]
fn derivations_of_another_store_are_found_by_their_files() {
    let place = two();
    let store = place.beside("store").display().to_string();
    let drv = |host: &str| {
        let target = format!("hosts/{host}");
        place.ask(&["build", &target, "--drv", "--store", &store])
    };
    let (one, two) = (drv("one"), drv("two"));
    let file = |drv: &str| format!("{store}{drv}");
    differs(&place, [&file(&one), &file(&two)]);
    let run = place.cbox(&["diff", &one, &two, "--store", &store]).run();
    assert!(run.ok().stdout.contains("echo second"));
    let run = place.cbox(&["diff", &file(&one), "two", "--store", &store]);
    assert!(run.run().ok().stdout.contains("echo second"));

    // One that is cut short, or another thing.
    let free = ["-R", "u+w", &store];
    place.call("chmod").args(free).run().ok();
    let bytes = fs::read(file(&two)).unwrap();
    for wrong in [&bytes[..bytes.len() / 2], b"hello\n", b""] {
        fs::write(file(&two), wrong).unwrap();
        for sides in [[file(&one), file(&two)], [file(&two), file(&one)]] {
            let run = diff(&place, [&sides[0], &sides[1]], &[]).code(5);
            let run = run.says(&["error: the derivation ", &two]);
            assert_eq!(run.stdout, "");
            assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
        }
    }
}

#[test]
fn what_names_nothing_says_what_could_be_meant() {
    let place = Place::minibox();
    let known = "mini-arm64";
    let elsewhere = place.beside("elsewhere.drv").display().to_string();
    fs::write(&elsewhere, "Derive(").unwrap();
    let gone = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-gone.drv";
    for (side, code, words) in [
        (
            "mini-thinkcenter",
            2,
            &[
                "there is no host `mini-thinkcenter`",
                "did you mean `mini-thinkcentre`?",
            ][..],
        ),
        (
            "HEAD:mini-arm",
            2,
            &["there is no host `mini-arm`", "did you mean `mini-arm64`?"],
        ),
        (
            "appliance/isi",
            2,
            &["has no format `isi`", "did you mean `iso`?"],
        ),
        ("applience/iso", 2, &["`applience`", "`appliance`"]),
        (
            "appliance/iso/riscv64-linux",
            11,
            &["appliance/iso cannot be built for riscv64-linux"],
        ),
        (
            "_appliance_iso",
            2,
            &["is not a machine", "build appliance/iso"],
        ),
        (
            ":x",
            2,
            &["`:x` is not REV:host", "write a commit, a colon"],
        ),
        ("x:", 2, &["`x:` is not REV:host"]),
        ("nope:mini-arm64", 2, &["there is no commit `nope`"]),
        ("", 2, &["an empty word names nothing"]),
        ("a/b/c/d", 2, &["`a/b/c/d` is not a target"]),
        (
            "./result",
            2,
            &[
                "cannot open result: No such file",
                "`cbox status` shows the links",
            ],
        ),
        (
            "out/appliance-iso",
            2,
            &[
                "cannot open out/appliance-iso: No such file",
                "`cbox status`",
            ],
        ),
        (
            "./hosts/mini-arm64",
            2,
            &["hosts/mini-arm64 is not in a store", "a target or a link"],
        ),
        ("./none.drv", 2, &["cannot open none.drv: No such file"]),
        (
            &elsewhere,
            2,
            &["elsewhere.drv is not in a store, so its dependencies cannot be found"],
        ),
        (
            gone,
            5,
            &[
                "aaaa-gone.drv cannot be used: it is not in the store",
                "REV:host",
            ],
        ),
    ] {
        for sides in [[side, known], [known, side]] {
            let run = diff(&place, sides, &[]).code(code).says(&["error: "]);
            let run = run.says(words);
            assert_eq!(run.stdout, "", "{run}");
            assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
        }
    }
    place.cbox(&["diff", known]).run().code(2);
}

#[test]
fn forms_and_detail_are_those_of_verify_hosts() {
    let place = two();
    let sides = ["one", "two"];
    let run = diff(&place, sides, &["--json"]).ok();
    let document = run.json();
    assert_eq!(document["schema"], "cbox/diff/2");
    let found = &document["diff"];
    assert_eq!(found["old"]["name"], "one");
    assert!(
        found["new"]["drvPath"]
            .as_str()
            .unwrap()
            .ends_with("-box.drv")
    );
    assert_eq!(found["explanation"]["rebuilt"], 1);
    assert_eq!(found["explanation"]["sameOutput"], false);
    let cause = &found["explanation"]["causes"][0];
    assert_eq!(cause["name"], "box");
    let named = diff(&place, sides, &["--format", "json"]).ok();
    assert_eq!(named.stdout, run.stdout);

    let run = diff(&place, sides, &[]).ok();
    insta::assert_snapshot!(place.stable(&run.stdout), @"
    box: 1 rebuilt
       arguments:
         -c
        -echo first >$out
        +echo second >$out
    nothing else follows
    ");
    let run = diff(&place, sides, &["--format", "markdown"]).ok();
    assert!(run.stdout.ends_with("\n```\n"), "{run}");
    insta::assert_snapshot!(place.stable(&run.stdout), @"
    ```diff
     box: 1 rebuilt
       arguments:
         -c
    -    echo first >$out
    +    echo second >$out
     nothing else follows
    ```
    ");
    let run = diff(&place, sides, &["--format", "github"]).ok();
    insta::assert_snapshot!(place.stable(&run.stdout), @"
    ::stop-commands::<token>
    box: 1 rebuilt
       arguments:
         -c
        -echo first >$out
        +echo second >$out
    nothing else follows
    ::<token>::
    ");
    diff(&place, sides, &["--json", "--format", "plain"])
        .code(2)
        .says(&["ask for different forms"]);

    let lines = |more: &[&str]| diff(&place, sides, more).ok().lines().len();
    assert_eq!(lines(&["--explain", "none"]), 1);
    assert!(lines(&["--explain", "full"]) > 1);
    assert_eq!(lines(&["--max-lines", "3"]), 2);
    let run = diff(&place, ["one", "nope"], &["--json"]).code(2);
    assert_eq!(run.json()["error"]["kind"], "usage");
}

#[test]
fn a_host_that_does_not_evaluate_is_named() {
    let place = two();
    place.write("hosts/two/default.nix", "throw \"no disk\"");
    diff(&place, ["one", "two"], &[]).code(7).says(&[
        "error: host `two` does not evaluate",
        "no disk",
        "at hosts/two/",
    ]);
}
