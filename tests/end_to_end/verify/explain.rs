//! Why a host is not as accepted: the cause, its way from the host, its place in the
//! repository, and what is said where the reason is not to be had.

use std::fs;

use crate::support::place::Place;

use super::{
    HOST, accept, accepted, accepted_minibox, commit, entry, own_store::Own, verdicts, verify,
};

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
    let accepted = &commit(&place, "HEAD")[..10];
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
fn a_difference_that_is_not_seen_is_written_out() {
    let place = accepted_minibox();
    let before = place.read(HOST);
    for (invisible, written) in [
        (" ", r"the desk.\u{20}"),
        ("\t", r"the desk.\t"),
        ("\u{a0}", r"the desk.\u{a0}"),
        ("\u{200b}", r"the desk.\u{200b}"),
    ] {
        let after = format!("under the desk.{invisible}");
        place.write(HOST, before.replace("under the desk.", &after));
        let run = verify(&place, &[]).run().code(1);
        assert!(run.stdout.contains(written), "{invisible:?}: {run}");
    }
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

#[test]
fn a_store_whose_files_are_named_apart_is_read_where_they_are() {
    let own = Own::with_a_change();
    let store = format!("local?root={0}&real={0}/nix/store", own.store);
    let run = verify(&own.place, &["--store", &store]).run().code(1);
    assert_eq!(verdicts(&run), ["changed box"]);
    assert!(run.stdout.contains("+echo two"), "{run}");
    assert!(!run.stderr.contains("laying out"), "in vain: {run}");
    let sides = ["diff", "HEAD~1:box", "box", "--store", &store];
    let run = own.place.cbox(&sides).run().ok();
    assert!(run.stdout.contains("+echo two"), "{run}");
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
        let reason = own.unexplained();
        assert!(reason.contains(&drv), "{reason}");
        assert!(!reason.contains("not in the store"), "{reason}");
        let json = own.cbox(&["verify-hosts", "--json"]).code(1).json();
        let host = &json["verifyHosts"]["hosts"][0];
        assert_eq!(host["unexplained"], reason.as_str(), "{host:#}");
        assert!(host["explanation"].is_null(), "{host:#}");
    }
}
