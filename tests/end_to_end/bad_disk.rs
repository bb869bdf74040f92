//! A disk that is full, read-only or another one under `out/`: one sentence, an exit code, and
//! nothing of before is lost. (`killed` lets single calls fail.)

use std::fs;

use crate::{
    bad_words::one_error,
    support::{call::Ended, nix::say_left_out, place::Place, tiny, unique},
};

/// What is done around two builds of `hosts/box`, of which the first one is good.
struct Trouble<'a> {
    /// What comes between them.
    before: &'a str,
    /// What takes it back, for a third one.
    after: &'a str,
    /// The folder of the links.
    out_dir: &'a str,
}

/// Runs three builds in a namespace, whose `$disk` is a small file system of its own; the second
/// is in trouble. Gives that one, which has to leave link, manifest and checksum as they were;
/// `None` where nothing can be mounted.
fn second_build(trouble: &Trouble<'_>) -> Option<Ended> {
    let script = |word: &str| tiny::scripts(&[("box", &format!("echo {word} >$out"))]);
    let place = Place::flake(&script(&unique()));
    fs::write(place.beside("two.nix"), script(&unique())).unwrap();
    fs::create_dir(place.beside("disk")).unwrap();
    let root = rustix::process::geteuid().is_root();
    let users = if root { "--mount" } else { "--map-root-user" };
    let unshare = [
        "--mount",
        users,
        "--propagation",
        "private",
        "sh",
        "-eu",
        "-c",
    ];
    let run = |script: &str| {
        let call = place.call("unshare").args(unshare).args([script, "sh"]);
        call.args([place.beside("disk")])
            .args([env!("CARGO_BIN_EXE_cbox")])
            .run()
    };
    if !run("mount -t tmpfs none $1").status.success() {
        say_left_out("this machine lets nobody mount in a namespace");
        return None;
    }
    let Trouble {
        before,
        after,
        out_dir,
    } = trouble;
    let run = run(&format!(
        "disk=$1 cbox=$2; mount -t tmpfs -o size=256k none $disk
         build() {{ $cbox build hosts/box --out-dir {out_dir} \"$@\"; }}
         state() {{ readlink {out_dir}/hosts-box; cat {out_dir}/hosts-box.json; ls -d {out_dir}/hosts-*; }}
         build --quiet >&2; kept=$(state); cp ../two.nix flake.nix
         {before}
         code=0; build || code=$?
         [ $code = 0 ] || [ \"$kept\" = \"$(state)\" ] || echo LOST >&2
         {after}
         build --quiet >/dev/null 2>&1; [ \"$kept\" != \"$(state)\" ] || echo 'NOT MENDED' >&2
         exit $code"
    ));
    assert!(!run.stderr.contains("LOST"), "{run}");
    assert!(!run.stderr.contains("NOT MENDED"), "{run}");
    Some(run)
}

#[track_caller]
fn fails(trouble: &Trouble<'_>, words: &[&str]) {
    if let Some(run) = second_build(trouble) {
        let run = run.code(10);
        one_error(&run);
        run.says(words);
    }
}

#[test]
fn a_disk_that_is_full_when_a_record_is_written() {
    fails(
        &Trouble {
            before: "cat /dev/zero >$disk/filler 2>/dev/null || :",
            after: "rm $disk/filler",
            out_dir: "$disk",
        },
        &["No space left on device", "hint: `--out-dir DIR`"],
    );
}

#[test]
fn a_disk_without_room_for_another_file() {
    let mut failed = 0;
    // One after another of the files that a run makes finds no room.
    for files in [6, 8, 10] {
        let run = second_build(&Trouble {
            before: &format!("mount -o remount,nr_inodes={files} $disk"),
            after: "mount -o remount,nr_inodes=100 $disk",
            out_dir: "$disk",
        });
        let Some(mut run) = run else {
            return;
        };
        if run.status.success() {
            continue;
        }
        failed += 1;
        // Where Nix finds none for the root of a build, it is the build that fails.
        if run.status.code() != Some(8) {
            run = run.code(10);
            one_error(&run);
        }
        run.says(&["No space left on device", "hint: "]);
    }
    assert!(failed > 0, "there was room for all");
}

#[test]
fn a_disk_that_is_read_only() {
    fails(
        &Trouble {
            before: "mount -o remount,ro $disk",
            after: "mount -o remount,rw $disk",
            out_dir: "$disk",
        },
        &["Read-only file system", "hint: `--out-dir DIR`"],
    );
}

#[test]
fn a_folder_of_links_on_another_disk() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    let other = place.beside("other");
    let other = other.to_str().unwrap();
    // What is in memory is another file system than this.
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        return say_left_out("nothing can be written to /dev/shm here");
    };
    std::os::unix::fs::symlink(memory.path(), other).unwrap();
    std::os::unix::fs::symlink(other, place.path("out")).unwrap();
    for _ in 0..2 {
        place.ask(&["build", "hosts/box"]);
        let status = place.cbox(&["status", "--json"]).run().ok().json();
        let link = &status["links"][0];
        assert_eq!(
            (link["state"].as_str(), link["gcRoot"].as_bool()),
            (Some("current"), Some(true))
        );
        assert_eq!(place.names("out"), ["hosts-box", "hosts-box.json"]);
    }
    let link = place.link("hosts-box");
    let roots = place.roots(&link);
    assert!(
        roots.is_empty() || roots == [place.path("out/hosts-box")],
        "{roots:?}"
    );
    place.ask(&[
        "clean",
        "--all",
        "--out-dir",
        memory.path().to_str().unwrap(),
    ]);
    assert_eq!(place.names("out"), [""; 0]);
}
