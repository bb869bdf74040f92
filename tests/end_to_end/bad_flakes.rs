//! Bad input in the flake, the tools and the place of the result: one clear sentence, the
//! place, the way out, and an exit code of its own.

use std::fs;

use crate::{
    bad_words::{fails, one_error},
    support::{call::Call, nix, place::Place, tiny, unique},
};

const BUILD: [&str; 2] = ["build", "hosts/box"];

#[test]
fn a_folder_without_a_flake_is_named() {
    let place = Place::empty("repo");
    let folder = place.path("").display().to_string();
    fails(
        &place,
        &["list"],
        3,
        &["no flake.nix", "or above it", "--flake"],
    );
    fails(
        &place,
        &["list", "--flake", &folder],
        3,
        &["no flake.nix in", "hint:"],
    );
    fails(
        &place,
        &["list", "--flake", "no-such"],
        3,
        &["no-such", "hint:"],
    );
    fails(&place, &["appliance", "iso"], 3, &["no flake.nix"]);
}

#[test]
fn a_flake_that_is_ignored_is_no_flake() {
    let place = Place::flake(&tiny::scripts(&[]));
    place.git(&["rm", "--quiet", "--cached", "flake.nix"]);
    place.write(".gitignore", "flake.nix\n");
    fails(&place, &BUILD, 3, &["flake.nix is not staged", "hint:"]);
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let place = Place::flake(&tiny::scripts(&[("box", "")]));
    fails(&place, &["build", "hosts/bax"], 2, &["`bax`"]);
}

#[test]
fn a_folder_that_counts_as_a_machine_is_told_so() {
    let place = Place::flake(&tiny::scripts(&[("box", "")]));
    place.write("hosts/box/default.nix", "{ }");
    place.write("hosts/common/default.nix", "{ }");
    // Without it the flake says which hosts there are, and not the folders.
    place.write("cbox.toml", "");
    place.commit("folders");
    let words = [
        "`common`",
        "hosts/common/ counts as a machine",
        "nixosConfigurations",
    ];
    fails(&place, &["build", "common"], 2, &words);
}

#[test]
fn both_sides_of_a_merge_are_told_from_a_slip() {
    let place = Place::flake(&tiny::flake(&[("box", "import ./box.nix")]));
    place.write(
        "box.nix",
        "{\n<<<<<<< HEAD\n  a = 1;\n=======\n  a = 2;\n>>>>>>> other\n}\n",
    );
    place.commit("a merge");
    fails(
        &place,
        &BUILD,
        7,
        &["box.nix:2", "the two sides of a merge"],
    );
}

#[test]
fn a_system_that_this_machine_cannot_build_has_its_own_exit_code() {
    let toplevel = format!(
        "derivation {{ name = \"{}\"; system = \"riscv64-linux\"; builder = \"/bin/sh\"; }}",
        unique()
    );
    let place = Place::flake(&tiny::flake(&[("box", &toplevel)]));
    let args = ["build", "hosts/box", "--builders", ""];
    fails(&place, &args, 11, &["hosts/box", "riscv64-linux", "hint:"]);
}

// The tools.

#[test]
fn a_missing_nix_is_named() {
    let place = Place::flake(&tiny::scripts(&[("box", "")]));
    let few = place.path_with_only(&["git"]);
    let run = place.cbox(&BUILD).env("PATH", few).run().code(5);
    one_error(&run);
    run.says(&["`nix` is not on the PATH", "hint:"]);
}

#[test]
fn a_missing_git_is_named() {
    let place = Place::flake(&tiny::scripts(&[("box", "")]));
    let few = place.path_with_only(&["nix"]);
    let run = place.cbox(&BUILD).env("PATH", few).run().code(5);
    one_error(&run);
    run.says(&["`git` is not on the PATH", "hint:"]);
}

#[test]
fn a_nix_that_is_too_old_is_told_so() {
    let place = Place::flake(&tiny::scripts(&[("box", "")]));
    let script = "case \" $* \" in *' --version '*) echo 'nix (Nix) 2.18.1' ;; \
        *) echo 'error: unrecognised' >&2; exit 1 ;; esac";
    place.stand_in("nix", script);
    fails(
        &place,
        &BUILD,
        5,
        &["nix (Nix) 2.18.1", "too old", "2.26", "hint:"],
    );
}

#[test]
fn a_git_that_refuses_is_quoted() {
    let place = Place::flake(&tiny::scripts(&[("box", "")]));
    place.stand_in("git", "echo 'fatal: no such option' >&2; exit 129");
    fails(
        &place,
        &BUILD,
        5,
        &["error: `git ", "129", "fatal: no such option"],
    );
}

#[test]
fn a_nix_whose_configuration_has_no_flakes_will_do() {
    let script = format!("echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let config = "experimental-features =";
    place.cbox(&BUILD).env("NIX_CONFIG", config).run().ok();
}

// Evaluation and build.

#[test]
fn an_evaluation_error_is_shown_in_the_users_own_file() {
    let place = Place::minibox();
    place.edit(
        "hosts/mini-thinkcentre/default.nix",
        "environment.etc.motd.text = \"The machine under the desk.\\n\";",
        "environment.etc.motd.text = 1 + \"\";",
    );
    let args = ["build", "hosts/mini-thinkcentre"];
    let run = fails(
        &place,
        &args,
        7,
        &["hosts/mini-thinkcentre/default.nix:11:"],
    );
    assert!(!run.stderr.contains("/nix/store/"), "{run}");
}

#[test]
fn a_syntax_error_is_shown_in_the_users_own_file() {
    let place = Place::minibox();
    place.write("hosts/mini-arm64/default.nix", "{\n  a = ;\n}\n");
    let run = place.cbox(&["build", "hosts/mini-arm64"]);
    let run = run.folder(place.path("hosts")).run().code(7);
    one_error(&run);
    assert!(!run.stderr.contains("/nix/store/"), "{run}");
    run.says(&["mini-arm64/default.nix:2:7", "syntax error"]);
}

#[test]
fn a_flake_that_is_no_flake_is_an_evaluation_error() {
    let place = Place::flake("{ outputs = _: { };\n");
    let run = fails(&place, &BUILD, 7, &["flake.nix:2:1"]);
    assert!(!run.stderr.contains("/nix/store/"), "{run}");
}

#[test]
fn a_failed_build_shows_its_last_lines_and_where_the_rest_is() {
    let word = unique();
    let script = format!(
        "n=0; while [ $n -lt 200 ]; do n=$((n+1)); echo line $n; done; echo {word}; exit 7"
    );
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let run = fails(
        &place,
        &BUILD,
        8,
        &["-box.drv", &word, "line 200", "nix log /nix/store/"],
    );
    assert!(
        !run.stderr.contains("line 1\n"),
        "only the last lines: {run}"
    );
    assert_eq!(place.names("out"), [""; 0]);
    let command = run.stderr.split("nix log ").nth(1).unwrap();
    let drv = command.lines().next().unwrap().trim();
    let log = place.nix(&["log", drv]).run().ok();
    assert!(log.stdout.contains("line 1\n"), "{log}");
}

// The result.

#[test]
fn an_out_that_is_a_file_is_named() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    place.write("out", "in the way");
    fails(&place, &BUILD, 10, &["/out is not a folder", "--out-dir"]);
    assert_eq!(place.read("out"), "in the way");
}

#[test]
fn a_link_that_is_a_folder_is_named_before_anything_is_built() {
    let script = format!("echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    place.write("out/hosts-box/precious", "mine");
    let run = fails(
        &place,
        &BUILD,
        10,
        &["/out/hosts-box", "in the way", "hint:"],
    );
    assert!(!run.stderr.contains("building"), "{run}");
    assert_eq!(place.read("out/hosts-box/precious"), "mine");
    assert_eq!(place.names("out"), ["hosts-box"]);
}

#[test]
fn what_is_in_the_way_of_a_link_is_named_before_anything_is_evaluated() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    place.write("out/note", "mine");
    let link = place.path("out/hosts-box");
    std::os::unix::fs::symlink("note", &link).unwrap();
    let run = fails(
        &place,
        &BUILD,
        10,
        &["it is a link to note", "hint: move it"],
    );
    assert!(!run.stderr.contains("evaluat"), "{run}");
    std::fs::remove_file(&link).unwrap();
    place.write("out/hosts-box.json/note", "mine");
    let run = fails(
        &place,
        &BUILD,
        10,
        &["hosts-box.json is in the way: it is a folder"],
    );
    assert!(!run.stderr.contains("evaluat"), "{run}");
    std::fs::remove_dir_all(place.path("out/hosts-box.json")).unwrap();
    // A link into the store is replaced, whoever made it.
    std::os::unix::fs::symlink("/nix/store/gone", &link).unwrap();
    place.ask(&BUILD);
}

#[test]
fn a_record_of_a_newer_cbox_is_not_replaced() {
    let script = format!("echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    place.write("out/hosts-box.json", "{\"schema\": 999}");
    let words = ["is not replaced", "a newer cbox wrote", "--out-dir"];
    let run = fails(&place, &BUILD, 10, &words);
    assert!(!run.stderr.contains("building"), "{run}");
    assert_eq!(place.read("out/hosts-box.json"), "{\"schema\": 999}");
    assert_eq!(place.names("out"), ["hosts-box.json"]);
}

#[test]
fn an_out_that_cannot_be_written_is_named() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    // A file system that even root cannot make a folder in.
    let args = ["build", "hosts/box", "--out-dir", "/proc/out"];
    fails(&place, &args, 10, &["/proc/out", "--out-dir", "--no-link"]);
}

#[test]
fn a_full_disk_is_named_and_keeps_the_last_good_link() {
    let script = |word: &str| tiny::scripts(&[("box", &format!("echo {word} >$out"))]);
    let place = Place::flake(&script(&unique()));
    place.ask(&BUILD);
    let before = place.link("hosts-box");
    place.write("flake.nix", script(&unique()));
    // A file system with room for nothing, in a namespace of the test's own.
    fs::create_dir(place.beside("full")).unwrap();
    let mount = "mount -t tmpfs -o size=4k,nr_inodes=3 none \"$1\" && shift";
    if place
        .in_namespace(&format!("{mount} && :"))
        .run()
        .status
        .code()
        != Some(0)
    {
        return nix::say_left_out("this machine lets nobody mount in a namespace");
    }
    let full = place.beside("full").display().to_string();
    let fill = "head -c 1000000 /dev/zero >\"$full/file\" 2>/dev/null; exec \"$@\"";
    let run = place
        .in_namespace(&format!("full=$1; {mount}; : >$full/a; {fill}"))
        .args([env!("CARGO_BIN_EXE_cbox")])
        .args(["build", "hosts/box", "--out-dir", &full])
        .run()
        .code(10);
    one_error(&run);
    run.says(&[&full, "hint:"]);
    assert_eq!(place.link("hosts-box"), before);
}

impl Place {
    /// A shell script in a namespace where it may mount; `$1` is the folder `full`. Root
    /// needs no users of its own for that, and may not have them in a chroot.
    fn in_namespace(&self, script: &str) -> Call {
        let root = rustix::process::geteuid().is_root();
        let users = if root { "--mount" } else { "--map-root-user" };
        self.call("unshare")
            .args(["--mount", users, "sh", "-c", script, "sh"])
            .args([self.beside("full")])
    }
}
