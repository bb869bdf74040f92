//! `cbox matrix --hosts --shards`: hosts that machines share, whose verdicts are put together.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{accept, accepted, hosts, set, verify};
use crate::support::{call::Call, place::Place, tiny, yaml};

/// The matrix that GitHub gets.
fn include(place: &Place, number: &str) -> Vec<Value> {
    let words = ["matrix", "--hosts", "--shards", number];
    let matrix = place.cbox(&words).run().ok().json();
    matrix["include"].as_array().unwrap().clone()
}

/// What each shard of it judges.
fn words(place: &Place, number: &str) -> Vec<String> {
    let include = include(place, number);
    let words = include.iter().map(|shard| shard["hosts"].as_str().unwrap());
    words.map(str::to_owned).collect()
}

/// Where a machine of its own keeps what it remembers.
fn cache(place: &Place, machine: &str) -> PathBuf {
    place.beside(&format!("cache-of-{machine}"))
}

/// The same call, on another machine.
fn on(place: &Place, machine: &str, call: Call) -> Call {
    call.env("XDG_CACHE_HOME", cache(place, machine))
}

/// Judges as a step of a workflow does, on a machine of its own: the shell makes words of `HOSTS`.
fn judge(place: &Place, shard: &Value) -> String {
    let number = shard["shard"].as_str().unwrap();
    let part = format!("../part-{number}.json");
    let script = format!("\"$CBOX\" verify-hosts $HOSTS --json >{part} || true");
    let call = place.call("sh").args(["-c", &script]);
    let call = call.env("CBOX", env!("CARGO_BIN_EXE_cbox"));
    let call = call.env("HOSTS", shard["hosts"].as_str().unwrap());
    on(place, number, call).run().ok();
    part
}

#[test]
fn what_is_split_and_merged_is_the_verdict_of_one_run() {
    let place = accepted(&[
        ("same", "echo same >$out"),
        ("text", "echo one >$out"),
        ("gone", "echo gone >$out"),
        ("broken", "echo fine >$out"),
        ("a.b+c-d_e", "echo odd >$out"),
    ]);
    set(&place, "text", "echo two >$out");
    set(&place, "new", "echo new >$out");
    place.write("hosts/broken/default.nix", "throw \"not today\"");
    place.git(&["rm", "-rq", "hosts/gone"]);
    place.commit("changes");
    let whole = verify(&place, &["--json"]).run().code(7).json();
    for number in ["1", "2", "4", "100"] {
        let shards = include(&place, number);
        assert_eq!(shards.len(), number.parse::<usize>().unwrap().min(6));
        let parts: Vec<String> = shards.iter().map(|shard| judge(&place, shard)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let merge = [&["--json", "--merge"], &parts[..]].concat();
        let merged = verify(&place, &merge).run().code(7);
        assert_eq!(merged.json(), whole, "{number}: {shards:?}");
    }
}

/// A host whose evaluation takes longer than that of a few others together.
fn set_slow(place: &Place, host: &str) {
    let quick = tiny::script_host(host, ":");
    let count = "builtins.foldl' (sum: one: sum + one) 0 (builtins.genList (one: one) 4000000)";
    place.write(
        format!("hosts/{host}/default.nix"),
        format!("builtins.seq ({count}) ({quick})"),
    );
}

#[test]
fn hosts_weigh_what_they_took_and_machines_learn_it_of_each_other() {
    let place = hosts(&[("a", ":"), ("b", ":"), ("z", ":")]);
    set_slow(&place, "m");
    place.commit("a slow one");
    accept(&place);
    // Another machine knows of none how long it takes.
    let document = |machine: &str| {
        let call = place.cbox(&["matrix", "--hosts", "--shards", "2", "--json"]);
        on(&place, machine, call).run().ok()
    };
    let unknown = document("new").says(&["4 hosts in 2 shards; 4 hosts not measured yet"]);
    assert_eq!(
        unknown.json()["shards"],
        json!([
            { "shard": "1", "hosts": ["a", "m"], "expectedSeconds": null },
            { "shard": "2", "hosts": ["b", "z"], "expectedSeconds": null },
        ])
    );
    for shard in unknown.json()["shards"].as_array().unwrap() {
        let hosts = shard["hosts"].as_array().unwrap().iter();
        let hosts: Vec<&str> = hosts.map(|host| host.as_str().unwrap()).collect();
        let machine = shard["shard"].as_str().unwrap();
        on(&place, machine, verify(&place, &hosts)).run().ok();
    }
    // As docs/ci.md has it: what is newer counts.
    for machine in ["1", "2"] {
        let archive = place.beside(&format!("{machine}.tar"));
        let pack = place.call("tar").args(["-cf"]).args([&archive]);
        let pack = pack.args(["-C"]).args([cache(&place, machine)]);
        pack.args(["cbox"]).run().ok();
        std::fs::create_dir_all(cache(&place, "all")).unwrap();
        let unpack = place.call("tar").args(["--keep-newer-files", "-xf"]);
        let unpack = unpack.args([&archive]).args(["-C"]);
        unpack.args([cache(&place, "all")]).run().ok();
    }
    let known = document("all").json()["shards"].clone();
    assert_eq!(known[0]["hosts"], json!(["m"]), "{known}");
    assert_eq!(known[1]["hosts"], json!(["a", "b", "z"]), "{known}");
    let seconds = |shard: &Value| shard["expectedSeconds"].as_f64().unwrap();
    assert!(seconds(&known[0]) > seconds(&known[1]), "{known}");
    // And nothing is evaluated again.
    let log = place.log_nix();
    on(&place, "all", verify(&place, &[])).run().ok();
    assert_eq!(log.evaluations(), 0);
    on(&place, "1", verify(&place, &[])).run().ok();
    assert!(log.evaluations() > 0, "one machine has not seen all");
    // The same is told again, whatever the order of the files on disk.
    assert_eq!(document("all").json()["shards"], known);
}

#[test]
fn gitlab_gets_a_job_a_shard_for_a_child_pipeline() {
    let place = accepted(&[("a", ":"), ("b", ":"), ("c", ":")]);
    set(&place, "d", ":");
    let words = ["matrix", "--hosts", "--shards", "2"];
    let call = place.cbox(&words).env("GITLAB_CI", "true");
    let document = call.run().ok().stdout;
    let pipeline = yaml(&format!(".cbox-verify:\n  script: true\n{document}")).unwrap();
    let jobs: Vec<(&String, &Value)> = pipeline.as_object().unwrap().iter().skip(1).collect();
    assert_eq!(jobs.len(), 2, "{document}");
    let of = |number: &str| pipeline[&format!("verify-hosts {number}")].clone();
    let hosts = |number: &str| of(number)["variables"]["CBOX_HOSTS"].clone();
    assert_eq!(of("1")["extends"], ".cbox-verify");
    assert_eq!(of("1")["variables"]["CBOX_SHARD"], "1");
    let mut all: Vec<String> = ["1", "2"]
        .iter()
        .flat_map(|number| {
            let hosts = hosts(number);
            let words = hosts.as_str().unwrap().split(' ');
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    // What git does not track is not judged.
    assert_eq!(all, ["a", "b", "c"]);
}

#[test]
fn hosts_that_are_gone_since_the_base_are_judged_too() {
    let place = hosts(&[("a", ":"), ("b", ":")]);
    place.git(&["rm", "-rq", "hosts/b"]);
    place.commit("without b");
    assert_eq!(words(&place, "9"), ["a"]);
    let since = ["matrix", "--hosts", "--shards", "9", "--base", "HEAD~1"];
    let matrix = place.cbox(&since).run().ok().json();
    assert_eq!(
        matrix["include"],
        json!([{ "shard": "1", "hosts": "a" }, { "shard": "2", "hosts": "b" }])
    );
    // A baseline says what was there, whatever the base.
    accept(&place);
    let matrix = place.cbox(&since).run().ok().json();
    assert_eq!(matrix["include"].as_array().unwrap().len(), 1);
}

#[test]
fn hosts_are_named_without_nix_where_the_tree_names_them() {
    let place = Place::minibox();
    let words = ["matrix", "--hosts", "--shards", "3"];
    let call = place.cbox(&words);
    let call = call.env("PATH", place.path_with_only(&["git"]));
    let run = call.run().ok();
    assert_eq!(
        run.json()["include"],
        json!([
            { "shard": "1", "hosts": "mini-arm64" },
            { "shard": "2", "hosts": "mini-thinkcentre" },
        ])
    );
    // Elsewhere Nix does.
    let place = Place::flake(&tiny::scripts(&[("one", ":"), ("two", ":")]));
    assert_eq!(super::shards::words(&place, "1"), ["one two"]);
}

#[test]
fn what_gives_no_shards_is_an_error() {
    let place = Place::minibox();
    for (words, says) in [
        (&["--hosts"][..], "--shards <N>"),
        (&["--shards", "2"], "--hosts"),
        (&["--hosts", "--shards", "0"], "at least 1"),
        (&["--hosts", "--shards", "two"], "expected a whole number"),
        (&["--hosts", "--shards", "2", "--changed"], "--changed"),
        (
            &["--hosts", "--shards", "2", "--not-cached"],
            "--not-cached",
        ),
        (&["--hosts", "--shards", "2", "mini-arm64"], "[TARGET]"),
        (
            &["--hosts", "--shards", "2", "--runner", "x86_64=pc"],
            "--runner",
        ),
    ] {
        let run = place.cbox(&[&["matrix"], words].concat()).run().code(2);
        let run = run.says(&[says]);
        assert_eq!(run.stdout, "", "{run}");
    }
    let many: Vec<String> = (0..300).map(|number| format!("\"h{number}\"")).collect();
    place.write("cbox.toml", format!("hosts = [{}]\n", many.join(", ")));
    place.commit("many");
    let words = |number| ["matrix", "--hosts", "--shards", number];
    place
        .cbox(&words("257"))
        .run()
        .code(2)
        .says(&["257 jobs are more than the 256", "ask for fewer shards"]);
    place.cbox(&words("256")).run().ok();
    place.write("cbox.toml", "hosts = []\n");
    let none = place.cbox(&words("2")).run().code(3);
    none.says(&["has no install host"]);
}
