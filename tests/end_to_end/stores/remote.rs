//! `--store ssh-ng://…`: evaluated here and built there; nothing is linked or recorded.

use super::lab::{BUILDER, Lab, big, each, each_with_builder};
use crate::support::{
    place::Place,
    tiny::{self, script_host},
    unique,
};

/// Hosts of which one fails and one needs another.
fn place() -> Place {
    let word = unique();
    let dependency = script_host("dependency", &format!("echo {word}; echo dep >$out"));
    Place::flake(&tiny::flake(&[
        (
            "box",
            &script_host("box", &format!("echo {word} building; echo box >$out")),
        ),
        ("big", &big(&dependency)),
        ("bad", &script_host("bad", "echo it breaks; exit 3")),
    ]))
}

fn with_builder(test: impl Fn(&Lab)) {
    each_with_builder(place, test);
}

#[test]
fn what_is_built_there_is_neither_linked_nor_recorded() {
    with_builder(|lab| {
        lab.cbox(&["build", "hosts/box"]).run().ok();
        let (link, record) = (
            lab.place.link("hosts-box"),
            lab.place.read("out/hosts-box.json"),
        );
        lab.place.edit("flake.nix", "building", "changed");
        let ended = lab
            .cbox(&["build", "hosts/box", "--store", BUILDER])
            .run()
            .ok();
        let out = ended.text().to_owned();
        assert_ne!(out, link);
        assert!(
            lab.holds("nix-builder", &out) && !lab.holds("nix", &out),
            "{ended}"
        );
        let fetch = format!("nix copy --no-check-sigs --from {BUILDER} {out}");
        let note =
            format!("hosts/box is in {BUILDER}, so nothing is linked here; to fetch it: {fetch}");
        let ended = ended.says(&[&note, "building box"]);
        assert!(!ended.stderr.contains("error"), "{ended}");
        // The good link of before, and its record.
        assert_eq!(lab.place.link("hosts-box"), link);
        assert_eq!(lab.place.read("out/hosts-box.json"), record);
        assert_eq!(lab.place.names("out"), ["hosts-box", "hosts-box.json"]);
        // The printed command brings it, and a build then only links it.
        lab.call("sh").args(["-c", &fetch]).run().ok();
        let ended = lab
            .cbox(&["build", "hosts/box"])
            .run()
            .ok()
            .says(&["nothing to build or fetch"]);
        assert_eq!(ended.text(), "out/hosts-box");
        assert_eq!(lab.place.link("hosts-box"), out);
    });
}

#[test]
fn what_differs_there_is_told_as_far_as_nix_says_it() {
    with_builder(|lab| {
        let script = "read word </proc/sys/kernel/random/uuid; echo $word >$out";
        let flake = tiny::scripts(&[("box", script), ("same", "echo same >$out")]);
        lab.place.write("flake.nix", flake);
        let reproduce = |host: &str| lab.cbox(&["reproduce", host, "--store", BUILDER]).run();
        let ended = reproduce("hosts/same").ok();
        assert!(
            ended.stdout.starts_with("hosts/same is the same twice: "),
            "{ended}"
        );
        let ended = reproduce("hosts/box").code(15);
        assert!(
            ended.stdout.starts_with("hosts/box differs: /nix/store/"),
            "{ended}"
        );
        ended.says(&[
            "-box.check is on another machine, where its files can be compared",
            "error: hosts/box is not the same twice: /nix/store/",
        ]);
    });
}

#[test]
fn the_document_says_where_it_is() {
    with_builder(|lab| {
        let store = format!("{BUILDER}?compress=true");
        let build = lab.cbox(&["build", "--json", "hosts/box", "--store", &store]);
        let document = build.run().ok().json();
        let target = &document["targets"][0];
        let out = target["manifest"]["outPath"].as_str().unwrap();
        assert!(target["link"].is_null() && target["path"].is_null());
        assert_eq!(target["store"], store);
        let fetch = format!("nix copy --no-check-sigs --from '{store}' {out}");
        assert_eq!(target["fetch"], fetch);
        assert!(lab.holds("nix-builder", out));
        // Here it is the link, and the same path behind it.
        let document = lab
            .cbox(&["build", "--json", "hosts/box"])
            .run()
            .ok()
            .json();
        let target = &document["targets"][0];
        assert_eq!(target["path"], out);
        assert!(target["link"].as_str().unwrap().ends_with("out/hosts-box"));
        assert!(target["fetch"].is_null());
    });
}

#[test]
fn what_is_signed_there_needs_no_trust_in_the_machine() {
    with_builder(|lab| {
        let key = lab.place.beside("key");
        let make = ["--generate-binary-cache-key", "builder-1"];
        let public = lab.place.beside("key.pub");
        lab.call("nix-store")
            .args(make)
            .args([&key, &public])
            .run()
            .ok();
        let line = format!("secret-key-files = {}", key.display());
        lab.configure_in("conf-builder", &line);
        let ended = lab
            .cbox(&["build", "hosts/box", "--store", BUILDER])
            .run()
            .ok();
        let fetch = format!("nix copy --from {BUILDER} {}", ended.text());
        let ended = ended.says(&[&fetch]);
        // Only those who trust the key take it.
        lab.call("sh")
            .args(["-c", &fetch])
            .run()
            .code(1)
            .says(&["signature"]);
        let public = std::fs::read_to_string(public).unwrap();
        lab.configure(&format!("extra-trusted-public-keys = {public}"));
        lab.call("sh").args(["-c", &fetch]).run().ok();
        assert!(lab.holds("nix", ended.text()));
    });
}

#[test]
fn plans_and_derivations_need_no_build() {
    with_builder(|lab| {
        let asked = |args: &[&str]| {
            let args = [args, &["--store", BUILDER]].concat();
            lab.cbox(&args).run().ok()
        };
        let drv = asked(&["build", "hosts/big", "--drv"]);
        assert_eq!(
            drv.text(),
            lab.cbox(&["build", "hosts/big", "--drv"]).run().ok().text()
        );
        let plan = asked(&["build", "hosts/big", "--dry-run"]);
        assert!(plan.stdout.contains("2 derivations to build:"), "{plan}");
        assert!(!lab.place.path("out").exists());
        asked(&["build", "hosts/big"]);
        let plan = asked(&["build", "hosts/big", "--dry-run"]);
        assert!(plan.stdout.contains("nothing to build or fetch"), "{plan}");
        // The size is asked there, the difference is read here.
        let size = asked(&["size", "hosts/big"]);
        assert!(size.stdout.contains("closure"), "{size}");
        let diff = asked(&["diff", "hosts/big", "hosts/box"]);
        assert!(diff.stdout.contains("1 rebuilt"), "{diff}");
    });
}

#[test]
fn what_is_linked_here_is_looked_at_here() {
    with_builder(|lab| {
        lab.cbox(&["build", "hosts/box"]).run().ok();
        let asked = |args: &[&str]| {
            let args = [args, &["--store", BUILDER]].concat();
            lab.cbox(&args).run().ok()
        };
        let status = asked(&["status"]);
        assert!(status.stdout.contains("current"), "{status}");
        let doctor = asked(&["doctor"]);
        assert!(
            doctor
                .stdout
                .contains(&format!("good     store                      {BUILDER}")),
            "{doctor}"
        );
        let clean = asked(&["clean", "--all"]);
        assert!(
            clean.stdout.contains("`nix-collect-garbage` frees"),
            "{clean}"
        );
        assert!(lab.place.names("out").is_empty());
    });
}

#[test]
fn hosts_are_verified_without_the_other_machine() {
    let place = || {
        let place = Place::flake(&tiny::of_folders());
        let host = script_host("box", &format!("echo {} >$out", unique()));
        place.write("hosts/box/default.nix", host);
        place.commit("a host");
        place
    };
    each(place, |lab| {
        let Some(lab) = lab.with_builder() else {
            return;
        };
        let asked = |args: &[&str]| {
            let args = [args, &["--store", BUILDER]].concat();
            lab.cbox(&args).run()
        };
        asked(&["accept"]).ok();
        let same = asked(&["verify-hosts"]).ok();
        assert!(same.stdout.contains("box"), "{same}");
        let changed = script_host("box", "echo other >$out");
        lab.place.write("hosts/box/default.nix", changed);
        let changed = asked(&["verify-hosts"]).code(1);
        assert!(changed.stdout.contains("+echo other >$out"), "{changed}");
    });
}

#[test]
fn a_failure_there_says_where_its_log_is() {
    with_builder(|lab| {
        lab.configure_in("conf-builder", "keep-going = true");
        let bad = lab
            .cbox(&["build", "hosts/bad", "hosts/box", "--store", BUILDER])
            .run()
            .code(8);
        let bad = bad.says(&["failed with exit code 3", "| it breaks"]);
        let command = bad
            .stderr
            .lines()
            .find_map(|line| line.trim().strip_prefix("the whole log: "));
        let log = lab.call("sh").args(["-c", command.unwrap()]).run().ok();
        assert!(log.stdout.contains("it breaks"), "{log}");
        // What was built is told all the same.
        assert!(lab.holds("nix-builder", bad.text()), "{bad}");
        assert!(lab.place.names("out").is_empty());
    });
}

#[test]
fn a_store_that_cannot_be_used_is_one_sentence() {
    with_builder(|lab| {
        let refused = |store: &str, code: i32, words: &[&str]| {
            for more in [
                &["build", "hosts/box"][..],
                &["build", "hosts/box", "--dry-run"],
                &["size", "hosts/box"],
            ] {
                let ended = lab.cbox(&[more, &["--store", store]].concat()).run();
                let ended = ended.code(code).says(words).says(&["hint: "]);
                let error = ended
                    .stderr
                    .lines()
                    .filter(|line| line.starts_with("error: "));
                assert_eq!(error.count(), 1, "{ended}");
            }
        };
        let unreachable = "error: the store `ssh-ng://127.0.0.9` cannot be reached: ssh: connect to host 127.0.0.9 port 22: Connection refused";
        refused("ssh-ng://127.0.0.9", 5, &[unreachable]);
        refused(
            "ssh-ng://nobody.invalid",
            5,
            &["cannot be reached: ssh: Could not resolve hostname"],
        );
        refused("ssh://builder", 2, &["`--store ssh-ng://builder`"]);
        refused(
            "file:///srv/cache",
            2,
            &["is a binary cache", "extra-substituters file:///srv/cache"],
        );
        refused("https://cache.example.org", 2, &["is a binary cache"]);
        refused("elsewhere", 2, &["Nix knows no store `elsewhere`"]);
        assert!(!lab.place.path("out").join("hosts-box").exists());
    });
}

#[test]
fn a_store_that_goes_away_is_the_reason() {
    let slow = || {
        let script = format!(
            "echo {}; echo >&2 begun; while :; do /bin/sleep 1; done",
            unique()
        );
        Place::flake(&tiny::scripts(&[("slow", &script)]))
    };
    each(slow, |lab| {
        let Some(lab) = lab.with_builder() else {
            return;
        };
        let build = lab
            .cbox(&["build", "hosts/slow", "--store", BUILDER])
            .start();
        crate::support::wait_until("it builds", || build.said().contains("building slow"));
        lab.lose_builder();
        let ended = build.wait().code(5);
        ended.says(&[
            "error: the store `ssh-ng://builder` went away in the middle: ",
            "hint: ",
        ]);
        assert!(lab.place.names("out").is_empty());
    });
}

#[test]
fn options_that_change_nothing_there_are_named() {
    with_builder(|lab| {
        let build = ["build", "hosts/box", "--store", BUILDER];
        let with = |more: &[&str]| lab.cbox(&[&build, more].concat()).run().ok();
        with(&["--builders", "ssh://x"]).says(&["`--builders` changes nothing"]);
        // What cbox does by itself.
        with(&["--", "--eval-store", "auto"]);
        let other = lab
            .cbox(&[&build[..], &["--", "--eval-store", BUILDER]].concat())
            .run();
        other
            .code(2)
            .says(&["nothing can be evaluated in it", "leave `--eval-store` out"]);
    });
}

/// The variable and the setting say the same as the option.
#[test]
fn the_store_that_nix_is_told_of_counts() {
    with_builder(|lab| {
        let note = "is in ssh-ng://builder, so nothing is linked here";
        let build = lab.cbox(&["build", "hosts/box"]);
        build.env("NIX_REMOTE", BUILDER).run().ok().says(&[note]);
        lab.configure(&format!("store = {BUILDER}"));
        lab.cbox(&["build", "hosts/big"]).run().ok().says(&[note]);
        assert!(lab.place.names("out").is_empty());
    });
}

#[test]
fn what_is_there_is_not_booted() {
    each(Place::minibox, |lab| {
        let Some(lab) = lab.with_builder() else {
            return;
        };
        for args in [
            &["boot", "appliance", "iso", "--headless"][..],
            &["flash", "appliance", "iso", "/dev/null"],
        ] {
            let ended = lab.cbox(&[args, &["--store", BUILDER]].concat()).run();
            ended.code(11).says(&[
                "error: the images in ssh-ng://builder are on another machine",
                "hint: fetch the image",
            ]);
        }
    });
}
