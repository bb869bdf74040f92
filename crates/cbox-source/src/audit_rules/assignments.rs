//! Random values beside a name such as `password`, in files of settings.

use std::{path::Path, sync::LazyLock};

use regex::bytes::{Captures, Regex};

use super::{
    Collected, Finding, Found, Redacted,
    marks::Lines,
    values::{is_access_key_id, is_key_id, is_random},
};

/// The end of a name, and the value that it is given. In the first three groups the value
/// is quoted, in the last it is bare.
const ASSIGNMENT: &str = concat!(
    r"(?i-u)(?:passwords?|passwd|passphrase|pass|pwd|psk|secret|token|key|key_?base)",
    r#"["']?[ \t]*[:=][ \t]*"#,
    r#"(?:''([^'\r\n]+)''|"([^"\r\n]+)"|'([^'\r\n]+)'|([^\s"';,]+))"#,
);

/// How much of a name is told, in bytes before its telling end.
const LONGEST_NAME: usize = 64;

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ASSIGNMENT).ok());

/// How a kind of file writes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// In quotes: what is bare is a name or an expression.
    Quoted,
    /// In quotes or bare.
    Bare,
}

/// The style of the file at `path`; `None` for a file that holds no settings.
fn style(path: &Path) -> Option<Style> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with(".env") {
        return Some(Style::Bare);
    }
    let (_, extension) = name.rsplit_once('.')?;
    match extension {
        "nix" | "toml" | "json" | "tf" | "tfvars" | "hcl" => Some(Style::Quoted),
        "yaml" | "yml" | "env" | "conf" | "cfg" | "ini" | "properties" | "netdev"
        | "nmconnection" | "service" => Some(Style::Bare),
        _ => None,
    }
}

/// Adds what is found in `content`, the file at `path`, to `found`.
pub(super) fn find(path: &Path, content: &[u8], found: &mut Collected<'_>) {
    let (Some(style), Some(pattern)) = (style(path), &*PATTERN) else {
        return;
    };
    let mut lines = Lines::default();
    for groups in pattern.captures_iter(content) {
        if found.is_full(Finding::Secret) {
            break;
        }
        let Some(whole) = groups.get(0) else {
            continue;
        };
        let Some(value) = value(&groups, style).filter(|value| is_random(value)) else {
            continue;
        };
        let name = name_before(content, whole.start(), whole.as_bytes());
        if names_public(&name) || is_id(&name, value) {
            continue;
        }
        found.add(Found {
            line: Some(lines.line_of(content, whole.start())),
            finding: Finding::Secret,
            what: format!("a value for `{name}`"),
            value: Some(Redacted::of(value)),
        });
    }
}

/// The value, where it is written as one in this kind of file.
fn value<'c>(groups: &Captures<'c>, style: Style) -> Option<&'c [u8]> {
    let quoted = groups.get(1).or(groups.get(2)).or(groups.get(3));
    let bare = groups.get(4).filter(|_| style == Style::Bare);
    quoted.or(bare).map(|value| value.as_bytes())
}

/// The whole name whose end, at `start`, is what `matched` begins with.
fn name_before(content: &[u8], start: usize, matched: &[u8]) -> String {
    let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before = content[..start].iter().rev().take(LONGEST_NAME);
    let before = before.take_while(in_name).count();
    let end = matched.iter().take_while(in_name).count();
    String::from_utf8_lossy(&content[start - before..start + end]).into_owned()
}

/// Whether a name says that anybody may know the value.
fn names_public(name: &str) -> bool {
    let name = name.to_lowercase();
    let plain = name.replace(['-', '_', '.'], "");
    let words = [
        "public",
        "pubkey",
        "hostkey",
        "cachekey",
        "sitekey",
        "publishable",
        "minisign",
    ];
    name.contains("pub-") || name.contains("pub_") || words.iter().any(|word| plain.contains(word))
}

/// Whether `value` only tells which key is meant: who signs or encrypts by OpenPGP, or whose the
/// secret key beside it is, as S3 has it.
fn is_id(name: &str, value: &[u8]) -> bool {
    let plain = name.to_lowercase().replace(['-', '_', '.'], "");
    let ends = |words: &[&str]| words.iter().any(|word| plain.ends_with(word));
    (ends(&[
        "signingkey",
        "gpgkey",
        "pgpkey",
        "signkey",
        "encryptionkey",
        "defaultkey",
    ]) && is_key_id(value))
        || (ends(&["accesskey"]) && is_access_key_id(value))
}
