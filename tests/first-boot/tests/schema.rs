//! The templates against what their providers have: each resource, each nested
//! block and each argument by its name, and nothing missing that is required.
//!
//! `schemas/` has that of the oldest release that the templates take, as far as
//! they use it, from the reference of each provider.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use first_boot_tests::templates;
use hcl_edit::structure::{Block, Body};
use serde_json::Value;

/// Those of Terraform itself, which any resource takes.
const META_ARGUMENTS: [&str; 4] = ["count", "for_each", "provider", "depends_on"];
const META_BLOCKS: [&str; 4] = ["lifecycle", "dynamic", "provisioner", "connection"];

/// `resource`/`data` and the type: what it takes.
fn schemas() -> BTreeMap<(String, String), Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("schemas").flatten() {
        let text = fs::read_to_string(entry.path()).expect("text");
        let provider: Value = serde_json::from_str(&text).expect("JSON");
        for kind in ["resource", "data"] {
            for (name, schema) in provider[kind].as_object().into_iter().flatten() {
                all.insert((kind.to_owned(), name.clone()), schema.clone());
            }
        }
    }
    all
}

fn names(schema: &Value, which: &str) -> Vec<String> {
    let list = schema[which].as_array().into_iter().flatten();
    list.map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

/// What of a block its schema does not have, or has and it lacks.
fn compare(path: &str, body: &Body, schema: &Value, outer: bool, wrong: &mut Vec<String>) {
    let taken = [names(schema, "required"), names(schema, "optional")].concat();
    for attribute in body.attributes() {
        let name = attribute.key.as_str();
        let meta = outer && META_ARGUMENTS.contains(&name);
        if !meta && !taken.iter().any(|taken| taken == name) {
            wrong.push(format!("{path}.{name} is not known"));
        }
    }
    for name in names(schema, "required") {
        if body.get_attribute(&name).is_none() {
            wrong.push(format!("{path} lacks {name}"));
        }
    }
    for block in body.blocks() {
        let name = block.ident.as_str();
        let (name, inner) = match name {
            "dynamic" => {
                let content = block.body.get_blocks("content").next().expect("content");
                (block.labels[0].as_str(), &content.body)
            }
            _ => (name, &block.body),
        };
        let inside = &schema["blocks"][name];
        if inside.is_object() {
            compare(&format!("{path}.{name}"), inner, inside, false, wrong);
        } else if !(outer && META_BLOCKS.contains(&name)) {
            wrong.push(format!("{path}.{name} is no block"));
        }
    }
}

fn wrong_with(body: &Body) -> Vec<String> {
    let schemas = schemas();
    let mut wrong = Vec::new();
    let of = |kind: &str| -> Vec<Block> { body.get_blocks(kind).cloned().collect() };
    for block in [of("resource"), of("data")].concat() {
        let (kind, name) = (block.ident.as_str(), block.labels[0].as_str());
        match schemas.get(&(kind.to_owned(), name.to_owned())) {
            Some(schema) => compare(name, &block.body, schema, true, &mut wrong),
            None => wrong.push(format!("{kind} {name} is not in tests/first-boot/schemas")),
        }
    }
    wrong
}

fn text_of(folder: &Path) -> String {
    let files = fs::read_dir(folder).expect("a folder").flatten();
    files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "tf"))
        .map(|path| fs::read_to_string(path).expect("text") + "\n")
        .collect()
}

#[test]
fn the_providers_have_what_the_templates_use() {
    let whole = templates::whole();
    for folder in templates::folders(whole.path()) {
        let body: Body = text_of(&folder).parse().expect("HCL");
        assert_eq!(wrong_with(&body), [""; 0], "{}", folder.display());
    }
}

#[test]
fn what_a_provider_does_not_have_is_found() {
    let body: Body = r#"
        resource "coder_agent" "a" {
          os = "linux"
          count = 1
          colour = "red"
          metadata {
            key = "x"
            script = "y"
          }
          shade {}
        }
        data "coder_parameter" "p" {
          name = "p"
          dynamic "option" {
            for_each = {}
            content { name = "n" }
          }
        }
        resource "coder_house" "h" {}
    "#
    .parse()
    .expect("HCL");
    let mut wrong = wrong_with(&body);
    wrong.sort();
    assert_eq!(
        wrong,
        [
            "coder_agent lacks arch",
            "coder_agent.colour is not known",
            "coder_agent.metadata lacks interval",
            "coder_agent.shade is no block",
            "coder_parameter.option lacks value",
            "resource coder_house is not in tests/first-boot/schemas",
        ]
    );
}
