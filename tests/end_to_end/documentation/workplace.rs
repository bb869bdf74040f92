//! Where the blocks of one page are tried: a copy of the mini box with a history.

use std::{fs, net::TcpListener};

use regex::Regex;

use super::programs;
use crate::support::{call::Ended, nix::native, place::Place, yaml};

/// What a page says, and what is run in its place.
const SUBSTITUTIONS: [(&str, &str); 8] = [
    // The Box's hosts need nixpkgs.
    ("coder-thinkcentre", "mini-thinkcentre"),
    ("qemu-arm64", "mini-arm64"),
    // The reader's own host.
    ("my-box", "mini-thinkcentre"),
    // No drive is written to, and nobody answers the question.
    ("/dev/sdb", "../drive --file --erase drive"),
    ("/dev/sdX", "../drive --file --erase drive"),
    // The mini box has no Python.
    ("--why python3", "--why etc"),
    // The reader's own flake is no part of the working tree.
    ("cd my-flake", "cd ../my-flake"),
    // What an installed machine has there, this one has not.
    ("/etc/nixos-repo", "../baked"),
];

/// A flake that nobody has made with cbox in mind.
const MY_FLAKE: &str = r#"{
  outputs = _: let
    run = name: derivation {
      inherit name;
      system = "SYSTEM";
      builder = "/bin/sh";
      args = [ "-c" "echo ${name} > $out" ];
    };
    host = name: build: {
      config.nixpkgs.hostPlatform.system = "SYSTEM";
      config.networking.hostName = name;
      config.system.build = build;
    };
  in {
    nixosConfigurations.installer = host "installer" { isoImage = run "installer"; };
    nixosConfigurations.laptop = host "laptop" { toplevel = run "laptop"; };
    nixosConfigurations.old = throw "the old host is gone";
  };
}
"#;

/// What a reader of a page has: the mini box as a repository, with its baseline accepted, its
/// ISO built at the last two commits, and the programs that the page may call.
pub(super) struct Workplace {
    place: Place,
    /// A port of this machine that is free, for the one that pages forward.
    port: u16,
}

impl Workplace {
    /// `None` where there is no Nix.
    pub(super) fn new() -> Self {
        let place = Place::minibox();
        programs::prepare(&place);
        place.ask(&["accept"]);
        place.commit("baseline");
        place.ask(&["appliance", "iso"]);
        place.edit(
            "hosts/_appliance_iso/default.nix",
            "Nothing that you change",
            "Nothing at all that you change",
        );
        place.commit("another message of the day");
        place.ask(&["appliance", "iso"]);
        // What `/etc/nixos-repo` of a machine holds.
        let baked = format!("--prefix={}/", place.beside("baked").display());
        place.git(&["checkout-index", "--all", &baked]);
        fs::write(place.beside("drive"), vec![0; 64 << 20]).unwrap();
        let own = place.beside("my-flake");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("flake.nix"), MY_FLAKE.replace("SYSTEM", &native())).unwrap();
        for words in [&["init", "--quiet"][..], &["add", "flake.nix"]] {
            place.call("git").args(words).folder(&own).run().ok();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { place, port }
    }

    /// Runs commands; the first that fails ends them.
    pub(super) fn runs(&self, text: &str) -> Result<(), String> {
        let mut text = text.replace("3000:3000", &format!("{}:3000", self.port));
        for (from, to) in SUBSTITUTIONS {
            text = text.replace(from, to);
        }
        let ended = programs::shell(&self.place).args(["-euc", &text]).run();
        // In a pipe the code of a program that is missing is lost.
        match ended.stderr.contains(": not found") {
            true => Err(ended.to_string()),
            false => well(&ended),
        }
    }

    /// Nix understands this file.
    pub(super) fn parses(&self, text: &str) -> Result<(), String> {
        let file = self.place.beside("block.nix");
        fs::write(&file, text).unwrap();
        let call = self.place.call("nix-instantiate").args(["--parse"]);
        well(&call.args([file]).run())
    }

    /// cbox takes this as its `cbox.toml`.
    pub(super) fn configures(&self, text: &str) -> Result<(), String> {
        let own = self.place.read("cbox.toml");
        self.place.write("cbox.toml", text);
        let ended = self.place.cbox(&["list"]).run();
        self.place.write("cbox.toml", own);
        well(&ended)
    }

    /// What a workflow calls of cbox exists.
    pub(super) fn names_commands(&self, text: &str) -> Result<(), String> {
        if text.contains('\t') {
            return Err("YAML knows no tabs".to_owned());
        }
        yaml(text)?;
        let command = Regex::new("cbox ([a-z-]+)").unwrap();
        let mut calls = command.captures_iter(text);
        calls.try_for_each(|found| well(&self.place.cbox(&["help", &found[1]]).run()))
    }
}

/// What a program said, if it did not end well.
fn well(ended: &Ended) -> Result<(), String> {
    match ended.status.success() {
        true => Ok(()),
        false => Err(ended.to_string()),
    }
}
