//! The arguments of QEMU for a machine: values in, words out.

use camino::Utf8PathBuf;

use super::{Attached, Forward, arch::Arch, firmware::Firmware, serial};
use crate::image::{Image, parts::DirectBoot};

/// What runs the machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU.
    Tcg,
}

impl Accelerator {
    /// Its name, as QEMU has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// QEMU's name for the processor of a machine of `arch`.
    pub fn processor(self, arch: Arch) -> &'static str {
        match self {
            Self::Kvm => "host",
            Self::Tcg => arch.emulated_cpu(),
        }
    }
}

/// Where the machine shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// In a window.
    Window,
    /// On the serial console alone.
    Serial,
}

/// What a machine boots.
#[derive(Debug)]
pub enum Boots {
    /// The first of these images; the others are drives beside it.
    Images(Vec<Image>),
    /// A kernel that QEMU starts itself.
    Kernel(DirectBoot),
}

/// A machine that is to be booted.
#[derive(Debug)]
pub struct Machine {
    /// The architecture.
    pub arch: Arch,
    /// What runs its instructions.
    pub accelerator: Accelerator,
    /// In MiB.
    pub memory: u64,
    /// How many processors it has.
    pub cpus: usize,
    /// What it boots.
    pub boots: Boots,
    /// What its images are to it.
    pub attached: Attached,
    /// The overlay that takes what the machine writes; without one it is thrown away.
    pub keep: Option<Utf8PathBuf>,
    /// What starts the boot.
    pub firmware: Firmware,
    /// Where it shows itself.
    pub screen: Screen,
    /// Whether the firmware's tables have the serial console for systemd-boot.
    pub tables: bool,
    /// The pipes of a keyboard.
    pub keyboard: Option<Utf8PathBuf>,
    /// Ports of this machine that lead to it.
    pub forwards: Vec<Forward>,
    /// Whether a restart is the end.
    pub once: bool,
    /// What the user adds.
    pub extra: Vec<String>,
}

/// A file in an option of several parts: a comma in its name is doubled.
fn file(path: &camino::Utf8Path) -> String {
    path.as_str().replace(',', ",,")
}

impl Machine {
    /// The arguments.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = Words(vec![]);
        words.add(["-machine", self.arch.machine()]);
        words.add(["-accel", self.accelerator.name()]);
        words.add(["-cpu", self.accelerator.processor(self.arch)]);
        words.add(["-smp", &self.cpus.to_string()]);
        words.add(["-m", &self.memory.to_string()]);
        self.add_firmware(&mut words);
        self.add_boots(&mut words);
        self.add_network(&mut words);
        words.add(["-device", "virtio-rng-pci"]);
        self.add_screen(&mut words);
        if self.once {
            words.add(["-no-reboot"]);
        }
        words.0.extend(self.extra.iter().cloned());
        words.0
    }

    fn add_firmware(&self, words: &mut Words) {
        match &self.firmware {
            Firmware::Bios => {}
            Firmware::Memory { code } => words.add(["-bios", code.as_str()]),
            Firmware::Flash { code, variables } => {
                words.add([
                    "-drive",
                    &format!(
                        "if=pflash,unit=0,format={},readonly=on,file={}",
                        code.format,
                        file(&code.path)
                    ),
                ]);
                if let Some(variables) = variables {
                    // `snapshot` is a copy that QEMU makes and throws away.
                    words.add([
                        "-drive",
                        &format!(
                            "if=pflash,unit=1,format={},snapshot=on,file={}",
                            variables.format,
                            file(&variables.path)
                        ),
                    ]);
                }
            }
        }
    }

    fn add_boots(&self, words: &mut Words) {
        match &self.boots {
            Boots::Kernel(direct) => self.add_kernel(words, direct),
            Boots::Images(images) => {
                if let Some((first, others)) = images.split_first() {
                    self.add_image(words, first);
                    for (number, other) in others.iter().enumerate() {
                        Self::add_drive(words, other, number + 1);
                    }
                }
            }
        }
    }

    fn add_kernel(&self, words: &mut Words, direct: &DirectBoot) {
        words.add(["-kernel", direct.kernel.as_str()]);
        words.add(["-initrd", direct.initrd.as_str()]);
        let console = match (self.screen, self.arch) {
            (Screen::Serial, Arch::X86_64) => serial::WORD,
            _ => "",
        };
        let line = format!("{} {console}", direct.words);
        words.add(["-append", line.trim()]);
    }

    /// A drive beside the one that is booted. What is written to it is thrown away.
    fn add_drive(words: &mut Words, image: &Image, number: usize) {
        words.add([
            "-drive",
            &format!(
                "if=none,id=image{number},snapshot=on,format={},file={}",
                image.format,
                file(&image.path)
            ),
        ]);
        words.add(["-device", &format!("virtio-blk-pci,drive=image{number}")]);
    }

    fn add_image(&self, words: &mut Words, image: &Image) {
        let drive = match (&self.keep, self.attached) {
            (_, Attached::Cd) => format!(
                "if=none,id=image,media=cdrom,readonly=on,format={},file={}",
                image.format,
                file(&image.path)
            ),
            (Some(keep), _) => format!("if=none,id=image,format=qcow2,file={}", file(keep)),
            // An overlay that has no name, so that nothing of it can stay.
            (None, _) => format!(
                "if=none,id=image,snapshot=on,format={},file={}",
                image.format,
                file(&image.path)
            ),
        };
        words.add(["-drive", &drive]);
        match (self.attached, self.arch) {
            (Attached::Cd, Arch::X86_64) => {
                words.add(["-device", "ide-cd,drive=image,bootindex=0"]);
            }
            (Attached::Cd, Arch::Aarch64) => {
                words.add(["-device", "virtio-scsi-pci"]);
                words.add(["-device", "scsi-cd,drive=image,bootindex=0"]);
            }
            (Attached::Usb, _) => {
                words.add(["-device", "qemu-xhci,id=stick"]);
                words.add([
                    "-device",
                    "usb-storage,bus=stick.0,drive=image,removable=on,bootindex=0",
                ]);
            }
            (Attached::Disk, _) => {
                words.add(["-device", "virtio-blk-pci,drive=image,bootindex=0"]);
            }
        }
    }

    fn add_network(&self, words: &mut Words) {
        // Seen from this machine alone.
        let forwards: String = self
            .forwards
            .iter()
            .map(|Forward { host, guest }| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"))
            .collect();
        words.add(["-netdev", &format!("user,id=net{forwards}")]);
        // Without its ROM it is not what the firmware tries to boot from.
        words.add(["-device", "virtio-net-pci,netdev=net,romfile="]);
    }

    fn add_screen(&self, words: &mut Words) {
        match self.screen {
            Screen::Serial => {
                words.add(["-display", "none", "-monitor", "none", "-parallel", "none"]);
                // Ctrl-C on a terminal stays a signal, and is no key of the guest's.
                words.add(["-chardev", "stdio,id=console,signal=on"]);
                words.add(["-serial", "chardev:console"]);
                if self.tables {
                    let values = serial::TABLES.map(|name| format!("{name}={}", serial::WORD));
                    let values = values.map(|value| format!(",value={}", value.replace(',', ",,")));
                    words.add(["-smbios", &format!("type=11{}", values.concat())]);
                }
                if let Some(pipes) = &self.keyboard {
                    let pipes = pipes.as_str().replace(',', ",,");
                    words.add(["-chardev", &format!("pipe,id=keyboard,path={pipes}")]);
                    words.add(["-mon", "chardev=keyboard,mode=control"]);
                }
            }
            Screen::Window => {
                words.add(["-device", "qemu-xhci,id=desk"]);
                words.add(["-device", "usb-tablet,bus=desk.0"]);
                match self.arch {
                    Arch::X86_64 => {}
                    Arch::Aarch64 => {
                        words.add(["-device", "usb-kbd,bus=desk.0"]);
                        words.add(["-device", "virtio-gpu-pci"]);
                    }
                }
            }
        }
    }
}

/// Words of a command line in the making.
struct Words(Vec<String>);

impl Words {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::firmware::Flash;

    fn image(path: &str) -> Image {
        Image {
            path: path.into(),
            format: "raw",
            is_iso: true,
            packing: None,
        }
    }

    fn machine() -> Machine {
        Machine {
            arch: Arch::X86_64,
            accelerator: Accelerator::Tcg,
            memory: 4096,
            cpus: 2,
            boots: Boots::Images(vec![image("/nix/store/x/a,b.iso")]),
            attached: Attached::Cd,
            keep: None,
            firmware: Firmware::Bios,
            screen: Screen::Serial,
            tables: false,
            keyboard: None,
            forwards: vec![],
            once: true,
            extra: vec![],
        }
    }

    fn command_line(machine: &Machine) -> String {
        machine.arguments().join(" ")
    }

    #[test]
    fn an_iso_is_a_cd_in_a_machine_without_a_window() {
        assert_eq!(
            command_line(&machine()),
            "-machine q35 -accel tcg -cpu max -smp 2 -m 4096 \
             -drive if=none,id=image,media=cdrom,readonly=on,format=raw,file=/nix/store/x/a,,b.iso \
             -device ide-cd,drive=image,bootindex=0 \
             -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
             -device virtio-rng-pci \
             -display none -monitor none -parallel none \
             -chardev stdio,id=console,signal=on -serial chardev:console -no-reboot"
        );
    }

    #[test]
    fn the_firmware_is_flash_whose_variables_are_thrown_away() {
        let flash = |path: &str| Flash {
            path: path.into(),
            format: "raw".to_owned(),
        };
        let machine = Machine {
            arch: Arch::Aarch64,
            firmware: Firmware::Flash {
                code: flash("/f/CODE.fd"),
                variables: Some(flash("/f/VARS.fd")),
            },
            ..machine()
        };
        let line = command_line(&machine);
        for words in [
            "-machine virt -accel tcg -cpu cortex-a72 ",
            " -drive if=pflash,unit=0,format=raw,readonly=on,file=/f/CODE.fd ",
            " -drive if=pflash,unit=1,format=raw,snapshot=on,file=/f/VARS.fd ",
            " -device virtio-scsi-pci -device scsi-cd,drive=image,bootindex=0 ",
        ] {
            assert!(line.contains(words), "{words} in {line}");
        }
    }

    #[test]
    fn what_is_written_goes_to_an_overlay() {
        for (attached, device) in [
            (Attached::Usb, "usb-storage,bus=stick.0,drive=image"),
            (Attached::Disk, "virtio-blk-pci,drive=image"),
        ] {
            let throwaway = Machine {
                attached,
                ..machine()
            };
            let line = command_line(&throwaway);
            assert!(
                line.contains("id=image,snapshot=on,format=raw,file=/nix/store/x/a,,b.iso"),
                "{line}"
            );
            assert!(line.contains(device), "{line}");
            let kept = Machine {
                attached,
                keep: Some("/home/me/state".into()),
                ..machine()
            };
            let line = kept.arguments().join(" ");
            assert!(
                line.contains("id=image,format=qcow2,file=/home/me/state -device"),
                "{line}"
            );
            assert!(!line.contains("/nix/store"), "{line}");
        }
    }

    #[test]
    fn further_disks_are_drives_beside_the_first() {
        let mirror = Machine {
            boots: Boots::Images(vec![image("/s/a.raw"), image("/s/b,c.raw")]),
            attached: Attached::Disk,
            ..machine()
        };
        let line = command_line(&mirror);
        assert!(
            line.contains(
                "-drive if=none,id=image,snapshot=on,format=raw,file=/s/a.raw \
                 -device virtio-blk-pci,drive=image,bootindex=0 \
                 -drive if=none,id=image1,snapshot=on,format=raw,file=/s/b,,c.raw \
                 -device virtio-blk-pci,drive=image1 "
            ),
            "{line}"
        );
    }

    #[test]
    fn a_kernel_is_started_with_its_words() {
        let kernel = || {
            Boots::Kernel(DirectBoot {
                kernel: "/s/bzImage".into(),
                initrd: "/s/initrd".into(),
                words: "init=/s/init".to_owned(),
            })
        };
        let direct = Machine {
            boots: kernel(),
            ..machine()
        };
        let line = command_line(&direct);
        assert!(
            line.contains(
                " -kernel /s/bzImage -initrd /s/initrd -append init=/s/init console=ttyS0,115200n8 "
            ),
            "{line}"
        );
        let window = Machine {
            boots: kernel(),
            screen: Screen::Window,
            ..machine()
        };
        assert!(command_line(&window).contains(" -append init=/s/init -netdev "));
    }

    #[test]
    fn the_console_comes_by_tables_or_by_keys() {
        let told = Machine {
            tables: true,
            attached: Attached::Disk,
            ..machine()
        };
        assert!(
            command_line(&told).contains(
                " -smbios type=11,value=io.systemd.boot.kernel-cmdline-extra=console=ttyS0,,115200n8\
                 ,value=io.systemd.stub.kernel-cmdline-extra=console=ttyS0,,115200n8 "
            ),
            "{}",
            command_line(&told)
        );
        let worked = Machine {
            keyboard: Some("/tmp/a,b/keyboard".into()),
            ..machine()
        };
        assert!(
            command_line(&worked).contains(
                " -chardev pipe,id=keyboard,path=/tmp/a,,b/keyboard \
                 -mon chardev=keyboard,mode=control "
            ),
            "{}",
            command_line(&worked)
        );
    }

    #[test]
    fn a_window_has_what_a_desktop_needs() {
        let window = Machine {
            screen: Screen::Window,
            accelerator: Accelerator::Kvm,
            once: false,
            forwards: vec!["8080:80".parse().unwrap(), "2222:22".parse().unwrap()],
            extra: vec!["-snapshot".to_owned()],
            ..machine()
        };
        let text = command_line(&window);
        assert!(text.contains("-accel kvm -cpu host"), "{text}");
        assert!(
            text.contains(
                "user,id=net,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:2222-:22 "
            ),
            "{text}"
        );
        assert!(text.ends_with("usb-tablet,bus=desk.0 -snapshot"), "{text}");
        let arm = Machine {
            arch: Arch::Aarch64,
            ..window
        };
        let text = command_line(&arm);
        assert!(
            text.contains("-device usb-kbd,bus=desk.0 -device virtio-gpu-pci"),
            "{text}"
        );
    }

    #[test]
    fn forwards_are_two_ports() {
        let forward: Result<Forward, _> = "8080:80".parse();
        assert_eq!(
            forward,
            Ok(Forward {
                host: 8080,
                guest: 80
            })
        );
        for bad in ["", "80", "0:80", "80:0", "a:1", "1:b", "65536:1", "1:2:3"] {
            assert!(bad.parse::<Forward>().is_err(), "{bad}");
        }
    }

    #[test]
    fn systems_have_an_emulator_or_none() {
        let of = |system: &str| Arch::of(&system.parse().unwrap()).map(Arch::program);
        assert_eq!(of("amd64"), Some("qemu-system-x86_64"));
        assert_eq!(of("arm64"), Some("qemu-system-aarch64"));
        assert_eq!(of("riscv64-linux"), None);
        assert_eq!(of("aarch64-darwin"), None);
    }
}
