//! What was asked for is what is built, also where a host or a derivation is not of the usual
//! kind; where it cannot be, that is an error.

use crate::{
    bad_words::fails,
    support::{nix::native, place::Place, tiny},
};

/// A flake of a host that brings its own packages, and so is for one system whatever is forced,
/// with targets for it.
fn pinned() -> Place {
    let place = Place::flake(
        r#"{
  outputs = _: let
    host = {
      pkgs.stdenv.hostPlatform.system = "x86_64-linux";
      config.networking.hostName = "live";
      config.system.build.toplevel = host.config.system.build.isoImage;
      config.system.build.isoImage = derivation {
        name = "live.iso"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "" ];
      };
      extendModules = _: host;
    };
  in { nixosConfigurations = { live = host; box = host; }; };
}
"#,
    );
    let target = |kind: &str, systems: &str| {
        format!(
            "[[target]]\nkind = \"{kind}\"\nformat = \"iso\"\nhost = \"live\"\n\
             attribute = \"system.build.isoImage\"\nartifact = \"iso/*.iso\"\n{systems}\n"
        )
    };
    let targets = [
        target("live", "systems = [\"x86_64-linux\", \"aarch64-linux\"]"),
        target("fixed", "system = \"aarch64-linux\""),
    ];
    let config = format!("hosts = [\"box\"]\n{}", targets.concat());
    place.write("cbox.toml", config);
    place.commit("targets");
    place
}

#[test]
fn a_host_that_stays_on_its_own_system_is_no_other() {
    let place = pinned();
    let words = ["`live` is for x86_64-linux", "aarch64-linux was asked for"];
    fails(&place, &["live", "iso", "aarch64"], 11, &words);
    fails(&place, &["build", "live/iso/aarch64", "--drv"], 11, &words);
    fails(&place, &["size", "live", "iso", "aarch64"], 11, &words);
    fails(
        &place,
        &["fixed", "iso"],
        11,
        &[&words[..], &["system = \"x86_64-linux\""]].concat(),
    );
    for setting in [
        "nixpkgs.hostPlatform=aarch64-linux",
        r#"nixpkgs.hostPlatform={"system": "aarch64-linux"}"#,
    ] {
        let words = ["`box` is for x86_64-linux", "aarch64-linux was asked for"];
        fails(&place, &["build", "box", "--set", setting], 11, &words);
    }
    assert!(!place.path("out").exists() || place.names("out").is_empty());
    place.drv(&["live", "iso", "x86_64"]);
    place.drv(&["build", "box"]);
}

#[test]
fn a_system_that_is_set_must_be_that_of_the_target() {
    let place = Place::minibox();
    let other = match native().as_str() {
        "x86_64-linux" => "aarch64-linux",
        _ => "x86_64-linux",
    };
    let setting = format!("nixpkgs.hostPlatform={other}");
    let words = ["was asked for", "--set nixpkgs.hostPlatform"];
    fails(&place, &["appliance", "iso", "--set", &setting], 11, &words);
}

/// A flake whose host `box` is a derivation with these further attributes.
fn unusual(attributes: &str) -> Place {
    let system = native();
    let toplevel = |script: &str, attributes: &str| {
        format!(
            r#"derivation {{ name = "box"; system = "{system}"; builder = "/bin/sh"; args = [ "-c" "{script}" ]; {attributes} }}"#
        )
    };
    let (good, bad) = (toplevel("echo >$out", attributes), toplevel("exit 1", ""));
    Place::flake(&tiny::flake(&[("box", &good), ("bad", &bad)]))
}

#[test]
fn an_output_that_only_a_build_can_tell_is_linked() {
    for attributes in [
        "__contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\";",
        "__impure = true;",
    ] {
        let place = unusual(attributes);
        let cbox = |args: &[&str]| {
            let features = "extra-experimental-features = ca-derivations impure-derivations";
            place.cbox(args).env("NIX_CONFIG", features)
        };
        let words = ["is disabled", "extra-experimental-features = "];
        fails(&place, &["build", "box"], 7, &words);
        cbox(&["build", "box"]).run().ok();
        let link = place.link("hosts-box");
        let manifest = place.manifest("hosts-box");
        assert_eq!(manifest["outPath"], *link, "{manifest}");
        assert!(link.ends_with("-box"), "{link}");
        // Also where another build fails.
        std::fs::remove_file(place.path("out/hosts-box")).unwrap();
        let several = cbox(&["build", "box", "bad"]).run().code(8);
        several.says(&["bad"]);
        if !attributes.contains("impure") {
            assert_eq!(place.link("hosts-box"), link);
            cbox(&["size", "box"]).run().ok();
        }
    }
}

#[test]
fn what_only_git_could_answer_is_said_once() {
    let place = Place::flake(&tiny::flake(&[("box", "import ./box.nix inputs.self")]));
    let host = |expression: &str| {
        let toplevel = format!(
            r#"derivation {{ name = "box"; system = "{}"; builder = "/bin/sh"; args = [ "-c" "echo ${{{expression}}} >$out" ]; }}"#,
            native()
        );
        place.write("box.nix", format!("self:\n{toplevel}"));
        place.commit("a host");
    };
    let attribute = ".#nixosConfigurations.box.config.system.build.toplevel.drvPath";
    for (expression, is_other) in [
        ("self.rev or \"none\"", true),
        ("toString self.lastModified", true),
        ("self.lastModifiedDate", true),
        ("toString (self.revCount or 0)", true),
        ("self.narHash", false),
        ("toString ./.", false),
    ] {
        host(expression);
        let run = place.cbox(&["build", "box", "--drv"]).run().ok();
        let plain = place.nix(&["eval", "--raw", attribute]).run().ok();
        assert_eq!(
            run.text() != plain.text(),
            is_other,
            "{expression}: {run:?}"
        );
        assert_eq!(
            run.stderr.matches("box.nix:2").count(),
            usize::from(is_other),
            "{run:?}"
        );
        assert_eq!(run.stderr.contains("--stamp"), is_other, "{run:?}");
    }
}

#[test]
fn submodules_are_taken_where_the_flake_asks_for_them() {
    let place = Place::flake("{ outputs = _: { }; }");
    place.write("../lib/script.txt", "echo one >$out");
    let lib = place.beside("lib");
    let in_lib = |args: &[&str]| {
        let all = [&["-C", lib.to_str().unwrap()], args].concat();
        place.git(&all).ok();
    };
    in_lib(&["init", "--quiet"]);
    in_lib(&["add", "--all"]);
    in_lib(&["commit", "--quiet", "-m", "one"]);
    let flake = |inputs: &str| {
        let system = native();
        let toplevel = format!(
            r#"derivation {{ name = "box"; system = "{system}"; builder = "/bin/sh"; args = [ "-c" (builtins.readFile ./lib/script.txt) ]; }}"#
        );
        place.write(
            "flake.nix",
            tiny::flake_with_inputs(inputs, &[("box", &toplevel)]),
        );
        place.commit("a flake");
    };
    flake("");
    let local = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
    ];
    place
        .git(&[&local[..], &[lib.to_str().unwrap(), "lib"]].concat())
        .ok();
    place.commit("a submodule");
    // Without a word of the flake's it is left out, and that is said.
    let run = fails(
        &place,
        &["build", "box", "--drv"],
        7,
        &["lib/script.txt", "submodules = true"],
    );
    assert!(
        run.stderr
            .contains("submodules are not staged, as with plain Nix: lib"),
        "{run:?}"
    );
    flake("inputs.self.submodules = true;");
    // In a clone that lacks it nothing is judged.
    let clone = place.beside("clone");
    let from = place.path("");
    let (from, clone) = (from.to_str().unwrap(), clone.to_str().unwrap());
    place.git(&["clone", "--quiet", from, clone]).ok();
    let lacking = place
        .cbox(&["--flake", clone, "build", "box", "--drv"])
        .run()
        .code(6);
    lacking.says(&[
        "submodule lib is not checked out here",
        "git submodule update --init",
    ]);
    let version = place.nix(&["--version"]).run().ok().text().to_owned();
    if version.contains(" 2.26") {
        fails(
            &place,
            &["build", "box", "--drv"],
            7,
            &["submodules", "Nix 2.27 or newer"],
        );
        return;
    }
    let attribute = ".#nixosConfigurations.box.config.system.build.toplevel.drvPath";
    let plain = place
        .nix(&["eval", "--raw", attribute])
        .run()
        .ok()
        .text()
        .to_owned();
    assert_eq!(place.drv(&["build", "box"]), plain);
    // A commit has its own.
    place.git(&["-C", "lib", "rev-parse", "HEAD"]).ok();
    place.write("lib/script.txt", "echo two >$out");
    assert_ne!(place.drv(&["build", "box"]), plain);
    let at = place.cbox(&["diff", "HEAD:box", "box"]).run().ok();
    assert!(at.stdout.contains("two"), "{at:?}");
    let at = place.cbox(&["diff", "HEAD:box", &plain]).run().ok();
    assert!(
        at.stdout.contains("same") || at.stdout.contains("unchanged"),
        "{at:?}"
    );
}
