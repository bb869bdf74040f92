//! A pipe in the place of each file that cbox reads: it says so, or does without, and never waits.

use std::fs;

use super::{ends, pipe};
use crate::support::{place::Place, tiny, unique};

const BUILD: [&str; 2] = ["build", "hosts/box"];

fn place() -> Place {
    Place::flake(&tiny::scripts(&[("box", "echo >$out")]))
}

#[test]
fn cbox_toml() {
    let place = place();
    pipe(&place.path("cbox.toml"));
    for words in [
        &["--help"][..],
        &["build", "--help"],
        &["--version"],
        &["completions", "bash"],
    ] {
        ends(place.cbox(words)).ok();
    }
    let says = ["cbox.toml: it is a named pipe, and not a file"];
    for words in [&["list"][..], &BUILD, &["hosts"]] {
        ends(place.cbox(words)).code(3).says(&says);
    }
    // As a shell asks for completions.
    let call = place.cbox(&["--", "cbox", "buil"]).env("COMPLETE", "bash");
    ends(call.env("_CLAP_COMPLETE_INDEX", "1").env("_CLAP_IFS", "\n"));
}

#[test]
fn records_of_a_link() {
    let place = Place::minibox();
    let iso = ["appliance", "iso"];
    place.ask(&iso);
    let [manifest, checksum] =
        ["json", "sha256"].map(|end| place.path(format!("out/appliance-iso.{end}")));
    pipe(&checksum);
    for words in [&["status"][..], &["clean", "--all", "--dry-run"]] {
        ends(place.cbox(words)).ok();
    }
    ends(place.cbox(&iso)).code(10);
    fs::remove_file(&checksum).unwrap();
    ends(place.cbox(&iso)).ok();
    assert!(checksum.is_file(), "it is made anew");
    pipe(&manifest);
    ends(place.cbox(&["status"])).ok();
    ends(place.cbox(&["clean", "--all", "--dry-run"])).ok();
    ends(place.cbox(&["boot", "appliance/iso"])).code(9);
    ends(place.cbox(&["diff", "out/appliance-iso", "appliance/iso"]));
    ends(place.cbox(&["size", "appliance/iso", "--against", "out/appliance-iso"]));
    ends(place.cbox(&iso)).code(10);
    fs::remove_file(&manifest).unwrap();
    ends(place.cbox(&iso)).ok();
    assert!(manifest.is_file(), "it is made anew");
}

#[test]
fn the_baseline() {
    let place = Place::flake(&tiny::of_folders());
    place.write(
        "hosts/box/default.nix",
        tiny::script_host("box", "echo >$out"),
    );
    place.commit("a host");
    place.ask(&["accept"]);
    pipe(&place.path("baseline.json"));
    let says = ["cannot read baseline.json: it is a named pipe, and not a file"];
    for words in ["verify-hosts", "accept"] {
        ends(place.cbox(&[words])).code(3).says(&says);
    }
}

#[test]
fn the_flake_and_its_lock() {
    let place = place();
    pipe(&place.path("flake.lock"));
    let run = ends(place.cbox(&BUILD));
    // The flake has no inputs, and what is no file is not staged.
    assert!(run.status.success(), "{run}");
    let input = ["--override-input", "dep", "path:./dep"];
    ends(place.cbox(&[&BUILD[..], &input].concat()));
    fs::remove_file(place.path("flake.lock")).unwrap();
    // An input that is a pipe itself, and one with a pipe in it.
    pipe(&place.path("../dep"));
    let input = ["--override-input", "dep", "path:../dep"];
    ends(place.cbox(&[&BUILD[..], &input].concat()));
    fs::remove_file(place.path("../dep")).unwrap();
    pipe(&place.path("../dep/flake.nix"));
    pipe(&place.path("../dep/flake.lock"));
    ends(place.cbox(&[&BUILD[..], &input].concat()));
    pipe(&place.path("flake.nix"));
    ends(place.cbox(&BUILD))
        .code(3)
        .says(&["there is no flake.nix"]);
}

#[test]
fn what_is_remembered() {
    let place = place();
    place.ask(&BUILD);
    let cache = place.beside("cache/cbox");
    let entries = |folder: &str| fs::read_dir(cache.join(folder)).unwrap();
    let files = ["evaluations", "durations"].into_iter().flat_map(entries);
    let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 1, "{files:?}");
    files.iter().for_each(|file| pipe(file));
    ends(place.cbox(&BUILD)).ok();
    assert!(
        files.iter().all(|file| file.is_file()),
        "they are made anew"
    );
    // A folder in the place of one.
    fs::remove_file(&files[0]).unwrap();
    fs::create_dir(&files[0]).unwrap();
    ends(place.cbox(&BUILD)).ok();
}

#[test]
fn local_settings() {
    let place = Place::minibox();
    pipe(&place.path("hosts/mini-thinkcentre/local.nix"));
    let run = ends(place.cbox(&["build", "hosts/mini-thinkcentre", "--drv"]));
    assert!(
        !run.stdout.is_empty() || run.stderr.contains("local.nix"),
        "{run}"
    );
}

#[test]
fn what_git_reads() {
    let place = place();
    pipe(&place.path(".gitmodules"));
    ends(place.cbox(&BUILD));
    fs::remove_file(place.path(".gitmodules")).unwrap();
    for file in [".gitignore", "folder/.gitignore", ".gitattributes"] {
        pipe(&place.path(file));
        place.write("folder/file", "");
        ends(place.cbox(&BUILD));
        ends(place.cbox(&["source", "list"]));
        ends(place.cbox(&["source", "why", "flake.nix"]));
        fs::remove_file(place.path(file)).unwrap();
    }
}

#[test]
fn outside_a_repository() {
    let place = place();
    fs::remove_dir_all(place.path(".git")).unwrap();
    pipe(&place.path(".gitignore"));
    pipe(&place.path("folder/.gitignore"));
    ends(place.cbox(&["source", "list"])).ok();
    ends(place.cbox(&BUILD)).ok();
}

#[test]
fn firmware() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso"]);
    let own = place.beside("firmware.fd");
    pipe(&own);
    let boot = ["boot", "appliance/iso", "--until", "x", "--timeout", "1s"];
    let named = ["--firmware", own.to_str().unwrap()];
    ends(place.cbox(&[&boot[..], &named].concat()))
        .code(5)
        .says(&["it is a named pipe, and not a file"]);
    // A description, and what a description names.
    let folder = place.beside("home/.config/qemu/firmware");
    pipe(&folder.join("10-pipe.json"));
    let description = serde_json::json!({
        "description": unique(), "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": { "filename": own, "format": "raw" },
            "nvram-template": { "filename": own, "format": "raw" },
        },
        "targets": [{ "architecture": "x86_64", "machines": ["pc-q35-*"] },
                    { "architecture": "aarch64", "machines": ["virt-*"] }],
        "features": [], "tags": [],
    });
    fs::write(folder.join("20-named.json"), description.to_string()).unwrap();
    ends(place.cbox(&boot));
    ends(place.cbox(&["doctor"]));
    let call = place.cbox(&boot);
    pipe(&place.beside("own/OVMF/OVMF_CODE_4M.fd"));
    pipe(&place.beside("own/OVMF/OVMF_VARS_4M.fd"));
    ends(call.env("CBOX_FIRMWARE_DIR", place.beside("own")));
}

#[test]
fn where_a_ci_system_reads() {
    let place = place();
    let summary = place.beside("summary");
    pipe(&summary);
    let call = place.cbox(&["verify-hosts"]).env("GITHUB_ACTIONS", "true");
    ends(
        call.env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_OUTPUT", &summary),
    );
}
