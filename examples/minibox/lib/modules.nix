# A very small module system, in the manner of NixOS: imports, options, priorities, extendModules.
lib:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    functionArgs
    genericClosure
    head
    isAttrs
    isFunction
    isPath
    isString
    length
    map
    mapAttrs
    typeOf
    ;
  inherit (lib)
    defaultPriority
    genAttrs
    imap0
    isType
    mergeDefinitions
    mkOption
    optional
    pushDownProperties
    showDefinitions
    showOption
    types
    unique
    ;

  # What a module may hold next to `config` or `options`.
  moduleAttrs = [
    "_file"
    "key"
    "imports"
    "options"
    "config"
  ];

  # The definitions of `name` inside those of the set around it.
  definitionsInside =
    name:
    concatMap (
      definition:
      concatMap (
        value:
        optional (value ? ${name}) {
          inherit (definition) file priority;
          position = builtins.unsafeGetAttrPos name value;
          value = value.${name};
        }
      ) (pushDownProperties definition.value)
    );

  # One tree of options out of the trees which the modules declare.
  mergeDeclarations =
    path: trees:
    genAttrs (unique (concatMap attrNames trees)) (
      name:
      let
        here = path ++ [ name ];
        declared = concatMap (tree: optional (tree ? ${name}) tree.${name}) trees;
      in
      if !(builtins.any (isType "option") declared) then
        mergeDeclarations here declared
      else if length declared > 1 then
        throw "The option `${showOption here}' is declared more than once."
      else
        head declared
    );

  # Every option with its value.
  evalOptions =
    path: definitions:
    mapAttrs (
      name: option:
      let
        here = path ++ [ name ];
        found = definitionsInside name definitions;
        fallback = optional (option ? default) {
          file = "the option's default";
          priority = 1500;
          value = option.default;
        };
        merged = mergeDefinitions here (option.type or types.anything) (found ++ fallback);
      in
      if isType "option" option then
        option
        // {
          loc = here;
          value = (option.apply or (value: value)) merged;
        }
      else
        evalOptions here found option
    );

  optionValues = mapAttrs (
    _: option: if isType "option" option then option.value else optionValues option
  );

  # A sentence for each definition of what is no option.
  findMistakes =
    path: options: definitions:
    let
      inSet = definition: value: concatMap (inAttribute definition value) (attrNames value);
      inAttribute =
        definition: value: name:
        let
          here = path ++ [ name ];
          inner = {
            inherit (definition) file priority;
            position = builtins.unsafeGetAttrPos name value;
            value = value.${name};
          };
        in
        if !(options ? ${name}) then
          [ "The option `${showOption here}' does not exist. Definition values:${showDefinitions [ inner ]}" ]
        else if isType "option" options.${name} then
          [ ]
        else
          findMistakes here options.${name} [ inner ];
      notASet = definition: value: [
        (
          "In module `${definition.file}', you're trying to define a value of type `${typeOf value}' "
          + "rather than an attribute set for the option\n`${showOption path}'!"
        )
      ];
      inDefinition =
        definition:
        concatMap (value: (if isAttrs value then inSet else notASet) definition value) (
          pushDownProperties definition.value
        );
    in
    concatMap inDefinition definitions;
in
{
  evalModules =
    {
      modules,
      specialArgs ? { },
      # The path of the option whose value this is, when it is a submodule.
      prefix ? [ ],
    }:
    let
      # A module is a file, a function of the arguments, or a set.
      load =
        key: module:
        if isPath module || isString module then
          load (toString module) (import module)
        else if isFunction module then
          load key (module (args // genAttrs (attrNames (functionArgs module)) argument))
        else
          normalise key module;
      argument = name: args.${name} or config._module.args.${name};
      args = { inherit lib config options; } // specialArgs;

      normalise =
        key: module:
        let
          file = module._file or key;
          isFull = module ? config || module ? options;
          unsupported = filter (name: !elem name moduleAttrs) (attrNames module);
        in
        if isFull && unsupported != [ ] then
          throw (
            "Module `${file}' has an unsupported attribute `${head unsupported}'. This is caused by "
            + "introducing a top-level `config' or `options' attribute. Move all of "
            + "${concatStringsSep " " unsupported} into the explicit `config' attribute."
          )
        else
          {
            inherit key file;
            imports = module.imports or [ ];
            options = module.options or { };
            config = if isFull then module.config or { } else removeAttrs module moduleAttrs;
          };

      # A file is taken once, however often it is imported: its path is its key.
      loaded = genericClosure {
        startSet = imap0 (index: load "<module ${toString index}>") (modules ++ [ argsModule ]);
        operator = module: imap0 (index: load "${module.key}, import ${toString index}") module.imports;
      };
      argsModule.options._module.args = mkOption {
        type = types.attrsOf types.raw;
        default = { };
      };

      definitions = map (module: {
        inherit (module) file;
        priority = defaultPriority;
        value = module.config;
      }) loaded;
      declarations = mergeDeclarations prefix (map (module: module.options) loaded);
      options = evalOptions prefix definitions declarations;
      config = optionValues options;

      mistakes = findMistakes prefix declarations definitions;
      checked = value: if mistakes == [ ] then value else throw (concatStringsSep "\n" mistakes);
    in
    {
      config = checked (removeAttrs config [ "_module" ]);
      options = checked (removeAttrs options [ "_module" ]);
      # The same again with more: how an image variant, or a program, overrides a finished host.
      extendModules =
        more:
        lib.evalModules {
          inherit prefix;
          modules = modules ++ more.modules or [ ];
          specialArgs = specialArgs // more.specialArgs or { };
        };
    };
}
