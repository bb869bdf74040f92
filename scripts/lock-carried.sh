#!/bin/sh
# lock-carried.sh: finds out, where there is a network, the hashes of what The Box can
# carry for places without one (box.offline), and writes them into the repository.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

usage() {
  cat <<'USAGE'
usage: scripts/lock-carried.sh [provider [VERSION]] [images]

  provider   the Terraform provider coder/coder: packages/terraform-provider-coder/source.json
  images     the container images of the templates, for x86_64 and aarch64:
             nixos/modules/offline/images.json

Without a word: both. It downloads the images, gigabytes for both architectures, one at
a time; TMPDIR says where to. Git has to know the files (`git add`), then
`box.offline.enable = true` is taken.
USAGE
}

version=2.9.0
what=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit
      ;;
    provider)
      what="$what provider"
      case ${2-} in
        [0-9]*)
          version=$2
          shift
          ;;
      esac
      ;;
    images) what="$what images" ;;
    *)
      say "there is no '$1'"
      usage >&2
      exit 2
      ;;
  esac
  shift
done
[ -n "$what" ] || what="provider images"

# shellcheck source=/dev/null
[ ! -r "$tools/env" ] || . "$tools/env"
for program in nix jq git; do
  have "$program" || die "needs $program"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

nix_() { nix --extra-experimental-features 'nix-command flakes' "$@"; }
# of_flake EXPRESSION COMMAND…: with the inputs that flake.lock names, as `pkgs` and `lib`
of_flake() {
  expression="let
      inherit ((builtins.getFlake \"git+file://$root\").inputs.nixpkgs) lib legacyPackages;
      pkgs = legacyPackages.\${builtins.currentSystem};
    in $1"
  shift
  nix_ "$@" --impure --expr "$expression"
}
skopeo() { nix_ run --inputs-from "git+file://$root" nixpkgs#skopeo -- "$@"; }

lock_provider() {
  say "coder/coder $version"
  nix_ flake prefetch --json "github:coder/terraform-provider-coder/v$version" >"$work/source" ||
    die "release $version of coder/coder was not downloaded: is there one, and a network?"
  hash=$(jq -er .hash "$work/source") || die "nix tells no hash of release $version"
  # The hash of its Go modules is what a build with a wrong one says.
  if of_flake "(pkgs.callPackage $root/packages/terraform-provider-coder/package.nix {
      source = { version = \"$version\"; hash = \"$hash\"; vendorHash = lib.fakeHash; };
    }).goModules" build --no-link >"$work/log" 2>&1; then
    die "the Go modules of coder/coder $version were built with a wrong hash"
  fi
  vendor=$(sed -n 's/^ *got: *\(sha256-[A-Za-z0-9+/=]*\)$/\1/p' "$work/log" | tail -n 1)
  [ -n "$vendor" ] || {
    tail -n 5 "$work/log" >&2
    die "the Go modules of coder/coder $version were not downloaded, for the reason above"
  }
  jq -n --arg version "$version" --arg hash "$hash" --arg vendor "$vendor" \
    '{version: $version, hash: $hash, vendorHash: $vendor}' |
    replace "$root/packages/terraform-provider-coder/source.json"
  say "wrote packages/terraform-provider-coder/source.json"
}

# lock_image IMAGE ARCHITECTURE: prints the object of one
lock_image() {
  name=${1%:*}
  # As nixpkgs' pullImage does, or the hash is another.
  set -- "$1" "$2" --override-os linux --override-arch "$2"
  image=$1 architecture=$2
  shift 2
  digest=$(skopeo "$@" inspect --format '{{.Digest}}' "docker://$image") ||
    die "$image for $architecture is not there, or there is no network"
  rm -f "$work/image.tar"
  skopeo --insecure-policy --tmpdir "$work" "$@" copy --quiet \
    "docker://$name@$digest" "docker-archive://$work/image.tar:$image" >&2 ||
    die "$image for $architecture was not downloaded"
  is=$(tar -xOf "$work/image.tar" "$(tar -xOf "$work/image.tar" manifest.json | jq -r '.[0].Config')" |
    jq -r .architecture)
  [ "$is" = "$architecture" ] || die "$image has nothing for $architecture: what it gives is for $is"
  jq -n --arg digest "$digest" --arg hash "$(nix_ hash file --sri "$work/image.tar")" \
    --argjson bytes "$(wc -c <"$work/image.tar")" '{digest: $digest, hash: $hash, bytes: $bytes}'
}

lock_images() {
  of_flake "lib.concatLines (lib.concatLists (lib.attrValues
    (import $root/nixos/modules/offline/template-images.nix { inherit lib; } $root/coderd/templates)))" \
    eval --raw >"$work/names" || die "the images of the templates cannot be listed"
  echo '{}' >"$work/images"
  while read -r image; do
    for architecture in amd64 arm64; do
      say "$image for $architecture"
      lock_image "$image" "$architecture" >"$work/one" </dev/null
      jq --arg image "$image" --arg architecture "$architecture" --slurpfile one "$work/one" \
        '.[$image][$architecture] = $one[0]' "$work/images" >"$work/more"
      mv "$work/more" "$work/images"
    done
  done <"$work/names"
  [ "$(jq length "$work/images")" -gt 0 ] || die "the templates name no image"
  jq --sort-keys . "$work/images" | replace "$root/nixos/modules/offline/images.json"
  for architecture in amd64 arm64; do
    say "for $architecture: $(jq --arg a "$architecture" '[.[][$a].bytes] | add / 1e6 | floor' "$work/images") MB, unpacked"
  done
  say "wrote nixos/modules/offline/images.json"
}

for one in $what; do "lock_$one"; done
say "next: git add packages/terraform-provider-coder nixos/modules/offline/images.json"
