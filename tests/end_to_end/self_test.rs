//! `cbox verify-hosts --self-test`: files that must not matter do not, and where one does
//! it is caught.

use super::support::{place::Place, tiny};

const SELF_TEST: &[&str] = &["verify-hosts", "--self-test"];

/// A flake whose host `leaky` holds all of the flake, and whose host `tidy` one file.
fn leaky() -> Place {
    let text = |name: &str, source: &str| {
        tiny::script_host(name, "cat $source > $out")
            .replace("system =", &format!("source = {source}; system ="))
    };
    let flake = tiny::flake(&[
        ("leaky", &text("leaky", "\"${inputs.self}/motd\"")),
        ("tidy", &text("tidy", "./motd")),
    ]);
    let place = Place::flake(&flake);
    place.write("motd", "hello\n");
    for host in ["leaky", "tidy"] {
        place.write(format!("hosts/{host}/default.nix"), "{ }\n");
    }
    place.commit("hosts");
    place
}

#[test]
fn nothing_moves_a_host_or_an_image_of_the_mini_box() {
    let place = Place::minibox();
    let before = place
        .git(&["status", "--porcelain", "--ignored"])
        .text()
        .to_owned();
    let ended = place.cbox(SELF_TEST).run().ok();
    insta::assert_snapshot!(place.stable(&ended.stdout), @"
    cbox-self-test/notes.md             not baked       staged, moves nothing
    cbox-self-test.iso                  ignored         not staged
    cbox-self-test.qcow2                ignored         not staged
    cbox-self-test.raw                  ignored         not staged
    cbox-self-test.txt                  not baked       staged, moves nothing
    hosts/_appliance-disk/facter.json   local settings  not staged
    hosts/_appliance-disk/local.nix     local settings  not staged
    hosts/_appliance_iso/facter.json    local settings  not staged
    hosts/_appliance_iso/local.nix      local settings  not staged
    hosts/cbox-self-test/facter.json    ignored         not staged
    hosts/cbox-self-test/local.nix      ignored         not staged
    hosts/mini-arm64/facter.json        local settings  not staged
    hosts/mini-arm64/local.nix          local settings  not staged
    hosts/mini-thinkcentre/facter.json  local settings  not staged
    hosts/mini-thinkcentre/local.nix    local settings  not staged
    out/cbox-self-test                  ignored         not staged
    result                              ignored         not staged
    result-cbox-self-test               ignored         not staged
    hosts/mini-arm64 reads 38 of 54 files
    hosts/mini-thinkcentre reads 38 of 54 files
    18 files in a copy, and none of 8 derivations moved
    ");
    // It worked on a copy, and the copy is gone.
    assert_eq!(
        place.git(&["status", "--porcelain", "--ignored"]).text(),
        before
    );
    assert_eq!(std::fs::read_dir(place.beside("tmp")).unwrap().count(), 0);
}

#[test]
fn a_host_that_copies_the_flake_is_caught() {
    let place = leaky();
    let ended = place.cbox(SELF_TEST).run().code(1);
    let text = ended.text();
    assert!(
        text.contains("cbox-self-test.txt reaches hosts/leaky: source"),
        "{text}"
    );
    assert!(!text.contains("reaches hosts/tidy"), "{text}");
    let error = ended.stderr;
    assert!(
        error.contains("files that must not matter do: cbox-self-test"),
        "{error}"
    );
    assert!(error.contains("hint: bake a filtered source"), "{error}");
    let ended = place
        .cbox(&["verify-hosts", "--self-test", "--json"])
        .run()
        .code(1);
    let leaks = &ended.json()["selfTest"]["leaks"];
    assert_eq!(leaks[0]["target"], "hosts/leaky", "{leaks}");
    assert_eq!(leaks[0]["takenUpBy"], "source", "{leaks}");
    // What is not asked for is not evaluated, so the other host passes alone.
    place
        .cbox(&["verify-hosts", "--self-test", "--host", "tidy"])
        .run()
        .ok();
}

#[test]
fn it_needs_a_repository_and_a_host() {
    let place = leaky();
    let ended = place
        .cbox(&["verify-hosts", "--self-test", "--host", "none"])
        .run()
        .code(2);
    assert!(
        ended.stderr.contains("no host or image has that name"),
        "{}",
        ended.stderr
    );
    std::fs::remove_dir_all(place.path(".git")).unwrap();
    let ended = place.cbox(SELF_TEST).run().code(2);
    assert!(
        ended.stderr.contains("here is no git repository"),
        "{}",
        ended.stderr
    );
}
