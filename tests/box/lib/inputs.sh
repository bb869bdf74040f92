# The inputs of the flake as folders: those that BOX_NIXPKGS and BOX_DISKO name, or
# with BOX_LOCKED=1 those of flake.lock.
# shellcheck shell=sh

# have_inputs: whether there are any
have_inputs() {
  { [ -n "${BOX_NIXPKGS-}" ] && [ -n "${BOX_DISKO-}" ]; } || [ -n "${BOX_LOCKED-}" ]
}

outside_nix() { nix --extra-experimental-features 'nix-command flakes' "$@"; }

# find_inputs: sets $nixpkgs and $disko, folders. A reference is copied to this
# machine's store once; `nix` remembers it.
find_inputs() {
  [ -z "${nixpkgs-}" ] || return 0
  have_inputs || die "set BOX_NIXPKGS and BOX_DISKO to flake references of nixpkgs and disko, or BOX_LOCKED=1 to take those of flake.lock"
  have nix || die "needs nix, to find the inputs: run make setup, then . .tools/env"
  if [ -n "${BOX_NIXPKGS-}" ] && [ -n "${BOX_DISKO-}" ]; then
    nixpkgs=$(folder_of "$BOX_NIXPKGS") || die "cannot fetch BOX_NIXPKGS=$BOX_NIXPKGS"
    disko=$(folder_of "$BOX_DISKO") || die "cannot fetch BOX_DISKO=$BOX_DISKO"
  else
    nixpkgs=$(locked_folder nixpkgs) || die "cannot fetch nixpkgs as flake.lock names it"
    disko=$(locked_folder disko) || die "cannot fetch disko as flake.lock names it"
  fi
}

# folder_of REFERENCE
folder_of() {
  outside_nix eval --raw --impure --expr "(builtins.getFlake \"$1\").outPath"
}

# locked_folder INPUT: as flake.lock has it, without evaluating this flake
locked_folder() {
  outside_nix eval --raw --impure --expr "
    let lock = builtins.fromJSON (builtins.readFile (/. + \"$root/flake.lock\"));
    in (builtins.fetchTree (removeAttrs lock.nodes.\${lock.nodes.root.inputs.$1}.locked [ \"lastModified\" ])).outPath"
}
