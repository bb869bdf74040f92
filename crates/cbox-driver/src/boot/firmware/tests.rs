use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = text.replace("ROOT", root.path().to_str().unwrap());
        fs::write(file, text).unwrap();
    }
    root
}

fn found(root: &tempfile::TempDir, named: Option<&str>, arch: Arch) -> Option<String> {
    let base = root.path().canonicalize().unwrap();
    let base = Utf8PathBuf::from_path_buf(base).unwrap();
    let named = named.map(|named| base.join(named));
    let home = base.join("home");
    let places = Places::usual(base.as_std_path(), named.as_deref(), Some(&home), None);
    match places.find(arch)? {
        Firmware::Flash {
            code,
            variables: Some(variables),
        } => {
            let inside = |path: &Utf8Path| path.strip_prefix(&base).unwrap().to_string();
            let (code, variables) = (inside(&code.path), inside(&variables.path));
            Some(format!("{code} {variables}"))
        }
        other => panic!("{other:?}"),
    }
}

/// A description as Debian and Fedora have them.
fn description(name: &str, architecture: &str, machine: &str, features: &str) -> String {
    format!(
        r#"{{"description": "UEFI", "interface-types": ["uefi"],
            "mapping": {{"device": "flash",
              "executable": {{"filename": "ROOT/fw/{name}", "format": "raw"}},
              "nvram-template": {{"filename": "ROOT/fw/vars", "format": "raw"}}}},
            "targets": [{{"architecture": "{architecture}", "machines": ["{machine}"]}}],
            "features": [{features}], "tags": []}}"#
    )
}

#[test]
fn descriptions_come_first_and_in_the_order_of_their_names() {
    let q35 = |name: &str, features: &str| description(name, "x86_64", "pc-q35-*", features);
    let root = folder(&[
        ("fw/one", ""),
        ("fw/two", ""),
        ("fw/vars", ""),
        ("usr/share/OVMF/OVMF_CODE_4M.fd", ""),
        ("usr/share/OVMF/OVMF_VARS_4M.fd", ""),
        ("usr/share/qemu/firmware/10-broken.json", "{"),
        (
            "usr/share/qemu/firmware/20-smm.json",
            &q35("one", "\"requires-smm\", \"secure-boot\""),
        ),
        (
            "usr/share/qemu/firmware/30-keys.json",
            &q35("one", "\"enrolled-keys\""),
        ),
        ("usr/share/qemu/firmware/40-gone.json", &q35("gone", "")),
        (
            "usr/share/qemu/firmware/45-micro.json",
            &description("one", "x86_64", "microvm", ""),
        ),
        (
            "usr/share/qemu/firmware/50-arm.json",
            &description("one", "aarch64", "virt-*", ""),
        ),
        ("usr/share/qemu/firmware/60-masked.json", &q35("one", "")),
        ("etc/qemu/firmware/60-masked.json", ""),
        (
            "usr/share/qemu/firmware/70-good.json",
            &q35("two", "\"acpi-s3\""),
        ),
        (
            "run/current-system/sw/share/qemu/firmware/80-late.json",
            &q35("one", ""),
        ),
    ]);
    let at = |arch| found(&root, None, arch);
    assert_eq!(at(Arch::X86_64).unwrap(), "fw/two fw/vars");
    assert_eq!(at(Arch::Aarch64).unwrap(), "fw/one fw/vars");
    fs::create_dir_all(root.path().join("home/qemu/firmware")).unwrap();
    let own = root.path().join("home/qemu/firmware/70-good.json");
    fs::write(own, "").unwrap();
    assert_eq!(at(Arch::X86_64).unwrap(), "fw/one fw/vars");
}

#[test]
fn without_descriptions_the_usual_places_are_looked_at() {
    for (arch, code, variables) in PLACES
        .iter()
        .map(|(arch, _, code, variables)| (*arch, code, variables))
    {
        for share in ["usr/share", "run/current-system/sw/share"] {
            let (code, variables) = (format!("{share}/{code}"), format!("{share}/{variables}"));
            let root = folder(&[(&code, ""), (&variables, "")]);
            assert_eq!(
                found(&root, None, arch).unwrap(),
                format!("{code} {variables}")
            );
            fs::remove_file(root.path().join(&variables)).unwrap();
            assert_eq!(found(&root, None, arch), None);
        }
    }
}

#[test]
fn a_folder_that_was_named_comes_before_all() {
    let root = folder(&[
        ("mine/OVMF/OVMF_CODE_4M.fd", ""),
        ("mine/OVMF/OVMF_VARS_4M.fd", ""),
        ("FV/OVMF_CODE.fd", ""),
        ("FV/OVMF_VARS.fd", ""),
        ("usr/share/OVMF/OVMF_CODE_4M.fd", ""),
        ("usr/share/OVMF/OVMF_VARS_4M.fd", ""),
    ]);
    let at = |named| found(&root, named, Arch::X86_64).unwrap();
    assert!(at(Some("mine")).starts_with("mine/OVMF/"));
    assert!(at(Some("FV")).starts_with("FV/OVMF_CODE.fd"));
    assert!(at(Some("empty")).starts_with("usr/share/"));
    assert!(at(None).starts_with("usr/share/"));
}

/// A file that looks like firmware for `arch`.
fn content(arch: Arch, size: usize) -> Vec<u8> {
    let mut content = vec![0xff; size];
    match arch {
        Arch::X86_64 => {
            content[40..44].copy_from_slice(b"_FVH");
            content[size - 16] = 0x90;
        }
        Arch::Aarch64 => {
            content[..4].copy_from_slice(&[0, 4, 0, 0x14]);
            content[0x1028..0x102c].copy_from_slice(b"_FVH");
        }
    }
    content
}

#[test]
fn a_named_file_is_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let base = Utf8PathBuf::from_path_buf(root.path().to_owned()).unwrap();
    let at = |name: &str, content: &[u8], arch: Arch| {
        let file = base.join(name);
        fs::write(&file, content).unwrap();
        from_file(&file, "shown".into(), arch)
    };
    let x86 = content(Arch::X86_64, 2 << 20);
    let alone = at("MY_CODE.fd", &x86, Arch::X86_64).unwrap();
    assert!(matches!(
        alone,
        Firmware::Flash {
            variables: None,
            ..
        }
    ));
    fs::write(base.join("MY_VARS.fd"), "").unwrap();
    let both = at("MY_CODE.fd", &x86, Arch::X86_64).unwrap();
    assert!(matches!(
        both,
        Firmware::Flash {
            variables: Some(_),
            ..
        }
    ));
    let small = at(
        "QEMU_EFI.fd",
        &content(Arch::Aarch64, 2 << 20),
        Arch::Aarch64,
    );
    assert!(matches!(small.unwrap(), Firmware::Memory { .. }));

    for (content, arch, reason) in [
        (vec![], Arch::X86_64, "its 0 bytes"),
        (b"#!/bin/sh\n".to_vec(), Arch::X86_64, "its 10 bytes"),
        (vec![0; 4096], Arch::X86_64, "no firmware volume"),
        (
            content(Arch::X86_64, 16 << 20),
            Arch::X86_64,
            "larger than 8 MiB",
        ),
        (x86.clone(), Arch::Aarch64, "where the processor starts"),
        (
            content(Arch::Aarch64, 2 << 20),
            Arch::X86_64,
            "where the processor starts",
        ),
    ] {
        let error = at("file", &content, arch).unwrap_err();
        assert_eq!(error.kind, Kind::Environment);
        assert!(error.message.starts_with("shown is not UEFI"), "{error:?}");
        assert!(error.message.contains(reason), "{error:?}");
    }
    let missing = from_file(&base.join("gone"), "gone".into(), Arch::X86_64).unwrap_err();
    assert!(
        missing.message.starts_with("cannot read the firmware gone"),
        "{missing:?}"
    );
}
