# Small helpers, under the names that nixpkgs gives them.
lib:
let
  inherit (builtins)
    attrNames
    attrValues
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    length
    listToAttrs
    map
    mapAttrs
    match
    stringLength
    substring
    toJSON
    ;
in
{
  optional = condition: value: if condition then [ value ] else [ ];
  optionalString = condition: string: if condition then string else "";

  unique = foldl' (seen: value: if elem value seen then seen else seen ++ [ value ]) [ ];
  imap0 = f: list: genList (index: f index (elemAt list index)) (length list);

  genAttrs =
    names: valueOf:
    listToAttrs (
      map (name: {
        inherit name;
        value = valueOf name;
      }) names
    );
  filterAttrs =
    keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  mapAttrsToList = f: set: attrValues (mapAttrs f set);
  concatMapStrings = f: list: concatStringsSep "" (map f list);

  hasPrefix = prefix: string: substring 0 (stringLength prefix) string == prefix;
  hasSuffix =
    suffix: string:
    let
      start = stringLength string - stringLength suffix;
    in
    start >= 0 && substring start (-1) string == suffix;

  # environment.etc."a b".text: what is no identifier is quoted.
  showOption =
    path:
    concatStringsSep "." (
      map (name: if match "[a-zA-Z_][a-zA-Z0-9_'-]*" name != null then name else toJSON name) path
    );

  # The hash part of a store path, e.g. 3xk8v…: 32 characters that name the content.
  storeHash = path: substring 0 32 (baseNameOf (builtins.unsafeDiscardStringContext path));
}
