//! What NixOS calls the parts of a system, by the names that they have in the store.

use nix_formats::package_name::PackageName;

/// Whether this is the name of a whole system, as `system.build.toplevel` has it.
#[must_use]
pub(crate) fn is_system(name: &str) -> bool {
    name.starts_with("nixos-system-")
}

/// What NixOS calls a derivation, or its output, of this name.
///
/// The names are those that the modules of nixpkgs give: `nixos/lib/systemd-lib.nix` for
/// units, `system/etc`, `config/system-path.nix`, `system/activation` and so on.
#[must_use]
pub fn word(name: &str) -> String {
    let known = match name {
        "system-units" => "systemd units",
        "user-units" => "systemd user units",
        "initrd-units" => "units of the initrd",
        "system-path" => "system packages",
        "activate" => "activation script",
        "dry-activate" => "activation script (dry)",
        "boot.json" => "boot specification",
        "stage-1-init.sh" => "boot stage 1",
        "stage-2-init.sh" => "boot stage 2",
        "users-groups.json" => "users and groups",
        "dbus-1" => "D-Bus configuration",
        "udev-rules" => "udev rules",
        "hwdb.bin" => "udev hardware database",
        "user-environment" => "user packages",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    if let Some(script) = name.strip_prefix("unit-script-") {
        return format!("script {script}");
    }
    if let Some(unit) = name.strip_prefix("unit-") {
        return unit.strip_suffix("-disabled").unwrap_or(unit).to_owned();
    }
    let package = PackageName::parse(name);
    if package.package == "initrd-linux" {
        return "initrd".to_owned();
    }
    if package.package == "linux" && package.part.starts_with("modules") {
        return "kernel modules".to_owned();
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_nixos_has_them() {
        for (name, expected) in [
            ("unit-coder.service", "coder.service"),
            ("unit-coder.service-disabled", "coder.service"),
            ("unit-script-coder-start", "script coder-start"),
            ("system-units", "systemd units"),
            ("initrd-linux-6.12.1", "initrd"),
            ("linux-6.12.1-modules-shrunk", "kernel modules"),
            ("linux-6.12.1", "linux-6.12.1"),
            ("etc", "etc"),
        ] {
            assert_eq!(word(name), expected);
        }
    }
}
