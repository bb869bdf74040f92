//! What evaluations read: hosts that read nothing of what changed are not evaluated, and the
//! answer is Nix's all the same.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use crate::support::{nix::native, place::Place, random::Random};

const SELF_TEST: &[&str] = &["verify-hosts", "--self-test"];

/// A flake whose hosts read one thing each, in every way that Nix has.
fn flake() -> String {
    let system = native();
    format!(
        r#"{{
  inputs.part.url = "path:./part";
  outputs = {{ self, part }}: let
    there = path: read: if builtins.pathExists path then read path else "nothing";
    host = name: text: {{
      config.nixpkgs.hostPlatform.system = "{system}";
      config.networking.hostName = name;
      config.system.build.toplevel = derivation {{
        inherit name text;
        system = "{system}";
        builder = "/bin/sh";
      }};
    }};
    # As `lib.fileset.toSource` does: a path of files that are named.
    among = files: path: type: type == "directory" || builtins.elem path files;
    own = root: filter: builtins.path {{ path = root; name = "own"; inherit filter; }};
  in {{
    nixosConfigurations = builtins.mapAttrs host {{
      imports = there ./a/one.nix import;
      reads = there ./a/two (builtins.readFile);
      lists = there ./b (path: toString (builtins.attrNames (builtins.readDir path)));
      kinds = there ./b (path: builtins.toJSON (builtins.readDir path));
      exists = if builtins.pathExists ./a/three then "yes" else "no";
      toml = there ./data.toml (path: builtins.toJSON (builtins.fromTOML (builtins.readFile path)));
      folder = there ./b (path: "${{path}}");
      file = there ./c/one (path: "${{path}}");
      file-too = there ./c/one (path: "${{path}}");
      whole = there ./b (path: own path (path: type: true));
      some = there ./b (path: own path (path: type: type == "directory" || baseNameOf path == "one"));
      fileset = there ./b (path: own path (among [ (toString ./b/two) (toString ./b/three/one) ]));
      relative = part.text;
      source = there ./b (path: toString (builtins.filterSource (path: type: baseNameOf path != "two") path));
      hashes = there ./c/two (builtins.hashFile "sha256");
      type = there ./link (path: builtins.readFileType path);
      through = there ./link (builtins.readFile);
      self-hash = self.narHash;
      self-path = toString ./a;
      self-folder = "${{self}}/b";
      self-seen = there "${{self}}/a/two" builtins.readFile;
      nothing = "nothing";
    }};
  }};
}}
"#
    )
}

fn place() -> Place {
    let place = Place::flake(&flake());
    for file in [
        "a/two",
        "b/one",
        "b/two",
        "b/three/one",
        "c/one",
        "c/two",
        "part/text",
        "part/more",
        "README.md",
    ] {
        place.write(file, format!("{file}\n"));
    }
    place.write("a/one.nix", "\"one\"\n");
    place.write("data.toml", "one = 1\n");
    std::os::unix::fs::symlink("data.toml", place.path("link")).unwrap();
    place.write(
        "part/flake.nix",
        "{ outputs = _: { text = if builtins.pathExists ./text then builtins.readFile ./text else \"nothing\"; }; }\n",
    );
    let hosts = r#"["imports", "reads", "lists", "kinds", "exists", "toml", "folder", "file", "file-too", "whole", "some", "fileset", "relative", "source", "hashes", "type", "through", "self-hash", "self-path", "self-folder", "self-seen", "nothing"]"#;
    place.write("cbox.toml", format!("hosts = {hosts}\n"));
    place.git(&["add", "--all"]);
    let features = ["--extra-experimental-features", "nix-command flakes"];
    let lock = place.call("nix").args(features).args(["flake", "lock"]);
    lock.run().ok();
    place.commit("files");
    place.cbox(&["accept"]).run().ok();
    place.commit("accepted");
    place
}

/// What each host evaluates to, by cbox, and the hosts that it did not evaluate for that.
fn by_cbox(place: &Place) -> (BTreeMap<String, String>, Vec<String>) {
    let judge = ["verify-hosts", "--format", "json", "--explain", "none"];
    let report = place.cbox(&judge).run().json();
    let hosts = &report["verifyHosts"]["hosts"];
    let mut skipped = Vec::new();
    let mut drvs = BTreeMap::new();
    for host in hosts.as_array().unwrap() {
        let name = host["host"].as_str().unwrap().to_owned();
        if !host["notRead"].is_null() {
            skipped.push(name.clone());
        }
        let drv = host["now"]["drvPath"].as_str();
        drvs.insert(name, drv.unwrap_or_else(|| panic!("{host}")).to_owned());
    }
    (drvs, skipped)
}

/// The same, by Nix alone. (baseline.json is never staged, and so no part of `self`.)
fn by_nix(place: &Place) -> BTreeMap<String, String> {
    let staged = place.ask(&["source", "ref"]);
    let hosts = format!("{}#nixosConfigurations", staged.trim());
    let drvs = "builtins.mapAttrs (_: host: host.config.system.build.toplevel.drvPath)";
    let run = place.call("nix").args([
        "--extra-experimental-features",
        "nix-command flakes",
        "eval",
        "--json",
        "--no-eval-cache",
        &hosts,
        "--apply",
        drvs,
    ]);
    serde_json::from_value(run.run().ok().json()).unwrap()
}

/// Changes something of the tree, and says what.
fn edit(place: &Place, random: &mut Random, number: usize) -> String {
    const FILES: [&str; 14] = [
        "a/two",
        "a/three",
        "a/four",
        "b/one",
        "b/two",
        "b/three/one",
        "b/three/two",
        "c/one",
        "c/two",
        "c/three",
        "part/text",
        "part/more",
        "README.md",
        "docs/one",
    ];
    let file = random.one_of(&FILES);
    let path = place.path(file);
    match random.below(10) {
        0 => {
            place.write("a/one.nix", format!("\"{number}\"\n"));
            "a/one.nix written".to_owned()
        }
        1 => {
            place.write("data.toml", format!("one = {number}\n"));
            "data.toml written".to_owned()
        }
        2 => {
            // Neither is ever removed: what leads nowhere is there for `pathExists`.
            let to = random.one_of(&["a/one.nix", "data.toml"]);
            fs::remove_file(place.path("link")).unwrap();
            std::os::unix::fs::symlink(to, place.path("link")).unwrap();
            format!("link to {to}")
        }
        3 if path.exists() => {
            fs::remove_file(&path).unwrap();
            format!("{file} removed")
        }
        4 if path.exists() => {
            let mode = fs::metadata(&path).unwrap().permissions().mode() ^ 0o111;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            format!("{file} with another mode")
        }
        5 if path.exists() => {
            let to = random.one_of(&FILES);
            fs::create_dir_all(place.path(to).parent().unwrap()).unwrap();
            fs::rename(&path, place.path(to)).unwrap();
            format!("{file} renamed to {to}")
        }
        _ => {
            place.write(file, format!("{number}\n"));
            format!("{file} written")
        }
    }
}

/// Edits at random, and after each the same derivations as Nix gives: in the short form some,
/// in the long one hundreds.
#[test]
fn whatever_is_edited_the_answers_are_those_of_nix() {
    let edits = match std::env::var_os("CBOX_LONG") {
        Some(_) => 300,
        None => 5,
    };
    let place = place();
    let mut random = Random(0x5eed_0fed);
    let (mut skips, mut evaluations) = (0, 0);
    place.cbox(SELF_TEST).run();
    for number in 0..edits {
        let what = edit(&place, &mut random, number);
        place.git(&["add", "--all"]);
        let (drvs, skipped) = by_cbox(&place);
        assert_eq!(
            drvs,
            by_nix(&place),
            "edit {number}: {what}; skipped {skipped:?}"
        );
        skips += skipped.len();
        evaluations += drvs.len() - skipped.len();
        let known = ["self-hash", "self-path", "self-folder"];
        assert!(
            !skipped.iter().any(|host| known.contains(&host.as_str())),
            "{what}: {skipped:?}"
        );
        if random.once_in(4) {
            place.git(&["commit", "--quiet", "--allow-empty", "--message", &what]);
            place.cbox(SELF_TEST).run();
        }
    }
    println!("{edits} edits: {skips} answers without an evaluation, {evaluations} with one");
    assert!(
        skips > edits,
        "{skips} answers without an evaluation in {edits} edits"
    );
}

#[test]
fn what_a_host_reads_is_found_kept_and_shown() {
    let place = place();
    let ended = place.cbox(&[SELF_TEST, &["--host", "reads", "--host", "self-hash"]].concat());
    let ended = ended.run();
    for line in [
        "hosts/reads reads 3 of 16 files\n",
        "hosts/self-hash counts as reading every file: its derivation depends on the hash or the path of the whole tree\n",
    ] {
        assert!(ended.stdout.contains(line), "{ended}");
    }
    let why = |path: &str| place.ask(&["source", "why", path]);
    insta::assert_snapshot!(why("a"), @"
    staged      a: a folder of 2 staged files
                files of it read by reads, self-hash
    ");
    insta::assert_snapshot!(why("b"), @"
    staged      b: a folder of 3 staged files
                files of it read by self-hash
                none of its files read by reads
    ");

    let verify = |more: &[&str]| {
        let judge = [
            "verify-hosts",
            "--explain",
            "none",
            "--host",
            "reads",
            "--host",
            "self-hash",
        ];
        place.cbox(&[&judge, more].concat()).run()
    };
    place.write("b/one", "other\n");
    insta::assert_snapshot!(verify(&[]).stdout, @"
    unchanged  reads      did not read b/one
    changed    self-hash
    ");
    // What goes round what is remembered goes round this too.
    let anew = verify(&["--no-cache"]);
    assert!(!anew.stdout.contains("did not read"), "{anew}");
    // What it reads, and a path that came, are looked at.
    for file in ["a/two", "new"] {
        place.write(file, "other\n");
        place.commit(file);
        let judged = verify(&[]);
        assert!(!judged.stdout.contains("did not read"), "{judged}");
    }
}

#[test]
fn what_a_host_reads_is_kept_for_each_of_several_branches() {
    let place = place();
    let find = || {
        place
            .cbox(&[SELF_TEST, &["--host", "reads"]].concat())
            .run()
    };
    find();
    place.write("a/two", "of a branch\n");
    find();
    for (number, branch) in ["a/two\n", "of a branch\n"].iter().enumerate() {
        place.write("a/two", branch);
        place.write("b/one", format!("{number}\n"));
        let (_, skipped) = by_cbox(&place);
        assert_eq!(skipped, ["reads"]);
    }
}

/// Every file looks as if it were read, so that there is nothing to alter at first.
#[test]
fn what_a_host_reads_is_found_in_a_tree_of_nothing_but_nix() {
    let system = native();
    let place = Place::flake(&format!(
        r#"{{
  outputs = _: {{
    nixosConfigurations.one = {{
      config.nixpkgs.hostPlatform.system = "{system}";
      config.system.build.toplevel = derivation {{
        name = import ./name.nix;
        system = "{system}";
        builder = "/bin/sh";
      }};
    }};
  }};
}}
"#
    ));
    place.write("name.nix", "\"one\"\n");
    place.write("other.nix", "1\n");
    place.write("cbox.toml", "hosts = [\"one\"]\n");
    fs::remove_file(place.path(".gitignore")).unwrap();
    place.commit("nothing but Nix");
    let found = place.cbox(SELF_TEST).run();
    let line = "hosts/one reads 2 of 4 files\n";
    assert!(found.stdout.contains(line), "{found}");
}

#[test]
fn a_read_set_of_another_question_or_a_damaged_one_counts_as_none() {
    let place = place();
    place
        .cbox(&[SELF_TEST, &["--host", "reads"]].concat())
        .run();
    place.write("b/one", "other\n");
    let skips = || {
        let judge = ["verify-hosts", "--host", "reads"];
        place
            .cbox(&judge)
            .run()
            .stdout
            .contains("did not read b/one")
    };
    assert!(skips());
    let folder = place.beside("cache/cbox/read-sets");
    let mut files = fs::read_dir(&folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    let whole = fs::read_to_string(&file).unwrap();
    for damaged in [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"schema\":4", "\"schema\":5"),
        whole.replace("\"key\":\"", "\"key\":\"0"),
        whole.replace("\"a/two\":\"", "\"a/two\":\"0"),
        whole.replace("-reads.drv", "-other.drv"),
    ] {
        assert_ne!(damaged, whole);
        fs::write(&file, damaged).unwrap();
        assert!(!skips());
        // The answer of that evaluation is remembered for this very tree.
        place.write("b/one", place.read("b/one") + "more\n");
    }
    fs::write(&file, whole).unwrap();
    assert!(skips());
}

/// A runner of a CI that has the cache of cbox, and nothing in its store.
#[test]
fn a_verdict_takes_no_derivation_where_nothing_changed() {
    let place = place().with_own_store();
    place.cbox(&["accept"]).run().ok();
    place.commit("accepted in this store");
    let hosts = ["--host", "reads", "--host", "file"];
    place.cbox(&[SELF_TEST, &hosts].concat()).run().ok();
    let verify = |more: &[&str]| {
        let run = place.cbox(&[&["verify-hosts", "--quiet"], &hosts[..], more].concat());
        run.run().ok().stdout
    };
    let collect = || place.call("nix-store").args(["--gc"]).run().ok();
    collect();
    place.write("b/one", "other\n");
    insta::assert_snapshot!(verify(&[]), @"
    unchanged  file   did not read b/one
    unchanged  reads  did not read b/one
    ");
    assert!(!place.beside("store").read_dir().unwrap().any(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        std::path::Path::new(&name)
            .extension()
            .is_some_and(|it| it == "drv")
    }));
}
