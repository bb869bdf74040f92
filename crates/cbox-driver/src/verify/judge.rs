//! Evaluates the install hosts of a state, measures them by its baseline, and explains.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

use cbox_nix::{expression::DerivationInfo, git::AddedLine, overrides::Setting};
use globset::{Glob, GlobSet, GlobSetBuilder};
use nix_formats::{store_path::DrvPath, system::System};
use tokio::sync::OnceCell;

use super::report::{Before, Derivation, HostReport, Report};
use crate::{
    baseline::{self, Baseline, Entry, file::BaselineFile, history::History},
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        hosts,
        schedule::{self, Item},
    },
    flake::{
        base::default_base, checkout::short_revision, session::Session, snapshot::Snapshot,
        version::Version,
    },
    process::options::{Limits, NixArguments},
    subject::target,
    text::nearest::{nearest, suggestion},
    verify::{scope, verdict::Status},
};

/// What is to be judged, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Patterns of the hosts' names; all install hosts without one.
    pub hosts: &'a [String],
    /// What is forced on every host.
    pub set: &'a [Setting],
    /// How much is evaluated at once.
    pub limits: Limits,
    /// Whether the causes of what changed are wanted.
    pub explain: bool,
    /// The commit to explain against.
    pub base: Option<&'a str>,
    /// Whether only the same derivation passes.
    pub strict: bool,
    /// Whether what is found is to become the baseline. Then it need not be there, and none
    /// is looked for elsewhere.
    pub accepting: bool,
}

/// The verdicts, and what they were made from.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The verdicts.
    pub report: Report,
    /// The version of the flake that they are about.
    pub state: Version<'a>,
    /// The baseline as a file.
    pub file: BaselineFile,
    /// What was accepted before.
    pub accepted: Option<Baseline>,
    /// What keeps the verdicts from becoming the baseline, where they are to.
    pub refusal: Option<Error>,
}

/// The evaluator for a judgement.
pub async fn evaluator<'a>(
    session: &'a Session<'a>,
    arguments: &NixArguments,
    cached: bool,
) -> Result<Evaluator<'a>, Error> {
    let evaluator = session.evaluator(arguments).await?;
    Ok(match cached {
        true => evaluator,
        false => evaluator.without_cache(),
    })
}

/// What a host evaluates to.
pub(super) struct Found {
    pub(super) system: System,
    pub(super) derivation: DerivationInfo,
    /// The files that changed and that it does not read, where it was not evaluated for that.
    not_read: Option<Arc<[PathBuf]>>,
}

type Answer = Result<Found, Error>;

/// Judges the hosts of `state` that the question is about.
///
/// # Errors
/// When nothing can be judged. A host that does not evaluate is a part of the report.
pub async fn judge<'a>(
    session: &'a Session<'a>,
    evaluator: Evaluator<'a>,
    state: Version<'a>,
    question: &Question<'_>,
) -> Result<Judged<'a>, Error> {
    let filter = filter(question.hosts)?;
    evaluator.will_evaluate(&state);
    hosts::find(&evaluator, &state).await?;
    let wanted = |host: &String| question.hosts.is_empty() || filter.is_match(host);
    let file = state.baseline_file()?;
    let accepted = file.parse()?;
    let base = match question.accepting {
        true => None,
        false => base(session, question.base).await?,
    };
    if let Some(base) = &base {
        evaluator.will_evaluate(base);
        hosts::find(&evaluator.under(&base.checkout.project), base).await?;
    }
    if accepted.is_none() && base.is_none() && !question.accepting {
        return Err(Error::new(
            Kind::Config,
            format!(
                "there is no {}{}, so there is nothing to compare with",
                file.shown,
                if state.is_commit() {
                    ""
                } else {
                    " in the working tree"
                }
            ),
        )
        .hint("`cbox accept` writes it, or `--base REV` compares with a commit"));
    }
    let mut work = Work {
        session,
        question,
        evaluator: &evaluator,
        state: &state,
        base: base.as_ref(),
        accepted: accepted.as_ref(),
        added_lines: HashMap::new(),
        history: OnceCell::new(),
        earlier: HashMap::new(),
    };
    let mut all_hosts = state.install_hosts();
    let hosts: Vec<String> = all_hosts
        .iter()
        .filter(|host| wanted(host))
        .cloned()
        .collect();
    let mut gone = scope::gone(&all_hosts, accepted.as_ref(), base.as_ref());
    all_hosts.extend(gone.iter().cloned());
    all_hosts.sort();
    gone.retain(wanted);
    // One that means nothing is a slip: the host that was meant would go unseen.
    let mut known = hosts.iter().chain(&gone);
    let unknown = question.hosts.iter().find(|pattern| {
        let matcher = Glob::new(pattern).map(|glob| glob.compile_matcher());
        !matcher.is_ok_and(|matcher| known.clone().any(|host| matcher.is_match(host)))
    });
    if unknown.is_some() || known.next().is_none() {
        return Err(no_hosts(&state, unknown.map_or("", String::as_str)));
    }
    let mut report = work.report((all_hosts, &hosts, &gone), &file).await?;
    let refusal = match question.accepting {
        true => work.refusal(&mut report).await?,
        false => None,
    };
    Ok(Judged {
        report,
        state,
        file,
        accepted,
        refusal,
    })
}

/// The commit `revision`, or else the one that a pull request began at.
pub(super) async fn base<'a>(
    session: &'a Session<'a>,
    revision: Option<&str>,
) -> Result<Option<Version<'a>>, Error> {
    if let Some(revision) = revision {
        return Version::commit(session, revision).await.map(Some);
    }
    match default_base(session).await? {
        Some(base) => Version::commit(session, &base.commit).await.map(Some),
        None => Ok(None),
    }
}

/// The hosts whose names match one of the patterns.
pub fn filter(patterns: &[String]) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = Glob::new(pattern).map_err(|error| {
            Error::new(
                Kind::Usage,
                format!("`{pattern}` is no pattern of hosts: {}", error.kind()),
            )
        })?;
        set.add(glob);
    }
    set.build()
        .map_err(|error| Error::new(Kind::Usage, error.to_string()))
}

/// Why there is no host to judge, or none that `pattern` means.
pub(super) fn no_hosts(state: &Version<'_>, pattern: &str) -> Error {
    let known = state.install_hosts();
    if known.is_empty() {
        return Error::new(
            Kind::Config,
            format!("{} has no install host", state.label()),
        )
        .hint(match state.checkout.project.is_configured() {
            true => "one is a folder hosts/<name>/ with a default.nix that git tracks, and a name without `_`; or cbox.toml names it under `hosts`",
            false => "without a cbox.toml, these are all hosts in nixosConfigurations with a name without `_`",
        });
    }
    let matcher = Glob::new(pattern).map(|glob| glob.compile_matcher());
    let is_meant = |image: &String| matcher.as_ref().is_ok_and(|glob| glob.is_match(image));
    let why = if state.image_hosts().iter().any(is_meant) {
        "; image hosts run on no machine, so there is nothing to verify"
    } else {
        ""
    };
    let is_glob = pattern.contains(['*', '?', '[', '{']);
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let near = match nearest(pattern, names).as_slice() {
        [] => String::new(),
        near => suggestion(pattern, near),
    };
    Error::new(
        Kind::Usage,
        format!("no install host is called `{pattern}`{why}"),
    )
    .hint(match is_glob || !why.is_empty() || near.is_empty() {
        true => format!("there are {}", known.join(", ")),
        false => near,
    })
}

/// One judgement under way.
pub(super) struct Work<'w, 'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) question: &'w Question<'w>,
    pub(super) evaluator: &'w Evaluator<'a>,
    pub(super) state: &'w Version<'a>,
    pub(super) base: Option<&'w Version<'a>>,
    pub(super) accepted: Option<&'w Baseline>,
    /// The lines added since a commit; found out when first asked.
    pub(super) added_lines: HashMap<String, Vec<AddedLine>>,
    /// Which commits accepted what; found out when first asked.
    pub(super) history: OnceCell<Result<History, Error>>,
    /// Commits that were laid out to evaluate what was accepted at them.
    pub(super) earlier: HashMap<String, Result<Version<'a>, Error>>,
}

impl<'a> Work<'_, 'a> {
    async fn report(
        &mut self,
        (all_hosts, hosts, gone): (Vec<String>, &[String], &[String]),
        file: &BaselineFile,
    ) -> Result<Report, Error> {
        let notes = self.notes(file).await?;
        let snapshot = self.state.snapshot().await?;
        let tree = snapshot.staged.nar_hash;
        let evaluator = self
            .evaluator
            .clone()
            .comparing_with(self.accepted_before());
        let answers = self
            .evaluate(&evaluator, snapshot, hosts, self.question.set)
            .await?;
        let at_base = self.evaluate_base(hosts, gone, &answers).await?;
        let accepted_at_base = self.accepted_at_base();
        let mut reports = Vec::new();
        for (host, answer) in hosts.iter().zip(answers) {
            let report = self
                .judge(host, answer, &at_base, accepted_at_base.as_ref())
                .await?;
            self.session.reporter.report(report.event());
            reports.push(report);
        }
        for host in gone {
            let mut report = HostReport::new(host, Status::Removed);
            report.before = self.before(host, &at_base);
            reports.push(report);
        }
        reports.sort_by(|one, other| one.host.cmp(&other.host));
        Ok(Report {
            state: self.state.label().to_owned(),
            tree: tree.to_string(),
            baseline_hash: file.hash(),
            all_hosts,
            base: self.base.map(|base| base.label().to_owned()),
            has_baseline: self.accepted.is_some(),
            strict: self.question.strict,
            accepting: self.question.accepting,
            forced: !self.question.set.is_empty()
                || !self.session.options.override_inputs.is_empty(),
            hosts: reports,
            notes,
        })
    }

    /// What is left out on purpose, and what others will not see.
    async fn notes(&self, file: &BaselineFile) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        let set_aside = self.state.set_aside()?;
        if !set_aside.is_empty() {
            notes.push(format!(
                "set aside: {} (local settings are no part of the verdict)",
                listed(&set_aside)
            ));
        }
        let untracked = self.state.hosts_set_aside();
        if !untracked.is_empty() && !self.state.is_commit() {
            notes.push(format!(
                "not judged: {} ({})",
                untracked.join(", "),
                match self.session.project.config().source.exclude.is_empty() {
                    true => "git does not track it: `git add` does",
                    false => {
                        "git does not track it, or `exclude` in cbox.toml leaves it out: `cbox \
                         source why` says which"
                    }
                }
            ));
        }
        let misnamed = self.state.misnamed_hosts();
        if !misnamed.is_empty() {
            notes.push(format!(
                "not judged: {} (a host's name is made of letters, digits, `_`, `-`, `.` and `+`)",
                misnamed.join(", ")
            ));
        }
        let uncommitted = self.state.uncommitted().await?;
        if !uncommitted.submodules.is_empty() {
            notes.push(format!(
                "submodules have changes of their own: {} (submodules are not staged)",
                listed(&uncommitted.submodules)
            ));
        }
        if self.accepted.is_some() && !file.tracked && self.session.project.repository.is_some() {
            notes.push(format!(
                "git does not track {}: commit it, so that others are judged by it too",
                file.shown
            ));
        }
        if let Some(base) = self.base
            && self.accepted.is_none()
            && base.baseline_file()?.is_there()
        {
            notes.push(format!(
                "{} is gone since {}, so hosts are judged by that commit",
                baseline::FILE,
                base.label()
            ));
        }
        Ok(notes)
    }

    /// What was accepted before this change: a host that still is that needs no explanation,
    /// and so no derivation.
    fn accepted_before(&self) -> BTreeSet<DrvPath> {
        let at_base = self.accepted_at_base();
        let hosts = self.accepted.iter().flat_map(|accepted| &accepted.hosts);
        hosts
            .filter(|(host, _)| !self.is_accepted_here(host, at_base.as_ref()))
            .map(|(_, entry)| entry.drv_path.clone())
            .collect()
    }

    /// Evaluates hosts, with options forced. What keeps all of them from it is an error.
    pub(super) async fn evaluate(
        &self,
        evaluator: &Evaluator<'_>,
        snapshot: Arc<Snapshot>,
        hosts: &[String],
        set: &[Setting],
    ) -> Result<Vec<Answer>, Error> {
        if hosts.is_empty() {
            return Ok(vec![]);
        }
        let mut items = Vec::new();
        for host in hosts {
            let mut request = target::toplevel(host)?;
            for setting in set {
                request
                    .overrides
                    .force(setting.path.clone(), setting.value.clone());
            }
            items.push(Item {
                snapshot: snapshot.clone(),
                request,
                name: host.clone(),
            });
        }
        let evaluator = evaluator.under(&snapshot.checkout.project);
        let answers = schedule::answers(&evaluator, &self.question.limits, &items).await?;
        let found = |(item, answer)| {
            let (answer, derivation) = schedule::with_derivation(item, answer)?;
            Ok(Found {
                system: answer.evaluated.system,
                derivation,
                not_read: answer.not_read,
            })
        };
        let answers: Vec<Answer> = items.iter().zip(answers).map(found).collect();
        // One thing that keeps every host from being judged is said once.
        match answers.first() {
            Some(Err(first))
                if first.kind != Kind::Evaluation
                    && answers
                        .iter()
                        .all(|answer| answer.as_ref().err() == Some(first)) =>
            {
                Err(first.clone())
            }
            _ => Ok(answers),
        }
    }

    /// What the hosts were at the base, as far as it matters: where there is no baseline,
    /// all of them, otherwise those that are not what they were.
    async fn evaluate_base(
        &self,
        hosts: &[String],
        gone: &[String],
        answers: &[Answer],
    ) -> Result<BTreeMap<String, Derivation>, Error> {
        let Some(base) = self.base else {
            return Ok(BTreeMap::new());
        };
        let at_base = self.accepted_at_base();
        let known: BTreeSet<String> = base.install_hosts().into_iter().collect();
        let matters = |host: &str, answer: &Answer| match (self.entry(host), answer) {
            (_, Err(_)) => false,
            (None, Ok(_)) => true,
            (Some(entry), Ok(now)) => {
                entry.drv_path != now.derivation.drv
                    || self.is_accepted_here(host, at_base.as_ref())
            }
        };
        let mut wanted: Vec<String> = hosts
            .iter()
            .zip(answers)
            .filter(|(host, answer)| matters(host, answer))
            .map(|(host, _)| host.clone())
            .collect();
        if self.accepted.is_none() {
            wanted.extend(gone.iter().cloned());
        }
        wanted.retain(|host| known.contains(host));
        let snapshot = base.snapshot().await?;
        let answers = self
            .evaluate(self.evaluator, snapshot, &wanted, &[])
            .await?;
        let mut found = BTreeMap::new();
        for (host, answer) in wanted.into_iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    found.insert(host, answer.derivation.into());
                }
                Err(error) => self.session.reporter.warn(&format!(
                    "{host} cannot be explained against {}: {}",
                    base.label(),
                    error.headline()
                )),
            }
        }
        Ok(found)
    }

    /// The baseline as it was at the base.
    fn accepted_at_base(&self) -> Option<Baseline> {
        // Whatever is wrong with it, this change may be what mends it.
        self.base?.baseline().ok().flatten()
    }

    pub(super) fn entry(&self, host: &str) -> Option<&Entry> {
        self.accepted?.hosts.get(host)
    }

    /// Whether the baseline has another word on the host than it had at the base.
    fn is_accepted_here(&self, host: &str, at_base: Option<&Baseline>) -> bool {
        let before = at_base.and_then(|baseline| baseline.hosts.get(host));
        let drv = |entry: &Entry| entry.drv_path.clone();
        self.base.is_some()
            && self.entry(host).is_some()
            && self.entry(host).map(drv) != before.map(drv)
    }

    /// What a host is measured by.
    fn before(&self, host: &str, at_base: &BTreeMap<String, Derivation>) -> Option<Before> {
        if self.accepted.is_some() {
            let entry = self.entry(host)?;
            return Some(Before {
                derivation: Derivation {
                    drv_path: entry.drv_path.clone(),
                    out_path: entry.out_path.clone(),
                },
                what: "accepted".to_owned(),
            });
        }
        Some(Before {
            derivation: at_base.get(host)?.clone(),
            what: self.base?.label().to_owned(),
        })
    }

    async fn judge(
        &mut self,
        host: &str,
        answer: Answer,
        at_base: &BTreeMap<String, Derivation>,
        accepted_at_base: Option<&Baseline>,
    ) -> Result<HostReport, Error> {
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                let mut report = HostReport::new(host, Status::Failed);
                report.error = Some(error);
                return Ok(report);
            }
        };
        let before = self.before(host, at_base);
        let now = Derivation::from(found.derivation);
        let status = Status::of(
            before.as_ref().map(|before| before.derivation.built()),
            Some(now.built()),
        );
        let mut report = HostReport::new(host, status);
        report.system = Some(found.system);
        report.not_read = found.not_read;
        report.now = Some(now.clone());
        report.accepted = status.passes(false) && self.is_accepted_here(host, accepted_at_base);
        if let (Some(base), Some(known)) = (
            at_base.get(host),
            accepted_at_base.and_then(|known| known.hosts.get(host)),
        ) {
            report.stale = base.drv_path != known.drv_path;
        }
        report.before = before;
        if status == Status::Added || (status == Status::Unchanged && !report.accepted) {
            return Ok(report);
        }
        let from_base = at_base.get(host).zip(self.base);
        let mut accepting = None;
        if let Some((derivation, base)) = from_base {
            // It says more of this change than the commit at which something was accepted.
            report.before = Some(Before {
                derivation: derivation.clone(),
                what: base.label().to_owned(),
            });
        } else if self.question.explain
            && let Some(before) = &mut report.before
        {
            let commits = self.accepting(host, &before.derivation.drv_path).await?;
            if let Some(commit) = commits.first() {
                before.what = format!("accepted at {}", short_revision(commit));
            }
            accepting = Some(commits);
        }
        if self.question.explain {
            self.explain(&mut report, &now, accepting).await?;
        }
        Ok(report)
    }
}

pub(super) fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
