//! What is made of a drive, and what else keeps it from being written to, with real devices: a
//! dry run says what the run itself would say, word by word.

use std::path::Path;

use super::{Bench, Loop, MIB, is_old, with};
use crate::{
    bad_words::one_error,
    support::{
        call::{Call, Ended, find_program},
        nix::say_left_out,
        place::Place,
        unique,
    },
};

/// A built image, and a loop device that could take it; `None` where there can be none.
fn bench() -> Option<(Bench, Loop)> {
    let bench = Bench::new();
    let drive = bench.drive("disk.img", 64 * MIB);
    let device = Loop::of(&bench.place, &drive)?;
    Some((bench, device))
}

/// Shows that the drive is refused with these words, by a dry run as by the run itself.
#[track_caller]
fn refused(bench: &Bench, device: &Loop, words: &[&str]) {
    let run = |options: &[&str]| {
        let run = bench.flash(&device.device, options).run().code(5);
        (run.stderr.clone(), run)
    };
    let (said, ended) = run(&["--erase", device.name()]);
    one_error(&ended);
    ended.says(words);
    assert_eq!(run(&["--dry-run"]).0, said);
    let json = |option: &str| {
        let options = [option, device.name(), "--json"];
        let options = if option == "-n" {
            &["-n", "--json"][..]
        } else {
            &options
        };
        bench.flash(&device.device, options).run().code(5).json()["error"].clone()
    };
    assert_eq!(json("-n"), json("--erase"));
    assert!(is_old(&bench.place.beside("disk.img")));
}

/// In a namespace in which it may mount.
fn in_namespace(place: &Place, script: &str) -> Call {
    let call = place
        .call("unshare")
        .args(["--mount", "--propagation", "private"]);
    call.args(["sh", "-ec", script, "sh"])
}

fn dmsetup(bench: &Bench, args: &[&str]) -> Ended {
    let call = bench.place.call("dmsetup").args(args);
    call.env("DM_DISABLE_UDEV", "1").run()
}

/// A volume of the device mapper over a drive, as LUKS and LVM make them. It goes with this value.
struct Volume<'a> {
    bench: &'a Bench,
    name: String,
}

impl<'a> Volume<'a> {
    /// `uuid` is what tells who made it. `None` where there can be none, which is said.
    fn over(bench: &'a Bench, device: &Path, uuid: &str) -> Option<Self> {
        let name = unique();
        let table = format!("0 65536 linear {} 0", device.display());
        let create = [
            "create",
            &name,
            "--uuid",
            &format!("{uuid}-{name}"),
            "--table",
            &table,
        ];
        if find_program("dmsetup").is_none() || !dmsetup(bench, &create).status.success() {
            say_left_out("no device mapper here: it needs root, `dmsetup` and the kernel's dm");
            return None;
        }
        Some(Self { bench, name })
    }
}

impl Drop for Volume<'_> {
    fn drop(&mut self) {
        dmsetup(self.bench, &["remove", "--retry", &self.name]);
    }
}

#[test]
fn volumes_of_the_device_mapper() {
    let Some((bench, device)) = bench() else {
        return;
    };
    for (uuid, what, way_out) in [
        ("CRYPT-LUKS2", "the encrypted volume", "cryptsetup close"),
        (
            "LVM",
            "the logical volume",
            "lvchange --activate n /dev/mapper/",
        ),
        ("other", "the mapped volume", "dmsetup remove"),
    ] {
        let Some(volume) = Volume::over(&bench, &device.device, uuid) else {
            return;
        };
        let name = &volume.name;
        let space = if way_out.ends_with('/') { "" } else { " " };
        let words = [
            &*format!("is in use: {} belongs to {what} {name}", device.name()),
            &format!("`sudo {way_out}{space}{name}`"),
        ];
        refused(&bench, &device, &words);
        // A container that does not see what holds the drive sees what the volume is made of.
        let hidden = "mount -t tmpfs none /sys/class/block/$1/holders; shift; exec \"$@\"";
        let run = |options: &[&str]| {
            let call = in_namespace(&bench.place, hidden).args([device.name()]);
            let call = call.args([env!("CARGO_BIN_EXE_cbox"), "flash", "appliance/iso"]);
            call.args([&device.device]).args(options).run().code(5)
        };
        run(&["--erase", device.name()]).says(&words);
        run(&["--dry-run"]).says(&words);
        // And where it sees neither, the kernel does.
        let hidden = "mount -t tmpfs none /sys/class/block/$1/holders
            for slaves in /sys/class/block/dm-*/slaves; do mount -t tmpfs none $slaves; done
            shift; exec \"$@\"";
        for options in [&["--erase", device.name()][..], &["--dry-run"]] {
            let call = in_namespace(&bench.place, hidden).args([device.name()]);
            let call = call.args([env!("CARGO_BIN_EXE_cbox"), "flash", "appliance/iso"]);
            let run = call.args([&device.device]).args(options).run().code(5);
            run.says(&[
                "another program has opened it exclusively",
                "outside of this container",
            ]);
        }
    }
    assert!(is_old(&bench.place.beside("disk.img")));
}

#[test]
fn loop_devices_of_a_drive() {
    let Some((bench, device)) = bench() else {
        return;
    };
    let Some(above) = Loop::of(&bench.place, &device.device) else {
        return;
    };
    let words = [
        &*format!(
            "is in use: {} belongs to the loop device {}",
            device.name(),
            above.name()
        ),
        &format!("`sudo losetup --detach {}`", above.device.display()),
    ];
    refused(&bench, &device, &words);
    drop(above);
    bench.flash(&device.device, &["--dry-run"]).run().ok();
}

#[test]
fn what_another_program_or_namespace_does_with_it() {
    let Some((bench, device)) = bench() else {
        return;
    };
    let path = device.device.to_str().unwrap();
    {
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::EXCL;
        let mode = rustix::fs::Mode::empty();
        let _taken = rustix::fs::open(&device.device, flags, mode).unwrap();
        refused(
            &bench,
            &device,
            &["another program has opened it exclusively", "fuser"],
        );
    }
    {
        let [set, reset] = ["--setro", "--setrw"].map(|flag| ["blockdev", flag, path]);
        let _undo = with(&bench, &set, &reset);
        refused(&bench, &device, &["is read-only"]);
    }
    // Where devices do not work, as in a container that has not been given the drive.
    let script = "mount -t tmpfs -o nodev none \"$1\"; cp -a \"$2\" \"$1/drive\"; at=$1/drive; shift 2; \
                  exec \"$@\" \"$at\"";
    let folder = bench.place.beside("nodev");
    std::fs::create_dir(&folder).unwrap();
    for options in [["--erase", device.name()], ["--dry-run", "--verbose"]] {
        let call = in_namespace(&bench.place, script).args([&folder, &device.device]);
        let call = call
            .args([env!("CARGO_BIN_EXE_cbox"), "flash"])
            .args(options);
        let run = call.args(["appliance/iso"]).run().code(5);
        run.says(&["Permission denied", "a container has to be given the drive"]);
    }
    assert!(is_old(&bench.place.beside("disk.img")));
}

#[test]
fn a_filesystem_without_partitions_is_named_in_what_is_asked() {
    let Some((bench, device)) = bench() else {
        return;
    };
    let path = device.device.to_str().unwrap();
    let empty = bench.flash(&device.device, &["--dry-run"]).run().ok();
    assert!(empty.stdout.contains("\n  no partitions\n"), "{empty}");
    if find_program("mkfs.ext4").is_none() {
        return say_left_out("no `mkfs.ext4` here");
    }
    bench.place.call("mkfs.ext4").args(["-q", path]).run().ok();
    // In a namespace without what udev knows: it may run here or not.
    let script = "[ ! -d /run/udev ] || mount -t tmpfs none /run/udev; exec \"$@\"";
    let call = in_namespace(&bench.place, script).args([env!("CARGO_BIN_EXE_cbox")]);
    let run = call
        .args(["flash", "--dry-run", "appliance/iso", path])
        .run()
        .ok();
    let row = format!(
        "\n  {}  67.1 MB  ext4    on the whole drive\n",
        device.name()
    );
    assert!(run.stdout.contains(&row), "{run}");
    let json = ["flash", "--dry-run", "--json", "appliance/iso", path];
    let call = in_namespace(&bench.place, script).args([env!("CARGO_BIN_EXE_cbox")]);
    let json = call.args(json).run().ok().json();
    assert_eq!(json["flash"]["drive"]["filesystem"], "ext4");
    // The same is said of what is asked about, and of what is erased without asking.
    let run = bench.flash(&device.device, &["--erase", device.name()]);
    run.run().ok().says(&["ext4", "on the whole drive"]);
}
