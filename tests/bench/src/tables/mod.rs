//! The tables: what each compares, and what it needs.

mod edited;
mod explain;
mod growth;
mod round_trip;
mod verify;

use clap::ValueEnum;

use crate::{
    environment::Environment,
    failure::Failure,
    fixture::{Fixture, real::Variant},
    report::Report,
};

/// A table, by the word that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// `cbox diff` and nix-diff-rs where nearly everything is built anew
    Library,
    /// `cbox diff` and nix-diff-rs where nearly nothing is
    Unit,
    /// `cbox verify-hosts` and `nix eval` with nothing remembered
    Cold,
    /// `cbox verify-hosts` and `nix eval` with nothing changed
    Warm,
    /// Reading and writing every derivation of a host
    RoundTrip,
    /// `cbox diff` on more and more derivations
    DiffGrowth,
    /// `cbox verify-hosts` on more and more hosts
    HostGrowth,
    /// `cbox verify-hosts` behind an edit that one host reads, or none
    Edited,
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
            Self::Library => "why a host differs, one variable added to zlib",
            Self::Unit => "why a host differs, one variable added to a systemd unit",
            Self::Cold => "two hosts against their baseline, no evaluation remembered",
            Self::Warm => "two hosts against their baseline, nothing changed since",
            Self::RoundTrip => "every .drv file of a host read, and written byte for byte",
            Self::DiffGrowth => "why a graph of derivations differs, as it grows",
            Self::Edited => "a fleet behind one edit, once it is known what each host reads",
            Self::HostGrowth => {
                "hosts against their baseline, no evaluation remembered, as they grow in number"
            }
        }
    }

    /// Whether it takes real hosts where they are to be had.
    pub(crate) fn wants_real_hosts(self) -> bool {
        self != Self::DiffGrowth
    }

    /// Measures and prints. What needs a real host is left out where there is none.
    pub(crate) fn make(
        self,
        environment: &Environment,
        fixture: &mut Fixture,
        report: &mut Report,
    ) -> Result<(), Failure> {
        match (self, &mut fixture.real) {
            (Self::DiffGrowth, _) => growth::of_derivations(environment, report),
            (Self::HostGrowth, real) => growth::of_hosts(environment, real.as_ref().ok(), report),
            (Self::Edited, real) => edited::make(environment, real.as_ref().ok(), report),
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
