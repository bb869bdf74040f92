# The options of The Box as a page, docs/options.md, from what the modules declare.
{ lib }:
options:
let
  all = lib.optionAttrSetToDocList options;

  # What modules have for each other, and what is below it.
  inner = map (option: option.loc) (lib.filter (option: option.internal || option.readOnly) all);
  isInner = option: lib.any (loc: lib.lists.hasPrefix loc option.loc) inner;

  shown = lib.filter (option: option.visible && !isInner option) all;

  parts = lib.groupBy (option: lib.elemAt option.loc 1) shown;

  # `{option}`x`` and the like are the manual's; here a name in backquotes is enough.
  plain =
    text:
    lib.trim (
      lib.concatStrings (
        map (part: if lib.isList part then "`" else part) (builtins.split "\\{[a-z]+}`" text)
      )
    );

  # A value as a line of a list: code, or what is Markdown already.
  line =
    label: given:
    let
      text = lib.trim given.text;
      block = lib.replaceStrings [ "\n" ] [ "\n  " ] "\n```text\n${text}\n```";
    in
    "- ${label}:"
    + (
      if given._type == "literalMD" then
        " ${plain text}"
      else if lib.hasInfix "\n" text then
        # Its lines belong to the list.
        block
      else
        " `${text}`"
    );

  entry =
    option:
    let
      isSwitch = option.type == "boolean" && (option.example.text or "") == "true";
    in
    lib.concatLines (
      [
        "### `${option.name}`"
        ""
        (plain (option.description.text or option.description))
        ""
        "- Type: ${plain option.type}"
      ]
      ++ lib.optional (option ? default) (line "Default" option.default)
      ++ lib.optional (option ? example && !isSwitch) (line "Example" option.example)
    );

  # The file that declares the first option of a part.
  file =
    options':
    let
      declared = toString (lib.head (lib.head options').declarations);
    in
    "nixos/" + lib.last (lib.splitString "/nixos/" declared);

  part =
    name:
    let
      options' = lib.sort (a: b: a.name < b.name) parts.${name};
    in
    ''
      ## box.${name}

      [${file options'}](../${file options'})

      ${lib.concatMapStringsSep "\n" entry options'}'';
in
''
  # Options of The Box

  What `hosts/<host>/default.nix` and `local.nix` may set, beside the options of NixOS. `box.enable` switches on
  what every Box has ([nixos/modules/appliance](../nixos/modules/appliance)), at a priority that a plain assignment
  overrides; disk layout, secrets and what is carried for places without a network are for each host or image to
  choose. This page is made from the modules:
  `BOX_UPDATE_OPTIONS=1 nixos/tests/evaluate.sh options` writes it, and without the variable the same command fails
  where it is not what they say.

''
+ lib.concatMapStringsSep "\n" part (lib.attrNames parts)
