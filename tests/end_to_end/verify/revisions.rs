//! Commits: one that is judged, and one that is explained against.

use crate::support::{
    call::{Call, Ended},
    place::Place,
};

use super::{BASELINE, accept, accepted, commit, hosts, set, verdicts, verify};

#[test]
fn a_commit_is_judged_by_the_baseline_in_it() {
    let place = accepted(&[("box", "echo one >$out")]);
    place.git(&["tag", "v1"]);
    set(&place, "box", "echo two >$out");
    place.commit("changed");
    place.git(&["tag", "v2"]);
    accept(&place);
    for (revision, code, status) in [
        ("v1", 0, "unchanged box"),
        ("v2", 1, "changed box"),
        ("HEAD", 0, "unchanged box"),
        (&commit(&place, "v1")[..7], 0, "unchanged box"),
    ] {
        let run = verify(&place, &["--rev", revision]).run().code(code);
        assert_eq!(verdicts(&run), [status], "{revision}");
    }
    let run = verify(&place, &["--rev", "v1~1"]).run().code(3);
    run.says(&["error: there is no v1~1:baseline.json, so there is nothing to compare with"]);
}

#[test]
fn a_commit_that_there_is_not_is_misuse() {
    let place = accepted(&[("box", ":")]);
    for option in ["--rev", "--base"] {
        for revision in ["nope", "HEAD~99", "0123456789", "--all", "HEAD:flake.nix"] {
            let run = place
                .cbox(&["verify-hosts", &format!("{option}={revision}")])
                .run()
                .code(2);
            let sentence = format!("error: there is no commit `{revision}` in this repository\n");
            run.says(&[&sentence, "hint: `git log` shows the commits"]);
        }
    }
}

#[test]
fn what_this_change_accepts_is_said_with_its_explanation() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    set(&place, "a", "echo new words");
    place.commit("changed");
    accept(&place);
    let run = verify(&place, &[]).run().ok();
    assert_eq!(run.lines(), ["unchanged  a", "unchanged  b"]);

    for more in [&[][..], &["--rev", "HEAD"]] {
        let run = verify(&place, &["--base", "HEAD~2"]).args(more).run().ok();
        let base = &commit(&place, "HEAD~2")[..10];
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.stdout.replace(base, "<commit>"), @"
            unchanged  a  accepted in this change; against HEAD~2 (<commit>)
              a: 1 rebuilt, from hosts/a/default.nix:1
                 arguments:
                   -c
                  -:
                  +echo new words
              nothing else follows
            unchanged  b
            ");
        }
    }
    let json = verify(&place, &["--base", "HEAD~2", "--json"]).run().ok();
    let hosts = json.json()["verifyHosts"]["hosts"].clone();
    assert_eq!(hosts[0]["acceptedInThisChange"], true);
    assert_eq!(hosts[1]["acceptedInThisChange"], false);
}

#[test]
fn a_base_gives_the_verdict_where_there_is_no_baseline() {
    let place = hosts(&[("a", ":"), ("b", ":"), ("old", ":")]);
    let run = verify(&place, &["--base", "HEAD"]).run().ok();
    assert_eq!(
        verdicts(&run),
        ["unchanged a", "unchanged b", "unchanged old"]
    );
    set(&place, "a", "echo other");
    set(&place, "new", ":");
    place.git(&["rm", "-rq", "hosts/old"]);
    place.commit("changed");
    let run = verify(&place, &["--base", "HEAD~1"]).run().code(1);
    let base = &commit(&place, "HEAD~1")[..10];
    insta::assert_snapshot!(run.stdout.replace(base, "<commit>"), @"
    changed    a    against HEAD~1 (<commit>)
      a: 1 rebuilt, from hosts/a/default.nix:1
         arguments:
           -c
          -:
          +echo other
      nothing else follows
    unchanged  b
    added      new
    removed    old
    ");
    assert!(!place.path(BASELINE).exists());
}

#[test]
fn a_baseline_that_a_change_takes_away_is_missed() {
    let place = accepted(&[("a", ":")]);
    place.git(&["rm", "-q", BASELINE]);
    place.commit("no gate");
    verify(&place, &[]).run().code(3);
    verify(&place, &["--base", "HEAD~1"])
        .run()
        .ok()
        .says(&["baseline.json is gone since HEAD~1 ("]);
}

#[test]
fn a_base_that_does_not_evaluate_takes_nothing_from_the_verdict() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    place.write("hosts/a/default.nix", "throw \"no disk\"");
    place.commit("broken");
    set(&place, "a", "echo mended");
    place.commit("mended");
    let run = verify(&place, &["--base", "HEAD~1"])
        .run()
        .code(1)
        .says(&["warning: a cannot be explained against HEAD~1"]);
    assert_eq!(verdicts(&run), ["changed a", "unchanged b"]);
    assert!(run.stdout.contains("echo mended"), "{run}");
}

/// A branch of a pull request, on which a host was changed and accepted, behind a main
/// branch that went on.
fn pull_request() -> Place {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    place.git(&["checkout", "-q", "-b", "pr"]);
    set(&place, "a", "echo new words");
    place.commit("changed");
    accept(&place);
    place.git(&["checkout", "-q", "main"]);
    place.write("README.md", "more");
    place.commit("elsewhere");
    place.git(&["checkout", "-q", "pr"]);
    place
}

/// The same call as GitHub makes it for a pull request.
fn on_github(call: Call) -> Call {
    call.env("GITHUB_ACTIONS", "true")
        .env("GITHUB_EVENT_NAME", "pull_request")
        .env("GITHUB_BASE_REF", "main")
}

#[test]
fn a_pull_request_is_explained_against_where_it_began() {
    let place = pull_request();
    let run = on_github(verify(&place, &["--json"])).run().ok();
    let report = run.json()["verifyHosts"].clone();
    let began = &commit(&place, "main~1")[..10];
    assert_eq!(report["base"], began, "{report:#}");
    assert_eq!(report["hosts"][0]["acceptedInThisChange"], true);
    assert!(report["hosts"][0]["explanation"]["causes"][0].is_object());
    // Elsewhere, and for a push, nothing is guessed.
    for (name, value) in [("GITHUB_EVENT_NAME", "push"), ("GITHUB_BASE_REF", "")] {
        let call = on_github(verify(&place, &["--json"])).env(name, value);
        assert!(call.run().ok().json()["verifyHosts"]["base"].is_null());
    }
    let run = on_github(verify(&place, &["--json", "--base", "HEAD"])).run();
    let base = run.ok().json()["verifyHosts"]["base"].clone();
    assert!(base.as_str().unwrap().starts_with("HEAD ("), "{base}");
}

/// The same call as GitLab makes it for a merge request that began at `commit`.
fn on_gitlab(call: Call, commit: &str) -> Call {
    call.env("GITLAB_CI", "true")
        .env("CI_PIPELINE_SOURCE", "merge_request_event")
        .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
        .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", commit)
}

#[test]
fn a_merge_request_is_explained_against_where_gitlab_says_that_it_began() {
    let place = pull_request();
    let began = commit(&place, "main~1");
    let base = |call: Call| {
        let report = call.run().ok().json()["verifyHosts"].clone();
        assert_eq!(report["hosts"][0]["acceptedInThisChange"], true);
        report["base"].as_str().unwrap().to_owned()
    };
    let call = || on_gitlab(verify(&place, &["--json"]), &began);
    assert_eq!(base(call()), began[..10]);
    // Where the commit is not said, the branch tells it.
    let branch = call().env("CI_MERGE_REQUEST_DIFF_BASE_SHA", "");
    assert_eq!(base(branch), began[..10]);
    // A pipeline of the two merged is explained against what they were merged with.
    place.git(&["merge", "-q", "-m", "merged", "main"]);
    let main = commit(&place, "main");
    let merged = call().env("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", &main);
    assert_eq!(base(merged), main[..10]);
}

#[test]
fn a_merge_request_in_a_shallow_clone_is_judged_and_says_what_to_fetch() {
    let place = pull_request();
    let began = commit(&place, "main~1");
    let clone = shallow(&place);
    let run = on_gitlab(verify(&place, &[]), &began).folder(&clone).run();
    run.ok().says(&[
        "the commit that this merge request starts from is not here",
        "nothing is explained against it",
        "`GIT_DEPTH: 0` in the variables of the job",
    ]);
}

/// A clone of the place's branch that has one commit and no other branch.
fn shallow(place: &Place) -> std::path::PathBuf {
    let clone = place.beside("shallow");
    let url = format!("file://{}", place.path("").display());
    let args = ["clone", "--quiet", "--depth", "1", &url];
    place.call("git").args(args).args([&clone]).run().ok();
    clone
}

/// Follows the first command between backticks behind `hint: `.
#[track_caller]
fn follow(place: &Place, clone: &std::path::Path, ended: &Ended) {
    let hint = ended.stderr.split("hint: ").nth(1).unwrap();
    let command = hint.split('`').nth(1).unwrap();
    let call = place.call("sh").args(["-c", command]).folder(clone);
    call.run().ok();
}

#[test]
fn a_base_that_a_shallow_clone_lacks_is_fetched_as_the_hint_says() {
    let place = pull_request();
    let clone = shallow(&place);
    let against = |base: &str| verify(&place, &["--base", base]).folder(&clone).run();
    let run = against("origin/main").code(2).says(&[
        "error: there is no commit `origin/main` in this repository, which is a shallow clone",
        "fetch-depth: 0",
    ]);
    follow(&place, &clone, &run);
    let run = against("origin/main").ok();
    assert!(run.stdout.contains("accepted in this change"), "{run}");

    let run = against("HEAD~2").code(2);
    follow(&place, &clone, &run);
    let run = against("HEAD~2").ok();
    assert!(run.stdout.contains("accepted in this change"), "{run}");
}

#[test]
fn a_commit_that_a_shallow_clone_lacks_is_fetched_as_the_hint_says() {
    let place = pull_request();
    let clone = shallow(&place);
    place.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let earlier = commit(&place, "main~1");
    let judge = || verify(&place, &["--rev", &earlier]).folder(&clone).run();
    let run = judge().code(2).says(&["which is a shallow clone"]);
    follow(&place, &clone, &run);
    judge().ok();
}

#[test]
fn a_pull_request_in_a_shallow_clone_is_judged_and_says_what_to_fetch() {
    let place = pull_request();
    let clone = shallow(&place);
    let run = on_github(verify(&place, &[])).folder(&clone).run().ok();
    assert!(run.stdout.contains("unchanged  a\nunchanged  b"), "{run}");
    run.says(&[
        "warning: the commit that this pull request starts from is not here",
        "nothing is explained against it",
        "`fetch-depth: 0` of actions/checkout",
    ]);
}

#[test]
fn an_accepted_revision_that_a_shallow_clone_lacks_leaves_the_verdict() {
    let place = pull_request();
    set(&place, "b", &format!("echo {}", crate::support::unique()));
    place.commit("b");
    let clone = shallow(&place);
    let store = place.beside("store").display().to_string();
    let run = verify(&place, &["--store", &store])
        .folder(&clone)
        .run()
        .code(1);
    assert_eq!(verdicts(&run), ["unchanged a", "changed b"]);
    assert!(
        run.stdout.contains("not explained: ") && run.stdout.contains("shallow clone"),
        "{run}"
    );
    let free = ["-R", "u+w", &store];
    place.call("chmod").args(free).run().ok();
}
