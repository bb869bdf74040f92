//! One round: what the tree evaluates to now, against what it did before.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use cbox_nix::{
    expression::{DerivationInfo, Evaluated, Request},
    nix::Nix,
};
use drv_causes::Explanation;
use nix_formats::nar::NarHash;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    diff::{explain::explain, packages::PackageDifference},
    error::Error,
    eval::{
        evaluator::Evaluator,
        hosts,
        read_set::proof,
        schedule::{self, Item},
    },
    flake::{project::Project, session::Session, version::Version},
    process::options::{Forced, Limits},
    subject::target,
    target_name::TargetName,
};

/// What is known of a target from the last round that got to its end.
#[derive(Debug, Clone)]
struct Known {
    /// The hash of the tree that it was evaluated from, with what was asked; none once it
    /// could not be asked.
    asked: Option<(NarHash, Request)>,
    /// Its derivation, which is in the store; none while it has never evaluated.
    derivation: Option<DerivationInfo>,
}

/// What the rounds before found.
#[derive(Debug, Default)]
pub struct Memory {
    known: BTreeMap<String, Known>,
}

/// What became of a target.
#[derive(Debug)]
pub enum Outcome {
    /// Seen for the first time, or for the first time good.
    New,
    /// The same derivation as before.
    Unchanged,
    /// No target any more.
    Removed,
    /// Another derivation, and why; or why there is no explanation.
    Changed(Result<Box<Why>, Error>),
    /// Why it does not evaluate.
    Failed(Error),
}

/// Why a target is another one.
#[derive(Debug)]
pub struct Why {
    /// The causes.
    pub explanation: Explanation,
    /// The packages that differ.
    pub packages: PackageDifference,
}

/// A target and what became of it.
#[derive(Debug)]
pub struct Verdict {
    /// The target.
    pub target: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The files that changed, where it was not evaluated since it reads none of them.
    pub not_read: Option<Arc<[PathBuf]>>,
}

impl Verdict {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::New => "evaluated",
            Outcome::Unchanged => "unchanged",
            Outcome::Changed(_) => "changed",
            Outcome::Removed => "removed",
            Outcome::Failed(_) => "failed",
        }
    }

    /// As one entry of the JSON of a round.
    pub fn to_json(&self) -> Value {
        let (why, error) = match &self.outcome {
            Outcome::Changed(Ok(why)) => (Some(why), None),
            Outcome::Changed(Err(error)) | Outcome::Failed(error) => (None, Some(error.to_json())),
            Outcome::New | Outcome::Unchanged | Outcome::Removed => (None, None),
        };
        json!({
            "target": self.target,
            "status": self.word(),
            "explanation": why.map(|why| &why.explanation),
            "packageChanges": why.map(|why| &why.packages),
            "error": error,
            "notRead": self.not_read.as_deref(),
        })
    }
}

/// The targets to watch: those that were named, or all hosts and all images.
pub fn names(
    project: &Project,
    native: &nix_formats::system::System,
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
/// it is known. Gives what was asked and answered, for [`prove`].
///
/// # Errors
/// What keeps all targets from being looked at, or that the round was ended.
pub async fn round(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    (named, limits): (&[TargetName], &Limits),
    memory: &mut Memory,
    mut tell: impl FnMut(Verdict),
) -> Result<Vec<(Item, Evaluated)>, Error> {
    evaluator.will_evaluate(sources);
    match named {
        [] => hosts::find(evaluator, sources).await?,
        _ => hosts::for_targets(evaluator, sources).await?,
    }
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
                    .is_none_or(|known| known.asked.as_ref() != Some(&asked))
                {
                    open.push((text, asked, item));
                }
            }
            Err(error) => {
                if let Some(known) = memory.known.get_mut(&text) {
                    known.asked = None;
                }
                tell(Verdict {
                    target: text,
                    outcome: Outcome::Failed(error),
                    not_read: None,
                });
            }
        }
    }
    for name in memory.forget_all_but(&seen) {
        tell(Verdict {
            target: name,
            outcome: Outcome::Removed,
            not_read: None,
        });
    }
    let items: Vec<Item> = open.iter().map(|(_, _, item)| item.clone()).collect();
    let (sender, mut answers) = mpsc::unbounded_channel();
    // Derivations are written: to say why one changed takes them, and to evaluate without
    // and then once more with them takes longer than to write them every time.
    let evaluating = async move {
        let send = |number, answer| {
            // Nobody listens any more after an error, which ends the round.
            let _gone = sender.send((number, answer));
        };
        schedule::each(evaluator, limits, &items, send).await
    };
    let mut answered = Vec::new();
    // Each is explained while the others are still evaluated.
    let telling = async {
        while let Some((number, answer)) = answers.recv().await {
            let (name, asked, item) = &open[number];
            let verdict = match schedule::with_derivation(item, answer) {
                // A save ended it: the next round says what becomes of it.
                Err(error) if error.is_interrupted() => continue,
                Ok((answer, derivation)) => {
                    let nix = &evaluator.nix;
                    let verdict = memory.learn(nix, name, asked, derivation).await?;
                    let not_read = answer.not_read.clone();
                    answered.push((item.clone(), answer.evaluated));
                    Verdict {
                        not_read,
                        ..verdict
                    }
                }
                Err(error) => memory.failed(name, asked, error),
            };
            tell(verdict);
        }
        Ok(())
    };
    let (evaluated, told) = tokio::join!(evaluating, telling);
    evaluated.and(told)?;
    Ok(answered)
}

/// Finds what each of the targets of a round reads, where that is not known yet: then a save
/// evaluates those alone that read what was saved.
///
/// # Errors
/// When a signal or a save comes. What goes wrong with one target is no matter of the others.
pub async fn prove(evaluator: &Evaluator<'_>, answered: &[(Item, Evaluated)]) -> Result<(), Error> {
    // One at a time: somebody works on this machine.
    let proofs = proof::prove(evaluator, answered, 1, |_| ()).await;
    for ((item, _), proof) in answered.iter().zip(proofs) {
        match proof {
            Ok(_) => {}
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => tracing::debug!("what {} reads is not known: {error:?}", item.name),
        }
    }
    Ok(())
}

async fn item(
    sources: &Version<'_>,
    project: &Project,
    native: &nix_formats::system::System,
    name: &TargetName,
) -> Result<Item, Error> {
    let target = target::resolve(project, name, &Forced::default(), native, sources)?;
    let (snapshot, _) = sources
        .snapshot_for(target.request.settings_of(), false)
        .await?;
    Ok(Item {
        snapshot,
        request: target.request,
        name: name.to_string(),
    })
}

impl Memory {
    fn derivation(&self, name: &str) -> Option<&DerivationInfo> {
        self.known.get(name)?.derivation.as_ref()
    }

    /// Forgets all that is not among `names`, and tells what.
    fn forget_all_but(&mut self, names: &BTreeSet<String>) -> Vec<String> {
        let gone = |name: &&String| !names.contains(*name);
        let gone: Vec<String> = self.known.keys().filter(gone).cloned().collect();
        for name in &gone {
            self.known.remove(name);
        }
        gone
    }

    fn failed(&mut self, name: &str, asked: &(NarHash, Request), error: Error) -> Verdict {
        // Only what the flake itself says stays as it is until the next save.
        if error.does_not_evaluate() {
            let derivation = self.derivation(name).cloned();
            let known = Known {
                asked: Some(asked.clone()),
                derivation,
            };
            self.known.insert(name.to_owned(), known);
        }
        Verdict {
            target: name.to_owned(),
            outcome: Outcome::Failed(error),
            not_read: None,
        }
    }

    /// Takes a derivation in, and says what it is against the one before.
    async fn learn(
        &mut self,
        nix: &Nix,
        name: &str,
        asked: &(NarHash, Request),
        now: DerivationInfo,
    ) -> Result<Verdict, Error> {
        let outcome = match self.derivation(name) {
            None => Outcome::New,
            Some(before) if before.drv == now.drv => Outcome::Unchanged,
            Some(before) => match why(nix, before, &now).await {
                Err(error) if error.is_interrupted() => return Err(error),
                why => Outcome::Changed(why.map(Box::new)),
            },
        };
        let known = Known {
            asked: Some(asked.clone()),
            derivation: Some(now),
        };
        self.known.insert(name.to_owned(), known);
        Ok(Verdict {
            target: name.to_owned(),
            outcome,
            not_read: None,
        })
    }
}

/// Why what a target was is another one `now`.
async fn why(nix: &Nix, before: &DerivationInfo, now: &DerivationInfo) -> Result<Why, Error> {
    let explanation = explain(&nix.store, &before.drv, &now.drv).await?;
    let outputs = (before.out.as_deref(), now.out.as_deref());
    let packages = PackageDifference::find(nix, &explanation, outputs).await?;
    Ok(Why {
        explanation,
        packages,
    })
}
