# The locked Debian packages ("parts"), as files in the store.
{ lock, buildSystem }:
let
  inherit (builtins) filter head;

  architectures = {
    x86_64-linux = "amd64";
    aarch64-linux = "arm64";
  };
in
rec {
  architecture =
    system:
    architectures.${system}
      or (throw "The mini box has no Debian parts for `${system}', only for x86_64-linux and aarch64-linux.");

  # What debs.lock.json has for a system: `target` goes into images, `tools` make them.
  locked = system: group: lock.${architecture system}.${group};
  tools = locked buildSystem "tools";

  find = system: group: name: findWhere system group "`${name}'" (part: part.name == name);
  findWhere =
    system: group: what: wanted:
    let
      found = filter wanted (locked system group);
    in
    if found == [ ] then
      throw "debs.lock.json has no ${what} among the ${group} parts of ${architecture system}."
    else
      head found;

  # A placeholder.  The path of a fixed output depends on its name and hash alone, so when the
  # package has been put into the store beforehand this is valid, and the builder never runs.  That
  # way no build needs a network or knows a mirror.
  fetch =
    { name, sha256, ... }:
    derivation {
      name = "${name}.deb";
      system = buildSystem;
      builder = "/bin/sh";
      args = [
        "-c"
        ''echo "$message" >&2; exit 1''
      ];
      message = ''
        The Debian part ${name}.deb is not in the Nix store.
        To fetch all parts, run `scripts/setup.sh parts` in the cbox repository.'';
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = sha256;
      preferLocalBuild = true;
    };
}
