//! The architectures that cbox can boot: a row of a table for each, and what depends on them
//! otherwise matches on [`Arch`].

use nix_formats::system::System;

/// What there is to say of one.
struct Row {
    system: &'static str,
    name: &'static str,
    program: &'static str,
    machine: &'static str,
    emulated_cpu: &'static str,
    has_bios: bool,
    qemu_package: &'static str,
    firmware_package: &'static str,
}

/// Makes [`Arch`] of rows, so that an architecture is one row.
macro_rules! arches {
    ($($(#[$doc:meta])* $arch:ident = $row:expr;)*) => {
        /// An architecture that cbox can boot.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Arch {
            $($(#[$doc])* $arch,)*
        }

        impl Arch {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$arch),*];

            fn row(self) -> &'static Row {
                match self {
                    $(Self::$arch => &$row,)*
                }
            }
        }
    };
}

arches! {
    /// `x86_64`.
    X86_64 = Row {
        system: "x86_64-linux",
        name: "x86_64",
        program: "qemu-system-x86_64",
        machine: "q35",
        emulated_cpu: "max",
        has_bios: true,
        qemu_package: "qemu-system-x86",
        firmware_package: "ovmf",
    };
    /// `aarch64`.
    Aarch64 = Row {
        system: "aarch64-linux",
        name: "aarch64",
        program: "qemu-system-aarch64",
        machine: "virt",
        emulated_cpu: "cortex-a72",
        has_bios: false,
        qemu_package: "qemu-system-arm",
        firmware_package: "qemu-efi-aarch64",
    };
}

impl Arch {
    /// The architecture of a system; `None` for one that cbox cannot boot.
    pub fn of(system: &System) -> Option<Self> {
        let is_it = |arch: &Self| arch.row().system == system.as_str();
        Self::ALL.iter().copied().find(is_it)
    }

    /// Nix's name for its systems.
    pub fn system(self) -> &'static str {
        self.row().system
    }

    /// Its name, as QEMU and the kernel have it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The emulator.
    pub fn program(self) -> &'static str {
        self.row().program
    }

    /// QEMU's name for the kind of machine.
    pub fn machine(self) -> &'static str {
        self.row().machine
    }

    /// QEMU's name for the processor that it emulates.
    pub fn emulated_cpu(self) -> &'static str {
        self.row().emulated_cpu
    }

    /// Whether its machines can boot by BIOS.
    pub fn has_bios(self) -> bool {
        self.row().has_bios
    }

    /// Debian's package of the emulator.
    pub fn qemu_package(self) -> &'static str {
        self.row().qemu_package
    }

    /// Debian's package of the UEFI firmware.
    pub fn firmware_package(self) -> &'static str {
        self.row().firmware_package
    }
}
