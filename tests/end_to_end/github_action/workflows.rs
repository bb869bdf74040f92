//! What the workflows and the action may do, whatever they do.

use std::fs;

use serde_json::Value;

use crate::support::{place::top, yaml};

/// All files that GitHub runs, by their names.
fn files() -> Vec<(String, Value)> {
    let mut paths = vec![top().join("action.yml")];
    for folder in [".github/workflows", ".github/actions"] {
        for entry in fs::read_dir(top().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            paths.push(match path.is_dir() {
                true => path.join("action.yml"),
                false => path,
            });
        }
    }
    let is_there = |path: &std::path::PathBuf| path.exists();
    let paths = paths.into_iter().filter(is_there);
    let read = |path: std::path::PathBuf| {
        let name = path.display().to_string();
        let value = yaml(&fs::read_to_string(path).unwrap());
        (
            name.clone(),
            value.unwrap_or_else(|error| panic!("{name}: {error}")),
        )
    };
    paths.map(read).collect()
}

/// All values of this key, wherever they are.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key));
            map.values().for_each(|value| all(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| all(value, key, found)),
        _ => {}
    }
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    all(value, key, &mut found);
    let texts = found.into_iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[test]
fn what_is_used_is_pinned_and_no_script_holds_an_expression() {
    let files = files();
    assert!(files.len() >= 7, "{:?}", files.len());
    for (name, file) in &files {
        for used in texts(file, "uses") {
            let commit = used.rsplit_once('@').map_or("", |(_, commit)| commit);
            let is_hash = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_hash || used.starts_with("./"), "{name}: {used}");
        }
        for script in texts(file, "run") {
            assert!(!script.contains("${{"), "{name}: {script}");
        }
    }
}

#[test]
fn no_code_of_a_stranger_runs_with_a_right_to_write() {
    for (name, file) in files() {
        // YAML 1.1 takes the key `on` for a truth.
        let on = [&file["on"], &file["true"]].map(Value::to_string).concat();
        assert!(!on.contains("pull_request_target"), "{name}");
        let is_of_strangers = on.contains("pull_request") || on.contains("workflow_run");
        let mut found = Vec::new();
        all(&file, "permissions", &mut found);
        let writes = found
            .iter()
            .any(|value| value.to_string().contains("write"));
        if is_of_strangers && writes {
            assert!(name.ends_with("/comment.yml"), "{name}");
            assert_eq!(
                texts(&file, "run"),
                [""; 0],
                "{name}: it runs what it checks out alone"
            );
            let refs = texts(&file, "ref");
            assert_eq!(refs, [""; 0], "{name}: it checks out the main branch");
        }
        assert!(
            on == "nullnull" || !found.is_empty(),
            "{name} has all permissions"
        );
    }
}

#[test]
fn every_input_of_an_action_is_used() {
    for path in ["action.yml", ".github/actions/comment/action.yml"] {
        let text = fs::read_to_string(top().join(path)).unwrap();
        let action = yaml(&text).unwrap();
        let inputs = action["inputs"].as_object().unwrap();
        for input in inputs.keys() {
            assert!(text.contains(&format!("inputs.{input}")), "{path}: {input}");
        }
        let documented = fs::read_to_string(top().join("docs/ci.md")).unwrap();
        for input in inputs.keys() {
            assert!(
                documented.contains(&format!("`{input}`")),
                "docs/ci.md: {input}"
            );
        }
    }
}
