//! The images boot, and say on the serial console which source is baked into them.

use crate::support::{
    call::{Ended, find_program},
    nix::{native, say_left_out},
    place::Place,
};

/// A place with the mini box; `None` where there is no QEMU for `arch`.
fn minibox(arch: &str) -> Option<Place> {
    let qemu = format!("qemu-system-{arch}");
    if find_program(&qemu).is_none() {
        say_left_out(&format!("no {qemu} here"));
        return None;
    }
    Some(Place::minibox())
}

/// Boots what was built for `target` until a line matches.
#[track_caller]
fn boot(place: &Place, target: &str, until: &str, options: &[&str]) -> Ended {
    let boot = ["boot", target, "--quiet", "--timeout", "280", "--until"];
    let boot = [&boot[..], &[until], options].concat();
    place.cbox(&boot).run().ok()
}

/// Builds an image for `arch`, boots it, and compares the line that it says when it is up
/// with what evaluation knows.
#[track_caller]
fn boots(format: &str, arch: &str, options: &[&str]) {
    let Some(place) = minibox(arch) else {
        return;
    };
    let system = format!("{arch}-linux");
    place.ask(&["appliance", format, &system]);
    let target = format!("appliance/{format}/{arch}");
    let booted = boot(&place, &target, "^cbox-ready ", options);
    let host = match format {
        "iso" => "_appliance_iso",
        _ => "_appliance-disk",
    };
    let hash = place.plain_eval(&format!(
        "nixosConfigurations.{host}.config.environment.etc.\"nixos-repo.hash\".text"
    ));
    let marker = format!("cbox-ready coder-box {arch} {}", hash.trim());
    assert_eq!(booted.text(), marker, "{booted}");
    assert_eq!(place.names("../tmp"), [""; 0], "{booted}");
}

/// Takes the console from the first entry of the menu, and adds one with it in another menu.
pub(crate) fn silence(place: &Place) {
    let file = "modules/images/grub.nix";
    let menu = place.read(file);
    let first = "+ entry cfg.configurationName \"\"";
    assert!(menu.contains(first) && menu.contains("set timeout=1\n"));
    let silent = "builtins.replaceStrings [ \"console=ttyS0,115200n8\" ] [ \"\" ]";
    let changed = format!(
        "+ {silent} (entry cfg.configurationName \"\")
         + \"submenu 'Options' {{\\nmenuentry 'No' {{\\nhalt\\n}}\\n\"
         + entry \"Speaks\" \"\" + \"}}\\n\""
    );
    let menu = menu
        .replace(first, &changed)
        .replace("set timeout=1\n", "set timeout=60\n");
    place.write(file, &menu);
}

#[test]
fn an_x86_64_iso_as_a_cd_by_bios() {
    boots("iso", "x86_64", &["--bios"]);
}

#[test]
fn an_x86_64_iso_as_a_stick_by_uefi() {
    boots("iso", "x86_64", &["--as", "usb"]);
}

#[test]
fn an_x86_64_qcow2_image() {
    boots("qcow2", "x86_64", &[]);
}

/// A menu like nixpkgs' own: what starts by itself is silent on the serial line, and one
/// further down is not.
#[test]
fn an_iso_that_is_silent_by_itself() {
    let Some(place) = minibox("x86_64") else {
        return;
    };
    silence(&place);
    place.ask(&["appliance", "iso", "x86_64"]);
    for options in [&["--bios"][..], &["--as", "usb"]] {
        let boot = ["boot", "appliance/iso/x86_64", "--until", "^cbox-ready "];
        let booted = place.cbox(&[&boot[..], options].concat()).run().ok();
        // Nothing else of this image reaches the line.
        booted.says(&["serial console: chosen by keys in its boot menu: Options > Speaks"]);
        assert_eq!(place.names("../tmp"), [""; 0]);
    }
}

#[test]
fn an_aarch64_iso_as_a_cd() {
    boots("iso", "aarch64", &[]);
}

#[test]
fn state_survives_in_an_overlay_that_is_kept_and_the_image_stays_as_it_is() {
    let Some(place) = minibox("x86_64") else {
        return;
    };
    place.ask(&["appliance", "raw", "x86_64"]);
    place.ask(&["appliance", "qcow2", "x86_64"]);
    let whole = || {
        let check = ["-c", "appliance-raw-x86_64-linux.sha256"];
        let check = place.call("sha256sum").args(check);
        check.folder(place.path("out")).run().ok();
    };
    let keep = ["--keep", "../state"];
    // The prompt comes when what was counted is on the disk; it has no line feed.
    let first = boot(&place, "appliance/raw/x86_64", "^/ # $", &keep);
    assert_eq!(first.text(), "/ #", "{first}");
    whole();
    let booted = boot(&place, "appliance/raw/x86_64", " boots=", &keep);
    assert!(booted.text().contains(" boots=2 "), "{booted}");
    whole();

    let other = ["boot", "appliance/qcow2/x86_64", "--keep", "../state"];
    let refused = place.cbox(&other).run().code(2);
    refused.says(&["../state exists, and is an overlay of another image"]);
}

#[test]
fn an_image_with_another_source_says_another_hash() {
    let Some(place) = minibox(std::env::consts::ARCH) else {
        return;
    };
    let attribute =
        "nixosConfigurations._appliance_iso.config.environment.etc.\"nixos-repo.hash\".text";
    let before = place.plain_eval(attribute);
    place.write("modules/word.txt", "a new word");
    place.ask(&["appliance", "iso", &native()]);
    place.commit("so that plain Nix sees it");
    let after = place.plain_eval(attribute);
    assert_ne!(before, after);
    let booted = boot(&place, "appliance/iso", "^cbox-ready ", &[]);
    assert!(booted.text().ends_with(after.trim()), "{booted}");
}
