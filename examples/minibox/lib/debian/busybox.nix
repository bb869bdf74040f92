# The first program in the store, out of its .deb with nothing but dd, tail, head, xz and tar of the
# machine.  The output is pinned, so whatever those tools are, the result is the same or a failure.
{ lock, parts, buildSystem }:
derivation {
  name = "busybox";
  system = buildSystem;
  builder = "/bin/sh";
  PATH = "/usr/bin:/bin:/run/current-system/sw/bin";
  deb = parts.fetch (parts.find buildSystem "target" "busybox-static");
  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
  outputHash = lock.${parts.architecture buildSystem}.busybox;
  preferLocalBuild = true;
  args = [
    "-euc"
    (builtins.readFile ./unpack-busybox.sh)
  ];
}
