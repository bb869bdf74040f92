//! `--out-dir`, and what lies in the folder of the links.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
};

use crate::support::{nix::native, place::Place, tiny};

/// Shows that an `--out-dir` in which there are sources hides nothing but what cbox made.
#[track_caller]
fn hides_only_what_cbox_made(folder: &str) {
    let place = Place::minibox();
    let untracked = [
        "appliance-isolated.json",
        "hosts/appliance.json",
        "hosts/new.nix",
    ];
    for path in untracked {
        place.write(path, "{ }\n");
    }
    let out_dir = ["--out-dir", folder];
    let staged = || {
        let build = ["appliance", "iso", "--drv", "--json"];
        let plan = place.cbox(&[&build[..], &out_dir].concat());
        let source = plan.run().ok().json()["targets"][0]["reference"].clone();
        source.as_str().unwrap().to_owned()
    };
    let before = staged();
    let path = before.strip_prefix("path:").unwrap();
    let path = Path::new(path.split('?').next().unwrap());
    for file in untracked {
        assert!(path.join(file).is_file(), "{file} is not in {before}");
    }
    let platform = format!("nixpkgs.buildPlatform={}", native());
    let host = ["build", "hosts/mini-thinkcentre", "--set", &platform];
    let images = ["build", "appliance/iso", "appliance/raw/aarch64-linux"];
    for build in [&host[..], &images] {
        place.ask(&[build, &out_dir[..]].concat());
    }
    let names = place.names(folder);
    let made = |name: &&String| {
        let slugs = [
            "appliance-iso",
            "appliance-raw-aarch64-linux",
            "hosts-mini-thinkcentre",
        ];
        let stem = name.split('.').next().unwrap();
        slugs.contains(&stem)
    };
    assert_eq!(names.iter().filter(made).count(), 8, "{names:?}");
    assert_eq!(staged(), before, "what cbox made is no source");
    let killed = Path::new(folder).join(".cbox-killed");
    fs::create_dir(place.path(&killed)).unwrap();
    symlink("/nowhere", place.path(killed.join("root"))).unwrap();
    assert_eq!(staged(), before, "what a killed run left is no source");
}

#[test]
fn the_top_of_the_tree_can_hold_the_links() {
    hides_only_what_cbox_made(".");
}

#[test]
fn a_folder_of_sources_can_hold_the_links() {
    hides_only_what_cbox_made("hosts");
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_a_live_run_needs_stays() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    for run in ["out/.cbox-killed", "out/.cbox-alive"] {
        fs::create_dir_all(place.path(run)).unwrap();
        symlink("/nix/store/no-such", place.path(run).join("root")).unwrap();
    }
    let alive = File::open(place.path("out/.cbox-alive")).unwrap();
    alive.lock().unwrap();
    let build = ["build", "hosts/box"];
    place.ask(&build);
    assert_eq!(
        place.names("out"),
        [".cbox-alive", "hosts-box", "hosts-box.json"]
    );
    assert_eq!(place.names("out/.cbox-alive"), ["root"]);
    drop(alive);
    place.ask(&build);
    assert_eq!(place.names("out"), ["hosts-box", "hosts-box.json"]);
}
