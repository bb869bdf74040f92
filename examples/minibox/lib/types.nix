# Types of options: what a value may be, and how several definitions become one.
lib:
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    isAttrs
    isBool
    isList
    isPath
    isString
    length
    map
    match
    ;
  inherit (lib)
    defaultPriority
    discharge
    evalModules
    filterAttrs
    genAttrs
    mergeDefinitions
    mergeEqual
    unique
    ;

  mkType =
    { description, check, merge ? mergeEqual }:
    {
      inherit description check merge;
    };

  values = map (definition: definition.value);

  # What the definitions of an attribute set say about each of its attributes.
  attributeDefinitions =
    definitions:
    let
      names = unique (concatMap attrNames (values definitions));
      at =
        name: definition:
        lib.optional (definition.value ? ${name}) {
          inherit (definition) file;
          position = builtins.unsafeGetAttrPos name definition.value;
          priority = defaultPriority;
          value = definition.value.${name};
        };
    in
    genAttrs names (name: concatMap (at name) definitions);

  # An attribute whose only definitions are under a false mkIf is not there.
  isDefined = _: definitions: concatMap discharge definitions != [ ];

  mergeEach = path: type: builtins.mapAttrs (name: mergeDefinitions (path ++ [ name ]) type);

  asModule = definition: {
    _file = definition.file;
    config = definition.value;
  };

  isPlainSet = value: isAttrs value && !(value ? outPath) && !(value ? _type);
in
{
  types = rec {
    str = mkType {
      description = "string";
      check = isString;
    };
    strMatching =
      pattern:
      mkType {
        description = "string matching the pattern ${pattern}";
        check = value: isString value && match pattern value != null;
      };
    lines = mkType {
      description = "strings concatenated with \"\\n\"";
      check = isString;
      merge = _: definitions: concatStringsSep "\n" (values definitions);
    };
    bool = mkType {
      description = "boolean";
      check = isBool;
    };
    path = mkType {
      description = "path";
      # A derivation stands for its output.
      check = value: isPath value || isString value || value ? outPath;
    };
    raw = mkType {
      description = "raw value";
      check = _: true;
    };
    enum =
      choices:
      mkType {
        description = "one of ${concatStringsSep ", " (map builtins.toJSON choices)}";
        check = value: elem value choices;
      };
    either =
      first: second:
      mkType {
        description = "${first.description} or ${second.description}";
        check = value: first.check value || second.check value;
      };

    nullOr =
      type:
      mkType {
        description = "null or ${type.description}";
        check = value: value == null || type.check value;
        merge =
          path: definitions:
          if elem null (values definitions) then mergeEqual path definitions else type.merge path definitions;
      };
    listOf =
      type:
      mkType {
        description = "list of ${type.description}";
        check = value: isList value && all type.check value;
        merge = _: definitions: concatLists (values definitions);
      };
    attrsOf =
      type:
      lazyAttrsOf type
      // {
        merge =
          path: definitions:
          mergeEach path type (filterAttrs isDefined (attributeDefinitions definitions));
      };
    # The same without looking at any value in order to know the names: one value may refer to another.
    lazyAttrsOf =
      type:
      mkType {
        description = "attribute set of ${type.description}";
        check = isAttrs;
        merge = path: definitions: mergeEach path type (attributeDefinitions definitions);
      };

    # A set of options in its own right, such as one of environment.etc or of systemd.services.
    submodule =
      module:
      mkType {
        description = "submodule";
        check = isAttrs;
        merge =
          path: definitions:
          (evalModules {
            prefix = path;
            modules = [ module ] ++ map asModule definitions;
          }).config;
      };

    # Whatever can be told from the values: sets and lists are put together, all else has to agree.
    anything = mkType {
      description = "anything";
      check = _: true;
      merge =
        path: definitions:
        if all isPlainSet (values definitions) then
          (attrsOf anything).merge path definitions
        else if length definitions > 1 && all isList (values definitions) then
          concatLists (values definitions)
        else
          mergeEqual path definitions;
    };
  };
}
