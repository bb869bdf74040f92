//! Flakes of a few lines, whose hosts are derivations that do one thing.

use super::nix::native;

/// A flake whose hosts are shell scripts: `(name, script)`. A script writes `$out`.
pub(crate) fn scripts(hosts: &[(&str, &str)]) -> String {
    let hosts: Vec<(&str, String)> = hosts
        .iter()
        .map(|(name, script)| (*name, script_host(name, script)))
        .collect();
    let hosts: Vec<(&str, &str)> = hosts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    flake(&hosts)
}

/// A flake whose hosts are Nix expressions: `(name, toplevel)`.
pub(crate) fn flake(hosts: &[(&str, &str)]) -> String {
    flake_with_inputs("", hosts)
}

/// The same, with a text for `inputs`.
pub(crate) fn flake_with_inputs(inputs: &str, hosts: &[(&str, &str)]) -> String {
    let system = native();
    let hosts: String = hosts
        .iter()
        .map(|(name, toplevel)| format!("    {name} = host \"{name}\" ({toplevel});\n"))
        .collect();
    format!(
        r#"{{
  {inputs}
  outputs = inputs: let
    host = name: toplevel: {{
      config.nixpkgs.hostPlatform.system = "{system}";
      config.networking.hostName = name;
      config.system.build.toplevel = toplevel;
    }};
  in {{ nixosConfigurations = {{
{hosts}  }}; }};
}}
"#
    )
}

/// A flake whose hosts are the folders of `hosts/`, each with its toplevel as `default.nix`.
pub(crate) fn of_folders() -> String {
    let system = native();
    format!(
        r#"{{
  outputs = inputs: let
    host = name: _: {{
      config.nixpkgs.hostPlatform.system = "{system}";
      config.networking.hostName = name;
      config.system.build.toplevel = import (./hosts + "/${{name}}");
    }};
  in {{ nixosConfigurations = builtins.mapAttrs host (builtins.readDir ./hosts); }};
}}
"#
    )
}

/// A derivation that runs a shell script.
pub(crate) fn script_host(name: &str, script: &str) -> String {
    let script = serde_json::Value::from(script)
        .to_string()
        .replace("${", "\\${");
    format!(
        r#"derivation {{ name = "{name}"; system = "{}"; builder = "/bin/sh"; args = [ "-c" {script} ]; }}"#,
        native()
    )
}
