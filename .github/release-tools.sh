#!/bin/sh
# release-tools.sh: what scripts/release.sh and scripts/check-deb.sh take, on one of GitHub's runners.
set -eu
rustup target add "$(uname -m)-unknown-linux-musl"
cargo install --locked cargo-deb@3.8.0
sudo apt-get --quiet update
sudo apt-get --quiet --assume-yes install debootstrap jq
