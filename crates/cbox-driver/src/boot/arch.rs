//! The architectures that cbox can boot, in QEMU's words.

use nix_formats::system::System;

/// An architecture that cbox can boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// `x86_64`.
    X86_64,
    /// `aarch64`.
    Aarch64,
}

impl Arch {
    /// The architecture of a system; `None` for one that cbox cannot boot.
    pub fn of(system: &System) -> Option<Self> {
        match system.as_str() {
            "x86_64-linux" => Some(Self::X86_64),
            "aarch64-linux" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Its name, as QEMU and the kernel have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The emulator.
    pub fn program(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// QEMU's name for the kind of machine.
    pub fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "q35",
            Self::Aarch64 => "virt",
        }
    }
}
