//! Evaluation with a memory: what is known is not found out again.

use cbox_core::{
    expression::{DerivationInfo, Evaluated, Request},
    memory_key::KeyParts,
};
use cbox_nix::{NixError, eval::evaluate};

use crate::{error::Error, exit::Kind, session::Evaluator, staging::Snapshot};

impl Evaluator<'_> {
    /// Evaluates `request` on `snapshot`, or remembers what it gave.
    pub(crate) async fn evaluate(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        what: &str,
    ) -> Result<Evaluated, Error> {
        let key = self.key(snapshot, request)?;
        if let Some(memory) = &self.memory
            && let Some(known) = memory.get(&key)
            && self.is_still_there(&known).await?
        {
            tracing::debug!("{what}: remembered as {key}");
            return Ok(known);
        }
        snapshot.ready(self).await?;
        self.session.view.doing(&format!("evaluating {what}"));
        let mut evaluated = self.ask(snapshot, request).await?;
        // Nothing roots a derivation yet, so a garbage collection can take it at once.
        if !self.is_still_there(&evaluated).await? {
            snapshot.add(self.session, &self.nix).await?;
            evaluated = self.ask(snapshot, request).await?;
        }
        if let Some(memory) = &self.memory
            && let Err(error) = memory.put(&key, &evaluated)
        {
            let error = Error::from(error);
            self.session.view.warn(&format!(
                "this evaluation will not be remembered: {}",
                error.message
            ));
        }
        Ok(evaluated)
    }

    /// Evaluates `request`, which has to give a derivation.
    pub(crate) async fn derivation(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        what: &str,
    ) -> Result<(Evaluated, DerivationInfo), Error> {
        let evaluated = self.evaluate(snapshot, request, what).await?;
        let derivation = evaluated.derivation.clone().ok_or_else(|| {
            Error::new(
                Kind::Evaluation,
                format!("host `{}` gave no derivation for {what}", request.host),
            )
        })?;
        Ok((evaluated, derivation))
    }

    async fn ask(&self, snapshot: &Snapshot, request: &Request) -> Result<Evaluated, Error> {
        evaluate(&self.nix, &snapshot.staged, request)
            .await
            .map_err(|error| self.located(error, snapshot))
    }

    /// Whether the derivation, if there is one, has not been collected.
    async fn is_still_there(&self, evaluated: &Evaluated) -> Result<bool, NixError> {
        let Some(derivation) = &evaluated.derivation else {
            return Ok(true);
        };
        match self.nix.store.holds(&derivation.drv) {
            Some(there) => Ok(there),
            None => self.nix.is_valid(&[&derivation.drv]).await,
        }
    }

    fn key(&self, snapshot: &Snapshot, request: &Request) -> Result<String, Error> {
        let expression = request.expression().map_err(NixError::from)?;
        let nix = &self.nix;
        Ok(KeyParts {
            nar_hash: &snapshot.staged.nar_hash.to_string(),
            dir: &snapshot.staged.dir,
            request,
            expression: &expression,
            overridden_inputs: &nix.options.override_inputs,
            store: &nix.store.uri,
            store_dir: &nix.store.dir,
            nix_version: &nix.version,
            features: &nix.settings.features,
            import_from_derivation: nix.options.import_from_derivation,
        }
        .key())
    }

    /// `error`, with its places told as places in the user's tree.
    pub(crate) fn located(&self, error: NixError, snapshot: &Snapshot) -> Error {
        let root =
            camino::Utf8Path::from_path(self.nix.store.root()).unwrap_or(camino::Utf8Path::new(""));
        let environment = self.session.environment;
        snapshot
            .origin
            .located(environment, error, &snapshot.staged, root)
    }
}
