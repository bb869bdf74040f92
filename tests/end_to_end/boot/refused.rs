//! What cannot be booted, each with its sentence.

use super::*;

#[test]
fn what_cannot_be_is_one_sentence_and_a_way_out() {
    let bench = Bench::with("echo up");
    bench.place.ask(&["appliance", "raw"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let forward = format!("{}:80", taken.local_addr().unwrap().port());
    bench.file("text", b"no firmware\n");
    bench.file("zeros", &[0; 1 << 20]);
    bench.file("large", &[0; 9 << 20]);
    bench.place.write("note", "x");
    let iso = "appliance/iso";
    let other = match std::env::consts::ARCH {
        "x86_64" => "appliance/iso/aarch64",
        _ => "appliance/iso/x86_64",
    };
    for (target, options, code, words) in [
        (
            "appliance/qcow2",
            &[][..],
            9,
            &[
                "not built yet: there is no out/appliance-qcow2",
                "cbox appliance qcow2",
            ][..],
        ),
        (other, &[], 9, &["is not built yet", "cbox appliance iso "]),
        (
            "hosts/mini-arm64",
            &[],
            2,
            &["is the system of a host, not an image"],
        ),
        ("appliance/is", &[], 2, &["has no format `is`", "iso"]),
        ("iso", &[], 2, &["is not a target"]),
        (
            iso,
            &["--until", "a(b"],
            2,
            &["not a regular expression: unclosed group"],
        ),
        (
            iso,
            &["--until", "a", "--timeout", "0"],
            2,
            &["nothing boots in no time"],
        ),
        (iso, &["--timeout", "5"], 2, &["--until"]),
        (iso, &["--cpus", "0"], 2, &["whole number, at least 1"]),
        (iso, &["--memory", "much"], 2, &["--memory"]),
        (iso, &["--forward", "80"], 2, &["8080:80"]),
        (
            iso,
            &["--forward", &forward],
            5,
            &["is in use", "--forward"],
        ),
        (
            iso,
            &["--forward", "8081:1", "--forward", "8081:2"],
            2,
            &["8081 is forwarded twice"],
        ),
        (
            iso,
            &["--bios", "--firmware", "x"],
            2,
            &["cannot be used with"],
        ),
        (
            iso,
            &["--firmware", "../gone"],
            5,
            &["cannot read the firmware ../gone"],
        ),
        (
            iso,
            &["--firmware", "../text"],
            5,
            &["../text is not UEFI firmware", "12 bytes"],
        ),
        (iso, &["--firmware", "../zeros"], 5, &["no firmware volume"]),
        (
            iso,
            &["--keep", "../state"],
            2,
            &["nothing is ever written to a CD", "--as usb"],
        ),
        (
            "appliance/raw",
            &["--as", "cd"],
            2,
            &["only an ISO 9660 image can be a CD"],
        ),
    ] {
        let run = bench.of(target, options).run().code(code).says(words);
        assert_eq!(run.stdout, "", "{run}");
        assert!(!bench.was_started(), "{run}");
    }
    if cfg!(target_arch = "x86_64") {
        let large = bench.boot(&["--firmware", "../large"]).run().code(5);
        large.says(&["larger than 8 MiB"]);
        bench.place.ask(&["appliance", "iso", "aarch64"]);
        let arm = bench.of(other, &["--bios"]).run().code(11);
        arm.says(&["there is no BIOS on aarch64"]);
    }
    if find_program("qemu-img").is_some() {
        let note = ["--as", "usb", "--keep", "note"];
        let note = bench.boot(&note).run().code(2);
        note.says(&["note exists, and is not an overlay of an image"]);
        assert_eq!(bench.place.read("note"), "x");
        let nowhere = ["--as", "usb", "--keep", "../no/such/state"];
        let nowhere = bench.boot(&nowhere).run().code(10);
        nowhere.says(&["cannot make the overlay ../no/such/state"]);
    }
    assert!(!bench.was_started());
    bench.is_clean();
}

#[test]
fn without_an_emulator_it_says_which() {
    let bench = Bench::with("echo up");
    let qemu = format!("qemu-system-{}", std::env::consts::ARCH);
    let path = bench.place.path_with_only(&["git", "nix"]);
    let without = bench.boot(&["--headless"]).env("PATH", &path);
    let without = without.run().code(5);
    without.says(&[&format!("`{qemu}` is not on the PATH"), "install QEMU"]);
    fs::copy(bench.place.beside("bin").join(&qemu), path.join(&qemu)).unwrap();
    let keep = ["--headless", "--as", "usb", "--keep", "../state"];
    let keep = bench.boot(&keep).env("PATH", &path).run().code(5);
    keep.says(&["`qemu-img` is not on the PATH", "`--keep` needs it"]);
}

#[test]
fn an_image_that_is_gone_is_said_to_be() {
    let bench = Bench::with("echo up");
    let link = bench.place.path("out/appliance-iso");
    fs::remove_file(&link).unwrap();
    let gone = "/nix/store/00000000000000000000000000000000-gone";
    std::os::unix::fs::symlink(gone, &link).unwrap();
    let run = bench.boot(&["--headless"]).run().code(9);
    run.says(&["out/appliance-iso points to is gone", "cbox appliance iso"]);
}
