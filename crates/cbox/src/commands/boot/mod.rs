//! `cbox boot`: boots an image in QEMU, one that was built for a target or a file.

mod subject;

use std::{io, net::TcpListener, num::NonZeroUsize, path::Path, time::Duration};

use camino::Utf8PathBuf;
use cbox_driver::{
    boot::{
        self, Aside, Attached, ConsoleOutput, Forward, Outcome, Until, Watch,
        arch::Arch,
        firmware::{self, Firmware, Places},
        keyboard::Keyboard,
        kvm, overlay,
        qemu::{Accelerator, Boots, Machine, Screen},
        serial::Serial,
        window,
    },
    error::{Error, Kind},
    image::parts::Parts,
    process::{environment::Environment, machine::available_memory},
    report,
    text::{count, duration::parse_duration, memory_size::parse_size},
};
use cbox_nix::process::{Command, Terminal};
use clap::ValueHint;
use regex::Regex;
use serde_json::{Value, json};

use self::subject::Subject;
use crate::{
    commands::context::Context,
    options::{OutDirOption, complete, junit::JunitOption},
};

const EXAMPLES: &str = "\
Examples:
  cbox boot appliance iso                                    in a window, if there is a display
  cbox boot appliance iso --as usb --headless                its console in this terminal
  cbox boot appliance raw --keep state.qcow2 --forward 8080:80
  cbox boot ./nixos-minimal-x86_64-linux.iso                 a file that was downloaded
  cbox boot appliance/qcow2 --until 'login: $' --timeout 5m  a boot test
";

/// Boot an image in QEMU
///
/// The image is one that was built, or a file, as it was downloaded or compressed with zstd, gzip,
/// xz or bzip2; a checksum beside a file (FILE.sha256 or SHA256SUMS) is compared first. It is never written to: what the machine writes goes to an overlay that is thrown away,
/// or kept with `--keep`. KVM is used where it works, and emulation elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BootArgs {
    /// What to boot: `<kind> <format> [system]`, or with slashes, or a file and its system
    #[arg(required = true, value_name = "TARGET|FILE", add = complete::image_or_file())]
    target: Vec<String>,
    /// How the image is attached to the machine [default: cd for an ISO, disk for the others]
    #[arg(long = "as", value_name = "WHAT", value_enum)]
    attached: Option<AsArg>,
    /// Keep what the machine writes in this overlay, and continue with it the next time
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    keep: Option<Utf8PathBuf>,
    /// The memory of the machine, such as 4G or 1500M [default: 4G, or less if less is free]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// The processors of the machine [default: as many as there are, at most 4]
    #[arg(long, value_name = "N", value_parser = parse_cpus)]
    cpus: Option<NonZeroUsize>,
    /// Forward a port of this machine to one of the booted machine; can be given more than once
    #[arg(long, value_name = "HOST:GUEST")]
    forward: Vec<Forward>,
    /// Open no window: use the serial console, on standard output and in a terminal interactively
    #[arg(long)]
    headless: bool,
    /// The UEFI firmware [default: what this machine has]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "bios")]
    firmware: Option<Utf8PathBuf>,
    /// Boot with BIOS instead of UEFI (x86_64 only)
    #[arg(long)]
    bios: bool,
    /// Stop and succeed when a line of the serial console matches; no window is opened
    #[arg(long, value_name = "REGEX", value_parser = parse_regex, help_heading = "Boot test")]
    until: Option<Regex>,
    /// How long to wait for it: 90s, 5m, 12h, 7d or 2w; without a unit it is seconds
    /// [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, requires = "until", help_heading = "Boot test")]
    timeout: Option<Duration>,
    #[command(flatten)]
    pub(super) junit: JunitOption,
    #[command(flatten)]
    links: OutDirOption,
    /// Arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGS")]
    qemu_args: Vec<String>,
}

fn parse_cpus(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse()
        .map_err(|_| "expected a whole number, at least 1")
}

/// A regular expression, or why it is none in one line.
fn parse_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let reason = last.trim_start_matches("error: ");
        format!("not a regular expression: {reason}")
    })
}

/// A duration in which something can boot.
fn parse_timeout(text: &str) -> Result<Duration, &'static str> {
    match parse_duration(text)? {
        Duration::ZERO => Err("expected 1s or more: nothing boots in no time"),
        time => Ok(time),
    }
}

/// What an image is to the machine.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum AsArg {
    /// A CD in its drive
    Cd,
    /// A USB stick
    Usb,
    /// A disk
    Disk,
}

impl From<AsArg> for Attached {
    fn from(arg: AsArg) -> Self {
        match arg {
            AsArg::Cd => Self::Cd,
            AsArg::Usb => Self::Usb,
            AsArg::Disk => Self::Disk,
        }
    }
}

/// How long a boot test waits unless it is told.
const TIMEOUT: Duration = Duration::from_secs(300);

const MIB: u64 = 1 << 20;

/// What a machine has unless it is told.
const MEMORY: u64 = 4096 * MIB;

/// What is left to the others, QEMU itself among them.
const RESERVE: u64 = 512 * MIB;

/// What a machine has at the least, whatever is free.
const LEAST: u64 = 512 * MIB;

/// How a machine ends that has the terminal for itself.
const HOW_IT_ENDS: &str = "Ctrl-C ends the machine";

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &BootArgs) -> Result<(), Error> {
    let environment = context.environment;
    let subject = Subject::find(context, args).await?;
    context.testing(&subject.name);
    let (arch, program) = emulator(environment, &subject)?;
    let attached = subject.attached(args)?;
    let firmware = firmware(environment, args, arch, &program)?;
    check_ports(&args.forward)?;
    // What is unpacked goes with these.
    let (boots, _unpacked) = subject.boots(context).await?;
    // The screen is the machine's now: no live line comes into its way.
    context.view.close();
    let (accelerator, slow) = kvm::accelerator(arch, context.interrupt).await?;
    let keep = keep(context, args, &boots).await?;
    let wants_window = args.until.is_none() && !args.headless;
    let (screen, no_window) = match wants_window {
        true => match window::missing(environment, program.as_std_path(), context.interrupt).await?
        {
            None => (Screen::Window, None),
            reason => (Screen::Serial, reason),
        },
        false => (Screen::Serial, None),
    };
    let memory = memory(args.memory, available_memory());
    let is_bios = matches!(firmware, Firmware::Bios);
    let serial = (screen == Screen::Serial).then(|| match &boots {
        Boots::Images(images) => images.first().map(|image| Serial::of(image, arch, is_bios)),
        Boots::Kernel(_) => Some(Serial::Own),
    });
    let serial = serial.flatten();
    let keyboard = matches!(serial, Some(Serial::Menu(_))).then(Keyboard::new);
    let keyboard = keyboard.transpose().map_err(|error| {
        Error::file(Kind::Environment, "make", "a named pipe", &error)
            .hint("set TMPDIR to a folder that can hold it")
    })?;
    let machine = Machine {
        arch,
        accelerator,
        memory: memory / MIB,
        cpus: args.cpus.map_or(environment.cores.clamp(1, 4), Into::into),
        boots,
        attached,
        keep,
        firmware,
        screen,
        tables: serial == Some(Serial::Tables),
        keyboard: keyboard.as_ref().and_then(Keyboard::path),
        forwards: args.forward.clone(),
        once: args.until.is_some(),
        extra: args.qemu_args.clone(),
    };
    announce(context, args, &subject, &machine, (slow, no_window));
    if let Some(serial) = &serial {
        announce_console(context, serial);
    }
    let mut watch = watch(context, args, screen)?;
    if let (Some(Serial::Menu(way)), Some(keyboard)) = (&serial, keyboard) {
        watch.menu = Some((way.clone(), keyboard));
    }
    let command = Command::new(arch.program(), machine.arguments());
    let view = context.view;
    let aside = |aside: Aside<'_>| match aside {
        Aside::Qemu(line) => view.note(line),
        // The machine may have left a line without an end.
        Aside::Cleared => view.note(&format!("\n{HOW_IT_ENDS}")),
        Aside::Chose(way) => view.note(&format!("chose in its boot menu: {way}")),
        Aside::DidNotChoose(way, reason) => view.warn(&format!(
            "could not choose in its boot menu: {reason}; the serial console needs `{way}`"
        )),
    };
    context.testing(&subject.name);
    let boot = boot::run(&command, watch, context.interrupt, aside).await?;
    let console = serial.as_ref().map(Serial::name);
    tell(context, &subject, &machine, console, &boot);
    Ok(())
}

/// Says what is done for the serial console, where something is.
fn announce_console(context: &Context<'_>, serial: &Serial) {
    let view = context.view;
    match serial {
        Serial::Own => {}
        Serial::Tables => view.note(
            "serial console: requested from systemd-boot through the firmware's tables (other boot loaders need it in the image)",
        ),
        Serial::Menu(way) => view.note(&format!(
            "serial console: chosen by keys in its boot menu: {way}"
        )),
        Serial::Nowhere(reason) => {
            view.warn(&format!("its serial console may stay silent: {reason}"))
        }
    }
}

/// The emulator of the image's architecture.
fn emulator(environment: &Environment, subject: &Subject) -> Result<(Arch, Utf8PathBuf), Error> {
    let Subject { name, system, .. } = subject;
    let arch = Arch::of(system).ok_or_else(|| {
        let boots: Vec<_> = Arch::ALL.iter().map(|arch| arch.system()).collect();
        let boots = boots.join(" and ");
        Error::new(
            Kind::Unsupported,
            format!("{name} is for {system}, and cbox boots {boots}"),
        )
    })?;
    let package = arch.qemu_package();
    let found = environment.program(arch.program());
    found
        .and_then(|program| Utf8PathBuf::from_path_buf(program).ok())
        .map(|program| (arch, program))
        .ok_or_else(|| {
            Error::new(
                Kind::Environment,
                format!(
                    "`{}` is not on the PATH, and {name} is an image for {system}",
                    arch.program()
                ),
            )
            .hint(format!(
                "install QEMU (Debian: {package}, nixpkgs: qemu), or put it on the PATH"
            ))
        })
}

/// The firmware that was named, or the machine's own.
fn firmware(
    environment: &Environment,
    args: &BootArgs,
    arch: Arch,
    program: &Utf8PathBuf,
) -> Result<Firmware, Error> {
    if args.bios {
        return match arch.has_bios() {
            true => Ok(Firmware::Bios),
            false => Err(Error::new(
                Kind::Unsupported,
                format!(
                    "there is no BIOS on {}: machines of that architecture boot by UEFI",
                    arch.name()
                ),
            )
            .hint("leave out `--bios`")),
        };
    }
    if let Some(file) = &args.firmware {
        return firmware::from_file(&environment.absolute(file), file, arch);
    }
    let places = Places::usual(
        Path::new("/"),
        environment.firmware.as_deref(),
        environment.config_home.as_deref(),
        Some(program.as_std_path()),
    );
    places.find(arch).ok_or_else(|| {
        let package = arch.firmware_package();
        let bios = match arch.has_bios() {
            true => ", or boot with `--bios`",
            false => "",
        };
        Error::new(
            Kind::Environment,
            format!("there is no UEFI firmware for {} here", arch.name()),
        )
        .hint(format!(
            "install it (Debian: {package}), name it with `--firmware FILE`, or set CBOX_FIRMWARE_DIR to its folder{bios}"
        ))
    })
}

/// Whether the ports of this machine can be had. QEMU would say it too, but later.
fn check_ports(forwards: &[Forward]) -> Result<(), Error> {
    for (index, Forward { host, .. }) in forwards.iter().enumerate() {
        if forwards[..index].iter().any(|other| other.host == *host) {
            return Err(Error::new(
                Kind::Usage,
                format!("port {host} is forwarded twice"),
            ));
        }
        let Err(error) = TcpListener::bind(("127.0.0.1", *host)) else {
            continue;
        };
        return Err(match error.kind() {
            io::ErrorKind::AddrInUse => Error::new(
                Kind::Environment,
                format!("port {host} of this machine is in use"),
            )
            .hint(format!(
                "choose another one: `--forward HOST:GUEST`; `ss -ltnp 'sport = :{host}'` shows what uses it"
            )),
            io::ErrorKind::PermissionDenied => Error::new(
                Kind::Environment,
                format!("you may not open port {host} of this machine"),
            )
            .hint("choose one from 1024 up: `--forward HOST:GUEST`"),
            _ => Error::file(Kind::Environment, "open the port", host, &error),
        });
    }
    Ok(())
}

/// Makes or looks at the overlay that is to be kept.
async fn keep(
    context: &Context<'_>,
    args: &BootArgs,
    boots: &Boots,
) -> Result<Option<Utf8PathBuf>, Error> {
    let (Some(display_path), Boots::Images(images)) = (&args.keep, boots) else {
        return Ok(None);
    };
    let Some(image) = images.first() else {
        return Ok(None);
    };
    let file = context.environment.absolute(display_path);
    let was_there = overlay::keep(image, &file, display_path, context.interrupt).await?;
    context.view.note(&format!(
        "{} {display_path}; shut the machine down from inside, since Ctrl-C is like a power cut to it",
        if was_there {
            "continuing with"
        } else {
            "keeping what it writes in"
        }
    ));
    Ok(Some(file))
}

/// The memory of the machine, in bytes.
fn memory(wanted: Option<u64>, available: Option<u64>) -> u64 {
    wanted.unwrap_or_else(|| {
        let free = available.map_or(MEMORY, |free| free.saturating_sub(RESERVE));
        let whole = free / (128 * MIB) * (128 * MIB);
        whole.clamp(LEAST, MEMORY)
    })
}

/// How the machine is looked at.
fn watch(context: &Context<'_>, args: &BootArgs, screen: Screen) -> Result<Watch, Error> {
    let until = args.until.clone().map(|line| Until {
        line,
        timeout: args.timeout.unwrap_or(TIMEOUT),
    });
    let view = context.view;
    let shares = (until.is_none() || args.headless) && !view.is_json();
    let terminal = match screen {
        // Without a terminal of its own a process is not interactive, whatever it writes to.
        Screen::Serial if shares && context.terminal.interactive => Terminal::open().ok(),
        _ => None,
    };
    if terminal.is_some() {
        view.note(HOW_IT_ENDS);
    }
    let is_shown = screen == Screen::Serial && !(view.is_quiet() && until.is_some());
    let open = || match view.is_json() {
        // Standard output is for the result.
        true => ConsoleOutput::open(io::stderr()),
        false => ConsoleOutput::open(io::stdout()),
    };
    let output = is_shown.then(open).transpose();
    Ok(Watch {
        until,
        terminal,
        menu: None,
        has_extra: !args.qemu_args.is_empty(),
        output: output
            .map_err(|error| Error::file(Kind::Environment, "start", "a thread", &error))?,
    })
}

/// Says what is booted, and how.
fn announce(
    context: &Context<'_>,
    args: &BootArgs,
    subject: &Subject,
    machine: &Machine,
    (slow, no_window): (Option<String>, Option<&str>),
) {
    let by = match machine.firmware.code() {
        None => "BIOS".to_owned(),
        Some(code) => format!("UEFI ({code})"),
    };
    let (view, memory) = (context.view, machine.memory);
    let how = match machine.accelerator {
        Accelerator::Kvm => " by KVM",
        Accelerator::Tcg => "",
    };
    let what = match &machine.boots {
        Boots::Kernel(_) => "a kernel with its initial RAM disk".to_owned(),
        Boots::Images(images) if images.len() > 1 => {
            format!(
                "{} and {} beside it",
                machine.attached,
                count(images.len() - 1, "disk")
            )
        }
        Boots::Images(_) => machine.attached.to_string(),
    };
    view.note(&format!(
        "booting {} as {what}{how}, {by}, {memory} MiB of memory, {}",
        subject.display_path,
        count(machine.cpus, "processor"),
    ));
    if let Boots::Kernel(direct) = &machine.boots
        && direct.words.is_empty()
    {
        view.warn(
            "no file says what the kernel has to be told, as netboot.ipxe does; NixOS needs `init=`: `-- -append 'init=… console=ttyS0'`",
        );
    }
    if let Some(reason) = slow {
        view.note(&format!("emulated, which is slow: {reason}"));
    }
    let free = available_memory();
    if let (Some(wanted), Some(free)) = (args.memory, free)
        && wanted > free
    {
        view.warn(&format!(
            "{memory} MiB is more than the {} MiB that is free here",
            free / MIB
        ));
    }
    if let Some(reason) = no_window {
        view.note(&format!("{reason}: this is the serial console"));
    }
}

/// Gives the result.
fn tell(
    context: &Context<'_>,
    subject: &Subject,
    machine: &Machine,
    console: Option<&str>,
    boot: &boot::Boot,
) {
    let view = context.view;
    let lasted = boot::seconds(boot.lasted);
    let line = match &boot.outcome {
        Outcome::Line(line) => {
            // The console has shown it, unless that was not wanted.
            if view.is_quiet() {
                view.plain(line);
            }
            let name = &subject.name;
            view.note(&format!("{name} printed this line after {lasted}: {line}"));
            Some(line)
        }
        Outcome::Ended => {
            view.note(&format!("the machine ended after {lasted}"));
            None
        }
        Outcome::Unread => None,
    };
    let firmware = match machine.firmware.code() {
        None => Value::from("bios"),
        Some(code) => Value::from(code.as_str()),
    };
    let drives = match &subject.parts {
        Parts::Drives(drives) => drives.as_slice(),
        Parts::Kernel(_) => &[],
    };
    let files = drives.iter();
    let files = files.map(|drive| (drive.image.path.as_str(), drive.bytes));
    let result = json!({
        "target": subject.is_target.then_some(&subject.name),
        "system": subject.system,
        "image": report::image(files),
        "kernel": match &machine.boots {
            Boots::Kernel(direct) => Some(&direct.kernel),
            Boots::Images(_) => None,
        },
        "as": match machine.attached {
            Attached::Cd => "cd",
            Attached::Usb => "usb",
            Attached::Disk => "disk",
        },
        "accelerator": machine.accelerator.name(),
        "firmware": firmware,
        "console": console,
        "memorySize": machine.memory * MIB,
        "cpus": machine.cpus,
        "line": line,
        "durationSeconds": report::seconds(boot.lasted),
    });
    context.document("boot", "boot", || result);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_unit_or_are_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300)] {
            assert_eq!(parse_timeout(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "0", "0m", "m", "-1", "5 m", "5x"] {
            assert!(parse_timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_regex_is_one_line() {
        let error = parse_regex("a(b").unwrap_err();
        assert_eq!(error, "not a regular expression: unclosed group");
        assert!(parse_regex("login: $").is_ok());
    }

    #[test]
    fn memory_is_what_is_free_at_the_most() {
        let free = |mib: u64| memory(None, Some(mib * MIB)) / MIB;
        assert_eq!(free(100_000), 4096);
        assert_eq!(free(4608), 4096);
        assert_eq!(free(4607), 3968);
        assert_eq!(free(100), 512);
        assert_eq!(memory(None, None), MEMORY);
        assert_eq!(memory(Some(64 * MIB), Some(0)), 64 * MIB);
    }
}
