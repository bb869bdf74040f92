# The part of this repository that goes into an image.
#
# It is an allow-list, so a file that nobody thought of stays out: an image lying about in the tree
# never gets into the next one, and a change of the README, of cbox.toml or of .gitignore builds
# nothing again.  The result holds all that evaluation reads, hence baking the baked tree gives the
# same tree, and an installed box arrives at the same derivations as the repository.
lib:
let
  inherit (builtins)
    any
    attrNames
    elem
    match
    readDir
    substring
    stringLength
    ;

  topLevel = [
    "debs.lock.json"
    "flake.lock"
    "flake.nix"
    "hosts"
    "lib"
    "modules"
  ];

  # Never, at whatever depth: what belongs to one machine, and what builds leave behind.
  isLocal = name: name == "local.nix" || name == "facter.json";
  isBuildProduct = name: match "out|result|result-.*|.*\\.(iso|qcow2|raw)" name != null;
  isKept = name: !isLocal name && !isBuildProduct name;

  # Git knows no empty folders; one that holds only a local.nix must not leave a trace either.
  isWorthwhile =
    path: type:
    if type == "directory" then
      let
        entries = readDir path;
      in
      any (name: isKept name && isWorthwhile "${path}/${name}" entries.${name}) (attrNames entries)
    else
      type == "regular" || type == "symlink";
in
{
  # Not "${root}": that would copy the tree as it is, and everything would depend on every file.
  bakeSource =
    root:
    let
      start = stringLength (toString root) + 1;
    in
    builtins.path {
      name = "nixos-repo";
      path = root;
      filter =
        path: type:
        let
          name = baseNameOf path;
          isTopLevel = substring start (-1) path == name;
        in
        (!isTopLevel || elem name topLevel) && isKept name && isWorthwhile path type;
    };

  # The hash part of a store path, e.g. 3xk8v…: 32 characters that name the content.
  storeHash = path: substring 0 32 (baseNameOf (builtins.unsafeDiscardStringContext path));
}
