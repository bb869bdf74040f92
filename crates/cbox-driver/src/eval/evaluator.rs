//! Nix with the arguments of a run, and the evaluation cache.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use camino::Utf8Path;
use cbox_nix::{
    NixError,
    argv::Options,
    evaluation_cache::EvaluationCache,
    lock_file::{LockFault, lock_reference},
    nix::Nix,
    pass_through::{PassThrough, SHOW_TRACE},
    regular_file, temporary,
};
use nix_formats::{flake_lock::Lock, store_path::DrvPath};
use tokio::sync::OnceCell;

use crate::{
    error::{Error, Kind},
    eval::{diagnose::of_fetch, read_set::record::ReadSets, self_attributes::first},
    flake::{
        project::Project, send_ahead::SendAhead, session::Session, snapshot::Snapshot,
        store::StoreConnection, version::Version,
    },
    process::{blocking::blocking, options::NixArguments},
};

/// How long a run may take to remove what killed runs left: the next one goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// A session that has found its Nix.
#[derive(Debug, Clone)]
pub struct Evaluator<'a> {
    /// The run that it belongs to.
    pub session: &'a Session<'a>,
    /// Nix, with the arguments of this run.
    pub nix: Nix,
    /// What the trees of the run are put into the store by, and held there.
    pub connection: StoreConnection,
    /// Whether the command line lets an evaluation give the same again.
    repeatable: bool,
    /// Set once it was said what the flake asks of git.
    said_self: Arc<OnceCell<()>>,
    /// The evaluation cache; `None` where this evaluation must not be kept.
    pub cache: Option<EvaluationCache>,
    /// Whether a host that reads nothing of what changed counts as evaluated.
    trusts_read_sets: bool,
    /// Derivations that will do as answers without being in the store.
    only_compared: Arc<BTreeSet<DrvPath>>,
}

impl<'a> Evaluator<'a> {
    /// This evaluator for another session, whose interrupt counts.
    pub fn in_session<'b>(&self, session: &'b Session<'b>) -> Evaluator<'b>
    where
        'a: 'b,
    {
        let evaluator = Evaluator {
            session,
            nix: self.nix.under(session.interrupt),
            connection: StoreConnection::default(),
            repeatable: self.repeatable,
            said_self: Arc::clone(&self.said_self),
            cache: None,
            trusts_read_sets: self.trusts_read_sets,
            only_compared: Arc::clone(&self.only_compared),
        };
        evaluator.under(&session.project)
    }

    /// Says once where the flake reads what only git could answer, since plain Nix then gives
    /// another derivation on a clean commit.
    pub async fn say_self(&self, snapshot: &Snapshot) {
        if snapshot.checkout.is_commit() {
            return;
        }
        let say = || async {
            let tree = snapshot.tree.clone();
            let Ok(Some(read)) = blocking(move || Ok::<_, Infallible>(first(&tree))).await else {
                return;
            };
            let file = snapshot.checkout.project.top.join(&read.file);
            let file = snapshot
                .checkout
                .display_path(self.session.environment, &file);
            self.session.reporter.note(&format!(
                "{file}:{} reads {}, which the staged source does not have: plain Nix gives another \
                 derivation on a clean commit, and `--stamp` is the way to pass the commit on",
                read.line, read.what
            ));
        };
        self.said_self.get_or_init(say).await;
    }

    /// This evaluator, which does not say what the flake asks of git.
    pub fn without_notes_on_self(mut self) -> Self {
        self.said_self = Arc::new(OnceCell::new_with(Some(())));
        self
    }

    /// This evaluator, which neither remembers nor looks at what is remembered.
    pub fn without_cache(mut self) -> Self {
        self.repeatable = false;
        self.cache = None;
        self
    }

    /// This evaluator, which evaluates each tree that is new, whatever changed in it.
    pub fn without_read_sets(mut self) -> Self {
        self.trusts_read_sets = false;
        self
    }

    /// This evaluator, for which an answer that is remembered need not be in the store if it is
    /// one of these `derivations`: nothing but their names is of use.
    pub fn comparing_with(mut self, derivations: BTreeSet<DrvPath>) -> Self {
        self.only_compared = Arc::new(derivations);
        self
    }

    /// Whether the answer `derivation` is of use without being in the store.
    pub fn only_compares(&self, derivation: &DrvPath) -> bool {
        self.only_compared.contains(derivation)
    }

    /// Says that this evaluator will evaluate what is staged of `version`: then a large tree
    /// goes into the store while it is hashed, if it is likely to be new.
    pub fn will_evaluate(&self, version: &Version<'_>) {
        version.send_ahead(SendAhead {
            nix: self.nix.clone(),
            connection: self.connection.clone(),
        });
    }

    /// What is kept of the files that evaluations read; `None` where it must not count.
    pub fn read_sets(&self) -> Option<ReadSets> {
        let counts = self.trusts_read_sets && self.cache.is_some();
        counts.then(|| ReadSets::below(&self.session.environment.cache))
    }

    /// This evaluator for another version of the flake, whose own `cbox.toml` says whether
    /// something may be built during evaluation. Such an evaluation is not remembered.
    pub fn under(&self, project: &Project) -> Self {
        let import_from_derivation = project.config().evaluation.import_from_derivation;
        let remember = self.repeatable && !import_from_derivation;
        let mut evaluator = self.clone();
        evaluator.nix.options.import_from_derivation = import_from_derivation;
        evaluator.cache = remember.then(|| EvaluationCache::below(&self.session.environment.cache));
        evaluator
    }
}

/// Removes what killed runs left in `temporary`.
fn sweep(temporary: &Utf8Path) {
    let gone = temporary::sweep(temporary.as_std_path(), Instant::now() + PATIENCE);
    if gone > 0 {
        tracing::debug!("{gone} folders of runs that were killed are removed");
    }
}

impl<'s> Session<'s> {
    /// The working tree, and what will evaluate it: as [`Session::evaluator`] and
    /// [`Version::working_tree`], side by side.
    pub async fn to_evaluate(
        &self,
        arguments: &NixArguments,
    ) -> Result<(Evaluator<'_>, Version<'_>), Error> {
        let (evaluator, version) = tokio::try_join!(
            self.evaluator(arguments),
            Version::working_tree(self, false)
        )?;
        evaluator.will_evaluate(&version);
        Ok((evaluator, version))
    }

    /// Asks Nix what it is, and locks the replaced inputs.
    pub async fn evaluator(&self, arguments: &NixArguments) -> Result<Evaluator<'_>, Error> {
        let wanted = &self.options;
        let mut pass_through = PassThrough::sort(&arguments.others)
            .map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
        if wanted.show_trace && !pass_through.wants_trace() {
            pass_through.everywhere.push(SHOW_TRACE.to_owned());
        }
        let config = self.project.config();
        let may_change = pass_through.may_change_evaluation;
        let import_from_derivation = config.evaluation.import_from_derivation;
        let options = Options {
            store: wanted.store_uri(self.environment),
            eval_store: None,
            offline: wanted.offline,
            builders: arguments.builders.clone(),
            override_inputs: vec![],
            pass_through,
            import_from_derivation,
            read_only: false,
            fail_fast: arguments.fail_fast,
        };
        let store_dir = self.environment.nix_store_dir.as_deref();
        let temporary = self.environment.temporary.clone();
        let sweep = blocking(move || {
            sweep(&temporary);
            Ok::<_, Infallible>(())
        });
        // While Nix starts, nobody waits for it.
        let (nix, _) = tokio::join!(Nix::find(options, store_dir, self.interrupt), sweep);
        let mut nix = nix?;
        if arguments.builders.is_some() && !nix.outputs.is_here() {
            self.reporter.warn(&format!(
                "`--builders` changes nothing: which machines build in {} is set there",
                nix.outputs.uri
            ));
        }
        let mut all_locked = true;
        let lock = match wanted.override_inputs.as_slice() {
            [] => Lock::parse(None),
            _ => Lock::parse(
                regular_file::read(self.project.folder.join("flake.lock"))
                    .ok()
                    .as_deref(),
            ),
        };
        for (name, reference) in &wanted.override_inputs {
            // Before anything is fetched for an input that there is not. (That the lock file
            // is none is said with its way out, once it is staged.)
            if let Ok(lock) = &lock {
                lock.check_override(name).map_err(NixError::from)?;
            }
            let replacement = lock_reference(&nix, reference)
                .await
                .map_err(|error| of_fetch(name, error))?;
            let follows =
                |inner: &String| lock.as_ref().is_ok_and(|lock| lock.follows(name, inner));
            let open: Vec<String> = replacement
                .open
                .into_iter()
                .filter(|inner| !follows(inner))
                .collect();
            if !open.is_empty() {
                return Err(NixError::from(LockFault::Replacement {
                    name: name.clone(),
                    reference: reference.clone(),
                    inputs: open,
                })
                .into());
            }
            if replacement.locked.is_none() {
                all_locked = false;
                self.reporter.note(&format!(
                    "input {name}: {reference} has uncommitted changes, so this evaluation is not remembered"
                ));
            }
            nix.options.override_inputs.push((
                name.clone(),
                replacement.locked.unwrap_or_else(|| reference.clone()),
            ));
        }
        let repeatable = all_locked && !may_change;
        let evaluator = Evaluator {
            session: self,
            nix,
            connection: StoreConnection::default(),
            repeatable,
            said_self: Arc::default(),
            cache: None,
            trusts_read_sets: true,
            only_compared: Arc::default(),
        };
        Ok(evaluator.under(&self.project))
    }
}
