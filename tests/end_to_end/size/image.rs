//! The sizes of images: the system in them, and the file.

use super::{
    super::support::{place::Place, stand_in::count, unique},
    build_as_said,
};

/// The mini box with a host of its own, its ISO built.
fn built() -> Place {
    let place = Place::minibox();
    place.write("hosts/_appliance_iso/word.txt", unique());
    place.ask(&["appliance", "iso"]);
    place
}

#[test]
fn one_question_tells_what_is_there() {
    let place = built();
    let log = place.log_nix();
    place.ask(&["size", "appliance/iso"]);
    let calls = log.take();
    let questions = ["path-info --json --recursive", " path-info /nix/store/"];
    assert_eq!(
        questions.map(|words| count(&calls, words)),
        [1, 1],
        "{calls:#?}"
    );
}

#[test]
fn an_image_is_as_large_as_the_system_in_it() {
    let place = built();
    let json = place.cbox(&["size", "appliance/iso", "--json"]).run().ok();
    let size = &json.json()["size"];
    let artifact = &place.manifest("appliance-iso")["artifact"];
    assert_eq!(size["image"]["size"], artifact["size"]);
    assert_eq!(size["isToplevel"], true);
    assert!(size["closure"]["pathCount"].as_u64().unwrap() > 3);
    let why = place
        .cbox(&["size", "appliance/iso", "--why", "nixos-repo"])
        .run();
    let why = why.ok();
    assert!(why.stdout.contains("toplevel → etc → nixos-repo"), "{why}");

    // The output of the image refers to nothing.
    let link = place.cbox(&["size", "out/appliance-iso"]).run().ok();
    assert!(link.stdout.contains("in 1 path, 1 package"), "{link}");
    link.says(&["refers to nothing else; to see what is in an image, name its target"]);
    place.cbox(&["size", "appliance/is"]).run().code(2).says(&[
        "the kind `appliance` has no format `is`",
        "did you mean `iso`?",
    ]);
    let slip = place.cbox(&["size", "appliance/iso", "--against", "appliance/isso"]);
    slip.run().code(2).says(&["did you mean `appliance/iso`"]);
    // The forced option makes it another image, which nobody has built.
    let other = [
        "size",
        "appliance/iso",
        "--set",
        "networking.hostName=other",
    ];
    place
        .cbox(&other)
        .run()
        .code(9)
        .says(&["nix build --no-link '"]);
}

#[test]
fn a_system_that_was_collected_says_what_builds_it() {
    let place = built();
    let json = place
        .cbox(&["size", "appliance/iso", "--json"])
        .run()
        .ok()
        .json();
    let root = json["size"]["storePath"].as_str().unwrap().to_owned();
    place.nix(&["store", "delete", &root]).run().ok();
    let run = place.cbox(&["size", "appliance/iso"]).run().code(9);
    let run = run.says(&["the system in appliance/iso is no longer in the store"]);
    build_as_said(&place, &run);
    place.cbox(&["size", "appliance/iso"]).run().ok();
}

#[test]
fn a_host_without_a_toplevel_has_an_output() {
    let place = Place::minibox();
    place.edit(
        "flake.nix",
        "lib = import ./lib;",
        r#"lib = import ./lib;
      without = host: {
        extendModules = modules: without (host.extendModules modules);
        config = host.config // {
          system = host.config.system // {
            build = removeAttrs host.config.system.build [ "toplevel" ];
          };
        };
      };"#,
    );
    place.edit(
        "flake.nix",
        "lib.discoverHosts ./hosts;",
        "builtins.mapAttrs (_: without) (lib.discoverHosts ./hosts);",
    );
    place.ask(&["appliance", "iso"]);
    let run = place.cbox(&["size", "appliance/iso"]).run().ok();
    assert!(run.stdout.contains("in 1 path, 1 package"), "{run}");
    run.says(&["the host of appliance/iso has no config.system.build.toplevel"]);
}
