//! `cbox init` in flakes that were made without cbox in mind.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rustix::process::Signal;

use super::support::{
    nix::{self, native},
    place::Place,
    processes, quoted, unique, wait_until,
};

/// What a host of these flakes is made of, with nothing of nixpkgs.
const LIBRARY: &str = r#"
rec {
  run = name: system: script: derivation {
    inherit name system;
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  host = name: system: build: {
    config.nixpkgs.hostPlatform.system = system;
    config.networking.hostName = name;
    config.system.build = build;
  };
  # mkdir is no word of the shell, so an output is one file.
  machine = name: system: host name system {
    toplevel = run name system "echo ${name} > $out";
  };
}
"#;

/// A place with these files. `None` where there is no Nix.
fn flake(files: &[(&str, &str)]) -> Place {
    nix::real();
    let place = Place::empty("repo");
    place.write("lib.nix", LIBRARY);
    for (path, text) in files {
        place.write(path, text.replace("SYSTEM", &native()));
    }
    place.make_repository();
    place
}

/// One host in `flake.nix`, another that is an image, and one that does not evaluate.
fn in_one_file() -> Place {
    flake(&[(
        "flake.nix",
        r#"{
  outputs = _: let inherit (import ./lib.nix) host machine run; in {
    nixosConfigurations.laptop = machine "laptop" "SYSTEM";
    nixosConfigurations.cd = host "cd" "aarch64-linux" {
      toplevel = throw "not looked at";
      isoImage = run "cd" "aarch64-linux" "echo cd > $out";
    };
    nixosConfigurations.old = throw "the old host is gone";
  };
}"#,
    )])
}

/// The target names that `cbox list` shows.
fn listed(place: &Place) -> Vec<String> {
    let list = place.cbox(&["list", "--json"]).run().ok().json();
    let targets = list["targets"].as_array().unwrap().iter();
    targets
        .map(|target| target["target"].as_str().unwrap().to_owned())
        .collect()
}

/// The hosts that `cbox hosts` shows, with their kinds.
fn kinds(place: &Place) -> Vec<(String, String)> {
    let hosts = place.cbox(&["hosts", "--json"]).run().ok().json();
    let word = |host: &serde_json::Value, key: &str| host[key].as_str().unwrap().to_owned();
    let hosts = hosts["hosts"].as_array().unwrap().iter();
    hosts
        .map(|host| (word(host, "host"), word(host, "kind")))
        .collect()
}

/// Accepts what the machines build, and verifies that.
fn accept_and_verify(place: &Place) {
    place.commit("cbox");
    place.cbox(&["accept"]).run().ok();
    place.commit("baseline");
    place.cbox(&["verify-hosts"]).run().ok();
}

#[test]
fn hosts_in_one_file_are_listed() {
    let place = in_one_file();
    let init = place.cbox(&["init"]).run().ok();
    let hosts = init
        .stdout
        .replace(&format!("laptop  {:13}", native()), "laptop  <system>     ");
    insta::assert_snapshot!(hosts, @"
    HOST    SYSTEM         TARGETS
    cd      aarch64-linux  cd/iso
    laptop  <system>       hosts/laptop
    old     left out
    ");
    // Two evaluate at once, and who is told of first is chance.
    let said = init
        .stderr
        .lines()
        .filter(|line| !line.starts_with("evaluat"));
    let said = said.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(place.stable(&said), @r#"
    looking for hosts
    failed: evaluating old after <time>
    warning: host `old` does not evaluate: the old host is gone
      at flake.nix:8:31:
      7|     };
      8|     nixosConfigurations.old = throw "the old host is gone";
       |                               ^
      9|   };
    wrote cbox.toml
    added /out/, where the images go, to .gitignore
    what was left out is there as a comment, with the reason
    next:
      cbox list
      cbox cd iso --dry-run
      git add cbox.toml .gitignore && git commit
      cbox accept
    "#);
    insta::assert_snapshot!("cbox_toml", place.read("cbox.toml"));
    assert_eq!(place.read(".gitignore"), "/out/\n");
    let mode = fs::metadata(place.path("cbox.toml")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o644);

    assert_eq!(listed(&place), ["cd/iso", "hosts/laptop"]);
    let expected = [("cd", "image"), ("laptop", "install")];
    assert_eq!(
        kinds(&place),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    // The host is left as it is, so it is what plain Nix builds.
    let plain = place.plain_eval("nixosConfigurations.cd.config.system.build.isoImage.drvPath");
    assert_eq!(place.drv(&["cd", "iso"]), plain);
    let dry = place.cbox(&["cd", "iso", "--dry-run"]).run().ok();
    assert!(dry.text().contains("(aarch64-linux)"), "{dry}");
    place
        .cbox(&["cd", "iso", "x86_64"])
        .run()
        .code(11)
        .says(&["cbox.toml offers aarch64-linux"]);
    place.cbox(&["build", "hosts/laptop"]).run().ok();
    assert_eq!(place.read("out/hosts-laptop"), "laptop\n");
    place
        .cbox(&["build", "hosts/cd"])
        .run()
        .code(2)
        .says(&["is not a machine", "build cd/iso"]);
    let wrong = place.cbox(&["build", "hosts/laptp"]).run().code(2);
    wrong.says(&["there is no host `laptp` in cbox.toml", "laptop"]);
    accept_and_verify(&place);
}

#[test]
fn hosts_that_are_folders_are_left_to_them() {
    let place = flake(&[
        (
            "flake.nix",
            r#"{
  outputs = _: let
    library = import ./lib.nix;
    host = name: _: import (./hosts + "/${name}") (library // { inherit name; });
  in { nixosConfigurations = builtins.mapAttrs host (builtins.readDir ./hosts); };
}"#,
        ),
        (
            "hosts/web.example.org/default.nix",
            "{ machine, name, ... }: machine name \"SYSTEM\"",
        ),
        (
            "hosts/db_1/default.nix",
            "{ machine, name, ... }: machine name \"SYSTEM\"",
        ),
        (
            "hosts/_live/default.nix",
            "{ host, run, name, ... }: host name \"SYSTEM\" { isoImage = run name \"SYSTEM\" \"echo 1 > $out\"; }",
        ),
    ]);
    place.cbox(&["init"]).run().ok();
    let text = place.read("cbox.toml");
    assert!(!text.contains("hosts ="), "{text}");
    assert_eq!(
        listed(&place),
        ["live/iso", "hosts/db_1", "hosts/web.example.org"]
    );
    place.cbox(&["live", "iso", "--dry-run"]).run().ok();
    place.cbox(&["build", "hosts/web.example.org"]).run().ok();
    assert_eq!(place.read("out/hosts-web.example.org"), "web.example.org\n");
    accept_and_verify(&place);
    // A new folder is a new machine, without another look.
    place.write(
        "hosts/new/default.nix",
        format!("{{ machine, name, ... }}: machine name \"{}\"", native()),
    );
    place.commit("new");
    let verdict = place.cbox(&["verify-hosts"]).run().code(1);
    assert!(verdict.text().contains("added"), "{verdict}");
}

/// What flake-parts does, as far as it matters here.
const PARTS: &str = r#"{
  outputs = _: {
    lib.mkFlake = { inputs }: { systems, perSystem, flake }:
      flake // {
        packages = builtins.listToAttrs (map (system: {
          name = system;
          value = (perSystem { inherit system; }).packages;
        }) systems);
      };
  };
}"#;

/// In the style of flake-parts, and with image variants.
#[test]
fn hosts_out_of_parts_with_image_variants() {
    let place = flake(&[
        (
            "flake.nix",
            r#"{
  inputs.parts.url = "path:PARTS";
  outputs = inputs: let inherit (import ./lib.nix) host run; in inputs.parts.lib.mkFlake { inherit inputs; } {
    systems = [ "SYSTEM" ];
    perSystem = { system }: { packages.hello = run "hello" system "echo > $out"; };
    flake.nixosConfigurations.server = host "server" "SYSTEM" {
      toplevel = run "server" "SYSTEM" "echo server > $out";
      images.kiosk = import ./tree.nix "SYSTEM" "kiosk" // { passthru.filePath = "x/kiosk[1].img"; };
      images.nameless = run "nameless" "SYSTEM" "echo > $out";
      images.broken = throw "not looked at";
    };
  };
}"#,
        ),
        // Without mkdir a folder comes out of an archive.
        (
            "tree.nix",
            r#"system: name: derivation {
  inherit name system;
  builder = "builtin:unpack-channel";
  channelName = "x";
  src = ./image.tar;
}"#,
        ),
    ]);
    let parts = place.beside("parts");
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("flake.nix"), PARTS).unwrap();
    place.edit("flake.nix", "PARTS", parts.to_str().unwrap());
    let made = place.beside("tmp").join("made");
    fs::create_dir_all(made.join("top")).unwrap();
    fs::write(made.join("top/kiosk[1].img"), "an image\n").unwrap();
    let made = made.to_str().unwrap();
    place
        .call("tar")
        .args(["-C", made, "-cf", "image.tar", "top"])
        .run()
        .ok();
    place.nix(&["flake", "lock"]).run().ok();
    place.commit("locked");

    place.cbox(&["init"]).run().ok();
    assert_eq!(
        listed(&place),
        [
            "server/broken",
            "server/kiosk",
            "server/nameless",
            "hosts/server"
        ]
    );
    let dry = place.cbox(&["server", "kiosk", "--dry-run"]).run().ok();
    assert!(dry.text().contains("x/kiosk[1].img"), "{dry}");
    let built = place.cbox(&["server", "kiosk"]).run().ok();
    assert!(
        built.text().ends_with("out/server-kiosk/x/kiosk[1].img"),
        "{built}"
    );
    assert_eq!(
        place.manifest("server-kiosk")["artifact"]["path"],
        "x/kiosk[1].img"
    );
    // Which file of it is the image, only a look at what was built can tell.
    place.cbox(&["server", "nameless", "--dry-run"]).run().ok();
    assert!(
        place
            .ask(&["server", "nameless"])
            .ends_with("out/server-nameless")
    );
    assert_eq!(place.manifest("server-nameless")["artifact"]["path"], "");
    place.cbox(&["server", "broken", "--dry-run"]).run().code(7);
    accept_and_verify(&place);
}

#[test]
fn nothing_is_written_over() {
    let place = in_one_file();
    for there in ["# mine\n", "[broken"] {
        place.write("cbox.toml", there);
        let refused = place.cbox(&["init"]).run().code(3);
        refused.says(&["cbox.toml already exists", "move it away", "--print"]);
        assert_eq!(place.read("cbox.toml"), there);
        let printed = place.cbox(&["init", "--print"]).run().ok();
        assert!(printed.text().contains("kind = \"cd\""), "{printed}");
        assert_eq!(place.read("cbox.toml"), there);
    }
    assert_eq!(
        place.names(""),
        [".git", "cbox.toml", "flake.nix", "lib.nix"]
    );
    // What is printed is what would be written, and nothing else is on standard output.
    let printed = place.cbox(&["init", "--print"]).run().ok();
    fs::remove_file(place.path("cbox.toml")).unwrap();
    let init = place.cbox(&["init", "--json"]).run().ok().json();
    let init = &init["init"];
    assert_eq!(place.read("cbox.toml"), printed.stdout);
    assert_eq!(init["content"], printed.stdout);
    assert_eq!(
        (&init["written"], &init["gitignore"]),
        (&true.into(), &true.into())
    );
    assert_eq!(init["hosts"][0]["targets"], serde_json::json!(["cd/iso"]));
    assert_eq!(init["hosts"][1]["kind"], "install");
    let why = init["hosts"][2]["reason"].as_str().unwrap();
    assert!(why.contains("the old host is gone"), "{why}");
}

#[test]
fn a_host_that_needs_a_build_to_be_evaluated_says_so() {
    let place = flake(&[(
        "flake.nix",
        r#"{
  outputs = _: let inherit (import ./lib.nix) host machine run; in {
    nixosConfigurations.plain = machine "plain" "SYSTEM";
    nixosConfigurations.asks = host (import (run "name" "SYSTEM" "echo '\"asks\"' > $out")) "SYSTEM" {
      toplevel = run "asks" "SYSTEM" "echo asks > $out";
    };
  };
}"#,
    )]);
    place.cbox(&["init"]).run().ok();
    // What the file says to do, done.
    place.edit(
        "cbox.toml",
        "import-from-derivation = false",
        "import-from-derivation = true",
    );
    let text = place.read("cbox.toml");
    let line = text.lines().find(|line| line.contains("\"asks\"")).unwrap();
    place.edit("cbox.toml", line, "  \"asks\",");
    accept_and_verify(&place);
    assert_eq!(listed(&place), ["hosts/asks", "hosts/plain"]);
}

#[test]
fn gitignore_gains_a_line_only_where_it_needs_one() {
    let place = in_one_file();
    for (before, after) in [
        ("out\n", "out\n"),
        ("/out/", "/out/"),
        ("result\n*.iso", "result\n*.iso\n/out/\n"),
    ] {
        place.write(".gitignore", before);
        place.cbox(&["init"]).run().ok();
        assert_eq!(place.read(".gitignore"), after);
        fs::remove_file(place.path("cbox.toml")).unwrap();
    }
    // Without a repository there is nobody to tell.
    fs::remove_dir_all(place.path(".git")).unwrap();
    fs::remove_file(place.path(".gitignore")).unwrap();
    let init = place.cbox(&["init"]).run().ok();
    assert!(!init.stderr.contains("git add"), "{init}");
    assert_eq!(place.names(""), ["cbox.toml", "flake.nix", "lib.nix"]);
}

#[test]
fn a_flake_below_the_top_and_named_from_elsewhere() {
    let place = flake(&[(
        "nix/flake.nix",
        "{ outputs = _: { nixosConfigurations.a = (import ../lib.nix).machine \"a\" \"SYSTEM\"; }; }",
    )]);
    let init = place.cbox(&["init", "--flake", "nix"]).run().ok();
    init.says(&["wrote nix/cbox.toml", "nix/.gitignore", "cd /"]);
    assert_eq!(place.names("nix"), [".gitignore", "cbox.toml", "flake.nix"]);
    let below = place.cbox(&["build", "hosts/a"]).folder(place.path("nix"));
    below.run().ok();
    assert_eq!(place.read("nix/out/hosts-a"), "a\n");
}

#[test]
fn what_is_no_flake_with_hosts_is_refused() {
    let place = in_one_file();
    let files = place.names("");
    let refused = |text: &str, code: i32, words: &[&str]| {
        place.write("flake.nix", text);
        place.cbox(&["init"]).run().code(code).says(words);
        assert_eq!(place.names(""), files, "{text}");
    };
    refused(
        "{ outputs = _: { }; }",
        3,
        &["flake.nix has no hosts in nixosConfigurations"],
    );
    refused(
        "{ outputs = _: { nixosConfigurations = { }; }; }",
        3,
        &["has no hosts in nixosConfigurations"],
    );
    refused(
        "{ outputs = _: throw \"oh\"; }",
        7,
        &["flake.nix does not evaluate", "oh"],
    );
    refused("{ outputs = ", 7, &["does not evaluate", "syntax error"]);
    refused(
        "{ outputs = _: { nixosConfigurations.a = throw \"oh\"; }; }",
        7,
        &["host `a` does not evaluate", "oh"],
    );
    refused(
        "{ inputs.x.url = \"path:/nowhere\"; outputs = _: { }; }",
        4,
        &["flake.lock", "`nix flake lock`"],
    );
    fs::remove_file(place.path("flake.nix")).unwrap();
    let nowhere = place.cbox(&["init"]).run().code(3);
    let folder = place
        .path("")
        .to_str()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    nowhere.says(&[&format!("there is no flake.nix in {folder} or above it")]);
    place
        .cbox(&["init", "--prnt"])
        .run()
        .code(2)
        .says(&["--print"]);
    assert_eq!(place.names(""), [".git", "lib.nix"]);
}

#[test]
fn a_flake_that_git_does_not_track_is_found_all_the_same() {
    let place = in_one_file();
    place.git(&["rm", "--quiet", "--cached", "flake.nix", "lib.nix"]);
    place.cbox(&["init"]).run().ok();
    fs::remove_file(place.path("cbox.toml")).unwrap();
    // Nix would lock nothing here.
    place.write(
        "flake.nix",
        "{ inputs.x.url = \"path:/nowhere\"; outputs = _: { }; }",
    );
    place
        .cbox(&["init"])
        .run()
        .code(4)
        .says(&["`git add flake.nix`"]);
}

#[test]
fn an_interrupted_search_leaves_nothing() {
    let place = in_one_file();
    let word = unique();
    let started = place.beside("started");
    // An evaluation that does not end.
    place.stand_in(
        "nix",
        &format!(
            "case \"$*\" in *laptop*) : > '{}'; exec sleep 1000;; esac\nexec {} \"$@\"",
            started.display(),
            quoted(nix::real())
        ),
    );
    let running = place.cbox(&["init"]).env("WORD", &word).start();
    wait_until("a host is evaluated", || started.exists());
    running.signal(Signal::INT);
    running.wait().code(130);
    assert_eq!(place.names(""), [".git", "flake.nix", "lib.nix"]);
    assert_eq!(processes::with_word(&word), Vec::<String>::new());
}

#[test]
fn a_host_whose_name_can_be_no_target_is_left_out_and_said() {
    for name in [
        "a b",
        "user@box",
        "b\u{fc}ro",
        "-x",
        "a/b",
        "a\\nb",
        "a\\\"b",
        "a\\${b}",
    ] {
        let text = format!(
            r#"{{ outputs = _: let inherit (import ./lib.nix) machine; in {{
                nixosConfigurations."{name}" = machine "top" "SYSTEM";
                nixosConfigurations.good = machine "good" "SYSTEM";
            }}; }}"#
        );
        let place = flake(&[("flake.nix", &text)]);
        let run = place.cbox(&["init", "--print"]).run().ok();
        assert!(run.text().contains("good"), "{run:?}");
        assert!(
            run.text().contains("cannot be a part of a target"),
            "{run:?}"
        );
        // A name that is none does not keep the flake from being used.
        place.cbox(&["init"]).run().ok();
        place.drv(&["build", "good"]);
    }
}

#[test]
fn a_host_that_needs_quotes_is_built() {
    for name in ["mysystem.example.com", "if", "a+b"] {
        let text = format!(
            r#"{{ outputs = _: let inherit (import ./lib.nix) machine; in {{
                nixosConfigurations."{name}" = machine "top" "SYSTEM";
            }}; }}"#
        );
        let place = flake(&[("flake.nix", &text)]);
        place.cbox(&["init"]).run().ok();
        place.drv(&["build", name]);
    }
}
