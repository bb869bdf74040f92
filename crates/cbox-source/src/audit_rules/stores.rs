//! Stores of keys: files in binary formats that hold keys or passwords, told by how they begin.

use memchr::memmem;

use super::Finding;

/// What follows the head of the sequence in a key of RFC 5208 (PKCS #8), 8017 (PKCS #1) and
/// 5915: the version, and then an algorithm, a number or the key itself.
const DER_KEYS: [&[u8]; 6] = [
    b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
    b"\x02\x01\x00\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
    b"\x02\x01\x00\x30\x05\x06\x03\x2b\x65",
    b"\x02\x01\x00\x02\x82",
    b"\x02\x01\x00\x02\x81",
    b"\x02\x01\x01\x04\x20",
];

/// The algorithm of a key that is encrypted by a password (RFC 8018, PBES2).
const ENCRYPTED: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";

/// What follows it in RFC 7292 (PKCS #12): version 3, and then a sequence that begins with the
/// type of what is protected.
const PKCS12: &[u8] = b"\x02\x01\x03\x30";
const PKCS7_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";

/// What is in a bag of keys there (appendix D), as it is or encrypted; the last byte is left
/// out. A store of certificates has none.
const KEY_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01";

/// What the file that begins with `head` is, if it is one.
pub(super) fn find(head: &[u8]) -> Option<(Finding, &'static str)> {
    let store = |what| Some((Finding::KeyStore, what));
    if head.starts_with(b"\x03\xd9\xa2\x9a") && matches!(head.get(4), Some(0x65..=0x67)) {
        return store("a database of KeePass");
    }
    if head.starts_with(b"\xfe\xed\xfe\xed") || head.starts_with(b"\xce\xce\xce\xce") {
        // The version, how many entries, and the kind of the first: 2 is a certificate.
        let has_key = matches!(
            head.get(4..16),
            Some([0, 0, 0, 1 | 2, _, _, _, _, 0, 0, 0, 1 | 3])
        );
        return has_key.then_some((Finding::KeyStore, "a key store of Java"));
    }
    if is_keytab(head) {
        return store("a keytab of Kerberos");
    }
    if is_openpgp(head) {
        return Some((Finding::PrivateKey, "a key of OpenPGP"));
    }
    let inside = in_sequence(head)?;
    let is_encrypted = || in_sequence(inside).is_some_and(|it| it.starts_with(ENCRYPTED));
    if DER_KEYS.iter().any(|begin| inside.starts_with(begin)) || is_encrypted() {
        return Some((Finding::PrivateKey, "a private key"));
    }
    let is_pkcs12 = inside.starts_with(PKCS12)
        && memmem::find(&inside[..inside.len().min(24)], PKCS7_DATA).is_some()
        && memmem::find_iter(inside, KEY_BAG)
            .any(|at| matches!(inside.get(at + KEY_BAG.len()), Some(1 | 2)));
    is_pkcs12.then_some((Finding::KeyStore, "keys in PKCS #12"))
}

/// What is in the sequence of DER or BER that `head` begins with.
fn in_sequence(head: &[u8]) -> Option<&[u8]> {
    let length = match *head.get(1)? {
        0..=0x80 => 0,
        long @ 0x81..=0x83 => usize::from(long & 3),
        _ => return None,
    };
    (head[0] == 0x30).then(|| head.get(2 + length..)).flatten()
}

/// Whether it begins with a secret key of OpenPGP (RFC 4880, 5.5.3), and then with whose it is.
fn is_openpgp(head: &[u8]) -> bool {
    let (length, inside) = match *head {
        [0x95, high, low, ref inside @ ..] => (usize::from(high) << 8 | usize::from(low), inside),
        [0x94 | 0xc5, length, ref inside @ ..] if length < 192 => (usize::from(length), inside),
        [0xc5, high @ 192..=223, low, ref inside @ ..] => {
            let length = (usize::from(high) - 192) * 256 + usize::from(low) + 192;
            (length, inside)
        }
        _ => return false,
    };
    let is_user = matches!(inside.get(length), Some(0xb4 | 0xb5 | 0xcd));
    matches!(inside.first(), Some(4..=6)) && is_user
}

/// Whether it is a keytab: the version, and then an entry whose length fits the lengths of the
/// names in it.
fn is_keytab(head: &[u8]) -> bool {
    let number = |at: usize| {
        let bytes = head.get(at..at + 2)?;
        Some(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    };
    let fits = || {
        let (high, length) = (number(2)?, number(4)?);
        let (names, realm) = (number(6)?, number(8)?);
        let realm_text = head.get(10..10 + realm)?;
        let is_text = realm > 0 && realm_text.iter().all(u8::is_ascii_graphic);
        Some(high == 0 && length > realm + 8 && (1..=4).contains(&names) && is_text)
    };
    head.starts_with(&[5, 2]) && fits().unwrap_or(false)
}
