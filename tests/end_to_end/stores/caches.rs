//! Binary caches, `file://` and HTTP: what is signed by a trusted key is fetched, all else is
//! built and the reason told.

use std::fs;

use super::lab::{Lab, each};
use crate::support::{
    call::{Ended, find_program},
    nix::say_left_out,
    place::Place,
    tiny::{self, script_host},
    unique, wait_until,
};

fn place() -> Place {
    let host = script_host("box", &format!("echo {} >$out", unique()));
    Place::flake(&tiny::flake(&[("box", &host)]))
}

/// A machine, and caches that have its host.
struct Caches<'a> {
    lab: &'a Lab,
    out: String,
    /// The one trusted key.
    public: String,
}

impl<'a> Caches<'a> {
    fn new(lab: &'a Lab) -> Self {
        let key = |name: &str, file: &str| {
            let file = lab.place.beside(file);
            let public = file.with_extension("pub");
            let words = ["--generate-binary-cache-key", name];
            lab.call("nix-store")
                .args(words)
                .args([&file, &public])
                .run()
                .ok();
            fs::read_to_string(public).unwrap()
        };
        let public = key("team-1", "good");
        key("team-1", "wrong");
        key("other-1", "other");
        let out = lab.cbox(&["build", "--no-link", "hosts/box"]).run().ok();
        let out = out.text().to_owned();
        let caches = Self { lab, out, public };
        for name in ["good", "wrong", "other", "none"] {
            let mut uri = caches.uri(name);
            if name != "none" {
                uri.push_str(&format!("?secret-key={}", lab.place.beside(name).display()));
            }
            lab.nix(&["copy", "--to", &uri, &caches.out]).run().ok();
        }
        caches
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.folder(name).display())
    }

    fn folder(&self, name: &str) -> std::path::PathBuf {
        self.lab.place.beside("caches").join(name)
    }

    /// Builds what the store has forgotten, with this cache.
    fn build(&self, cache: &str, more: &[&str]) -> Ended {
        self.run(&["build", "--no-link", "hosts/box"], cache, more)
    }

    /// Runs cbox with this cache, when the store has forgotten the host.
    fn run(&self, words: &[&str], cache: &str, more: &[&str]) -> Ended {
        if self.lab.holds("nix", &self.out) {
            self.lab.nix(&["store", "delete", &self.out]).run().ok();
        }
        let asked = [
            "--",
            "--option",
            "substituters",
            cache,
            "--option",
            "trusted-public-keys",
            &self.public,
        ];
        self.lab.cbox(&[words, &asked, more].concat()).run()
    }

    /// A copy of the good cache whose archive has other bytes.
    fn damaged(&self, name: &str, bytes: &[u8]) -> String {
        let copy = self.folder(name);
        self.lab
            .call("cp")
            .args(["-a"])
            .args([self.folder("good"), copy.clone()])
            .run()
            .ok();
        for archive in fs::read_dir(copy.join("nar")).unwrap() {
            let archive = archive.unwrap().path();
            fs::remove_file(&archive).unwrap();
            fs::write(archive, bytes).unwrap();
        }
        // Nix remembers what a cache said.
        self.uri(name)
    }
}

fn is_built(ended: &Ended) -> bool {
    ended.stderr.contains("building box")
}

#[test]
fn what_a_trusted_key_signed_is_fetched() {
    each(place, |lab| {
        let caches = Caches::new(&lab);
        let good = caches.uri("good");
        let ended = caches.build(&good, &[]).ok();
        let ended = ended.says(&[&format!("fetching from {good}"), "fetched 1 path"]);
        assert!(!is_built(&ended), "{ended}");
        assert_eq!(ended.text(), caches.out);
    });
}

#[test]
fn what_a_cache_has_is_left_out_of_a_matrix() {
    each(place, |lab| {
        let caches = Caches::new(&lab);
        let matrix = |cache: &str| {
            let words = ["matrix", "hosts/box", "--not-cached"];
            let run = caches.run(&words, cache, &[]).ok();
            (run.json()["include"].as_array().unwrap().len(), run)
        };
        for (cache, jobs) in [
            (&*caches.uri("good"), 0),
            (&caches.uri("empty"), 1),
            ("http://127.0.0.1:9", 1),
        ] {
            let (found, run) = matrix(cache);
            assert_eq!(found, jobs, "{cache}: {run}");
        }
    });
}

#[test]
fn what_a_cache_has_need_not_be_built() {
    each(place, |lab| {
        let caches = Caches::new(&lab);
        let words = ["build", "hosts/box", "--skip-cached", "--json"];
        let run = caches.run(&words, &caches.uri("good"), &[]).ok();
        assert_eq!(run.json()["skipped"], serde_json::json!(["hosts/box"]));
        assert_eq!(run.json()["targets"], serde_json::json!([]));
        assert!(!caches.lab.holds("nix", &caches.out), "{run}");
        let run = caches.run(&words, &caches.uri("empty"), &[]).ok();
        assert_eq!(run.json()["skipped"], serde_json::json!([]));
        assert!(is_built(&run), "{run}");
    });
}

#[test]
fn all_other_signatures_are_named_and_it_is_built() {
    each(place, |lab| {
        let caches = Caches::new(&lab);
        for name in ["wrong", "other", "none"] {
            let uri = caches.uri(name);
            let ended = caches.build(&uri, &[]).ok();
            let warning = format!(
                "warning: what {uri} has is not taken: no key in `trusted-public-keys` signed it"
            );
            let ended = ended.says(&[&warning]);
            assert_eq!(ended.stderr.matches(&warning).count(), 1, "{ended}");
            assert!(is_built(&ended), "{name}: {ended}");
        }
    });
}

#[test]
fn a_cache_that_has_something_else_is_an_error_with_a_way_out() {
    each(place, |lab| {
        let caches = Caches::new(&lab);
        let words = [
            "error: a binary cache could not deliver what it has:",
            "hint: `-- --fallback` builds",
        ];
        for (name, bytes) in [
            ("cut", &b"\xfd7zXZ\0"[..]),
            ("empty", b""),
            ("text", b"<html>gone</html>"),
        ] {
            let uri = caches.damaged(name, bytes);
            let ended = caches.build(&uri, &[]).code(8).says(&words);
            assert!(!ended.stderr.contains("some substitutes for"), "{ended}");
            let ended = caches.build(&uri, &["--fallback"]).ok();
            assert!(is_built(&ended), "{name}: {ended}");
        }
    });
}

#[test]
fn a_cache_that_is_down_is_done_without() {
    each(place, |lab| {
        let caches = Caches::new(&lab);
        let ended = caches
            .build(
                "http://127.0.0.1:9",
                &["--option", "download-attempts", "1"],
            )
            .ok();
        let warning =
            "warning: the binary cache http://127.0.0.1:9 does not answer, and is done without";
        assert_eq!(ended.stderr.matches(warning).count(), 1, "{ended}");
        assert!(is_built(&ended), "{ended}");
    });
}

#[test]
fn http_serves_what_it_has_until_it_goes_away() {
    if find_program("python3").is_none() {
        return say_left_out("no `python3` here, which is the server");
    }
    each(place, |lab| {
        let caches = Caches::new(&lab);
        let good = caches.folder("good");
        let words = [
            "-m",
            "http.server",
            "8000",
            "--bind",
            "127.0.0.1",
            "--directory",
        ];
        let server = lab.call("python3").args(words).args([good]).start();
        let uri = "http://127.0.0.1:8000";
        wait_until("the server answers", || {
            lab.nix(&["store", "info", "--store", uri])
                .run()
                .status
                .success()
        });
        let ended = caches.build(uri, &[]).ok();
        assert!(!is_built(&ended), "{ended}");
        // It is known what it has, and it does not come any more.
        drop(server);
        lab.end_all("http.server");
        let once = ["--option", "download-attempts", "1"];
        let ended = caches.build(uri, &once).code(8);
        ended.says(&[
            "error: a binary cache could not deliver what it has:",
            "unable to download 'http://127.0.0.1:8000/nar/",
            "hint: `-- --fallback` builds",
        ]);
        let ended = caches
            .build(uri, &[&once[..], &["--fallback"]].concat())
            .ok();
        assert!(is_built(&ended), "{ended}");
    });
}

/// As docs/stores.md has it for teams and CI.
#[test]
fn a_hook_shares_each_build() {
    each(place, |lab| {
        let key = lab.place.beside("team");
        let public = lab.place.beside("team.pub");
        let make = ["--generate-binary-cache-key", "team-1"];
        lab.call("nix-store")
            .args(make)
            .args([&key, &public])
            .run()
            .ok();
        let cache = format!("file://{}", lab.place.beside("shared").display());
        let script = format!("#!/bin/sh\nexec nix copy --to '{cache}' $OUT_PATHS\n");
        let hook = lab.place.beside("share");
        lab.place.write(&hook, script);
        let call = lab.call("chmod").args(["+x"]).args([&hook]);
        call.run().ok();
        lab.configure(&format!(
            "secret-key-files = {}\npost-build-hook = {}",
            key.display(),
            hook.display()
        ));
        let out = lab.cbox(&["build", "--no-link", "hosts/box"]).run().ok();
        lab.nix(&["store", "delete", out.text()]).run().ok();
        let public = fs::read_to_string(public).unwrap();
        let asked = [
            "--option",
            "substituters",
            &cache,
            "--option",
            "trusted-public-keys",
            &public,
        ];
        let words = [&["build", "--no-link", "hosts/box", "--"][..], &asked].concat();
        let again = lab.cbox(&words).run().ok();
        assert!(!is_built(&again), "{again}");
        assert_eq!(again.text(), out.text());
    });
}
