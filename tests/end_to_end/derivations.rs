//! What is read from `.drv` files is what Nix itself says of them.
//!
//! Every file in a closure is held against `nix derivation show`, whose form differs
//! between versions. Up to format 2 (Nix 2.26) a derivation stands under its path, with
//! `inputDrvs`, `inputSrcs` and hashes in base 16. Format 3 (2.32) leaves the store
//! directory out of paths. Format 4 (2.34) stands under `derivations`, gathers `inputs`,
//! takes `structuredAttrs` out of `env`, writes hashes as SRI, and leaves out the path of
//! an output whose content is fixed.
//!
//! The mini box is small: with `CBOX_TEST_DRV=/nix/store/….drv` the closure of that
//! derivation, a whole system's for instance, is checked as well.

use std::{collections::BTreeMap, fs};

use nix_formats::derivation::Derivation;
use serde_json::Value;

use crate::support::{
    nix::{native, say_left_out},
    place::Place,
    tiny,
};

/// All that a derivation says, in the form both sides are brought into.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    outputs: BTreeMap<String, Output>,
    inputs: BTreeMap<String, Vec<String>>,
    sources: Vec<String>,
    system: String,
    builder: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    structured: Option<Value>,
}

#[derive(Debug, PartialEq, Eq)]
struct Output {
    path: String,
    algorithm: String,
    hash: String,
}

/// A derivation with inputs of every kind that no experimental feature is needed for.
const EVERY_KIND: &str = r#"let
  make = name: more: derivation ({ inherit name; system = "SYSTEM"; builder = "/bin/sh"; } // more);
  several = make "several" { outputs = [ "out" "dev" "bin" ]; };
  empty = { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
in make "all" {
  inherit several;
  inherit (several) bin;
  flat = make "flat" empty;
  recursive = make "recursive" (empty // { outputHashMode = "recursive"; });
  sha512 = make "sha512" { outputHashAlgo = "sha512"; outputHash = builtins.hashString "sha512" ""; };
  structured = make "structured" {
    __structuredAttrs = true;
    list = [ 1 "a" { b = null; } ];
    text = "a \"b\"\n\t\\ ä";
  };
  source = builtins.toFile "source" "x";
  nothing = "";
  args = [ "" "a \"b\"\n\r\t\\ \${x} ☃" ];
}"#;

#[test]
fn derivations_of_a_host_are_what_nix_says() {
    let place = Place::minibox();
    let drv = place.drv(&["build", "hosts/mini-thinkcentre"]);
    let checked = check(&place, &drv);
    assert!(checked > 50, "only {checked} derivations below {drv}");
}

#[test]
fn derivations_of_every_kind_are_what_nix_says() {
    let kinds = EVERY_KIND.replace("SYSTEM", &native());
    let place = Place::flake(&tiny::flake(&[("all", &kinds)]));
    let attribute = "nixosConfigurations.all.config.system.build.toplevel.drvPath";
    let checked = check(&place, &place.plain_eval(attribute));
    assert_eq!(checked, 6);
}

#[test]
fn derivations_below_the_named_one_are_what_nix_says() {
    let Ok(drv) = std::env::var("CBOX_TEST_DRV") else {
        return say_left_out("CBOX_TEST_DRV names no derivation");
    };
    let checked = check(&Place::empty("repo"), &drv);
    println!("{checked} derivations below {drv}");
}

/// Holds every derivation in the closure of `drv` against what Nix says of it, and counts
/// them.
#[track_caller]
fn check(place: &Place, drv: &str) -> usize {
    let (store, _) = drv.rsplit_once('/').unwrap();
    let shown = place.nix(&["derivation", "show", "--recursive", drv]);
    let shown = shown.run().ok().json();
    let all = shown.get("derivations").unwrap_or(&shown);
    let all: BTreeMap<String, &Value> = all
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, shown)| (whole(store, path), shown))
        .collect();
    assert!(all.contains_key(drv), "nothing on {drv} itself");
    for (path, shown) in &all {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let derivation =
            Derivation::from_aterm_bytes(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            derivation.to_aterm_bytes() == bytes,
            "{path} comes back otherwise"
        );
        let read = read(&derivation);
        assert_eq!(read, said(store, shown), "{path}");
        for input in read.inputs.keys() {
            assert!(all.contains_key(input), "{input}, which {path} needs");
        }
    }
    all.len()
}

/// What cbox reads.
fn read(derivation: &Derivation) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let outputs = derivation.outputs().map(|output| {
        let what = Output {
            path: output.path.to_owned(),
            algorithm: output.hash_algorithm.to_owned(),
            hash: output.hash.to_owned(),
        };
        (output.name.to_owned(), what)
    });
    let inputs = derivation.inputs().map(|input| {
        let outputs = input.outputs().map(str::to_owned);
        (input.path.to_owned(), outputs.collect())
    });
    let mut environment: BTreeMap<String, String> = derivation
        .environment()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    for (name, value) in &environment {
        assert_eq!(
            derivation.variable(name.as_bytes()),
            Some(value.as_bytes()),
            "{name}"
        );
    }
    Said {
        outputs: outputs.collect(),
        inputs: inputs.collect(),
        sources: derivation.sources().map(str::to_owned).collect(),
        system: text(derivation.system()),
        builder: text(derivation.builder()),
        arguments: derivation.arguments().map(text).collect(),
        structured: take_structured(&mut environment),
        environment,
    }
}

/// What Nix says.
fn said(store: &str, shown: &Value) -> Said {
    let mut environment: BTreeMap<String, String> = shown["env"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let outputs = shown["outputs"].as_object().unwrap();
    let outputs = outputs
        .iter()
        .map(|(name, shown)| (name.clone(), output(store, shown, environment.get(name))))
        .collect();
    let (drvs, sources) = match shown.get("inputs") {
        Some(inputs) => (&inputs["drvs"], &inputs["srcs"]),
        None => (&shown["inputDrvs"], &shown["inputSrcs"]),
    };
    let inputs = drvs.as_object().unwrap().iter().map(|(path, input)| {
        let outputs = input["outputs"].as_array().unwrap();
        (whole(store, path), outputs.iter().map(text).collect())
    });
    let sources = sources.as_array().unwrap().iter().map(text);
    let arguments = shown["args"].as_array().unwrap().iter().map(text);
    Said {
        outputs,
        inputs: inputs.collect(),
        sources: sources.map(|path| whole(store, &path)).collect(),
        system: text(&shown["system"]),
        builder: text(&shown["builder"]),
        arguments: arguments.collect(),
        structured: match shown.get("structuredAttrs") {
            Some(attributes) => Some(attributes.clone()),
            None => take_structured(&mut environment),
        },
        environment,
    }
}

/// An output as Nix shows it; `variable` is the variable of its name, which holds its path
/// too.
fn output(store: &str, shown: &Value, variable: Option<&String>) -> Output {
    let path = match shown.get("path") {
        Some(path) => whole(store, &text(path)),
        None => variable.unwrap().clone(),
    };
    let (mut algorithm, mut hash) = (String::new(), String::new());
    if let Some(shown) = shown.get("hash") {
        hash = text(shown);
    }
    if let Some(shown) = shown.get("hashAlgo") {
        algorithm = text(shown);
    }
    // `sha256-` and base 64, which holds no `-`.
    if let Some((name, digits)) = hash.split_once('-') {
        let bytes = data_encoding::BASE64.decode(digits.as_bytes()).unwrap();
        algorithm = name.to_owned();
        hash = data_encoding::HEXLOWER.encode(&bytes);
    }
    let method = match shown.get("method").map(text).as_deref() {
        None | Some("flat") => "",
        Some("nar") => "r:",
        Some(other) => panic!("the method {other}"),
    };
    Output {
        path,
        algorithm: format!("{method}{algorithm}"),
        hash,
    }
}

/// The attributes of a derivation with `__structuredAttrs`.
fn take_structured(environment: &mut BTreeMap<String, String>) -> Option<Value> {
    let json = environment.remove("__json")?;
    Some(serde_json::from_str(&json).unwrap())
}

/// A store path that may have been written without the store directory.
fn whole(store: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{store}/{path}")
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
