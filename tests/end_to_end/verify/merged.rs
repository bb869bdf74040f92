//! Two changes that were each accepted, and meet.

use crate::support::{place::Place, tiny};

use super::{BASELINE, accept, accepted, set, verdicts, verify};

/// Two branches of one commit, on each of which one host was changed and accepted.
fn branches(ours: &str, theirs: &str) -> Place {
    let place = accepted(&[("a", ":"), ("b", ":"), ("c", ":")]);
    place.git(&["checkout", "-q", "-b", "theirs"]);
    set(&place, theirs, "echo theirs");
    place.commit("theirs");
    accept(&place);
    place.git(&["checkout", "-q", "main"]);
    set(&place, ours, "echo ours");
    place.commit("ours");
    accept(&place);
    place
}

#[test]
fn different_hosts_merge_by_themselves() {
    let place = branches("a", "b");
    place.git(&["merge", "--quiet", "--no-edit", "theirs"]);
    let run = verify(&place, &[]).run().ok();
    assert_eq!(
        verdicts(&run),
        ["unchanged a", "unchanged b", "unchanged c"]
    );
}

#[test]
fn the_same_host_is_a_conflict_whose_way_out_works() {
    let place = branches("a", "a");
    let merge = ["merge", "--quiet", "--no-edit", "theirs"];
    place.call("git").args(merge).run().code(1);
    // The host itself is in conflict too, and is mended by hand.
    set(&place, "a", "echo both");
    place.git(&["add", "hosts"]);
    let text = place.read(BASELINE);
    let line = text.lines().position(|line| line.starts_with("<<<<<<<"));
    let sentence = format!(
        "error: baseline.json:{}: a merge conflict is not resolved",
        line.unwrap() + 1
    );
    verify(&place, &[]).run().code(3).says(&[
        &sentence,
        "hint: take either side (`git checkout --ours -- baseline.json`; after the merge, `git checkout COMMIT -- baseline.json`), then `cbox accept`",
    ]);
    place.cbox(&["accept"]).run().code(3);
    assert_eq!(place.read(BASELINE), text);

    // As the hint says.
    place.git(&["checkout", "--ours", "--", BASELINE]);
    let run = verify(&place, &[]).run().code(1);
    assert_eq!(verdicts(&run), ["changed a", "unchanged b", "unchanged c"]);
    accept(&place);
    verify(&place, &["--rev", "HEAD"]).run().ok();
}

/// One branch changes what all hosts share, another brings a host that was accepted without
/// that; git sees no conflict.
fn stale() -> Place {
    let place = super::hosts(&[]);
    let host = tiny::script_host("box", "WORD").replace("\"WORD\"", "(import ../word.nix)");
    let host = |name: &str| place.write(format!("hosts/{name}/default.nix"), &host);
    place.write(
        "flake.nix",
        tiny::of_folders().replace(
            "(builtins.readDir ./hosts)",
            "(removeAttrs (builtins.readDir ./hosts) [ \"word.nix\" ])",
        ),
    );
    place.write("hosts/word.nix", "\"echo one\"");
    host("a");
    host("c");
    place.commit("hosts");
    accept(&place);
    place.git(&["checkout", "-q", "-b", "new"]);
    host("b");
    place.commit("new host");
    accept(&place);
    place.git(&["checkout", "-q", "main"]);
    place.write("hosts/word.nix", "\"echo two\"");
    place.commit("for all");
    accept(&place);
    place.git(&["merge", "--quiet", "--no-edit", "new"]);
    place
}

#[test]
fn a_stale_baseline_fails_and_at_the_base_is_called_so() {
    let place = stale();
    let run = verify(&place, &["--rev", "main"]).run().code(1);
    assert_eq!(verdicts(&run), ["unchanged a", "changed b", "unchanged c"]);

    place.git(&["checkout", "-q", "-b", "pr"]);
    place.write("README.md", "more");
    place.commit("harmless");
    let run = verify(&place, &["--base", "main"]).run().code(1);
    assert_eq!(verdicts(&run), ["unchanged a", "changed b", "unchanged c"]);
    for part in ["the baseline was stale already", "main branch"] {
        assert!(run.stdout.contains(part), "{part}: {run}");
    }
    let json = verify(&place, &["--base", "main", "--json"]).run().code(1);
    let host = json.json()["verifyHosts"]["hosts"][1].clone();
    assert_eq!(host["staleBaseline"], true, "{host:#}");

    // The way out.
    place.git(&["checkout", "-q", "main"]);
    accept(&place);
    place.git(&["checkout", "-q", "pr"]);
    place.git(&["rebase", "-q", "main"]);
    let run = verify(&place, &["--base", "main"]).run().ok();
    assert_eq!(
        run.lines(),
        ["unchanged  a", "unchanged  b", "unchanged  c"]
    );
}
