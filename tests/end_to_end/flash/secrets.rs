//! Secrets that go to a drive, or to a copy of an image, and nowhere else.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde_json::json;

use super::{Loop, MIB};
use crate::{
    bad_words::one_error,
    support::{
        call::{Call, find_program},
        nix::say_left_out,
        place::Place,
        wait_until,
    },
};

/// Nothing but a drive may have this.
const SECRET: &[u8] = b"correct-horse-4711-battery\n";

/// A built disk image, and files with secrets.
struct Bench {
    place: Place,
    image: PathBuf,
    size: u64,
}

impl Bench {
    fn new() -> Self {
        let place = Place::minibox();
        place.ask(&["appliance", "raw"]);
        let name = place.manifest("appliance-raw")["artifact"]["path"].clone();
        let image = place.path("out/appliance-raw").join(name.as_str().unwrap());
        let size = fs::metadata(&image).unwrap().len();
        let bench = Self { place, image, size };
        bench.secret("password.txt", SECRET);
        bench.secret("wifi.txt", &[b'w'; 5000]);
        bench
    }

    fn secret(&self, name: &str, content: &[u8]) -> PathBuf {
        let file = self.place.beside(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// `FILE=NAME` of a file beside.
    fn word(&self, file: &str, name: &str) -> String {
        format!("{}={name}", self.place.beside(file).display())
    }

    fn flash(&self, to: &Path, options: &[&str]) -> Call {
        let (password, wifi) = (
            self.word("password.txt", "account-password"),
            self.word("wifi.txt", "home.nmconnection"),
        );
        let words = ["flash", "appliance/raw", to.to_str().unwrap()];
        let secrets = ["--secret", &password, "--secret", &wifi];
        self.place.cbox(&[&words[..], options, &secrets].concat())
    }

    /// Checks that what is there is the image with the secrets.
    #[track_caller]
    fn check(&self, drive: &Path) {
        let read = |file: &Path, from: u64, length: usize| {
            let mut bytes = vec![0; length];
            File::open(file)
                .unwrap()
                .read_exact_at(&mut bytes, from)
                .unwrap();
            bytes
        };
        // The partition is from 1 to 129 MiB; some blocks of it differ, and nothing else does.
        let begin = |file: &Path| read(file, 0, 129 * MIB);
        let (image, written) = (begin(&self.image), begin(drive));
        assert!(image[..MIB] == written[..MIB]);
        let pairs = image.chunks(512).zip(written.chunks(512));
        let changed: Vec<&[u8]> = pairs
            .filter(|(before, after)| before != after)
            .map(|(_, after)| after)
            .collect();
        assert!((10..50).contains(&changed.len()), "{}", changed.len());
        let with_secret = changed.iter().filter(|block| block.starts_with(SECRET));
        assert_eq!(with_secret.count(), 1);
        let rest = self.size as usize - 129 * MIB;
        let end = |file: &Path| read(file, 129 * MIB as u64, rest);
        assert!(end(&self.image) == end(drive));
        self.check_with_tools(drive);
    }

    /// Options with secrets that are more than is free, a hundred and more of them.
    fn too_many(&self) -> Vec<String> {
        self.secret("full.txt", &vec![1; MIB]);
        let word = |number| self.word("full.txt", &format!("n{number}"));
        let options = (0..128).flat_map(|number| ["--secret".to_owned(), word(number)]);
        options.collect()
    }

    /// The same by other programs that know FAT.
    fn check_with_tools(&self, drive: &Path) {
        if find_program("mtype").is_none() || find_program("fsck.vfat").is_none() {
            return say_left_out("no `mtype` of mtools or no `fsck.vfat` of dosfstools here");
        }
        let partition = format!("{}@@1M", drive.display());
        for (name, content) in [
            ("account-password", SECRET),
            ("home.nmconnection", &[b'w'; 5000]),
        ] {
            let call = self.place.call("mtype").env("MTOOLS_SKIP_CHECK", "1");
            let path = format!("::/secrets/{name}");
            let run = call.args(["-i", &partition, &path]).run().ok();
            assert_eq!(run.stdout.as_bytes(), content);
        }
        let alone = self.place.beside("partition.img");
        let mut bytes = vec![0; 128 * MIB];
        let file = File::open(drive).unwrap();
        file.read_exact_at(&mut bytes, MIB as u64).unwrap();
        fs::write(&alone, bytes).unwrap();
        let check = self.place.call("fsck.vfat").args(["-n"]).args([&alone]);
        check.run().ok();
        fs::remove_file(&alone).unwrap();
    }
}

#[test]
fn a_copy_of_an_image_has_them_and_nothing_else_does() {
    let bench = Bench::new();
    let copy = bench.place.beside("mine.img");
    let run = bench.flash(&copy, &["--new-file", "-vv"]).run().ok();
    assert_eq!(
        run.lines().last().unwrap(),
        &"2 secrets on partition 1 (ESP): written and compared"
    );
    let run = run.says(&[
        "This file will be made, a copy of appliance/raw (536.9 MB).",
        "2 secrets on partition 1 (ESP): account-password, home.nmconnection",
    ]);
    bench.check(&copy);
    let found = fs::metadata(&copy).unwrap();
    assert_eq!(found.len(), bench.size);
    assert_eq!(found.mode() & 0o777, 0o600);
    // What is empty in the image is a hole in the copy.
    let image = fs::metadata(&bench.image).unwrap();
    assert!(
        found.blocks() <= image.blocks().max(found.len() / 1024),
        "{}",
        found.blocks()
    );
    // Neither what was said, nor what cbox keeps, has it.
    let secret = std::str::from_utf8(SECRET).unwrap().trim();
    assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
    let grep = bench.place.call("grep").args(["-rlF", secret]);
    let found = grep.args([bench.place.folder()]).run().ok();
    let mut names: Vec<&str> = found.lines();
    names.sort_unstable();
    let [image, given] = ["mine.img", "password.txt"].map(|name| bench.place.beside(name));
    assert_eq!(names, [image.to_str().unwrap(), given.to_str().unwrap()]);
    let manifest = bench.place.manifest("appliance-raw");
    let json = bench.place.cbox(&[
        "flash",
        "appliance/raw",
        copy.to_str().unwrap(),
        "--new-file",
    ]);
    one_error(&json.run().code(2).says(&["is there already", "`--file`"]));
    assert_eq!(bench.place.manifest("appliance-raw"), manifest);
}

#[test]
fn a_dry_run_and_json_say_where_they_go() {
    let bench = Bench::new();
    let copy = bench.place.beside("mine.img");
    let run = bench.flash(&copy, &["--new-file", "--dry-run"]).run().ok();
    assert_eq!(
        run.lines(),
        [
            "mine.img: 536.9 MB, file",
            "This file will be made, a copy of appliance/raw (536.9 MB).",
            "2 secrets on partition 1 (ESP): account-password, home.nmconnection",
        ]
    );
    assert!(!copy.exists());
    let secrets = json!({
        "names": ["account-password", "home.nmconnection"],
        "folder": "secrets",
        "partition": 1,
    });
    let json = bench
        .flash(&copy, &["--new-file", "-n", "--json"])
        .run()
        .ok();
    assert_eq!(json.json()["flash"]["secrets"], secrets);
    // An existing file that others can read is told of, and a secret from a pipe is taken.
    let file = File::create(&copy).unwrap();
    file.set_len(bench.size + MIB as u64).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    let (stdin, mut pipe) = std::io::pipe().unwrap();
    pipe.write_all(SECRET).unwrap();
    drop(pipe);
    let words = ["flash", "appliance/raw", copy.to_str().unwrap()];
    let options = ["--file", "--erase", "mine.img", "--json"];
    let secret = ["--secret", "/dev/stdin=account-password"];
    let call = bench.place.cbox(&[&words[..], &options, &secret].concat());
    let run = call.stdin(stdin).run().ok();
    let run = run.says(&["others can read ", "chmod 600"]);
    let mut secrets = secrets;
    secrets["names"] = json!(["account-password"]);
    assert_eq!(run.json()["flash"]["secrets"], secrets);
    let none = bench
        .place
        .cbox(&[&words[..], &options].concat())
        .run()
        .ok();
    assert!(none.json()["flash"]["secrets"].is_null());
}

#[test]
fn what_cannot_be_is_told_before_anything_is_written() {
    let bench = Bench::new();
    bench.place.ask(&["appliance", "iso"]);
    let drive = bench.place.beside("disk.img");
    fs::write(&drive, vec![super::OLD; MIB]).unwrap();
    let large = File::options().write(true).open(&drive).unwrap();
    large.set_len(bench.size).unwrap();
    bench.secret("empty.txt", b"");
    bench.secret("large.txt", &vec![1; MIB + 1]);
    let good = bench.word("password.txt", "a");
    let full = bench.too_many();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let (slash, folder) = (bench.word("password.txt", "a/b"), bench.word(".", "a"));
    let (twice, none) = (bench.word("wifi.txt", "A"), bench.word("none.txt", "a"));
    let (empty, large) = (bench.word("empty.txt", "a"), bench.word("large.txt", "a"));
    let rows: &[(&str, &[&str], i32, &[&str])] = &[
        (
            "iso",
            &["--secret", &good],
            11,
            &[
                "appliance/iso is an ISO",
                "no place for secrets",
                "raw disk image",
            ],
        ),
        (
            "raw",
            &["--secret", "hunter2"],
            2,
            &["has no `=`", "--secret FILE=NAME"],
        ),
        (
            "raw",
            &["--secret", &slash],
            2,
            &["`a/b` cannot be the name of a secret"],
        ),
        (
            "raw",
            &["--secret", &good, "--secret", &twice],
            2,
            &["a and A would be one file"],
        ),
        (
            "raw",
            &["--secret", &none],
            2,
            &["there is no file ", "none.txt"],
        ),
        ("raw", &["--secret", &folder], 2, &["it is a folder"]),
        ("raw", &["--secret", &empty], 2, &["empty.txt is empty"]),
        (
            "raw",
            &["--secret", &large],
            2,
            &["large.txt is larger than a secret can be", "1.0 MB"],
        ),
        (
            "raw",
            &full,
            11,
            &[
                "the secrets need 134.",
                "on partition 1 (ESP) of appliance/raw",
                "free",
            ],
        ),
    ];
    for (format, options, code, words) in rows {
        let target = format!("appliance/{format}");
        for mode in [&["--erase", "disk.img"][..], &["--dry-run"]] {
            let start = ["flash", &target, drive.to_str().unwrap(), "--file"];
            let run = bench.place.cbox(&[&start[..], mode, options].concat());
            let run = run.run().code(*code);
            one_error(&run);
            let run = run.says(words);
            assert!(!run.stderr.contains("hunter2"), "{run}");
        }
    }
    let mut begin = vec![0; MIB];
    File::open(&drive)
        .unwrap()
        .read_exact_at(&mut begin, 0)
        .unwrap();
    assert!(begin.iter().all(|byte| *byte == super::OLD));
    // Images of others: without a partition for it, with a damaged one, and compressed.
    let image = bench.place.beside("other.img");
    let other = |change: &dyn Fn(&File), code: i32, words: &[&str]| {
        let file = File::create(&image).unwrap();
        let mut bytes = vec![0; 140 * MIB];
        let from = File::open(&bench.image).unwrap();
        from.read_exact_at(&mut bytes, 0).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        file.set_len(bench.size).unwrap();
        change(&file);
        let copy = bench.place.beside("copy.img");
        let start = ["flash", image.to_str().unwrap(), copy.to_str().unwrap()];
        let run = bench
            .place
            .cbox(&[&start[..], &["--new-file", "--secret", &good]].concat());
        one_error(&run.run().code(code).says(words));
        assert!(!copy.exists());
    };
    let set =
        |at: u64, bytes: &'static [u8]| move |file: &File| file.write_all_at(bytes, at).unwrap();
    other(
        &set(1024, &[0xaa; 16]),
        9,
        &["the checksum of the GPT does not fit", "hint: download"],
    );
    other(&set(446 + 4, &[0x83]), 11, &["has no EFI system partition"]);
    other(
        &set(MIB as u64 + 11, &[0, 3]),
        9,
        &["partition 1 (ESP)", "is no FAT filesystem"],
    );
}

#[test]
fn a_compressed_image_is_checked_as_far_as_it_is_unpacked() {
    let bench = Bench::new();
    let packed = bench.place.beside("image.img.zst");
    let pack = bench.place.call("sh").args([
        "-c",
        "zstd -q -1 <\"$1\" -o \"$2\" --stream-size=$(stat -Lc %s \"$1\")",
        "sh",
    ]);
    if find_program("zstd").is_none() || !pack.args([&bench.image, &packed]).run().status.success()
    {
        return say_left_out("no `zstd` here");
    }
    let copy = bench.place.beside("mine.img");
    let word = bench.word("password.txt", "account-password");
    let wifi = bench.word("wifi.txt", "home.nmconnection");
    let flash = |options: &[&str]| {
        let words = [
            "flash",
            packed.to_str().unwrap(),
            copy.to_str().unwrap(),
            "--new-file",
        ];
        bench.place.cbox(&[&words[..], options].concat())
    };
    let run = flash(&["--secret", &word, "--secret", &wifi]).run().ok();
    run.says(&["2 secrets on partition 1 (ESP): account-password"]);
    bench.check(&copy);
    fs::remove_file(&copy).unwrap();
    let full = bench.too_many();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    one_error(&flash(&full).run().code(11).says(&["the secrets need 134."]));
    assert!(!copy.exists());
}

#[test]
fn a_signal_leaves_no_new_file() {
    let bench = Bench::new();
    let copy = bench.place.beside("mine.img");
    let running = bench.flash(&copy, &["--new-file"]).start();
    wait_until("it is begun", || {
        fs::metadata(&copy).is_ok_and(|found| found.blocks() > 0)
    });
    running.signal(Signal::INT);
    let run = running.wait().code(130);
    run.says(&["stopped by Ctrl-C", "mine.img was not made"]);
    assert!(!copy.exists());
}

#[test]
fn a_drive_has_them_as_the_kernel_reads_it() {
    let bench = Bench::new();
    let drive = bench.place.beside("disk.img");
    let file = File::create(&drive).unwrap();
    file.set_len(bench.size + 8 * MIB as u64).unwrap();
    let Some(device) = Loop::of(&bench.place, &drive) else {
        return;
    };
    let run = bench.flash(&device.device, &["--erase", device.name()]);
    run.run().ok().says(&["2 secrets on partition 1 (ESP)"]);
    bench.check(&device.device);
    // The kernel's own FAT, where it has one.
    let point = bench.place.beside("point");
    fs::create_dir(&point).unwrap();
    let script =
        "mount -t vfat -o ro,loop,offset=1048576,sizelimit=134217728 \"$1\" \"$2\" || exit 77
        cat \"$2/secrets/account-password\"";
    let call = bench
        .place
        .call("unshare")
        .args(["--mount", "sh", "-c", script, "sh"]);
    let run = call.args([&drive, &point]).run();
    match run.status.code() {
        Some(77) => say_left_out("the kernel has no vfat here, or nothing can be mounted"),
        _ => assert_eq!(run.ok().stdout.as_bytes(), SECRET),
    }
}
