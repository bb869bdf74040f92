//! Planted secrets: of each kind that is known, values are made, put into files in every way
//! in which real files have them, and looked for.
//!
//! What the values are like is not ours to say: gitleaks' rules are read as they stand in
//! their file, with what they demand around a value, and texts that match are made from them.
//! The other kinds follow the documentation of the programs that make them. Nothing that is
//! planted stands in this file, so that no search for secrets finds it here.

use std::{collections::BTreeMap, path::Path};

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD};
use fastrand::Rng;
use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind},
};

use super::{Found, gitleaks, of_content, of_path, values::entropy};

/// So many kinds have to be found of a hundred.
const FOUND_OF_HUNDRED: usize = 97;

/// Values that are made of each kind.
const VALUES: usize = 8;

/// A text that the pattern matches, made by chance.
struct Maker<'r> {
    random: &'r mut Rng,
    text: Vec<u8>,
}

impl Maker<'_> {
    fn make(&mut self, pattern: &Hir) {
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.text.extend(&literal.0),
            HirKind::Class(class) => {
                let character = self.one_of(class);
                self.text.push(character);
            }
            HirKind::Repetition(repetition) => {
                let (least, most) = (repetition.min, repetition.max);
                let most = most.unwrap_or(least + 12).min(least + 12);
                // What may be there and need not is mostly not.
                let times = match least {
                    0 if self.random.u8(..4) > 0 => 0,
                    _ => self.random.u32(least..=most),
                };
                for _ in 0..times {
                    self.make(&repetition.sub);
                }
            }
            HirKind::Capture(capture) => self.make(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.make(part)),
            HirKind::Alternation(parts) => {
                let part = self.random.usize(..parts.len());
                self.make(&parts[part]);
            }
        }
    }

    /// A character of the class: of those that are written, if there are such.
    fn one_of(&mut self, class: &Class) -> u8 {
        let Class::Bytes(class) = class else {
            panic!("a class of Unicode in {class:?}");
        };
        let all = || {
            class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end())
        };
        // A dot that nobody escaped.
        if all().count() > 200 {
            return b'.';
        }
        let written: Vec<u8> = all().filter(u8::is_ascii_alphanumeric).collect();
        let written = match written.len() {
            0 => all()
                .filter(|byte| byte.is_ascii_graphic() || *byte == b' ')
                .collect(),
            _ => written,
        };
        written[self.random.usize(..written.len())]
    }
}

/// Texts of the kind that gitleaks' rule `pattern` finds where one of `words` is.
fn made(pattern: &str, least_entropy: f64, words: &[String], random: &mut Rng) -> Vec<String> {
    let mut parser = ParserBuilder::new().utf8(false).unicode(false).build();
    let pattern = parser.parse(pattern).unwrap();
    let mut texts = Vec::new();
    for tried in 0.. {
        assert!(tried < 10_000, "nothing fits {words:?}");
        if texts.len() == VALUES {
            break;
        }
        let mut maker = Maker {
            random,
            text: Vec::new(),
        };
        maker.make(&pattern);
        let mut text = String::from_utf8(maker.text).unwrap();
        if tried >= 1000 {
            // The word is not a part of it, and has to stand beside it.
            text = format!("{}_token = \"{text}\"", words[0]);
        }
        let lower = text.to_lowercase();
        let has_word = words.iter().any(|word| lower.contains(word));
        if has_word && entropy(text.as_bytes()) > least_entropy {
            texts.push(text);
        }
    }
    texts
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";

fn chars(random: &mut Rng, alphabet: &str, length: usize) -> String {
    let alphabet = alphabet.as_bytes();
    (0..length)
        .map(|_| char::from(alphabet[random.usize(..alphabet.len())]))
        .collect()
}

fn word(random: &mut Rng, length: usize) -> String {
    (0..length).map(|_| random.alphanumeric()).collect()
}

fn bytes(random: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.u8(..)).collect()
}

fn base64(random: &mut Rng, length: usize) -> String {
    BASE64.encode(&bytes(random, length))
}

/// A key in its armour, in lines.
fn armour(random: &mut Rng, kind: &str, headers: &str) -> String {
    let body = base64(random, 180);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .map(|at| &body[at..body.len().min(at + 64)])
        .collect();
    let (begin, end) = (
        format!("-----BEGIN {kind}-----"),
        format!("-----END {kind}-----"),
    );
    format!("{begin}\n{headers}{}\n{end}\n", lines.join("\n"))
}

fn web_token(random: &mut Rng) -> String {
    let part = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
    let head = part("{\"alg\":\"HS256\",\"typ\":\"JWT\"}".to_owned());
    let body = part(format!("{{\"sub\":\"{}\"}}", word(random, 12)));
    format!(
        "{head}.{body}.{}",
        BASE64URL_NOPAD.encode(&bytes(random, 32))
    )
}

/// A kind that is not gitleaks': its name, and how one is made.
type Kind = (&'static str, fn(&mut Rng) -> String);

/// Keys, what The Box makes, and services: as texts that can stand anywhere.
const KINDS: &[Kind] = &[
    ("PKCS #8", |random| armour(random, "PRIVATE KEY", "")),
    ("PKCS #1", |random| armour(random, "RSA PRIVATE KEY", "")),
    ("SEC 1", |random| armour(random, "EC PRIVATE KEY", "")),
    ("DSA", |random| armour(random, "DSA PRIVATE KEY", "")),
    ("OpenSSH", |random| {
        armour(random, "OPENSSH PRIVATE KEY", "")
    }),
    ("PKCS #8, encrypted", |random| {
        armour(random, "ENCRYPTED PRIVATE KEY", "")
    }),
    ("OpenSSL, encrypted", |random| {
        armour(
            random,
            "RSA PRIVATE KEY",
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
        )
    }),
    ("OpenPGP", |random| {
        armour(random, "PGP PRIVATE KEY BLOCK", "\n")
    }),
    ("tinc", |random| armour(random, "ED25519 PRIVATE KEY", "")),
    ("OpenVPN", |random| {
        armour(random, "OpenVPN Static key V1", "")
    }),
    ("key in base64", |random| {
        BASE64.encode(armour(random, "PRIVATE KEY", "").as_bytes())
    }),
    ("age", |random| {
        format!(
            "AGE-SECRET-KEY-1{}",
            chars(random, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)
        )
    }),
    ("WireGuard", |random| {
        format!("PrivateKey = {}", base64(random, 32))
    }),
    ("WireGuard in Nix", |random| {
        format!("privateKey = \"{}\";", base64(random, 32))
    }),
    ("WireGuard, shared", |random| {
        format!("PresharedKey = {}", base64(random, 32))
    }),
    ("minisign", |random| {
        format!("RWRTY0Iy{}", base64(random, 150))
    }),
    ("Nix cache", |random| {
        format!("cache.example.org-1:{}", {
            let mut key = bytes(random, 63);
            key.push(random.u8(17..));
            BASE64.encode(&key)
        })
    }),
    ("Nix cache, named", |random| {
        format!("secret-key = cache-1:{}", base64(random, 64))
    }),
    ("JWK of RSA", |random| {
        format!(
            "{{\"kty\": \"RSA\", \"n\": \"x\", \"d\": \"{}\"}}",
            BASE64URL_NOPAD.encode(&bytes(random, 256))
        )
    }),
    ("JWK, symmetric", |random| {
        format!(
            "{{\"kty\":\"oct\",\"k\":\"{}\"}}",
            BASE64URL_NOPAD.encode(&bytes(random, 32))
        )
    }),
    ("Matrix' server", |random| {
        format!(
            "ed25519 a_{} {}",
            word(random, 4),
            BASE64_NOPAD.encode(&bytes(random, 32))
        )
    }),
    ("JWT", web_token),
    ("JWT in base64", |random| {
        BASE64.encode(web_token(random).as_bytes())
    }),
    ("PyPI", |random| {
        format!("pypi-AgEIcHlwaS5vcmc{}", word(random, 80))
    }),
    ("Vault", |random| format!("hvs.{}", word(random, 91))),
    ("Vault, short", |random| format!("hvs.{}", word(random, 24))),
    ("k3s server", |random| {
        format!(
            "K10{}::server:{}",
            chars(random, HEX, 64),
            chars(random, HEX, 32)
        )
    }),
    ("k3s agent", |random| {
        format!(
            "K10{}::node:{}",
            chars(random, HEX, 64),
            chars(random, HEX, 32)
        )
    }),
    ("Coder session", |random| {
        format!(
            "CODER_SESSION_TOKEN={}-{}",
            word(random, 10),
            word(random, 22)
        )
    }),
    ("Coder header", |random| {
        format!(
            "Coder-Session-Token: {}-{}",
            word(random, 10),
            word(random, 22)
        )
    }),
    ("Docker's config.json", |random| {
        let login = format!("robot:{}", word(random, 20));
        format!(
            "{{\"auths\": {{\"ghcr.io\": {{\"auth\": \"{}\"}}}}}}",
            BASE64.encode(login.as_bytes())
        )
    }),
    ("dockerconfigjson", |random| {
        let login = format!(
            "{{\"auths\":{{\"ghcr.io\":{{\"auth\":\"{}\"}}}}}}",
            word(random, 40)
        );
        BASE64.encode(login.as_bytes())
    }),
    ("Docker Hub", |random| {
        format!("dckr_pat_{}", word(random, 27))
    }),
    ("Tailscale", |random| {
        format!("tskey-auth-{}CNTRL-{}", word(random, 9), word(random, 32))
    }),
    ("OpenAI, old", |random| format!("sk-{}", word(random, 48))),
    ("OpenRouter", |random| {
        format!("sk-or-v1-{}", chars(random, HEX, 64))
    }),
    ("Stripe's webhook", |random| {
        format!("whsec_{}", word(random, 32))
    }),
    (".aws/credentials", |random| {
        format!(
            "[default]\naws_access_key_id = x\naws_secret_access_key = {}\n",
            word(random, 40)
        )
    }),
    ("Google's client", |random| {
        format!("GOCSPX-{}", word(random, 28))
    }),
    ("Azure's storage", |random| {
        format!(
            "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={}",
            base64(random, 64)
        )
    }),
    ("crates.io", |random| format!("cio{}", word(random, 32))),
    ("Matrix", |random| {
        format!(
            "syt_{}_{}_{}",
            word(random, 8),
            chars(random, LOWER, 20),
            word(random, 6)
        )
    }),
    ("Discord's webhook", |random| {
        format!(
            "https://discord.com/api/webhooks/{}/{}",
            chars(random, DIGITS, 18),
            word(random, 68)
        )
    }),
    ("Telegram", |random| {
        format!("1{}:AA{}", chars(random, DIGITS, 9), word(random, 33))
    }),
    (".npmrc", |random| {
        format!("//registry.npmjs.org/:_authToken={}", word(random, 36))
    }),
    ("TOTP", |random| {
        format!(
            "otpauth://totp/a?secret={}&issuer=b",
            chars(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32)
        )
    }),
    ("password in a URL", |random| {
        format!("postgres://app:{}7x@db.internal/app", word(random, 12))
    }),
    ("yescrypt", |random| {
        format!("$y$j9T${}${}", word(random, 22), word(random, 43))
    }),
    ("SHA-512 crypt", |random| {
        format!("$6${}${}", word(random, 16), word(random, 86))
    }),
    ("bcrypt", |random| format!("$2b$12${}", word(random, 53))),
    ("Argon2", |random| {
        format!(
            "$argon2id$v=19$m=65536,t=3,p=4${}${}",
            word(random, 22),
            word(random, 43)
        )
    }),
    ("htpasswd", |random| {
        format!("x:$apr1${}${}", word(random, 8), word(random, 22))
    }),
    ("SCRAM", |random| {
        format!(
            "SCRAM-SHA-256$4096:{}${}:{}",
            base64(random, 16),
            base64(random, 32),
            base64(random, 32)
        )
    }),
];

/// The texts of every kind.
fn kinds() -> BTreeMap<String, Vec<String>> {
    let mut random = Rng::with_seed(14);
    let rules = gitleaks::as_written().into_iter();
    let mut kinds: BTreeMap<String, Vec<String>> = rules
        .map(|(id, pattern, entropy, words)| (id, made(&pattern, entropy, &words, &mut random)))
        .collect();
    for (name, make) in KINDS {
        let texts = (0..VALUES).map(|_| make(&mut random)).collect();
        kinds.insert((*name).to_owned(), texts);
    }
    kinds
}

/// `text` in a string of JSON, by a writer that escapes all that it may.
fn in_json(text: &str) -> String {
    let mut json = String::new();
    for character in text.chars() {
        match character {
            '\n' => json.push_str("\\n"),
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '/' => json.push_str("\\/"),
            '-' | '+' | '=' | '<' | '>' | '&' | '\'' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => json.push(other),
        }
    }
    json
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

/// The ways in which a file can have `text`: what it is called here, and the file.
fn files(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let line = format!("some words\n{text}\nmore words\n");
    let plain = |text: String| text.into_bytes();
    vec![
        ("a line", plain(line.clone())),
        ("the end", plain(text.to_owned())),
        ("after words", plain(format!("it is {text} since\n"))),
        ("a comment of #", plain(format!("#{text}\n"))),
        ("a comment of //", plain(format!("//{text}\n"))),
        ("a comment of /* */", plain(format!("/*{text}*/\n"))),
        ("a comment of <!-- -->", plain(format!("<!-- {text} -->\n"))),
        ("after _", plain(format!("X_{text}\n"))),
        ("after %20", plain(format!("x%20{text}\n"))),
        ("JSON", plain(format!("{{\"x\": \"{}\"}}\n", in_json(text)))),
        (
            "JSON, behind an escape",
            plain(format!("{{\"x\": \"a\\n{}\\n\"}}\n", in_json(text))),
        ),
        (
            "binary",
            [b"\x7fELF\x02\0\0\0\xff", text.as_bytes(), b"\0\0\x01"].concat(),
        ),
        (
            "UTF-16, small end first",
            [b"\xff\xfe".as_slice(), &utf16(&line, u16::to_le_bytes)].concat(),
        ),
        (
            "UTF-16, big end first",
            [b"\xfe\xff".as_slice(), &utf16(&line, u16::to_be_bytes)].concat(),
        ),
        (
            "UTF-16, small end first, no mark",
            utf16(&line, u16::to_le_bytes),
        ),
        (
            "UTF-16, big end first, no mark",
            utf16(&line, u16::to_be_bytes),
        ),
        (
            "UTF-16 in binary",
            [
                b"\x7fELF\x02\0\xff".as_slice(),
                &utf16(text, u16::to_le_bytes),
                b"\0\x01\x02",
            ]
            .concat(),
        ),
    ]
}

fn found(path: &str, content: &[u8]) -> Vec<Found> {
    of_content(Path::new(path), content, content.len() as u64)
}

/// Every kind, in every way: a kind counts as found only where each of its values is, in each
/// way.
#[test]
fn planted_kinds_are_found() {
    let kinds = kinds();
    let mut missed = BTreeMap::new();
    let mut files_made = 0;
    for (kind, texts) in &kinds {
        for text in texts {
            for (way, file) in files(text) {
                files_made += 1;
                if found("notes", &file).is_empty() {
                    missed.entry(kind).or_insert((0, way, text)).0 += 1;
                }
            }
        }
    }
    for (kind, (times, way, text)) in &missed {
        println!("missed {times} times: {kind}, first in {way}: {text}");
    }
    let (all, found) = (kinds.len(), kinds.len() - missed.len());
    println!("planted: {found} of {all} kinds are found, in {files_made} files");
    assert!(all >= 161, "{all} kinds");
    assert!(
        found * 100 >= all * FOUND_OF_HUNDRED,
        "{found} of {all} kinds"
    );
    // What a finding says is short, and of the value no more than its beginning.
    assert!(of_path(Path::new("notes")).is_none());
}
