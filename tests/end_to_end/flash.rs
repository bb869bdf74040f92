//! `cbox flash`: to files, which need no rights, and to loop devices, which need root.

mod above;
mod secrets;

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::{
    bad_words::one_error,
    support::{
        call::{Call, Running, find_program},
        nix::{native, say_left_out},
        place::Place,
        quoted, wait_until,
    },
};

const MIB: usize = 1 << 20;

/// What is on a drive before.
const OLD: u8 = 0xaa;

/// A place with a built ISO, and files that are drives.
struct Bench {
    place: Place,
    image: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let place = Place::minibox();
        place.ask(&["appliance", "iso"]);
        let folder = place.path("out/appliance-iso/iso");
        let image = folder.read_dir().unwrap().next().unwrap().unwrap();
        let image = fs::read(image.path()).unwrap();
        Self { place, image }
    }

    /// A file of `size` bytes that are not empty.
    fn drive(&self, name: &str, size: usize) -> PathBuf {
        let file = self.place.beside(name);
        fs::write(&file, vec![OLD; size]).unwrap();
        file
    }

    fn flash(&self, drive: &Path, options: &[&str]) -> Call {
        let words = ["flash", "appliance/iso", drive.to_str().unwrap()];
        self.place.cbox(&[&words[..], options].concat())
    }
}

fn is_old(file: &Path) -> bool {
    fs::read(file).unwrap().iter().all(|byte| *byte == OLD)
}

#[test]
fn an_image_is_written_and_compared() {
    let bench = Bench::new();
    let (size, length) = (64 * MIB, bench.image.len());
    let drive = bench.drive("disk.img", size);
    let run = bench
        .flash(&drive, &["--file", "--erase", "disk.img"])
        .run()
        .ok();
    let done = format!(
        "appliance/iso is on {}: 22.7 MB written and compared",
        drive.display()
    );
    assert_eq!(run.text(), done);
    run.says(&[
        "disk.img: 67.1 MB, file\n  the contents of a file are not examined\n",
        "All of this will be erased to write appliance/iso (22.7 MB).",
        "writing to disk.img (22.7 MB)\nwrote 22.7 MB in ",
        "comparing disk.img (22.7 MB)\ncompared 22.7 MB in ",
    ]);
    let written = fs::read(&drive).unwrap();
    assert!(written[..length] == bench.image);
    // Where a table of partitions may have had its backup there is none any more.
    let (between, end) = written[length..].split_at(size - length - MIB);
    assert!(between.iter().all(|byte| *byte == OLD));
    assert!(end.iter().all(|byte| *byte == 0));

    let options = ["--file", "--erase", "disk.img", "--json"];
    let json = bench.flash(&drive, &options).run().ok().json();
    let flash = &json["flash"];
    let manifest = bench.place.manifest("appliance-iso");
    assert_eq!(flash["written"], true);
    assert_eq!(flash["image"]["sha256"], manifest["artifact"]["sha256"]);
    assert_eq!(flash["image"]["size"], length);
    assert_eq!(flash["drive"]["name"], "disk.img");
    assert_eq!(flash["drive"]["size"], size);
    assert!(flash["writeSeconds"].as_f64().unwrap() > 0.0);
    let options = ["--file", "--erase", "disk.img", "--quiet"];
    let quiet = bench.flash(&drive, &options).run().ok();
    assert_eq!((quiet.text(), &*quiet.stderr), (&*done, ""));
    let options = ["--file", "--erase", "disk.img"];
    let run = bench.flash(&drive, &options).env("GITHUB_ACTIONS", "true");
    let run = run.run().ok().says(&["::group::flashing disk.img\n"]);
    let groups = ["::group::", "::endgroup::"].map(|mark| run.stderr.matches(mark).count());
    assert_eq!(groups, [1, 1], "{run}");
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = Bench::new();
    let drive = bench.drive("disk.img", 64 * MIB);
    let run = bench.flash(&drive, &["--file", "-n"]).run().ok();
    assert_eq!(
        run.lines(),
        [
            "disk.img: 67.1 MB, file",
            "  the contents of a file are not examined",
            "All of this will be erased to write appliance/iso (22.7 MB)."
        ]
    );
    let options = ["--file", "--dry-run", "--json"];
    let json = bench.flash(&drive, &options).run().ok().json();
    assert_eq!(json["flash"]["written"], false);
    assert!(json["flash"]["writeSeconds"].is_null());
    assert!(is_old(&drive));
}

#[test]
fn what_cannot_be_is_one_sentence_and_changes_nothing() {
    let bench = Bench::new();
    bench.place.ask(&["appliance", "qcow2"]);
    let drive = bench.drive("disk.img", 64 * MIB);
    let small = bench.drive("small.img", bench.image.len() - 1);
    let folder = bench.place.folder();
    let file = drive.to_str().unwrap();
    let iso = "appliance/iso";
    let rows: &[(&[&str], i32, &[&str])] = &[
        (&[iso], 2, &["<DEVICE>"]),
        (
            &[iso, file],
            2,
            &["is a file, not a drive", "hint: use `--file`"],
        ),
        (
            &[iso, file, "--file"],
            2,
            &[
                "no terminal on which to confirm",
                "`--dry-run`",
                "`--erase disk.img`",
            ],
        ),
        (
            &[iso, file, "--file", "--erase", "sdb"],
            2,
            &["`--erase sdb` is not the name", "its name is disk.img"],
        ),
        (
            &[iso, small.to_str().unwrap(), "--file", "--dry-run"],
            5,
            &["too small: it has 22.7 MB (22728703 bytes), but the image has 22.7 MB (22728704"],
        ),
        (&[iso, "/dev/null"], 2, &["/dev/null is not a drive"]),
        (
            &[iso, folder.to_str().unwrap(), "--file"],
            2,
            &["is not a drive"],
        ),
        (
            &[iso, "/dev/nothing-here", "--dry-run"],
            2,
            &["there is no drive /dev/nothing-here"],
        ),
        (
            &[iso, "nothing-here", "--file"],
            2,
            &["there is no file nothing-here", "truncate"],
        ),
        (
            &["appliance/qcow2", file, "--file"],
            11,
            &[
                "appliance/qcow2 is a qcow2 image",
                "build and flash appliance/raw",
                "qemu-img convert -O raw /nix/store/",
            ],
        ),
        (
            &["appliance/raw", file, "--file"],
            9,
            &[
                "appliance/raw is not built yet",
                "build it: `cbox appliance raw`",
            ],
        ),
        (&["appliance/isso", file], 2, &["no format `isso`"]),
        (
            &["hosts/mini-arm64", file],
            2,
            &["hosts/mini-arm64 is the system of a host, not an image"],
        ),
    ];
    for (args, code, words) in rows {
        let args = [&["flash"], *args].concat();
        let run = bench.place.cbox(&args).run().code(*code);
        one_error(&run);
        run.says(words);
    }
    // The system that was asked for is asked for in the hint too.
    let [asked, hint] = ["qcow2", "raw"].map(|format| format!("appliance/{format}/{}", native()));
    let run = bench.place.cbox(&["flash", &asked, file, "--file"]);
    run.run()
        .code(11)
        .says(&[&format!("build and flash {hint};")]);
    assert!(is_old(&drive) && is_old(&small));
    let name = bench.place.manifest("appliance-iso")["artifact"]["path"].clone();
    let image = bench
        .place
        .path("out/appliance-iso")
        .join(name.as_str().unwrap());
    let run = bench.flash(&image, &["--file", "--dry-run"]).run().code(2);
    run.says(&["is the image itself"]);
}

#[test]
fn another_image_than_was_built_is_found_out() {
    let bench = Bench::new();
    let sha256 = bench.place.manifest("appliance-iso")["artifact"]["sha256"].clone();
    let record = "out/appliance-iso.json";
    bench
        .place
        .edit(record, sha256.as_str().unwrap(), &"0".repeat(64));
    let drive = bench.drive("disk.img", 64 * MIB);
    let options = ["--file", "--erase", "disk.img"];
    let run = bench.flash(&drive, &options).run().code(9);
    run.says(&[
        "is not the one that was built",
        sha256.as_str().unwrap(),
        "cannot boot now",
    ]);
    let written = fs::read(&drive).unwrap();
    assert!(written[..4 * MIB].iter().all(|byte| *byte == 0));
}

#[test]
fn a_drive_that_is_full_in_the_middle_says_where() {
    let bench = Bench::new();
    let drive = bench.place.beside("disk.img");
    let file = File::create(&drive).unwrap();
    file.set_len(64 * MIB as u64).unwrap();
    // No file may grow beyond 8 or 16 MiB, as the shell counts, and to try it is no death.
    let script = "trap '' XFSZ; ulimit -f 16384; exec \"$@\"";
    let words = ["-c", script, "sh", env!("CARGO_BIN_EXE_cbox")];
    let flash = ["flash", "appliance/iso", "--file", "--erase", "disk.img"];
    let call = bench
        .place
        .call("sh")
        .args(words)
        .args(flash)
        .args([&drive]);
    let run = call.run().code(10);
    one_error(&run);
    run.says(&[
        "cannot write the bytes from ",
        "File too large (os error 27); 0 B of 22.7 MB were written to ",
        "which cannot boot now and has lost its contents",
        "hint: free some space",
    ]);
}

/// Whether the image has come to a place behind its beginning.
fn is_begun(drive: &Path) -> bool {
    let mut bytes = [0; 4096];
    let file = File::open(drive).unwrap();
    file.read_exact_at(&mut bytes, 5 * MIB as u64).unwrap();
    bytes != [OLD; 4096]
}

#[track_caller]
fn stops(running: Running, drive: &Path, signal: Signal, code: i32) {
    wait_until("it is written to", || is_begun(drive));
    running.signal(signal);
    let run = running.wait().code(code);
    assert_eq!(run.stdout, "", "{run}");
    run.says(&["stopped by", "which cannot boot now", "hint: run it again"]);
    let mut beginning = vec![1; 4 * MIB];
    let file = File::open(drive).unwrap();
    file.read_exact_at(&mut beginning, 0).unwrap();
    assert!(beginning.iter().all(|byte| *byte == 0));
}

#[test]
fn signals_stop_it_in_the_middle_and_the_next_run_is_good() {
    let place = Place::minibox();
    place.ask(&["appliance", "raw"]);
    let drive = place.beside("disk.img");
    let image = place.path("out/appliance-raw");
    let image = image.join(
        place.manifest("appliance-raw")["artifact"]["path"]
            .as_str()
            .unwrap(),
    );
    let size = fs::metadata(&image).unwrap().len();
    let words = ["flash", "appliance/raw", drive.to_str().unwrap()];
    let words = [&words[..], &["--file", "--erase", "disk.img"]].concat();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let file = File::create(&drive).unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(&[OLD; MIB], 5 * MIB as u64).unwrap();
        stops(place.cbox(&words).start(), &drive, signal, code);
    }
    place.cbox(&words).run().ok();
    place.call("cmp").args([&image, &drive]).run().ok();
}

/// Answers the question of `cbox flash` in a terminal. Gives what was seen.
fn answered(bench: &Bench, drive: &Path, keys: &[u8], code: i32) -> String {
    let (stdin, mut pressed) = std::io::pipe().unwrap();
    let cbox = format!(
        "{} flash appliance/iso {} --file",
        quoted(env!("CARGO_BIN_EXE_cbox")),
        quoted(drive)
    );
    let transcript = bench.place.beside("transcript");
    let call = bench.place.call("script");
    let session = call
        .args(["-qefc", &cbox, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(stdin)
        .stdout(File::create(&transcript).unwrap())
        .start();
    let seen = || fs::read_to_string(&transcript).unwrap();
    wait_until("it asks", || seen().contains("Type disk.img to erase it: "));
    assert!(is_old(drive));
    pressed.write_all(keys).unwrap();
    session.wait().code(code);
    seen()
}

#[test]
fn in_a_terminal_the_name_of_the_drive_is_asked_for() {
    if find_program("script").is_none() {
        return say_left_out("no `script` here");
    }
    let bench = Bench::new();
    let drive = bench.drive("disk.img", 64 * MIB);
    for (keys, code, word) in [
        (
            &b"yes\r"[..],
            2,
            "the answer was not disk.img: nothing was written",
        ),
        (b"\r", 2, "the answer was not disk.img"),
        (b"\x04", 2, "the answer was not disk.img"),
        (b"\x03", 130, "stopped by Ctrl-C: nothing was written to"),
    ] {
        let seen = answered(&bench, &drive, keys, code);
        assert!(seen.contains(word), "{seen}");
        assert!(is_old(&drive));
    }
    let seen = answered(&bench, &drive, b"disk.img\r", 0);
    assert!(seen.contains("22.7 MB written and compared"), "{seen}");
    assert!(fs::read(&drive).unwrap().starts_with(&bench.image));
}

/// A loop device, which goes with this value.
struct Loop {
    place: PathBuf,
    device: PathBuf,
}

impl Loop {
    /// `None` where there can be none, which is said.
    fn of(place: &Place, file: &Path) -> Option<Self> {
        if !Path::new("/sys/block").exists() {
            say_left_out("no /sys here, where the kernel tells of drives");
            return None;
        }
        let call = place.call("losetup").args(["--find", "--show"]);
        let made = find_program("losetup").map(|_| call.args([file]).run());
        match made {
            Some(made) if made.status.success() => Some(Self {
                place: place.folder(),
                device: made.text().into(),
            }),
            _ => {
                say_left_out("no loop devices here: they need root and `losetup`");
                None
            }
        }
    }

    fn name(&self) -> &str {
        self.device.file_name().unwrap().to_str().unwrap()
    }

    /// How many bytes were read from it since it is there.
    fn bytes_read(&self) -> usize {
        let stat = fs::read_to_string(format!("/sys/block/{}/stat", self.name())).unwrap();
        let sectors: usize = stat.split_whitespace().nth(2).unwrap().parse().unwrap();
        sectors * 512
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let detach = Call::new(find_program("losetup").unwrap(), &self.place);
        detach.args(["--detach"]).args([&self.device]).run();
    }
}

/// Undoes what a test did to the machine, whatever becomes of the test.
struct Undo<'a>(&'a Place, Vec<String>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let [program, arguments @ ..] = self.1.as_slice() else {
            return;
        };
        self.0.call(program).args(arguments).run();
    }
}

/// Does something to the machine that `undo` takes back.
fn with<'a>(bench: &'a Bench, command: &[&str], undo: &[&str]) -> Undo<'a> {
    let (program, arguments) = command.split_first().unwrap();
    bench.place.call(program).args(arguments).run().ok();
    Undo(
        &bench.place,
        undo.iter().map(|word| (*word).to_owned()).collect(),
    )
}

#[test]
fn a_drive_is_read_back_and_not_memory() {
    let bench = Bench::new();
    let drive = bench.drive("disk.img", 64 * MIB);
    let Some(device) = Loop::of(&bench.place, &drive) else {
        return;
    };
    let before = device.bytes_read();
    let run = bench.flash(&device.device, &["--erase", device.name()]);
    let run = run.run().ok();
    run.says(&[", 67.1 MB, loop\n", "compared 22.7 MB"]);
    let read = device.bytes_read() - before;
    assert!(read >= bench.image.len(), "{read} bytes");
    drop(device);
    let written = fs::read(&drive).unwrap();
    assert!(written.starts_with(&bench.image));
    assert!(written[63 * MIB..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_drive_that_is_in_use_is_refused() {
    let bench = Bench::new();
    let drive = bench.drive("disk.img", 64 * MIB);
    let Some(device) = Loop::of(&bench.place, &drive) else {
        return;
    };
    let path = device.device.to_str().unwrap();
    let refused = |code: i32, words: &[&str]| {
        let run = bench.flash(&device.device, &["--erase", device.name()]);
        let run = run.run().code(code);
        one_error(&run);
        run.says(words);
    };
    let file = bench.flash(&device.device, &["--file"]).run().code(2);
    file.says(&["is a drive, not a file", "leave out `--file`"]);
    assert!(is_old(&drive));
    {
        bench.place.call("mkswap").args([path]).run().ok();
        let _undo = with(&bench, &["swapon", path], &["swapoff", path]);
        refused(5, &["is swap space", &format!("`sudo swapoff {path}`")]);
    }
    bench.place.call("mkfs.ext4").args(["-q", path]).run().ok();
    let point = bench.place.beside("a point");
    fs::create_dir(&point).unwrap();
    let point = point.to_str().unwrap();
    {
        let _undo = with(&bench, &["mount", path, point], &["umount", point]);
        refused(
            5,
            &[
                &format!("it is mounted at {point}"),
                &format!("`sudo umount '{point}'`"),
            ],
        );
        fs::write(Path::new(point).join("still-here"), "").unwrap();
    }
    {
        let _undo = with(&bench, &["mount", path, point], &["umount", point]);
        assert!(Path::new(point).join("still-here").exists());
    }
    // Namespaces that other tests made meanwhile have a copy of the mount, as long as they last.
    wait_until("nobody has it mounted", || {
        let run = bench.flash(&device.device, &["--dry-run"]).run();
        run.status.success()
    });
    bench
        .flash(&device.device, &["--erase", device.name()])
        .run()
        .ok();
}

#[test]
fn a_partition_is_no_drive() {
    let bench = Bench::new();
    let drive = bench.drive("disk.img", 64 * MIB);
    let Some(device) = Loop::of(&bench.place, &drive) else {
        return;
    };
    let path = device.device.to_str().unwrap();
    let add = bench
        .place
        .call("addpart")
        .args([path, "1", "2048", "8192"]);
    if find_program("addpart").is_none() || !add.run().status.success() {
        return say_left_out("loop devices have no partitions here");
    }
    let _undo = Undo(
        &bench.place,
        ["delpart", path, "1"].map(str::to_owned).to_vec(),
    );
    let partition = PathBuf::from(format!("{path}p1"));
    wait_until("the partition is there", || partition.exists());
    let run = bench.flash(&partition, &["--erase", "x"]).run().code(2);
    one_error(&run);
    run.says(&["is a partition", &format!("its drive is {path}")]);
    let run = bench.flash(&device.device, &["-n"]).run().ok();
    assert!(run.stdout.contains("p1  4.2 MB"), "{run}");
    assert!(is_old(&drive));
    // A loop device that was made without `--partscan` cannot be looked at anew.
    let run = bench
        .flash(&device.device, &["--erase", device.name()])
        .run()
        .ok();
    run.says(&["warning: the kernel still has the old partitions"]);
}

#[test]
fn a_drive_that_fails_in_the_middle_says_where() {
    let bench = Bench::new();
    let point = bench.place.beside("small");
    fs::create_dir(&point).unwrap();
    let small = point.to_str().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=9M", "none", small];
    if !bench.place.call("mount").args(mount).run().status.success() {
        return say_left_out("nothing can be mounted here: it needs root");
    }
    let _undo = Undo(&bench.place, ["umount", small].map(str::to_owned).to_vec());
    // It says that it is bigger than it is.
    let file = File::create(point.join("disk.img")).unwrap();
    file.set_len(64 * MIB as u64).unwrap();
    let Some(device) = Loop::of(&bench.place, &point.join("disk.img")) else {
        return;
    };
    let options = ["--erase", device.name(), "--json"];
    let run = bench.flash(&device.device, &options).run().code(10);
    let error = &run.json()["error"];
    assert_eq!(error["kind"], "output");
    let message = error["message"].as_str().unwrap();
    for word in [
        "cannot write the bytes from 4194304 to 20971520 of /dev/loop",
        "Input/output error",
        "0 B of 22.7 MB were written",
    ] {
        assert!(message.contains(word), "{message}");
    }
}
