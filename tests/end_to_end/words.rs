//! The kinds of `cbox.toml` are commands, and a target is the same in words and with slashes.

use crate::{
    bad_words::{check, fails},
    support::{nix::native, place::Place},
};

/// What cbox prints for each of two lines, which has to be the same.
#[track_caller]
fn alike(place: &Place, one: &str, other: &str) -> String {
    let run = |line: &str| place.ask(&line.split(' ').collect::<Vec<_>>());
    let found = run(one);
    assert_eq!(found, run(other), "{one}");
    found
}

fn json(place: &Place, args: &[&str]) -> serde_json::Value {
    place.cbox(args).run().ok().json()
}

#[test]
fn targets_in_words_are_those_with_slashes() {
    let place = Place::minibox();
    let drvs = alike(
        &place,
        "build appliance iso appliance qcow2 arm64 mini-thinkcentre --drv",
        "build appliance/iso appliance/qcow2/aarch64-linux hosts/mini-thinkcentre --drv",
    );
    assert_eq!(drvs.lines().count(), 3, "{drvs}");
    alike(&place, "matrix appliance iso", "matrix appliance/iso");
    let same = "diff appliance iso appliance/iso";
    assert_eq!(
        alike(&place, same, "diff appliance/iso appliance iso"),
        "the same derivation"
    );
    let at_commit = place.ask(&["diff", "HEAD:appliance", "iso", "appliance", "iso"]);
    assert_eq!(at_commit, "the same derivation");
    let hosts = place.cbox(&[
        "diff",
        "appliance",
        "iso",
        "arm64",
        "appliance",
        "iso",
        "amd64",
    ]);
    assert_ne!(hosts.run().ok().text(), "the same derivation");
}

#[test]
fn what_was_built_is_named_in_words() {
    let place = Place::minibox();
    place.ask(&["build", "appliance", "iso", "mini-thinkcentre"]);
    assert_eq!(
        json(&place, &["status", "appliance", "iso", "--json"])["links"][0]["target"],
        "appliance/iso"
    );
    let status = json(
        &place,
        &["status", "mini-thinkcentre", "appliance", "iso", "--json"],
    );
    assert_eq!(
        status["links"].as_array().map(Vec::len),
        Some(2),
        "{status:#}"
    );
    alike(&place, "size appliance iso", "size appliance/iso");
    alike(
        &place,
        "size mini-thinkcentre",
        "size hosts/mini-thinkcentre",
    );
    std::fs::File::create(place.beside("disk.img"))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    // Options may stand between the words.
    let flash = alike(
        &place,
        "flash appliance --file iso ../disk.img --dry-run",
        "flash appliance/iso ../disk.img --file --dry-run",
    );
    assert!(flash.contains("to write appliance/iso"), "{flash}");
    let system = native();
    fails(
        &place,
        &["boot", "appliance", "raw", &system],
        9,
        &[&format!("appliance/raw/{system} is not built yet")],
    );
    let gone = place.ask(&["clean", "appliance", "iso", "mini-thinkcentre", "--dry-run"]);
    for target in [
        "would remove appliance/iso",
        "would remove hosts/mini-thinkcentre",
    ] {
        assert!(gone.contains(target), "{gone}");
    }
}

#[test]
fn words_that_name_no_target_are_answered_with_the_nearest_ones() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (
                &["boot", "appliance"],
                2,
                &["which format of `appliance`?", "`appliance iso`"],
            ),
            (
                &["size", "appliance", "isso"],
                2,
                &["no format `isso`", "did you mean `iso`?"],
            ),
            (
                &["status", "aplliance", "iso"],
                2,
                &["`aplliance`", "did you mean `appliance`?"],
            ),
            (
                &["size", "aplliance", "iso"],
                2,
                &["`aplliance`", "did you mean `appliance`?"],
            ),
            (
                &["diff", "aplliance", "iso", "mini-arm64"],
                2,
                &["`aplliance`", "did you mean `appliance`?"],
            ),
            (
                &["size", "appliance", "iso", "mini-arm46"],
                2,
                &["no host `mini-arm46`", "did you mean `mini-arm64`?"],
            ),
            (
                &["mini-arm64"],
                2,
                &["`cbox build mini-arm64` builds the target"],
            ),
            (&["boot", "iso"], 2, &["did you mean `appliance/iso`?"]),
            (
                &["build", "mini-arm46"],
                2,
                &["no host `mini-arm46`", "`mini-arm64`"],
            ),
            (
                &["build", "_appliance_iso"],
                2,
                &["is not a machine", "build appliance/iso"],
            ),
            (
                &["build", "appliance", "iso", "arm65"],
                2,
                &["`arm65`", "`arm64`"],
            ),
            (
                &["build", "appliance", "iso", "riscv64-linux"],
                11,
                &["x86_64-linux and"],
            ),
            (
                &["boot", "appliance", "iso", "appliance", "raw"],
                2,
                &["appliance/iso and appliance/raw"],
            ),
            (
                &["size", "appliance", "iso", "mini-arm64"],
                2,
                &["appliance/iso and mini-arm64"],
            ),
            (
                &["diff", "appliance", "iso"],
                2,
                &["appliance/iso is one side"],
            ),
            (
                &["diff", "mini-arm64", "appliance", "iso", "v1"],
                2,
                &["expected two sides"],
            ),
            (
                &["flash", "appliance"],
                2,
                &["which format of `appliance`?"],
            ),
            (
                &["flash", "appliance", "iso"],
                2,
                &["there is no drive named", "<DEVICE>"],
            ),
            (
                &["flash", "appliance", "isso", "/dev/null"],
                2,
                &["no format `isso`"],
            ),
        ],
    );
}

#[test]
fn words_that_can_be_read_in_two_ways_are_refused() {
    let place = Place::minibox();
    let config = place.read("cbox.toml");
    place.write(
        "cbox.toml",
        format!("hosts = [\"appliance\", \"iso\"]\n{config}"),
    );
    let words = &[
        "the image appliance/iso",
        "`iso` names a target too",
        "with slashes",
    ];
    fails(&place, &["build", "appliance", "iso"], 2, words);
    // Where only one reading is there, it is taken.
    fails(
        &place,
        &["boot", "appliance", "raw"],
        9,
        &["appliance/raw is not built yet"],
    );
}

#[test]
fn help_shows_the_kinds_of_the_flake_that_is_here() {
    let place = Place::minibox();
    let help = place.ask(&["--help"]);
    let (_, kinds) = help.split_once("Kinds of image in cbox.toml:\n").unwrap();
    assert!(
        kinds.starts_with("  appliance  iso, qcow2, raw\n\nCommands:\n"),
        "{help}"
    );
    let help = place.ask(&["appliance", "--help"]);
    let (_, formats) = help.split_once("Formats:\n").unwrap();
    let iso = "  iso    of _appliance_iso, for x86_64-linux and aarch64-linux\n";
    assert!(formats.starts_with(iso), "{help}");
    assert_eq!(place.ask(&["help", "appliance"]), help);
    // Elsewhere there is none, unless the flake is named.
    let elsewhere = place.beside("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let flake = place.path("").into_os_string().into_string().unwrap();
    let help = |args: &[&str]| place.cbox(args).folder(&elsewhere).run().ok().stdout;
    assert!(!help(&["--help"]).contains("Kinds of image"));
    assert!(help(&["--help", "--flake", &flake]).contains("Kinds of image"));
}

#[test]
fn a_broken_cbox_toml_is_an_error_for_those_who_need_it() {
    let place = Place::minibox();
    for (config, words) in [
        ("not = [ TOML", &["cbox.toml:1:"][..]),
        (
            "[[target]]\nkind = \"list\"\nformat = \"iso\"\nhost = \"x\"\nattribute = \"a\"\n",
            &[
                "cbox.toml:2:8: the kind `list` has the name of a command",
                "rename the kind",
            ],
        ),
        (
            "[[target]]\nkind = \"help\"\nformat = \"iso\"\nhost = \"x\"\nattribute = \"a\"\n",
            &["the kind `help` has the name of a command"],
        ),
    ] {
        place.write("cbox.toml", config);
        for args in [
            &["--help"][..],
            &["list", "--help"],
            &["help", "boot"],
            &["--version"],
        ] {
            assert_eq!(place.cbox(args).run().ok().stderr, "", "{args:?}");
        }
        assert!(
            place
                .ask(&["appliance", "iso", "--help"])
                .contains("--dry-run")
        );
        place.ask(&["completions", "bash"]);
        place.ask(&["man", "../man"]);
        assert!(place.ask(&["init", "--print"]).contains("[[target]]"));
        let doctor = place.cbox(&["doctor"]).run();
        assert!(doctor.stdout.contains(words[0]), "{doctor}");
        for args in [
            &["list"][..],
            &["appliance", "iso"],
            &["status"],
            &["boot", "appliance/iso"],
        ] {
            fails(&place, args, 3, words);
        }
    }
}

#[test]
fn commands_in_hints_can_be_pasted() {
    let place = Place::minibox_in("it's here");
    let flake = place.path("").into_os_string().into_string().unwrap();
    let boot = [
        "--flake",
        &flake,
        "boot",
        "appliance",
        "iso",
        "--out-dir",
        "o",
    ];
    let run = place.cbox(&boot).folder(place.folder()).run().code(9);
    let quoted = flake.replace('\'', r"'\''");
    run.says(&[&format!(
        "`cbox --flake '{quoted}' appliance iso --out-dir o`"
    )]);
}

#[test]
fn what_several_hosts_have_in_common_is_said_once() {
    let place = Place::minibox();
    place.edit("modules/default.nix", "{", "{ nothing = throw \"shared\";");
    let build = ["build", "mini-arm64", "mini-thinkcentre", "--drv"];
    let run = place.cbox(&build).run().code(7);
    let run = run.says(&["hosts `mini-arm64` and `mini-thinkcentre` do not evaluate: shared"]);
    assert_eq!(run.stderr.matches("shared").count(), 2, "{run}");
}
