//! Deploys each folder under FIRST_BOOT_TEMPLATES as the template of that name.
//!
//! What was deployed is known by the hash of its content: a stamp here, and the same hash in the
//! version's message on the server, where it survives a lost stamp. A stamped template is never
//! touched again, so what its owner does to it later (another version, other settings, deletion)
//! stays.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::api::Api;
use crate::config::Config;
use crate::failure::{Code, Context, Result, log};
use crate::files;
use crate::import::{Importer, Outcome};
use crate::pack::pack;

/// A folder that is to be a template.
pub(crate) struct Template {
    pub(crate) name: String,
    folder: PathBuf,
    pub(crate) tar: Vec<u8>,
    /// Of the tar.
    pub(crate) hash: String,
    /// Where the hash is kept once this is deployed.
    pub(crate) stamp: PathBuf,
}

impl Template {
    fn new(config: &Config, name: String, folder: PathBuf) -> Result<Self> {
        if !coder_takes(&name) {
            return Code::Config.fail(format!("Coder takes no template of the name '{name}'"));
        }
        let tar = pack(&folder).to("pack", &folder)?;
        let hash = Sha256::digest(&tar)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let stamp = config.stamps.join(&name);
        Ok(Self {
            name,
            folder,
            tar,
            hash,
            stamp,
        })
    }

    fn is_stamped(&self) -> Result<bool> {
        Ok(files::read(&self.stamp)?.as_ref() == Some(&self.hash))
    }

    /// A value from the head of README.md, empty when missing.
    pub(crate) fn front_matter(&self, key: &str) -> String {
        let text = fs::read(self.folder.join("README.md")).unwrap_or_default();
        front_matter(&String::from_utf8_lossy(&text), key).to_owned()
    }
}

/// Whether `deploy` has something to do.
pub(crate) fn are_wanting(config: &Config) -> Result<bool> {
    for (name, folder) in folders(&config.templates)? {
        if !Template::new(config, name, folder)?.is_stamped()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deploys what has no stamp.
pub(crate) fn deploy(config: &Config, api: Api<'_>) -> Result<()> {
    let mut importer = Importer::new(config, api);
    let (mut later, mut broken) = (String::new(), String::new());
    for (name, folder) in folders(&config.templates)? {
        let template = Template::new(config, name, folder)?;
        let name = &template.name;
        if template.is_stamped()? {
            log!("template {name}: unchanged");
            continue;
        }
        match importer.deploy(&template)? {
            Outcome::Deployed => log!("template {name}: deployed"),
            Outcome::Later => later += &format!(" {name}"),
            Outcome::Broken => broken += &format!(" {name}"),
        }
    }
    // 'Later' wins: the start that follows it reports what is broken.
    if !later.is_empty() {
        let text = format!("templates that wait for a network, Podman or Kubernetes:{later}");
        return Code::Later.fail(text);
    }
    if !broken.is_empty() {
        return Code::BrokenTemplate.fail(format!("broken templates:{broken}"));
    }
    Ok(())
}

/// Those that have `.tf` files, in order.
fn folders(templates: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for (name, path) in list(templates)? {
        if path.is_dir() && list(&path)?.iter().any(|(file, _)| file.ends_with(".tf")) {
            folders.push((name, path));
        }
    }
    folders.sort();
    Ok(folders)
}

/// What is in a folder and not hidden.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut list = Vec::new();
    for entry in fs::read_dir(folder).to("list", folder)? {
        let path = entry.to("list", folder)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with('.') {
            list.push((name, path));
        }
    }
    Ok(list)
}

/// Small letters, digits, and dashes in the middle; 32 at most.
fn coder_takes(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .chars()
            .all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '-'))
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn front_matter<'a>(text: &'a str, key: &str) -> &'a str {
    let Some(head) = text.strip_prefix("---\n") else {
        return "";
    };
    let head = head.lines().take_while(|line| *line != "---");
    let mut values = head.filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    values.next().unwrap_or_default().trim_start_matches(' ')
}

#[cfg(test)]
mod tests {
    use super::{coder_takes, front_matter};

    #[test]
    fn names_of_templates() {
        for name in ["a", "k3s-podman", &"a".repeat(32)] {
            assert!(coder_takes(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a_b", "\u{e4}", &"a".repeat(33)] {
            assert!(!coder_takes(name), "{name}");
        }
    }

    #[test]
    fn the_head_of_a_readme() {
        let text = "---\ndisplay_name: A title\ndescription:  About: it\n---\nicon: no\n";
        assert_eq!(front_matter(text, "display_name"), "A title");
        assert_eq!(front_matter(text, "description"), "About: it");
        assert_eq!(front_matter(text, "display"), "");
        assert_eq!(front_matter(text, "icon"), "", "below the head");
        assert_eq!(front_matter("# display_name: x\n---\n", "display_name"), "");
    }
}
