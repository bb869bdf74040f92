//! The text of the first `cbox.toml`. Each setting is explained where it stands first.

use std::collections::BTreeSet;

use cbox_nix::overrides::OptionPath;
use serde_json::Value;

use super::{Host, Image, PACKAGE, Package, Starter, Uses};
use crate::text::{harmless, is_obeyed};

/// The first line is for editors: where the schema of this file is. What is published there is
/// docs/schema/cbox.toml.json.
const HEAD: &str = "\
#:schema https://json.schemastore.org/cbox.json

# The hosts and images of this flake that cbox builds and watches over. Nix never reads this
# file. `cbox list` shows what stands here, docs/reference.md of cbox what else can.
";

const BY_FOLDER: &str = "
# The machines are the folders hosts/<name>/. `cbox accept` records what each of them builds,
# and `cbox verify-hosts` tells when that changes.
";

const LISTED: &str = "
# The machines, by their names in nixosConfigurations. `cbox accept` records what each of
# them builds, and `cbox verify-hosts` tells when that changes.
";

const IMPORT_FROM_DERIVATION: &str = "
# A host above builds something while it is evaluated. `true` allows that, and then the host
# can stand in the list.
[evaluation]
import-from-derivation = false
";

/// The setting of Nix that an evaluation trips over when it would have to build.
const NEEDS_BUILDS: &str = "allow-import-from-derivation";

/// How wide a setting is that an explanation stands behind, where there is room.
const MARGIN: usize = 41;

/// How wide a line of comments is.
const WIDTH: usize = 92;

impl Starter {
    /// The text of the file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = HEAD.to_owned();
        self.push_hosts(&mut text);
        if self.left_out().any(|(_, why)| why.contains(NEEDS_BUILDS)) {
            text.push_str(IMPORT_FROM_DERIVATION);
        }
        let mut explained = BTreeSet::new();
        for (host, uses) in self.used() {
            for image in &uses.images {
                text.push('\n');
                text.push_str(&target(host, uses, image, &mut explained));
            }
        }
        for package in &self.packages {
            text.push_str(&format!("\n{}", of_package(package)));
        }
        if let Some(block) = self.stock(&mut explained) {
            text.push_str(&block);
        }
        text
    }

    /// The list of machines. What is left out stands in it as a comment.
    fn push_hosts(&self, text: &mut String) {
        if self.by_folder {
            text.push_str(BY_FOLDER);
            return;
        }
        let lines: Vec<String> = self.hosts.iter().filter_map(host_line).collect();
        text.push_str(LISTED);
        if lines.is_empty() {
            text.push_str("hosts = []\n");
        } else {
            text.push_str(&format!("hosts = [\n{}]\n", lines.concat()));
        }
    }

    /// A target of an image variant that nixpkgs gives to every host, as a comment.
    fn stock(&self, explained: &mut BTreeSet<&'static str>) -> Option<String> {
        let with_stock = || self.used().filter(|(_, uses)| !uses.stock.is_empty());
        let machine = with_stock().find(|(_, uses)| uses.is_machine);
        let (host, uses) = machine.or_else(|| with_stock().next())?;
        let iso = uses.stock.iter().find(|variant| *variant == "iso");
        let variant = iso.or_else(|| uses.stock.first())?;
        let parts = ["system", "build", "images", variant].map(str::to_owned);
        let image = Image {
            format: variant.clone(),
            attribute: OptionPath::from_parts(parts.to_vec())?,
            artifacts: vec![],
        };
        let sentence = format!(
            "nixpkgs can make images of every host. For one, take the `# ` away below, and choose \
             the host and the format: {}.",
            uses.stock.join(", ")
        );
        let block = target(host, uses, &image, explained);
        let block: String = block.lines().map(|line| format!("# {line}\n")).collect();
        Some(format!("\n{}{block}", comment(&sentence)))
    }
}

/// The section of a package.
fn of_package(package: &Package) -> String {
    format!(
        "# An image that is no part of a host.\n[[target]]\nkind = {}\nformat = {}\npackage = {}\n",
        quoted(PACKAGE),
        quoted(&package.name),
        quoted(&package.path())
    )
}

/// The line of a host in the list of machines.
fn host_line(host: &Host) -> Option<String> {
    let name = quoted(&host.name);
    match &host.uses {
        Ok(uses) => uses.is_machine.then(|| format!("  {name},\n")),
        // What keeps a host out may be its name, and then that is no text for a line.
        Err(why) => {
            let line = harmless(&format!("{name},  # {why}"), usize::MAX);
            Some(format!("  # {line}\n"))
        }
    }
}

/// The section of a target. Its settings are explained unless they are among `explained`.
fn target(
    host: &str,
    uses: &Uses,
    image: &Image,
    explained: &mut BTreeSet<&'static str>,
) -> String {
    let mut settings = vec![
        ("kind", quoted(&uses.kind), "cbox <kind> …"),
        ("format", quoted(&image.format), "… <format>"),
        ("host", quoted(host), "its name in nixosConfigurations"),
        (
            "attribute",
            quoted(&image.attribute.to_string()),
            "what is built, below `config` of the host",
        ),
        systems(uses),
    ];
    match image.artifacts.as_slice() {
        [] => {}
        [only] => {
            let meaning = "which file of the result is the image";
            settings.push(("artifact", quoted(only), meaning));
        }
        several => settings.push(("artifact", list(several), "a file for each disk")),
    }
    let mut text = "[[target]]\n".to_owned();
    for (key, value, meaning) in settings {
        let setting = format!("{key} = {value}");
        if explained.insert(key) {
            text.push_str(&format!("{setting:MARGIN$} # {meaning}\n"));
        } else {
            text.push_str(&format!("{setting}\n"));
        }
    }
    text
}

/// The setting of the systems that a target can be built for.
fn systems(uses: &Uses) -> (&'static str, String, &'static str) {
    if uses.systems.is_empty() {
        let own = quoted(uses.system.as_str());
        return ("system", own, "the host's own, which is left as it is");
    }
    let systems = list(&uses.systems);
    ("systems", systems, "the one that is asked for is forced")
}

/// `texts` as a TOML array of strings.
fn list(texts: &[impl ToString]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(&text.to_string())).collect();
    format!("[{}]", texts.join(", "))
}

/// `text` as a TOML string: a basic one is written like a string of JSON.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for character in json.chars() {
        match (is_obeyed(character), u32::from(character)) {
            (false, _) => quoted.push(character),
            (true, number @ ..=0xffff) => quoted.push_str(&format!("\\u{number:04x}")),
            (true, number) => quoted.push_str(&format!("\\U{number:08x}")),
        }
    }
    quoted
}

/// `sentence` as comments, broken into lines at spaces.
fn comment(sentence: &str) -> String {
    let mut text = String::new();
    let mut line = "#".to_owned();
    for word in sentence.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&format!("{line}\n"));
            line = "#".to_owned();
        }
        line.push_str(&format!(" {word}"));
    }
    format!("{text}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_toml_and_nothing_in_it_is_obeyed() {
        for text in [
            "a\u{1b}\u{7f}\u{9b}",
            "\u{202e}b\"\\",
            "\u{e0041}",
            "grün \u{1f980}\n",
        ] {
            let quoted = quoted(text);
            assert!(!quoted.contains(is_obeyed), "{quoted}");
            let table: toml::Table = toml::from_str(&format!("a = {quoted}")).unwrap();
            assert_eq!(table["a"].as_str(), Some(text));
        }
    }
}
