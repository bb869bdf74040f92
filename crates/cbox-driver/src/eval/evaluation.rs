//! Evaluation with a memory: what is known is not found out again.
//!
//! These are the steps; [`crate::eval::schedule`] takes them, for one evaluation as for many.

use std::path::Path;

use camino::Utf8Path;
use cbox_nix::{
    NixError,
    eval::evaluate,
    evaluation_key::KeyParts,
    expression::{DerivationInfo, Evaluated, NAMES, Request},
    lock_file::{judge, key},
    messages::Messages,
    regular_file,
};
use nix_formats::nix_text::to_user_positions;

use crate::{
    error::{Error, Kind},
    eval::{diagnose::of_evaluation, evaluator::Evaluator},
    flake::snapshot::Snapshot,
    text::count,
};

/// Why an evaluation gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// There was too little memory, or somebody killed it who thought so: another try may get
    /// further.
    Memory(NixError),
    /// All else.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Evaluator<'_> {
    /// What is remembered under `key`, unless its derivation is gone.
    pub async fn remembered(&self, key: &str, what: &str) -> Result<Option<Evaluated>, Error> {
        let known = self.cache.as_ref().map(|cache| cache.get(key));
        let known = known.transpose().unwrap_or_else(|damage| {
            self.session.reporter.aside(&format!(
                "what is remembered of {what} is not used, and it is evaluated anew: {damage}"
            ));
            None
        });
        match known.flatten() {
            Some(known) if self.is_still_there(&known).await? => {
                tracing::debug!("{what}: remembered as {key}");
                Ok(Some(known))
            }
            _ => Ok(None),
        }
    }

    /// Evaluates `request` on `snapshot`, which is ready, and remembers the answer as `key`.
    pub async fn evaluate_anew(
        &self,
        key: &str,
        snapshot: &Snapshot,
        request: &Request,
        heap: Option<u64>,
        what: &str,
    ) -> Result<Evaluated, Failure> {
        let ask = self.ask(snapshot, request, heap, what);
        let (evaluated, ()) = tokio::join!(ask, self.say_self(snapshot));
        let mut evaluated = evaluated?;
        // Nothing roots a derivation yet, so a garbage collection can take it at once.
        if !self.is_still_there(&evaluated).await.map_err(Error::from)? {
            self.put(snapshot).await?;
            evaluated = self.ask(snapshot, request, heap, what).await?;
        }
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(key, &evaluated)
        {
            let error = Error::from(error);
            self.session.reporter.warn(&format!(
                "this evaluation will not be remembered: {}",
                error.message
            ));
        }
        Ok(evaluated)
    }

    async fn ask(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        heap: Option<u64>,
        what: &str,
    ) -> Result<Evaluated, Failure> {
        let mut said = Messages::default();
        let mut answer = evaluate(&self.nix, &snapshot.staged, request, heap, &mut said).await;
        if answer.is_err() && self.put_back(snapshot).await? {
            said = Messages::default();
            answer = evaluate(&self.nix, &snapshot.staged, request, heap, &mut said).await;
        }
        self.tell(&said, snapshot, what);
        match answer {
            Ok(evaluated) => Ok(evaluated),
            Err(error @ (NixError::Memory { .. } | NixError::Crashed { killed: true, .. })) => {
                Err(Failure::Memory(error))
            }
            Err(error) => Err(Failure::Other(of_evaluation(self, error, snapshot).await)),
        }
    }

    /// Puts `snapshot` into the store, unless it is there, and holds it.
    pub(crate) async fn put(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let Self { session, nix, .. } = self;
        snapshot.add(session, nix, &self.connection).await
    }

    /// Puts `snapshot` into the store once more if it was collected, since nothing could hold
    /// it; whether it was.
    async fn put_back(&self, snapshot: &Snapshot) -> Result<bool, Error> {
        if self.session.interrupt.signal().is_some()
            || self.nix.store.holds(snapshot.staged.path.as_str()) != Some(false)
        {
            return Ok(false);
        }
        tracing::debug!("{} was collected", snapshot.staged.path.as_str());
        self.put(snapshot).await.map(|()| true)
    }

    /// Shows what Nix said while it evaluated `what` to those who want to know all.
    fn tell(&self, said: &Messages, snapshot: &Snapshot, what: &str) {
        let (reporter, origin) = (self.session.reporter, &snapshot.checkout);
        let top = origin.display_path(self.session.environment, &origin.project.top);
        let top = top.trim_end_matches('/');
        let staged = snapshot.staged.path.as_str();
        for line in said.lines() {
            let line = to_user_positions(&line, self.store_root().as_str(), staged, top);
            reporter.aside(&format!("{what}> {line}"));
        }
        if said.more() > 0 {
            reporter.aside(&format!("{what}> and {}", count(said.more(), "more line")));
        }
    }

    /// Whether the derivations of `evaluated` have not been collected, as far as that matters.
    pub async fn is_still_there(&self, evaluated: &Evaluated) -> Result<bool, NixError> {
        let derivations = [&evaluated.derivation, &evaluated.toplevel];
        for derivation in derivations.into_iter().flatten() {
            if self.only_compares(&derivation.drv) {
                continue;
            }
            let is_there = match self.nix.store.holds(&derivation.drv) {
                Some(there) => there,
                None => self.nix.is_valid(&[&derivation.drv]).await?,
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The name under which the answer to `request` on `snapshot` is remembered: the same
    /// for all that gives the same answer.
    pub fn key(&self, snapshot: &Snapshot, request: &Request) -> Result<String, Error> {
        self.key_with(&snapshot.staged.nar_hash.to_string(), snapshot, request)
    }

    /// The name under which it is kept what `request` reads, whatever the tree.
    pub fn key_of_reads(&self, snapshot: &Snapshot, request: &Request) -> Result<String, Error> {
        self.key_with("any tree", snapshot, request)
    }

    fn key_with(
        &self,
        tree: &str,
        snapshot: &Snapshot,
        request: &Request,
    ) -> Result<String, Error> {
        let expression = request.expression().map_err(NixError::from)?;
        Ok(self.key_of(tree, &snapshot.staged.dir, request, &expression))
    }

    /// The name under which the names of the hosts of `snapshot` are remembered.
    pub fn key_of_hosts(&self, snapshot: &Snapshot) -> String {
        let staged = &snapshot.staged;
        let nobody = Request::default();
        self.key_of(&staged.nar_hash.to_string(), &staged.dir, &nobody, NAMES)
    }

    fn key_of(&self, tree: &str, dir: &str, request: &Request, expression: &str) -> String {
        let nix = &self.nix;
        KeyParts {
            nar_hash: tree,
            dir,
            request,
            expression,
            overridden_inputs: &nix.options.override_inputs,
            store: &nix.store.uri,
            store_dir: &nix.store.dir,
            nix_version: &nix.version,
            features: &nix.settings.features,
            import_from_derivation: nix.options.import_from_derivation,
        }
        .key()
    }

    /// The folder that the store is below, where it is not the usual one; empty otherwise.
    pub fn store_root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.nix.store.root()).unwrap_or(Utf8Path::new(""))
    }
}

impl Snapshot {
    /// Makes sure that the source is in the store and is held there, and that its lock file
    /// will do.
    pub async fn ready(&self, evaluator: &Evaluator<'_>) -> Result<(), Error> {
        let ready = self.ready.get_or_try_init(|| async {
            evaluator.put(self).await?;
            let held = evaluator.connection.clone();
            let key = self.lock_key(&evaluator.nix.version);
            let cache = evaluator.cache.as_ref();
            let known = cache.map(|cache| cache.knows_lock(&key)).transpose();
            let known = known.unwrap_or_else(|damage| {
                evaluator.session.reporter.aside(&format!(
                    "what is remembered of flake.lock is not used, and Nix is asked anew: {damage}"
                ));
                None
            });
            if known == Some(true) {
                return Ok(held);
            }
            let lock_file = self.read_lock()?;
            let judge = || judge(&evaluator.nix, &self.staged, lock_file.as_deref());
            let mut judged = judge().await;
            if judged.is_err() && evaluator.put_back(self).await? {
                judged = judge().await;
            }
            match judged {
                Ok(()) => {
                    cache.inspect(|cache| cache.remember_lock(&key));
                    Ok(held)
                }
                Err(error) => Err(of_evaluation(evaluator, error, self).await),
            }
        });
        ready.await.map(drop)
    }

    /// The key of the judgement of its lock file. A file that cannot be read counts as empty:
    /// then it was not staged either.
    fn lock_key(&self, nix_version: &str) -> String {
        let is_of_flake = |path: &Path| path.ends_with("flake.nix") || path.ends_with("flake.lock");
        let paths = self.tree.entries.iter().map(|entry| entry.path.as_path());
        let files: Vec<(String, Vec<u8>)> = paths
            .filter(|path| is_of_flake(path))
            .map(|path| {
                let content = regular_file::read(self.tree.top.join(path)).unwrap_or_default();
                (path.display().to_string(), content)
            })
            .collect();
        key(nix_version, &self.staged.dir, &files)
    }
}

/// The derivation of `evaluated`, the answer to a request that asked for one.
pub fn derivation_of(
    evaluated: &Evaluated,
    request: &Request,
    what: &str,
) -> Result<DerivationInfo, Error> {
    evaluated.derivation.clone().ok_or_else(|| {
        Error::new(
            Kind::Evaluation,
            format!("{} gave no derivation for {what}", request.asked()),
        )
    })
}
