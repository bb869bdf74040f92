//! Random values beside a name such as `password`, in files of settings.

use std::{path::Path, sync::LazyLock};

use regex::bytes::{Captures, Regex};

use super::{Finding, Found, Redacted, line_of, values::is_random};

/// The end of a name, and the value that it is given. In the first three groups the value
/// is quoted, in the last it is bare.
const ASSIGNMENT: &str = concat!(
    r"(?i-u)(?:passwords?|passwd|passphrase|secret|token|key)",
    r#"["']?[ \t]*[:=][ \t]*"#,
    r#"(?:''([^'\r\n]+)''|"([^"\r\n]+)"|'([^'\r\n]+)'|([^\s"';,]+))"#,
);

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
        "nix" | "toml" | "json" | "tf" | "tfvars" => Some(Style::Quoted),
        "yaml" | "yml" | "env" | "conf" | "cfg" | "ini" | "properties" => Some(Style::Bare),
        _ => None,
    }
}

/// Adds what is found in `content`, the file at `path`, to `found`.
pub(super) fn find(path: &Path, content: &[u8], found: &mut Vec<Found>) {
    let (Some(style), Some(pattern)) = (style(path), &*PATTERN) else {
        return;
    };
    for groups in pattern.captures_iter(content) {
        let Some(whole) = groups.get(0) else {
            continue;
        };
        let name = name_before(content, whole.start(), whole.as_bytes());
        let Some(value) = value(&groups, style) else {
            continue;
        };
        let (finding, what) = if is_wireguard(&name, value) {
            (Finding::PrivateKey, "a WireGuard key".to_owned())
        } else if !names_public(&name) && is_random(value) {
            (Finding::Secret, format!("a value for `{name}`"))
        } else {
            continue;
        };
        found.push(Found {
            line: Some(line_of(content, whole.start())),
            finding,
            what,
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
    let before = content[..start].iter().rev().take_while(in_name).count();
    let end = matched.iter().take_while(in_name).count();
    String::from_utf8_lossy(&content[start - before..start + end]).into_owned()
}

/// Whether a name says that anybody may know the value.
fn names_public(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "public", "pub-", "pub_", "pubkey", "hostkey", "host_key", "cachekey",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Whether it is a private key of WireGuard: 32 bytes in base64 (wg(8)).
fn is_wireguard(name: &str, value: &[u8]) -> bool {
    let name = name.to_lowercase().replace(['_', '-'], "");
    let in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let key = value.strip_suffix(b"=");
    name.ends_with("privatekey")
        && key.is_some_and(|key| key.len() == 43 && key.iter().all(in_base64))
        && is_random(&value[..43])
}
