//! Image files that are booted: plain ones, and compressed ones, which are unpacked for it.

use std::fs;

use super::Bench;
use crate::{
    downloads::Folder,
    support::{
        call::{Call, find_program},
        nix::say_left_out,
        unique,
    },
};

/// QEMU says which file it has and what is in that.
const LOOKS: &str = "file=$(printf '%s\\n' \"$@\" | sed -n 's/.*id=image,.*file=//p')\n\
     echo \"has $file\"\nsha256sum <\"$file\"";

/// A bench with `image.img`, which has this content.
fn bench() -> (Bench, Vec<u8>) {
    let Folder { place, image } = Folder::new();
    let bench = Bench {
        place,
        word: unique(),
    };
    bench.qemu(LOOKS);
    bench.place.stand_in_firmware();
    (bench, image)
}

fn boot(bench: &Bench, words: &[&str]) -> Call {
    let words = [&["boot"], words, &["--headless"]].concat();
    let call = bench.place.cbox(&words).env("CBOX_TEST_WORD", &bench.word);
    call.env("CBOX_FIRMWARE_DIR", bench.place.beside("firmware"))
}

#[test]
fn a_file_is_booted_as_it_is_or_unpacked() {
    let (bench, _) = bench();
    let sum = bench.place.call("sha256sum").args(["image.img"]).run().ok();
    let sum = &sum.stdout[..64];
    let plain = boot(&bench, &["image.img"]).run().ok();
    assert!(
        plain.stdout.contains("/repo/image.img\n") && plain.stdout.contains(sum),
        "{plain}"
    );
    plain.says(&[
        "booting image.img as ",
        "as its name does not say; `cbox boot image.img SYSTEM` does",
    ]);
    for (command, name) in [
        ("zstd -q image.img -o a-x86_64.img.zst", "a-x86_64.img.zst"),
        ("xz -0 -c image.img >a-amd64.xz", "a-amd64.xz"),
        ("gzip -1 -c image.img >a-amd64.gz", "a-amd64.gz"),
        ("bzip2 -1 -c image.img >a-amd64.bz2", "a-amd64.bz2"),
    ] {
        let program = command.split_whitespace().next().unwrap();
        if find_program(program).is_none() {
            say_left_out(&format!("no {program} here"));
            continue;
        }
        bench.place.call("sh").args(["-c", command]).run().ok();
        let run = boot(&bench, &[name]).run().ok();
        assert!(run.stdout.contains(sum), "{run}");
        let tmp = bench.place.beside("tmp");
        assert!(
            run.stdout.contains(&format!("has {}/cbox-", tmp.display())),
            "{run}"
        );
        run.says(&[&format!("unpacking {name} to "), "unpacked 9.4 MB in "]);
        bench.is_clean();
    }
    // The system can be said.
    let arm = boot(&bench, &["image.img", "aarch64"]).run().ok();
    assert!(!arm.stderr.contains("is taken for"), "{arm}");
    assert!(bench.told().contains("-machine virt"));
}

#[test]
fn what_cannot_be_unpacked_is_not_booted() {
    let (bench, image) = bench();
    let packs = bench.place.call("sh").args(["-c", "gzip -1k image.img"]);
    packs.run().ok();
    let keep = boot(&bench, &["image.img.gz", "--keep", "../state"])
        .run()
        .code(2);
    keep.says(&["image.img.gz is compressed", "unpack it first: `gzip -dk "]);
    let packed = fs::read(bench.place.path("image.img.gz")).unwrap();
    bench.place.write("cut.img.gz", &packed[..packed.len() - 9]);
    let cut = boot(&bench, &["cut.img.gz"]).run().code(9);
    cut.says(&["cut.img.gz cannot be unpacked: its gzip data end in the middle"]);
    // A frame that has all of its content in one block, and says that it has a petabyte.
    let content = &image[..100_000];
    let header = [
        &[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..],
        &(1_u64 << 50).to_le_bytes(),
    ]
    .concat();
    let block = (100_000_u32 << 3 | 1).to_le_bytes();
    let huge = [&header[..], &block[..3], content].concat();
    bench.place.write("huge.zst", huge);
    let huge = boot(&bench, &["huge.zst"]).run().code(5);
    huge.says(&[
        "huge.zst has 1125.9 TB when it is unpacked, but ",
        " free",
        "set TMPDIR",
    ]);
    let sum = format!("{}  image.img.gz\n", "0".repeat(64));
    bench.place.write("image.img.gz.sha256", sum);
    boot(&bench, &["image.img.gz"])
        .run()
        .code(9)
        .says(&["is not the file that"]);
    boot(&bench, &["image.img", "pdp11"])
        .run()
        .code(2)
        .says(&["pdp11", "its system"]);
    boot(&bench, &["image.img", "a", "b"])
        .run()
        .code(2)
        .says(&["`b` is one word too many"]);
    assert!(!bench.was_started());
    bench.is_clean();
}
