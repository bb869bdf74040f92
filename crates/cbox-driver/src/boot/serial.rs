//! Whether the serial line of a machine will be heard, and what cbox does for it.
//!
//! It is told by the image, before anything is started, and no image is changed for it: a
//! machine of somebody's shows its console on its screen.

use super::{
    arch::Arch,
    iso9660,
    menu::{Menu, Way},
};
use crate::image::Image;

/// Where the console of a machine comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serial {
    /// From the image, or the machine describes it to the kernel.
    Own,
    /// From the firmware's tables, which systemd-boot and its stub read.
    Tables,
    /// From an entry of the image's menu.
    Menu(Way),
    /// From nowhere that is known, for this reason.
    Nowhere(String),
}

/// What the kernel of a PC is told.
pub const WORD: &str = "console=ttyS0,115200n8";

/// The names under which systemd-boot and systemd-stub look for more words for the kernel
/// (systemd-boot(7), systemd-stub(7)).
pub const TABLES: [&str; 2] = [
    "io.systemd.boot.kernel-cmdline-extra",
    "io.systemd.stub.kernel-cmdline-extra",
];

/// How the text of a menu is read.
type Reader = fn(&str) -> Menu;

/// Where menus are, those first that the firmware comes to first.
const BIOS: &[(&str, Reader)] = &[
    ("isolinux/isolinux.cfg", Menu::of_syslinux),
    ("boot/grub/grub.cfg", Menu::of_grub),
];
const UEFI: &[(&str, Reader)] = &[
    ("EFI/BOOT/grub.cfg", Menu::of_grub),
    ("boot/grub/grub.cfg", Menu::of_grub),
];

impl Serial {
    /// What is known of `image`.
    pub fn of(image: &Image, arch: Arch, is_bios: bool) -> Self {
        match (arch, image.is_iso) {
            // QEMU's device tree and its ACPI name the line, and kernels take it from there.
            (Arch::Aarch64, _) => Self::Own,
            (Arch::X86_64, false) => Self::Tables,
            (Arch::X86_64, true) => Self::of_menu(image, if is_bios { BIOS } else { UEFI }),
        }
    }

    fn of_menu(image: &Image, places: &[(&str, Reader)]) -> Self {
        for (path, reader) in places {
            match iso9660::read(&image.path, path) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    return match reader(&text) {
                        Menu::Speaks => Self::Own,
                        Menu::Way(way) => Self::Menu(way),
                        Menu::Silent => {
                            Self::Nowhere(format!("no entry of its boot menu ({path}) has one"))
                        }
                    };
                }
                Err(error) => {
                    return Self::Nowhere(format!("its boot menu cannot be read: {error}"));
                }
            }
        }
        Self::Nowhere("it has no boot menu that cbox knows".to_owned())
    }

    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Tables => "smbios",
            Self::Menu(_) => "menu",
            Self::Nowhere(_) => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::iso9660::tests::image;
    use camino::Utf8PathBuf;

    #[test]
    fn the_image_says_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("image")).unwrap();
        let of = |bytes: Vec<u8>, is_iso, arch, is_bios| {
            std::fs::write(&path, bytes).unwrap();
            let image = Image {
                path: path.clone(),
                format: "raw",
                is_iso,
                packing: None,
            };
            Serial::of(&image, arch, is_bios)
        };
        let isolinux = |text: &str| image("isolinux", "isolinux.cfg", text);
        let serial = "LABEL a\nAPPEND x\nLABEL b\nAPPEND console=ttyS0\n";
        let way = of(isolinux(serial), true, Arch::X86_64, true);
        assert!(
            matches!(&way, Serial::Menu(way) if way.to_string() == "b"),
            "{way:?}"
        );
        let uefi = of(isolinux(serial), true, Arch::X86_64, false);
        assert!(matches!(uefi, Serial::Nowhere(_)), "{uefi:?}");
        let none = of(isolinux("LABEL a\n"), true, Arch::X86_64, true);
        assert!(matches!(none, Serial::Nowhere(_)), "{none:?}");
        let own = isolinux("LABEL a\nAPPEND console=ttyS0,9600\n");
        assert_eq!(of(own, true, Arch::X86_64, true), Serial::Own);
        assert_eq!(
            of(isolinux(serial), true, Arch::Aarch64, false),
            Serial::Own
        );
        assert_eq!(of(vec![], false, Arch::X86_64, false), Serial::Tables);
    }
}
