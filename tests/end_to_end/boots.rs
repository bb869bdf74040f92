//! The images boot, and say on the serial console which source is baked into them.

use crate::support::{
    call::find_program,
    nix::{left_out, native},
    place::{Place, top},
};

/// Builds an image for `arch`, boots it with `options` of `scripts/boot.sh`, and compares
/// the line that it prints when it is up with what evaluation knows.
#[track_caller]
fn boots(format: &str, arch: &str, options: &[&str]) {
    let qemu = format!("qemu-system-{arch}");
    let private = top().join(".tools/bin").join(&qemu);
    if find_program(&qemu).is_none() && !private.is_file() {
        return left_out(&qemu).unwrap_or_default();
    }
    let Some(place) = Place::minibox() else {
        return;
    };
    let system = format!("{arch}-linux");
    let image = place.ask(&["appliance", format, &system]);
    let booted = place
        .call(top().join("scripts/boot.sh"))
        .args([&image, "--arch", arch, "--timeout", "280"])
        .args(options)
        .run()
        .ok();
    let host = match format {
        "iso" => "_appliance_iso",
        _ => "_appliance-disk",
    };
    let hash = place.plain_eval(&format!(
        "nixosConfigurations.{host}.config.environment.etc.\"nixos-repo.hash\".text"
    ));
    let marker = format!("cbox-ready coder-box {arch} {}", hash.trim());
    assert_eq!(booted.text(), marker, "{booted}");
}

#[test]
fn an_x86_64_iso_by_bios() {
    boots("iso", "x86_64", &["--firmware", "bios"]);
}

#[test]
fn an_x86_64_iso_by_efi() {
    boots("iso", "x86_64", &["--firmware", "efi"]);
}

#[test]
fn an_x86_64_raw_image() {
    boots("raw", "x86_64", &[]);
}

#[test]
fn an_x86_64_qcow2_image() {
    boots("qcow2", "x86_64", &[]);
}

#[test]
fn an_aarch64_iso() {
    boots("iso", "aarch64", &[]);
}

#[test]
fn an_image_with_another_source_says_another_hash() {
    if find_program(&format!("qemu-system-{}", std::env::consts::ARCH)).is_none() {
        return;
    }
    let Some(place) = Place::minibox() else {
        return;
    };
    let attribute =
        "nixosConfigurations._appliance_iso.config.environment.etc.\"nixos-repo.hash\".text";
    let before = place.plain_eval(attribute);
    place.write("modules/word.txt", "a new word");
    let image = place.ask(&["appliance", "iso", &native()]);
    place.commit("so that plain Nix sees it");
    let after = place.plain_eval(attribute);
    assert_ne!(before, after);
    let booted = place
        .call(top().join("scripts/boot.sh"))
        .args([&image, "--timeout", "280"])
        .run()
        .ok();
    assert!(booted.text().ends_with(after.trim()), "{booted}");
}
