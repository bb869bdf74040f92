//! Text for Nix and from Nix: string literals, and store positions turned into
//! the user's own.

/// `text` as a Nix string literal that means exactly `text`.
///
/// Source: the Nix manual, "String literal". A carriage return is escaped too,
/// since Nix reads a raw one before a line feed as a line feed alone.
#[must_use]
pub fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '$' => literal.push_str("\\$"),
            '\r' => literal.push_str("\\r"),
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}

/// `value` percent-encoded for the query part of a flake reference.
#[must_use]
pub fn query_value(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What `encoded`, a part of a URI, says: `%` with two digits is undone, and everything else
/// stays.
#[must_use]
pub fn percent_decoded(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut parts = encoded.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(part.bytes().skip(2));
            }
            None => {
                bytes.push(b'%');
                bytes.extend(part.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Replaces the place of the staged source by the user's own: `<store path>/x.nix`
/// becomes `<top>/x.nix`, or `x.nix` with an empty `top`.
///
/// `root` is what stands before the store path where the store keeps its files
/// elsewhere (`--store DIR`), and may be empty.
#[must_use]
pub fn to_user_positions(text: &str, root: &str, staged: &str, top: &str) -> String {
    let place = |inside: &str| match (top, inside) {
        ("", "") => ".".to_owned(),
        ("", inside) => inside.to_owned(),
        (top, "") => top.to_owned(),
        // The way git names a file of a commit: `main:hosts/a.nix`.
        (top, inside) if top.ends_with(':') => format!("{top}{inside}"),
        (top, inside) => format!("{top}/{inside}"),
    };
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(staged) {
        let (before, found) = rest.split_at(start);
        replaced.push_str(before.strip_suffix(root).unwrap_or(before));
        let after = &found[staged.len()..];
        let ends = |character: char| character.is_whitespace() || ":'\"»?,;)".contains(character);
        let end = after.find(ends).unwrap_or(after.len());
        match after[..end].strip_prefix('/') {
            Some(inside) => replaced.push_str(&place(inside)),
            None if end == 0 => replaced.push_str(&place("")),
            // Another path that begins alike.
            None => replaced.push_str(&found[..staged.len() + end]),
        }
        rest = &after[end..];
    }
    replaced.push_str(rest);
    replaced
}

/// `text` without terminal escape sequences and other control characters, line feeds
/// and tabs kept: what a builder printed must not move the cursor.
#[must_use]
pub fn without_escapes(text: &str) -> String {
    // Nearly every line has none. The control characters beyond ASCII begin with 0xc2.
    let is_plain = |byte: u8| byte >= b' ' && byte != 0x7f && byte != 0xc2;
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => match rest.next() {
                // CSI: up to its final byte.
                Some('[') => {
                    for next in rest.by_ref() {
                        if ('\u{40}'..='\u{7e}').contains(&next) {
                            break;
                        }
                    }
                }
                // OSC: up to BEL or ESC \.
                Some(']') => {
                    while let Some(next) = rest.next() {
                        if next == '\u{7}' || (next == '\u{1b}' && rest.next_if_eq(&'\\').is_some())
                        {
                            break;
                        }
                    }
                }
                // Others, such as the choice of a character set, which `tput sgr0` writes:
                // intermediate bytes up to a final one.
                Some('\u{20}'..='\u{2f}') => {
                    while rest
                        .next_if(|next| ('\u{20}'..='\u{2f}').contains(next))
                        .is_some()
                    {}
                    rest.next();
                }
                _ => {}
            },
            '\n' | '\t' => plain.push(character),
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_mean_what_they_hold() {
        assert_eq!(string_literal("a"), r#""a""#);
        assert_eq!(string_literal(r#""${x}" \ ''"#), r#""\"\${x}\" \\ ''""#);
        assert_eq!(string_literal("$${\r\n"), "\"\\$\\${\\r\n\"");
    }

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(query_value("sha256-a+b/c="), "sha256-a%2Bb/c%3D");
        assert_eq!(query_value("exämples & co"), "ex%C3%A4mples%20%26%20co");
    }

    #[test]
    fn what_is_encoded_is_undone() {
        for text in ["", "/srv/a", "exämples & co", "100%", "%4", "a+b", "%%41"] {
            assert_eq!(percent_decoded(&query_value(text)), text);
        }
        assert_eq!(percent_decoded("%2Fsrv%2fa%20b"), "/srv/a b");
        for text in ["100%", "%4", "%+1", "%é"] {
            assert_eq!(percent_decoded(text), text);
        }
    }

    #[test]
    fn positions_are_the_users() {
        let staged = "/nix/store/aaaa-source";
        let show = |text: &str, top: &str| to_user_positions(text, "", staged, top);
        assert_eq!(
            show("at /nix/store/aaaa-source/hosts/x.nix:12:3:", ""),
            "at hosts/x.nix:12:3:"
        );
        assert_eq!(
            show(
                "«/nix/store/aaaa-source/a b» '/nix/store/aaaa-source'",
                ".."
            ),
            "«../a b» '..'"
        );
        assert_eq!(
            show("at /nix/store/aaaa-source/hosts/x.nix:12:3:", "v1:"),
            "at v1:hosts/x.nix:12:3:"
        );
        assert_eq!(
            show("/nix/store/aaaa-source-2/x", ""),
            "/nix/store/aaaa-source-2/x"
        );
        assert_eq!(
            show("path:/nix/store/aaaa-source?dir=x", ""),
            "path:.?dir=x"
        );
        assert_eq!(
            to_user_positions(
                "at /tmp/s/nix/store/aaaa-source/x.nix:1",
                "/tmp/s",
                staged,
                "/w"
            ),
            "at /w/x.nix:1"
        );
    }

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(
            without_escapes("\u{1b}[31;1merror:\u{1b}[0m x\r\n\ty"),
            "error: x\n\ty"
        );
        assert_eq!(
            without_escapes("\u{1b}]0;title\u{7}a\u{1b}]8;;u\u{1b}\\b\u{1b}"),
            "ab"
        );
        // `tput sgr0`, and the choice of UTF-8.
        assert_eq!(without_escapes("\u{1b}(B\u{1b}[ma\u{1b}%Gb"), "ab");
    }
}
