//! What tells a secret value from a word, a path or an example.

use super::views::unescaped;

/// What stands in values that are examples, in lower case.
const EXAMPLES: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "dummy",
    "redacted",
    "sample",
    "your",
    "todo",
    "xxxx",
    "abcdef",
    "012345",
    "123456",
    "....",
    "****",
];

/// The fewest characters of a value that is random.
const SHORTEST: usize = 16;

/// The most characters of a value: what is longer is data.
const LONGEST: usize = 4096;

/// The fewest characters in a row, of which some are digits, in a value that is random.
const SHORTEST_RUN: usize = 12;

/// The least entropy of a value that is random, in bits for each character. Sixteen random
/// hexadecimal digits have 3.3 on average, words of a language 3 and less.
const LEAST_ENTROPY: f64 = 3.0;

/// What stands in a value that has the form of a token and is none, in lower case.
const NO_TOKENS: &[&str] = &[
    "example",
    "placeholder",
    "redacted",
    "xxxx",
    "....",
    "****",
    "abcdefghijklmnopqrstuvwxyz",
];

/// Whether `value` is obviously not meant to be one.
fn is_example(value: &[u8]) -> bool {
    holds(value, EXAMPLES)
}

/// Whether `value`, which has the very form of a token, is obviously none all the same. Rows
/// of letters or digits do not make it an example.
pub(super) fn is_no_token(value: &[u8]) -> bool {
    holds(value, NO_TOKENS)
}

fn holds(value: &[u8], words: &[&str]) -> bool {
    let text = String::from_utf8_lossy(value).to_lowercase();
    words.iter().any(|word| text.contains(word)) || entropy(value) < 2.5
}

/// Whether `value` looks as if it was made by a machine to be secret: no word, path, name,
/// interpolation or hash, and nothing that anybody may know.
pub(super) fn is_random(value: &[u8]) -> bool {
    let is_written = value.iter().all(u8::is_ascii_graphic)
        && !value
            .iter()
            .any(|byte| matches!(byte, b'{' | b'}' | b'<' | b'>' | b'(' | b')' | b'\\'));
    let is_path = value.starts_with(b"/") || value.starts_with(b".") || value.starts_with(b"~/");
    let is_reference = value.starts_with(b"$") || contains(value, b"://");
    (SHORTEST..=LONGEST).contains(&value.len())
        && is_written
        && !is_path
        && !is_reference
        && !is_public(value)
        && has_random_run(value)
        && entropy(value) >= LEAST_ENTROPY
        && !is_example(value)
}

/// Whether `value`, which has the very form of a key, is no example.
pub(super) fn is_dense(value: &[u8]) -> bool {
    entropy(value) >= 3.5 && !is_example(value)
}

/// Whether anybody may know `value`: it is a hash, an identifier, a place that another text is
/// put in, a public key, or encrypted.
fn is_public(value: &[u8]) -> bool {
    let hashes: [&[u8]; 5] = [b"sha1", b"sha256", b"sha384", b"sha512", b"md5"];
    let is_hash = hashes.iter().any(|name| {
        let rest = value.strip_prefix(*name);
        rest.is_some_and(|rest| rest.starts_with(b"-") || rest.starts_with(b":"))
    });
    // Keys of age, ssh and Stripe, what sops and Ansible encrypt.
    let begins: [&[u8]; 7] = [
        b"age1",
        b"ssh-",
        b"pk_live_",
        b"pk_test_",
        b"ENC[",
        b"$ANSIBLE_VAULT",
        b"vault:v",
    ];
    // What is replaced when the file is used.
    let is_place =
        matches!(value.first(), Some(b'#' | b'@' | b'%')) && value.first() == value.last();
    // What SealedSecrets encrypt for a cluster begins with a key encrypted by RSA.
    let is_sealed = value.starts_with(b"Ag") && value.len() > 600;
    is_hash
        || begins.iter().any(|begin| value.starts_with(begin))
        || is_place
        || is_sealed
        || is_uuid(value)
}

/// Whether it is a UUID: eight, three times four and twelve hexadecimal digits.
fn is_uuid(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|&byte| byte == b'-').collect();
    parts.len() == 5
        && parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.concat().iter().all(u8::is_ascii_hexdigit)
}

/// Whether `value` is the identifier or the fingerprint of an OpenPGP key.
pub(super) fn is_key_id(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"0x").unwrap_or(value);
    matches!(digits.len(), 8 | 16 | 40) && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Whether `value` is what S3 calls an access key: the identifier of a key, of twenty capitals
/// and digits, or as Garage makes it.
pub(super) fn is_access_key_id(value: &[u8]) -> bool {
    let is_capital = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let of_garage = value.strip_prefix(b"GK").filter(|rest| rest.len() == 24);
    (value.len() == 20 && value.iter().all(is_capital))
        || of_garage.is_some_and(|rest| rest.iter().all(u8::is_ascii_hexdigit))
}

/// Whether `value` is signed: the example that everybody shows of a web token does not count.
pub(super) fn is_web_token(value: &[u8]) -> bool {
    !contains(value, b"eyJzdWIiOiIxMjM0NTY3ODkwI")
}

/// Whether base64 of a web token is what `value` is.
pub(super) fn is_base64_of_web_token(value: &[u8]) -> bool {
    let text = decoded(value);
    text.starts_with(b"eyJ") && contains(&text, b".eyJ") && is_web_token(&text)
}

/// Whether base64 of a private key in its armour is what `value` is.
pub(super) fn is_base64_of_key(value: &[u8]) -> bool {
    let text = decoded(value);
    contains(&text[..text.len().min(64)], b"PRIVATE KEY")
}

/// Whether base64 of a name and a password is what `value` is.
pub(super) fn is_base64_of_login(value: &[u8]) -> bool {
    let text = decoded(value);
    let (name, password) = match memchr::memchr(b':', &text) {
        Some(colon) => (&text[..colon], &text[colon + 1..]),
        None => return false,
    };
    let is_text = text.iter().all(|byte| (b' '..=b'~').contains(byte));
    is_text && !name.is_empty() && !password.is_empty() && !is_placeholder(password)
}

/// Whether `value`, 64 bytes in base64, is no signature of Ed25519: the last byte of one is at
/// most 16 (RFC 8032, 5.1.7), the last byte of a key is any.
pub(super) fn is_no_signature(value: &[u8]) -> bool {
    decoded(value).last().is_some_and(|last| *last > 16)
}

/// The bytes that `value` is base64 of, as far as it is.
fn decoded(value: &[u8]) -> Vec<u8> {
    let end = value.iter().position(|&byte| byte == b'=');
    let digits = &value[..end.unwrap_or(value.len())];
    // Cut short it can be in the middle of a byte.
    let digits = &digits[..digits.len() - usize::from(digits.len() % 4 == 1)];
    let mut base64 = data_encoding::Specification::new();
    base64
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    base64.check_trailing_bits = false;
    let decoder = base64.encoding();
    decoder
        .map(|it| it.decode(digits).unwrap_or_default())
        .unwrap_or_default()
}

/// Whether `value` is a password that a URL has, and no word for one.
pub(super) fn is_password_in_url(value: &[u8]) -> bool {
    let unescaped = unescaped(value);
    let value = unescaped.as_deref().unwrap_or(value);
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    let is_version = value
        .iter()
        .all(|byte| byte.is_ascii_digit() || b".v-".contains(byte));
    (6..=LONGEST).contains(&value.len())
        && value.iter().all(u8::is_ascii_graphic)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !has(|byte| b"$<>{}()*".contains(byte))
        && !value.starts_with(b"%")
        && !is_version
        && !is_placeholder(value)
        && !is_example(value)
}

/// Whether `value` is a word for a password and not one.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "example",
        "username",
        "changeme",
        "pass",
        "pwd",
        "test",
        "user",
        "pw",
    ];
    let text = String::from_utf8_lossy(value).to_lowercase();
    let word = text.trim_end_matches(|end: char| !end.is_alphabetic());
    // The long ones tell in any place, the short ones alone.
    WORDS[..8].iter().any(|long| word.contains(long)) || WORDS.contains(&word)
}

/// Whether there is a long run of letters and digits that are mixed.
fn has_random_run(value: &[u8]) -> bool {
    value
        .split(|byte| !byte.is_ascii_alphanumeric())
        .any(|run| run.len() >= SHORTEST_RUN && is_mixed(run))
}

/// Whether letters and digits are mixed as no name has it: with two changes between them.
pub(super) fn is_mixed(value: &[u8]) -> bool {
    let is_change = |pair: &&[u8]| pair[0].is_ascii_digit() != pair[1].is_ascii_digit();
    value.windows(2).filter(is_change).count() >= 2
}

/// Shannon's entropy of the bytes, in bits for each.
pub(super) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in value {
        counts[usize::from(byte)] += 1;
    }
    let length = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|&count| {
            let share = f64::from(count) / length;
            -share * share.log2()
        })
        .sum()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
