//! What has to hold for any bytes as a `.drv` file. The coverage-guided target and the search
//! on a stable compiler (`tests/fuzz`) both hold it.

use std::hint::black_box;

use nix_formats::derivation::{Derivation, DerivationError};

/// Reading `bytes` never panics, what is read can be asked for everything, and it comes back as
/// itself when it is written.
///
/// # Errors
/// When they are no derivation.
pub(crate) fn round_trip(bytes: &[u8]) -> Result<Derivation, DerivationError> {
    let derivation = Derivation::from_aterm_bytes(bytes)?;
    ask(&derivation);
    // Not `bytes`: a bare line feed in a string is read, and written with an escape.
    let written = derivation.to_aterm_bytes();
    let again = Derivation::from_aterm_bytes(&written);
    assert_eq!(again.as_ref(), Ok(&derivation));
    assert_eq!(again.map(|again| again.to_aterm_bytes()), Ok(written));
    Ok(derivation)
}

/// Asks for all that there is, and holds the answers against each other.
fn ask(derivation: &Derivation) {
    for output in derivation.outputs() {
        for text in [output.name, output.path, output.hash_algorithm, output.hash] {
            assert!(text.is_ascii());
        }
    }
    for input in derivation.inputs() {
        assert!(!input.path.is_empty());
        assert!(input.outputs().all(str::is_ascii));
    }
    assert!(derivation.sources().all(|source| source.starts_with('/')));
    black_box((derivation.system(), derivation.builder()));
    assert_eq!(derivation.arguments().count(), derivation.arguments().len());
    for (name, _) in derivation.environment() {
        // The first of its name: no Nix writes two.
        let mut same = derivation.environment().filter(|(other, _)| *other == name);
        assert_eq!(
            derivation.variable(name),
            same.next().map(|(_, value)| value)
        );
    }
}
