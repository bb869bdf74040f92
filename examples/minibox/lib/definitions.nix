# From the definitions of an option to its value.
#
# A definition is { file, position, priority, value }: what a module says about an option, and where.
lib:
let
  inherit (builtins)
    all
    concatMap
    concatStringsSep
    filter
    foldl'
    head
    isAttrs
    isFunction
    isList
    isPath
    map
    mapAttrs
    toJSON
    ;
  inherit (lib)
    concatMapStrings
    isType
    mkIf
    mkOverride
    showOption
    ;

  # Strip the properties off one definition: the definitions which it stands for, with their priorities.
  discharge =
    definition:
    let
      inherit (definition) value;
      again = attrs: discharge (definition // attrs);
    in
    if isType "merge" value then
      concatMap (content: again { value = content; }) value.contents
    else if isType "if" value then
      (if value.condition then again { value = value.content; } else [ ])
    else if isType "override" value then
      again {
        inherit (value) priority;
        value = value.content;
      }
    else
      [ definition ];

  showValue =
    value:
    if isAttrs value then
      "<attribute set>"
    else if isFunction value then
      "<function>"
    else if isPath value then
      toString value
    else if isList value then
      "[ ${concatStringsSep " " (map showValue value)} ]"
    else
      toJSON value;

  showFile =
    { file, position ? null, ... }:
    if position == null then
      file
    else
      "${position.file}:${toString position.line}:${toString position.column}";
in
{
  inherit discharge;

  # The same text as nixpkgs, except that a line and a column follow where Nix knows them.
  showDefinitions = concatMapStrings (
    definition: "\n- In `${showFile definition}': ${showValue definition.value}"
  );

  # mkIf and mkOverride around a set of options belong to each of them: they are moved inwards, so
  # that a condition is evaluated only for the options which it guards.
  pushDownProperties =
    value:
    if isType "merge" value then
      concatMap lib.pushDownProperties value.contents
    else if isType "if" value then
      map (mapAttrs (_: mkIf value.condition)) (lib.pushDownProperties value.content)
    else if isType "override" value then
      map (mapAttrs (_: mkOverride value.priority)) (lib.pushDownProperties value.content)
    else
      [ value ];

  # The value of the option `path`: those of its definitions that no other outranks, merged.
  mergeDefinitions =
    path: type: definitions:
    let
      discharged = concatMap discharge definitions;
      strongest = foldl' (least: d: if d.priority < least then d.priority else least) 9999 discharged;
      winners = filter (d: d.priority == strongest) discharged;
      mistyped = filter (d: !type.check d.value) winners;
    in
    if winners == [ ] then
      throw "The option `${showOption path}' was accessed but has no value defined. Try setting the option."
    else if mistyped != [ ] then
      throw (
        "A definition for option `${showOption path}' is not of type `${type.description}'. "
        + "Definition values:${lib.showDefinitions mistyped}"
      )
    else
      type.merge path winners;

  # For types whose values cannot be put together: all definitions have to agree.
  mergeEqual =
    path: definitions:
    let
      first = (head definitions).value;
    in
    if all (definition: definition.value == first) definitions then
      first
    else
      throw (
        "The option `${showOption path}' has conflicting definition values:"
        + lib.showDefinitions definitions
        + "\nUse `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of "
        + "these definitions."
      );
}
