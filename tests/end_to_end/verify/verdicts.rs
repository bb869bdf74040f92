//! Each verdict and its exit code, and which hosts are judged at all.

use crate::support::nix::native;

use super::{BASELINE, accepted, hosts, set, verdicts, verify};

#[test]
fn hosts_that_build_what_was_accepted_pass() {
    let place = accepted(&[("a", "echo a >$out"), ("b", "echo b >$out")]);
    let run = verify(&place, &[]).run().ok();
    assert_eq!(run.lines(), ["unchanged  a", "unchanged  b"]);
    let run = verify(&place, &["--strict", "--quiet"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a", "unchanged b"]);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_host_that_builds_something_else_fails_and_the_way_out_is_said() {
    let place = accepted(&[("a", "echo a >$out"), ("b", "echo b >$out")]);
    set(&place, "b", "echo other >$out");
    let run = verify(&place, &[]).run().code(1).says(&[
        "error: 1 of 2 hosts is not as accepted: b\n",
        "hint: if that is intended, run `cbox accept`",
    ]);
    assert_eq!(verdicts(&run), ["unchanged a", "changed b"]);
    set(&place, "b", "echo b >$out");
    verify(&place, &[]).run().ok();
}

/// A derivation that reads a file whose content is fixed, from this place.
fn of_fixed(url: &str) -> String {
    let system = native();
    format!(
        r#"derivation {{
  name = "box"; system = "{system}"; builder = "/bin/sh"; args = [ "-c" "echo $source >$out" ];
  source = derivation {{
    name = "source"; system = "{system}"; builder = "/bin/sh"; args = [ "-c" "exit 1" ];
    url = "{url}"; outputHashAlgo = "sha256"; outputHashMode = "flat";
    outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  }};
}}
"#
    )
}

#[test]
fn another_derivation_with_the_same_output_passes_with_a_note_unless_strict() {
    let place = hosts(&[]);
    place.write("hosts/box/default.nix", of_fixed("https://one.example"));
    place.commit("box");
    super::accept(&place);
    place.write("hosts/box/default.nix", of_fixed("https://two.example"));

    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), ["equivalent box"]);
    for part in [
        "url",
        "one.example",
        "two.example",
        "the output is the same",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run}");
    }
    let run = verify(&place, &["--strict"])
        .run()
        .code(1)
        .says(&["1 of 1 host is not as accepted: box"]);
    assert_eq!(verdicts(&run), ["equivalent box"]);

    place.commit("another place");
    super::accept(&place);
    verify(&place, &["--strict"]).run().ok();
}

#[test]
fn a_new_host_and_one_that_is_gone_have_to_be_accepted() {
    let place = accepted(&[("a", ":"), ("b", ":"), ("old", ":")]);
    place.git(&["rm", "-rq", "hosts/old"]);
    set(&place, "new", ":");
    place.commit("old goes, new comes");
    let run = verify(&place, &[])
        .run()
        .code(1)
        .says(&["2 of 4 hosts are not as accepted: new, old"]);
    assert_eq!(
        verdicts(&run),
        ["unchanged a", "unchanged b", "added new", "removed old"]
    );
}

#[test]
fn a_host_that_does_not_evaluate_is_failed_and_the_others_are_judged() {
    let place = accepted(&[("a", ":"), ("b", ":"), ("c", ":")]);
    place.write("hosts/a/default.nix", "\nthrow \"no disk\"");
    set(&place, "b", "echo changed");
    let run = verify(&place, &[])
        .run()
        .code(7)
        .says(&["error: 1 host not judged: a"]);
    assert_eq!(verdicts(&run), ["failed a", "changed b", "unchanged c"]);
    assert!(run.stdout.contains("no disk"), "{run}");
    assert!(run.stdout.contains("at hosts/a/default.nix:2:"), "{run}");
}

#[test]
fn a_host_that_fails_as_it_did_when_it_was_accepted_is_still_failed() {
    let place = accepted(&[("a", ":")]);
    place.write("hosts/a/default.nix", "throw \"no disk\"");
    place.commit("broken");
    for args in [
        &[][..],
        &["--rev", "HEAD"],
        &["--base", "HEAD"],
        &["--strict"],
    ] {
        let run = verify(&place, args).run().code(7);
        assert_eq!(verdicts(&run), ["failed a"], "{args:?}");
    }
}

#[test]
fn a_flake_that_does_not_parse_fails_every_host() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    place.write("flake.nix", "{");
    let run = verify(&place, &[]).run().code(7);
    assert!(!run.stdout.contains("unchanged"), "{run}");
    assert!(
        format!("{}{}", run.stdout, run.stderr).contains("at flake.nix:"),
        "{run}"
    );
}

#[test]
fn only_the_hosts_that_match_are_judged() {
    let place = accepted(&[("lab-1", ":"), ("lab-2", ":"), ("office", ":")]);
    set(&place, "office", "echo other");
    let run = verify(&place, &["--host", "lab-*"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged lab-1", "unchanged lab-2"]);
    for words in [&["lab-2", "hosts/lab-1"][..], &["--host", "lab-2", "lab-1"]] {
        let run = verify(&place, &[words, &["--json"]].concat()).run();
        let hosts = run.json()["verifyHosts"]["hosts"].clone();
        assert_eq!(hosts.as_array().unwrap().len(), 2, "{run}");
    }
    let run = verify(&place, &["--host", "lab-2", "--host", "off*"])
        .run()
        .code(1);
    assert_eq!(verdicts(&run), ["unchanged lab-2", "changed office"]);
    place.git(&["rm", "-rqf", "hosts/lab-1"]);
    let run = verify(&place, &["--host", "lab-1"]).run().code(1);
    assert_eq!(verdicts(&run), ["removed lab-1"]);
}

#[test]
fn a_pattern_that_matches_no_install_host_is_misuse() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    set(&place, "_image", ":");
    place.commit("image");
    verify(&place, &["--host", "lab-*"])
        .run()
        .code(2)
        .says(&["no install host is called `lab-*`", "there are a, b"]);
    for image in ["_image", "_*"] {
        let said = format!("no install host is called `{image}`; image hosts run on no machine");
        let run = verify(&place, &["--host", image]).run().code(2);
        run.says(&[&said, "there are a, b"]);
    }
    // Nor is one of several passed over.
    verify(&place, &["--host", "a", "--host", "lab-*"])
        .run()
        .code(2)
        .says(&["no install host is called `lab-*`"]);
    verify(&place, &["--host", "a["])
        .run()
        .code(2)
        .says(&["`a[` is no pattern of hosts: "]);
    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a", "unchanged b"]);
}

#[test]
fn without_a_baseline_there_is_nothing_to_compare_with() {
    let place = hosts(&[("a", ":")]);
    let run = verify(&place, &[]).run().code(3).says(&[
        "error: there is no baseline.json in the working tree, so there is nothing to compare with",
        "hint: `cbox accept` writes it",
    ]);
    assert_eq!(run.stdout, "");
    assert!(!place.path(BASELINE).exists());
}

#[test]
fn a_flake_without_install_hosts_has_nothing_to_verify() {
    let place = hosts(&[("_image", ":")]);
    for command in [&["accept"][..], &["verify-hosts", "--base", "HEAD"]] {
        place.cbox(command).run().code(3).says(&[
            "the working tree has no install host",
            "all hosts in nixosConfigurations",
        ]);
    }
    place.write("cbox.toml", "");
    let run = place.cbox(&["accept"]).run().code(3);
    run.says(&["the working tree has no install host", "hosts/<name>/"]);
}

#[test]
fn an_option_that_is_forced_shows_what_it_would_change() {
    let place = super::accepted_minibox();
    let set = ["--set", "environment.etc.motd.text=other"];
    let run = verify(&place, &set).run().code(1);
    assert_eq!(
        verdicts(&run),
        ["changed mini-arm64", "changed mini-thinkcentre"]
    );
    assert!(run.stdout.contains("etc-motd"), "{run}");
}

#[test]
fn megabytes_of_warnings_change_no_verdict_and_are_not_shown() {
    let place = accepted(&[("a", ":")]);
    let host = place.read("hosts/a/default.nix");
    let warnings = "builtins.foldl' (all: n: builtins.trace \"${toString n} is deprecated\" all)";
    place.write(
        "hosts/a/default.nix",
        format!("{warnings} ({host}) (builtins.genList (n: n) 100000)"),
    );
    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a"]);
    assert!(run.stderr.len() < 1000, "{} bytes", run.stderr.len());
}
