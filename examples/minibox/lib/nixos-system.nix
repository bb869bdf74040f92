# A host from its modules: called as lib.nixosSystem of nixpkgs is, with the same shape of result.
lib: {
  nixosSystem =
    {
      modules,
      specialArgs ? { },
    }:
    lib.evalModules {
      inherit specialArgs;
      modules = [ ../modules ] ++ modules;
    };
}
