//! What has to hold for any derivations as the old one, the new one, and what they need. The
//! coverage-guided target and the search on a stable compiler (`tests/fuzz`) both hold it.
//!
//! The input is `.drv` files with an empty line between them. The first two stand at the
//! paths that are compared, the next ones at a few fixed paths that both can name.
//! Nothing stands at other paths.

use drv_causes::Explanation;
use nix_formats::derivation::{Derivation, DerivationError};

/// Where the derivations stand: the old and the new of each in turn. Only one of them has
/// a version, which makes every pair of it differ.
const PATHS: [&str; 6] = [
    "/nix/store/00000000000000000000000000000000-system.drv",
    "/nix/store/11111111111111111111111111111111-system.drv",
    "/nix/store/22222222222222222222222222222222-zlib-1.3.1.drv",
    "/nix/store/33333333333333333333333333333333-zlib-1.3.2.drv",
    "/nix/store/44444444444444444444444444444444-etc.drv",
    "/nix/store/55555555555555555555555555555555-etc.drv",
];

/// What stands between two files: no Nix writes a bare line feed.
const BETWEEN: &[u8] = b"\n\n";

/// Explaining why one of the derivations in `bytes` is not the other never panics. Gives how many
/// there are, and the explanations.
///
/// # Errors
/// When one of the files is no derivation.
pub(crate) fn explain(bytes: &[u8]) -> Result<(usize, Vec<Explanation>), DerivationError> {
    let files = split(bytes).into_iter();
    let derivations: Vec<Derivation> = files
        .map(Derivation::from_aterm_bytes)
        .collect::<Result<_, _>>()?;
    let read = |paths: &[&str]| -> Result<Vec<Derivation>, String> {
        let one = |path: &&str| {
            let place = PATHS.iter().position(|known| known == path);
            let derivation = place.and_then(|place| derivations.get(place));
            derivation.cloned().ok_or_else(|| format!("no {path}"))
        };
        paths.iter().map(one).collect()
    };
    let [old, new, ..] = PATHS;
    let mut explanations = Vec::new();
    for (old, new) in [(old, new), (new, old), (old, old)] {
        if let Ok(explanation) = drv_causes::explain(old, new, &read) {
            assert!(old != new || explanation.causes.is_empty());
            assert!(explanation.cascade <= explanation.rebuilt);
            for cause in &explanation.causes {
                assert!(cause.rebuilds <= explanation.rebuilt);
            }
            explanations.push(explanation);
        }
    }
    Ok((derivations.len(), explanations))
}

/// The files in `bytes`, as many as there are paths.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut files = Vec::new();
    let mut rest = bytes;
    while files.len() + 1 < PATHS.len()
        && let Some(end) = rest.windows(BETWEEN.len()).position(|two| two == BETWEEN)
    {
        files.push(&rest[..end]);
        rest = &rest[end + BETWEEN.len()..];
    }
    // An editor ends a file with a line feed.
    files.push(rest.strip_suffix(b"\n").unwrap_or(rest));
    files
}
