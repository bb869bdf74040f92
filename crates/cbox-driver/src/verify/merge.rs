//! One verdict of several: the documents of runs that judged some of the hosts each, on machines
//! of their own.

use std::{collections::BTreeMap, path::PathBuf};

use drv_causes::Explanation;
use nix_formats::{
    store_path::{DrvPath, OutPath},
    system::System,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    report::{Before, Derivation, HostReport, Report},
    verdict::Status,
};
use crate::{
    diff::packages::PackageDifference,
    error::{Error, Kind, Place, Source},
    report::schema,
    text::count,
};

/// A part: what it is called to the user, and the document.
pub type Part = (String, Vec<u8>);

/// What `verify-hosts` prints.
#[derive(Deserialize)]
struct Document {
    schema: String,
    #[serde(rename = "verifyHosts")]
    verdict: Option<Verdict>,
    error: Option<Failure>,
}

/// As [`Report::to_json`] writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    state: String,
    tree: String,
    baseline_hash: Option<String>,
    all_hosts: Vec<String>,
    base: Option<String>,
    baseline: bool,
    strict: bool,
    notes: Vec<String>,
    hosts: Vec<Host>,
}

/// As a report on a host is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    host: String,
    status: Status,
    accepted_in_this_change: bool,
    stale_baseline: bool,
    system: Option<System>,
    now: Option<Derivation>,
    before: Option<Earlier>,
    explanation: Option<Value>,
    package_changes: Option<PackageDifference>,
    unexplained: Option<String>,
    not_read: Option<Vec<PathBuf>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Earlier {
    drv_path: DrvPath,
    out_path: Option<OutPath>,
    what: String,
}

/// As [`Error::to_json`] writes it.
#[derive(Deserialize)]
struct Failure {
    kind: String,
    message: String,
    hint: Option<String>,
    place: Option<Place>,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = Kind::of_name(&failure.kind).unwrap_or(Kind::Evaluation);
        let mut error = Self::new(kind, failure.message);
        error.hint = failure.hint;
        error.place = failure.place;
        error
    }
}

impl TryFrom<Host> for HostReport {
    type Error = serde_json::Error;

    fn try_from(host: Host) -> Result<Self, Self::Error> {
        let (mut explanation, mut places) = (None, vec![]);
        if let Some(value) = host.explanation {
            let causes = value["causes"].as_array().into_iter().flatten();
            let place = |cause: &Value| Option::<Place>::deserialize(&cause["place"]);
            places = causes.map(place).collect::<Result<_, _>>()?;
            explanation = Some(Explanation::deserialize(value)?);
        }
        let before = host.before.map(|before| Before {
            derivation: Derivation {
                drv_path: before.drv_path,
                out_path: before.out_path,
            },
            what: before.what,
        });
        let error = host.error.map(|failure| Error {
            source: Some(Source::Elsewhere(host.host.as_str().into())),
            ..failure.into()
        });
        Ok(Self {
            host: host.host,
            status: host.status,
            accepted: host.accepted_in_this_change,
            stale: host.stale_baseline,
            system: host.system,
            now: host.now,
            before,
            explanation,
            packages: host.package_changes,
            places,
            unexplained: host.unexplained,
            error,
            not_read: host.not_read.map(Into::into),
        })
    }
}

/// The one verdict of `parts`.
///
/// # Errors
/// When a part is no verdict, when parts are about different things, or when a host is in several
/// of them or in none.
pub fn merge(parts: &[Part]) -> Result<Report, Error> {
    let mut whole: Option<(&str, Report)> = None;
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (name, bytes) in parts {
        let part = read(name, bytes)?;
        for host in &part.hosts {
            if let Some(other) = owners.insert(host.host.clone(), name) {
                let message = format!("{} is judged by {other} and by {name}", host.host);
                return Err(Error::new(Kind::Usage, message)
                    .hint("each host belongs into one part: leave one of the two out"));
            }
        }
        match &mut whole {
            None => whole = Some((name, part)),
            Some((first, whole)) => {
                if let Some(what) = differs(whole, &part) {
                    let message = format!(
                        "{first} and {name} have {what}, so they are no parts of one verdict"
                    );
                    return Err(Error::new(Kind::Usage, message)
                        .hint("let all parts judge the same commit, with the same options"));
                }
                let new = part
                    .notes
                    .into_iter()
                    .filter(|note| !whole.notes.contains(note));
                let new: Vec<String> = new.collect();
                whole.notes.extend(new);
                whole.hosts.extend(part.hosts);
            }
        }
    }
    let Some((_, mut whole)) = whole else {
        return Err(Error::new(Kind::Usage, "there is no part to merge"));
    };
    let missing = whole
        .all_hosts
        .iter()
        .filter(|host| !owners.contains_key(*host));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    if !missing.is_empty() {
        let message = format!(
            "{} of {} in no part: {}",
            missing.len(),
            count(whole.all_hosts.len(), "host"),
            missing.join(", ")
        );
        return Err(Error::new(Kind::Usage, message)
            .hint("a job failed before it judged them, or its file is not among those named"));
    }
    whole.hosts.sort_by(|one, other| one.host.cmp(&other.host));
    Ok(whole)
}

/// What makes parts those of two verdicts.
fn differs(one: &Report, other: &Report) -> Option<&'static str> {
    match () {
        () if one.tree != other.tree => Some("different trees"),
        () if one.baseline_hash != other.baseline_hash => Some("different baselines"),
        () if one.base != other.base => Some("different bases"),
        () if one.strict != other.strict => Some("different ideas of what passes (`--strict`)"),
        () if one.all_hosts != other.all_hosts => Some("different hosts"),
        () => None,
    }
}

fn read(name: &str, bytes: &[u8]) -> Result<Report, Error> {
    let wrong = |why: String| {
        Error::new(Kind::Config, format!("{name} is no verdict of cbox: {why}"))
            .hint("`cbox verify-hosts HOST… --json` prints one")
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    let document = Document::deserialize(&value).map_err(|error| wrong(error.to_string()))?;
    let expected = schema("verify-hosts");
    if let Some(failure) = document.error {
        let error = Error::from(failure);
        let message = format!("{name} holds no verdict but an error: {}", error.message);
        return Err(Error { message, ..error });
    }
    let Some(verdict) = document.verdict.filter(|_| document.schema == expected) else {
        return Err(wrong(format!(
            "it is a document {}, not {expected}",
            document.schema
        )));
    };
    let hosts = verdict.hosts.into_iter().map(HostReport::try_from);
    let hosts: Result<Vec<HostReport>, _> = hosts.collect();
    Ok(Report {
        state: verdict.state,
        tree: verdict.tree,
        baseline_hash: verdict.baseline_hash,
        all_hosts: verdict.all_hosts,
        base: verdict.base,
        has_baseline: verdict.baseline,
        strict: verdict.strict,
        accepting: false,
        forced: false,
        hosts: hosts.map_err(|error| wrong(error.to_string()))?,
        notes: verdict.notes,
    })
}
