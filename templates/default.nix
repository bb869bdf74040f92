# What `nix flake init -t` makes of an empty folder.
{
  default = {
    path = ./default;
    description = "NixOS machines and images, a folder each, with cbox and a workflow for GitHub";
    welcomeText = ''
      Now put the address of cbox in `flake.nix` in the place of OWNER, and then:

          git init; git add .; nix flake lock; git add flake.lock
          cbox list

      `README.md` says what is where.
    '';
  };
}
