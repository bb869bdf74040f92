//! An accepted derivation that was collected as garbage: the commit at which it is evaluated
//! again, whatever became of the history since.

use std::path::{Path, PathBuf};

use crate::support::{call::Ended, call::find_program, place::Place};

use super::{BASELINE, commit, entry, own_store::Own, set, verdicts};

/// The commits that a run evaluated again, in its order, each as its first digits.
fn laid_out(run: &Ended) -> Vec<String> {
    let lines = run.stderr.lines();
    let commits = lines.filter_map(|line| line.split("laying out ").nth(1));
    commits.map(|commit| commit[..10].to_owned()).collect()
}

impl Own {
    /// Verifies in `folder`, where a host has changed and what was accepted for it is gone.
    #[track_caller]
    fn verify_without(&self, folder: &Path, host: &str) -> Ended {
        if self.file(host).exists() {
            self.collect(host);
        }
        let other = crate::support::tiny::script_host(host, "echo other words");
        std::fs::write(folder.join(format!("hosts/{host}/default.nix")), other).unwrap();
        let call = self.place.cbox(&["verify-hosts", "--host", host]);
        let run = call.args(["--store", &self.store]).folder(folder).run();
        run.code(1)
    }

    /// Shows that these commits are evaluated again, of which the last gives what was accepted.
    #[track_caller]
    fn explained_from(&self, host: &str, commits: &[&str]) {
        let run = self.verify_without(&self.place.path("."), host);
        let short = commits.iter().map(|commit| commit[..10].to_owned());
        assert_eq!(laid_out(&run), short.collect::<Vec<_>>(), "{run}");
        let against = format!("against accepted at {}\n", &commits[0][..10]);
        assert!(run.stdout.contains(&against), "{run}");
        assert!(run.stdout.contains("+echo other words"), "{run}");
        assert!(self.file(host).exists(), "it is there again");
        assert_eq!(self.place.names("../tmp"), [""; 0]);
    }

    fn git(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        self.place.git(&words);
    }

    /// Forgets all commits that no branch has.
    fn forget(&self) {
        self.git("reflog expire --expire=now --all");
        self.git("gc --quiet --prune=now");
    }

    /// A clone with the store of this place, and its folder.
    fn clone(&self, options: &[&str]) -> PathBuf {
        let folder = self.place.beside("clone");
        let url = format!("file://{}", self.place.path("").display());
        let clone = self.place.call("git").args(["clone", "--quiet"]);
        clone.args(options).args([url]).args([&folder]).run().ok();
        folder
    }
}

#[test]
fn the_commit_with_the_record_is_evaluated_again() {
    let own = Own::new();
    let one = own.accepted("box", "one");
    own.place.commit("elsewhere");
    own.explained_from("box", &[&one]);
}

#[test]
fn an_amended_commit_is_itself() {
    let own = Own::new();
    let one = own.accepted("box", "one");
    own.git("commit --quiet --amend --message other");
    own.forget();
    let amended = commit(&own.place, "HEAD");
    assert_ne!(amended, one);
    own.explained_from("box", &[&amended]);
}

/// A branch `side` on which a host was changed and accepted, behind a main branch that went on.
fn with_a_branch() -> Own {
    let own = Own::new();
    own.accepted("box", "one");
    own.git("checkout --quiet -b side");
    own.accepted("box", "two");
    own.place.write("README.md", "of the side");
    own.accepted("box", "three");
    own.git("checkout --quiet main");
    own.place.write("main.md", "more");
    own.place.commit("elsewhere");
    own
}

#[test]
fn a_rebase_loses_nothing() {
    let own = with_a_branch();
    own.git("rebase --quiet main side");
    own.git("branch --quiet --force main side");
    own.forget();
    own.explained_from("box", &[&commit(&own.place, "HEAD")]);
}

#[test]
fn a_squash_loses_nothing() {
    let own = with_a_branch();
    own.git("merge --quiet --squash side");
    own.place.commit("all in one");
    own.git("branch --quiet -D side");
    own.forget();
    own.explained_from("box", &[&commit(&own.place, "HEAD")]);
}

#[test]
fn a_cherry_pick_loses_nothing() {
    let own = with_a_branch();
    own.git("cherry-pick side~1 side");
    own.git("branch --quiet -D side");
    own.forget();
    own.place.commit("elsewhere");
    own.explained_from("box", &[&commit(&own.place, "HEAD~1")]);
}

#[test]
fn a_revert_is_the_newest_that_accepts() {
    let own = Own::new();
    own.accepted("box", "one");
    own.accepted("box", "two");
    own.git("revert --no-edit HEAD");
    let revert = commit(&own.place, "HEAD");
    own.place.commit("elsewhere");
    own.explained_from("box", &[&revert]);
}

#[test]
fn a_commit_that_builds_something_else_does_not_count() {
    let own = Own::new();
    let one = own.accepted("box", "one");
    own.accepted("box", "two");
    // The record goes back, and the host does not.
    own.git("checkout --quiet HEAD~1 -- baseline.json");
    own.place.commit("the record alone");
    let alone = commit(&own.place, "HEAD");
    own.explained_from("box", &[&alone, &one]);
}

#[test]
fn a_merge_counts_whose_result_is_that_of_no_parent() {
    let own = with_a_branch();
    own.accepted("box", "four");
    let merge = ["merge", "--quiet", "--no-commit", "side"];
    own.place.call("git").args(merge).run().code(1);
    own.git("checkout --ours -- baseline.json");
    let merge = own.accepted("box", "both");
    assert_ne!(commit(&own.place, "HEAD^2"), "");
    own.explained_from("box", &[&merge]);
}

#[test]
fn a_merge_without_conflict_counts_where_it_gives_what_the_branch_accepted() {
    let own = with_a_branch();
    own.git("merge --quiet --no-edit side");
    own.explained_from("box", &[&commit(&own.place, "HEAD")]);
}

#[test]
fn each_host_has_a_commit_of_its_own() {
    let own = Own::new();
    let a = own.accepted("a", "one");
    let b = own.accepted("b", "one");
    let c = own.accepted("c", "one");
    for (host, commit) in [("a", &a), ("b", &b), ("c", &c)] {
        own.explained_from(host, &[commit]);
        own.git("checkout --quiet -- hosts");
    }
    // All at once, each is still explained by its own.
    for host in ["a", "b", "c"] {
        own.collect(host);
        set(&own.place, host, "echo other words");
    }
    let run = own.cbox(&["verify-hosts"]).code(1);
    assert_eq!(verdicts(&run), ["changed a", "changed b", "changed c"]);
    let expected = [&a, &b, &c].map(|commit| commit[..10].to_owned());
    assert_eq!(laid_out(&run), expected, "{run}");
}

#[test]
fn another_form_of_the_file_accepts_nothing() {
    let own = Own::new();
    own.accepted("box", "one");
    let today = own.place.read(BASELINE);
    // As an earlier cbox wrote it.
    let revision = format!(
        "\"flakeLock\": null,\n      \"revision\": \"{}-dirty\"",
        "1".repeat(40)
    );
    let old = today.replace("\"flakeLock\": null", &revision);
    own.place
        .write(BASELINE, old.replace("\"schema\": 2", "\"schema\": 1"));
    own.git("add --all");
    own.git("commit --quiet --amend --message then");
    let then = commit(&own.place, "HEAD");
    own.accept("in that of today");
    assert_eq!(own.place.read(BASELINE), today);
    // As a formatter or jq writes it, in another order.
    let value: serde_json::Value = serde_json::from_str(&today).unwrap();
    own.place.write(BASELINE, value.to_string());
    own.place.commit("in one line");
    own.place.write(
        BASELINE,
        serde_json::to_string_pretty(&value)
            .unwrap()
            .replace("  ", "\t"),
    );
    own.place.commit("with tabs");
    own.explained_from("box", &[&then]);
}

#[test]
fn a_version_that_is_no_baseline_says_nothing() {
    let own = Own::new();
    let one = own.accepted("box", "one");
    let good = own.place.read(BASELINE);
    own.place.write(BASELINE, "<<<<<<< ours\n");
    own.place.commit("broken");
    own.place.write(BASELINE, &good);
    own.place.commit("mended");
    let mended = commit(&own.place, "HEAD");
    own.explained_from("box", &[&mended]);
    own.git("checkout --quiet -- hosts");
    // Where the mended one builds something else, what was accepted before is tried.
    set(&own.place, "box", "echo two");
    own.git("add hosts");
    own.git("commit --quiet --amend --message mended");
    let mended = commit(&own.place, "HEAD");
    own.explained_from("box", &[&mended, &one]);
}

#[test]
fn what_no_commit_builds_is_one_sentence() {
    let own = Own::new();
    own.accepted("box", "one");
    let drv = entry(&own.place, "box", "drvPath");
    let name = drv.split_once('-').unwrap().1;
    let hand = format!("/nix/store/{}-{name}", "0".repeat(32));
    own.place.edit(BASELINE, &drv, &hand);
    own.place.commit("by hand");
    let by_hand = commit(&own.place, "HEAD");
    let sentence = |what: &str| {
        format!(
            "what was {what} is not in the store, and no commit builds what baseline.json \
             records"
        )
    };
    set(&own.place, "box", "echo two");
    let what = format!("accepted at {}", &by_hand[..10]);
    assert_eq!(own.unexplained(), sentence(&what));
    // Nor does one that is not committed.
    let hand = hand.replacen("00", "11", 1);
    own.place.edit(
        BASELINE,
        &drv.replace(&drv, &hand.replacen("11", "00", 1)),
        &hand,
    );
    assert_eq!(own.unexplained(), sentence("accepted"));
}

#[test]
fn a_commit_that_does_not_evaluate_is_named() {
    let own = Own::new();
    own.accepted("box", "one");
    own.collect("box");
    own.place
        .write("hosts/box/default.nix", "throw \"no disk\"");
    own.place.git(&["add", "--all"]);
    own.git("commit --quiet --amend --message broken");
    set(&own.place, "box", "echo two");
    let reason = own.unexplained();
    let broken = &commit(&own.place, "HEAD")[..10];
    let expected = format!(
        "no commit builds what baseline.json records ({broken}: host `box` does not evaluate"
    );
    assert!(reason.contains(&expected), "{reason}");
}

#[test]
fn outside_a_repository_no_commit_builds_it() {
    let own = Own::with_a_change();
    own.collect("box");
    std::fs::remove_dir_all(own.place.path(".git")).unwrap();
    let reason = own.unexplained();
    assert!(
        reason.ends_with("no commit builds what baseline.json records"),
        "{reason}"
    );
}

/// Two hosts, of which the second one was accepted last.
fn two_commits() -> (Own, String) {
    let own = Own::new();
    own.accepted("a", "one");
    let b = own.accepted("b", "one");
    (own, b)
}

#[test]
fn a_shallow_clone_guesses_nothing_and_says_what_to_fetch() {
    let (own, b) = two_commits();
    let clone = own.clone(&["--depth", "1"]);
    // The one commit that is there would give it.
    for host in ["a", "b"] {
        let run = own.verify_without(&clone, host);
        assert_eq!(laid_out(&run), [""; 0], "{run}");
        for part in [
            "not explained: what was accepted is not in the store, and no commit of this \
             shallow clone is known to build it: `git fetch --unshallow` fetches the history",
            "in GitHub Actions `fetch-depth: 0` of actions/checkout, in GitLab CI `GIT_DEPTH: 0` in the variables of the job does",
        ] {
            assert!(run.stdout.contains(part), "{part}: {run}");
        }
    }
    own.place
        .call("git")
        .args(["fetch", "--quiet", "--unshallow"])
        .folder(&clone)
        .run()
        .ok();
    let run = own.verify_without(&clone, "b");
    assert_eq!(laid_out(&run), [&b[..10]]);
}

#[test]
fn a_shallow_clone_that_has_the_commit_is_enough() {
    let (own, b) = two_commits();
    own.place.commit("elsewhere");
    let clone = own.clone(&["--depth", "3"]);
    let run = own.verify_without(&clone, "b");
    assert_eq!(laid_out(&run), [&b[..10]]);
    assert!(run.stdout.contains("+echo other words"), "{run}");
    let run = own.verify_without(&clone, "a");
    assert!(
        run.stdout.contains("no commit of this shallow clone"),
        "{run}"
    );
}

#[test]
fn a_clone_without_blobs_fetches_what_it_needs() {
    let (own, _) = two_commits();
    let a = commit(&own.place, "HEAD~1");
    own.git("config uploadpack.allowFilter true");
    own.git("config uploadpack.allowAnySHA1InWant true");
    let clone = own.clone(&["--filter=blob:none"]);
    let run = own.verify_without(&clone, "a");
    assert_eq!(laid_out(&run), [&a[..10]], "{run}");
    assert!(run.stdout.contains("+echo other words"), "{run}");
    // Out of reach of the rest, the verdict stands.
    own.git("checkout --quiet -b more");
    own.git("commit --quiet --amend --message other");
    std::fs::remove_dir_all(&clone).unwrap();
    let clone = own.clone(&["--filter=blob:none"]);
    let elsewhere = ["remote", "set-url", "origin", "file:///nonexistent"];
    own.place
        .call("git")
        .args(elsewhere)
        .folder(&clone)
        .run()
        .ok();
    let run = own.verify_without(&clone, "a");
    assert_eq!(verdicts(&run), ["changed a"]);
    let reason = "not explained: what was accepted is not in the store, and the history of \
                  baseline.json cannot be read: '/nonexistent' does not appear to be a git";
    assert!(run.stdout.contains(reason), "{run}");
}

/// How many programs of git a run starts that explains by the oldest commit.
fn git_calls(place: &Place, run: impl FnOnce() -> Ended) -> usize {
    let log = place.beside("git-calls");
    let git = find_program("git").unwrap();
    let script = format!(
        "echo x >>'{}'\nexec '{}' \"$@\"",
        log.display(),
        git.display()
    );
    place.stand_in("git", &script);
    drop(run());
    std::fs::remove_file(place.beside("bin/git")).unwrap();
    let calls = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(log).unwrap();
    calls.lines().count()
}

#[test]
fn a_long_history_costs_no_more_calls_of_git() {
    let (own, _) = two_commits();
    let folder = own.place.path(".");
    let few = git_calls(&own.place, || own.verify_without(&folder, "a"));
    own.git("checkout --quiet -- hosts");
    let text = own.place.read(BASELINE);
    let drv = entry(&own.place, "b", "drvPath");
    for number in 0..40 {
        let other = drv.replace(&drv[11..13], &format!("{number:02}"));
        own.place.write(BASELINE, text.replace(&drv, &other));
        own.place.commit("b again");
    }
    let many = git_calls(&own.place, || own.verify_without(&folder, "a"));
    assert_eq!(many, few);
}
