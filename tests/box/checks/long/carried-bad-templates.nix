{ pkgs, ... }:
let
  with' = source: version: ''
    terraform {
      required_providers {
        it = {
          source  = "${source}"
          version = "${version}"
        }
      }
    }
  '';
  template = name: text: pkgs.writeTextDir "${name}/main.tf" text;
in
{
  box.templates.directory = pkgs.symlinkJoin {
    name = "templates";
    paths = [
      (template "broken" "${with' "coder/coder" "~> 2.5"}\nresource \"x\" \"y\" {\n")
      (template "good" (with' "coder/coder" "~> 2.5"))
      (template "other-provider" (with' "hashicorp/aws" "~> 5.0"))
      (template "other-release" (with' "coder/coder" "~> 1.0"))
    ];
  };
}
