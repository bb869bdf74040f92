#!/bin/sh
# check-first-boot.sh: format, lints and unit tests of packages/first-boot, which is a workspace of
# its own. `cargo test -p first-boot-tests` runs the program.
set -eu
cd "$(dirname "$0")/.."
# Where those tests compile it, too.
target=$PWD/target/first-boot
cd packages/first-boot
cargo fmt --check
cargo clippy --quiet --all-targets --locked --target-dir "$target" -- -D warnings
cargo test --quiet --locked --target-dir "$target"
