//! Answers from read sets: for trees that differ in nothing that an evaluation reads.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use super::record::{ReadSets, shape};
use crate::{
    error::Error,
    eval::{evaluator::Evaluator, schedule::Answer},
    flake::snapshot::Snapshot,
};

/// The read sets, and what was found out of trees while one run asks for one answer after
/// another.
#[derive(Debug)]
pub struct Unread {
    sets: ReadSets,
    /// The shapes of trees, by their hash.
    shapes: HashMap<String, String>,
    /// The files that differ between two trees, by both hashes.
    changed: HashMap<(String, String), Arc<[PathBuf]>>,
}

impl Unread {
    /// Nothing is found out yet.
    pub fn new(sets: ReadSets) -> Self {
        Self {
            sets,
            shapes: HashMap::new(),
            changed: HashMap::new(),
        }
    }

    /// The answer to the question with this key, for `snapshot`, if it reads nothing that
    /// changed, and its derivation is still there. `what` is its name for people.
    ///
    /// # Errors
    /// When Nix cannot be asked whether the derivation is there.
    pub async fn answer(
        &mut self,
        evaluator: &Evaluator<'_>,
        key: &str,
        snapshot: &Snapshot,
        what: &str,
    ) -> Result<Option<Answer>, Error> {
        let now = snapshot.staged.nar_hash.to_base16();
        let shape = self
            .shapes
            .entry(now.clone())
            .or_insert_with(|| shape(snapshot));
        let sets = self.sets.get(key);
        let Some(set) = sets.iter().find(|set| set.holds_for(snapshot, shape)) else {
            return Ok(None);
        };
        let Ok(evaluated) = set.answer() else {
            return Ok(None);
        };
        if !evaluator.is_still_there(evaluated).await? {
            return Ok(None);
        }
        let tree = set.tree().to_owned();
        tracing::debug!("{what}: reads nothing that changed since {tree}");
        let changed = self.changed.entry((tree, now));
        let changed =
            changed.or_insert_with_key(|(tree, _)| self.sets.changed(tree, snapshot).into());
        Ok(Some(Answer {
            evaluated: evaluated.clone(),
            not_read: Some(Arc::clone(changed)),
        }))
    }
}

/// What is said of a host that was not evaluated since it reads none of `changed`.
pub fn phrase(changed: &[PathBuf]) -> String {
    const NAMED: usize = 2;
    let named: Vec<String> = changed
        .iter()
        .take(NAMED)
        .map(|path| path.display().to_string())
        .collect();
    match changed.len() {
        0 => "read nothing that changed".to_owned(),
        1..=NAMED => format!("did not read {}", named.join(" or ")),
        all => format!("did not read {} or {} more", named.join(", "), all - NAMED),
    }
}
