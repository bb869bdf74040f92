//! `cbox sbom`: what an image or a host is made of, as CycloneDX 1.6.
//!
//! With `CBOX_TEST_CYCLONEDX=FOLDER`, a folder with the JSON schemas that CycloneDX publishes
//! (`bom-1.6`, and `spdx` and `jsf-0.82` that it refers to), each document is held against them.

use std::{collections::BTreeSet, fs};

use jsonschema::Registry;
use serde_json::{Value, json};

use crate::{
    bad_words::fails,
    support::{
        nix::{native, say_left_out},
        place::Place,
        tiny, unique,
    },
};

/// A system with a package that has a version, a fetched source and two patches, and with a file.
/// `word` makes it no other test's.
fn system(word: &str) -> String {
    let toplevel = r#"let
    make = name: text: more: derivation ({
      inherit name; system = "SYSTEM"; builder = "/bin/sh"; args = [ "-c" text ];
    } // more);
    source = make "curl-8.1.tar.gz" ": >$out" {
      outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
      outputHashMode = "flat";
      urls = [ "https://example.org/curl-8.1.tar.gz" ];
    };
    compiler = make "gcc-14.2" "echo WORD >$out" { };
    curl = make "curl-8.1-unpatched" "echo ${zlib} >$out" {
      pname = "curl+ssl"; version = "8.1"; src = source; nativeBuildInputs = [ compiler ];
      patches = [ (builtins.toFile "CVE-2024-12345.patch" "") (builtins.toFile "paths.patch" "") ];
    };
    zlib = make "zlib-1.3" "echo WORD >$out" { };
    etc = builtins.toFile "etc" "x";
  in make "nixos-system-box-1.0" "echo ${curl} ${etc} >$out" { }"#;
    let toplevel = toplevel.replace("SYSTEM", &native()).replace("WORD", word);
    tiny::flake(&[("box", &toplevel)])
}

/// Fails the test unless `document` hangs together, and is as CycloneDX's own schema says.
#[track_caller]
fn check(document: &Value) {
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["specVersion"], "1.6");
    let components = document["components"].as_array().unwrap();
    let root = &document["metadata"]["component"];
    let references: Vec<&str> = components
        .iter()
        .chain([root])
        .map(|component| component["bom-ref"].as_str().unwrap())
        .collect();
    assert!(references[..components.len()].is_sorted(), "{references:?}");
    let known: BTreeSet<&str> = references.iter().copied().collect();
    assert_eq!(known.len(), references.len(), "{references:?}");
    let dependencies = document["dependencies"].as_array().unwrap();
    let names = dependencies.iter().map(|one| one["ref"].as_str().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), known);
    for needed in dependencies
        .iter()
        .flat_map(|one| one["dependsOn"].as_array().unwrap())
    {
        assert!(known.contains(needed.as_str().unwrap()), "{needed}");
    }
    check_schema(document);
}

/// Holds `document` against the schemas in the folder that the tests are told.
#[track_caller]
fn check_schema(document: &Value) {
    let Ok(folder) = std::env::var("CBOX_TEST_CYCLONEDX") else {
        return say_left_out("CBOX_TEST_CYCLONEDX names no folder with CycloneDX's schemas");
    };
    let (mut registry, mut own) = (Registry::new(), None);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".json") {
            continue;
        }
        let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if name.starts_with("bom-1.6") {
            own = Some(schema);
        } else if name.starts_with("spdx") || name.starts_with("jsf") {
            // They name each other by their files, which are called in several ways.
            let address = format!("http://cyclonedx.org/schema/{name}");
            registry = registry.add(address, schema).unwrap();
        }
    }
    let registry = registry.prepare().unwrap();
    let options = jsonschema::options().with_registry(&registry);
    let validator = options.build(&own.unwrap()).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The component called `name`.
#[track_caller]
fn component<'d>(document: &'d Value, name: &str) -> &'d Value {
    let components = document["components"].as_array().unwrap();
    let found = components.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {components:#?}"))
}

fn names(document: &Value) -> BTreeSet<&str> {
    let components = document["components"].as_array().unwrap();
    components
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

fn closure(document: &Value) -> &Value {
    let properties = document["metadata"]["properties"].as_array().unwrap();
    let found = properties.iter().find(|one| one["name"] == "cbox:closure");
    &found.unwrap()["value"]
}

#[test]
fn what_is_not_built_is_listed_with_all_that_builds_it() {
    let place = Place::flake(&system(&unique()));
    let run = place.cbox(&["sbom", "box"]).run().ok();
    assert!(run.stderr.contains("hosts/box is not built, so"), "{run}");
    let document = run.json();
    check(&document);
    assert_eq!(closure(&document), "build");
    let expected = ["curl+ssl", "curl-8.1.tar.gz", "gcc", "zlib"];
    assert_eq!(names(&document), BTreeSet::from(expected));
    let hash = json!([{
        "alg": "SHA-256",
        "content": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }]);
    let source = component(&document, "curl-8.1.tar.gz");
    assert_eq!(
        (&source["type"], &source["hashes"]),
        (&json!("file"), &hash)
    );
    let curl = component(&document, "curl+ssl");
    assert_eq!(curl["purl"], "pkg:nix/curl%2Bssl@8.1");
    assert_eq!(curl["version"], "8.1");
    assert_eq!(
        curl["licenses"],
        json!([{ "license": { "name": "NOASSERTION" } }])
    );
    assert_eq!(
        curl["externalReferences"],
        json!([{
            "type": "source-distribution",
            "url": "https://example.org/curl-8.1.tar.gz",
            "hashes": hash,
        }])
    );
    let patches = curl["pedigree"]["patches"].as_array().unwrap();
    let resolves = json!([{ "type": "security", "id": "CVE-2024-12345" }]);
    assert_eq!((patches.len(), &patches[0]["resolves"]), (2, &resolves));
    let url = patches[1]["diff"]["url"].as_str().unwrap();
    assert!(url.ends_with("-paths.patch"), "{url}");
}

#[test]
fn what_is_built_is_listed_without_what_built_it_and_the_same_each_time() {
    let place = Place::flake(&system(&unique()));
    place.ask(&["build", "box"]);
    let file = place.beside("box.json");
    let file = file.to_str().unwrap();
    let run = place
        .cbox(&["sbom", "box", "--output", file, "--json"])
        .run()
        .ok();
    let said = run.json();
    let text = fs::read_to_string(file).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    check(&document);
    assert_eq!(closure(&document), "runtime");
    assert_eq!(
        names(&document),
        BTreeSet::from(["curl+ssl", "etc", "zlib"])
    );
    assert_eq!(said["sbom"]["closure"], "runtime");
    assert_eq!(said["sbom"]["componentCount"], 3);
    assert_eq!(said["sbom"]["serialNumber"], document["serialNumber"]);
    // The sources and patches of a package stay known, though nothing refers to them.
    let curl = component(&document, "curl+ssl");
    assert!(curl["externalReferences"].is_array() && curl["pedigree"].is_object());
    assert!(
        curl["bom-ref"]
            .as_str()
            .unwrap()
            .ends_with("-curl-8.1-unpatched")
    );
    let of_curl = document["dependencies"].as_array().unwrap().iter();
    let of_curl = of_curl.filter(|one| one["ref"] == curl["bom-ref"]);
    let needed = json!([component(&document, "zlib")["bom-ref"]]);
    assert_eq!(
        of_curl.map(|one| &one["dependsOn"]).collect::<Vec<_>>(),
        [&needed]
    );

    // Another word for the same target, another way out, and over the file that is there.
    assert_eq!(place.cbox(&["sbom", "hosts/box"]).run().ok().stdout, text);
    place.cbox(&["sbom", "box", "-o", file]).run().ok();
    assert_eq!(fs::read_to_string(file).unwrap(), text);
    assert!(document["metadata"].get("timestamp").is_none());
    let dated = place
        .cbox(&["sbom", "box"])
        .env("SOURCE_DATE_EPOCH", "86400");
    let dated = dated.run().ok().json();
    check(&dated);
    assert_eq!(dated["metadata"]["timestamp"], "1970-01-02T00:00:00Z");
    assert_ne!(dated["serialNumber"], document["serialNumber"]);
}

#[test]
fn the_images_of_the_mini_box_list_their_system() {
    let place = Place::minibox();
    let document = place.cbox(&["sbom", "appliance", "iso"]).run().ok().json();
    check(&document);
    let root = &document["metadata"]["component"];
    assert_eq!(root["name"], "appliance/iso");
    let system = component(&document, "nixos-system-coder-box");
    assert_eq!(system["type"], "operating-system");
    assert_eq!(root["version"], system["version"]);
    assert!(names(&document).contains("initrd"));
}

/// A flake with two images of one system: `raw` is built by a script, `iso` is as nixpkgs makes
/// such, with structured attributes, and is never built. Both pack a package in a store, and a
/// boot loader outside of it.
fn images(word: &str) -> Place {
    let text = r#"{
  outputs = _: let
    make = name: text: more: derivation ({
      inherit name; system = "SYSTEM"; builder = "/bin/sh"; args = [ "-c" text ];
    } // more);
    tool = make "tool-1.0" "echo WORD >$out" { };
    lib = make "lib-1.0" "echo WORD >$out" { };
    extra = make "extra-2.0" "echo ${lib} >$out" { };
    boot = make "boot-3.0" "PATH=/bin:/usr/bin; mkdir $out; echo WORD >$out/boot.bin" { };
    own = make "own-4.0" "echo WORD >$out" { };
    # What only the system packs, into something of its own.
    inner = make "closure-info" "echo WORD >$out" { exportReferencesGraph = [ "closure" tool ]; };
    toplevel = make "nixos-system-box-25.05" "echo ${own} >$out; : ${inner}" { };
    plain = make "closure-info" "echo WORD >$out" {
      exportReferencesGraph = [ "system" toplevel "extra" extra ];
    };
    structured = make "closure-info" "false" {
      __structuredAttrs = true;
      exportReferencesGraph.closure = [ toplevel extra ];
    };
    store = info: make "store.img" "echo ${info} ${tool} >$out" { };
    raw = make "box" "PATH=/bin:/usr/bin; mkdir $out; echo WORD >$out/box.raw; : ${store plain}" {
      sources = [ "${boot}/boot.bin" ];
      targets = [ "/boot/boot.bin" ];
    };
    iso = make "box.iso" "false" {
      __structuredAttrs = true;
      closureInfo = store structured;
      sources = [ "${boot}/boot.bin" ];
      targets = [ "/boot/boot.bin" ];
    };
  in {
    nixosConfigurations._box.config = {
      nixpkgs.hostPlatform.system = "SYSTEM";
      system.build = { inherit toplevel raw iso; };
    };
  };
}
"#;
    let place = Place::flake(&text.replace("SYSTEM", &native()).replace("WORD", word));
    let target = |format: &str| {
        format!(
            "[[target]]\nkind = \"box\"\nformat = \"{format}\"\nhost = \"_box\"\nsystem = \"{}\"\n\
             attribute = \"system.build.{format}\"\nartifact = \"box.{format}\"\n",
            native()
        )
    };
    let toml = format!("hosts = []\n{}{}", target("raw"), target("iso"));
    place.write("cbox.toml", toml);
    place.commit("images");
    place
}

#[test]
fn what_is_packed_beside_the_system_is_listed() {
    let place = images(&unique());
    // Nothing is built yet: all that it takes to build the image.
    let document = place.cbox(&["sbom", "box/raw"]).run().ok().json();
    check(&document);
    assert_eq!(closure(&document), "build");
    let system = component(&document, "nixos-system-box");
    assert_eq!(system["type"], "operating-system");
    assert!(names(&document).is_superset(&BTreeSet::from(["tool", "boot", "extra", "own"])));

    let run = place.cbox(&["build", "box/raw", "--sbom"]).run().ok();
    run.says(&["wrote the SBOM out/box-raw.sbom.json"]);
    let packed = BTreeSet::from(["boot", "extra", "lib", "nixos-system-box", "own"]);
    let text = place.read("out/box-raw.sbom.json");
    let document: Value = serde_json::from_str(&text).unwrap();
    check(&document);
    assert_eq!(closure(&document), "runtime");
    assert_eq!(names(&document), packed);
    let root = &document["metadata"]["component"];
    assert_eq!(
        (&root["name"], &root["version"]),
        (&json!("box/raw"), &json!("25.05"))
    );
    let file = &root["components"][0];
    assert_eq!(file["name"], "box.raw");
    assert_eq!(
        file["hashes"][0]["content"],
        place.manifest("box-raw")["artifact"]["sha256"]
    );
    let needed = document["dependencies"].as_array().unwrap().iter();
    let needed = needed.filter(|one| one["ref"] == root["bom-ref"]);
    let needed: Vec<usize> = needed
        .map(|one| one["dependsOn"].as_array().unwrap().len())
        .collect();
    assert_eq!(needed, [3], "system, package and boot loader");
    // The command says the same of what is built, and other flags nothing of another image.
    let said = || place.cbox(&["sbom", "box/raw"]).run().ok().stdout;
    assert_eq!(said(), text);
    place.cbox(&["clean", "box/raw"]).run().ok();
    assert_eq!(place.names("out"), [""; 0], "it goes with its image");
    assert_ne!(said(), text, "no file is known any more");
    place.cbox(&["build", "box/raw", "--sbom"]).run().ok();
    assert_eq!(place.read("out/box-raw.sbom.json"), text);

    // All that is packed is there, though the image is not.
    let document = place.cbox(&["sbom", "box/iso"]).run().ok().json();
    check(&document);
    assert_eq!(closure(&document), "runtime");
    assert_eq!(names(&document), packed);
    assert!(
        document["metadata"]["component"]
            .get("components")
            .is_none()
    );
}

/// A host with packages: `curl` and what it is made from, which the host uses, and what only its
/// package set has. `config` and `pkgs` are further lines of these.
fn licensed(config: &str, pkgs: &str) -> Place {
    let text = r#"{
  outputs = _: let
    make = name: version: more: meta: derivation ({
      inherit version; pname = name; name = "${name}-${version}";
      system = "SYSTEM"; builder = "/bin/sh"; args = [ "-c" "echo WORD >$out" ];
    } // more) // { inherit meta; };
    zlib = make "zlib" "1.3" { } {
      license = [ { spdxId = "Zlib"; } { spdxId = "Mine+"; fullName = "My own"; } "word of mouth" ];
      homepage = [ "https://zlib.example" "no address" ];
    };
    curl = make "curl" "8.1" { buildInputs = [ zlib ]; } {
      license = { spdxId = "curl"; fullName = "curl License"; };
      homepage = "https://curl.example/";
      identifiers = { cpe = "cpe:2.3:a:haxx:curl:8.1:*:*:*:*:*:*:*"; purl = "pkg:github/curl/curl@8.1"; };
    };
    own = make "own-lib" "2" { } {
      license.fullName = "A licence";
      identifiers.possibleCPEs = [ { cpe = "cpe:2.3:a:o:own:2:*:*:*:*:*:*:*"; } ];
    };
    free = make "free" "3" { } { license = throw "nobody knows"; };
    odd = name: make name "1" { } { };
    packages = [ curl zlib own free (odd "old") (odd "bad") (odd "crash") ];
  in {
    nixosConfigurations.box = {
      pkgs = {
        inherit free;
        ownlib = own;
        old = make "old" "0.9" { } { license.spdxId = "MIT"; };
        bad = throw "not this one";
        crash = odd "crash" // { drvAttrs.version = 1; };
        PKGS
      };
      config = {
        nixpkgs.hostPlatform.system = "SYSTEM";
        networking.hostName = "box";
        system.build.toplevel = derivation {
          name = "nixos-system-box-1.0"; system = "SYSTEM"; builder = "/bin/sh";
          args = [ "-c" "echo ${toString packages} >$out" ];
        };
        CONFIG
      };
    };
  };
}
"#;
    let text = text.replace("SYSTEM", &native()).replace("WORD", &unique());
    Place::flake(&text.replace("CONFIG", config).replace("PKGS", pkgs))
}

/// The licences of the component called `name`, as identifiers with `#` or as names.
#[track_caller]
fn licenses(document: &Value, name: &str) -> Vec<String> {
    let licenses = component(document, name)["licenses"].as_array().unwrap();
    let licenses = licenses.iter().map(|one| &one["license"]);
    let shown = licenses.map(|one| match one["id"].as_str() {
        Some(id) => format!("#{id}"),
        None => one["name"].as_str().unwrap().to_owned(),
    });
    shown.collect()
}

#[test]
fn licences_homepages_and_names_elsewhere_are_those_of_the_packages_of_the_host() {
    const USED: &str = "environment.systemPackages = [ curl ];";
    let place = licensed(USED, "");
    let sbom = ["sbom", "box"];
    let run = place.cbox(&sbom).run().ok();
    let document = run.json();
    check(&document);
    let curl = component(&document, "curl");
    assert_eq!(licenses(&document, "curl"), ["#curl"]);
    assert_eq!(curl["purl"], "pkg:github/curl/curl@8.1");
    assert_eq!(curl["cpe"], "cpe:2.3:a:haxx:curl:8.1:*:*:*:*:*:*:*");
    assert_eq!(
        curl["externalReferences"],
        json!([{ "type": "website", "url": "https://curl.example/" }])
    );
    let of_zlib = ["#Zlib", "My own", "word of mouth"];
    assert_eq!(licenses(&document, "zlib"), of_zlib);
    let pages = component(&document, "zlib")["externalReferences"].as_array();
    assert_eq!(pages.unwrap().len(), 1, "what is no address is left out");
    assert_eq!(licenses(&document, "own-lib"), ["A licence"]);
    let own = component(&document, "own-lib");
    assert_eq!(own["purl"], "pkg:nix/own-lib@2");
    assert_eq!(own["cpe"], "cpe:2.3:a:o:own:2:*:*:*:*:*:*:*");
    // Of another version, one that does not evaluate, and one whose licence does not.
    for name in ["old", "bad", "free", "crash"] {
        assert_eq!(licenses(&document, name), ["NOASSERTION"], "{name}");
    }
    assert_eq!(place.cbox(&sbom).run().ok().stdout, run.stdout);
    let file = place.beside("box.json");
    let words = ["sbom", "box", "--json", "-o", file.to_str().unwrap()];
    let told = place.cbox(&words).run().ok().json();
    assert_eq!(told["sbom"]["licensedCount"], 3);

    // What nobody can catch keeps what the host uses from nothing.
    let place = licensed(USED, "curl = { }.missing;");
    let document = place.cbox(&sbom).run().ok().json();
    check(&document);
    assert_eq!(licenses(&document, "curl"), ["#curl"]);
    assert_eq!(licenses(&document, "zlib"), of_zlib);
    assert_eq!(licenses(&document, "own-lib"), ["NOASSERTION"]);

    // And what the host uses is not needed for a list.
    let place = licensed("environment.systemPackages = { }.missing;", "");
    let run = place.cbox(&sbom).run().ok();
    assert_eq!(licenses(&run.json(), "curl"), ["NOASSERTION"]);
    let warning = "the SBOM has no licences, homepages and CPE, since the packages of the host do \
                   not say: ";
    run.says(&[warning, "attribute 'missing' missing"]);
}

#[test]
fn what_cannot_be_is_said_in_a_sentence() {
    let place = Place::flake(&system(&unique()));
    place.write("notes.txt", "mine");
    for (words, code, said) in [
        (&["sbom", "bax"][..], 2, "bax"),
        (&["sbom", "/nix/store"], 2, "/nix/store is no target"),
        (
            &["sbom", "box", "-o", "no/file"],
            10,
            "cannot write the SBOM no/file: there is no folder",
        ),
        (
            &["sbom", "box", "-o", "notes.txt"],
            10,
            "`cbox sbom` did not make the file",
        ),
        (&["sbom", "box", "-o", "/dev/null"], 10, "it is not a file"),
    ] {
        fails(&place, words, code, &[said]);
    }
    assert_eq!(place.read("notes.txt"), "mine");
    // The error is a document as well.
    let both = place.cbox(&["sbom", "box", "--json"]).run().code(2);
    both.says(&["would both be written to standard output"]);
    let run = place
        .cbox(&["sbom", "box"])
        .env("SOURCE_DATE_EPOCH", "soon");
    run.run()
        .code(2)
        .says(&["SOURCE_DATE_EPOCH is `soon`, which is no number of seconds"]);
}
