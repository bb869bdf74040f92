//! Inputs to begin with: what was recorded in this repository, and what it is made of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER_PERMISSIVE;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a folder whose names end so, in the order of their names.
fn below(folder: &str, ends: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![top().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            match path.is_dir() {
                _ if path.is_symlink() => {}
                true if ["target", ".git", ".tools", "out"].contains(&&*name) => {}
                true => folders.push(path),
                false if ends.iter().any(|end| name.ends_with(end)) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

pub(crate) fn derivations() -> Vec<Vec<u8>> {
    below("crates/nix-formats/fuzz/corpus/derivation", &[""])
}

pub(crate) fn explanations() -> Vec<Vec<u8>> {
    below("crates/drv-causes/fuzz/corpus/explain", &[""])
}

pub(crate) fn events() -> Vec<Vec<u8>> {
    below("crates/cbox-nix/src/events/recorded", &[".jsonl"])
}

pub(crate) fn errors() -> Vec<Vec<u8>> {
    below("tests/errors/fixtures", &[".txt"])
}

pub(crate) fn sources() -> Vec<Vec<u8>> {
    below("tests/errors/fixtures", &[".nix"])
}

pub(crate) fn configs() -> Vec<Vec<u8>> {
    below("", &["cbox.toml"])
}

pub(crate) fn patterns() -> Vec<Vec<u8>> {
    let mut seeds = below("", &[".gitignore"]);
    seeds.push(b"/a\n!b*\n**/c/**\n[[:digit:]a-z!]?\\ \n\\#x\nfoo/**/bar/\n# no\n\xff*\n".to_vec());
    seeds
}

pub(crate) fn locks() -> Vec<Vec<u8>> {
    let mut seeds = below("", &["flake.lock"]);
    // Each input follows two that each follow two.
    let follows = (1..60).map(|step| format!(r#""f{step}": ["f{0}", "g{0}"]"#, step - 1));
    let inside = (0..60).map(|step| format!(r#""g{step}": ["f{step}"]"#));
    let (follows, inside): (Vec<_>, Vec<_>) = (follows.collect(), inside.collect());
    seeds.push(
        format!(
            r#"{{"nodes": {{"root": {{"inputs": {{"f0": "n", "a": "n", {}}}}}, "n": {{"inputs": {{{}}}}}}}, "root": "root"}}"#,
            follows.join(", "),
            inside.join(", ")
        )
        .into_bytes(),
    );
    seeds.push(
        br#"{"nodes":{"a":{"locked":{"narHash":"sha256-x","type":"path","path":"/a"},"original":{"type":"path","path":"/a"},"inputs":{"b":["b"],"c":"c"}},"b":{"flake":false,"locked":{"type":"git","url":"u","rev":"r"}},"c":{"inputs":{"a":["a","c"]}},"root":{"inputs":{"a":"a","b":"b"}}},"root":"root","version":7}"#
            .to_vec(),
    );
    seeds
}

const DRV: &str = "/nix/store/00000000000000000000000000000000-box.drv";
const OUT: &str = "/nix/store/11111111111111111111111111111111-box";

pub(crate) fn baselines() -> Vec<Vec<u8>> {
    let one = format!(
        r#"{{"schema": 2, "hosts": {{"box": {{"system": "x86_64-linux", "drvPath": "{DRV}", "outPath": "{OUT}", "flakeLock": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}}, "b": {{"system": "aarch64-linux", "drvPath": "{DRV}", "outPath": null, "flakeLock": null}}}}}}"#
    );
    let old = format!(
        r#"{{"schema": 1, "hosts": {{"box": {{"system": "x86_64-linux", "drvPath": "{DRV}", "outPath": "{OUT}", "flakeLock": null, "revision": "0000000000000000000000000000000000000000"}}}}}}"#
    );
    let conflict = "{\n<<<<<<< a\n\"schema\": 2,\n=======\n>>>>>>> b\n}".to_owned();
    [one, old, conflict].map(String::into_bytes).to_vec()
}

pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let first = format!(
        r#"{{"schema": 1, "target": "appliance/iso", "host": "box", "hostName": "b", "system": "x86_64-linux", "drv": "{DRV}", "out": "{OUT}", "output": "out", "artifact": {{"path": "iso/a.iso", "size": 1, "sha256": "00"}}, "overrides": [{{"option": "a.b", "value": {{"c": [1, null, true, "x"]}}}}], "source": {{"path": "{OUT}", "narHash": "sha256-x", "revision": "r", "branch": null, "dirty": true, "local": ["a"], "overriddenInputs": [["n", "r"]]}}, "tools": {{"cbox": "0.1.0", "nix": "2.26.3"}}, "linkedAt": 1700000000}}"#
    );
    let several = format!(
        r#"{{"schema": 2, "target": "hosts/a", "host": "a", "hostName": null, "system": "aarch64-linux", "drvPath": "{DRV}", "outPath": "{OUT}", "output": "out", "artifact": {{"path": "a", "size": 1, "sha256": "00"}}, "artifacts": [{{"path": "a", "size": 1, "sha256": "00"}}, {{"path": "b", "size": 2, "sha256": "01"}}], "overrides": [], "source": {{"storePath": "{OUT}", "narHash": "sha256-x", "revision": null, "branch": "b", "dirty": false, "local": [], "overriddenInputs": []}}, "tools": {{"cbox": "0.1.0", "nix": "2.26.3"}}, "linkedAt": "2026-01-25T10:15:00Z"}}"#
    );
    vec![first.into_bytes(), several.into_bytes()]
}

pub(crate) fn path_infos() -> Vec<Vec<u8>> {
    let listed = format!(r#"[{{"path": "{OUT}", "narSize": 9, "references": ["{OUT}"]}}]"#);
    let by_path = format!(
        r#"{{"{OUT}": {{"narSize": 9, "references": ["{DRV}"]}}, "{DRV}": {{"narSize": 1, "references": []}}, "x": null}}"#
    );
    let mut chain = String::from("{\"info\": {");
    for number in 0..50 {
        let name = |number: i32| format!("{number:032}-p{number}");
        let references =
            [name(number + 1), name(number / 2), name(number)].map(|it| format!("\"{it}\""));
        chain.push_str(&format!(
            "\"{}\": {{\"narSize\": {number}, \"references\": [{}]}}, ",
            name(number),
            references.join(", ")
        ));
    }
    chain.push_str("\"00000000000000000000000000000050-p50\": {\"narSize\": 1, \"references\": []}}, \"version\": 2}");
    [listed, by_path, chain].map(String::into_bytes).to_vec()
}

pub(crate) fn images() -> Vec<Vec<u8>> {
    hexadecimal("real_images.jsonl", "content")
}

pub(crate) fn packed() -> Vec<Vec<u8>> {
    hexadecimal("real_unpacking.jsonl", "packed")
}

/// What is in `field` of each line of a file beside the code that it is for.
fn hexadecimal(file: &str, field: &str) -> Vec<Vec<u8>> {
    let file = top().join("crates/cbox-source/src/disk_image").join(file);
    let text = fs::read_to_string(file).unwrap_or_default();
    let bytes = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        HEXLOWER_PERMISSIVE
            .decode(line[field].as_str()?.as_bytes())
            .ok()
    };
    text.lines().filter_map(bytes).collect()
}

/// An ISO 9660 image with `a/b.cfg` in it.
pub(crate) fn isos() -> Vec<Vec<u8>> {
    let record = |name: &[u8], sector: u32, length: u32| {
        let mut record = vec![0; 33];
        record[2..6].copy_from_slice(&sector.to_le_bytes());
        record[10..14].copy_from_slice(&length.to_le_bytes());
        record[32] = name.len() as u8;
        record.extend_from_slice(name);
        record.resize(record.len().next_multiple_of(2), 0);
        record[0] = record.len() as u8;
        record
    };
    let mut image = vec![0; 21 * 2048];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(16 * 2048, b"\x01CD001");
    put(16 * 2048 + 156, &record(b"\0", 18, 2048));
    put(
        18 * 2048,
        &[record(b"\0", 18, 2048), record(b"A", 19, 2048)].concat(),
    );
    put(
        19 * 2048,
        &[record(b"\x01", 18, 2048), record(b"B.CFG;1", 20, 5)].concat(),
    );
    put(20 * 2048, b"hello");
    vec![image]
}

pub(crate) fn menus() -> Vec<Vec<u8>> {
    let grub = "if [ x = y ]; then\nmenuentry 'a' --class x {\nlinux /k console=ttyS0,115200n8\n}\nfi\n\
                submenu \"b\" {\nmenuentry \"c\" {\nlinux /k quiet\n}\n}\nhiddenentry 'd' {\n}\n";
    let syslinux = "DEFAULT a\nLABEL a\nMENU LABEL ^A\nAPPEND x console=ttyS0\nMENU BEGIN b\nMENU TITLE t\n\
                    LABEL c\nMENU HIDE\nAPPEND y\nMENU END\nMENU SEPARATOR\n";
    vec![grub.into(), syslinux.into()]
}

pub(crate) fn modules() -> Vec<Vec<u8>> {
    vec![
        b"[submodule \"a\"]\n\tpath = a/b\n\turl = ../a\n[submodule \"c\"]\n\tpath=c\n".to_vec(),
        b"{ inputs.self.submodules = true; outputs = _: { }; }".to_vec(),
    ]
}

pub(crate) fn consoles() -> Vec<Vec<u8>> {
    let mut seeds = menus();
    seeds.push(b"\x1b[2J\x1b[1;1H\x1b[31mBoot\x1b[0m\r\n\x1b]0;title\x07\x1bPq\x1b\\[    0.000000] Linux\r\n".to_vec());
    seeds.push(
        "login: \u{9b}31m\u{2500}\u{2502}\r10%\r20%\n::error::x\n##[y]\n"
            .as_bytes()
            .to_vec(),
    );
    seeds
}

pub(crate) fn kernel() -> Vec<Vec<u8>> {
    vec![
        b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
            .to_vec(),
        b"Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1 0 -2\n".to_vec(),
        b"S:disk\nE:ID_FS_TYPE=vfat\nE:ID_FS_LABEL_ENC=A\\x20B\n".to_vec(),
        b"8:17".to_vec(),
    ]
}

pub(crate) fn words() -> Vec<Vec<u8>> {
    [
        "appliance/iso/aarch64-linux",
        "hosts/box",
        "a.\"b.c\".d",
        "networking.hostName=\"x\"",
        "a.b={\"c\": [1]}",
        "/nix/store/00000000000000000000000000000000-zlib-1.3.1",
        "aarch64",
        "12h",
        "4.5 GiB",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "ssh://b x86_64-linux /key 4 1 kvm,big-parallel - c3NoLQ==",
        "these 2 derivations will be built:\n  /nix/store/00000000000000000000000000000000-a.drv\nthis path will be fetched (1.00 MiB download, 2.00 MiB unpacked):\n  /nix/store/00000000000000000000000000000000-b\n",
    ]
    .map(|word| word.as_bytes().to_vec())
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_manifests_are_made_of_are_some() {
        for seed in manifests() {
            cbox_driver::links::manifest::Manifest::parse(&seed).unwrap();
        }
    }
}
