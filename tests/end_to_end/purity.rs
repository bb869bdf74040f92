//! An image never contains an image: no change of what is no source changes a derivation.

use crate::support::place::Place;

/// All targets of the mini box, as words of the command line.
const TARGETS: [&[&str]; 8] = [
    &["appliance", "iso", "x86_64"],
    &["appliance", "iso", "aarch64"],
    &["appliance", "qcow2", "x86_64"],
    &["appliance", "qcow2", "aarch64"],
    &["appliance", "raw", "x86_64"],
    &["appliance", "raw", "aarch64"],
    &["build", "hosts/mini-thinkcentre"],
    &["build", "hosts/mini-arm64"],
];

/// The derivations of all targets.
fn drvs(place: &Place) -> Vec<String> {
    TARGETS.iter().map(|target| place.drv(target)).collect()
}

/// A mini box with an image built in it, and a copy of the image.
fn with_image() -> (Place, Vec<u8>) {
    let place = Place::minibox();
    let image = place.ask(&["appliance", "iso"]);
    let image = std::fs::read(place.path(image)).unwrap();
    (place, image)
}

/// Shows that a change leaves the derivation of every target as it is.
#[track_caller]
fn changes_nothing(change: impl FnOnce(&Place)) {
    let place = Place::minibox();
    let before = drvs(&place);
    change(&place);
    assert_eq!(drvs(&place), before);
}

/// Shows that the built image in the tree at `path` leaves every derivation as it is.
#[track_caller]
fn image_changes_nothing_at(path: &str) {
    let (place, image) = with_image();
    let before = drvs(&place);
    place.write(path, image);
    assert_eq!(drvs(&place), before);
}

#[test]
fn a_build_changes_nothing() {
    changes_nothing(|place| {
        place.ask(&["build", "appliance/iso", "appliance/qcow2"]);
    });
}

#[test]
fn an_image_under_out_changes_nothing() {
    image_changes_nothing_at("out/copy.img");
}

#[test]
fn an_image_called_result_changes_nothing() {
    image_changes_nothing_at("result");
}

#[test]
fn an_image_called_iso_changes_nothing() {
    image_changes_nothing_at("hosts/x.iso");
}

#[test]
fn an_image_under_an_ignored_name_changes_nothing() {
    let (place, image) = with_image();
    place.write(".git/info/exclude", "/scratch*\n");
    let before = drvs(&place);
    place.write("scratch.bin", image);
    assert_eq!(drvs(&place), before);
}

#[test]
fn an_image_under_any_other_name_is_an_error_that_names_it() {
    let (place, image) = with_image();
    place.write("hosts/notes.txt", image);
    let run = place.cbox(&["appliance", "iso"]).run().code(6);
    run.says(&["hosts/notes.txt", "ISO 9660", "hint:", ".gitignore"]);
}

#[test]
fn a_tracked_image_is_an_error_whatever_is_ignored() {
    let (place, image) = with_image();
    place.write("modules/x.iso", image);
    place.git(&["add", "--force", "modules/x.iso"]);
    let run = place.cbox(&["appliance", "iso"]).run().code(6);
    run.says(&["modules/x.iso"]);
}

#[test]
fn every_kind_of_image_is_known_by_its_content() {
    let place = Place::minibox();
    place.ask(&["build", "appliance/iso", "appliance/qcow2", "appliance/raw"]);
    let first_bytes = |slug: &str, file: &str| {
        let name = place.manifest(slug)["artifact"]["path"].clone();
        let image = place.path(format!("out/{slug}/{}", name.as_str().unwrap()));
        assert!(image.to_str().unwrap().ends_with(file));
        let mut head = vec![0; 1 << 16];
        let mut image = std::fs::File::open(image).unwrap();
        std::io::Read::read_exact(&mut image, &mut head).unwrap();
        head
    };
    let mut squashfs = b"hsqs".to_vec();
    squashfs.resize(4096, 0);
    for (name, content, kind) in [
        ("a.md", first_bytes("appliance-iso", ".iso"), "ISO 9660"),
        ("b.nix", first_bytes("appliance-qcow2", ".qcow2"), "qcow2"),
        ("c", first_bytes("appliance-raw", ".raw"), "GPT"),
        ("d.lock", squashfs, "squashfs"),
    ] {
        place.write(name, content);
        let run = place.cbox(&["source", "hash"]).run().code(6);
        run.says(&[name, kind]);
        std::fs::remove_file(place.path(name)).unwrap();
    }
}

#[test]
fn images_of_other_tools_are_known_by_their_content() {
    let place = Place::minibox();
    let with = |marks: &[(usize, &[u8])]| {
        let mut content = vec![0; 1 << 16];
        for (offset, mark) in marks {
            content[*offset..offset + mark.len()].copy_from_slice(mark);
        }
        content
    };
    // A Linux partition of 1 MiB behind the first one, and the signature.
    let partition = [0x80, 0, 2, 0, 0x83, 0, 34, 0, 0, 8, 0, 0, 0, 8, 0, 0];
    let signature: (usize, &[u8]) = (510, &[0x55, 0xaa]);
    for (name, content, kind) in [
        ("a.md", with(&[(446, &partition), signature]), "MBR"),
        ("b.nix", with(&[(0, b"KDMV")]), "VMDK"),
        ("c", with(&[(0x40, &[0x7f, 0x10, 0xda, 0xbe])]), "VDI"),
        ("modules/d.lock", with(&[(0, b"vhdxfile")]), "VHDX"),
        ("hosts/e.txt", with(&[(0x438, &[0x53, 0xef])]), "ext4"),
    ] {
        place.write(name, content);
        let run = place.cbox(&["source", "hash"]).run().code(6);
        run.says(&[name, kind, "hint:"]);
        std::fs::remove_file(place.path(name)).unwrap();
    }
    // The signature alone is no disk.
    place.write("boot-sector", with(&[signature]));
    place.ask(&["source", "hash"]);
}

#[test]
fn an_empty_commit_changes_nothing() {
    changes_nothing(|place| place.commit("empty"));
}

#[test]
fn a_change_of_the_readme_changes_nothing() {
    changes_nothing(|place| place.write("README.md", "# Other\n"));
}

#[test]
fn a_file_in_crates_changes_nothing() {
    changes_nothing(|place| place.write("crates/x/src/main.rs", "fn main() {}\n"));
}

#[test]
fn the_baseline_and_ci_files_change_nothing() {
    changes_nothing(|place| {
        place.write("baseline.json", "{}\n");
        place.write(".ci/run", "make test\n");
        place.commit("more");
    });
}

#[test]
fn an_out_folder_that_is_not_ignored_is_no_source() {
    let place = Place::minibox();
    let build = ["appliance", "iso", "--out-dir", "images"];
    let before = place.drv(&build);
    place.ask(&build);
    assert!(place.path("images/appliance-iso.json").is_file());
    let plan = place.cbox(&[&build[..], &["--drv", "--json"]].concat());
    let plan = plan.run().ok().json();
    assert_eq!(plan["targets"][0]["drvPath"], before.as_str());
    let listed = plan["targets"][0]["reference"].as_str().unwrap();
    let manifest = place.read("images/appliance-iso.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let source = manifest["source"]["storePath"].as_str().unwrap();
    assert!(listed.contains(source), "{listed} is not {source}");
}

#[test]
fn a_source_that_is_baked_changes_the_images_and_no_machine() {
    let place = Place::minibox();
    let before = drvs(&place);
    place.write("modules/unused.nix", "{ }\n");
    let after = drvs(&place);
    for (target, (before, after)) in TARGETS.iter().zip(before.iter().zip(&after)) {
        assert_eq!(before == after, target[0] == "build", "{target:?}");
    }
}

#[test]
fn plain_nix_gives_the_same_derivation_of_a_host() {
    let place = Place::minibox();
    for host in ["mini-thinkcentre", "mini-arm64"] {
        let plain = format!("nixosConfigurations.\"{host}\".config.system.build.toplevel.drvPath");
        let target = format!("hosts/{host}");
        assert_eq!(
            place.drv(&["build", &target]),
            place.plain_eval(&plain),
            "{host}"
        );
    }
}

/// An image is forced to a system; on x86_64 that is the one that the flake has anyway.
#[test]
#[cfg(target_arch = "x86_64")]
fn plain_nix_gives_the_same_derivation_of_an_image() {
    let place = Place::minibox();
    for (format, host, attribute) in [
        ("iso", "_appliance_iso", "isoImage"),
        ("raw", "_appliance-disk", "diskoImages"),
    ] {
        let plain =
            format!("nixosConfigurations.\"{host}\".config.system.build.{attribute}.drvPath");
        let drv = place.drv(&["appliance", format]);
        assert_eq!(drv, place.plain_eval(&plain), "{format}");
    }
}
