//! `out/`: the only place that reads and writes there. A link has its [`manifest`] and its
//! checksum beside it, and is a GC root; [`out_dir`] makes them, [`read`] tells what lies there
//! by what cbox itself writes, [`Removal`] removes it, and what cbox did not make is left alone.
//! [`attached`] writes what lies beside an image for others, such as a signature; [`image`] is what
//! was built for a target, [`artifact`] the file in it.

pub mod artifact;
pub mod attached;
pub(crate) mod entries;
pub mod image;
pub mod manifest;
pub mod out_dir;
pub mod out_link;
mod records;
mod removal;
mod roots;
mod store_query;

use std::time::{Duration, Instant};

use camino::Utf8Path;
use cbox_nix::temporary::Leftover;

use crate::{
    subject::target::{self, Image},
    target_name::TargetName,
    text::nearest::suggestion,
};

pub use self::{
    entries::{Companion, Entry, EntryKind, Other, read},
    removal::{Freed, Removal, Wanted},
    store_query::StoreQuery,
};
use crate::{
    error::{Error, Kind},
    flake::session::Session,
    text::text_file::TEMPORARY,
};

/// What is shown while another run has the lock of the folder of the links.
pub const WAITING: &str = "waiting for another cbox that is making a link";

/// How long a run may take to remove what killed runs left: the next one goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// The temporary folders that runs have among the links, by the lock of each.
#[derive(Debug, Default)]
pub struct Runs {
    /// Those of runs that were killed: nobody holds their lock, and they would keep what
    /// they point to for ever.
    pub killed: Vec<Leftover>,
    /// Whether there is another one.
    pub is_any_alive: bool,
}

impl Runs {
    /// Those in `folder`.
    pub fn of(folder: &Utf8Path) -> Self {
        let mut runs = Self::default();
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder || !entry.file_name().starts_with(TEMPORARY) {
                continue;
            }
            match Leftover::at(entry.path().as_std_path()) {
                Some(leftover) => runs.killed.push(leftover),
                None => runs.is_any_alive = true,
            }
        }
        runs
    }

    /// Removes what killed runs left, as far as there is time for that. What stays is tried
    /// again the next time.
    pub fn remove_killed(&self) {
        let end = Instant::now() + PATIENCE;
        for leftover in &self.killed {
            if let Err(error) = leftover.remove(end) {
                let path = leftover.path().display();
                tracing::debug!("cannot remove {path}, which a killed run left: {error}");
            }
        }
    }
}

/// Checks that there is an entry for each of `names`.
///
/// # Errors
/// When there is none, with what may be meant.
pub fn check_names(
    session: &Session<'_>,
    entries: &[Entry],
    names: &[TargetName],
) -> Result<(), Error> {
    let missing = names
        .iter()
        .find(|name| !entries.iter().any(|entry| entry.name == name.slug()));
    missing.map_or(Ok(()), |name| Err(not_there(session, entries, name)))
}

fn not_there(session: &Session<'_>, entries: &[Entry], name: &TargetName) -> Error {
    let link = session.project.out_dir.join(name.slug());
    let link = session.environment.display_path(&link);
    let is_variant = match name {
        TargetName::Image { kind, format, .. } => {
            matches!(
                target::find(&session.project, kind, format),
                Ok(Image::Variant)
            )
        }
        TargetName::Host { .. } => false,
    };
    if is_variant || session.project.slugs().contains(&name.slug()) {
        let command = target::command(&session.project, name);
        let message = format!("{name} is not built: there is no {link}");
        return Error::new(Kind::Artifact, message).hint(format!("`cbox {command}` builds it"));
    }
    let known: Vec<&str> = entries.iter().filter_map(Entry::target).collect();
    Error::new(
        Kind::Usage,
        format!("there is no target {name}, and no {link}"),
    )
    .hint(suggestion(&name.to_string(), &known))
}
