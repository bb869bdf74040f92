//! How an image and its machine are connected with what is around them.

use std::{fmt, str::FromStr};

/// What an image is to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// A CD in its drive
    Cd,
    /// A USB stick
    Usb,
    /// A disk
    Disk,
}

impl fmt::Display for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cd => "a CD",
            Self::Usb => "a USB stick",
            Self::Disk => "a disk",
        })
    }
}

/// A port of this machine that leads to one of the booted machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The port of this machine, on 127.0.0.1.
    pub host: u16,
    /// The port of the booted machine.
    pub guest: u16,
}

impl FromStr for Forward {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
        let ports = text.split_once(':');
        ports
            .and_then(|(host, guest)| {
                Some(Self {
                    host: port(host)?,
                    guest: port(guest)?,
                })
            })
            .ok_or("expected two ports from 1 to 65535, this machine's first: 8080:80")
    }
}
