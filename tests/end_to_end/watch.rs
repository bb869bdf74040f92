//! `cbox watch`: what each save changes, as the one who saves sees it.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::{
    call::Running, nix::native, place::Place, processes, schema, tiny, unique, wait_until,
};

/// A cbox that watches, and the rounds that it has told.
struct Watching {
    running: Running,
    rounds: PathBuf,
    word: String,
}

impl Watching {
    fn start(place: &Place, targets: &[&str]) -> Self {
        let rounds = place.beside("rounds");
        let word = unique();
        let running = place
            .cbox(&[&["watch", "--json"], targets].concat())
            .env("CBOX_TEST_WORD", &word)
            .stdout(File::create(&rounds).unwrap())
            .start();
        let watching = Self {
            running,
            rounds,
            word,
        };
        watching.round(0);
        watching
    }

    /// The verdicts of a round, once it is told.
    #[track_caller]
    fn round(&self, number: usize) -> Vec<Value> {
        let told = || {
            let text = fs::read_to_string(&self.rounds).unwrap();
            let line = text.split_inclusive('\n').nth(number)?;
            line.strip_suffix('\n').map(str::to_owned)
        };
        wait_until(&format!("round {number} is told"), || told().is_some());
        let document: Value = serde_json::from_str(&told().unwrap()).unwrap();
        schema::check(&document);
        document["watch"].as_array().unwrap().clone()
    }

    /// `target status` of each verdict of a round.
    #[track_caller]
    fn statuses(&self, number: usize) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let verdicts = self.round(number);
        let mut statuses: Vec<String> = verdicts
            .iter()
            .map(|verdict| format!("{} {}", text(&verdict["target"]), text(&verdict["status"])))
            .collect();
        statuses.sort();
        statuses
    }
}

/// A flake with two hosts that are texts: `one` in a file of its own, `two` in flake.nix.
fn texts() -> Place {
    let text = |source: &str| {
        tiny::script_host("text", "echo \"$text\" > $out")
            .replace("system =", &format!("text = {source}; system ="))
    };
    let hosts = [
        ("one", text("import ./hosts/one/text.nix")),
        ("two", text("\"two\"")),
    ];
    let hosts: Vec<(&str, &str)> = hosts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let place = Place::flake(&tiny::flake(&hosts));
    place.write("hosts/one/text.nix", "\"one\"\n");
    place.write("hosts/one/default.nix", "{ }\n");
    place.write("hosts/two/default.nix", "{ }\n");
    place.write(
        "cbox.toml",
        "[source]\nlocal = [\"hosts/{host}/local.nix\"]\n",
    );
    place.write(".gitignore", "/out/\n/target/\n/hosts/*/local.nix\n");
    place.commit("texts");
    place
}

#[test]
fn a_save_is_told_with_its_cause() {
    let place = texts();
    let watching = Watching::start(&place, &[]);
    assert_eq!(
        watching.statuses(0),
        ["hosts/one evaluated", "hosts/two evaluated"]
    );
    // An editor that saves by renaming.
    place.write("hosts/one/.text.nix.swp", "\"other\"\n");
    fs::rename(
        place.path("hosts/one/.text.nix.swp"),
        place.path("hosts/one/text.nix"),
    )
    .unwrap();
    assert_eq!(
        watching.statuses(1),
        ["hosts/one changed", "hosts/two unchanged"]
    );
    let one = watching.round(1);
    let one = one
        .iter()
        .find(|verdict| verdict["target"] == "hosts/one")
        .unwrap();
    let difference = &one["explanation"]["causes"][0]["differences"][0];
    assert_eq!(difference["field"], "text");
    assert_eq!(
        (&difference["before"], &difference["after"]),
        (&"one".into(), &"other".into())
    );
}

#[test]
fn the_hosts_of_a_flake_without_a_cbox_toml_are_watched() {
    let place = texts();
    place.git(&["rm", "-q", "cbox.toml"]);
    place.commit("nothing of cbox");
    let watching = Watching::start(&place, &[]);
    assert_eq!(
        watching.statuses(0),
        ["hosts/one evaluated", "hosts/two evaluated"]
    );
    place.write("hosts/one/text.nix", "\"other\"\n");
    assert_eq!(
        watching.statuses(1),
        ["hosts/one changed", "hosts/two unchanged"]
    );
}

#[test]
fn a_save_evaluates_those_alone_that_read_it() {
    let place = texts();
    let watching = Watching::start(&place, &[]);
    // In the pause it is found what each of them reads.
    let sets = || {
        let folder = fs::read_dir(place.beside("cache/cbox/read-sets"));
        folder.map_or(0, |folder| {
            let files = folder.filter(|file| file.as_ref().unwrap().path().is_file());
            files.count()
        })
    };
    wait_until("it is known what both read", || sets() == 2);
    place.write("hosts/one/text.nix", "\"other\"\n");
    assert_eq!(
        watching.statuses(1),
        ["hosts/one changed", "hosts/two unchanged"]
    );
    for verdict in watching.round(1) {
        let not_read = match verdict["target"].as_str() {
            Some("hosts/two") => json!(["hosts/one/text.nix"]),
            _ => Value::Null,
        };
        assert_eq!(verdict["notRead"], not_read, "{verdict}");
    }
}

#[test]
fn what_does_not_evaluate_is_told_and_so_is_its_mending() {
    let place = texts();
    let watching = Watching::start(&place, &["one"]);
    place.write("hosts/one/text.nix", "\"one");
    assert_eq!(watching.statuses(1), ["hosts/one failed"]);
    let message = watching.round(1)[0]["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("hosts/one/text.nix:"), "{message}");
    place.write("hosts/one/text.nix", "\"one\"\n");
    assert_eq!(watching.statuses(2), ["hosts/one unchanged"]);
}

#[test]
fn what_is_not_staged_starts_no_round() {
    let place = texts();
    fs::create_dir_all(place.path("target/deep")).unwrap();
    let watching = Watching::start(&place, &[]);
    place.write("target/deep/file", "x");
    place.write("out/file", "x");
    place.write("hosts/two/local.nix", "{ }");
    // Local settings are that host's alone.
    assert_eq!(watching.statuses(1), ["hosts/two unchanged"]);
    place.write("hosts/one/text.nix", "\"end\"\n");
    assert_eq!(
        watching.statuses(2),
        ["hosts/one changed", "hosts/two unchanged"]
    );
}

#[test]
fn a_branch_switch_with_a_thousand_files_is_one_change() {
    let place = texts();
    place.git(&["checkout", "--quiet", "-b", "other"]);
    for number in 0..1000 {
        place.write(format!("docs/{}/{number}.md", number % 50), "text");
    }
    place.write("hosts/one/text.nix", "\"other\"\n");
    place.commit("other");
    place.git(&["checkout", "--quiet", "main"]);
    let watching = Watching::start(&place, &["one"]);
    place.git(&["checkout", "--quiet", "other"]);
    // A slow machine may see it half done at first; in the end it is seen whole.
    wait_until("the branch is seen", || {
        let rounds = fs::read_to_string(&watching.rounds)
            .unwrap()
            .lines()
            .count();
        (1..rounds).any(|number| watching.statuses(number) == ["hosts/one changed"])
    });
}

#[test]
fn a_save_ends_the_evaluation_under_way() {
    let place = texts();
    let watching = Watching::start(&place, &["one"]);
    let stalled = place.stall("nix", "*' --apply '*");
    place.write("hosts/one/text.nix", "\"first\"\n");
    wait_until("the evaluation is under way", || stalled.exists());
    fs::remove_file(place.beside("bin/nix")).unwrap();
    place.write("hosts/one/text.nix", "\"second\"\n");
    let round = watching.round(1);
    let difference = &round[0]["explanation"]["causes"][0]["differences"][0];
    assert_eq!(difference["after"], "second", "{round:?}");
    assert_eq!(
        fs::read_to_string(&watching.rounds)
            .unwrap()
            .lines()
            .count(),
        2
    );
}

#[test]
fn ctrl_c_ends_it_and_leaves_nothing() {
    let place = texts();
    let watching = Watching::start(&place, &[]);
    let word = watching.word.clone();
    watching.running.signal(Signal::INT);
    watching.running.wait().code(130);
    assert_eq!(place.names("../tmp"), [""; 0]);
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
}

#[test]
fn words_that_name_nothing_are_refused_at_once() {
    let place = texts();
    place
        .cbox(&["watch", "oen"])
        .run()
        .code(2)
        .says(&["there is no host `oen`", "did you mean `one`?"]);
    place
        .cbox(&["watch", "appliance/iso"])
        .run()
        .code(2)
        .says(&["no kind of target `appliance`"]);
}

#[test]
fn a_host_that_is_gone_and_one_that_could_not_be_asked_are_told() {
    let place = texts();
    let watching = Watching::start(&place, &[]);
    let module = "hosts/two/default.nix";
    fs::remove_file(place.path(module)).unwrap();
    assert!(
        watching
            .statuses(1)
            .contains(&"hosts/two removed".to_owned())
    );
    place.write(module, "{ }\n");
    assert!(
        watching
            .statuses(2)
            .contains(&"hosts/two evaluated".to_owned())
    );
    // A setting that makes nothing of an image: then it is there again, as it was.
    let image = format!(
        "[[target]]\nkind = \"text\"\nformat = \"raw\"\nhost = \"two\"\nsystem = \"{}\"\n\
         attribute = \"system.build.toplevel\"\nartifact = \"*\"\n",
        native()
    );
    place.write("cbox.toml", &image);
    let statuses = watching.statuses(3);
    assert!(
        statuses.contains(&"text/raw evaluated".to_owned()),
        "{statuses:?}"
    );
    place.write("cbox.toml", format!("{image}[target.overrides]\nfoo = 1\n"));
    let statuses = watching.statuses(4);
    assert!(
        statuses.contains(&"text/raw failed".to_owned()),
        "{statuses:?}"
    );
    place.write("cbox.toml", &image);
    let statuses = watching.statuses(5);
    assert!(
        statuses.contains(&"text/raw unchanged".to_owned()),
        "{statuses:?}"
    );
}
