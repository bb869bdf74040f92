//! Bad input on the command line and in `cbox.toml`: one clear sentence, the place, the
//! way out, and an exit code of its own.

use crate::support::{call::Ended, place::Place};

/// Fails unless there is exactly one error, and no mess.
#[track_caller]
pub(crate) fn one_error(run: &Ended) {
    let errors = run.stderr.lines().filter(|line| line.starts_with("error:"));
    assert_eq!(errors.count(), 1, "{run}");
    assert_eq!(run.stdout, "", "{run}");
    assert!(!run.stderr.contains("panicked"), "{run}");
}

/// Runs cbox, which has to fail with this code, one error and these words.
#[track_caller]
pub(crate) fn fails(place: &Place, args: &[&str], code: i32, words: &[&str]) -> Ended {
    let run = place.cbox(args).run().code(code);
    one_error(&run);
    run.says(words)
}

/// One bad input: the arguments, the exit code, and what the error has to say.
pub(crate) type Row = (&'static [&'static str], i32, &'static [&'static str]);

/// Runs every row on the same mini box, and reports all rows that are wrong at once.
#[track_caller]
pub(crate) fn check(place: &Place, rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(args, code, words)| {
            let run = place.cbox(args).run();
            let missing = words.iter().filter(|word| !run.stderr.contains(**word));
            let missing: Vec<_> = missing.collect();
            let errors = run.stderr.lines().filter(|line| line.starts_with("error:"));
            let good =
                run.status.code() == Some(*code) && missing.is_empty() && errors.count() == 1;
            (!good).then(|| format!("wanted {code} and {missing:?}: {run}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(place.names("out"), [""; 0]);
}

#[test]
fn unknown_words_are_answered_with_the_nearest_ones() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (&["aplliance", "iso"], 2, &["`aplliance`", "`appliance`"]),
            (&["bild", "appliance/iso"], 2, &["`bild`", "`build`"]),
            (&["zzz"], 2, &["`zzz`", "`appliance`"]),
            (&["appliance", "isso"], 2, &["no format `isso`", "`iso`"]),
            (
                &["appliance"],
                2,
                &["which format", "`appliance`", "cbox appliance iso"],
            ),
            (&["appliance", "iso", "arm65"], 2, &["arm65"]),
            (&["appliance", "iso", "x86_64", "more"], 2, &["'more'"]),
            (&["appliance", "iso", "--drvv"], 2, &["--drvv", "--drv"]),
            (&["build"], 2, &["<TARGET>"]),
            (&["build", "iso"], 2, &["`iso`", "hint:"]),
            (
                &["build", "aplliance/iso"],
                2,
                &["`aplliance`", "`appliance`"],
            ),
            (&["build", "appliance/qcow"], 2, &["`qcow`", "`qcow2`"]),
            (
                &["build", "hosts/mini-arm46"],
                2,
                &["`mini-arm46`", "`mini-arm64`"],
            ),
            (
                &["build", "hosts/_appliance_iso"],
                2,
                &["_appliance_iso", "appliance/iso"],
            ),
            (&["build", "hosts/${x}"], 2, &["${x}"]),
            (
                &["source", "hash", "--host", "mini-arm46"],
                2,
                &["`mini-arm46`", "`mini-arm64`"],
            ),
            (
                &["source", "list", "--host", "nosuch"],
                2,
                &["`nosuch`", "hint:"],
            ),
            (&["list", "--flak", "."], 2, &["--flak", "--flake"]),
            (&["list", "-q", "-v"], 2, &["--quiet", "--verbose"]),
            (
                &["appliance", "iso", "--drv", "--dry-run"],
                2,
                &["--drv", "--dry-run"],
            ),
        ],
    );
}

#[test]
fn a_target_given_twice_is_an_error() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (
                &["build", "appliance/iso", "appliance/iso"],
                2,
                &["appliance/iso", "twice"],
            ),
            (
                &[
                    "build",
                    "hosts/mini-arm64",
                    "appliance/iso",
                    "hosts/mini-arm64",
                ],
                2,
                &["hosts/mini-arm64", "twice"],
            ),
            (
                &[
                    "build",
                    "appliance/raw/arm64",
                    "appliance/raw/aarch64-linux",
                ],
                2,
                &["twice"],
            ),
        ],
    );
}

#[test]
fn a_system_that_cannot_be_had_has_its_own_exit_code() {
    let place = Place::minibox();
    check(
        &place,
        &[(
            &["appliance", "iso", "riscv64-linux"],
            11,
            &[
                "appliance/iso",
                "riscv64-linux",
                "hint:",
                "x86_64-linux and aarch64-linux",
            ],
        )],
    );
}

#[test]
fn set_says_what_is_wrong_with_a_setting() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (
                &["appliance", "iso", "--set", "a.b"],
                2,
                &["a.b", "OPTION=VALUE"],
            ),
            (
                &["appliance", "iso", "--set", "a.b="],
                2,
                &["a.b=", "OPTION=VALUE"],
            ),
            (&["appliance", "iso", "--set"], 2, &["--set"]),
            (
                &["appliance", "iso", "--set", "a.b={"],
                2,
                &["`{`", "JSON", "'a.b=\"{\"'"],
            ),
            (
                &["appliance", "iso", "--set", "a.b=two words"],
                2,
                &["two words", "'a.b=\"two words\"'"],
            ),
            (
                &["appliance", "iso", "--set", "a.b=--"],
                2,
                &["`--`", "JSON"],
            ),
            (
                &["appliance", "iso", "--set", "a..b=1"],
                2,
                &["`a..b`", "no"],
            ),
            (
                &["appliance", "iso", "--set", "networking.hostNam=x"],
                2,
                &["_appliance_iso", "`networking.hostNam`", "--set"],
            ),
            (
                &["appliance", "iso", "--set", "no.such.option=1"],
                2,
                &["`no.such.option`", "--set"],
            ),
            (
                &[
                    "appliance",
                    "iso",
                    "--set",
                    "networking={}",
                    "--set",
                    "networking.hostName=x",
                ],
                2,
                &["`networking`", "`networking.hostName`"],
            ),
        ],
    );
}

/// Shows that a change of `cbox.toml` is an error with this code and these words.
#[track_caller]
fn config(from: &str, to: &str, code: i32, words: &[&str]) {
    let place = Place::minibox();
    place.edit("cbox.toml", from, to);
    let run = place.cbox(&["appliance", "iso"]).run().code(code);
    one_error(&run);
    run.says(words);
    assert_eq!(place.names("out"), [""; 0]);
}

#[test]
fn a_missing_cbox_toml_is_named() {
    let place = Place::minibox();
    std::fs::remove_file(place.path("cbox.toml")).unwrap();
    for (args, code) in [
        (&["appliance", "iso"][..], 3),
        (&["build", "appliance/iso"], 2),
    ] {
        let run = place.cbox(args).run().code(code);
        one_error(&run);
        run.says(&["no cbox.toml in", "hint:"]);
    }
}

#[test]
fn an_unknown_key_of_cbox_toml_is_shown_with_line_and_column() {
    config(
        "host = \"_appliance_iso\"",
        "hots = \"_appliance_iso\"",
        3,
        &["cbox.toml:15:1", "`hots`", "`host`"],
    );
}

#[test]
fn a_wrong_type_in_cbox_toml_is_shown_with_line_and_column() {
    config(
        "exclude = []",
        "exclude = \"x\"",
        3,
        &["cbox.toml:4:11", "string \"x\"", "sequence"],
    );
}

#[test]
fn broken_toml_is_shown_with_line_and_column() {
    config("exclude = []", "exclude = [", 3, &["cbox.toml:"]);
}

#[test]
fn an_option_path_in_cbox_toml_that_is_none_is_shown() {
    config(
        "\"system.build.isoImage\"",
        "\"system..isoImage\"",
        3,
        &["cbox.toml:16:13", "system..isoImage"],
    );
}

#[test]
fn a_host_that_the_flake_does_not_have_is_named() {
    config(
        "host = \"_appliance_iso\"",
        "host = \"_appliance_isso\"",
        2,
        &["`_appliance_isso`", "hint:"],
    );
}

#[test]
fn an_attribute_that_the_host_does_not_have_is_named() {
    config(
        "\"system.build.isoImage\"",
        "\"system.build.isoImages\"",
        3,
        &["_appliance_iso", "system.build.isoImages", "hint:"],
    );
}

#[test]
fn an_override_of_no_option_in_cbox_toml_is_named() {
    config(
        "\"disko.imageBuilder.imageFormat\" = \"qcow2\"",
        "\"disko.imageBuilder.imageFormat\" = \"qcow2\"\n[[target]]\nkind = \"appliance\"\nformat = \"x\"\nhost = \"_appliance_iso\"\nattribute = \"a\"\nartifact = \"../x\"\n",
        3,
        &["appliance/x", "artifact", "../x"],
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_shown_with_what_there_is() {
    config(
        "artifact = \"iso/*.iso\"",
        "artifact = \"iso/*.img\"",
        9,
        &["iso/*.img", "hint:", "iso/coder-box-appliance-"],
    );
}

#[test]
fn a_pattern_that_matches_several_is_shown_with_all_of_them() {
    config(
        "artifact = \"iso/*.iso\"",
        "artifact = \"*/*\"",
        9,
        &[
            "2 files",
            "iso/coder-box-appliance-",
            "nix-support/",
            "hint:",
        ],
    );
}

#[test]
fn an_artifact_with_another_name_than_the_host_gives_it_is_an_error() {
    config(
        "artifact = \"iso/*.iso\"",
        "artifact = \"nix-support/hydra-*\"",
        9,
        &[
            "nix-support/hydra-build-products",
            "coder-box-appliance-",
            "hint:",
        ],
    );
}

#[test]
fn a_builder_that_is_not_to_be_had_has_its_own_exit_code() {
    // With `cross` the image would be put together on this machine.
    let place = Place::minibox();
    let text = place
        .read("cbox.toml")
        .replace("cross = true", "cross = false");
    place.write("cbox.toml", text);
    let foreign = match std::env::consts::ARCH {
        "aarch64" => "x86_64-linux",
        _ => "aarch64-linux",
    };
    let set = format!("environment.etc.word.text={}", crate::support::unique());
    let build = ["appliance", "iso", foreign, "--set", &set, "--builders", ""];
    let run = place.cbox(&build);
    let run = run.env("NIX_CONFIG", "extra-platforms =").run().code(11);
    one_error(&run);
    run.says(&[foreign, "hint:", "--builders", "cross = true"]);
}
