//! Where an image comes from: `cbox provenance`, `build --provenance`, and what `cbox
//! verify-image` makes of it.
//!
//! With `CBOX_TEST_INTOTO=PYTHON`, an interpreter that has in-toto's own package
//! `in-toto-attestation`, each statement is read and validated by that.

use std::fs;

use serde_json::{Value, json};

use crate::{
    bad_words::fails,
    signatures::{place, verify},
    support::{call::Call, nix::say_left_out, place::Place},
};

const FILE: &str = "out/box-raw.provenance.json";

/// Reads the statement on standard input, strictly, with in-toto's own messages.
const VALIDATE: &str = r#"
import json, sys
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
document = json.load(sys.stdin)
statement = Statement.copy_from_pb(json_format.ParseDict(document, Message()))
statement.validate()
assert statement.pb.predicate_type == "https://slsa.dev/provenance/v1"
provenance = json_format.ParseDict(document["predicate"], Provenance())
assert provenance.build_definition.build_type and provenance.run_details.builder.id
assert len(provenance.build_definition.resolved_dependencies) > 0
again = json_format.MessageToDict(provenance)
assert again == document["predicate"], again
"#;

/// Fails the test unless in-toto's own package takes `statement` for what it is to be.
#[track_caller]
fn check(place: &Place, statement: &Value) {
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let Some(python) = std::env::var_os("CBOX_TEST_INTOTO") else {
        return say_left_out("CBOX_TEST_INTOTO names no Python with in-toto-attestation");
    };
    let file = place.beside("statement.json");
    fs::write(&file, statement.to_string()).unwrap();
    let call = Call::new(python, &place.folder()).args(["-c", VALIDATE]);
    call.stdin(fs::File::open(file).unwrap()).run().ok();
}

fn read(place: &Place) -> Value {
    serde_json::from_str(&place.read(FILE)).unwrap()
}

#[test]
fn a_provenance_names_the_image_and_all_that_it_is_built_from() {
    let place = place();
    let dep = place.beside("dep");
    fs::create_dir(&dep).unwrap();
    fs::write(dep.join("flake.nix"), "{ outputs = _: { }; }").unwrap();
    let input = format!("inputs.dep.url = \"path:{}\";\n  outputs", dep.display());
    place.edit("flake.nix", "outputs", &input);
    place.nix(&["flake", "lock"]).run().ok();
    place.git(&["add", "--all"]);
    place.commit("an input");
    let revision = place.git(&["rev-parse", "HEAD"]).ok();
    let build = ["build", "box/raw", "--provenance"];
    let run = place.cbox(&build).run().ok();
    run.says(&["wrote the provenance out/box-raw.provenance.json"]);
    let text = place.read(FILE);
    let statement = read(&place);
    check(&place, &statement);
    let manifest = place.manifest("box-raw");
    assert_eq!(
        statement["subject"],
        json!([{
            "name": "box.raw",
            "digest": { "sha256": manifest["artifact"]["sha256"] },
        }])
    );
    let definition = &statement["predicate"]["buildDefinition"];
    let parameters = &definition["externalParameters"];
    assert_eq!(parameters["target"], "box/raw");
    assert_eq!(parameters["revision"], revision.text());
    assert_eq!(
        definition["internalParameters"]["derivation"],
        manifest["drvPath"]
    );
    let trees = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(trees[0]["digest"]["gitCommit"], revision.text());
    assert_eq!(trees[0]["digest"]["narHash"].as_str().unwrap().len(), 64);
    assert_eq!(trees[1]["name"], "inputs/dep");
    let uri = trees[1]["uri"].as_str().unwrap();
    let start = format!("path:{}?", dep.display());
    assert!(uri.starts_with(&start) && uri.contains("narHash="), "{uri}");
    assert_eq!(trees.len(), 2);

    // The command says the same of it, and so does another build at another time.
    let said = || place.cbox(&["provenance", "box", "raw"]).run().ok().stdout;
    assert_eq!(said(), text);
    place.cbox(&["clean", "box/raw"]).run().ok();
    assert_eq!(place.names("out"), [""; 0], "it goes with its image");
    place.cbox(&build).run().ok();
    assert_eq!(place.read(FILE), text);
    let dated = place.cbox(&["provenance", "box/raw"]);
    let dated = dated.env("SOURCE_DATE_EPOCH", "86400").run().ok().json();
    check(&place, &dated);
    assert_eq!(
        dated["predicate"]["runDetails"]["metadata"],
        json!({ "finishedOn": "1970-01-02T00:00:00Z" })
    );

    // A file elsewhere, by another builder, over the one that is there.
    let file = place.beside("a.json");
    let builder = "https://example.org/builders/1";
    let words = ["provenance", "box/raw", "-o", file.to_str().unwrap()];
    let words = [&words[..], &["--builder-id", builder, "--json"]].concat();
    for _ in 0..2 {
        let told = place.cbox(&words).run().ok().json();
        assert_eq!(told["provenance"]["builderId"], builder);
    }
    let other: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    check(&place, &other);
    assert_eq!(other["predicate"]["runDetails"]["builder"]["id"], builder);
    // As the build writes it.
    let words = ["build", "box/raw", "--provenance", "--builder-id", builder];
    place.cbox(&words).run().ok();
    let built: Value = serde_json::from_str(&place.read(FILE)).unwrap();
    assert_eq!(built["predicate"]["runDetails"]["builder"]["id"], builder);

    // What replaces the input is named in its place, and a tree that nobody committed as such.
    let new = place.beside("new");
    fs::create_dir(&new).unwrap();
    fs::write(new.join("flake.nix"), "{ outputs = _: { new = 1; }; }").unwrap();
    place.write("note", "x");
    place.git(&["add", "--all"]);
    let new = format!("path:{}", new.display());
    let run = place.cbox(&[&build[..], &["--override-input", "dep", &new]].concat());
    run.run().ok();
    let statement = read(&place);
    check(&place, &statement);
    let definition = &statement["predicate"]["buildDefinition"];
    let parameters = &definition["externalParameters"];
    assert_eq!(parameters["dirty"], true);
    let replaced = parameters["overriddenInputs"]["dep"].as_str().unwrap();
    assert!(replaced.starts_with(&new), "{replaced}");
    let trees = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(trees[0]["digest"].get("gitCommit"), None);
    assert_eq!((&trees[1]["uri"], trees.len()), (&json!(replaced), 2));
}

#[test]
fn a_provenance_goes_when_another_image_takes_the_link() {
    let place = place();
    let build = ["build", "box/raw", "--provenance", "--sign", "../one.key"];
    place.cbox(&build).run().ok();
    let image = "out/box-raw/box.raw";
    let run = verify(&place, image, "one").ok();
    let line = run.lines().pop().unwrap().to_owned();
    assert!(
        line.starts_with("provenance  verified  out/box-raw.provenance.json is of this image, by "),
        "{run}"
    );
    let before = place.read(FILE);
    place.cbox(&["build", "box/raw"]).run().ok();
    assert_eq!(place.read(FILE), before, "it is the same image");
    let status = place.cbox(&["status"]).run().ok();
    assert!(!status.to_string().contains("provenance"), "{status}");

    place.edit("flake.nix", "%510s", "%509s");
    place.edit("flake.nix", "'\\\\125", "'\\\\001\\\\125");
    place.commit("another image");
    place.cbox(&["build", "box/raw"]).run().ok();
    assert!(!place.path(FILE).exists());
    // That of another image is none of this one.
    place
        .cbox(&["sign", "box/raw", "--key", "../one.key"])
        .run()
        .ok();
    verify(&place, image, "one").ok();
    for (text, words) in [
        (
            before.as_str(),
            "out/box-raw.provenance.json is the provenance of another image",
        ),
        (
            "{}",
            "out/box-raw.provenance.json is not an in-toto statement",
        ),
    ] {
        place.write(FILE, text);
        verify(&place, image, "one")
            .code(9)
            .says(&["error: out/box-raw/box.raw is not verified: ", words]);
    }
    // What cbox did not make stays, and is in the way.
    for words in [&["build", "box/raw", "--provenance"][..], &["box", "raw"]] {
        fails(
            &place,
            words,
            10,
            &["box-raw.provenance.json is in the way: it is not a provenance of cbox"],
        );
    }
    place.cbox(&["clean", "box/raw"]).run().ok();
    assert_eq!(place.read(FILE), "{}");
}

#[test]
fn an_sbom_beside_an_image_is_of_that_image() {
    let place = place();
    let (file, image) = ("out/box-raw.sbom.json", "out/box-raw/box.raw");
    let build = ["build", "box/raw", "--sbom", "--sign", "../one.key"];
    place.cbox(&build).run().ok();
    let run = verify(&place, image, "one").ok();
    let line = run.lines().pop().unwrap().to_owned();
    assert!(
        line.starts_with("sbom       verified  out/box-raw.sbom.json is of this image"),
        "{run}"
    );
    let own = place.read(file);
    let hash = place.manifest("box-raw")["artifact"]["sha256"].clone();
    let other = own.replace(hash.as_str().unwrap(), &"0".repeat(64));
    for (text, code, words) in [
        (
            other.as_str(),
            9,
            "out/box-raw.sbom.json is the SBOM of another image",
        ),
        ("[]", 9, "out/box-raw.sbom.json is not an SBOM of CycloneDX"),
        (
            "{",
            9,
            "out/box-raw.sbom.json is not an SBOM of CycloneDX: ",
        ),
        // One that names no image says nothing of it.
        ("{\"bomFormat\": \"CycloneDX\"}", 0, ""),
        (own.as_str(), 0, "sbom       verified"),
    ] {
        place.write(file, text);
        let run = verify(&place, image, "one").code(code);
        assert!(run.to_string().contains(words), "no `{words}` in {run}");
    }
    place.edit("flake.nix", "%510s", "%509s");
    place.edit("flake.nix", "'\\\\125", "'\\\\001\\\\125");
    place.commit("another image");
    place.cbox(&["build", "box/raw"]).run().ok();
    assert!(!place.path(file).exists());
    let run = place.cbox(&["build", "box/raw", "--sbom"]);
    let run = run.env("SOURCE_DATE_EPOCH", "86400").run().ok();
    run.says(&["wrote the SBOM out/box-raw.sbom.json"]);
    let document: Value = serde_json::from_str(&place.read(file)).unwrap();
    assert_eq!(document["metadata"]["timestamp"], "1970-01-02T00:00:00Z");
}

#[test]
fn what_has_no_provenance_is_said_in_a_sentence() {
    let place = place();
    place.write("notes.txt", "mine");
    let provenance = ["provenance", "box/raw"];
    let with = |more: &[&'static str]| [&provenance[..], more].concat();
    fails(
        &place,
        &provenance,
        9,
        &["box/raw is not built yet", "hint: build it: `cbox box raw`"],
    );
    place.cbox(&["box", "raw"]).run().ok();
    for (words, code, said) in [
        (
            with(&["--builder-id", "me"]),
            2,
            "it is no URI, such as https",
        ),
        (
            with(&["-o", "notes.txt"]),
            10,
            "`cbox provenance` did not make the file",
        ),
        (
            with(&["-o", "no/file"]),
            10,
            "cannot write the provenance no/file: there is no folder",
        ),
        (vec!["provenance", "bax/raw"], 2, "bax"),
        (
            vec!["build", "box/raw", "--provenance", "--drv"],
            2,
            "--drv",
        ),
    ] {
        fails(&place, &words, code, &[said]);
    }
    assert_eq!(place.read("notes.txt"), "mine");
    let both = place.cbox(&with(&["--json"])).run().code(2);
    both.says(&["would both be written to standard output"]);
    let build = ["build", "box/raw", "--provenance"];
    for words in [&provenance[..], &build] {
        let run = place.cbox(words).env("SOURCE_DATE_EPOCH", "soon").run();
        run.code(2)
            .says(&["SOURCE_DATE_EPOCH is `soon`, which is no number of seconds"]);
    }
    // The record of an older cbox has no inputs.
    let mut manifest = place.manifest("box-raw");
    let source = manifest["source"].as_object_mut().unwrap();
    source.remove("inputs").unwrap();
    place.write("out/box-raw.json", manifest.to_string());
    fails(
        &place,
        &provenance,
        9,
        &[
            "the record of box/raw names no inputs of the flake",
            "hint: build it again",
        ],
    );
}
