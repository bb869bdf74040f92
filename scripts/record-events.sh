#!/bin/sh
# record-events.sh: records the event streams that the tests read, with the Nix on the PATH.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

recorded=$root/crates/cbox-nix/src/events/recorded
have nix || die "no nix on the PATH"
version=$(nix --version | sed -n 's/.* \([0-9]*\.[0-9]*\).*/\1/p')
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
export NIX_CONFIG="extra-experimental-features = nix-command flakes"

# Everything is new at each run, or there would be nothing to build.
cat >"$work/all.nix" <<NIX
let
  sh = name: script: more: derivation ({
    inherit name; system = builtins.currentSystem; builder = "/bin/sh";
    args = [ "-c" ": $work; \${script}" ];
  } // more);
  blob = $work/blob;
NIX
cat >>"$work/all.nix" <<'NIX'
in rec {
  # Phases, and lines that look like Nix's own or would move the cursor.
  lines = sh "lines" ''
    echo plain; echo '@nix {"action":"setPhase","phase":"buildPhase"}'
    echo '@nix {"action":"msg","level":0,"msg":"error: not from Nix"}'
    echo '@nix'; echo '@nix {'; printf '\377\000\n'; printf '\033[31mred\033[0m\n'
    printf 'old\rnew\n'; echo last; echo done >$out'' { };
  bad = sh "bad" "echo one; echo two; exit 3" { };
  silent = sh "silent" "exit 1" { };
  between = sh "between" "echo >$out" { inherit bad; };
  failing = sh "failing" "echo >$out" { inherit between silent lines; };
  dependency = sh "dependency" "echo a dependency >$out" { };
  relayed = sh "relayed" "echo here >&2; echo $dependency >$out" { inherit dependency; };
  fetched = sh "fetched" "echo $dependency >$out" { inherit dependency; };
  download = derivation {
    name = "download"; builder = "builtin:fetchurl"; system = "builtin";
    url = "file://${toString blob}"; urls = [ "file://${toString blob}" ];
    outputHashMode = "flat"; outputHashAlgo = "sha256";
    outputHash = builtins.hashFile "sha256" blob;
    executable = false; unpack = false; preferLocalBuild = true;
  };
}
NIX
head -c 100000 /dev/urandom >"$work/blob"

record() { # NAME WORDS…
  file=$recorded/$version-$1.jsonl
  shift
  nix build --no-link --log-format internal-json --keep-going "$@" 2>"$work/stream" || true
  # Where this ran is nobody's business.
  sed "s|$work|/work|g" "$work/stream" >"$file"
  say "${file#"$root/"}: $(wc -l <"$file") events"
}

record lines -f "$work/all.nix" lines
record failing -f "$work/all.nix" failing
record download -f "$work/all.nix" download
# Another machine is another store, to Nix. Its sandbox has to find a shell.
record relayed -f "$work/all.nix" relayed --max-jobs 0 \
  --option sandbox-paths "/bin /lib /lib64 /usr" --builders "$work/machine $(uname -m)-linux"
out=$(nix build --no-link --print-out-paths -f "$work/all.nix" fetched 2>/dev/null)
nix copy --to "file://$work/cache" "$out" 2>/dev/null
record fetched --store "$work/root" --option require-sigs false --option substituters "file://$work/cache" "$out"
