//! What `verify-hosts` found, for every format to show.

use std::{path::PathBuf, sync::Arc};

use cbox_nix::expression::DerivationInfo;
use drv_causes::Explanation;
use nix_formats::{
    store_path::{DrvPath, OutPath},
    system::System,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    diff::{explain::with_places, packages::PackageDifference},
    error::{Error, Kind, Place},
    progress::Event,
    target_name::HOSTS,
    text::count,
    verify::verdict::{Built, Status},
};

/// The verdicts on all hosts.
#[derive(Debug)]
pub struct Report {
    /// What was evaluated: `the working tree`, `main (0123456789)`.
    pub state: String,
    /// The hash of the tree that was evaluated, as flake references have it.
    pub tree: String,
    /// The hash of the baseline; `None` where there is none.
    pub baseline_hash: Option<String>,
    /// All hosts that a verdict on the whole flake is about, by name.
    pub all_hosts: Vec<String>,
    /// What it was explained against, if that was not the baseline.
    pub base: Option<String>,
    /// Whether a baseline gave the verdicts; otherwise the base did.
    pub has_baseline: bool,
    /// Whether only the same derivation passes.
    pub strict: bool,
    /// Whether what was found is being accepted, so that nothing of it is an error.
    pub accepting: bool,
    /// Whether hosts were judged with settings or inputs of this one command, with which nothing
    /// is accepted.
    pub forced: bool,
    /// The hosts, by name.
    pub hosts: Vec<HostReport>,
    /// What the user should know about all of it.
    pub notes: Vec<String>,
}

/// The verdict on one host.
#[derive(Debug)]
pub struct HostReport {
    /// The host.
    pub host: String,
    /// The verdict.
    pub status: Status,
    /// Whether this change itself accepts what the host builds now.
    pub accepted: bool,
    /// Whether the baseline was wrong already where the change began.
    pub stale: bool,
    /// The system for which it is built.
    pub system: Option<System>,
    /// What it evaluates to now.
    pub now: Option<Derivation>,
    /// What it is measured by or explained against.
    pub before: Option<Before>,
    /// Why it is another one.
    pub explanation: Option<Explanation>,
    /// The packages that differ, where it is explained.
    pub packages: Option<PackageDifference>,
    /// Where in the repository each cause comes from, as far as that shows.
    pub places: Vec<Option<Place>>,
    /// Why there is no explanation where there should be one.
    pub unexplained: Option<String>,
    /// Why it does not evaluate.
    pub error: Option<Error>,
    /// The files that changed since it was evaluated, where it reads none of them.
    pub not_read: Option<Arc<[PathBuf]>>,
}

/// A derivation and its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Derivation {
    /// The path of the derivation.
    pub drv_path: DrvPath,
    /// The path of its output; `None` where only a build can tell it.
    pub out_path: Option<OutPath>,
}

impl From<DerivationInfo> for Derivation {
    fn from(derivation: DerivationInfo) -> Self {
        Self {
            drv_path: derivation.drv,
            out_path: derivation.out,
        }
    }
}

impl Derivation {
    /// It as a verdict measures it.
    pub fn built(&self) -> Built<'_> {
        Built {
            drv: &self.drv_path,
            out: self.out_path.as_deref(),
        }
    }
}

/// A derivation of earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The derivation.
    pub derivation: Derivation,
    /// Where it is from: `accepted`, `accepted at 0123456789`, `main (0123456789)`.
    pub what: String,
}

impl Report {
    /// Whether a pull request may pass.
    pub fn passes(&self) -> bool {
        self.hosts
            .iter()
            .all(|host| host.status.passes(self.strict))
    }

    /// The names of the hosts with a status of which `holds` is true.
    pub fn hosts_that(&self, holds: impl Fn(&HostReport) -> bool) -> Vec<&str> {
        let hosts = self.hosts.iter().filter(|host| holds(host));
        hosts.map(|host| host.host.as_str()).collect()
    }

    /// The hosts that would have to be accepted.
    pub fn open(&self) -> Vec<&str> {
        self.hosts_that(|host| !host.status.passes(self.strict) && host.status != Status::Failed)
    }

    /// The hosts that do not evaluate.
    pub fn failed(&self) -> Vec<&str> {
        self.hosts_that(|host| host.status == Status::Failed)
    }

    /// The one word for all of it.
    pub fn verdict(&self) -> &'static str {
        if !self.failed().is_empty() {
            "failed"
        } else if self.passes() {
            "unchanged"
        } else {
            "changed"
        }
    }

    /// What the run ends with: nothing, or the worst of it.
    pub fn outcome(&self) -> Result<(), Error> {
        let (open, failed) = (self.open(), self.failed());
        let mut said = Vec::new();
        // What is wrong with a host was shown with it; the first one gives the kind.
        let errors = self.hosts.iter().filter_map(|host| host.error.as_ref());
        let kind = errors.map(|error| error.kind).next();
        if !failed.is_empty() {
            said.push(format!(
                "{} not judged: {}",
                count(failed.len(), "host"),
                failed.join(", ")
            ));
        }
        if !open.is_empty() {
            said.push(self.difference(&open));
        }
        if said.is_empty() {
            return Ok(());
        }
        let error = Error::new(kind.unwrap_or(Kind::Changed), said.join("; "));
        Err(match (open.is_empty(), self.has_baseline) {
            (true, _) => error,
            _ if self.accepting => error.hint(
                "nothing is written until every host evaluates; `cbox accept HOST…` leaves those out that it does not name",
            ),
            (false, true) if self.is_stale() => error.hint(
                "it was so where this change begins: run `cbox accept` on the main branch, and commit baseline.json there",
            ),
            (false, true) if self.forced => error.hint(
                "without `--set` and `--override-input` it is what `cbox accept` would record",
            ),
            (false, true) => error.hint(
                "if that is intended, run `cbox accept`, and commit baseline.json with the change",
            ),
            (false, false) => {
                error.hint("`cbox accept` makes a baseline, in which such a change can be accepted")
            }
        })
    }

    /// Whether the baseline was wrong already of all hosts that would have to be accepted.
    fn is_stale(&self) -> bool {
        let stale = self.hosts_that(|host| host.stale);
        self.open().iter().all(|host| stale.contains(host))
    }

    fn difference(&self, open: &[&str]) -> String {
        let verb = if open.len() == 1 { "is" } else { "are" };
        let than = match (&self.base, self.has_baseline) {
            (Some(base), false) => format!("not as at {base}"),
            _ => "not as accepted".to_owned(),
        };
        let hosts = count(self.hosts.len(), "host");
        format!(
            "{} of {hosts} {verb} {than}: {}",
            open.len(),
            open.join(", ")
        )
    }

    /// The document of `--format json`.
    pub fn to_json(&self) -> Value {
        let hosts: Vec<Value> = self.hosts.iter().map(HostReport::to_json).collect();
        json!({
            "verdict": self.verdict(),
            "state": self.state,
            "tree": self.tree,
            "baselineHash": self.baseline_hash,
            "allHosts": self.all_hosts,
            "base": self.base,
            "baseline": self.has_baseline,
            "strict": self.strict,
            "notes": self.notes,
            "hosts": hosts,
        })
    }
}

impl HostReport {
    /// A host of which nothing but its name and verdict is known.
    pub fn new(host: &str, status: Status) -> Self {
        Self {
            host: host.to_owned(),
            status,
            accepted: false,
            stale: false,
            system: None,
            now: None,
            before: None,
            explanation: None,
            packages: None,
            places: vec![],
            unexplained: None,
            error: None,
            not_read: None,
        }
    }

    /// That this is known now.
    pub fn event(&self) -> Event<'static> {
        Event::Verdict {
            target: format!("{HOSTS}/{}", self.host),
            status: self.status.word(),
        }
    }

    fn to_json(&self) -> Value {
        let before = self.before.as_ref().map(|before| {
            json!({
                "drvPath": before.derivation.drv_path,
                "outPath": before.derivation.out_path,
                "what": before.what,
            })
        });
        let error = self.error.as_ref().map(Error::to_json);
        json!({
            "host": self.host,
            "status": self.status,
            "acceptedInThisChange": self.accepted,
            "staleBaseline": self.stale,
            "system": self.system,
            "now": self.now,
            "before": before,
            "explanation": with_places(self.explanation.as_ref(), &self.places),
            "packageChanges": self.packages,
            "unexplained": self.unexplained,
            "notRead": self.not_read.as_deref(),
            "error": error,
        })
    }
}
