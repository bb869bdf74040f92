//! What a remote builder tells of its part, which Nix passes on beside its own.
//!
//! Nix begins an activity for a build on another machine, with that machine's name. The machine
//! begins one for the same build, and others for the sum of what it does, and all of those arrive
//! here as parts of the activity that is everything to be done. Such a build is one with Nix's
//! own, and the sums are already in Nix's own. Source: `handleJSONLogMessage` in
//! `src/libutil/logging.cc` of Nix and `tryBuildHook` in `src/libstore`.

use std::collections::{HashMap, HashSet};

use super::line::Line;

/// The numbers of the activities that count here.
const COPY_PATHS: u64 = 103;
const REALISE: u64 = 102;
const ALL_BUILDS: u64 = 104;

/// How many activities are remembered at once.
const MOST: usize = 4096;

/// What a line is once it is known who tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Something of this activity.
    Of(u64),
    /// Something that is known already.
    Again,
}

/// The activities of other machines.
#[derive(Debug, Default)]
pub(super) struct Relayed {
    /// The activities that are everything to be done.
    realising: HashSet<u64>,
    /// Sums of another machine.
    sums: HashSet<u64>,
    /// Builds of another machine, each with Nix's own activity for it.
    builds: HashMap<u64, u64>,
}

impl Relayed {
    /// Takes the beginning of an activity. `running` finds Nix's own build of a derivation on
    /// another machine.
    pub(super) fn start(&mut self, line: &Line<'_>, running: impl Fn(&str) -> Option<u64>) -> Told {
        let is_relayed = self.realising.contains(&line.parent);
        match line.kind {
            super::BUILD if is_relayed => {
                let own = line.text(0).and_then(running);
                if let Some(own) = own.filter(|_| self.builds.len() < MOST) {
                    self.builds.insert(line.id, own);
                    return Told::Again;
                }
            }
            // Of what is copied each path is told, too.
            REALISE | ALL_BUILDS | COPY_PATHS
                if (is_relayed || line.text.starts_with("copying ")) && self.sums.len() < MOST =>
            {
                self.sums.insert(line.id);
                return Told::Again;
            }
            REALISE if self.realising.len() < MOST => {
                self.realising.insert(line.id);
            }
            _ => {}
        }
        Told::Of(line.id)
    }

    /// Takes a result of an activity.
    pub(super) fn result(&self, id: u64) -> Told {
        match self.builds.get(&id) {
            Some(own) => Told::Of(*own),
            None if self.sums.contains(&id) => Told::Again,
            None => Told::Of(id),
        }
    }

    /// Takes the end of an activity.
    pub(super) fn stop(&mut self, id: u64) -> Told {
        self.realising.remove(&id);
        match self.builds.remove(&id).is_some() || self.sums.remove(&id) {
            true => Told::Again,
            false => Told::Of(id),
        }
    }
}

/// The machine that `message` says cannot be built on, and why not.
pub(super) fn unreachable(message: &str) -> Option<(&str, &str)> {
    let rest = message.trim().strip_prefix("cannot build on '")?;
    let (machine, why) = rest.split_once("': ")?;
    let why = why.trim().strip_prefix("error:").unwrap_or(why);
    Some((machine, why.trim()))
}
