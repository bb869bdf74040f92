//! Stores on this machine whose files are below another root: in every spelling the paths that
//! are printed can be read, and every command finds what the links stand for.

use std::{fs, path::Path};

use super::lab::each;
use crate::support::{
    nix::native,
    place::Place,
    tiny::{self, script_host},
    unique,
};

/// A host whose output is a text.
fn place() -> Place {
    let host = script_host("box", &format!("echo {} >$out", unique()));
    Place::flake(&tiny::flake(&[("box", &host)]))
}

#[test]
fn every_spelling_leads_to_the_files() {
    each(place, |lab| {
        let root = lab.place.beside("roots/a b");
        let root = root.to_str().unwrap();
        let encoded = root.replace(' ', "%20").replace('/', "%2F");
        let spellings = [
            format!("local?root={}", root.replace(' ', "%20")),
            format!("local?root={encoded}"),
            format!("local://?root={encoded}"),
            format!("local://{}", root.replace(' ', "%20")),
        ];
        for store in &spellings {
            let asked = |args: &[&str]| lab.cbox(&[args, &["--store", store]].concat()).run();
            let built = asked(&["build", "hosts/box"]).ok();
            let file = built.text();
            assert!(file.starts_with(&format!("{root}/nix/store/")), "{built}");
            let text = fs::read_to_string(file).unwrap();
            assert!(text.starts_with('u'), "{text}");
            // The link is the store's own name, and so a root of its garbage collector.
            let out = lab.place.link("hosts-box");
            assert_eq!(format!("{root}{out}"), file);
            assert_eq!(lab.place.manifest("hosts-box")["outPath"], out);
            let json = asked(&["build", "--json", "hosts/box"]).ok().json();
            assert_eq!(json["targets"][0]["path"], file);
            let status = asked(&["status"]).ok();
            assert!(status.stdout.contains("current"), "{store}: {status}");
            let size = asked(&["size", "out/hosts-box"]).ok();
            assert!(size.stdout.contains("closure"), "{store}: {size}");
            let diff = asked(&["diff", "out/hosts-box", "hosts/box"]).ok();
            assert!(
                diff.stdout.contains("the same derivation"),
                "{store}: {diff}"
            );
            let clean = asked(&["clean", "--all"]).ok();
            assert!(clean.stdout.contains("frees up to"), "{store}: {clean}");
        }
        assert!(!Path::new(&format!("{root}%20")).exists());
        assert_eq!(
            fs::read_dir(lab.place.beside("nix/store")).unwrap().count(),
            0
        );
    });
}

#[test]
fn a_garbage_collection_spares_what_is_linked() {
    each(place, |lab| {
        let root = lab.place.beside("roots/a");
        let store = format!("local?root={}", root.display());
        let built = lab
            .cbox(&["build", "hosts/box", "--store", &store])
            .run()
            .ok();
        let collect = || lab.nix(&["store", "gc", "--store", &store]).run().ok();
        collect();
        assert!(Path::new(built.text()).exists(), "{built}");
        lab.cbox(&["clean", "--all", "--store", &store]).run().ok();
        collect();
        assert!(!Path::new(built.text()).exists(), "{built}");
    });
}

#[test]
fn an_image_is_found_below_the_root() {
    each(image, |lab| {
        let root = lab.place.beside("roots/a");
        let store = format!("local://?root={}", root.display());
        let built = lab
            .cbox(&["appliance", "iso", "--store", &store])
            .run()
            .ok();
        let image = built.text();
        assert!(
            image.starts_with(&format!("{}/nix/store/", root.display())),
            "{built}"
        );
        assert_eq!(fs::metadata(image).unwrap().len(), 0x9000);
        // QEMU is told the same file.
        let told = lab.place.beside("told");
        let script = format!("echo \"$@\" >>{}", told.display());
        for arch in ["x86_64", "aarch64"] {
            lab.place.stand_in(&format!("qemu-system-{arch}"), &script);
        }
        lab.place.stand_in_firmware();
        let boot = ["boot", "appliance/iso", "--headless", "--store", &store];
        let firmware = lab.place.beside("firmware");
        lab.cbox(&boot).env("CBOX_FIRMWARE_DIR", firmware).run();
        let told = fs::read_to_string(told).unwrap();
        assert!(told.contains(image), "{image} in {told}");
        // Of the usual store it is none.
        let usual = lab
            .cbox(&["boot", "appliance/iso", "--headless"])
            .run()
            .code(9);
        usual.says(&["hint: build it: `cbox appliance iso`"]);
    });
}

/// A flake with an image of a few sectors.
fn image() -> Place {
    let script = "/bin/mkdir $out; exec >$out/a.iso; /usr/bin/head -c 32769 /dev/zero; printf CD001; \
                  /usr/bin/head -c 4090 /dev/zero";
    let place = Place::flake(&tiny::flake(&[("box", &script_host("box", script))]));
    let config = format!(
        "[[target]]\nkind = \"appliance\"\nformat = \"iso\"\nhost = \"box\"\nsystem = \"{}\"\n\
         attribute = \"system.build.toplevel\"\nartifact = \"a.iso\"\n",
        native()
    );
    place.write("cbox.toml", config);
    place.commit("an image");
    place
}
