//! What is fed. Each target holds what it is answered against something that must be so: the
//! same after writing and reading again, another parser, or a bound.
//!
//! The number that it gives back tells answers apart, for the search alone.

mod formats;
mod records;
mod texts;

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    time::Duration,
};

use crate::seeds;

/// Something that parses bytes from outside.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// What it is fed with first.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What the format knows.
    pub(crate) words: &'static [&'static [u8]],
    /// How long one input of 128 KiB may take, on a machine that has much else to do.
    pub(crate) patience: Duration,
    /// Feeds it. A panic is a finding.
    pub(crate) run: fn(&[u8]) -> u64,
}

const PATIENCE: Duration = Duration::from_secs(8);

const fn target(
    name: &'static str,
    run: fn(&[u8]) -> u64,
    seeds: fn() -> Vec<Vec<u8>>,
    words: &'static [&'static [u8]],
) -> Target {
    Target {
        name,
        seeds,
        words,
        patience: PATIENCE,
        run,
    }
}

const STORE: &[u8] = b"/nix/store/00000000000000000000000000000000-a";

pub(crate) const TARGETS: &[Target] = &[
    target(
        "derivation",
        formats::derivation,
        seeds::derivations,
        &[
            b"Derive(",
            b"DrvWithVersion(\"xp-dyn-drv\",",
            b"\"out\"",
            b"r:sha256",
            b"),(",
            b"],[",
            STORE,
            b"__json",
            b"\\n",
        ],
    ),
    target(
        "explain",
        formats::explain,
        seeds::explanations,
        &[
            b"Derive(", b"\"out\"", b"],[", b"\n\n", b"version", STORE, b"-1.2.3", b"\\n",
        ],
    ),
    target(
        "baseline",
        records::baseline,
        seeds::baselines,
        &[
            b"\"schema\": ",
            b"\"hosts\"",
            b"\"drvPath\"",
            b"null",
            b"<<<<<<<",
            STORE,
            b".drv\"",
            b"x86_64-linux",
            b"sha256-",
        ],
    ),
    target(
        "manifest",
        records::manifest,
        seeds::manifests,
        &[
            b"\"schema\": 1",
            b"\"artifact\": null",
            b"\"overrides\"",
            b"null",
            STORE,
            b".drv\"",
            b"true",
            b"1e999",
        ],
    ),
    target(
        "config",
        records::config,
        seeds::configs,
        &[
            b"[[target]]\n",
            b"[source]\n",
            b"kind = ",
            b"[target.overrides]\n",
            b"'''",
            b"\"\"\"",
            b"systems = [",
            b"a.b.c = ",
            b"budget = { image = \"9 EiB\" }",
            b"artifact = \"[!\"",
            b"0x",
            b"1979-05-27T07:32:00Z",
        ],
    ),
    target(
        "events",
        texts::events,
        seeds::events,
        &[
            b"@nix {",
            b"\"action\":\"start\"",
            b"\"action\":\"result\"",
            b"\"action\":\"stop\"",
            b"\"type\":105",
            b"\"type\":101",
            b"\"type\":106",
            b"\"fields\":[",
            b"\"id\":1",
            b"\n",
            b"\"msg\":\"error: ",
            STORE,
            b"\\u001b[31m",
            b"18446744073709551615",
        ],
    ),
    target(
        "flake-lock",
        records::lock,
        seeds::locks,
        &[
            b"\"nodes\"",
            b"\"root\"",
            b"\"version\": 7",
            b"\"inputs\"",
            b"[\"a\"]",
            b"\"locked\"",
            b"\"type\":\"path\"",
            b"null",
        ],
    ),
    target(
        "path-info",
        records::path_info,
        seeds::path_infos,
        &[
            b"\"references\": [",
            b"\"narSize\": ",
            b"\"info\"",
            b"null",
            b"\"version\": 2",
            STORE,
        ],
    ),
    target(
        "unpack",
        formats::unpack,
        seeds::packed,
        &[
            b"\x1f\x8b\x08",
            b"\xfd7zXZ\0",
            b"\x28\xb5\x2f\xfd",
            b"\x50\x2a\x4d\x18",
            b"BZh9",
            b"YZ",
            b"\0\0\0\0",
            b"\xff\xff\xff\xff",
        ],
    ),
    target(
        "disk-image",
        formats::disk_image,
        seeds::images,
        &[
            b"QFI\xfb",
            b"KDMV",
            b"conectix",
            b"vhdxfile",
            b"CD001",
            b"hsqs",
            b"\x53\xef",
            b"ustar",
            b"EFI PART",
            b"\x55\xaa",
            b"\x28\xb5\x2f\xfd",
            b"\xfd7zXZ\0",
            b"\x1f\x8b\x08",
            b"BZh9",
            b"LZIP",
        ],
    ),
    target(
        "iso9660",
        formats::iso9660,
        seeds::isos,
        &[b"\x01CD001", b"B.CFG;1", b"\xff\xff\xff\xff", b"\0\0\0\0"],
    ),
    target(
        "menu",
        texts::menu,
        seeds::menus,
        &[
            b"menuentry 'x' {\n",
            b"submenu x {\n",
            b"}\n",
            b"linux /k console=ttyS0\n",
            b"if x\n",
            b"fi\n",
            b"LABEL x\n",
            b"MENU BEGIN\n",
            b"MENU END\n",
            b"APPEND console=ttyS0,\n",
        ],
    ),
    target(
        "console",
        texts::console,
        seeds::consoles,
        &[
            b"\x1b[",
            b"\x1b]",
            b"\x1b\\",
            b"\x9b",
            b"\xc2\x9d",
            b"\xc2",
            b"\x1bP",
            b"\x07",
            b"\r",
            b"\n",
            b"::",
            b"##[",
        ],
    ),
    target(
        "patterns",
        formats::patterns,
        seeds::patterns,
        &[
            b"**/",
            b"/**",
            b"*",
            b"?",
            b"[!a]",
            b"[[:alpha:]]",
            b"[a-",
            b"\\",
            b"!",
            b"/",
            b"\n",
        ],
    ),
    target(
        "submodules",
        texts::submodules,
        seeds::modules,
        &[
            b"path = ",
            b"[submodule \"",
            b"submodules",
            b"inputs.self",
            b"true",
        ],
    ),
    target(
        "nix-error",
        texts::nix_error,
        seeds::errors,
        &[
            b"error: ",
            b"\n       ",
            "… while ".as_bytes(),
            b"at /nix/store/00000000000000000000000000000000-source/a.nix:1:2:",
            b"warning: ",
            b"hash mismatch",
            b"specified: ",
            b"attribute '",
            b"infinite recursion",
            b"last 1 log lines:",
            b"> ",
            b"does not exist",
        ],
    ),
    target(
        "audit",
        texts::audit,
        seeds::sources,
        &[
            b"-----BEGIN PRIVATE KEY-----",
            b"password = \"",
            b"token: ",
            b"AKIA",
            b"ghp_",
            b"eyJ",
            b"https://a:b@c",
            b"$6$",
            b"\0",
            b"\xff\xfe",
        ],
    ),
    target(
        "block-devices",
        texts::kernel,
        seeds::kernel,
        &[b" - ", b"\\040", b"\\x", b"E:ID_FS_TYPE=", b":", b"-1"],
    ),
    target(
        "words",
        texts::words,
        seeds::words,
        &[
            b"/",
            b".",
            b"=",
            b"\"",
            b"-linux",
            b"GiB",
            b"k",
            b"w",
            b"sha256-",
            STORE,
            b"will be built",
            b"will be fetched",
        ],
    ),
    target(
        "gate",
        texts::gate,
        seeds::consoles,
        &[
            "\u{202e}".as_bytes(),
            "\u{2028}".as_bytes(),
            "\u{e0041}".as_bytes(),
            b"::",
            b"##[",
            b"##vso[",
            b"section_start:",
            b"\x1b[",
            b"\"",
        ],
    ),
];

/// Tells answers apart.
fn told(answer: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    answer.hash(&mut hasher);
    hasher.finish()
}

/// What kind of a message it is: without what it says of one input.
fn kind_of(message: impl std::fmt::Display) -> String {
    let message = message.to_string();
    let outside = message.split(['`', '\'', '"']).step_by(2);
    let letters = outside
        .flat_map(str::chars)
        .filter(|one| !one.is_ascii_digit());
    letters.take(200).collect()
}

/// How much, roughly.
fn roughly(number: usize) -> u32 {
    number.checked_ilog2().unwrap_or(99)
}

/// Text, as far as `bytes` are some.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
