//! Stores: on this machine, below another root, behind a daemon, and on other machines.
//!
//! All that is not this machine's own store is tried in namespaces ([`lab`]), with each release
//! of Nix that is named.

mod builders;
mod caches;
mod daemon;
mod lab;
mod machine;
mod pushes;
mod remote;
mod roots;

use crate::support::nix::say_left_out;

/// So that nobody takes a run with one release of Nix for one with several.
#[test]
fn another_release_of_nix_is_named() {
    if lab::releases().len() == 1 {
        say_left_out(
            "no second release of Nix: `scripts/setup.sh other-nix` fetches one, or CBOX_OTHER_NIX names it",
        );
    }
}
