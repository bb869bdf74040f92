# Properties of a definition: its priority, its condition, or that it stands for several.
#
# They are plain data.  {"_type": "override", "priority": 50, "content": …} read from JSON is
# mkForce, so a program can override options without writing any Nix.
lib:
let
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
in
{
  isType = type: value: builtins.isAttrs value && value._type or null == type;

  # The lowest number wins.
  inherit mkOverride;
  mkForce = mkOverride 50;
  defaultPriority = 100; # a definition that says nothing
  mkDefault = mkOverride 1000;
  mkOptionDefault = mkOverride 1500; # as weak as the `default` of an option

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOption = attrs: { _type = "option"; } // attrs;
}
