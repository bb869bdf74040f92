//! `cbox size`: what is in a closure, what pulled it in, and what changed.

mod budget;
mod image;
mod page;

use rustix::process::Signal;

use crate::support::{
    call::Ended, nix::native, place::Place, processes, stand_in::count, unique, wait_until,
};

/// Runs the `nix build` that an error names, which has to work.
#[track_caller]
fn build_as_said(place: &Place, run: &Ended) {
    let command = run
        .stderr
        .split('`')
        .find(|part| part.starts_with("nix build"));
    let command = command.unwrap().replace(
        "nix build",
        "nix --extra-experimental-features 'nix-command flakes' build",
    );
    place.call("sh").args(["-c", &command]).run().ok();
}

/// A flake whose host needs texts in the store: `(name, length, references)`. The first is
/// its toplevel; each stands before those that it refers to.
fn host_of(paths: &[(&str, usize, &[&str])]) -> String {
    let of = |references: &[&str]| {
        let references = references.iter().map(|name| format!("${{p.\"{name}\"}} "));
        references.collect::<String>()
    };
    let texts: String = paths[1..]
        .iter()
        .map(|(name, length, references)| {
            let references = of(references);
            format!("    \"{name}\" = text \"{name}\" {length} \"{references}\";\n")
        })
        .collect();
    let (name, _, references) = paths[0];
    format!(
        r#"{{
  outputs = inputs: let
    text = name: length: references: builtins.toFile name
      (references + builtins.concatStringsSep "" (builtins.genList (_: "x") length));
    p = {{
{texts}    }};
    box = {{
      config.nixpkgs.hostPlatform.system = "{system}";
      config.networking.hostName = "box";
      config.system.build.toplevel = derivation {{
        name = "{name}";
        system = "{system}";
        builder = "/bin/sh";
        args = [ "-c" "echo {references}>$out" ];
      }};
    }};
  in {{ nixosConfigurations.box = box; }};
}}
"#,
        system = native(),
        references = of(references),
    )
}

/// A system with a word in it that makes it no other test's.
fn system(word: &str, coder: &str, length: usize) -> String {
    let root = format!("nixos-system-box-1.{}", word.replace('-', "."));
    host_of(&[
        (&root, 0, &["etc", "system-path"]),
        ("etc", 10, &["unit-coder.service"]),
        ("system-path", 10, &[coder, "vim-9.1"]),
        ("unit-coder.service", 10, &[coder]),
        (coder, length, &["glibc-2.40-66", "sqlite-3.46"]),
        ("vim-9.1", 3000, &["glibc-2.40-66"]),
        ("sqlite-3.46", 2000, &[]),
        ("glibc-2.40-66", 9000, &[]),
    ])
}

fn built(word: &str) -> Place {
    let place = Place::flake(&system(word, "coder-2.24.1", 5000));
    place.ask(&["build", "hosts/box"]);
    place
}

#[test]
fn the_largest_come_first_with_what_pulled_them_in() {
    let place = built("largest-first");
    let calls = place.log_nix();
    let run = place.cbox(&["size", "hosts/box"]).run().ok();
    assert_eq!(count(&calls.take(), "path-info --json --recursive"), 1);
    // What sqlite takes goes with coder; what glibc takes, vim needs too.
    insta::assert_snapshot!(run.stdout.replace(&native(), "<system>"), @"
    hosts/box (<system>)
      closure  20.5 kB in 8 paths, 8 packages
    PACKAGE                                SIZE    SHARE      FREES  PULLED IN BY
    glibc 2.40-66                        9.1 kB   44.5 %     9.1 kB  system packages → coder-2.24.1
    coder 2.24.1                         5.2 kB   25.6 %     7.3 kB  system packages
    vim 9.1                              3.2 kB   15.5 %     3.2 kB  system packages
    sqlite 3.46                          2.1 kB   10.3 %     2.1 kB  system packages → coder-2.24.1
    system-path                           232 B    1.1 %     3.4 kB  toplevel
    nixos-system-box 1.largest.first      216 B    1.1 %    20.5 kB
    etc                                   192 B    0.9 %      376 B  toplevel
    unit-coder.service                    184 B    0.9 %      184 B  etc
    ");

    let short = place.cbox(&["size", "box", "--top", "1"]).run().ok();
    assert_eq!(short.lines().len(), 5, "{short}");
    assert!(
        short.stdout.contains("and 7 more packages with "),
        "{short}"
    );
    let all = place.cbox(&["size", "out/hosts-box", "--all"]).run().ok();
    assert_eq!(all.lines()[1..], run.lines()[1..]);

    let json = place.cbox(&["size", "box", "--json"]).run().ok().json();
    let size = &json["size"];
    let packages = size["packages"].as_array().unwrap();
    let sum: u64 = packages
        .iter()
        .map(|one| one["size"].as_u64().unwrap())
        .sum();
    assert_eq!(size["closure"]["size"], sum);
    assert_eq!(size["closure"]["pathCount"], 8);
    assert_eq!(size["storePath"], place.link("hosts-box"));
    assert_eq!(size["isToplevel"], true);
    let coder = packages.iter().find(|one| one["name"] == "coder").unwrap();
    assert_eq!(coder["versions"][0], "2.24.1");
    assert_eq!(coder["way"][0], "system packages");
}

#[test]
fn every_way_to_a_package_is_shown() {
    let place = built(&unique());
    let why = |word: &str| place.cbox(&["size", "hosts/box", "--why", word]).run();
    let coder = why("coder").ok();
    insta::assert_snapshot!(coder.stdout, @"
    coder 2.24.1: 5.2 kB in 1 path, 25.6 % of the closure; without it 7.3 kB would go
    2 ways:
      toplevel → system packages → coder-2.24.1
      toplevel → etc → coder.service → coder-2.24.1
    ");
    assert_eq!(why("coder-2.24.1").ok().stdout, coder.stdout);
    let sqlite = why("sqlite").ok();
    assert_eq!(sqlite.lines()[1], "every way leads through coder-2.24.1");
    assert_eq!(
        why("coder.service").ok().lines()[1],
        "every way leads through etc"
    );
    let json = place
        .cbox(&["size", "box", "--why", "sqlite", "--json"])
        .run();
    assert_eq!(
        json.ok().json()["size"]["why"]["onlyWay"][0],
        "coder-2.24.1"
    );
    why("codr").code(2).says(&[
        "there is no package `codr` in the closure of hosts/box",
        "did you mean `coder`?",
    ]);
    why("firefox")
        .code(2)
        .says(&["`cbox size hosts/box --all` lists them"]);
}

#[test]
fn what_is_not_built_is_not_built_by_asking() {
    let place = Place::flake(&system(&unique(), "coder-2.24.1", 5000));
    let calls = place.log_nix();
    let run = place.cbox(&["size", "hosts/box"]).run().code(9);
    let run = run.says(&[
        "error: hosts/box has not been built in its current state",
        "`cbox build hosts/box` builds it",
    ]);
    assert_eq!(run.stdout, "");
    let calls = calls.take();
    assert_eq!(count(&calls, "flakes build "), 0, "{calls:?}");
    assert_eq!(place.names("out"), [""; 0]);
    let json = place.cbox(&["size", "hosts/box", "--json"]).run().code(9);
    assert_eq!(json.json()["error"]["kind"], "artifact");
}

#[test]
fn a_build_is_compared_with_another() {
    let word = unique();
    let place = built(&word);
    let old = place.link("hosts-box");
    place.git(&["tag", "v1"]);
    let newer = system(&word, "coder-2.25.0", 6500)
        .replace("\"vim-9.1\"", "\"helix-25.01\"")
        .replace("text \"sqlite-3.46\" 2000", "text \"sqlite-3.46\" 500");
    place.write("flake.nix", newer);
    place.ask(&["build", "hosts/box"]);

    for other in ["v1", "HEAD", "v1:box", "v1:hosts/box", &old] {
        let run = place.cbox(&["size", "hosts/box", "--against", other]).run();
        let run = run.ok();
        let [_, _, against, changes @ ..] = &run.lines()[..] else {
            panic!("{run}")
        };
        assert!(against.starts_with("against "), "{run}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(changes.join("\n"), @"
            PACKAGE                   CHANGE                SIZE  PULLED IN BY
            helix 25.01              +3.2 kB     came     3.2 kB  system packages
            vim 9.1                  -3.2 kB     went        0 B  system packages
            coder 2.24.1 → 2.25.0    +1.5 kB     grew     6.7 kB  system packages
            sqlite 3.46              -1.5 kB   shrank      616 B  system packages → coder-2.25.0
            system-path                 +8 B     grew      240 B  toplevel
            packages: 1 changed, 1 added, 1 removed; closure 20.5 kB → 20.5 kB (+8 B)
               coder 2.24.1 → 2.25.0
              +helix 25.01
              -vim 9.1
            ");
        }
    }
    let same = place.cbox(&["size", "box", "--against", "hosts/box"]).run();
    assert!(
        same.ok()
            .stdout
            .contains("no package came, went, grew or shrank")
    );
    let json = place
        .cbox(&["size", "box", "--against", "v1", "--json"])
        .run();
    let json = json.ok().json();
    assert_eq!(json["size"]["against"]["storePath"], old);
    // The text that names helix is longer than the one that named vim.
    assert_eq!(json["size"]["changes"].as_array().unwrap().len(), 5);
    assert_eq!(json["size"]["changes"][4]["name"], "system-path");
    assert_eq!(place.names("../tmp"), [""; 0]);
}

#[test]
fn a_commit_that_is_not_built_says_what_builds_it() {
    let word = unique();
    let place = Place::flake(&system(&word, "coder-2.24.1", 5000));
    place.write("flake.nix", system(&word, "coder-2.25.0", 6500));
    place.ask(&["build", "hosts/box"]);
    let against = || {
        place
            .cbox(&["size", "hosts/box", "--against", "HEAD"])
            .run()
    };
    let run = against().code(9);
    let run = run.says(&["HEAD:hosts/box has not been built in its current state"]);
    build_as_said(&place, &run);
    against().ok();
}

#[test]
fn what_there_is_not_is_said_in_a_sentence() {
    let place = built(&unique());
    let size = |words: &[&str]| place.cbox(&["size"]).args(words).run();
    for (words, message, hint) in [
        (
            &["hosts/bax"][..],
            "the flake has no host `bax`",
            "did you mean box?",
        ),
        (
            &["box", "--against", "v9"],
            "v9",
            "`git log` shows the commits",
        ),
        (&["out/nothing"], "cannot open out/nothing", "`cbox status`"),
        (
            &["./flake.nix"],
            "flake.nix is not in a store",
            "name a target",
        ),
        (&["/x/y.drv"], "has no size of its own", "name a target"),
        (&[""], "names nothing", "`cbox list`"),
        (
            &["box", "--json", "--html", "-"],
            "both write to standard output",
            "a file",
        ),
        (
            &["box", "--why", "coder", "--against", "HEAD"],
            "cannot be used with",
            "",
        ),
        (&["box", "--top", "many"], "invalid value", ""),
    ] {
        let run = size(words).code(2);
        assert!(!run.stdout.contains("PACKAGE"), "{run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(message) && said.contains(hint), "{run}");
    }
    let missing = format!("/nix/store/{}-nothing", "0".repeat(32));
    size(&[&missing]).code(2).says(&["cannot open"]);
}

#[test]
fn ctrl_c_leaves_the_page_that_is_there() {
    let place = built(&unique());
    place.ask(&["size", "box", "--html", "out/size.html"]);
    let last = place.read("out/size.html");
    place.write("flake.nix", system(&unique(), "coder-3.0", 10));
    place.ask(&["build", "hosts/box"]);
    let (reached, word) = (place.stall("nix", "*' --recursive '*"), unique());
    let running = place
        .cbox(&["size", "box", "--html", "out/size.html"])
        .env("CBOX_TEST_WORD", &word)
        .start();
    wait_until("the store is asked", || reached.exists());
    running.signal(Signal::INT);
    let ended = running.wait().code(130);
    assert_eq!(ended.stdout, "", "{ended}");
    assert_eq!(place.read("out/size.html"), last);
    assert_eq!(
        place.names("out"),
        ["hosts-box", "hosts-box.json", "size.html"]
    );
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
}
