//! Where in the tree something is named that an error names without a place: a package, a
//! file, a hash.

use cbox_nix::nix_error::{Cause, Fault, Place};
use cbox_nix::regular_file;
use cbox_source::tree::Tree;

/// Larger files are no code of anybody's.
const LARGEST: u64 = 1 << 20;

/// Adds the place to an error that has none, where the tree tells it. `staged` is the path
/// of the staged copy of `tree`.
pub(super) fn complete(fault: &mut Fault, tree: &Tree, staged: &str) {
    let word = fault.cause.as_ref().and_then(Cause::word);
    if fault.lacks_place()
        && let Some(place) = word.and_then(|word| only(tree, staged, word))
    {
        fault.places.insert(0, place);
    }
}

/// The one place in the Nix files of `tree` that names `name`. `None` where there is none,
/// and where there are several.
pub(super) fn only(tree: &Tree, staged: &str, name: &str) -> Option<Place> {
    let mut found = None;
    for entry in &tree.entries {
        let Some(file) = entry.path.to_str().filter(|file| file.ends_with(".nix")) else {
            continue;
        };
        let path = tree.top.join(file);
        if path.metadata().is_ok_and(|file| file.len() > LARGEST) {
            continue;
        }
        let text = regular_file::read_to_string(path).unwrap_or_default();
        if !text.contains(name) {
            continue;
        }
        let place = Place::naming(name, staged, file, &text);
        if place.is_some() && found.is_some() {
            return None;
        }
        found = found.or(place);
    }
    found
}
