//! The tables: what each compares, and what it needs.

mod causes;
mod edited;
mod explain;
mod fleet;
mod round_trip;
mod scale;
mod small;
mod staging;
mod verify;
mod watch;

use clap::ValueEnum;

use crate::{
    environment::Environment,
    failure::Failure,
    fixture::{Fixture, real::Variant},
    report::Report,
};

/// A table, by the word that asks for it. The page has them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// The start of cbox and of Nix
    Startup,
    /// `cbox verify-hosts` with nothing changed, on more and more hosts
    Unchanged,
    /// `cbox verify-hosts` behind an edit that one host reads, none, or all
    Edited,
    /// `cbox watch` from a save to the verdict
    Watch,
    /// `cbox verify-hosts` with nothing remembered, on more and more hosts
    Fleet,
    /// What is cbox's own part with 500 hosts and 200 targets
    Scale,
    /// Two hosts with nothing remembered, beside all the ways to evaluate them
    Cold,
    /// Two hosts with nothing changed, beside all the ways to evaluate them
    Warm,
    /// A tree put into the store, beside Nix's own way, as it grows
    Staging,
    /// `cbox diff` on more and more derivations
    Causes,
    /// `cbox diff` and nix-diff-rs where nearly everything is built anew
    Library,
    /// `cbox diff` and nix-diff-rs where nearly nothing is
    Unit,
    /// `cbox size` on more and more store paths, beside Nix and dix
    Size,
    /// Reading and writing every derivation of a host
    RoundTrip,
}

impl Table {
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// The word on the command line.
    pub(crate) fn word(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Startup => "the start of the program",
            Self::Unchanged => "a fleet with nothing changed, as it grows",
            Self::Edited => "a fleet behind one edit, once it is known what each host reads",
            Self::Watch => "from a save to the verdict about a fleet",
            Self::Fleet => "a fleet with no evaluation remembered, as it grows",
            Self::Scale => "500 hosts and 200 targets: what is cbox's own part",
            Self::Cold => "two hosts against their baseline, no evaluation remembered",
            Self::Warm => "two hosts against their baseline, nothing changed since",
            Self::Staging => "the working tree into the store, as it grows",
            Self::Causes => "why a graph of derivations differs, as it grows",
            Self::Library => "why a host differs, one variable added to zlib",
            Self::Unit => "why a host differs, one variable added to a systemd unit",
            Self::Size => "what a closure is made of, as it grows",
            Self::RoundTrip => "every .drv file of a host read, and written byte for byte",
        }
    }

    /// What the cost grows with, where it is plotted.
    pub(crate) fn axis(self) -> Option<&'static str> {
        match self {
            Self::Unchanged | Self::Edited | Self::Watch | Self::Fleet => Some("hosts"),
            Self::Staging => Some("files"),
            Self::Causes => Some("derivations"),
            Self::Size => Some("store paths"),
            Self::Startup
            | Self::Scale
            | Self::Cold
            | Self::Warm
            | Self::Library
            | Self::Unit
            | Self::RoundTrip => None,
        }
    }

    /// Whether it takes real hosts where they are to be had.
    pub(crate) fn wants_real_hosts(self) -> bool {
        !matches!(
            self,
            Self::Startup | Self::Scale | Self::Staging | Self::Causes | Self::Size
        )
    }

    /// Measures and prints. What needs a real host is left out where there is none.
    pub(crate) fn make(
        self,
        environment: &Environment,
        fixture: &mut Fixture,
        report: &mut Report,
    ) -> Result<(), Failure> {
        match (self, &mut fixture.real) {
            (Self::Startup, _) => small::startup(environment, report),
            (Self::Scale, _) => scale::make(environment, report),
            (Self::Size, _) => small::size(environment, report),
            (Self::Staging, _) => staging::make(environment, report),
            (Self::Causes, _) => causes::make(environment, report),
            (Self::Unchanged, real) => fleet::unchanged(environment, real.as_ref().ok(), report),
            (Self::Fleet, real) => fleet::cold(environment, real.as_ref().ok(), report),
            (Self::Edited, real) => edited::make(environment, real.as_ref().ok(), report),
            (Self::Watch, real) => watch::make(environment, real.as_ref().ok(), report),
            (Self::RoundTrip, real) => round_trip::make(environment, real.as_mut().ok(), report),
            (Self::Library, Ok(real)) => explain::make(environment, real, Variant::Library, report),
            (Self::Unit, Ok(real)) => explain::make(environment, real, Variant::Unit, report),
            (Self::Cold, Ok(real)) => verify::cold(environment, real, report),
            (Self::Warm, Ok(real)) => verify::warm(environment, real, report),
            (Self::Library | Self::Unit | Self::Cold | Self::Warm, Err(why)) => {
                report.left_out(why);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_word_and_a_title() {
        for table in Table::all() {
            assert!(!table.word().is_empty() && !table.title().is_empty());
        }
        assert_eq!(Table::RoundTrip.word(), "round-trip");
    }
}
