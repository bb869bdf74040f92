//! What is said to somebody who is new to cbox, or who knows Nix better: the cause and the way
//! out, of what goes wrong first.

use crate::{
    bad_words::{check, fails, one_error},
    support::{nix::native, place::Place, tiny},
};

/// A flake without a cbox.toml, with two hosts.
fn two_hosts() -> Place {
    Place::flake(&tiny::scripts(&[
        ("box", "echo box > $out"),
        ("hetznercloud", "echo cloud > $out"),
    ]))
}

#[test]
fn a_cache_that_cannot_be_written_to_is_no_fault_of_the_flake() {
    let place = two_hosts();
    let folder = place.path("").canonicalize().unwrap();
    let reference = format!("git+file://{}?ref=main", folder.display());
    for args in [
        &["build", "box", "--drv"][..],
        &["list", "--flake", &reference],
    ] {
        let run = place.cbox(args).env("XDG_CACHE_HOME", "/dev/null");
        let run = run.run().code(5);
        one_error(&run);
        run.says(&[
            "Nix cannot write to its cache in /dev/null/nix",
            "`XDG_CACHE_HOME=DIR`",
            "`NIX_CACHE_HOME=DIR`",
        ]);
    }
}

#[test]
fn an_option_before_its_command_belongs_behind_it() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (
                &["-L", "build", "x"],
                2,
                &["`-L` is an option of `cbox build`", "`cbox build -L …`"],
            ),
            (
                &["-j", "2", "build", "x"],
                2,
                &["`-j` is an option of `cbox build`"],
            ),
            (
                &["--drv", "appliance", "iso"],
                2,
                &["`cbox appliance --drv …`"],
            ),
            (&["-L", "list"], 2, &["`cbox list` builds nothing"]),
        ],
    );
}

#[test]
fn words_of_nix_and_ssh_are_understood_as_such() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (&["build", ".#"], 2, &["`cbox build .#HOST`"]),
            (
                &["build", "nixpkgs#hello"],
                2,
                &["no flake in a folder `nixpkgs`", "`flake:nixpkgs#hello`"],
            ),
            (
                &["diff", "nobody@127.0.0.1", "mini-arm64"],
                2,
                &["`ssh://nobody@127.0.0.1`"],
            ),
            (
                &["build", "appliance/iso", "--no-out-link"],
                2,
                &["`--no-out-link`", "`cbox build TARGET --no-link`"],
            ),
            (
                &["list", "--flake", "./flake.nix"],
                3,
                &["./flake.nix is a file", "`.`"],
            ),
        ],
    );
}

#[test]
fn a_slip_in_a_host_is_said_wherever_the_host_stands() {
    let place = two_hosts();
    let near = ["no host `hetzner`", "did you mean `hetznercloud`?"];
    for args in [
        &["build", ".#hetzner"][..],
        &["diff", "HEAD:hetzner", "box"],
        &["image", "hetzner", "iso"],
    ] {
        let run = place.cbox(args).run().code(2);
        one_error(&run);
        run.says(&near);
    }
    fails(
        &place,
        &["build", ".#nope"],
        2,
        &["no host `nope`", "there are `box` and `hetznercloud`"],
    );
    let said = ["`appliance` is not a target", "no host `appliance`"];
    for command in ["build", "size"] {
        fails(&place, &[command, "appliance", "iso"], 2, &said);
    }
}

#[test]
fn a_flake_without_a_cbox_toml_is_not_told_of_what_is_in_one() {
    let place = two_hosts();
    fails(
        &place,
        &["matrix"],
        3,
        &["there is no cbox.toml in", "`cbox init` writes one"],
    );
    let no_hosts = format!(
        r#"{{ outputs = _: {{ packages.{}.a = {}; }}; }}"#,
        native(),
        tiny::script_host("a", "echo > $out")
    );
    place.write("flake.nix", no_hosts);
    place.commit("no hosts");
    let run = fails(
        &place,
        &["init"],
        3,
        &["no image among its packages for", "package = \"packages."],
    );
    assert!(!run.stderr.contains("`cbox init` writes"), "{run}");
    let run = fails(
        &place,
        &["accept"],
        3,
        &["no install host", "all hosts in nixosConfigurations"],
    );
    assert!(!run.stderr.contains("hosts/<name>/"), "{run}");
}

#[test]
fn one_link_is_enough_for_what_nix_fetched_beside_another_flake() {
    let place = two_hosts();
    let folder = place.path("").canonicalize().unwrap();
    let word = format!("git+file://{}?ref=main#box", folder.display());
    let refused = fails(&place, &["build", &word], 2, &["`--out-link PATH`"]);
    assert!(refused.stderr.contains("--no-link"), "{refused}");
    place.ask(&["build", &word, "-o", "result"]);
    assert_eq!(place.read("result"), "box\n");
    assert!(!place.path("out").exists());
    place.ask(&["build", &word, "-o", "result", "--out-dir", "other"]);
    assert_eq!(place.read("other/hosts-box"), "box\n");
}

#[test]
fn hosts_of_different_systems_are_called_so() {
    let place = Place::flake(&tiny::flake(&[
        ("here", &tiny::script_host("box", "echo a > $out")),
        (
            "there",
            &tiny::script_host("box", "echo a > $out").replace(&native(), "riscv64-linux"),
        ),
        ("other", &tiny::script_host("box", "echo b > $out")),
    ]));
    let said = place.ask(&["diff", "here", "there"]);
    let first = format!(
        "they are for different systems: {} and riscv64-linux",
        native()
    );
    assert_eq!(said.lines().next(), Some(first.as_str()), "{said}");
    let said = place.ask(&["diff", "here", "other"]);
    assert!(!said.contains("different systems"), "{said}");
}
