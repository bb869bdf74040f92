//! Who vouches for an image: `cbox sign`, `build --sign` and `cbox verify-image`.

use std::fs;

use data_encoding::BASE64;
use minisign::KeyPair;

use crate::{
    bad_words::fails,
    support::{
        call::{Ended, find_program},
        nix::{native, say_left_out},
        place::Place,
        quoted, tiny,
    },
};

/// A flake with an image of 512 bytes, and two pairs of keys beside it.
pub(crate) fn place() -> Place {
    let script = "PATH=/bin:/usr/bin\nmkdir $out\n\
        { printf '%510s' | tr ' ' '\\000'; printf '\\125\\252'; } >$out/box.raw\n";
    let text = format!(
        r#"{{
  outputs = _: {{
    nixosConfigurations._box.config = {{
      nixpkgs.hostPlatform.system = "{}";
      system.build.raw = {};
    }};
  }};
}}
"#,
        native(),
        tiny::script_host("box", script),
    );
    let place = Place::flake(&text);
    let toml = format!(
        "hosts = []\n[[target]]\nkind = \"box\"\nformat = \"raw\"\nhost = \"_box\"\n\
         system = \"{}\"\nattribute = \"system.build.raw\"\nartifact = \"box.raw\"\n",
        native()
    );
    place.write("cbox.toml", toml);
    place.commit("a target");
    for name in ["one", "two"] {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let secret = pair.sk.to_box(None).unwrap().into_string();
        let public = pair.pk.to_box().unwrap().into_string();
        fs::write(place.beside(&format!("{name}.key")), secret).unwrap();
        fs::write(place.beside(&format!("{name}.pub")), public).unwrap();
    }
    place
}

pub(crate) fn verify(place: &Place, file: &str, key: &str) -> Ended {
    let key = format!("../{key}.pub");
    let words = ["verify-image", file, "--public-key", &key];
    place.cbox(&words).run()
}

const SIGNATURE: &str = "out/box-raw.sha256.minisig";

#[test]
fn what_is_signed_verifies_and_a_new_image_has_no_old_signature() {
    let place = place();
    let image = "out/box-raw/box.raw";
    let run = place
        .cbox(&["build", "box/raw", "--sign", "../one.key"])
        .run()
        .ok();
    run.says(&["signed out/box-raw.sha256; `cbox verify-image IMAGE --public-key RW"]);
    let run = verify(&place, image, "one").ok();
    assert_eq!(
        run.lines()
            .iter()
            .map(|line| line
                .split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" "))
            .collect::<Vec<_>>(),
        [
            "signature verified",
            "checksum verified",
            "manifest verified"
        ],
        "{run}"
    );
    // By the key itself, and as JSON.
    let key = fs::read_to_string(place.beside("one.pub")).unwrap();
    let key = key.lines().nth(1).unwrap();
    let words = ["verify-image", image, "--public-key", key, "--json"];
    let told = place.cbox(&words).run().ok().json();
    assert_eq!(told["verified"], true, "{told}");
    assert_eq!(told["schema"], "cbox/verify-image/2");

    let before = place.read(SIGNATURE);
    place.cbox(&["build", "box/raw"]).run().ok();
    assert_eq!(place.read(SIGNATURE), before, "it is the same image");
    place.edit("flake.nix", "%510s", "%509s");
    place.edit("flake.nix", "'\\\\125", "'\\\\001\\\\125");
    place.commit("another image");
    place.cbox(&["build", "box/raw"]).run().ok();
    assert!(!place.path(SIGNATURE).exists());
    let run = verify(&place, image, "one").code(9).says(&[
        "error: out/box-raw/box.raw is not verified: there is no out/box-raw.sha256.minisig: \
         nobody vouches for out/box-raw.sha256",
        "hint: do not use it",
    ]);
    assert!(run.stdout.starts_with("signature  missing "), "{run}");

    let words = ["sign", "box", "raw", "--key", "../two.key", "--json"];
    let told = place.cbox(&words).run().ok().json();
    assert_eq!(told["target"], "box/raw");
    verify(&place, image, "two").ok();
    verify(&place, image, "one").code(9).says(&[
        "out/box-raw.sha256.minisig is by another key, ",
        ", and not by ",
    ]);
    // Nothing of the key is left anywhere.
    let secret = fs::read_to_string(place.beside("two.key")).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    for name in place.names("out") {
        let text = fs::read_to_string(place.path(format!("out/{name}")));
        assert!(!text.unwrap_or_default().contains(secret), "{name}");
    }
    let status = place.cbox(&["status"]).run().ok();
    assert!(!status.to_string().contains("minisig"), "{status}");
    place.cbox(&["clean", "box/raw"]).run().ok();
    let names = place.names("out");
    assert!(
        !names.iter().any(|name| name.starts_with("box-raw")),
        "{names:?}"
    );
}

#[test]
fn a_download_is_verified_with_what_lies_beside_it() {
    let place = place();
    place
        .cbox(&["box", "raw", "--sign", "../one.key"])
        .run()
        .ok();
    let download = Place::empty("download");
    let copy = |from: &str, to: &str| {
        fs::copy(place.path(from), download.path(to)).unwrap();
    };
    let files = || {
        copy("out/box-raw/box.raw", "box.raw");
        copy("out/box-raw.sha256", "box.raw.sha256");
        copy(SIGNATURE, "box.raw.sha256.minisig");
        copy("out/box-raw.json", "box.raw.json");
    };
    let key = place.beside("one.pub");
    let words = [
        "verify-image",
        "box.raw",
        "--public-key",
        key.to_str().unwrap(),
    ];
    let verify = || download.cbox(&words).run();
    files();
    assert_eq!(verify().ok().lines().len(), 3);
    // A list of several files has a signature of its own.
    fs::rename(download.path("box.raw.sha256"), download.path("SHA256SUMS")).unwrap();
    let sums = "SHA256SUMS.minisig";
    fs::rename(download.path("box.raw.sha256.minisig"), download.path(sums)).unwrap();
    fs::remove_file(download.path("box.raw.json")).unwrap();
    let run = verify().ok();
    assert!(
        run.stdout
            .contains("manifest   missing   there is no box.raw.json"),
        "{run}"
    );
    // What nobody signed says nothing against it, but it has to fit.
    copy("out/box-raw.sha256", "box.raw.sha256");
    let run = verify().ok();
    assert!(
        run.stdout.contains("there is no box.raw.sha256.minisig"),
        "{run}"
    );
    fs::remove_file(download.path("SHA256SUMS")).unwrap();
    fs::remove_file(download.path(sums)).unwrap();
    verify()
        .code(9)
        .says(&["nobody vouches for box.raw.sha256"]);
    fs::remove_file(download.path("box.raw.sha256")).unwrap();
    verify().code(9).says(&[
        "neither box.raw.sha256 nor a SHA256SUMS has a checksum for box.raw, so there is nothing",
    ]);

    // A comment that was signed is shown, and not obeyed.
    files();
    let signed = signature(&place, &download, "box.raw.sha256", Some("\u{1b}[2Jgone"));
    download.write("box.raw.sha256.minisig", signed);
    let run = verify().ok();
    assert!(
        run.stdout.contains("[2Jgone)") && !run.stdout.contains('\u{1b}'),
        "{run}"
    );

    let other = |text: String| text.replace("\"box/raw\"", "\"other/raw\"");
    let zeros = "0".repeat(64);
    for (file, change, words) in [
        (
            "box.raw",
            &(|text: String| format!("{text}more")) as &dyn Fn(String) -> String,
            &["box.raw is not the file that box.raw.sha256 is of: its SHA-256 is "][..],
        ),
        (
            "box.raw.sha256",
            &|text| format!("{zeros}{}", &text[64..]),
            &["box.raw.sha256.minisig does not fit: what it signed"],
        ),
        (
            "box.raw.sha256",
            &|text| text.replace("box.raw", "other.raw"),
            &["box.raw.sha256.minisig does not fit"],
        ),
        (
            "box.raw.sha256.minisig",
            &|text| text.replace("file:box-raw", "file:other"),
            &["box.raw.sha256.minisig does not fit: what it signed, or its own comment"],
        ),
        (
            "box.raw.sha256.minisig",
            &|text| text[..text.len() - 20].to_owned(),
            &["box.raw.sha256.minisig is not a signature of minisign"],
        ),
        (
            "box.raw.json",
            &|text| other(text).replace("\"size\": 512", "\"size\": 513"),
            &["box.raw.json is the manifest of another image, one of other/raw"],
        ),
        (
            "box.raw.json",
            &|_| "{}".to_owned(),
            &["box.raw.json cannot be used: its manifest cannot be read"],
        ),
    ] {
        files();
        let text = fs::read(download.path(file)).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        download.write(file, change(text));
        let run = verify()
            .code(9)
            .says(words)
            .says(&["box.raw is not verified"]);
        assert!(run.stdout.contains(" failed "), "{run}");
    }
}

/// The signature of a file by the first key, with this comment.
fn signature(place: &Place, folder: &Place, name: &str, comment: Option<&str>) -> String {
    let secret = fs::read_to_string(place.beside("one.key")).unwrap();
    let secret = minisign::SecretKeyBox::from_string(&secret).unwrap();
    let secret = secret.into_unencrypted_secret_key().unwrap();
    let text = fs::File::open(folder.path(name)).unwrap();
    let signed = minisign::sign(None, &secret, text, comment, None);
    signed.unwrap().into_string()
}

/// Signs `SHA256SUMS` of all files of the folder with the first key.
fn seal(place: &Place, folder: &Place) {
    let list = "rm -f SHA256SUMS*; sha256sum -- * >../sums; mv ../sums SHA256SUMS";
    folder.call("sh").args(["-c", list]).run().ok();
    let signed = signature(place, folder, "SHA256SUMS", None);
    folder.write("SHA256SUMS.minisig", signed);
}

#[test]
fn an_image_is_that_of_its_records_however_it_is_compressed() {
    let place = place();
    place.cbox(&["box", "raw"]).run().ok();
    for (program, end) in [
        ("gzip", "gz"),
        ("zstd", "zst"),
        ("xz", "xz"),
        ("bzip2", "bz2"),
    ] {
        if find_program(program).is_none() {
            say_left_out(&format!("no `{program}` here"));
            continue;
        }
        let release = Place::empty("release");
        let name = format!("box.raw.{end}");
        let image = quoted(place.path("out/box-raw/box.raw"));
        let pack = format!("{program} -c <{image} >{name}");
        release.call("sh").args(["-c", &pack]).run().ok();
        let manifest = release.path(format!("{name}.json"));
        fs::copy(place.path("out/box-raw.json"), manifest).unwrap();
        seal(&place, &release);
        let key = place.beside("one.pub");
        let words = ["verify-image", &name, "--public-key"];
        let run = release.cbox(&words).args([&key]).run().ok();
        let said = format!("{name}.json is of this image, box/raw, and signed in SHA256SUMS");
        assert!(run.stdout.contains(&said), "{run}");
    }
}

#[test]
fn a_compressed_image_is_that_of_its_records_and_a_signed_list_covers_them() {
    let place = place();
    place
        .cbox(&["box", "raw", "--provenance", "--sbom"])
        .run()
        .ok();
    let release = Place::empty("release");
    let records = ["json", "provenance.json", "sbom.json"];
    for record in records {
        let from = place.path(format!("out/box-raw.{record}"));
        fs::copy(from, release.path(format!("box.raw.gz.{record}"))).unwrap();
    }
    let image = place.path("out/box-raw/box.raw");
    let pack = |to: &str| {
        let pack = format!("gzip -c {} >{to}", quoted(&image));
        release.call("sh").args(["-c", &pack]).run().ok();
    };
    pack("box.raw.gz");
    seal(&place, &release);
    let key = place.beside("one.pub");
    let words = ["verify-image", "box.raw.gz", "--public-key"];
    let verify = || release.cbox(&words).args([&key]).run();
    let run = verify().ok();
    for (record, is) in records.iter().zip([
        "is of this image, box/raw",
        "is of this image, by urn:cbox:builder:1",
        "is of this image",
    ]) {
        let said = format!("box.raw.gz.{record} {is}, and signed in SHA256SUMS");
        assert!(run.stdout.contains(&said), "{run}");
    }
    // A record that was changed on the way, and is of the image as before.
    let manifest = release.read("box.raw.gz.json");
    release.write("box.raw.gz.json", manifest.replace("main", "mine"));
    verify()
        .code(9)
        .says(&["box.raw.gz.json is not the file that SHA256SUMS is of: its SHA-256 is "]);
    // Signed as it is, but with the records of another image.
    let other = fs::read(&image).unwrap();
    fs::write(release.path("box.raw"), [&other[..510], b"xy"].concat()).unwrap();
    let pack = "gzip -c box.raw >box.raw.gz; rm box.raw";
    release.call("sh").args(["-c", pack]).run().ok();
    seal(&place, &release);
    let run = verify()
        .code(9)
        .says(&["box.raw.gz.json is the manifest of another image, one of box/raw"]);
    for other in ["provenance.json is the provenance", "sbom.json is the SBOM"] {
        let said = format!("box.raw.gz.{other} of another image");
        assert!(run.stdout.contains(&said), "{run}");
    }
    // Signed, and cannot be unpacked.
    let packed = fs::read(release.path("box.raw.gz")).unwrap();
    fs::write(release.path("box.raw.gz"), &packed[..packed.len() - 6]).unwrap();
    seal(&place, &release);
    verify()
        .code(9)
        .says(&["box.raw.gz.json cannot be compared with box.raw.gz, which cannot be unpacked: "]);
}

#[test]
fn a_key_that_will_not_do_is_one_sentence_and_nothing_is_signed() {
    let place = place();
    place.cbox(&["box", "raw"]).run().ok();
    let secret = fs::read_to_string(place.beside("one.key")).unwrap();
    let bytes = BASE64
        .decode(secret.lines().nth(1).unwrap().as_bytes())
        .unwrap();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        format!("untrusted comment: x\n{}\n", BASE64.encode(&bytes))
    };
    fs::write(place.beside("locked.key"), with(2, b"Sc")).unwrap();
    fs::write(place.beside("damaged.key"), with(80, b"damage")).unwrap();
    // As minisign writes a key without a password: it has no checksum.
    let plain = with(126, &[0; 32]);
    fs::write(place.beside("plain.key"), &plain).unwrap();
    let mut damaged = BASE64
        .decode(plain.lines().nth(1).unwrap().as_bytes())
        .unwrap();
    damaged[80..86].copy_from_slice(b"damage");
    let damaged = format!("untrusted comment: x\n{}\n", BASE64.encode(&damaged));
    fs::write(place.beside("plain-damaged.key"), damaged).unwrap();
    fs::write(place.beside("text.key"), "no key\n").unwrap();
    for (key, words) in [
        (
            "none.key",
            &["there is no secret key ../none.key", "hint: `minisign -G"][..],
        ),
        (
            "one.pub",
            &["../one.pub is a public key, and the secret one signs"],
        ),
        ("text.key", &["../text.key is not a secret key of minisign"]),
        ("damaged.key", &["the secret key ../damaged.key is damaged"]),
        (
            "plain-damaged.key",
            &["the secret key ../plain-damaged.key is damaged"],
        ),
        (
            "locked.key",
            &["the secret key ../locked.key has a password, and none was given"],
        ),
    ] {
        let key = format!("../{key}");
        fails(&place, &["sign", "box/raw", "--key", &key], 2, words);
        fails(&place, &["build", "box/raw", "--sign", &key], 2, words);
    }
    let password = place.beside("password");
    fs::write(&password, "secret\n").unwrap();
    place
        .cbox(&["sign", "box/raw", "--key", "../locked.key"])
        .stdin(fs::File::open(password).unwrap())
        .run()
        .code(2)
        .says(&["that is not the password of the secret key ../locked.key"]);
    for (key, words) in [
        ("../none.pub", &["there is no public key ../none.pub"][..]),
        (
            "../one.key",
            &["../one.key is a secret key, and the public one verifies"],
        ),
        (
            "../text.key",
            &["../text.key is not a public key of minisign"],
        ),
    ] {
        let image = "out/box-raw/box.raw";
        let words_of = ["verify-image", image, "--public-key", key];
        fails(&place, &words_of, 2, words);
    }
    let key = ["--public-key", "../one.pub"];
    for (file, words) in [
        ("none.raw", &["there is no file none.raw"][..]),
        ("out", &["out is a folder, not an image"]),
    ] {
        fails(
            &place,
            &[&["verify-image", file], &key[..]].concat(),
            2,
            words,
        );
    }
    assert!(!place.path(SIGNATURE).exists());
    place
        .cbox(&["sign", "box/raw", "--key", "../plain.key"])
        .run()
        .ok();
    verify(&place, "out/box-raw/box.raw", "one").ok();
    fs::remove_file(place.path(SIGNATURE)).unwrap();
    // What lies in the way is nobody's signature, and a checksum that was changed is not signed.
    let sign = ["sign", "box/raw", "--key", "../one.key"];
    place.write(SIGNATURE, "mine");
    fails(
        &place,
        &sign,
        10,
        &["out/box-raw.sha256.minisig is in the way"],
    );
    fails(
        &place,
        &["box", "raw"],
        10,
        &["box-raw.sha256.minisig is in the way"],
    );
    assert_eq!(place.read(SIGNATURE), "mine");
    fs::remove_file(place.path(SIGNATURE)).unwrap();
    place.write(
        "out/box-raw.sha256",
        format!("{}  box-raw/box.raw\n", "0".repeat(64)),
    );
    fails(
        &place,
        &sign,
        9,
        &["out/box-raw.sha256 is not the checksum of what out/box-raw points to"],
    );
    assert!(!place.path(SIGNATURE).exists());
}
