# What a person needs who works on the machine itself: in a clone of this
# repository, on a template, or on Coder from the command line.
{ config, lib, ... }:
let
  cfg = config.box.tools;
  inherit (config.box) coder;
in
{
  imports = [ ../coder ];

  options.box.tools.enable = lib.mkEnableOption "git, an editor and Coder's command line";

  config = lib.mkIf cfg.enable {
    programs.git.enable = lib.mkDefault true;
    programs.vim.enable = lib.mkDefault true;

    environment = {
      systemPackages = lib.mkIf coder.enable [ config.services.coder.package ];
      # So that `coder login` knows where.
      variables.CODER_URL = lib.mkIf coder.enable (
        lib.mkDefault "http://localhost:${toString coder.port}"
      );
    };
  };
}
