//! Targets with several files: the disks of a mirror, and a kernel with its initial RAM disk.

use std::fs;

use serde_json::Value;

use crate::{
    bad_words::fails,
    support::{nix::native, place::Place, tiny},
};

/// Two disks with an MBR each.
const DISKS: &str = "/bin/mkdir $out || mkdir $out\n\
    mbr() { printf '%450s' | tr ' ' '\\000'; printf '\\203\\000\\000\\000\\000\\000\\000\\000\\001'; \
            printf '%51s' | tr ' ' '\\000'; printf '\\125\\252'; printf '%s' \"$1\"; }\n\
    mbr main >$out/main.raw; mbr mirrored >$out/mirror.raw";

/// A kernel for PCs, its initial RAM disk, and the script of iPXE.
const KERNEL: &str = "mkdir $out\n\
    { printf '%514s' | tr ' ' '\\000'; printf HdrS; } >$out/bzImage\n\
    printf 070701 >$out/initrd\n\
    printf '#!ipxe\\nkernel bzImage init=/x/init initrd=initrd quiet ${cmdline}\\ninitrd initrd\\n' >$out/netboot.ipxe";

/// A flake with both.
fn place() -> Place {
    let script = |name: &str, text: &str| {
        let text = format!("PATH=/bin:/usr/bin\n{text}\n");
        tiny::script_host(name, &text)
    };
    let text = format!(
        r#"{{
  outputs = _: {{
    nixosConfigurations._disks.config = {{
      nixpkgs.hostPlatform.system = "{system}";
      system.build.disks = {disks};
      system.build.told = {disks} // {{ passthru.filePath = [ "mirror.raw" "main.raw" ]; }};
      system.build.kernel = {kernel};
    }};
  }};
}}
"#,
        system = native(),
        disks = script("disks", DISKS),
        kernel = script("kernel", KERNEL),
    );
    let place = Place::flake(&text);
    let target = |format: &str, artifact: &str| {
        format!(
            "[[target]]\nkind = \"box\"\nformat = \"{format}\"\nhost = \"_disks\"\n\
             system = \"{}\"\nattribute = \"system.build.{format}\"\n{artifact}\n",
            native()
        )
    };
    let toml = [
        "hosts = []\n".to_owned(),
        target(
            "disks",
            "artifact = [\"main.*\", \"mirror.raw\"]\nbudget = { image = \"1 KiB\" }",
        ),
        target("told", ""),
        target("kernel", "artifact = [\"bzImage\", \"initrd\", \"*.ipxe\"]"),
    ];
    place.write("cbox.toml", toml.concat());
    place.commit("targets");
    place
}

#[test]
fn each_file_has_its_line_its_checksum_and_its_record() {
    let place = place();
    let plan = place.cbox(&["box", "disks", "--dry-run"]).run().ok();
    assert!(
        plan.stdout
            .contains("artifact    main.*\n  artifact    mirror.raw\n"),
        "{plan}"
    );
    let run = place.cbox(&["box", "disks"]).run().ok();
    assert_eq!(
        run.text(),
        "out/box-disks/main.raw\nout/box-disks/mirror.raw"
    );
    run.says(&[
        "box/disks, main.raw: 516 B, sha256 ",
        "box/disks, mirror.raw: 520 B, sha256 ",
    ])
    .says(&["box/disks is larger than cbox.toml allows: its image is 1.0 kB"]);
    let sums = place.call("sha256sum").args(["-c", "box-disks.sha256"]);
    let sums = sums.folder(place.path("out")).run().ok();
    assert_eq!(
        sums.text(),
        "box-disks/main.raw: OK\nbox-disks/mirror.raw: OK"
    );
    let manifest = place.manifest("box-disks");
    assert_eq!(manifest["artifact"], manifest["artifacts"][0]);
    assert_eq!(manifest["artifacts"][1]["path"], "mirror.raw");
    assert_eq!(manifest["schema"], 2);
    let status = place.cbox(&["status", "--json"]).run().ok().json();
    assert_eq!(
        status["links"][0]["manifest"]["artifacts"], manifest["artifacts"],
        "{status}"
    );
    let status = place.cbox(&["status"]).run().ok();
    assert!(status.stdout.contains("1.0 kB"), "{status}");
    let size = place
        .cbox(&["size", "box/disks", "--json"])
        .run()
        .code(14)
        .json();
    let image = &size["size"]["image"];
    assert_eq!(
        (&image["size"], &image["others"][0]["size"]),
        (&516.into(), &520.into())
    );
    // A second run changes nothing, and removal takes all of it.
    let record = || {
        let mut manifest = place.manifest("box-disks");
        manifest["linkedAt"] = 0.into();
        manifest
    };
    let before = record();
    place.cbox(&["box", "disks"]).run().ok();
    assert_eq!(record(), before);
    place.cbox(&["clean", "box/disks"]).run().ok();
    assert!(
        !place
            .names("out")
            .iter()
            .any(|name| name.starts_with("box-disks"))
    );
}

#[test]
fn a_derivation_can_name_them_itself_and_a_mistake_is_told() {
    let place = place();
    let run = place.cbox(&["box", "told"]).run().ok();
    assert_eq!(run.text(), "out/box-told/mirror.raw\nout/box-told/main.raw");
    place.edit("cbox.toml", "\"mirror.raw\"", "\"gone.raw\"");
    fails(
        &place,
        &["box", "disks"],
        9,
        &["matches `gone.raw`", "it holds main.raw, mirror.raw"],
    );
    place.edit("cbox.toml", "\"gone.raw\"", "\"ma*\"");
    fails(
        &place,
        &["box", "disks"],
        9,
        &["several patterns of `artifact` match main.raw"],
    );
    place.edit("cbox.toml", "[\"main.*\", \"ma*\"]", "[\"main.*\", 7]");
    fails(
        &place,
        &["build", "box/disks"],
        3,
        &["cbox.toml:8:", "expected a string"],
    );
    assert!(!place.path("out/box-disks").exists());
}

#[test]
fn the_one_to_write_is_named() {
    let place = place();
    place.ask(&["box", "disks"]);
    let drive = place.beside("drive");
    fs::write(&drive, [0xaa; 4096]).unwrap();
    let words = [
        "flash",
        "box/disks",
        drive.to_str().unwrap(),
        "--file",
        "--erase",
        "drive",
    ];
    let with = |more: &[&'static str]| [&words[..], more].concat();
    fails(
        &place,
        &with(&[]),
        2,
        &[
            "box/disks has 2 files: main.raw, mirror.raw",
            "hint: name the one to write: `--artifact main.raw`",
        ],
    );
    fails(
        &place,
        &with(&["--artifact", "miror.raw"]),
        2,
        &[
            "box/disks has no file miror.raw",
            "did you mean `mirror.raw`?",
        ],
    );
    assert_eq!(fs::read(&drive).unwrap(), [0xaa; 4096]);
    let run = place.cbox(&with(&["--artifact", "mirror.raw"])).run().ok();
    assert!(
        run.text().starts_with("mirror.raw of box/disks is on "),
        "{run}"
    );
    assert_eq!(fs::read(&drive).unwrap()[512..520], *b"mirrored");
}

/// What QEMU is told, in one line, and the result.
fn booted(place: &Place, words: &[&str]) -> (String, Value) {
    let arguments = place.beside("arguments");
    let script = format!(
        "case \" $* \" in *' -nodefaults '*) exit 1 ;; esac\nprintf '%s\\n' \"$@\" >'{}'\necho up",
        arguments.display()
    );
    for arch in ["x86_64", "aarch64"] {
        place.stand_in(&format!("qemu-system-{arch}"), &script);
    }
    place.stand_in_firmware();
    let call = place.cbox(&[&["boot"], words, &["--until", "up", "--json"]].concat());
    let run = call
        .env("CBOX_FIRMWARE_DIR", place.beside("firmware"))
        .run()
        .ok();
    let told = fs::read_to_string(arguments).unwrap().replace('\n', " ");
    (told, run.json())
}

#[test]
fn disks_are_attached_side_by_side_and_a_kernel_is_started() {
    let place = place();
    place.ask(&["build", "box/disks", "box/kernel"]);
    let (told, result) = booted(&place, &["box", "disks"]);
    let place_of = |words: &str| {
        told.find(words)
            .unwrap_or_else(|| panic!("{words} in {told}"))
    };
    assert!(place_of("/main.raw") < place_of("/mirror.raw"));
    assert!(
        told.contains("drive=image,bootindex=0 ") && told.contains("drive=image1 "),
        "{told}"
    );
    let others = &result["boot"]["image"]["others"];
    assert_eq!(others.as_array().unwrap().len(), 1, "{result}");
    let keep = ["boot", "box/disks", "--keep", "../state", "--until", "x"];
    fails(
        &place,
        &keep,
        2,
        &["box/disks has 2 disks", "leave out `--keep`"],
    );

    let (told, result) = booted(&place, &["box", "kernel"]);
    let line = match cfg!(target_arch = "x86_64") {
        true => " -append init=/x/init quiet console=ttyS0,115200n8 ",
        false => " -append init=/x/init quiet ",
    };
    assert!(
        told.contains("/bzImage -initrd /nix/store/") && told.contains(line),
        "{told}"
    );
    assert!(result["boot"]["image"].is_null());
    assert!(
        result["boot"]["kernel"]
            .as_str()
            .unwrap()
            .ends_with("/bzImage")
    );
    let keep = ["boot", "box/kernel", "--as", "disk", "--until", "x"];
    fails(
        &place,
        &keep,
        2,
        &["box/kernel is a kernel with its initial RAM disk"],
    );
    place.edit("cbox.toml", "\"initrd\", ", "");
    place.ask(&["box", "kernel"]);
    fails(
        &place,
        &["boot", "box/kernel"],
        11,
        &[
            "box/kernel has a kernel, and no file that can be its initial RAM disk: bzImage, netboot.ipxe",
            "boot them by hand",
        ],
    );
}
