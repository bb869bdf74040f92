//! `cbox flash FILE DEVICE`: image files as they are downloaded, compressed by the programs for
//! that, with a checksum beside them, and what is none of it. No flake is needed.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use crate::{
    bad_words::one_error,
    support::{
        call::{Call, find_program},
        nix::say_left_out,
        place::Place,
    },
};

const MIB: usize = 1 << 20;

/// How large the image is: more than is written at once.
const SIZE: usize = 9 * MIB + 512;

/// What is on a drive before.
const OLD: u8 = 0xaa;

/// A folder with `image.img` and a drive.
pub(crate) struct Folder {
    pub(crate) place: Place,
    pub(crate) image: Vec<u8>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let place = Place::empty("repo");
        let mut number = 16_u64;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                number = number
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (number >> 56) as u8;
            }
        };
        let mut image = vec![0; SIZE];
        random(&mut image[..4 * MIB]);
        random(&mut image[7 * MIB..]);
        // An MBR with a partition.
        image[..512].fill(0);
        (image[450], image[458]) = (0x83, 1);
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        place.write("image.img", &image);
        Self { place, image }
    }

    fn drive(&self, size: usize) -> PathBuf {
        let file = self.place.beside("drive");
        fs::write(&file, vec![OLD; size]).unwrap();
        file
    }

    fn flash(&self, file: &str) -> Call {
        let drive = self.place.beside("drive");
        let words = ["flash", file, drive.to_str().unwrap()];
        let options = ["--file", "--erase", "drive"];
        self.place.cbox(&[&words[..], &options].concat())
    }

    /// Runs a shell command, if its program is here.
    pub(crate) fn shell(&self, command: &str) -> bool {
        let program = command.split_whitespace().next().unwrap();
        if find_program(program).is_none() {
            say_left_out(&format!("no {program} here"));
            return false;
        }
        self.place.call("sh").args(["-c", command]).run().ok();
        true
    }

    /// Refuses `file` with this code and these words, and leaves the drive as it was.
    #[track_caller]
    fn refuses(&self, file: &str, code: i32, words: &[&str]) {
        let drive = self.drive(10 * MIB);
        let run = self.flash(file).run().code(code);
        one_error(&run);
        run.says(words);
        assert!(fs::read(drive).unwrap() == vec![OLD; 10 * MIB], "{file}");
    }
}

#[test]
fn what_the_programs_packed_is_unpacked_while_it_is_written() {
    let folder = Folder::new();
    for (command, says) in [
        ("cp image.img packed", "write ./packed (9.4 MB)."),
        ("zstd -q image.img -o packed", "(9.4 MB, unpacked from 6."),
        (
            "zstd -q <image.img >packed",
            "of zstd, which does not say to how much)",
        ),
        (
            "zstd -q --no-check image.img -o packed",
            "(9.4 MB, unpacked from ",
        ),
        (
            "pzstd -q image.img -o packed",
            "of zstd, which does not say to how much)",
        ),
        ("xz -0 -c image.img >packed", "(9.4 MB, unpacked from "),
        (
            "xz -0 -T2 --block-size=1MiB -c image.img >packed",
            "(9.4 MB, unpacked from ",
        ),
        ("pixz -0 image.img packed", "(9.4 MB, unpacked from "),
        (
            "gzip -1 -c image.img >packed",
            "of gzip, which does not say to how much)",
        ),
        (
            "pigz -1 -c image.img >packed",
            "of gzip, which does not say to how much)",
        ),
        (
            "bzip2 -1 -c image.img >packed",
            "of bzip2, which does not say to how much)",
        ),
        (
            "pbzip2 -1 -c image.img >packed",
            "of bzip2, which does not say to how much)",
        ),
        (
            "lbzip2 -1 -c image.img >packed",
            "of bzip2, which does not say to how much)",
        ),
    ] {
        let drive = folder.drive(16 * MIB);
        let command = format!("{command} || exit 1");
        let _gone = fs::remove_file(folder.place.path("packed"));
        if !folder.shell(&command) {
            continue;
        }
        let run = folder
            .flash("./packed")
            .run()
            .ok()
            .says(&[says, "wrote 9.4 MB in "]);
        assert!(
            run.text().ends_with(": 9.4 MB written and compared"),
            "{run}"
        );
        let written = fs::read(&drive).unwrap();
        assert!(written[..SIZE] == folder.image, "{command}");
    }
}

#[test]
fn a_result_says_what_was_unpacked() {
    let folder = Folder::new();
    if !folder.shell("xz -0k image.img") {
        return;
    }
    folder.drive(8 * MIB);
    let small = folder.flash("image.img.xz").run().code(5);
    small.says(&["is too small: it has 8.4 MB (8388608 bytes), but the image has 9.4 MB"]);
    let drive = folder.drive(16 * MIB);
    let flash = |options: &[&str]| {
        let words = ["flash", "image.img.xz", "../drive", "--file", "--json"];
        let run = folder
            .place
            .cbox(&[&words[..], options].concat())
            .run()
            .ok();
        run.json()["flash"].clone()
    };
    let dry = flash(&["-n"]);
    assert!(fs::read(drive).unwrap().iter().all(|byte| *byte == OLD));
    assert_eq!(dry["unpackedSize"], SIZE);
    assert!(dry["image"]["sha256"].is_null() && dry["target"].is_null());
    let done = flash(&["--erase", "drive"]);
    let sum = folder.place.call("sha256sum").args(["image.img.xz"]);
    assert_eq!(done["image"]["sha256"], sum.run().ok().text()[..64]);
    assert_eq!(
        (&done["compression"], &done["unpackedSize"]),
        (&"xz".into(), &SIZE.into())
    );
}

#[test]
fn a_checksum_beside_it_is_compared_before_anything_is_written() {
    let folder = Folder::new();
    let place = &folder.place;
    let sum = place
        .call("sha256sum")
        .args(["image.img"])
        .run()
        .ok()
        .stdout;
    let wrong = format!("{}{}", "0".repeat(64), &sum[64..]);
    folder.drive(10 * MIB);
    folder
        .flash("image.img")
        .run()
        .ok()
        .says(&["image.img: neither image.img.sha256 nor a SHA256SUMS has a checksum for it"]);
    place.write("image.img.sha256", &sum);
    let run = folder.flash("image.img").run().ok();
    run.says(&["image.img: its SHA-256 is the one in image.img.sha256"]);
    place.write(
        "SHA256SUMS",
        format!("{}  other.img\n{sum}", "1".repeat(64)),
    );
    let run = folder.flash("./image.img").run().ok();
    run.says(&["its SHA-256 is the one in ./image.img.sha256 and ./SHA256SUMS"]);
    for (file, text, words) in [
        (
            "SHA256SUMS",
            &*wrong,
            &[
                "image.img is not the file that SHA256SUMS is of: its SHA-256 is ",
                ", and should be 0000",
                "hint: download both again; nothing was written",
            ][..],
        ),
        (
            "image.img.sha256",
            &wrong,
            &["is not the file that image.img.sha256 is of"],
        ),
        (
            "image.img.sha256",
            &sum.replace("image.img", "other.img"),
            &[
                "image.img.sha256 is the checksum of other.img, not of image.img",
                "hint: mend or remove image.img.sha256",
            ],
        ),
        (
            "image.img.sha256",
            "<html>404</html>\n",
            &["image.img.sha256 is not a SHA-256, as `sha256sum` writes it"],
        ),
        ("image.img.sha256", "", &["is not a SHA-256"]),
        (
            "SHA256SUMS",
            "123  image.img\n",
            &["SHA256SUMS has no SHA-256 for image.img in line 1, where it names it"],
        ),
    ] {
        for name in ["SHA256SUMS", "image.img.sha256"] {
            let _gone = fs::remove_file(place.path(name));
        }
        place.write(file, text);
        folder.refuses("image.img", 9, words);
    }
}

#[test]
fn what_is_no_image_is_one_sentence_and_changes_nothing() {
    let folder = Folder::new();
    let place = &folder.place;
    folder.shell("zstd -qk image.img && xz -0k image.img && gzip -1k image.img");
    let cut = |name: &str, part: fn(usize) -> usize| {
        let bytes = fs::read(place.path(name)).unwrap();
        place.write(format!("cut-{name}"), &bytes[..part(bytes.len())]);
        place.write(format!("more-{name}"), [&bytes[..], b"garbage"].concat());
    };
    for name in ["image.img.zst", "image.img.xz"] {
        cut(name, |length| length / 2);
    }
    place.write("text.img", "no image\n".repeat(1000));
    place.write("empty.img", "");
    place.write("empty.img.gz", "");
    place.write("inner/image.img", &folder.image[..MIB]);
    folder.shell("tar -cf archive.img -C inner image.img && gzip -k archive.img");
    folder.shell("gzip -c text.img >text.img.gz");
    fs::create_dir(place.path("folder.img")).unwrap();
    place.call("mkfifo").args(["pipe.img"]).run().ok();
    for (file, code, words) in [
        (
            "cut-image.img.zst",
            9,
            &[
                "cut-image.img.zst cannot be unpacked: its zstd data end in the middle: it was cut short",
                "hint: download it again",
            ][..],
        ),
        (
            "cut-image.img.xz",
            9,
            &["it does not end like xz data: it was cut short, or"],
        ),
        (
            "more-image.img.zst",
            9,
            &["what follows its zstd data, from byte "],
        ),
        ("more-image.img.xz", 9, &["it does not end like xz data"]),
        (
            "text.img",
            11,
            &["text.img is not a disk image: it cannot be booted"],
        ),
        (
            "text.img.gz",
            11,
            &["text.img.gz is not a disk image, compressed with gzip"],
        ),
        ("empty.img", 9, &["empty.img is empty"]),
        ("empty.img.gz", 9, &["empty.img.gz is empty"]),
        (
            "archive.img",
            11,
            &[
                "is a tar archive: it",
                "hint: unpack it first",
                "`tar -xf archive.img`",
            ],
        ),
        (
            "archive.img.gz",
            11,
            &["is a tar archive, compressed with gzip"],
        ),
        ("folder.img", 2, &["folder.img is a folder, not an image"]),
        (
            "pipe.img",
            2,
            &["pipe.img is a pipe", "hint: save it in a file first"],
        ),
        (
            "/dev/null",
            2,
            &["/dev/null is a device, not an image file"],
        ),
        ("gone.img", 2, &["there is no file gone.img"]),
    ] {
        folder.refuses(file, code, words);
    }
    let few = place.cbox(&["flash", "image.img"]).run().code(2);
    few.says(&[
        "there is no drive named to write image.img to",
        "`cbox flash image.img <DEVICE>`",
    ]);
    let many = place.cbox(&["flash", "image.img", "a", "b"]).run().code(2);
    many.says(&["`b` is one word too many"]);
    let which = place.cbox(&["flash", "image.img", "../drive", "--artifact", "a"]);
    which
        .run()
        .code(2)
        .says(&["`--artifact a` chooses nothing"]);
    if folder.shell("zip -q archive.zip image.img") {
        folder.refuses(
            "./archive.zip",
            11,
            &["is a zip archive", "`unzip ./archive.zip`"],
        );
    }
}

/// What cannot be known before is found out on the way; then the drive does not boot.
#[test]
fn what_is_found_out_on_the_way_leaves_no_half_image() {
    let folder = Folder::new();
    let place = &folder.place;
    if !folder.shell("gzip -1k image.img") || !folder.shell("bzip2 -1k image.img") {
        return;
    }
    let packed = fs::read(place.path("image.img.gz")).unwrap();
    place.write("cut.img.gz", &packed[..packed.len() - 9]);
    place.write("more.img.gz", [&packed[..], b"garbage"].concat());
    let mut damaged = packed.clone();
    damaged[packed.len() - 6] ^= 1;
    place.write("damaged.img.gz", damaged);
    let lost = "which cannot boot now and has lost its contents";
    for (file, size, code, words) in [
        (
            "image.img.gz",
            3 * MIB,
            5,
            &[
                "the image is larger than ",
                "; nothing was written to ",
                "hint: name a bigger drive",
            ][..],
        ),
        (
            "cut.img.gz",
            16 * MIB,
            9,
            &["its gzip data end in the middle: it was cut short", lost][..],
        ),
        (
            "more.img.gz",
            16 * MIB,
            9,
            &["what follows its gzip data, from byte ", lost],
        ),
        (
            "damaged.img.gz",
            16 * MIB,
            9,
            &["its gzip data are damaged near byte ", lost],
        ),
        (
            "image.img.bz2",
            8 * MIB,
            5,
            &[
                "the image is larger than ",
                "/drive, which has 8.4 MB (8388608 bytes); ",
                lost,
                "hint: name a bigger drive",
            ],
        ),
    ] {
        let drive = folder.drive(size);
        let run = folder.flash(file).run().code(code);
        one_error(&run);
        run.says(words);
        let written = fs::read(&drive).unwrap();
        let (beginning, left) = match size < 4 * MIB {
            true => (&written[..], OLD),
            false => (&written[..4 * MIB], 0),
        };
        assert!(beginning.iter().all(|byte| *byte == left), "{file}");
    }
}

#[test]
fn several_members_are_one_image() {
    let folder = Folder::new();
    let place = &folder.place;
    place.write("a", &folder.image[..5 * MIB]);
    place.write("b", &folder.image[5 * MIB..]);
    for program in ["zstd -q", "xz -0", "gzip -1", "bzip2 -1"] {
        if !folder.shell(&format!("{program} -c a >both && {program} -c b >>both")) {
            continue;
        }
        let drive = folder.drive(SIZE);
        folder.flash("./both").run().ok();
        assert!(fs::read(drive).unwrap() == folder.image, "{program}");
    }
}

/// A word is a file or a target by its looks, and where it can be both cbox says so.
#[test]
fn a_file_is_told_from_a_target() {
    let folder = Folder::new();
    let place = &folder.place;
    place.write("flake.nix", "{ outputs = _: { }; }");
    let target =
        "[[target]]\nkind = \"disk\"\nformat = \"image.img\"\nhost = \"a\"\nattribute = \"a\"\n";
    place.write("cbox.toml", target);
    let run =
        |words: &[&str]| place.cbox(&[&["flash"], words, &["../drive", "--file", "-n"]].concat());
    folder.drive(10 * MIB);
    let not_built = run(&["disk/image.img"]).run().code(9);
    not_built.says(&["disk/image.img is not built yet"]);
    place.write("disk/image.img", &folder.image);
    run(&["disk/image.img"]).run().code(2).says(&[
        "`disk/image.img` is a target and a file",
        "hint: `./disk/image.img` names the file, and `disk image.img` the target",
    ]);
    run(&["./disk/image.img"]).run().ok();
    run(&["disk", "image.img"])
        .run()
        .code(9)
        .says(&["is not built yet"]);
    place.write("elsewhere/image", &folder.image);
    run(&["elsewhere/image"]).run().ok();
    File::create(place.path("image")).unwrap();
    run(&["image"]).run().code(2).says(&["image"]);
}
