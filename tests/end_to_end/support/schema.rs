//! The JSON Schemas of docs/schema: every document that cbox prints in a test is held against its
//! own.

use std::{collections::BTreeMap, fs, sync::LazyLock};

use jsonschema::{Registry, Validator};
use serde_json::Value;

use super::place::top;

/// The schemas by name: what `cbox/<name>/<version>` says.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(top().join("docs/schema")).unwrap() {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        texts.insert(name, schema);
    }
    let address = |name: &str| format!("json-schema:///{name}.json");
    let pairs = texts
        .iter()
        .map(|(name, schema)| (address(name), schema.clone()));
    let mut registry = Registry::new();
    for (address, schema) in pairs {
        registry = registry.add(address, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let validator = |name: &str, schema: &Value| {
        let options = jsonschema::options()
            .with_registry(&registry)
            .with_base_uri(address(name));
        let validator = options.build(schema);
        validator.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let validators = texts
        .iter()
        .map(|(name, schema)| (name.clone(), validator(name, schema)));
    validators.collect()
});

/// Fails the test unless `document` is as the schema called `name` says.
#[track_caller]
pub(crate) fn check_as(name: &str, document: &Value) {
    let schema = SCHEMAS.get(name);
    let schema = schema.unwrap_or_else(|| panic!("no docs/schema/{name}.json: {document:#}"));
    let errors: Vec<String> = schema
        .iter_errors(document)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?} in {document:#}");
}

/// Fails the test unless `document` names its schema and is as that says.
#[track_caller]
pub(crate) fn check(document: &Value) {
    let schema = document["schema"].as_str();
    let name = schema.and_then(|schema| schema.split('/').nth(1));
    check_as(
        name.unwrap_or_else(|| panic!("no schema in {document:#}")),
        document,
    );
}

/// Holds what cbox wrote to standard output against its schema, where the words of its command
/// line ask for JSON.
#[track_caller]
pub(crate) fn check_output(words: &[String], stdout: &str) {
    let words = words.iter().map(String::as_str);
    let words: Vec<&str> = words.take_while(|word| *word != "--").collect();
    let has = |options: &[&str]| words.iter().any(|word| options.contains(word));
    if has(&["-h", "--help", "-V", "--version", "help"]) {
        return;
    }
    let parse = |text: &str| match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => panic!("{words:?}: {error}: {text}"),
    };
    // Rounds of `watch` are a line each too.
    if has(&["--json-lines"]) || (has(&["--json"]) && has(&["watch"])) {
        stdout.lines().for_each(|line| check(&parse(line)));
    } else if has(&["--json", "--format=json"]) {
        check(&parse(stdout));
    }
}
