# What of a flake its images carry at `/etc/nixos-repo`: the one rule, for The Box and for the mini box.
#
# It needs nothing but Nix itself, so that both can hold it. The mini box is a flake that works
# alone, from wherever it was copied to, and so has a copy of this file; a test holds the two equal.
let
  inherit (builtins)
    any
    attrNames
    elem
    match
    readDir
    stringLength
    substring
    ;

  # One machine's own settings, which may hold secrets.
  isLocal = name: name == "local.nix" || name == "facter.json";

  /**
    Whether a file or folder of this name is one that building leaves behind: `result`, `out`, a
    disk image. Git ignores these too; the list counts when the flake is read from a folder that
    is no git repository.

    # Type

    ```
    isProduct :: String -> Bool
    ```
  */
  isProduct =
    name:
    elem name [
      ".direnv"
      ".git"
      ".terraform"
      "out"
      "result"
      "target"
    ]
    || match "result-.*|.*~|.*\\.(img|iso|qcow2|raw|tfstate|tfstate\\.backup)" name != null;

  isKept = name: !isLocal name && !isProduct name;

  # Git knows no empty folder; one that holds nothing but a local.nix must leave no trace either.
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
  inherit isProduct;

  /**
    The store path of the part of a source tree that images carry, for
    `environment.etc."nixos-repo".source`.

    An allow-list, so that a file nobody thought of stays out. `builtins.path` under a fixed name
    makes the result depend on the content of these files alone: neither the name of the checkout
    nor any metadata of the flake enters, and baking the baked tree once more gives the same path.

    # Arguments

    name
    : the name in the store

    root
    : the flake's folder, such as `./.`

    topLevel
    : the names in that folder that are baked, each with all below it but build products, empty
      folders, `local.nix` and `facter.json`

    # Example

    ```nix
    bake {
      name = "my-source";
      root = ./.;
      topLevel = [ "flake.nix" "flake.lock" "hosts" ];
    }
    => "/nix/store/…-my-source"
    ```

    # Type

    ```
    bake :: { name :: String; root :: Path; topLevel :: [String]; } -> StorePath
    ```
  */
  bake =
    {
      name,
      root,
      topLevel,
    }:
    let
      # Not "${root}": that would copy the whole tree, and all would depend on every file of it.
      start = stringLength (toString root) + 1;
    in
    builtins.path {
      inherit name;
      path = root;
      filter =
        path: type:
        let
          entry = baseNameOf path;
          isTopLevel = substring start (-1) path == entry;
        in
        (!isTopLevel || elem entry topLevel) && isKept entry && isWorthwhile path type;
    };
}
