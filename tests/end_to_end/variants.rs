//! Flakes without a `cbox.toml`: what their hosts offer is listed, built and kept.

use std::{fs, process::Command};

use super::support::{
    nix::{self, native},
    place::Place,
};

/// What these hosts are made of, with nothing of nixpkgs. `extendModules` is there as NixOS has
/// it, for the system alone.
const LIBRARY: &str = r#"
rec {
  run = name: system: script: derivation {
    inherit name system;
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  # mkdir is no word of the shell, so a folder comes out of an archive.
  folder = name: system: src: derivation {
    inherit name system src;
    builder = "builtin:unpack-channel";
    channelName = "x";
  };
  host = name: default: build: rec {
    config.nixpkgs.hostPlatform.system = default;
    config.networking.hostName = name;
    config.system.build = build default;
    extendModules = { modules }: host name (builtins.head modules).config.nixpkgs.hostPlatform.content build;
  };
}
"#;

/// Three hosts: one as nixpkgs has them now, one that is an image itself, and one with nothing.
const FLAKE: &str = r#"{
  outputs = _: let inherit (import ./lib.nix) host folder run; in {
    nixosConfigurations = {
      box = host "box" "SYSTEM" (system: {
        toplevel = run "box" system "echo box ${system} > $out";
        images = {
          qemu = folder "qemu" system ./one.tar // { passthru.filePath = "x/disk.bin"; };
          found = folder "found" system ./one.tar;
          two = folder "two" system ./two.tar;
          none = folder "none" system ./none.tar;
          amazon = throw "this one needs a licence";
        };
      });
      card = host "card" "aarch64-linux" (system: {
        toplevel = run "card" system "echo card > $out";
        sdImage = folder "card" system ./one.tar;
        diskoImages = run "disko" system "";
      });
      bare = host "bare" "SYSTEM" (system: { toplevel = run "bare" system "echo bare > $out"; });
    };
  };
}"#;

fn place() -> Place {
    nix::real();
    let place = Place::empty("repo");
    place.write("lib.nix", LIBRARY);
    place.write("flake.nix", FLAKE.replace("SYSTEM", &native()));
    place.write(".gitignore", "/out/\n");
    let qcow2 = &b"QFI\xfb and more"[..];
    archive(&place, "one", &[("disk.bin", qcow2), ("readme", b"a")]);
    archive(&place, "two", &[("disk.bin", qcow2), ("other.bin", qcow2)]);
    archive(&place, "none", &[("a", b"a"), ("b", b"b")]);
    place.make_repository();
    place
}

/// An archive of `files`, from which a derivation makes a folder.
fn archive(place: &Place, name: &str, files: &[(&str, &[u8])]) {
    let made = place.beside("tmp").join(name);
    fs::create_dir_all(made.join("top")).unwrap();
    for (file, content) in files {
        fs::write(made.join("top").join(file), content).unwrap();
    }
    let made = made.to_str().unwrap();
    let file = format!("{name}.tar");
    let tar = place.call("tar").args(["-C", made, "-cf", &file, "top"]);
    tar.run().ok();
}

#[test]
fn hosts_are_listed_with_what_they_offer() {
    let place = place();
    let list = place.cbox(&["list"]).run().ok();
    let text = list
        .stdout
        .replace(&format!("{:13}", native()), "<system>     ");
    insta::assert_snapshot!(text, @"
    HOST  SYSTEM         IMAGES
    bare  <system>       none
    box   <system>       amazon found none qemu two
    card  aarch64-linux  sd-card
    ");
    let list =
        list.says(&["`cbox list box` shows each image, and `cbox image box amazon` builds one"]);
    // It is remembered, names and all.
    let again = place.cbox(&["list", "-vv"]).run().ok();
    assert_eq!(again.stdout, list.stdout);
    assert!(!again.stderr.contains("nix eval"), "{again}");
    let one = place.cbox(&["list", "box"]).run().ok();
    let text = one.stdout.replace(&native(), "<system>");
    insta::assert_snapshot!(text, @"
    TARGET      SYSTEM        FROM       OPTION
    hosts/box   <system>  the flake  system.build.toplevel
    box/amazon  <system>  the flake  system.build.images.amazon
    box/found   <system>  the flake  system.build.images.found
    box/none    <system>  the flake  system.build.images.none
    box/qemu    <system>  the flake  system.build.images.qemu
    box/two     <system>  the flake  system.build.images.two
    ");
    let json = place.cbox(&["list", "--json"]).run().ok().json();
    let targets = json["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 9, "{json}");
    let card = targets
        .iter()
        .find(|it| it["target"] == "card/sd-card")
        .unwrap();
    assert_eq!(card["option"], "system.build.sdImage");
    assert_eq!(card["systems"], serde_json::json!(["aarch64-linux"]));
    place
        .cbox(&["list", "boks"])
        .run()
        .code(2)
        .says(&["the flake has no host `boks`", "did you mean `box`?"]);
}

#[test]
fn of_many_hosts_only_the_names_are_asked_for() {
    let place = place();
    let many: String = (0..9)
        .map(|number| format!("nixosConfigurations.h{number} = throw \"is evaluated\"; "))
        .collect();
    let flake = format!("{{ outputs = _: {{ {many} }}; }}");
    place.write("flake.nix", flake);
    let list = place.cbox(&["list"]).run().ok();
    assert_eq!(list.stdout.matches("not looked at").count(), 9, "{list}");
    list.says(&["`cbox list --all` at all of them"]);
    let named = place.cbox(&["list", "h1"]).run().code(7);
    named.says(&["host `h1` does not evaluate: is evaluated"]);
    place
        .cbox(&["list", "--all"])
        .run()
        .code(7)
        .says(&["does not evaluate"]);
}

#[test]
fn what_a_host_offers_is_built_and_found() {
    let place = place();
    let plain =
        |attribute: &str| place.plain_eval(&format!("nixosConfigurations.{attribute}.drvPath"));
    for variant in ["qemu", "found"] {
        let drv = place.drv(&["image", "box", variant]);
        assert_eq!(
            drv,
            plain(&format!("box.config.system.build.images.{variant}"))
        );
        // Neither the system of this machine nor any other is forced.
        let built = place.cbox(&["image", "box", variant]).run().ok();
        assert_eq!(built.text(), format!("out/box-{variant}/x/disk.bin"));
        let manifest = place.manifest(&format!("box-{variant}"));
        assert_eq!(manifest["target"], format!("box/{variant}"));
        assert_eq!(manifest["overrides"], serde_json::json!([]));
    }
    // A system that is asked for is forced, on a host for another one too.
    let drv = place.drv(&["image", "card", "sd-card"]);
    assert_eq!(drv, plain("card.config.system.build.sdImage"));
    let forced = place.drv(&["image", "card", "sd-card", &native()]);
    assert_ne!(drv, forced);
    let slug = format!("card-sd-card-{}", native());
    place.ask(&["image", "card", "sd-card", &native()]);
    assert_eq!(place.manifest(&slug)["system"], native());

    // Every command knows it, in both spellings.
    for words in [&["box", "qemu"][..], &["box/qemu"]] {
        let with = |command: &'static str| [&[command], words].concat();
        let drv = place.drv(&with("build"));
        assert_eq!(drv, place.drv(&["image", "box", "qemu"]));
        prints(&place, &with("status"), &["box/qemu", "current"]);
        let matrix = place.cbox(&with("matrix")).run().ok().json();
        assert_eq!(matrix["include"][0]["host"], "box");
        prints(&place, &with("size"), &["box/qemu"]);
        place
            .cbox(&[&["diff"], words, &["box/found"]].concat())
            .run()
            .ok();
        // No drive takes such an image, but it is the one that is meant.
        let flash = [&with("flash")[..], &["./no-drive"]].concat();
        let flash = place.cbox(&flash).run().code(11);
        flash.says(&["box/qemu is a qcow2 image"]);
        let clean = [&with("clean")[..], &["--dry-run"]].concat();
        prints(&place, &clean, &["would remove box/qemu"]);
    }
    let two = place
        .cbox(&["build", "box", "qemu", "card", "sd-card", "bare", "--drv"])
        .run();
    assert_eq!(two.ok().stdout.lines().count(), 3);
}

#[test]
fn machines_are_watched_over_without_a_cbox_toml() {
    let place = place();
    place.cbox(&["accept"]).run().ok();
    place.commit("baseline");
    prints(&place, &["verify-hosts"], &["bare", "box", "card"]);
    place.edit("flake.nix", "echo bare >", "echo barer >");
    let changed = place.cbox(&["verify-hosts"]).run().code(1);
    assert!(
        changed.stdout.contains("changed") && changed.stdout.contains("bare"),
        "{changed}"
    );
    place
        .cbox(&["verify-hosts", "--base", "HEAD"])
        .run()
        .code(1);
    prints(&place, &["hosts"], &["bare", "box", "card"]);
}

/// Shows that a call prints these words.
#[track_caller]
fn prints(place: &Place, words: &[&str], expected: &[&str]) {
    let run = place.cbox(words).run().ok();
    for word in expected {
        assert!(run.stdout.contains(word), "no `{word}` in {run}");
    }
}

/// Derivations that are no part of a host, as nixos-generators makes them.
#[test]
fn a_package_of_the_flake_is_a_target() {
    let place = place();
    let packages = format!(
        "packages = {{ {0}.image = folder \"image.qcow2\" \"{0}\" ./one.tar; \
         aarch64-linux.image = folder \"other\" \"aarch64-linux\" ./one.tar; {0}.text = \"no\"; }};\n\
         nixosConfigurations = {{",
        native()
    );
    place.edit("flake.nix", "nixosConfigurations = {", &packages);
    let config = |package: &str, more: &str| {
        let text = format!(
            "hosts = []\n[[target]]\nkind = \"vm\"\nformat = \"amazon\"\npackage = \"{package}\"\n{more}"
        );
        place.write("cbox.toml", text);
    };
    let own = format!("packages.{}.image", native());
    config(&own, "");
    assert_eq!(
        place.drv(&["vm", "amazon"]),
        place.plain_eval(&format!("{own}.drvPath"))
    );
    assert_eq!(place.ask(&["vm", "amazon"]), "out/vm-amazon/x/disk.bin");
    assert_eq!(place.manifest("vm-amazon")["system"], native());
    prints(&place, &["list"], &["vm/amazon", &own]);
    prints(&place, &["vm", "amazon", "--dry-run"], &["package", &own]);
    prints(&place, &["status"], &["vm/amazon", "current"]);
    prints(&place, &["size", "vm", "amazon"], &["vm/amazon"]);
    place
        .cbox(&["vm", "amazon", "--set", "a=1"])
        .run()
        .code(2)
        .says(&["nothing can be set on vm/amazon"]);

    // It is found by its name, and what `cbox init` writes builds it.
    let written = place.ask(&["init", "--print"]);
    assert!(
        written.contains(&format!("package = \"{own}\"")),
        "{written}"
    );
    assert!(!written.contains(".text"), "{written}");
    place.write("cbox.toml", written);
    assert_eq!(
        place.drv(&["package", "image"]),
        place.drv(&["build", "package/image"])
    );

    config("packages.{system}.image", "");
    let other = place.drv(&["vm", "amazon", "aarch64"]);
    assert_eq!(
        other,
        place.plain_eval("packages.aarch64-linux.image.drvPath")
    );
    config(&format!("packages.{}.text", native()), "");
    let text = place.cbox(&["vm", "amazon"]).run().code(3);
    text.says(&[".text` of the flake is not a derivation", "package ="]);
    config(&format!("packages.{}.imago", native()), "");
    let gone = place.cbox(&["vm", "amazon"]).run().code(3);
    gone.says(&["the flake has no `packages.", "imago`"]);
}

#[test]
fn an_output_can_be_the_image_itself() {
    let place = place();
    let image = format!(
        "packages.{0}.disk = run \"disk.img\" \"{0}\" \"echo an image > $out\";\n\
         nixosConfigurations = {{",
        native()
    );
    place.edit("flake.nix", "nixosConfigurations = {", &image);
    let config = |more: &str| {
        let text = format!(
            "hosts = []\n[[target]]\nkind = \"vm\"\nformat = \"disk\"\n\
             package = \"packages.{{system}}.disk\"\n{more}"
        );
        place.write("cbox.toml", text);
    };
    for more in ["", "artifact = \"*.img\"\n"] {
        config(more);
        assert_eq!(place.ask(&["vm", "disk"]), "out/vm-disk");
        let file = fs::read_to_string(place.path("out/vm-disk")).unwrap();
        assert_eq!(file, "an image\n");
        // The checksum is one that others can check.
        let check = Command::new("sha256sum")
            .args(["--check", "--quiet", "vm-disk.sha256"])
            .current_dir(place.path("out"))
            .status();
        assert!(check.unwrap().success());
        prints(&place, &["status"], &["vm/disk", "current"]);
    }
    config("artifact = \"*.iso\"\n");
    let wrong = place.cbox(&["vm", "disk"]).run().code(9);
    wrong.says(&["disk.img is a file, and its name does not match `*.iso`"]);
    place.cbox(&["clean", "vm", "disk"]).run().ok();
    for gone in ["vm-disk", "vm-disk.json", "vm-disk.sha256"] {
        let gone = place.path("out").join(gone);
        assert!(gone.symlink_metadata().is_err(), "{}", gone.display());
    }
}

#[test]
fn what_is_not_there_is_said_with_what_there_is() {
    let place = place();
    for (words, code, says) in [
        (
            &["image", "boks", "qemu"][..],
            2,
            &["the flake has no host `boks`", "did you mean `box`?"][..],
        ),
        (
            &["image", "box", "qmeu"],
            2,
            &[
                "host `box` has no image variant `qmeu`",
                "did you mean `qemu`?",
            ],
        ),
        (
            &["image", "box"],
            2,
            &[
                "which image of `box`?",
                "there are amazon, found, none, qemu, two",
            ],
        ),
        (
            &["image", "bare"],
            2,
            &["which image of `bare`?", "offers none"],
        ),
        (
            &["image", "bare", "iso"],
            2,
            &["host `bare` offers no image", "nixpkgs 25.05"],
        ),
        (
            &["image", "box", "amazon"],
            7,
            &[
                "variant `amazon` of host `box` does not evaluate: this one needs a licence",
                "flake.nix:",
            ],
        ),
        (
            &["image", "box", "two"],
            9,
            &["has 2 images: x/disk.bin, x/other.bin", "artifact ="],
        ),
        (
            &["image", "box", "none"],
            9,
            &["has no image that cbox can tell", "it holds x/a, x/b"],
        ),
        (
            &["image", "box", "qemu", "x 86"],
            2,
            &["`x 86` is not a system"],
        ),
        (&["box", "qemu"], 2, &["`cbox image box <VARIANT>`"]),
        (
            &["boot", "box", "qemu"],
            9,
            &["box/qemu is not built yet", "`cbox image box qemu`"],
        ),
    ] {
        let run = place.cbox(words).run();
        let run = run.code(code);
        let run = run.says(says);
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
    }
    // What was looked at once is known at once.
    place.cbox(&["list"]).run().ok();
    let slip = place.cbox(&["image", "box", "qmeu"]).run().code(2);
    let slip = slip.says(&["did you mean `qemu`?"]);
    assert!(!slip.stderr.contains("evaluating"), "{slip}");
    let none = "{ outputs = _: { }; }";
    place.write("flake.nix", none);
    for words in [&["list"][..], &["image", "box", "iso"], &["hosts"]] {
        let run = place.cbox(words).run().code(3);
        run.says(&["flake.nix has no hosts in nixosConfigurations"]);
    }
}

#[test]
fn a_cbox_toml_comes_first_and_leaves_the_rest_within_reach() {
    let place = place();
    place.write(
        "cbox.toml",
        "hosts = [\"box\"]\n[[target]]\nkind = \"box\"\nformat = \"qemu\"\nhost = \"card\"\n\
         attribute = \"system.build.sdImage\"\nsystem = \"aarch64-linux\"\n",
    );
    let run = place.cbox(&["image", "box", "qemu", "--drv"]).run().ok();
    let run = run.says(&["box/qemu is a target of cbox.toml, an image of `card`"]);
    assert_eq!(
        run.stderr.matches("target of cbox.toml").count(),
        1,
        "{run}"
    );
    assert_eq!(run.text(), place.drv(&["box", "qemu"]));
    // What it does not name is there still, and so is a host that it leaves out.
    let found = place.drv(&["image", "box", "found"]);
    assert_eq!(found, place.drv(&["build", "box/found"]));
    place.ask(&["image", "card", "sd-card", "--drv"]);
    prints(&place, &["list"], &["box/qemu   card"]);
    let list = place.ask(&["list", "card"]);
    assert!(
        list.contains("cbox.toml") && list.contains("card/sd-card"),
        "{list}"
    );
    // One link cannot be two images.
    place.edit(
        "cbox.toml",
        "kind = \"box\"\nformat = \"qemu\"",
        "kind = \"box-found\"\nformat = \"x\"",
    );
    place.edit("flake.nix", "found =", "found-x =");
    place
        .cbox(&["image", "box", "found-x", "--drv"])
        .run()
        .code(3)
        .says(&["would share the link out/box-found-x"]);
}

#[test]
fn two_variants_never_share_a_link() {
    let place = place();
    place.edit("flake.nix", "found = ", "x-found = ");
    place.edit(
        "flake.nix",
        "bare = host",
        "box-x = host \"box-x\" \"aarch64-linux\" (system: { images.found = run \"f\" system \"\"; }); bare = host",
    );
    place.ask(&["image", "box", "x-found"]);
    let link = place.link("box-x-found");
    let other = place.cbox(&["image", "box-x", "found"]).run().code(10);
    other.says(&["out/box-x-found is the link of box/x-found", "--out-dir"]);
    assert_eq!(place.link("box-x-found"), link);
    let boot = place.cbox(&["boot", "box-x/found"]).run().code(9);
    boot.says(&["box-x/found is not built yet"]);
}

#[test]
fn what_was_found_is_completed() {
    let place = place();
    place.cbox(&["list"]).run().ok();
    let complete = |words: &[&str]| {
        let words = [&["--", "cbox"], words].concat();
        let run = place.cbox(&words).env("COMPLETE", "fish").run().ok();
        let value = |line: &str| line.split('\t').next().unwrap().to_owned();
        run.stdout.lines().map(value).collect::<Vec<String>>()
    };
    assert_eq!(complete(&["image", ""]), ["bare", "box", "card"]);
    assert_eq!(complete(&["image", "card", ""]), ["sd-card"]);
    assert_eq!(
        complete(&["image", "card", "sd-card", ""]),
        ["aarch64-linux", "x86_64-linux"]
    );
    assert_eq!(complete(&["list", "b"]), ["bare", "box"]);
    assert_eq!(complete(&["build", "box/t"]), ["box/two"]);
    assert_eq!(complete(&["boot", "card/"]), ["card/sd-card"]);
    assert!(complete(&["build", "box", ""]).contains(&"found".to_owned()));
}
