//! The words of `cbox boot`.

use std::{num::NonZeroUsize, time::Duration};

use camino::Utf8PathBuf;
use cbox_driver::{
    boot::{Attached, Forward},
    eval::memory_budget::parse_size,
    units::duration::parse_duration,
};
use clap::Args;
use regex::Regex;

pub(super) const EXAMPLES: &str = "\
Examples:
  cbox boot appliance/iso                                    in a window, if there is a display
  cbox boot appliance/iso --as usb --headless                its console in this terminal
  cbox boot appliance/raw --keep state.qcow2 --forward 8080:80
  cbox boot appliance/qcow2 --until 'login: $' --timeout 5m  a boot test
";

/// `cbox boot`
#[derive(Debug, Args)]
pub(crate) struct BootArgs {
    /// What to boot: `<kind>/<format>[/<system>]`
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// What the image is to the machine [default: cd for an ISO, disk for the others]
    #[arg(long = "as", value_name = "WHAT", value_enum)]
    pub(crate) attached: Option<AsArg>,
    /// Keep what the machine writes in this overlay, and go on with it the next time
    #[arg(long, value_name = "FILE")]
    pub(crate) keep: Option<Utf8PathBuf>,
    /// The memory of the machine, as 4G or 1500M [default: 4G, less where less is free]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: Option<u64>,
    /// The processors of the machine [default: as many as there are, at most 4]
    #[arg(long, value_name = "N", value_parser = parse_cpus)]
    pub(crate) cpus: Option<NonZeroUsize>,
    /// Lead a port of this machine to one of the booted machine; can be given more than once
    #[arg(long, value_name = "HOST:GUEST")]
    pub(crate) forward: Vec<Forward>,
    /// Open no window: the serial console is on standard output, and in a terminal it
    /// reads from there
    #[arg(long)]
    pub(crate) headless: bool,
    /// The UEFI firmware [default: what this machine has]
    #[arg(long, value_name = "FILE", conflicts_with = "bios")]
    pub(crate) firmware: Option<Utf8PathBuf>,
    /// Boot by BIOS instead of UEFI; x86_64 only
    #[arg(long)]
    pub(crate) bios: bool,
    /// End, and be done, when a line of the serial console matches; no window is opened
    #[arg(long, value_name = "REGEX", value_parser = parse_regex, help_heading = "Boot test")]
    pub(crate) until: Option<Regex>,
    /// How long to wait for it: 90, 90s, 5m, 1h [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, requires = "until", help_heading = "Boot test")]
    pub(crate) timeout: Option<Duration>,
    /// Where the links are [default: out/ beside flake.nix]
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<Utf8PathBuf>,
    /// Arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGS")]
    pub(crate) qemu_args: Vec<String>,
}

fn parse_cpus(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "it is a whole number from 1 on")
}

/// A regular expression, or why it is none in one line.
fn parse_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let reason = last.trim_start_matches("error: ");
        format!("it is no regular expression: {reason}")
    })
}

/// A duration in which something can boot. A number alone is seconds.
fn parse_timeout(text: &str) -> Result<Duration, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unit = if digits { "s" } else { "" };
    match parse_duration(&format!("{text}{unit}"))? {
        Duration::ZERO => Err("nothing boots in no time: it is 1s or more"),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_unit_or_are_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300)] {
            assert_eq!(parse_timeout(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "0", "0m", "m", "-1", "5 m"] {
            assert!(parse_timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_regex_is_one_line() {
        let error = parse_regex("a(b").unwrap_err();
        assert_eq!(error, "it is no regular expression: unclosed group");
        assert!(parse_regex("login: $").is_ok());
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
