//! One round: what the tree evaluates to now, against what it did before.

use std::collections::{BTreeMap, BTreeSet};

use cbox_core::{causes::Explanation, expression::Request, nar::NarHash, target::TargetName};
use cbox_nix::store::Store;
use serde_json::{Value, json};

use crate::{
    cli::{BuildFlags, Limits},
    error::Error,
    exit::Kind,
    explain::explain,
    project::Project,
    session::{Evaluator, Session},
    side_by_side::{self, Item},
    staging::Sources,
    targets,
};

/// What is known of a target from the last round that got to its end.
#[derive(Debug, Clone)]
struct Known {
    /// The hash of the tree that it was evaluated from, with what was asked.
    asked: (NarHash, Request),
    /// Its derivation, which is in the store; none while it has never evaluated.
    drv: Option<String>,
    /// Whether it evaluated.
    good: bool,
}

/// What the rounds before found.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    known: BTreeMap<String, Known>,
}

/// What became of a target.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Seen for the first time, or for the first time good.
    New,
    Unchanged,
    /// Another derivation, and why; or why there is no explanation.
    Changed(Result<Explanation, Error>),
    Failed(Error),
}

/// A target and what became of it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) outcome: Outcome,
}

impl Verdict {
    /// The word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::New => "evaluated",
            Outcome::Unchanged => "unchanged",
            Outcome::Changed(_) => "changed",
            Outcome::Failed(_) => "failed",
        }
    }

    /// As one entry of the JSON of a round.
    pub(crate) fn to_json(&self) -> Value {
        let (explanation, error) = match &self.outcome {
            Outcome::Changed(Ok(explanation)) => (Some(explanation), None),
            Outcome::Changed(Err(error)) | Outcome::Failed(error) => (None, Some(error.to_json())),
            Outcome::New | Outcome::Unchanged => (None, None),
        };
        json!({
            "target": self.target,
            "status": self.word(),
            "explanation": explanation,
            "error": error,
        })
    }
}

/// The targets to watch: those that were named, or all hosts and all images.
pub(crate) fn names(
    project: &Project,
    native: &cbox_core::system::System,
    named: &[TargetName],
) -> Vec<TargetName> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let hosts = project.install_hosts().into_iter();
    let mut names: Vec<TargetName> = hosts.map(|name| TargetName::Host { name }).collect();
    for target in &project.config().targets {
        // An image of this machine's own architecture, where there is one, says it all.
        let systems = target.systems();
        let system = (!systems.contains(native)).then(|| systems.first().cloned());
        names.push(TargetName::Image {
            kind: target.kind.clone(),
            format: target.format.clone(),
            system: system.flatten(),
        });
    }
    names
}

/// Evaluates what can have changed since the last round, and tells each verdict as soon as
/// it is known.
///
/// # Errors
/// What keeps all targets from being looked at, or that the round was ended.
pub(crate) async fn round(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    sources: &Sources<'_>,
    (named, limits): (&[TargetName], &Limits),
    memory: &mut Memory,
    mut tell: impl FnMut(Verdict),
) -> Result<(), Error> {
    let native = &evaluator.nix.settings.system;
    let mut open = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names(&session.project, native, named) {
        let text = name.to_string();
        seen.insert(text.clone());
        match item(sources, &session.project, native, &name).await {
            Ok(item) => {
                let asked = (item.snapshot.staged.nar_hash, item.request.clone());
                if memory
                    .known
                    .get(&text)
                    .is_none_or(|known| known.asked != asked)
                {
                    open.push((text, asked, item));
                }
            }
            Err(error) => tell(Verdict {
                target: text,
                outcome: Outcome::Failed(error),
            }),
        }
    }
    memory.known.retain(|name, _| seen.contains(name));
    let items: Vec<Item> = open.iter().map(|(_, _, item)| item.clone()).collect();
    // First what it would be, which is quick, and only then why: for that derivations have
    // to be written. Those seen for the first time are written at once, to compare with.
    let (first, again): (Vec<usize>, Vec<usize>) =
        (0..open.len()).partition(|&number| memory.drv(&open[number].0).is_none());
    let pick = |numbers: &[usize]| -> Vec<Item> {
        numbers
            .iter()
            .map(|&number| items[number].clone())
            .collect()
    };
    let looked = evaluator.read_only();
    let mut changed = Vec::new();
    for (number, answer) in again
        .iter()
        .copied()
        .zip(side_by_side::derivations(&looked, limits, &pick(&again)).await?)
    {
        let (name, asked, _) = &open[number];
        match answer {
            Ok((_, derivation)) if memory.drv(name) == Some(&derivation.drv) => {
                memory.is_good(name, asked);
                tell(Verdict {
                    target: name.clone(),
                    outcome: Outcome::Unchanged,
                });
            }
            Ok(_) => changed.push(number),
            Err(error) => tell(memory.failed(name, asked, error)),
        }
    }
    let written = [first, changed].concat();
    let answers = side_by_side::derivations(evaluator, limits, &pick(&written)).await?;
    for (number, answer) in written.into_iter().zip(answers) {
        let (name, asked, _) = &open[number];
        let verdict = match answer {
            Ok((_, derivation)) => {
                memory
                    .learn(&evaluator.nix.store, name, asked, derivation.drv)
                    .await?
            }
            Err(error) => memory.failed(name, asked, error),
        };
        tell(verdict);
    }
    Ok(())
}

async fn item(
    sources: &Sources<'_>,
    project: &Project,
    native: &cbox_core::system::System,
    name: &TargetName,
) -> Result<Item, Error> {
    let target = targets::resolve(project, name, &BuildFlags::default(), native, sources)?;
    let (snapshot, _) = sources.snapshot(Some(&target.request.host), false).await?;
    Ok(Item {
        snapshot,
        request: target.request,
        name: name.to_string(),
    })
}

impl Memory {
    fn drv(&self, name: &str) -> Option<&String> {
        self.known.get(name)?.drv.as_ref()
    }

    fn is_good(&mut self, name: &str, asked: &(NarHash, Request)) {
        if let Some(known) = self.known.get_mut(name) {
            known.asked = asked.clone();
            known.good = true;
        }
    }

    fn failed(&mut self, name: &str, asked: &(NarHash, Request), error: Error) -> Verdict {
        // Only what the flake itself says stays as it is until the next save.
        if error.kind == Kind::Evaluation {
            let drv = self.drv(name).cloned();
            let known = Known {
                asked: asked.clone(),
                drv,
                good: false,
            };
            self.known.insert(name.to_owned(), known);
        }
        Verdict {
            target: name.to_owned(),
            outcome: Outcome::Failed(error),
        }
    }

    /// Takes a derivation in, and says what it is against the one before.
    async fn learn(
        &mut self,
        store: &Store,
        name: &str,
        asked: &(NarHash, Request),
        drv: String,
    ) -> Result<Verdict, Error> {
        let outcome = match self.drv(name) {
            None => Outcome::New,
            Some(before) if *before == drv => Outcome::Unchanged,
            Some(before) => match explain(store, before, &drv).await {
                Err(error) if matches!(error.kind, Kind::Interrupted(_)) => return Err(error),
                explained => Outcome::Changed(explained),
            },
        };
        let known = Known {
            asked: asked.clone(),
            drv: Some(drv),
            good: true,
        };
        self.known.insert(name.to_owned(), known);
        Ok(Verdict {
            target: name.to_owned(),
            outcome,
        })
    }
}
