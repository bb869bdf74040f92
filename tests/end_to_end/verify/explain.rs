//! Why a host is not as accepted: the cause, its way from the host, its place in the
//! repository, and what is said where the reason is not to be had.

use std::{fs, path::PathBuf};

use crate::support::{call::Ended, place::Place, unique};

use super::{HOST, accept, accepted, accepted_minibox, commit, entry, set, verdicts, verify};

/// The mini box with a variable added to a unit of one host.
fn with_a_variable() -> Place {
    let place = accepted_minibox();
    let before = "environment.REPORT = \"/run/inventory\";";
    let after = format!("{before}\n    environment.CODER_TELEMETRY = \"off\";");
    place.edit(HOST, before, &after);
    place
}

#[test]
fn a_variable_of_a_unit_is_named_with_its_line() {
    let place = with_a_variable();
    let run = verify(&place, &[]).run().code(1);
    let accepted = &commit(&place, "HEAD~1")[..10];
    let text = run.stdout.replace(accepted, "<commit>");
    insta::assert_snapshot!(text, @r#"
    unchanged  mini-arm64
    changed    mini-thinkcentre  against accepted at <commit>
      inventory.service: 4 rebuilt, from hosts/mini-thinkcentre/default.nix:17
         in etc → inventory.service
         text:
           Type=oneshot
          +Environment="CODER_TELEMETRY=off"
           Environment="REPORT=/run/inventory"
      3 more derivations follow from it
    "#);
}

#[test]
fn how_much_is_explained_can_be_said() {
    let place = with_a_variable();
    let lines = |args: &[&str]| {
        let run = verify(&place, args).run().code(1);
        assert_eq!(run.lines()[0], "unchanged  mini-arm64", "{run}");
        run.lines().len()
    };
    assert_eq!(lines(&["--explain", "none"]), 2);
    assert_eq!(lines(&["--explain", "causes"]), 9);
    // The cause itself is named however little there is room.
    assert_eq!(lines(&["--max-lines", "3"]), 4);
    assert_eq!(lines(&["--max-lines", "5"]), 6);
    assert!(lines(&["--explain", "full", "--max-lines", "3"]) >= 9);
    verify(&place, &["--explain", "all"]).run().code(2);
}

#[test]
fn a_text_of_etc_is_a_text_diff() {
    let place = accepted_minibox();
    place.edit(HOST, "under the desk", "on the desk");
    let run = verify(&place, &["--host", "*-thinkcentre"]).run().code(1);
    insta::assert_snapshot!(place.stable(&run.stdout), @"
    changed  mini-thinkcentre  against accepted at <commit>
      etc-motd: 4 rebuilt, from hosts/mini-thinkcentre/default.nix:11
         in etc → etc-motd
         text:
          -The machine under the desk.
          +The machine on the desk.
      3 more derivations follow from it
    ");
}

/// A host that takes up a folder of the tree.
fn with_a_source() -> Place {
    let place = accepted(&[("box", ":")]);
    let text = crate::support::tiny::script_host("box", "cat SOURCE/motd >$out");
    let text = text.replace("SOURCE", "${./files}");
    place.write("hosts/box/default.nix", text);
    place.write("hosts/box/files/motd", "one\ntwo\n");
    place.write("hosts/box/files/inner/other", "other\n");
    place.commit("source");
    accept(&place);
    place
}

#[test]
fn a_source_is_a_file_diff_with_its_place() {
    let place = with_a_source();
    place.write("hosts/box/files/motd", "one\nthree\n");
    fs::remove_file(place.path("hosts/box/files/inner/other")).unwrap();
    place.write("hosts/box/files/inner/new", "new\n");
    place.git(&["add", "--all"]);
    let run = verify(&place, &[]).run().code(1);
    insta::assert_snapshot!(place.stable(&run.stdout), @"
    changed  box  against accepted at <commit>
      files: 1 rebuilt, from hosts/box/files/inner/new:1
        +inner/new = file, 4 bytes
        -inner/other = file, 6 bytes
         motd:
           one
          -two
          +three
      1 more derivation follows from it
    ");
}

#[test]
fn what_comes_from_no_line_has_no_place() {
    let place = accepted_minibox();
    // A line that goes adds none.
    place.edit(HOST, "    environment.REPORT = \"/run/inventory\";\n", "");
    let run = verify(&place, &[]).run().code(1);
    assert!(run.stdout.contains("-Environment=\"REPORT="), "{run}");
    assert!(!run.stdout.contains(", from "), "{run}");
}

/// A store of the place's own, since nothing may be taken out of the one that all share.
struct Own {
    place: Place,
    store: String,
}

impl Own {
    /// A host that was accepted there, and has changed since.
    fn with_a_change() -> Self {
        let place = super::hosts(&[("box", &format!("echo one {}", unique()))]);
        let store = place.beside("store").display().to_string();
        let own = Self { place, store };
        own.cbox(&["accept"]).ok();
        own.place.commit("accepted");
        set(&own.place, "box", "echo two");
        own.place.commit("changed");
        own
    }

    fn cbox(&self, args: &[&str]) -> Ended {
        self.place.cbox(args).args(["--store", &self.store]).run()
    }

    /// Where the accepted derivation is on disk.
    fn accepted(&self) -> PathBuf {
        let drv = entry(&self.place, "box", "drvPath");
        PathBuf::from(format!("{}{drv}", self.store))
    }

    /// Takes the accepted derivation out of the store, as a garbage collection does.
    fn collect(&self) {
        let drv = entry(&self.place, "box", "drvPath");
        let delete = ["store", "delete", "--store", &self.store, &drv];
        self.place.nix(&delete).run().ok();
        assert!(!self.accepted().exists());
    }

    /// Puts other bytes in the place of the accepted derivation.
    fn spoil(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let file = self.accepted();
        let bytes = change(fs::read(&file).unwrap());
        let free = ["u+w", file.to_str().unwrap()];
        self.place.call("chmod").args(free).run().ok();
        fs::write(file, bytes).unwrap();
    }

    /// The verdict alone, and the reason for that.
    #[track_caller]
    fn unexplained(&self, args: &[&str]) -> String {
        let ended = self.cbox(&[&["verify-hosts"], args].concat()).code(1);
        assert_eq!(ended.lines().len(), 1, "{ended}");
        assert_eq!(verdicts(&ended), ["changed box"]);
        let reason = ended.stdout.split("not explained: ").nth(1);
        reason
            .unwrap_or_else(|| panic!("{ended}"))
            .trim()
            .to_owned()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Nix keeps the folders of a store from being written.
        let free = ["-R", "u+w", &self.store];
        drop(self.place.call("chmod").args(free).run());
    }
}

#[test]
fn an_accepted_derivation_that_was_collected_is_evaluated_again() {
    let own = Own::with_a_change();
    own.collect();
    let run = own.cbox(&["verify-hosts"]).code(1);
    assert_eq!(verdicts(&run), ["changed box"]);
    assert!(run.stdout.contains("echo two"), "{run}");
    assert!(own.accepted().exists(), "it is there again");
    assert_eq!(own.place.names("../tmp"), [""; 0]);
}

#[test]
fn the_verdict_stands_where_the_accepted_revision_is_gone() {
    let own = Own::with_a_change();
    // Somebody rewrites what was accepted, and git forgets it.
    let place = &own.place;
    let revision = entry(place, "box", "revision");
    place.git(&["checkout", "-q", "--orphan", "rewritten"]);
    place.commit("all in one");
    place.git(&["branch", "-q", "-D", "main"]);
    place.git(&["reflog", "expire", "--expire=now", "--all"]);
    place.git(&["gc", "--quiet", "--prune=now"]);

    let run = own.cbox(&["verify-hosts"]).code(1);
    assert!(run.stdout.contains("echo two"), "the store has it: {run}");
    own.collect();
    let reason = own.unexplained(&[]);
    assert_eq!(
        reason,
        format!(
            "the derivation accepted at {} is not in the store, and there is no commit \
             `{revision}` in this repository",
            &revision[..10]
        )
    );
}

#[test]
fn the_verdict_stands_where_it_was_accepted_with_uncommitted_changes() {
    let own = Own::with_a_change();
    set(&own.place, "box", &format!("echo {}", unique()));
    own.cbox(&["accept", "--dirty"]).ok();
    own.place.commit("accepted dirty");
    own.collect();
    set(&own.place, "box", "echo three");
    let reason = own.unexplained(&[]);
    assert!(
        reason.ends_with("is not in the store, and it was accepted with uncommitted changes"),
        "{reason}"
    );
}

#[test]
fn the_verdict_stands_where_the_accepted_revision_does_not_evaluate() {
    let own = Own::with_a_change();
    let place = &own.place;
    set(place, "box", "echo three");
    place.commit("three");
    place.write("hosts/box/default.nix", "throw \"no disk\"");
    place.commit("broken");
    // As a rebase can leave it: the revision is there, and not the one that was accepted.
    let broken = commit(place, "HEAD");
    let revision = entry(place, "box", "revision");
    place.edit("baseline.json", &revision, &broken);
    set(place, "box", "echo two");
    own.collect();
    let reason = own.unexplained(&[]);
    assert!(reason.contains("does not evaluate"), "{reason}");

    place.edit("baseline.json", &broken, &commit(place, "HEAD~1"));
    let reason = own.unexplained(&[]);
    assert!(reason.contains("evaluates to another one now"), "{reason}");
}

#[test]
fn the_verdict_stands_where_the_store_cannot_be_read() {
    let own = Own::with_a_change();
    // As one on another machine, Nix can be asked of it and its files are out of reach.
    let store = format!("local?root={0}&real={0}/nix/store", own.store);
    let call = verify(&own.place, &["--store", &store]);
    let run = call.run().code(1);
    assert_eq!(verdicts(&run), ["changed box"]);
    let reason = "its store cannot be read from here";
    assert!(run.stdout.contains(reason), "{run}");
    assert!(!run.stderr.contains("laying out"), "in vain: {run}");
    let sides = ["diff", "HEAD~1:box", "box", "--store", &store];
    let run = own.place.cbox(&sides).run().code(5);
    run.says(&["error: ", reason, "hint: `nix copy --derivation`"]);
}

#[test]
fn the_verdict_stands_where_the_accepted_derivation_is_damaged() {
    let own = Own::with_a_change();
    let drv = entry(&own.place, "box", "drvPath");
    for spoil in [
        |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec(),
        |_| b"hello\n".to_vec(),
        |_| vec![],
    ] {
        own.spoil(spoil);
        let reason = own.unexplained(&[]);
        assert!(reason.contains(&drv), "{reason}");
        assert!(!reason.contains("not in the store"), "{reason}");
        let json = own.cbox(&["verify-hosts", "--json"]).code(1).json();
        let host = &json["verifyHosts"]["hosts"][0];
        assert_eq!(host["unexplained"], reason.as_str(), "{host:#}");
        assert!(host["explanation"].is_null(), "{host:#}");
    }
}
