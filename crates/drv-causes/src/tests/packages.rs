//! Which packages came, went and changed.

use nix_formats::packages::OnePackage;

use super::{
    super::{Explanation, Needed, needed},
    store::{Path, Store, made},
};

/// The package changes of an explanation: `name 1 → 2`, `+name 1`, `-name 1`.
fn packages(explanation: &Explanation) -> Vec<String> {
    let changes = &explanation.packages;
    let changed = changes.changed.iter().map(|change| {
        let (from, to) = (change.from.join(", "), change.to.join(", "));
        format!("{} {from} → {to}", change.name)
    });
    let list = |sign: &str, list: &[OnePackage]| -> Vec<String> {
        let one = |one: &OnePackage| format!("{sign}{} {}", one.name, one.versions.join(", "));
        list.iter().map(one).collect()
    };
    let changed: Vec<String> = changed.collect();
    [
        changed,
        list("+", &changes.added),
        list("-", &changes.removed),
    ]
    .concat()
}

#[test]
fn packages_are_what_may_run() {
    let store = Store::default();
    let build = |number: &str| {
        let put = |name: &str| store.put(&made(&format!("{name}-{number}")));
        let fetched = store.put(&made(&format!("tool-{number}.tar.gz")).fixed(number));
        let compiler = put("gcc");
        let library = store.put(&made(&format!("lib-{number}")).using("stdenv", &compiler));
        let tool = made(&format!("tool-{number}"))
            .using("src", &fetched)
            .using("nativeBuildInputs", &put("cmake"))
            .using("buildInputs", &library);
        // One is both: what builds it is in what it makes.
        let shell = put("bash");
        let tool = tool.using("depsBuildBuild", &shell).using("shell", &shell);
        let json = format!(
            r#"{{"nativeBuildInputs":["{}"],"runs":"{}/bin"}}"#,
            put("meson").out(),
            put("glib").out()
        );
        let structured = made("structured")
            .output_of("out", &put("meson"))
            .output_of("out", &put("glib"))
            .with("__json", &json);
        let root = made("root")
            .using("a", &store.put(&tool))
            .using("b", &store.put(&structured));
        store.put(&root)
    };
    let explanation = store.explain(&build("1"), &build("2"));
    let changed = ["bash", "glib", "lib", "tool"].map(|name| format!("{name} 1 → 2"));
    assert_eq!(packages(&explanation), changed);

    let all = needed(&build("1").drv, &|paths: &[&str]| store.read(paths)).unwrap();
    let names = |holds: fn(&Needed) -> bool| -> Vec<&str> {
        let names = all.iter().filter(|one| holds(one));
        let mut names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
        names.sort_unstable();
        names
    };
    let runs = ["bash-1", "glib-1", "lib-1", "root", "structured", "tool-1"];
    assert_eq!(names(|one| one.may_run), runs);
    assert_eq!(names(|one| one.is_fetched), ["tool-1.tar.gz"]);
    assert_eq!(all.len(), runs.len() + 4);
    assert!(all.iter().all(|one| one.paths.len() == 1));
}

#[test]
fn packages_that_are_in_both_are_no_news() {
    let store = Store::default();
    let build = |number: &str, extra: &[&str]| {
        let tool = store.put(&made(&format!("tool-{number}")).with("x", number));
        let rest = extra.iter().fold(made("rest"), |rest, name| {
            rest.using(name, &store.put(&made(name)))
        });
        let rest = store.put(&rest);
        let root = made("root").using("a", &tool).using("b", &rest);
        store.put(
            &extra
                .iter()
                .rev()
                .take(1)
                .fold(root, |root, name| root.using("c", &store.put(&made(name)))),
        )
    };
    // Another version stays, and what was needed elsewhere already is not new.
    let old = build("1", &["tool-3", "zlib-1", "gone-1", "curl-8"]);
    let new = build("2", &["tool-3", "new-10", "curl-8", "zlib-1"]);
    let expected = ["tool 1, 3 → 2, 3", "+new 10", "-gone 1"];
    assert_eq!(packages(&store.explain(&old, &new)), expected);
    let reads = store.reads.get();
    assert!(packages(&store.explain(&old, &old)).is_empty());
    assert_eq!(store.reads.get(), reads);
}

#[test]
fn packages_behind_what_came_without_a_version_are_read() {
    let store = Store::default();
    let deep = store.put(&made("deep-1"));
    let shell = store.put(&made("bash-5"));
    let put = |name: &str| store.put(&made(name).using("runs", &deep).using("builder", &shell));
    let (curl, nginx, jq) = (put("curl-8"), put("nginx-1"), put("jq-1"));
    let unit = store.put(&made("unit-same.service").using("exec", &curl));
    let root = |more: &[(&str, &Path)]| {
        let root = made("nixos-system-a-1").using("unit", &unit);
        let root = root.using("nativeBuildInputs", &jq);
        store.put(
            &more
                .iter()
                .fold(root, |root, (name, path)| root.using(name, path)),
        )
    };
    let glue = |name: &str, path: &Path| {
        store.put(&made(name).using("text", path).using("stdenv", &shell))
    };
    let old = root(&[]);
    let archive = store.put(&made("page-2.tar.gz").fixed("page"));
    let config = glue("nginx.conf", &nginx);
    let config = store.put(
        &made("unit-nginx.service")
            .using("a", &config)
            .using("b", &nginx)
            .using("c", &archive),
    );
    let new = root(&[("units", &config)]);
    assert_eq!(packages(&store.explain(&old, &new)), ["+nginx 1"]);
    assert_eq!(packages(&store.explain(&new, &old)), ["-nginx 1"]);
    // What was there to build is there to run now.
    for new in [
        root(&[("runs", &jq)]),
        root(&[("units", &glue("etc-jq", &jq))]),
    ] {
        assert_eq!(packages(&store.explain(&old, &new)), ["+jq 1"]);
    }
    // What is the same on both sides is not read, nor what packages need.
    let all = store.reads.get();
    store.explain(&old, &new);
    assert_eq!(store.reads.get() - all, 7);
}

#[test]
fn packages_that_only_a_script_named_have_come() {
    let store = Store::default();
    let jq = store.put(&made("jq-1"));
    let build = |number: &str, runs: bool, elsewhere: &str| {
        let unit = made("unit-same").using("a", &store.put(&made("text").using(elsewhere, &jq)));
        let path = made("system-path").with("number", number);
        let path = match runs {
            true => path.using("chosenOutputs", &jq),
            false => path,
        };
        let root = made("root").using("buildCommand", &jq);
        let root = root.using("path", &store.put(&path));
        store.put(&root.using("unit", &store.put(&unit)))
    };
    for elsewhere in ["nativeBuildInputs", "installPhase", "postFixup"] {
        let (old, new) = (build("1", false, elsewhere), build("2", true, elsewhere));
        assert_eq!(packages(&store.explain(&old, &new)), ["+jq 1"]);
        assert_eq!(packages(&store.explain(&new, &old)), ["-jq 1"]);
        let still = build("2", false, elsewhere);
        assert!(packages(&store.explain(&old, &still)).is_empty());
    }
    // What is the same on both sides needs it.
    let (old, new) = (build("1", false, "text"), build("2", true, "text"));
    assert!(packages(&store.explain(&old, &new)).is_empty());
}

#[test]
fn packages_count_once_and_without_what_builds_the_first_compiler() {
    let store = Store::default();
    let root = |more: &[&str]| {
        let root = made("nixos-system-a-1");
        store.put(
            &more
                .iter()
                .fold(root, |root, name| root.using(name, &store.put(&made(name)))),
        )
    };
    let old = root(&["motd"]);
    let new = root(&[
        "python3-3.13.7",
        "python3.13-3.13.7-doc",
        "python3.13-other-1",
        "security-wrapper-utempter-x86_64-unknown-linux-musl",
        "bootstrap-stage0-binutils-wrapper-2.46",
    ]);
    let expected = ["+python3 3.13.7", "+python3.13-other 1"];
    assert_eq!(packages(&store.explain(&old, &new)), expected);
}
