//! A run: what every command needs, made once, in the order in which it can fail.

use camino::{Utf8Path, Utf8PathBuf};
use cbox_core::{
    lock::Lock,
    nix_text::{fold_trace, to_user_positions, without_escapes},
};
use cbox_nix::{
    Interrupt, NixError,
    argv::Options,
    memory::Memory,
    nix::{Nix, Staged},
    pass_through::PassThrough,
};

use crate::{
    cli::{BuildFlags, Common},
    environment::Environment,
    error::Error,
    exit::Kind,
    project::Project,
    view::View,
};

/// What the commands work with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) view: &'a View,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) project: Project,
}

impl<'a> Session<'a> {
    /// Finds the flake.
    pub(crate) fn open(
        environment: &'a Environment,
        view: &'a View,
        interrupt: &'a Interrupt,
        common: &Common,
        out_dir: Option<&Utf8Path>,
    ) -> Result<Self, Error> {
        let project = Project::find(environment, common.flake.as_deref(), out_dir)?;
        Ok(Self {
            environment,
            view,
            interrupt,
            project,
        })
    }

    /// Asks Nix what it is, and locks the replaced inputs.
    pub(crate) async fn evaluator(
        &self,
        common: &Common,
        flags: &BuildFlags,
    ) -> Result<Evaluator<'_>, Error> {
        let pass_through = PassThrough::sort(&flags.nix_args)
            .map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
        let config = self.project.config();
        let may_change = pass_through.may_change_evaluation;
        let import_from_derivation = config.evaluation.import_from_derivation;
        let options = Options {
            store: common.store.as_ref().map(|store| self.store_uri(store)),
            offline: common.offline,
            builders: flags.builders.clone(),
            override_inputs: vec![],
            pass_through,
            import_from_derivation,
        };
        let store_dir = self.environment.nix_store_dir.as_deref();
        let mut nix = Nix::find(options, store_dir, self.interrupt).await?;
        let mut all_locked = true;
        let lock = match common.override_input.as_slice() {
            [] => None,
            _ => std::fs::read(self.project.folder.join("flake.lock")).ok(),
        };
        for pair in common.override_input.chunks_exact(2) {
            let (name, reference) = (&pair[0], &pair[1]);
            // Before anything is fetched for an input that there is not.
            let known = Lock::parse(lock.as_deref()).and_then(|lock| lock.check_override(name));
            known.map_err(NixError::from)?;
            let locked = nix
                .lock_reference(reference)
                .await
                .map_err(|error| self.not_fetched(name, error))?;
            if locked.is_none() {
                all_locked = false;
                self.view.note(&format!(
                    "input {name}: {reference} has uncommitted changes, so this evaluation is not remembered"
                ));
            }
            nix.options
                .override_inputs
                .push((name.clone(), locked.unwrap_or_else(|| reference.clone())));
        }
        let remember = all_locked && !may_change && !import_from_derivation;
        let memory = remember.then(|| Memory::below(&self.environment.cache));
        Ok(Evaluator {
            session: self,
            nix,
            memory,
        })
    }

    /// A store that is a folder, as an absolute path: Nix runs elsewhere at times.
    fn store_uri(&self, store: &str) -> String {
        let relative = store.starts_with("./") || store.starts_with("../");
        if relative {
            self.environment
                .absolute(Utf8Path::new(store))
                .into_string()
        } else {
            store.to_owned()
        }
    }

    fn not_fetched(&self, name: &str, error: NixError) -> Error {
        match error {
            NixError::Failed { stderr, .. } => Error::new(
                Kind::Lock,
                format!(
                    "the replacement of input `{name}` cannot be fetched: {}",
                    fold_trace(&without_escapes(&stderr), "")
                ),
            ),
            other => other.into(),
        }
    }

    /// `error`, with places in the staged copy told as places in the user's tree.
    pub(crate) fn located(&self, error: NixError, staged: &Staged, store_root: &Utf8Path) -> Error {
        let mut error = Error::from(error);
        let shown = |path: &Utf8PathBuf| {
            let shown = self.environment.shown(path).into_string();
            shown.trim_end_matches('/').to_owned()
        };
        let (store, root) = (staged.path.as_str(), store_root.as_str());
        if !staged.dir.is_empty() {
            let flake = format!("{store}/{}", staged.dir);
            error.message =
                to_user_positions(&error.message, root, &flake, &shown(&self.project.folder));
        }
        error.message = to_user_positions(&error.message, root, store, &shown(&self.project.top));
        error
    }
}

/// A session that has found its Nix.
#[derive(Debug)]
pub(crate) struct Evaluator<'a> {
    pub(crate) session: &'a Session<'a>,
    pub(crate) nix: Nix,
    /// Where evaluations are remembered; `None` where this one must not be.
    pub(crate) memory: Option<Memory>,
}
