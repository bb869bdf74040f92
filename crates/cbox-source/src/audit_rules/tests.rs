//! Each rule on what it finds, and on what only looks like it.
//!
//! What would be found is put together here, so that no search for secrets, this one
//! included, finds it in this file.

use std::path::Path;

use super::{Finding, Found, LARGEST, bare_repositories, marks, of_content, of_path, whole};

/// `length` characters of `alphabet` that look random and are the same each time.
fn random(alphabet: &str, length: usize) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        alphabet[(state >> 33) as usize % alphabet.len()]
    };
    (0..length).map(|_| next()).collect()
}

const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn word(length: usize) -> String {
    random(WORD, length)
}

fn found(path: &str, content: &str) -> Vec<Found> {
    of_content(Path::new(path), content.as_bytes(), content.len() as u64)
}

#[track_caller]
fn finds(finding: Finding, path: &str, content: &str) {
    let findings: Vec<Finding> = found(path, content).iter().map(|it| it.finding).collect();
    assert_eq!(findings, [finding], "{path}: {content}");
}

#[track_caller]
fn is_quiet(path: &str, content: &str) {
    assert_eq!(found(path, content), [], "{path}: {content}");
}

#[test]
fn the_table_is_sound() {
    assert_eq!(marks::broken(), [""; 0]);
    assert!(whole::is_sound());
    for (finding, name) in Finding::ALL {
        assert_eq!(name.parse(), Ok(finding));
        assert_eq!(finding.name(), name);
    }
    let error = "private-keys".parse::<Finding>().unwrap_err().to_string();
    assert_eq!(error, "`private-keys` is no finding");
}

#[test]
fn private_keys_are_found_in_every_armour() {
    let body = word(64);
    for kind in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        let begin = format!("-----BEGIN {kind}-----");
        finds(Finding::PrivateKey, "id", &format!("{begin}\n{body}\n"));
        finds(
            Finding::PrivateKey,
            "a.json",
            &format!("\"{begin}\\n{body}\\n\""),
        );
        finds(
            Finding::PrivateKey,
            "a.nix",
            &format!("x = ''\n    {begin}\n    {body}\n"),
        );
        finds(
            Finding::PrivateKey,
            "id",
            &format!("{begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\n{body}\n"),
        );
        // Programs look for that line, and texts tell of it.
        is_quiet("a.rs", &format!("text.contains(\"{begin}\")"));
        is_quiet("a.md", &format!("{begin}\n...\n-----END {kind}-----\n"));
    }
    is_quiet("a.pem", &format!("-----BEGIN PUBLIC KEY-----\n{body}\n"));
    is_quiet("a.pem", &format!("-----BEGIN CERTIFICATE-----\n{body}\n"));
}

#[test]
fn other_private_keys_are_found() {
    let age = format!(
        "AGE-SECRET-KEY-1{}",
        random("0234567ACDEFGHJKLMNPQRSTUVWXYZ", 58)
    );
    finds(Finding::PrivateKey, "keys.txt", &age);
    is_quiet(
        "keys.txt",
        &format!("# public key: age1{}", word(58).to_lowercase()),
    );
    is_quiet("a.md", "It begins with AGE-SECRET-KEY-1.");
    let putty = format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{}\n",
        word(48)
    );
    finds(Finding::PrivateKey, "key.ppk", &putty);
    let (kind, number) = ("private-key", random("0123456789ABCDEF", 40));
    for key in [
        format!("Key: ({kind} (ecc (curve Ed25519)(flags eddsa)(q\n  #40{number}#)))"),
        format!("Key: (protected-{kind} (rsa (n #{number}#)))"),
        format!("(21:protected-{kind}(3:rsa(1:n257:\0"),
        format!("(11:{kind}(3:ecc(5:curve7:Ed25519)(5:flags5:eddsa)(1:q33:\0"),
    ] {
        finds(Finding::PrivateKey, "a.key", &key);
    }
    is_quiet(
        "a.c",
        "\"(private-key(rsa(n%m)(e%m)))\", \"(private-key (ecc (curve %s)(q %m)))\"",
    );
    let wireguard = format!("{}=", word(43));
    finds(
        Finding::PrivateKey,
        "wg0.conf",
        &format!("PrivateKey = {wireguard}\n"),
    );
    finds(
        Finding::PrivateKey,
        "a.nix",
        &format!("privateKey = \"{wireguard}\";\n"),
    );
    is_quiet("wg0.conf", &format!("PublicKey = {wireguard}\n"));
    is_quiet("a.nix", &format!("publicKey = \"{wireguard}\";\n"));
    is_quiet("a.nix", "privateKeyFile = \"/run/keys/wireguard\";\n");
}

#[test]
fn tokens_are_found() {
    let tokens = [
        format!("AKIA{}", random("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        format!("ghp_{}", word(36)),
        format!("github_pat_{}_{}", word(22), word(59)),
        format!("glpat-{}", word(20)),
        format!("xoxb-{}-{}", random("0123456789", 12), word(24)),
        format!(
            "hooks.slack.com/services/T{0}/B{0}/{1}",
            random(UPPER, 8),
            word(24)
        ),
        format!("AIza{}", word(35)),
        format!("eyJ{}.eyJ{}.{}", word(20), word(40), word(43)),
        format!("npm_{}", word(36)),
        format!("pypi-AgE{}", word(80)),
        format!(
            "hf_{}",
            random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 34)
        ),
    ];
    for token in &tokens {
        finds(Finding::Token, "notes", &format!("it is {token} since\n"));
        finds(Finding::Token, "a.sh", &format!("X={token}\n"));
        // A part of a longer word, or its beginning alone.
        if token.as_bytes()[0].is_ascii_alphabetic() && !token.starts_with("hooks") {
            is_quiet("notes", &format!("a{token}\n"));
        }
        is_quiet("notes", &format!("{}\n", &token[..8]));
    }
    is_quiet("notes", &format!("ghp_{}\n", "x".repeat(36)));
    is_quiet("notes", "AKIAIOSFODNN7EXAMPLE\n");
}

#[test]
fn a_value_is_told_by_its_beginning_and_length_alone() {
    let token = format!("ghp_{}", word(36));
    let found = found("a", &format!("one\ntwo {token}\n"));
    assert_eq!(found[0].line, Some(2));
    let value = found[0].value.as_ref().unwrap();
    assert_eq!(value.to_string(), "ghp_… (40 characters)");
    let json = serde_json::to_string(&found).unwrap();
    assert!(!json.contains(&token[4..10]), "{json}");
}

#[test]
fn random_values_beside_telling_names_are_found() {
    let secret = word(32);
    for (path, text) in [
        ("a.nix", format!("  services.x.password = \"{secret}\";\n")),
        ("a.nix", format!("  api-token = ''{secret}'';\n")),
        ("a.toml", format!("secret = '{secret}'\n")),
        ("a.yaml", format!("  clientSecret: {secret}\n")),
        ("a.yml", format!("- access_key: \"{secret}\"\n")),
        ("a.json", format!("{{\"PASSWORD\": \"{secret}\"}}\n")),
        ("coder.env", format!("export CODER_TOKEN={secret}\n")),
        (".env.example", format!("KEY='{secret}'\n")),
    ] {
        finds(Finding::Secret, path, &text);
    }
    let told = &found("a.nix", &format!("box.adminPassword = \"{secret}\";"))[0].what;
    assert_eq!(told, "a value for `box.adminPassword`");
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    let hash = word(43);
    for (path, text) in [
        // Not a value.
        (
            "a.nix",
            "password = config.sops.secrets.x1y2z3.path;".to_owned(),
        ),
        (
            "a.nix",
            "passwordFile = \"/run/secrets/coder-admin-1a2b3c4d5e6f\";".to_owned(),
        ),
        (
            "a.nix",
            "token = \"/var/lib/k3s/server/token1a2b3c4d5e6f\";".to_owned(),
        ),
        ("a.nix", "secret = \"${pkgs.x1y2z3a4b5c6d7e8}\";".to_owned()),
        (
            "a.yaml",
            "password: ${PASSWORD_1A2B3C4D5E6F7G8H}".to_owned(),
        ),
        (
            "a.yaml",
            "token: {{ .Values.token1a2b3c4d5e6f }}".to_owned(),
        ),
        ("a.yaml", "token: <your-token-1a2b3c4d5e6f7g8h>".to_owned()),
        // A name.
        (
            "a.yaml",
            "key: node-role.kubernetes.io/control-plane".to_owned(),
        ),
        ("a.yaml", "secret: coder-db-url-production-2024".to_owned()),
        ("a.nix", "key = \"org.kde.plasma.desktop2\";".to_owned()),
        // An example.
        (
            "a.toml",
            "password = \"correct-horse-battery-staple\"".to_owned(),
        ),
        ("a.toml", format!("secret = \"example-{hash}\"")),
        (
            "a.toml",
            "token = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaa1\"".to_owned(),
        ),
        (
            "a.toml",
            "token = \"0123456789abcdef0123456789abcdef\"".to_owned(),
        ),
        // Public.
        (
            "a.nix",
            format!("trusted-public-key = \"cache.x.org-1:{hash}=\";"),
        ),
        ("a.nix", format!("binaryCachePublicKey = \"{hash}=\";")),
        ("a.yaml", format!("key: ssh-ed25519 AAAA{hash}")),
        // A hash.
        ("a.nix", format!("sha256 = \"sha256-{hash}=\";")),
        ("a.nix", format!("key = \"sha256-{hash}=\";")),
        ("flake.lock", format!("\"narHash\": \"sha256-{hash}=\"")),
        (
            "flake.lock",
            format!("\"rev\": \"{}\"", random("0123456789abcdef", 40)),
        ),
        ("a.json", format!("\"key\": \"/nix/store/{}-x\"", word(32))),
        // Encrypted: by sops, SealedSecrets, Ansible and Vault.
        (
            "a.yaml",
            format!("password: ENC[AES256_GCM,data:{hash},iv:{hash}=,tag:{hash}==,type:str]"),
        ),
        (
            "a.json",
            format!("{{\"token\": \"ENC[AES256_GCM,data:{hash},type:str]\"}}"),
        ),
        ("a.env", format!("API_TOKEN=ENC[AES256_GCM,data:{hash}]")),
        ("a.yaml", format!("password: Ag{}", word(900))),
        ("a.yaml", format!("secret: vault:v1:{hash}")),
        // Recipients, fingerprints and other identifiers.
        ("a.yaml", format!("key: age1{}", word(58).to_lowercase())),
        (
            "a.nix",
            format!(
                "programs.git.signing.key = \"{}\";",
                random(HEX, 40).to_uppercase()
            ),
        ),
        (
            "a.nix",
            format!("user.signingKey = \"0x{}\";", random(HEX, 16)),
        ),
        ("a.nix", format!("recaptcha.siteKey = \"6L{}\";", word(38))),
        ("a.nix", format!("stripe.key = \"pk_live_{}\";", word(24))),
        ("a.nix", format!("minisign_key = \"RWQ{}\";", word(53))),
        (
            "a.nix",
            format!("accessKey = \"{}\";", random("ABCDEFGHIJ0123456789", 20)),
        ),
        (
            "a.nix",
            format!(
                "auth_token = \"{0}-{1}-{1}-{1}-{0}{1}\";",
                random(HEX, 8),
                random(HEX, 4)
            ),
        ),
        // What is put in its place later.
        (
            "a.nix",
            "JWT_SECRET = \"#oauth2jwtsecret1a2b3#\";".to_owned(),
        ),
        ("a.nix", format!("token = \"@{}@\";", word(20))),
        // Signatures are as long as the keys that make them.
        ("a.narinfo", format!("Sig: cache-1:{}Dw==", word(84))),
        // No password, or a word for one.
        (
            "a.nix",
            "url = \"postgres://app:password@db/app\";".to_owned(),
        ),
        (
            "a.nix",
            "url = \"postgres://app:${password1}@db/app\";".to_owned(),
        ),
        (
            "a.md",
            "https://user:pass123@example.org, https://[::1]:8080/a@b".to_owned(),
        ),
        (
            "a.yaml",
            "image: docker://alpine:v3.19.1@sha256:abc".to_owned(),
        ),
        // Code, and data in which the beginning of a token stands by chance.
        (
            "a.c",
            "void GLC_CreateLightmapTexturesIndividual12(void);".to_owned(),
        ),
        ("a.pem", format!("{}\nEAAA{}\n", word(64), word(60))),
        (
            "a.md",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.aaaaaaaaaabbbbbbbbbb1".to_owned(),
        ),
        // No settings.
        ("a.rs", format!("let token = \"{hash}\";")),
        ("README.md", format!("key = \"{hash}\"")),
    ] {
        is_quiet(path, &text);
    }
}

#[test]
fn what_documents_an_option_is_an_example() {
    let hash = format!("$2b$12${}", word(53));
    let option = format!(
        "{{\n  x = mkOption {{\n    type = str;\n    example = {{\n      a = ''\n        {hash}\n      '';\n    }};\n  }};\n}}\n"
    );
    is_quiet("a.nix", &option);
    is_quiet("a.nix", &option.replace("example", "description"));
    // Elsewhere it is a name like any other, and text that is not indented tells nothing.
    finds(
        Finding::PasswordHash,
        "a.nix",
        &option.replace("example", "default"),
    );
    finds(
        Finding::PasswordHash,
        "a.nix",
        &option.replace("mkOption", "hosts"),
    );
    finds(Finding::PasswordHash, "a.nix", &option.replace("  ", ""));
    finds(Finding::PasswordHash, "a.yaml", &option);
}

#[test]
fn lines_are_those_of_the_file_however_it_is_written() {
    let token = format!("glpat-{}", word(20));
    let text = format!("one\r\n\"two\" é\n\nx = {token}\n");
    let wide = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    };
    let json = text.replace('-', "\\u002d").replace('"', "\\\"");
    for content in [
        text.clone().into_bytes(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        [b"\xff\xfe".to_vec(), wide(u16::to_le_bytes)].concat(),
        json.into_bytes(),
    ] {
        let found = of_content(Path::new("a"), &content, content.len() as u64);
        let found: Vec<_> = found.iter().map(|it| (it.line, it.finding)).collect();
        assert_eq!(found, [(Some(4), Finding::Token)], "{content:?}");
    }
}

#[test]
fn stores_of_keys_are_told_by_how_they_begin() {
    let oid = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let pkcs12 = [
        b"\x30\x82\x09\x99\x02\x01\x03\x30\x82\x09\x5f".as_slice(),
        oid,
    ]
    .concat();
    let bag = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
    let keytab = b"\x05\x02\0\0\0\x40\0\x02\0\x0bEXAMPLE.ORG\0\x04host";
    let store = Some(Finding::KeyStore);
    let key = Some(Finding::PrivateKey);
    let java = |entry: u8| {
        [
            b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0".as_slice(),
            &[entry],
        ]
        .concat()
    };
    let openpgp = [b"\x95\x00\x20\x04".as_slice(), &[1; 31], b"\xb4"].concat();
    for (content, expected) in [
        ([pkcs12.as_slice(), bag].concat(), store),
        (pkcs12.clone(), None),
        (
            b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\0\0\x04\0".to_vec(),
            store,
        ),
        (keytab.to_vec(), store),
        (b"\x05\x02\0\0\0\x40\0\x02\0\x0b\x01\x02".to_vec(), None),
        (java(1), store),
        (java(2), None),
        (openpgp.clone(), key),
        (openpgp[..35].to_vec(), None),
        (b"\x30\x82\x02\x5d\x02\x01\x00\x02\x81\x81".to_vec(), key),
        (
            b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22".to_vec(),
            key,
        ),
        (b"\x30\x77\x02\x01\x01\x04\x20".to_vec(), key),
        (b"\x30\x82\x03\x0f\x30\x82\x01\xf7\xa0\x03".to_vec(), None),
        (b"\x30".to_vec(), None),
        (b"\x05\x02".to_vec(), None),
    ] {
        let found = of_content(Path::new("a"), &content, content.len() as u64);
        assert_eq!(found.first().map(|it| it.finding), expected, "{content:?}");
    }
}

#[test]
fn a_value_alone_in_its_file_is_found() {
    finds(
        Finding::Token,
        "session",
        &format!("{}-{}", word(10), word(22)),
    );
    finds(
        Finding::PrivateKey,
        "key",
        &format!("cache-1:{}Dw==\n", word(84)),
    );
    is_quiet("public", &format!("cache-1:{}=\n", word(43)));
    is_quiet("name", "abcabcabca-abcabcabcaabcabcabcaab\n");
}

#[test]
fn hashes_of_passwords_are_found() {
    let salt = word(16);
    for hash in [
        format!("$6${salt}${}", word(86)),
        format!("$6$rounds=5000${salt}${}", word(86)),
        format!("$5${salt}${}", word(43)),
        format!("$1${}${}", word(8), word(22)),
        format!("$y$j9T${}${}", word(22), word(43)),
        format!("$2b$12${}", word(53)),
        format!("$argon2id$v=19$m=65536,t=3,p=4${}${}", word(22), word(43)),
    ] {
        finds(
            Finding::PasswordHash,
            "a.nix",
            &format!("hashedPassword = \"{hash}\";\n"),
        );
        finds(
            Finding::PasswordHash,
            "shadow",
            &format!("root:{hash}:19000::::::\n"),
        );
    }
    is_quiet("a.sh", "awk '{ print $1$2$3$4 $6$7 }'\n");
    is_quiet("a.nix", "hashedPassword = \"$6$example$...\";\n");
}

#[test]
fn state_and_ways_in_are_told_by_what_they_hold() {
    let state = "{\n \"version\": 4,\n \"terraform_version\": \"1.9.0\",\n \"serial\": 3,\n \
                 \"lineage\": \"x\",\n \"resources\": []\n}\n";
    finds(Finding::TerraformState, "backup.json", state);
    is_quiet(
        "plan.json",
        "{\"terraform_version\": \"1.9.0\", \"resource_changes\": []}",
    );
    let config = "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n";
    finds(Finding::Kubeconfig, "cluster.yaml", config);
    is_quiet(
        "map.yaml",
        &config.replace("kind: Config", "kind: ConfigMap"),
    );
    finds(Finding::DiskImage, "notes.txt", "hsqs and so on");
}

#[test]
fn what_is_large_or_no_text_is_told() {
    let large = of_content(Path::new("a"), b"text", LARGEST + 1);
    assert_eq!(large[0].what, "a file of 11 MB");
    assert_eq!(of_content(Path::new("a"), b"text", LARGEST), []);
    let token = format!("\0\u{1}ghp_{}", word(36));
    finds(Finding::Token, "a.out", &token);
    assert_eq!(found("a.out", &token)[0].line, None);
}

#[test]
fn names_tell() {
    let finding = |path: &str| of_path(Path::new(path)).map(|found| found.finding);
    for (path, expected) in [
        ("a/.git/config", Some(Finding::GitFolder)),
        ("a/.GIT/config", Some(Finding::GitFolder)),
        (".gitignore", None),
        (".github/workflows/x.yml", None),
        ("home/.bash_history", Some(Finding::ShellHistory)),
        ("history.md", None),
        (".env", Some(Finding::EnvFile)),
        ("a/.env.production", Some(Finding::EnvFile)),
        (".env.example", None),
        (".envrc", None),
        ("environment.nix", None),
        (".netrc", Some(Finding::Netrc)),
        ("x/.git-credentials", Some(Finding::Netrc)),
        (".aws/credentials", Some(Finding::Netrc)),
        ("credentials", None),
        (".kube/config", Some(Finding::Kubeconfig)),
        ("config", None),
        ("prod.kubeconfig", Some(Finding::Kubeconfig)),
        ("terraform.tfstate", Some(Finding::TerraformState)),
        ("terraform.tfstate.backup", Some(Finding::TerraformState)),
        ("tfstate.nix", None),
    ] {
        assert_eq!(finding(path), expected, "{path}");
    }
}

#[test]
fn files_of_passwords_are_told_by_name_and_content() {
    finds(
        Finding::Netrc,
        ".my.cnf",
        "[client]\nuser=x\npassword=hunter2\n",
    );
    finds(
        Finding::Netrc,
        "a/.pypirc",
        "[pypi]\nusername: x\npassword: hunter2\n",
    );
    finds(
        Finding::Netrc,
        ".s3cfg",
        "access_key = x\nsecret_key = hunter2\n",
    );
    is_quiet(".my.cnf", "[client]\nuser=x\npassword=\n");
    is_quiet(".pypirc", "[distutils]\nindex-servers = pypi\n");
    is_quiet("my.cnf.md", "password = hunter2\n");
}

#[test]
fn a_repository_without_a_working_tree_is_told_by_its_files() {
    let of = |paths: &[&'static str]| bare_repositories(paths.iter().map(Path::new));
    let bare = [
        "x.git/HEAD",
        "x.git/config",
        "x.git/objects/pack/a.pack",
        "y",
    ];
    assert_eq!(of(&bare), [Path::new("x.git")]);
    assert!(of(&["a/HEAD", "a/config.nix"]).is_empty());
    assert!(of(&["a/HEAD", "a/config", "a/objects.nix"]).is_empty());
}
