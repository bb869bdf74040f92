//! End-to-end tests of `cbox` with a real Nix, on copies of `examples/minibox` and on
//! flakes of a few lines.
//!
//! They need `nix` on the PATH, and fail without it; `CBOX_SKIP_NIX=1 make test` leaves them
//! out on purpose. [`boots`] needs QEMU, and says on standard error where it was left out.
//! What a command shows as a whole is a snapshot, in the test itself or in a `snapshots` folder
//! beside it; `cargo insta review` shows what would change in one.
//! [`support`] is the harness: start reading at [`support::place::Place`].
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, starts processes, and reads its own environment"
)]

mod artifacts;
mod asked_for;
mod bad_disk;
mod bad_flakes;
mod bad_lock;
mod bad_words;
mod bare_machine;
mod boot;
mod boots;
mod build;
mod clean;
mod colors;
mod completion;
mod cost;
mod derivations;
mod diff;
mod doctor;
mod documentation;
mod downloads;
mod errors;
mod evaluation_cache;
mod faults;
mod first_steps;
mod flake_references;
mod flash;
mod foreign_files;
mod github_action;
mod help;
mod hostile;
mod init;
mod interrupt;

mod json;
mod junit;
mod killed;
mod live;
mod local_settings;
mod matrix;
mod never_source;
mod nix_flags;
mod out_dir;
mod packages;
mod passed_on;
mod plain;
mod progress;
mod provenance;
mod purity;
mod random_trees;
mod read_sets;
mod readme;
mod reproduce;
mod sbom;
mod self_test;
mod send_ahead;
mod settings;
mod several;
mod side_by_side;
mod signatures;
mod size;
mod source_audit;
mod source_baked;
mod source_list;
mod source_why;
mod status;
mod store;
mod stores;
mod support;
mod values;
mod variants;
mod verify;
mod watch;
mod words;
