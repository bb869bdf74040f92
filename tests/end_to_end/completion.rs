//! What a shell completes, asked as each shell asks, without any program on the PATH; and
//! in the shells themselves, where they are.

use std::fs;

use crate::support::{
    call::{Ended, find_program},
    nix::{native, say_left_out},
    place::Place,
    tiny::script_host,
};

const CONFIG: &str = r#"
[[target]]
kind = "appliance"
format = "iso"
host = "_live"
attribute = "system.build.isoImage"
artifact = "*.iso"
systems = ["x86_64-linux", "aarch64-linux"]

[[target]]
kind = "vm"
format = "qcow2"
host = "_disk"
attribute = "system.build.image"
artifact = "*.qcow2"
systems = ["aarch64-linux"]
"#;

/// A flake that nobody could evaluate, with two hosts and two kinds.
fn place() -> Place {
    let place = Place::flake("this is no Nix");
    place.write("cbox.toml", CONFIG);
    for host in ["alpha", "beta", "_live", "_disk"] {
        place.write(format!("hosts/{host}/default.nix"), "{ }");
    }
    place
}

/// What is offered for the last of `words`, the values alone.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let ended = asked(place, "fish", words);
    let lines = ended.stdout.lines();
    lines
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

fn asked(place: &Place, shell: &str, words: &[&str]) -> Ended {
    let line = [&["--", "cbox"][..], words].concat();
    let call = place.cbox(&line).env("COMPLETE", shell);
    let ended = call.env("PATH", place.path_with_only(&[])).run().ok();
    assert_eq!(ended.stderr, "", "{ended}");
    ended
}

#[test]
fn names_come_from_the_flake_without_nix_and_git() {
    let place = place();
    place.write("disk.img", "");
    place.write("out/hosts-alpha", "");
    for (words, expected) in [
        (&["build", "hosts/"][..], &["hosts/alpha", "hosts/beta"][..]),
        (
            &["build", "app"],
            &[
                "appliance/iso",
                "appliance/iso/x86_64-linux",
                "appliance/iso/aarch64-linux",
            ],
        ),
        (&["appliance", ""], &["iso"]),
        (&["vm", "qcow2", ""], &["aarch64-linux"]),
        (
            &["boot", ""],
            &[
                "appliance/iso",
                "appliance/iso/x86_64-linux",
                "appliance/iso/aarch64-linux",
                "vm/qcow2",
                "vm/qcow2/aarch64-linux",
                "disk.img",
            ],
        ),
        (&["verify-hosts", "--host", ""], &["alpha", "beta"]),
        (&["verify-hosts", ""], &["alpha", "beta"]),
        (&["accept", "alpha", "b"], &["beta"]),
        (&["diff", "al"], &["alpha"]),
        (&["diff", "HEAD~1:al"], &["HEAD~1:alpha"]),
        (&["diff", "alpha", "v1:hosts/b"], &["v1:hosts/beta"]),
        (&["diff", "HEAD:vm", "appliance", ""], &["iso"]),
        (&["diff", "out/"], &["out/hosts-alpha"]),
        (
            &["size", "vm", "qcow2", "--against", "HEAD:v"],
            &["HEAD:vm/qcow2", "HEAD:vm/qcow2/aarch64-linux"],
        ),
        (&["size", "al"], &["alpha"]),
        (&["boot", "disk"], &["disk.img"]),
        (&["boot", "appliance", "d"], &[]),
        (&["--color", ""], &["auto", "always", "never"]),
        (&["source", "hash", "--host", "b"], &["beta"]),
        (&["source", "baked", ""], &["_disk", "_live"]),
        (&["boot", "--as", ""], &["cd", "usb", "disk"]),
        (&["v"], &["verify-hosts", "verify-image", "vm"]),
        (&["vm", "qcow2", "--dry"], &["--dry-run"]),
        (
            &["diff", "hosts/alpha", "hosts/b"],
            &["hosts/beta", "hosts/beta/"],
        ),
        (&["build", "--out-dir", "hosts/al"], &["hosts/alpha/"]),
        (&["build", "nothing/like/it"], &[]),
        (&["boot", "appliance", ""], &["iso"]),
        (
            &["boot", "appliance", "iso", ""],
            &["x86_64-linux", "aarch64-linux"],
        ),
        (
            &["build", "hosts/beta", "vm", "qcow2", "aa"],
            &["aarch64-linux"],
        ),
        (&["flash", "vm", ""], &["qcow2"]),
        (&["flash", "vm/qcow2", "hosts/al"], &["hosts/alpha/"]),
        (&["size", "vm", ""], &["qcow2"]),
        (&["source", "why", "--host", "a"], &["alpha"]),
    ] {
        assert_eq!(offered(&place, words), expected, "{words:?}");
    }
    // A file stands for an image too, if it is called like one.
    for file in ["disk.img.xz", "disk.txt"] {
        place.write(file, "");
    }
    for (words, expected) in [
        (&["boot", "dis"][..], &["disk.img", "disk.img.xz"][..]),
        (&["flash", "./dis"], &["./disk.img", "./disk.img.xz"]),
        (&["flash", "disk.img.xz", "hosts/al"], &["hosts/alpha/"]),
        (&["boot", "disk.img.xz", "dis"], &[]),
    ] {
        assert_eq!(offered(&place, words), expected, "{words:?}");
    }
}

/// `cbox init` calls a kind as its host.
#[test]
fn a_host_called_as_a_kind_is_offered_with_its_variants_too() {
    let system = native();
    let place = Place::flake(&format!(
        r#"{{ outputs = _: {{ nixosConfigurations.box = {{
          config.nixpkgs.hostPlatform.system = "{system}";
          config.system.build.images.qemu = {};
          config.system.build.isoImage = {};
        }}; }}; }}"#,
        script_host("a", "echo > $out"),
        script_host("b", "echo > $out"),
    ));
    // Once it was looked at, its variants are known.
    place.ask(&["list"]);
    let image = ["image", "box", ""];
    assert_eq!(offered(&place, &image), ["iso", "qemu"]);
    place.write(
        "cbox.toml",
        "[[target]]\nkind = \"box\"\nformat = \"iso\"\nhost = \"box\"\nattribute = \
         \"system.build.isoImage\"\n",
    );
    assert_eq!(offered(&place, &image), ["iso", "qemu"]);
    assert_eq!(offered(&place, &["build", "box", ""]), ["iso", "qemu"]);
}

#[test]
fn hosts_are_offered_behind_a_flake() {
    let place = place();
    for (words, expected) in [
        (&["build", ".#al"][..], &[".#alpha"][..]),
        (&["build", "path:.#al"], &["path:.#alpha"]),
        (&["diff", "HEAD~1:alpha", ".#al"], &[".#alpha"]),
        (&["list", ".#al"], &[".#alpha"]),
        (&["--flake", ".#al"], &[".#alpha"]),
        (&["build", "github:o/r#al"], &[]),
    ] {
        assert_eq!(offered(&place, words), expected, "{words:?}");
    }
}

#[test]
fn the_flake_on_the_line_counts() {
    let place = place();
    let elsewhere = place.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let flake = place.path("").into_os_string().into_string().unwrap();
    let call = |words: &[&str]| {
        let line = [&["--", "cbox"][..], words].concat();
        let call = place.cbox(&line).env("COMPLETE", "fish");
        call.folder(&elsewhere).run().ok().stdout
    };
    assert!(call(&["--flake", &flake, "vm", ""]).starts_with("qcow2\t"));
    // Where there is no flake, and where cbox.toml is none, the commands are offered still.
    assert!(call(&["verify"]).starts_with("verify-hosts\t"));
    place.write("cbox.toml", "not = [ TOML");
    assert!(call(&["--flake", &flake, "verify"]).starts_with("verify-hosts\t"));
}

#[test]
fn nushell_gets_records() {
    let place = place();
    let found = asked(&place, "nushell", &["vm", ""]).json();
    assert_eq!(found[0]["value"], "qcow2");
    assert_eq!(found[0]["description"], "from _disk");
}

#[test]
fn a_shell_that_nobody_knows_is_named() {
    let place = place();
    let run = place.cbox(&["--", "cbox", ""]).env("COMPLETE", "csh").run();
    run.code(2).says(&["unknown shell `csh`", "`nushell`"]);
    let run = place.cbox(&["completions", "csh"]).run();
    run.code(2).says(&["csh", "bash, fish, nushell, zsh"]);
}

/// Runs `script` in `shell`, if that is here; `SCRIPT` in it is what cbox prints for it.
fn in_shell(place: &Place, shell: &str, program: &str, script: &str) -> Option<String> {
    if find_program(program).is_none() {
        say_left_out(&format!("no {program} here"));
        return None;
    }
    let loaded = place.cbox(&["completions", shell]).run().ok().stdout;
    let file = place.beside("completion");
    fs::write(&file, loaded).unwrap();
    let cbox = std::path::Path::new(env!("CARGO_BIN_EXE_cbox"));
    let path = std::env::join_paths(
        std::iter::once(cbox.parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let script = script.replace("SCRIPT", file.to_str().unwrap());
    let call = place.call(program).args(["-c", &script]);
    Some(call.env("PATH", path.unwrap()).run().ok().stdout)
}

#[test]
fn bash_completes() {
    let place = place();
    let script = "source SCRIPT; COMP_WORDS=(cbox vm ''); COMP_CWORD=2; COMP_TYPE=9; \
                  _clap_complete_cbox cbox '' vm; echo \"${COMPREPLY[@]}\"";
    if let Some(said) = in_shell(&place, "bash", "bash", script) {
        assert_eq!(said, "qcow2\n");
    }
}

#[test]
fn zsh_loads_it() {
    let place = place();
    let script = "autoload -U compinit; compinit -D -u; source SCRIPT; echo ${_comps[cbox]}";
    if let Some(said) = in_shell(&place, "zsh", "zsh", script) {
        assert_ne!(said.trim(), "");
    }
}

#[test]
fn fish_completes() {
    let place = place();
    let script = "source SCRIPT; complete --do-complete 'cbox vm '";
    if let Some(said) = in_shell(&place, "fish", "fish", script) {
        assert_eq!(said, "qcow2\tfrom _disk\n");
    }
}

#[test]
fn nushell_completes_and_keeps_the_completer_that_was_there() {
    let place = place();
    let script = "$env.config.completions.external.completer = {|words| ['other'] }\n\
                  source SCRIPT\n\
                  let complete = $env.config.completions.external.completer\n\
                  print (do $complete ['cbox' 'vm' ''] | get value | str join ' ')\n\
                  print (do $complete ['git' ''] | str join ' ')";
    if let Some(said) = in_shell(&place, "nushell", "nu", script) {
        assert_eq!(said, "qcow2\nother\n");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let place = place();
    place.cbox(&["man", "man/man1"]).run().ok();
    let pages = place.names("man/man1");
    for page in [
        "cbox.1",
        "cbox-image.1",
        "cbox-boot.1",
        "cbox-source-list.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    let page = place.read("man/man1/cbox.1");
    assert!(page.contains(".TH cbox 1"), "{page}");
    // The synopsis names the values of options, and what stands behind them.
    let synopsis = |page: &str| {
        let page = place.read(format!("man/man1/{page}.1"));
        let (_, rest) = page.split_once(".SH SYNOPSIS\n").unwrap();
        rest.split(".SH ").next().unwrap().replace('\\', "")
    };
    for (page, words) in [
        (
            "cbox",
            &["[--flake <FLAKE>]", "<COMMAND>", "<KIND> <FORMAT> [SYSTEM]"][..],
        ),
        (
            "cbox-boot",
            &[
                "[--as <WHAT>]",
                "[--forward <HOST:GUEST>]...",
                "[--bios]",
                "<TARGET|FILE>...",
                "[-- <QEMU ARGS>...]",
            ],
        ),
        ("cbox-diff", &["[--max-lines <N>]", "<A> <B>"]),
        (
            "cbox-verify-hosts",
            &[
                "[--rev <REV>]",
                "[--override-input <NAME> <REF>]...",
                "[HOST]...",
            ],
        ),
        ("cbox-source-list", &["[--host <HOST>]", "[-z|--null]"]),
        (
            "cbox-image",
            &["[--set <OPTION=VALUE>]...", "<HOST> [VARIANT] [SYSTEM]"],
        ),
    ] {
        let synopsis = synopsis(page);
        for word in words {
            assert!(synopsis.contains(word), "{word}: {synopsis}");
        }
        assert!(!synopsis.contains("OPTIONS"), "{synopsis}");
    }
    place.write("file", "");
    let run = place.cbox(&["man", "file/man1"]).run().code(10);
    run.says(&["cannot write the manual to", "file/man1"]);
}
