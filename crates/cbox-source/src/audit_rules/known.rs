//! Marks of our own: keys, what The Box makes itself, hashes of passwords, files of state, and
//! services that gitleaks does not know or knows less well.
//!
//! Where the forms come from: RFC 7468 and 4880 (armour), 7517 (JWK) and 7519 (JWT), crypt(5),
//! the documentation of age, PuTTY, minisign, WireGuard, Nix, k3s and Coder, and what each
//! service publishes for scanners of secrets.

use super::{
    Finding,
    marks::{Rule, follows_digit},
    values::{
        is_base64_of_key, is_base64_of_login, is_base64_of_web_token, is_dense, is_no_signature,
        is_password_in_url, is_random, is_web_token,
    },
};

/// One of the marks; [`Rule`] says what its fields are.
struct Mark {
    finding: Finding,
    what: &'static str,
    words: &'static [&'static str],
    pattern: &'static str,
    before: usize,
    in_name: bool,
    is_candidate: fn(&[u8], usize) -> bool,
    is_value: fn(&[u8]) -> bool,
    beside: &'static [&'static str],
    tells_file: bool,
}

const fn mark(
    finding: Finding,
    what: &'static str,
    words: &'static [&'static str],
    pattern: &'static str,
) -> Mark {
    Mark {
        finding,
        what,
        words,
        pattern,
        before: 0,
        in_name: false,
        is_candidate: |_, _| true,
        is_value: |_| true,
        beside: &[],
        tells_file: false,
    }
}

const fn key(what: &'static str, words: &'static [&'static str], pattern: &'static str) -> Mark {
    mark(Finding::PrivateKey, what, words, pattern)
}

const fn token(what: &'static str, words: &'static [&'static str], pattern: &'static str) -> Mark {
    mark(Finding::Token, what, words, pattern)
}

const fn hash(words: &'static [&'static str], pattern: &'static str) -> Mark {
    mark(
        Finding::PasswordHash,
        "the hash of a password",
        words,
        pattern,
    )
}

impl Mark {
    /// The value is only meant if this holds of it.
    const fn if_value(mut self, is_value: fn(&[u8]) -> bool) -> Self {
        self.is_value = is_value;
        self
    }

    /// The pattern is only tried if this holds of the text and the place of the word.
    const fn if_candidate(mut self, is_candidate: fn(&[u8], usize) -> bool) -> Self {
        self.is_candidate = is_candidate;
        self
    }

    /// So many bytes of it can stand before the word.
    const fn reaching_back(mut self, before: usize) -> Self {
        self.before = before;
        self
    }

    /// The word is a name that may be a part of a longer one.
    const fn in_name(mut self) -> Self {
        self.in_name = true;
        self
    }

    /// All of these have to be in the text as well.
    const fn beside(mut self, beside: &'static [&'static str]) -> Self {
        self.beside = beside;
        self
    }

    /// It tells what the file is, and has no value.
    const fn tells_file(mut self) -> Self {
        self.tells_file = true;
        self
    }
}

const KEYS: &[Mark] = &[
    key(
        "a private key",
        &["-----BEGIN ", "---- BEGIN "],
        // Behind the first line come headers at most, and then the key.
        concat!(
            r"-----? ?BEGIN (?:[A-Z0-9]+ )*(?:PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1) ?-?----",
            r#"(?:(?:\s|\\+[nr]|["'+,#*/;])*[A-Z][A-Za-z-]*: [^\n\\]{0,200}){0,8}"#,
            r#"(?:\s|\\+[nr]|["'+,#*/;])*([A-Za-z0-9+/]{24,}={0,2})"#,
        ),
    ),
    key(
        "a private key in base64",
        &["LS0tLS1CRUdJTi"],
        r"(LS0tLS1CRUdJTi[A-Za-z0-9+/]{60,}={0,2})",
    )
    .if_value(is_base64_of_key),
    key(
        "an age key",
        &["AGE-SECRET-KEY-"],
        r"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{50,}",
    ),
    key(
        "a PuTTY key",
        &["PuTTY-User-Key-File-"],
        r"PuTTY-User-Key-File-[123]: [a-z0-9-]+",
    )
    .beside(&["Private-Lines: "])
    .tells_file(),
    key(
        "a WireGuard key",
        &["privatekey", "private_key", "private-key"],
        r#"(?i:private[_-]?key)\\?["']?\s*(?:[:=]>?|=\\)\s*\\?["']{0,2}([A-Za-z0-9+/]{43}=)(?:[^A-Za-z0-9+/=]|$)"#,
    )
    .in_name()
    .if_value(is_dense),
    key(
        "a key that WireGuard's peers share",
        &["presharedkey", "preshared_key", "preshared-key"],
        r#"(?i:preshared[_-]?key)\\?["']?\s*[:=]>?\s*\\?["']{0,2}([A-Za-z0-9+/]{43}=)(?:[^A-Za-z0-9+/=]|$)"#,
    )
    .in_name()
    .if_value(is_dense),
    // Behind the name is a seed with its public half: as long as a signature, which is no
    // secret and is told by its last byte, unless the line says what it is.
    key(
        "a key that signs for a binary cache",
        &["=="],
        r"\b[A-Za-z0-9][A-Za-z0-9._-]{0,62}:([A-Za-z0-9+/]{86}==)",
    )
    .reaching_back(150)
    .if_candidate(ends_64_bytes)
    .if_value(is_no_signature),
    key(
        "a key that signs for a binary cache",
        &["=="],
        r"(?i:key|secret|private)[^\n]{0,24}?[^A-Za-z0-9._-][A-Za-z0-9][A-Za-z0-9._-]{0,62}:([A-Za-z0-9+/]{86}==)",
    )
    .reaching_back(184)
    .if_candidate(ends_64_bytes),
    key(
        "a minisign or signify key",
        &["RWRTY0Iy", "RWRCSw"],
        r"(?:RWRTY0Iy|RWRCSw)[A-Za-z0-9+/]{60,}={0,2}",
    ),
    key(
        "a private web key (JWK)",
        &["\"d\""],
        r#""d"\s*:\s*"([A-Za-z0-9_-]{32,})""#,
    )
    .beside(&["\"kty\""]),
    key(
        "a private web key (JWK)",
        &["\"k\""],
        r#""k"\s*:\s*"([A-Za-z0-9_-]{22,})""#,
    )
    .beside(&["\"kty\"", "\"oct\""]),
    key(
        "a key of Matrix' server",
        &["ed25519 a_"],
        r"ed25519 a_[A-Za-z0-9]{4,6} ([A-Za-z0-9+/]{43})\b",
    ),
    key(
        "a key of an onion service",
        &["== ed25519v1-secret: type0 =="],
        "== ed25519v1-secret: type0 ==",
    )
    .tells_file(),
    key(
        "a key of GnuPG",
        &["private-key (", "private-key("],
        // As it is kept: with numbers, which a program that writes such keys does not have.
        concat!(
            r"private-key(?:\(\d:[a-z]{3,4}\((?:5:curve\d+:[A-Za-z0-9-]+\)\()?(?:5:flags\d+:[a-z]+\)\()?\d:[a-z]\d+:",
            r"|\s\([a-z]{3,4}\s*(?:\([a-z]+ [A-Za-z0-9-]+\)\s*)*\([a-z]\s*#[0-9A-F]{16})",
        ),
    ),
];

const TOKENS: &[Mark] = &[
    token(
        "a JSON web token",
        &["eyJ"],
        r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}",
    )
    .if_value(is_web_token),
    token(
        "a JSON web token in base64",
        &["ZXlK"],
        r"ZXlK[A-Za-z0-9+/]{60,}={0,2}",
    )
    .if_value(is_base64_of_web_token),
    token(
        "a PyPI token",
        &["pypi-AgE"],
        r"pypi-AgE[A-Za-z0-9_-]{50,}",
    ),
    token(
        "a token of k3s",
        &["K10"],
        r"K10[0-9a-f]{48,64}::[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)?",
    ),
    token(
        "a session token of Coder",
        &["coder"],
        r#"(?i:coder)[A-Za-z0-9_. -]{0,24}?(?i:token|session)\\?["']?\s*(?:[:=]>?|,)?\s*\\?["']{0,2}([A-Za-z0-9]{10}-[A-Za-z0-9]{22})(?:[^A-Za-z0-9-]|$)"#,
    )
    .in_name()
    .if_value(is_dense),
    token(
        "a login for a registry of containers",
        &["\"auth\""],
        r#""auth"\s*:\s*"([A-Za-z0-9+/]{8,}={0,2})""#,
    )
    .if_value(is_base64_of_login),
    token(
        "a login for a registry of containers",
        &["eyJhdXRocyI6"],
        r"(?-i:eyJhdXRocyI6)[A-Za-z0-9+/]{40,}={0,2}",
    ),
    token(
        "a Docker Hub token",
        &["dckr_pat_", "dckr_oat_"],
        r"dckr_[po]at_[A-Za-z0-9_-]{20,}",
    ),
    token(
        "a Vault token",
        &["hvs.", "hvb.", "hvr."],
        r"hv[sbr]\.[A-Za-z0-9_-]{20,}",
    ),
    token(
        "a Tailscale key",
        &["tskey-"],
        r"tskey-[A-Za-z0-9-]{20,}",
    ),
    token(
        "a secret key of an API",
        &["sk-"],
        r"sk-(?:[a-z0-9]+-){0,3}[A-Za-z0-9_-]{32,}",
    )
    .if_value(is_random),
    token(
        "a secret of a webhook",
        &["whsec_"],
        r"whsec_[A-Za-z0-9+/]{24,}={0,2}",
    ),
    token(
        "an AWS secret key",
        &["aws_secret", "aws-secret", "awssecret", "secret_access_key", "secretaccesskey"],
        r#"(?i:(?:aws[_-]?)?secret[_-]?(?:access[_-]?)?key)\\?["']?\s*(?:[:=]>?|,)\s*\\?["']{0,2}([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
    )
    .in_name()
    .if_value(is_dense),
    token(
        "an AWS access key",
        &["bedrock-api-key-"],
        r"bedrock-api-key-[A-Za-z0-9+/]{60,}={0,2}",
    ),
    token(
        "a Google secret",
        &["GOCSPX-"],
        r"GOCSPX-[A-Za-z0-9_-]{28}",
    ),
    token(
        "a Google token",
        &["ya29."],
        r"ya29\.[A-Za-z0-9_-]{40,}",
    ),
    token(
        "a key of Azure's storage",
        &["AccountKey"],
        r"(?i:AccountKey)\s*=\s*([A-Za-z0-9+/]{86}==)",
    ),
    token(
        "a crates.io token",
        &["cio"],
        r"cio[A-Za-z0-9]{32}\b",
    )
    .if_value(is_random),
    token(
        "a Matrix token",
        &["syt_"],
        r"syt_[A-Za-z0-9+/=-]+_[A-Za-z]{20}_[A-Za-z0-9]{6}\b",
    ),
    token(
        "a Discord webhook",
        &["/api/webhooks/"],
        r"/api/webhooks/\d{15,}/([A-Za-z0-9_-]{60,})",
    ),
    token(
        "a Telegram token",
        &[":AA"],
        r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b",
    )
    .reaching_back(10)
    .if_candidate(follows_digit),
    token(
        "an npm token",
        &["_authToken", "_auth", "_password"],
        r#"_(?:authToken|auth|password)\s*=\s*["']?([A-Za-z0-9._/+=-]{16,})"#,
    )
    .if_candidate(|text, at| text[..at].ends_with(b":")),
    token(
        "a secret of one-time passwords",
        &["otpauth://"],
        r#"otpauth://[^\s"'<>]{0,300}?secret=([A-Za-z2-7]{16,})"#,
    ),
    mark(
        Finding::Secret,
        "a password in a URL",
        &["://"],
        r#"://[^\s:/@"'<>`\\{}$?#]*:([^\s/@"'<>`\\]{4,}?)@[A-Za-z0-9\[_$%{-]"#,
    )
    .if_value(is_password_in_url),
];

const HASHES: &[Mark] = &[
    hash(
        &[
            "$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$2a$", "$2b$", "$2x$", "$2y$", "$apr1$",
        ],
        concat!(
            r"\$(?:(?:1|apr1)\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}",
            r"|5\$(?:rounds=\d+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{43}",
            r"|6\$(?:rounds=\d+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}",
            r"|7\$[./0-9A-Za-z]{11,97}\$[./0-9A-Za-z]{43}",
            r"|g?y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43}",
            r"|2[abxy]\$\d\d\$[./0-9A-Za-z]{53})",
        ),
    ),
    hash(
        &["$argon2"],
        r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[+/0-9A-Za-z]{11,}\$[+/0-9A-Za-z]{22,}",
    ),
    hash(
        &["SCRAM-SHA-256$"],
        r"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]{16,}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=",
    ),
    hash(
        &["pbkdf2"],
        r"pbkdf2[_:-]sha\d+\$(?:\d+\$)[^$\s]{1,64}\$[A-Za-z0-9+/.]{24,}={0,2}",
    )
    .in_name(),
    hash(
        &["{SSHA", "{SHA"],
        r"\{S?SHA(?:256|384|512)?\}[A-Za-z0-9+/]{27,}={0,2}",
    ),
];

const FILES: &[Mark] = &[
    mark(
        Finding::TerraformState,
        "the state of Terraform",
        &["\"terraform_version\""],
        r#""terraform_version"\s*:"#,
    )
    .beside(&["\"lineage\"", "\"serial\"", "\"resources\""])
    .tells_file(),
    mark(
        Finding::Kubeconfig,
        "the way into a Kubernetes cluster",
        &["kind: Config", "\"kind\": \"Config\""],
        r#"(?:kind: "?Config"?[ \t\r]*(?:\n|$)|"kind": "Config")"#,
    )
    .beside(&["clusters", "users", "contexts"])
    .tells_file(),
];

/// Whether `=` at `at` can end 64 bytes in base64, behind a colon.
fn ends_64_bytes(text: &[u8], at: usize) -> bool {
    let colon = at.checked_sub(87).map(|colon| text[colon]);
    colon == Some(b':') && text[at - 1] != b'='
}

/// All of them.
pub(super) fn rules() -> Vec<Rule> {
    let marks = [KEYS, TOKENS, HASHES, FILES].into_iter().flatten();
    marks.map(Mark::rule).collect()
}

impl Mark {
    fn rule(&self) -> Rule {
        Rule {
            finding: self.finding,
            what: self.what.to_owned(),
            words: self.words.iter().map(|&word| word.to_owned()).collect(),
            before: self.before,
            in_name: self.in_name,
            pattern: self.pattern.to_owned(),
            group: 1,
            is_candidate: self.is_candidate,
            is_value: self.is_value,
            beside: self.beside,
            tells_file: self.tells_file,
            ..Rule::default()
        }
    }
}
