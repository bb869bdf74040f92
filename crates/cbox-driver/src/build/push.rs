//! What was built goes to another store, a target at a time, while others are still being built.
//!
//! Nix tells of a target that was asked for by name only when all builds are over. So whenever it
//! tells that something has ended, it is looked which outputs are there by now.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cbox_nix::{NixError, push, store_fault::StoreFault};
use nix_formats::store_path::OutPath;
use tokio::sync::Notify;

use super::Job;
use crate::{
    error::{Error, Kind},
    eval::evaluator::Evaluator,
    progress::Event,
};

/// How long it is waited before it is looked again: builds often end many at a time.
const MOMENT: Duration = Duration::from_millis(300);

/// What became of the output of each job: `None` where it was never there.
pub(super) type Pushed = Option<Result<(), Error>>;

/// The pushes of one call of Nix.
pub(super) struct Pusher<'p> {
    evaluator: &'p Evaluator<'p>,
    store: &'p str,
    /// Something may have been built.
    stirred: Notify,
    /// What was built of each job, once that is known of all.
    outputs: Mutex<Option<Vec<Option<OutPath>>>>,
}

impl<'p> Pusher<'p> {
    /// Pushes to `store`.
    pub(super) fn new(evaluator: &'p Evaluator<'p>, store: &'p str) -> Self {
        Self {
            evaluator,
            store,
            stirred: Notify::new(),
            outputs: Mutex::default(),
        }
    }

    /// Says that something may have been built.
    pub(super) fn stir(&self) {
        self.stirred.notify_one();
    }

    /// Says what was built of each job, and that nothing more will be.
    pub(super) fn over(&self, outputs: Vec<Option<OutPath>>) {
        *self.outputs() = Some(outputs);
        self.stir();
    }

    fn outputs(&self) -> std::sync::MutexGuard<'_, Option<Vec<Option<OutPath>>>> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes what is built of `jobs`, until all is over.
    pub(super) async fn run(&self, jobs: &[Job<'_>]) -> Vec<Pushed> {
        let mut answers: Vec<Pushed> = vec![None; jobs.len()];
        while self.evaluator.session.interrupt.signal().is_none() {
            let known = self.outputs().clone();
            match self.next(jobs, &answers, known.as_deref()).await {
                Some((place, out)) => answers[place] = self.push(&jobs[place], &out).await,
                None if known.is_some() => break,
                None => {
                    self.stirred.notified().await;
                    // All that is left is known at once when it is over.
                    if self.outputs().is_none() {
                        tokio::time::sleep(MOMENT).await;
                    }
                }
            }
        }
        answers
    }

    /// The first job whose output is there and was not pushed.
    async fn next(
        &self,
        jobs: &[Job<'_>],
        answers: &[Pushed],
        known: Option<&[Option<OutPath>]>,
    ) -> Option<(usize, OutPath)> {
        let nix = &self.evaluator.nix;
        let open = answers.iter().enumerate();
        for (place, _) in open.filter(|(_, answer)| answer.is_none()) {
            let out = match known {
                Some(outputs) => outputs.get(place)?.clone(),
                // To look into a store on another machine takes a connection each time.
                None => match &jobs[place].derivation.out {
                    Some(out) if nix.outputs.holds(out) == Some(true) => {
                        let is_built = nix.is_built(out).await.unwrap_or(false);
                        is_built.then(|| out.clone())
                    }
                    _ => None,
                },
            };
            if let Some(out) = out {
                return Some((place, out));
            }
        }
        None
    }

    async fn push(&self, job: &Job<'_>, out: &OutPath) -> Pushed {
        let (nix, reporter) = (&self.evaluator.nix, self.evaluator.session.reporter);
        let target = job.target.name.to_string();
        let store = push::without_password(self.store);
        reporter.report(Event::PushBegan {
            target: &target,
            store: &store,
        });
        let pushed = push::push(nix, self.store, out, |event| {
            reporter.report(Event::Push(&event));
        });
        let pushed = pushed.await;
        let good = match &pushed {
            Err(NixError::Interrupted(_)) => None,
            pushed => Some(pushed.is_ok()),
        };
        reporter.report(Event::PushEnded { good });
        match pushed {
            Ok(()) => Some(Ok(())),
            Err(NixError::Interrupted(_)) => None,
            Err(NixError::Store(StoreFault::Refused { reason, .. })) => {
                let message = format!("{target} is built, and not pushed to {store}: {reason}");
                let error = Error::new(Kind::Output, message);
                Some(Err(error.hint(format!(
                    "`{}` pushes it again",
                    push::command(nix, self.store, out)
                ))))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// Asks `store` before anything is built whether it can be pushed to. One that does not answer
/// may do so by then.
///
/// # Errors
/// When there is no such store.
pub async fn check(evaluator: &Evaluator<'_>, store: &str) -> Result<(), Error> {
    // Nix would make a store below another root of it, whatever is in it.
    if store.starts_with('/') {
        let message = format!("`--push`: {store} is a folder");
        return Err(Error::new(Kind::Usage, message).hint(format!(
            "`file://{store}` is a binary cache in it, `local?root={store}` a store below it"
        )));
    }
    match push::fault(&evaluator.nix, store).await? {
        None => Ok(()),
        Some(StoreFault::Refused { store, reason }) => {
            evaluator.session.reporter.warn(&format!(
                "{store}, which is to be pushed to, does not answer: {reason}"
            ));
            Ok(())
        }
        Some(fault) => Err(Error::new(Kind::Usage, format!("`--push`: {fault}")).hint(
            "what is built can be pushed to `file:///DIR`, `s3://BUCKET`, `ssh-ng://HOST` or an \
             `https://` cache that can be written to (docs/stores.md)",
        )),
    }
}
