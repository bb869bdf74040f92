//! Cause analysis on small graphs whose answer can be worked out by hand.

mod packages;
mod properties;
mod store;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Change, ExplainError, Explanation, explain, needed};
use nix_formats::nixbase32;
use store::{Path, Store, digest, made, source};

/// `name×rebuilds: field …` for each cause.
fn readable(explanation: &Explanation) -> Vec<String> {
    let causes = explanation.causes.iter().map(|cause| {
        let fields: Vec<&str> = cause
            .differences
            .iter()
            .map(|difference| difference.field.as_str())
            .collect();
        format!("{}×{}: {}", cause.name, cause.rebuilds, fields.join(" "))
            .trim()
            .to_owned()
    });
    causes.collect()
}

#[test]
fn equal_graphs_have_no_causes() {
    let store = Store::default();
    let leaf = store.put(&made("leaf"));
    let root = store.put(&made("root").using("a", &leaf));
    let explanation = store.explain(&root, &root);
    assert_eq!(
        explanation,
        Explanation {
            same_output: true,
            ..Explanation::default()
        }
    );
    assert_eq!(store.reads.get(), 0, "equal paths are not even read");
}

#[test]
fn in_a_diamond_the_leaf_is_the_cause_and_counted_once() {
    let store = Store::default();
    let build = |value: &str| {
        let leaf = store.put(&made("leaf").with("x", value));
        let left = store.put(&made("left").using("l", &leaf));
        let right = store.put(&made("right").using("l", &leaf));
        store.put(&made("root").using("a", &left).using("b", &right))
    };
    let explanation = store.explain(&build("1"), &build("2"));
    assert_eq!(readable(&explanation), ["leaf×4: x"]);
    assert_eq!((explanation.rebuilt, explanation.cascade), (4, 3));
    assert_eq!(explanation.causes[0].way, ["left", "leaf"]);
    assert_eq!(
        explanation.causes[0].differences[0].change,
        Change::Changed {
            before: "1".into(),
            after: "2".into()
        }
    );
}

#[test]
fn a_cause_behind_another_is_found_and_ranked_by_what_it_rebuilds() {
    let store = Store::default();
    let build = |deep: &str, high: &str| {
        let deep = store.put(&made("deep").with("x", deep));
        let between = store.put(&made("between").using("d", &deep));
        let high = store.put(&made("high").using("b", &between).with("y", high));
        store.put(&made("root").using("h", &high))
    };
    let explanation = store.explain(&build("1", "1"), &build("2", "2"));
    assert_eq!(readable(&explanation), ["deep×4: x", "high×2: y"]);
    assert_eq!(explanation.cascade, 2);
}

#[test]
fn a_renamed_input_is_one_cause_where_it_is_used() {
    let store = Store::default();
    let build = |name: &str| {
        let leaf = store.put(&made(name).with("script", "the same long text as before"));
        store.put(&made("root").using("tool", &leaf))
    };
    let explanation = store.explain(&build("first"), &build("second"));
    assert_eq!(readable(&explanation), ["second×2: name"]);
}

#[test]
fn what_has_little_in_common_came_and_went() {
    let store = Store::default();
    let build = |name: &str| {
        let leaf = store.put(&made(name).with("script", name));
        store.put(&made("root").using("tool", &leaf))
    };
    let explanation = store.explain(&build("first"), &build("second"));
    assert_eq!(readable(&explanation), ["root×1: tool"]);
    assert_eq!(explanation.rebuilt, 1);
}

#[test]
fn one_package_at_two_versions_pairs_by_version_first() {
    let store = Store::default();
    let build = |newer: &str, flag: &str| {
        let old = store.put(&made("ssl-1.1").with("flag", flag));
        let new = store.put(&made(newer).with("flag", "0"));
        store.put(&made("root").using("a", &new).using("b", &old))
    };
    let explanation = store.explain(&build("ssl-3.3", "0"), &build("ssl-3.4", "1"));
    assert_eq!(readable(&explanation), ["ssl-1.1×2: flag", "ssl-3.4×2:"]);
    let bump = explanation.causes[1].bump.clone().unwrap();
    assert_eq!((bump.before.as_str(), bump.after.as_str()), ("3.3", "3.4"));
}

#[test]
fn inputs_of_one_name_pair_by_where_they_are_used() {
    let store = Store::default();
    let build = |first: &str, second: &str| {
        let first = store.put(&made("hook").with("script", first));
        let second = store.put(&made("hook").with("script", second));
        store.put(
            &made("root")
                .using("native", &first)
                .using("target", &second),
        )
    };
    // Whatever the order of their paths, `native` stands for `native`.
    for (one, other) in [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")] {
        let explanation = store.explain(
            &build(one, other),
            &build(&format!("{one}!"), &format!("{other}!")),
        );
        let mut changes: Vec<String> = explanation
            .causes
            .iter()
            .map(|cause| match &cause.differences[0].change {
                Change::Changed { before, after } => format!("{before}{after}"),
                change => panic!("{change:?}"),
            })
            .collect();
        changes.sort();
        assert_eq!(
            changes,
            [format!("{one}{one}!"), format!("{other}{other}!")]
        );
    }
}

#[test]
fn inputs_that_come_and_go_are_differences_of_their_user() {
    let store = Store::default();
    let (kept, gone) = (store.put(&made("kept")), store.put(&made("gone")));
    let old = store.put(&made("root").using("a", &kept).output_of("out", &gone));
    let new = store.put(&made("root").using("a", &kept));
    let removed = store.explain(&old, &new);
    assert_eq!(readable(&removed), ["root×1: input"]);
    assert_eq!(
        removed.causes[0].differences[0].change,
        Change::Removed {
            value: "gone".into()
        }
    );
    let added = store.explain(&new, &old);
    assert_eq!(
        added.causes[0].differences[0].change,
        Change::Added {
            value: "gone".into()
        }
    );
}

#[test]
fn another_address_of_the_same_file_rebuilds_nothing() {
    let store = Store::default();
    let build = |url: &str, flag: &str| {
        let file = store.put(&made("file.tar.gz").with("url", url).fixed("aa"));
        let tool = store.put(&made("tool").using("src", &file).with("flag", flag));
        store.put(&made("root").using("tool", &tool))
    };
    let moved = store.explain(&build("http://a", "1"), &build("http://b", "1"));
    assert!(moved.same_output);
    assert_eq!(
        readable(&moved),
        ["file.tar.gz×3: url"],
        "it is what differs, if asked"
    );
    let both = store.explain(&build("http://a", "1"), &build("http://b", "2"));
    assert!(!both.same_output);
    assert_eq!(readable(&both), ["tool×2: flag"]);
}

#[test]
fn another_file_is_a_cause_with_its_hash() {
    let store = Store::default();
    let build = |url: &str, hash: &str| {
        let file = store.put(&made("file").with("url", url).fixed(hash));
        store.put(&made("root").using("src", &file))
    };
    let explanation = store.explain(&build("http://a", "aa"), &build("http://b", "bb"));
    assert_eq!(readable(&explanation), ["file×2: outputHash url"]);
}

#[test]
fn a_version_bump_is_one_cause_with_all_that_it_brings() {
    let store = Store::default();
    let build = |version: &str, hash: &str| {
        let file = store.put(
            &made(&format!("coder-{version}.tar.gz"))
                .with("url", &format!("http://x/v{version}.tar.gz"))
                .fixed(hash),
        );
        let vendor = store.put(
            &made(&format!("coder-{version}-vendor"))
                .using("src", &file)
                .fixed(&format!("v{hash}")),
        );
        let tool = store.put(
            &made(&format!("coder-{version}"))
                .using("src", &file)
                .using("vendor", &vendor)
                .with("version", version),
        );
        store.put(&made("root").using("tool", &tool))
    };
    let explanation = store.explain(&build("2.24.1", "aa"), &build("2.25.0", "bb"));
    assert_eq!(readable(&explanation), ["coder-2.25.0×4:"]);
    let bump = explanation.causes[0].bump.clone().unwrap();
    assert_eq!(
        (
            bump.package.as_str(),
            bump.before.as_str(),
            bump.after.as_str()
        ),
        ("coder", "2.24.1", "2.25.0")
    );
    assert_eq!(explanation.causes[0].way, ["coder-2.25.0"]);
}

#[test]
fn what_a_bump_brings_beyond_the_version_is_told() {
    let store = Store::default();
    let build = |version: &str, flags: &str| {
        let tool = store.put(&made(&format!("coder-{version}")).with("flags", flags));
        store.put(&made("root").using("tool", &tool))
    };
    let explanation = store.explain(&build("1.0", "-a"), &build("1.1", "-b"));
    assert_eq!(readable(&explanation), ["coder-1.1×2: flags"]);
}

#[test]
fn structured_attributes_are_compared_as_json() {
    let store = Store::default();
    let build = |json: &str, leaf: &str| {
        let leaf = store.put(&made("leaf").with("x", leaf));
        let json = json.replace("LEAF", leaf.out());
        store.put(&made("root").output_of("out", &leaf).with("__json", &json))
    };
    let old = r#"{"a":["LEAF/bin",1],"b":{"c":"x"}}"#;
    let spaced = r#"{"b":{"c":"x"}, "a":["LEAF/bin", 1]}"#;
    let explanation = store.explain(&build(old, "1"), &build(spaced, "2"));
    assert_eq!(readable(&explanation), ["leaf×2: x"]);
    let deeper = old.replace("\"x\"", "\"y\"").replace(",1]", ",2]");
    let explanation = store.explain(&build(old, "1"), &build(&deeper, "1"));
    assert_eq!(readable(&explanation), ["root×1: a b.c"]);
}

#[test]
fn several_outputs_pair_by_their_names() {
    let store = Store::default();
    let build = |value: &str, order: [&str; 2]| {
        let leaf = store.put(&made("leaf").outputs(&["out", "dev"]).with("x", value));
        let [one, other] = order.map(|output| leaf.outputs[output].clone());
        store.put(
            &made("root")
                .output_of("out", &leaf)
                .output_of("dev", &leaf)
                .with("one", &one)
                .with("other", &other),
        )
    };
    let same = store.explain(&build("1", ["out", "dev"]), &build("2", ["out", "dev"]));
    assert_eq!(readable(&same), ["leaf×2: x"]);
    let swapped = store.explain(&build("1", ["out", "dev"]), &build("2", ["dev", "out"]));
    assert_eq!(readable(&swapped), ["leaf×2: x", "root×1: one other"]);
}

#[test]
fn an_output_that_is_gone_is_a_difference_of_its_own() {
    let store = Store::default();
    let build = |outputs: &[&str]| {
        let leaf = store.put(&made("leaf").outputs(outputs));
        store.put(&made("root").using("leaf", &leaf))
    };
    let explanation = store.explain(&build(&["dev", "out"]), &build(&["out"]));
    assert_eq!(explanation.causes[0].name, "leaf");
    let fields: Vec<&str> = explanation.causes[0]
        .differences
        .iter()
        .map(|difference| difference.field.as_str())
        .collect();
    assert!(fields.contains(&"outputs"), "{fields:?}");
    assert_eq!(explanation.causes.len(), 1);
}

#[test]
fn other_outputs_of_the_same_input_are_a_difference_of_the_user() {
    let store = Store::default();
    let leaf = store.put(&made("leaf").outputs(&["out", "dev"]));
    let old = store.put(&made("root").output_of("out", &leaf));
    let new = store.put(&made("root").output_of("out", &leaf).output_of("dev", &leaf));
    let explanation = store.explain(&old, &new);
    assert_eq!(readable(&explanation), ["root×1: outputs of leaf"]);
}

#[test]
fn content_addressed_outputs_stand_as_placeholders() {
    let store = Store::default();
    let build = |value: &str| {
        let leaf = store.put(&made("leaf").addressed_by_content().with("x", value));
        let (hash, name) = leaf.drv["/nix/store/".len()..].split_once('-').unwrap();
        let name = name.strip_suffix(".drv").unwrap();
        let placeholder = Sha256::digest(format!("nix-upstream-output:{hash}:{name}"));
        let text = format!("/{}/bin/leaf", nixbase32::encode(&placeholder));
        store.put(
            &made("root")
                .addressed_by_content()
                .output_of("out", &leaf)
                .with("text", &text),
        )
    };
    let explanation = store.explain(&build("1"), &build("2"));
    assert_eq!(readable(&explanation), ["leaf×2: x"]);
    assert!(
        !explanation.same_output,
        "no path tells it before the build"
    );
}

#[test]
fn paths_without_context_and_paths_of_derivations_count_as_their_pairs() {
    let store = Store::default();
    let build = |value: &str| {
        let leaf = store.put(&made("leaf").with("x", value));
        let middle = store.put(&made("middle").using("leaf", &leaf));
        // The leaf is no input here: its paths are text alone, one of them its hash only.
        let text = format!("{} {}\n{}", leaf.drv, leaf.out(), &leaf.out()[11..43]);
        store.put(&made("root").using("middle", &middle).with("text", &text))
    };
    let explanation = store.explain(&build("1"), &build("2"));
    assert_eq!(readable(&explanation), ["leaf×3: x"]);
}

#[test]
fn a_path_that_nothing_pairs_is_a_difference() {
    let store = Store::default();
    let build = |content: &str| store.put(&made("root").with("text", &source("stray", content)));
    let explanation = store.explain(&build("1"), &build("2"));
    assert_eq!(readable(&explanation), ["root×1: text"]);
    let Change::Changed { before, after } = &explanation.causes[0].differences[0].change else {
        panic!("{explanation:?}")
    };
    assert!(
        before != after && before.ends_with("…-stray"),
        "{before} {after}"
    );
}

#[test]
fn a_source_is_a_cause_of_its_own_whoever_uses_it() {
    let store = Store::default();
    let build = |content: &str| {
        let path = source("motd", content);
        let one = store.put(&made("one").source(&path));
        let other = store.put(&made("other").source(&path));
        store.put(&made("root").using("one", &one).using("other", &other))
    };
    let explanation = store.explain(&build("1"), &build("2"));
    assert_eq!(readable(&explanation), ["motd×3:"]);
    assert!(explanation.causes[0].is_source);
    assert_eq!(explanation.causes[0].way, ["one", "motd"]);
    assert_eq!((explanation.rebuilt, explanation.cascade), (3, 3));
}

#[test]
fn the_same_change_in_many_places_is_one_cause() {
    let store = Store::default();
    let build = |system: &str| {
        let tools: Vec<Path> = ["a", "b", "c"]
            .iter()
            .map(|name| store.put(&made(name).system(system)))
            .collect();
        let root = made("root")
            .using("a", &tools[0])
            .using("b", &tools[1])
            .using("c", &tools[2]);
        store.put(&root.system(system))
    };
    let explanation = store.explain(&build("x86_64-linux"), &build("aarch64-linux"));
    assert_eq!(readable(&explanation), ["root×4: system"]);
    assert_eq!(explanation.causes[0].alike.len(), 3);
}

#[test]
fn lines_of_a_unit_are_shown_with_their_paths_paired() {
    let store = Store::default();
    let build = |flag: &str, variable: &str| {
        let bash = store.put(&made("bash-5.3").with("flag", flag));
        let text = format!(
            "[Service]\nPATH={}/bin\n{variable}Type=simple\n",
            bash.out()
        );
        let unit = store.put(
            &made("unit-a.service")
                .output_of("out", &bash)
                .with("text", &text),
        );
        store.put(&made("system-units").using("a", &unit))
    };
    let explanation = store.explain(&build("1", ""), &build("2", "A=1\n"));
    assert_eq!(
        readable(&explanation),
        ["bash-5.3×3: flag", "a.service×2: text"]
    );
    let Change::Text { lines } = &explanation.causes[1].differences[0].change else {
        panic!("{explanation:?}")
    };
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{}{}", line.sign.as_str(), line.text))
        .collect();
    assert_eq!(lines, [" PATH=…-bash-5.3/bin", "+A=1", " Type=simple"]);
}

#[test]
fn a_circle_is_refused() {
    let store = Store::default();
    let path = |side: &str, name: &str| {
        format!("/nix/store/{}-{name}.drv", digest(&format!("{side}{name}")))
    };
    for side in ["old", "new"] {
        let (one, other) = (path(side, "one"), path(side, "two"));
        let text = |input: &str| {
            made("x").output_of(
                "out",
                &Path {
                    drv: input.into(),
                    outputs: BTreeMap::new(),
                },
            )
        };
        let no_paths = BTreeMap::from([("out".to_owned(), String::new())]);
        store
            .files
            .borrow_mut()
            .insert(one.clone(), text(&other).with("s", side).text(&no_paths));
        store
            .files
            .borrow_mut()
            .insert(other, text(&one).text(&no_paths));
    }
    let new = path("new", "one");
    let error = explain(&path("old", "one"), &new, &|paths: &[&str]| {
        store.read(paths)
    });
    assert!(matches!(error, Err(ExplainError::Cycle(path)) if path == new));
}

#[test]
fn what_cannot_be_read_is_named() {
    let store = Store::default();
    let root = store.put(&made("root"));
    let other = store.put(&made("root").with("x", "1"));
    store.files.borrow_mut().remove(&other.drv);
    let error = explain(&root.drv, &other.drv, &|paths: &[&str]| store.read(paths)).unwrap_err();
    assert_eq!(error.to_string(), format!("no {}", other.drv));
}
