//! Whether KVM starts a machine here.
//!
//! A `/dev/kvm` that opens says little: where this machine is a virtual one itself, it may
//! run the few instructions of a BIOS and hang at the first of a kernel. So a machine is
//! started that does what every kernel does first, and tells that it got there. Nothing is
//! remembered: it takes some 50 ms, and a machine can be moved to other hardware.

use std::{fs::File, io, path::Path, time::Duration};

use cbox_nix::{
    Interrupt, NixError,
    process::{ChildEvent, Command},
    temporary::TemporaryFolder,
};

use super::{arch::Arch, qemu::Accelerator};
use crate::error::{Error, Kind};

/// How long the probe may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_millis(700);

/// What the x86_64 probe writes to the port of the debug-exit device.
const WORD: u8 = 0x2a;

/// What QEMU ends with then (`hw/misc/debugexit.c`).
const ANSWER: i32 = (WORD as i32) << 1 | 1;

/// The last bytes of the BIOS that probes x86_64: from real mode to protected mode, to
/// long mode with pages, and out. In its last 16 bytes the processor starts.
///
/// ```text
///             cli                         ; at 0xfff00
///             lgdtl %cs:0xff98
///             mov %cr0, %eax
///             or $1, %al
///             mov %eax, %cr0              ; protected mode
///             ljmpl $0x08, $0xfff18
///             mov $0x10, %eax
///             mov %eax, %ds ; %es ; %ss
///             mov $0x1000, %edi
///             mov %edi, %cr3
///             movl $0x2003, (%edi)        ; the first 2 MiB are one page
///             movl $0x3003, 0x1000(%edi)
///             movl $0x83, 0x2000(%edi)
///             mov $0x20, %eax
///             mov %eax, %cr4              ; PAE
///             mov $0xc0000080, %ecx
///             rdmsr
///             or $1, %ah                  ; long mode
///             wrmsr
///             mov %cr0, %eax
///             bts $31, %eax
///             mov %eax, %cr0              ; pages
///             ljmp $0x18, $0xfff6a
///             mov $0x7000, %esp
///             push $0x2a
///             pop %rax
///             out %al, $0xf4
///       hang: hlt
///             jmp hang
/// ```
const X86_64: &[u8] = &[
    0xfa, 0x2e, 0x66, 0x0f, 0x01, 0x16, 0x98, 0xff, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0,
    0x66, 0xea, 0x18, 0xff, 0x0f, 0x00, 0x08, 0x00, 0xb8, 0x10, 0x00, 0x00, 0x00, 0x8e, 0xd8, 0x8e,
    0xc0, 0x8e, 0xd0, 0xbf, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22, 0xdf, 0xc7, 0x07, 0x03, 0x20, 0x00,
    0x00, 0xc7, 0x87, 0x00, 0x10, 0x00, 0x00, 0x03, 0x30, 0x00, 0x00, 0xc7, 0x87, 0x00, 0x20, 0x00,
    0x00, 0x83, 0x00, 0x00, 0x00, 0xb8, 0x20, 0x00, 0x00, 0x00, 0x0f, 0x22, 0xe0, 0xb9, 0x80, 0x00,
    0x00, 0xc0, 0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, 0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xe8, 0x1f,
    0x0f, 0x22, 0xc0, 0xea, 0x6a, 0xff, 0x0f, 0x00, 0x18, 0x00, 0xbc, 0x00, 0x70, 0x00, 0x00, 0x6a,
    WORD, 0x58, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd, 0x90,
    // Nothing, and the segments at 0xfff80: code, data, code of 64 bits.
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, //
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00, //
    0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00, //
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xaf, 0x00, //
    // At 0xfff98: where they are.
    0x1f, 0x00, 0x78, 0xff, 0x0f, 0x00,
];

/// The end of that BIOS: a jump to the beginning of [`X86_64`], 240 bytes before.
const X86_64_START: [u8; 3] = [0xe9, 0x0d, 0xff];

/// The code that probes aarch64, which asks the firmware interface (PSCI) to switch off:
/// `mov w0, #8; movk w0, #0x8400, lsl #16; hvc #0; b .`
const AARCH64: &[u8] = &[
    0x00, 0x01, 0x80, 0x52, 0x00, 0x80, 0xb0, 0x72, 0x02, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x00, 0x14,
];

/// The BIOS of the probe, and what QEMU ends with when it got there.
fn bios(arch: Arch) -> (Vec<u8>, i32) {
    match arch {
        Arch::X86_64 => {
            let mut bios = vec![0xf4; 64 * 1024];
            let (begin, start) = (bios.len() - 256, bios.len() - 16);
            bios[begin..begin + X86_64.len()].copy_from_slice(X86_64);
            bios[start..start + X86_64_START.len()].copy_from_slice(&X86_64_START);
            (bios, ANSWER)
        }
        Arch::Aarch64 => (AARCH64.to_vec(), 0),
    }
}

/// The machine of the probe.
fn arguments(arch: Arch, accelerator: Accelerator, bios: &Path) -> Vec<String> {
    let bios = bios.to_string_lossy();
    let mut words = vec![
        "-machine",
        arch.machine(),
        "-accel",
        accelerator.name(),
        "-cpu",
        accelerator.processor(arch),
        "-m",
        "16",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-bios",
        &bios,
    ];
    if arch == Arch::X86_64 {
        words.extend(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
    }
    words.into_iter().map(str::to_owned).collect()
}

/// What runs a machine of `arch` here, and why it is not KVM.
pub async fn accelerator(
    arch: Arch,
    interrupt: &Interrupt,
) -> Result<(Accelerator, Option<String>), Error> {
    let emulated = |reason: &str| Ok((Accelerator::Tcg, Some(reason.to_owned())));
    if arch.name() != std::env::consts::ARCH {
        return emulated("this machine has another architecture");
    }
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return emulated(match error.kind() {
            io::ErrorKind::NotFound => "this machine has no /dev/kvm",
            io::ErrorKind::PermissionDenied => {
                "you may not use /dev/kvm: join its group, usually `kvm`"
            }
            _ => "/dev/kvm cannot be opened",
        });
    }
    if gets_there(arch, Accelerator::Kvm, interrupt).await? {
        Ok((Accelerator::Kvm, None))
    } else {
        emulated("/dev/kvm can be opened, but cannot run a virtual machine")
    }
}

/// Whether KVM works for those whom Nix lets build here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs a machine.
    Works,
    /// It does not, for this reason.
    Broken(String),
    /// It cannot be tried: there is no QEMU, or this user may not.
    Unknown,
}

/// Tries KVM.
pub async fn verdict(interrupt: &Interrupt) -> Verdict {
    let native = format!("{}-linux", std::env::consts::ARCH).parse().ok();
    let Some(arch) = native.as_ref().and_then(Arch::of) else {
        return Verdict::Unknown;
    };
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    match opened.map_err(|error| error.kind()) {
        Err(io::ErrorKind::NotFound) => Verdict::Broken("it has no /dev/kvm".to_owned()),
        Err(io::ErrorKind::PermissionDenied) => Verdict::Unknown,
        Err(_) => Verdict::Broken("/dev/kvm cannot be opened".to_owned()),
        Ok(_) => match gets_there(arch, Accelerator::Kvm, interrupt).await {
            Ok(true) => Verdict::Works,
            Ok(false) => Verdict::Broken(
                "/dev/kvm can be opened, but cannot run a virtual machine".to_owned(),
            ),
            Err(_) => Verdict::Unknown,
        },
    }
}

/// Whether the probe gets to its end.
async fn gets_there(
    arch: Arch,
    accelerator: Accelerator,
    interrupt: &Interrupt,
) -> Result<bool, Error> {
    let (bios, answer) = bios(arch);
    let write = || -> io::Result<TemporaryFolder> {
        let folder = TemporaryFolder::new()?;
        std::fs::write(folder.path().join("probe"), &bios)?;
        Ok(folder)
    };
    let folder = write().map_err(|error| {
        Error::file(Kind::Environment, "write", "a temporary file", &error)
            .hint("set TMPDIR to a folder that can hold them")
    })?;
    let arguments = arguments(arch, accelerator, &folder.path().join("probe"));
    let mut running = Command::new(arch.program(), arguments).start(None)?;
    let ended = async {
        loop {
            if let ChildEvent::Ended(status) = running.next().await? {
                return io::Result::Ok(status);
            }
        }
    };
    tokio::select! {
        status = ended => Ok(status.is_ok_and(|status| status.code() == Some(answer))),
        () = tokio::time::sleep(PATIENCE) => {
            // It hangs for good and has nothing to lose.
            let _ended = running.end(interrupt).await;
            Ok(false)
        }
        signal = interrupt.wait() => {
            let _ended = running.end(interrupt).await;
            Err(NixError::Interrupted(signal).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Emulated, the probe gets there whatever this machine is; with other code it does not.
    #[test]
    fn the_probe_is_right() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for &arch in Arch::ALL {
            let never = Interrupt::never();
            match runtime.block_on(gets_there(arch, Accelerator::Tcg, &never)) {
                Ok(there) => assert!(there, "{arch:?}"),
                Err(error) => assert!(error.message.contains("not on the PATH"), "{error:?}"),
            }
        }
    }

    #[test]
    fn the_processor_starts_in_the_last_16_bytes() {
        let (bios, answer) = bios(Arch::X86_64);
        assert_eq!((bios.len(), answer), (65536, 85));
        assert_eq!(bios[65536 - 256], 0xfa);
        // Relative to the end of the jump.
        let offset = i16::from_le_bytes([X86_64_START[1], X86_64_START[2]]);
        assert_eq!(65536 - 16 + 3 + i32::from(offset), 65536 - 256);
        assert_eq!(&bios[65536 - 256 + 0x98..][..2], [0x1f, 0]);
    }
}
