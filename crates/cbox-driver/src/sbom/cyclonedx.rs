//! A bill of materials as CycloneDX 1.6 has it.
//!
//! Source of the format: the specification of CycloneDX (ECMA-424) and its JSON schema, as the
//! crate `serde-cyclonedx` has it. Nothing in it is of the run: the same parts give the same
//! bytes, and the serial number is a hash of them.

use std::fmt::Display;

use cbox_nix::metadata::License;
use serde::Serialize;
use serde_cyclonedx::cyclonedx::v_1_6::{
    Component, ComponentBuilder, ComponentPedigreeBuilder, Dependency, DependencyBuilder,
    DiffBuilder, ExternalReference, ExternalReferenceBuilder, Hash, HashAlg, IssueBuilder,
    LicenseBuilder, LicenseChoiceUrl, LicenseChoiceUrlVariant0ItemUrl, Metadata, MetadataBuilder,
    MetadataTools, MetadataToolsVariant0Builder, Patch, PatchBuilder, Property,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::parts::{Fetched, FixedHash, Part, PatchFile, is_url};
use crate::{
    error::{Error, Kind},
    links::manifest::Artifact,
    text::{harmless_json, utc},
};

/// What stands in the place of what nobody has said: neither that there is one nor that there is
/// none.
const NO_ASSERTION: &str = "NOASSERTION";

/// What a bill is about, beside its parts.
pub(super) struct Head<'h> {
    /// The name of the target.
    pub(super) target: &'h str,
    /// The system that it is for.
    pub(super) system: &'h str,
    /// The files of the image, where it is one that is built.
    pub(super) files: &'h [Artifact],
    /// Which of the parts is the system in the image.
    pub(super) toplevel: Option<&'h str>,
    /// Whether the parts are what was packed, and not all that it takes to build that.
    pub(super) is_runtime: bool,
    /// Seconds since 1970, where the caller says a time.
    pub(super) time: Option<u64>,
}

/// The document: what it is first, and the long lists last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

/// The text of the document about `parts`, the first of which is what the others are parts of;
/// and its serial number.
pub(super) fn document(head: &Head<'_>, parts: &[Part]) -> Result<(String, String), Error> {
    let Some((root, others)) = parts.split_first() else {
        return Err(impossible(&"there is nothing to list"));
    };
    let mut document = Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: None,
        version: 1,
        metadata: metadata(head, root)?,
        components: others
            .iter()
            .map(|part| component(part, kind(head, part)))
            .collect::<Result<_, _>>()?,
        dependencies: parts.iter().map(dependency).collect::<Result<_, _>>()?,
    };
    let content = serde_json::to_vec(&document).map_err(|error| impossible(&error))?;
    let serial = serial_number(&content);
    document.serial_number = Some(serial.clone());
    let mut text = serde_json::to_string_pretty(&document).map_err(|error| impossible(&error))?;
    text.push('\n');
    Ok((harmless_json(&text).into_owned(), serial))
}

/// A UUID of the version that is free for hashes (RFC 9562, version 8).
fn serial_number(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn metadata(head: &Head<'_>, root: &Part) -> Result<Metadata, Error> {
    let this = made(
        ComponentBuilder::default()
            .type_("application")
            .name("cbox")
            .version(env!("CARGO_PKG_VERSION"))
            .build(),
    )?;
    let tools = made(
        MetadataToolsVariant0Builder::default()
            .components(vec![this])
            .build(),
    )?;
    let closure = if head.is_runtime { "runtime" } else { "build" };
    let mut metadata = MetadataBuilder::default();
    metadata
        .component(Component {
            components: files(head, root)?,
            ..component(root, OPERATING_SYSTEM)?
        })
        .properties(vec![
            property("cbox:closure", closure),
            property("cbox:system", head.system),
            property("cbox:target", head.target),
        ])
        .tools(MetadataTools::Variant0(tools));
    if let Some(time) = head.time {
        metadata.timestamp(utc::rfc3339(time));
    }
    made(metadata.build())
}

/// The files of the image, with their hashes.
fn files(head: &Head<'_>, root: &Part) -> Result<Option<Vec<Component>>, Error> {
    let files = head.files.iter().map(|file| {
        let mut component = ComponentBuilder::default();
        component
            .type_(FILE)
            .bom_ref(format!("{}#{}", root.reference, file.path))
            .name(name_of(&file.path, root))
            .hashes(vec![Hash {
                alg: HashAlg::Sha256,
                content: file.sha256.clone(),
            }]);
        made(component.build())
    });
    let files = files.collect::<Result<Vec<_>, Error>>()?;
    Ok((!files.is_empty()).then_some(files))
}

/// The name of the file at `path` in what `root` is; empty where that is the file.
fn name_of<'n>(path: &'n str, root: &'n Part) -> &'n str {
    let path = if path.is_empty() {
        &root.reference
    } else {
        path
    };
    path.rsplit('/').next().unwrap_or(path)
}

/// The SHA-256 of each image file that a document in `text` says to be about, in hexadecimal.
///
/// # Errors
/// When it is no SBOM, with the end of a sentence that begins with its name.
pub(crate) fn images(text: &[u8]) -> Result<Vec<String>, String> {
    let document: Value = serde_json::from_slice(text)
        .map_err(|error| format!("is not an SBOM of CycloneDX: {error}"))?;
    if document["bomFormat"] != "CycloneDX" {
        return Err("is not an SBOM of CycloneDX".to_owned());
    }
    let root = &document["metadata"]["component"];
    let files = root["components"].as_array().into_iter().flatten();
    let hashes = files
        .chain([root])
        .filter_map(|file| file["hashes"].as_array())
        .flatten()
        .filter(|hash| hash["alg"] == "SHA-256");
    let contents = hashes.filter_map(|hash| hash["content"].as_str());
    Ok(contents.map(str::to_ascii_lowercase).collect())
}

/// What CycloneDX calls the kinds of components.
const OPERATING_SYSTEM: &str = "operating-system";
const FILE: &str = "file";

fn kind(head: &Head<'_>, part: &Part) -> &'static str {
    match part.is_package {
        _ if head.toplevel == Some(part.reference.as_str()) => OPERATING_SYSTEM,
        true => "application",
        false => FILE,
    }
}

fn component(part: &Part, kind: &str) -> Result<Component, Error> {
    let metadata = part.metadata.as_ref();
    let mut component = ComponentBuilder::default();
    component
        .type_(kind)
        .bom_ref(part.reference.as_str())
        .name(part.name.as_str());
    if !part.version.is_empty() {
        component.version(part.version.as_str());
    }
    if part.is_package {
        component.purl(purl(part)).licenses(licenses(part)?);
    }
    if let Some(cpe) = metadata.and_then(|metadata| metadata.cpe.as_deref())
        && cpe.starts_with("cpe:2.3:")
        && is_plain(cpe)
    {
        component.cpe(cpe);
    }
    if let Some(hash) = part.hash.as_ref().and_then(hash) {
        component.hashes(vec![hash]);
    }
    let homepages = metadata.map(|metadata| metadata.homepages.as_slice());
    let homepages = homepages.unwrap_or_default().iter();
    let homepages = homepages.filter(|url| is_url(url)).map(|url| website(url));
    let references = part.sources.iter().map(source).chain(homepages);
    let references = references.collect::<Result<Vec<_>, Error>>()?;
    if !references.is_empty() {
        component.external_references(references);
    }
    if !part.patches.is_empty() {
        let patches = part
            .patches
            .iter()
            .map(patch)
            .collect::<Result<Vec<_>, _>>()?;
        component.pedigree(made(
            ComponentPedigreeBuilder::default().patches(patches).build(),
        )?);
    }
    let properties: Vec<Property> = [
        ("cbox:nix:derivation", part.drv.clone()),
        ("cbox:nix:narHash", part.hash.as_ref().and_then(nar_hash)),
        ("cbox:nix:output", part.output.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(property(name, &value?)))
    .collect();
    if !properties.is_empty() {
        component.properties(properties);
    }
    made(component.build())
}

/// Whether it is of visible characters of ASCII alone, as identifiers are.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The package URL that nixpkgs knows; otherwise by its name, as
/// <https://github.com/package-url/purl-spec> has it: what is not of a few characters is escaped.
fn purl(part: &Part) -> String {
    let known = part
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.purl.as_deref());
    if let Some(known) = known.filter(|known| known.starts_with("pkg:") && is_plain(known)) {
        return known.to_owned();
    }
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    format!("pkg:nix/{}@{}", escaped(&part.name), escaped(&part.version))
}

/// The licences, each by its identifier in SPDX's list where it is in that, and by its name
/// otherwise.
fn licenses(part: &Part) -> Result<LicenseChoiceUrl, Error> {
    let known = part
        .metadata
        .as_ref()
        .map(|metadata| metadata.licenses.as_slice());
    let mut built = Vec::new();
    for License { spdx, name } in known.unwrap_or_default() {
        let mut license = LicenseBuilder::default();
        // It takes a `+` behind each of them.
        let is_known = |id: &&str| spdx::license_id(id).is_some_and(|known| known.name == *id);
        let id = spdx.as_deref().filter(is_known);
        match (id, name.as_ref().or(spdx.as_ref())) {
            (Some(id), _) => license.id(id),
            (None, Some(name)) => license.name(name.as_str()),
            (None, None) => continue,
        };
        built.push(made(license.build())?);
    }
    if built.is_empty() {
        built.push(made(LicenseBuilder::default().name(NO_ASSERTION).build())?);
    }
    let items = built.into_iter();
    let items = items.map(|license| LicenseChoiceUrlVariant0ItemUrl { license });
    Ok(LicenseChoiceUrl::Variant0(items.collect()))
}

/// The hash of a file; that of an archive, CycloneDX has no place for.
fn hash(hash: &FixedHash) -> Option<Hash> {
    let alg = match hash.algorithm.as_str() {
        _ if hash.is_of_nar => return None,
        "md5" => HashAlg::Md5,
        "sha1" => HashAlg::Sha1,
        "sha256" => HashAlg::Sha256,
        "sha512" => HashAlg::Sha512,
        "blake3" => HashAlg::Blake3,
        _ => return None,
    };
    Some(Hash {
        alg,
        content: hash.hash.clone(),
    })
}

fn nar_hash(hash: &FixedHash) -> Option<String> {
    hash.is_of_nar
        .then(|| format!("{}:{}", hash.algorithm, hash.hash))
}

fn source(fetched: &Fetched) -> Result<ExternalReference, Error> {
    let mut reference = ExternalReferenceBuilder::default();
    reference.url(fetched.url.as_str());
    match &fetched.revision {
        Some(revision) => reference
            .type_("vcs")
            .comment(format!("revision {revision}")),
        None => reference.type_("source-distribution"),
    };
    if let Some(hash) = fetched.hash.as_ref().and_then(hash) {
        reference.hashes(vec![hash]);
    }
    made(reference.build())
}

fn website(url: &str) -> Result<ExternalReference, Error> {
    let mut reference = ExternalReferenceBuilder::default();
    made(reference.url(url).type_("website").build())
}

fn patch(patch: &PatchFile) -> Result<Patch, Error> {
    let diff = made(DiffBuilder::default().url(patch.url.as_str()).build())?;
    let mut built = PatchBuilder::default();
    built.type_("unofficial").diff(diff);
    let resolved = vulnerabilities(&patch.name)
        .into_iter()
        .map(|id| made(IssueBuilder::default().type_("security").id(id).build()))
        .collect::<Result<Vec<_>, _>>()?;
    if !resolved.is_empty() {
        built.resolves(resolved);
    }
    made(built.build())
}

/// The CVE numbers in the name of a patch, which is how nixpkgs says what it is for.
fn vulnerabilities(name: &str) -> Vec<String> {
    let upper = name.to_ascii_uppercase();
    let numbers = upper.match_indices("CVE-").filter_map(|(position, _)| {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (year, rest) = upper[position + 4..].split_once('-')?;
        let length = digits(rest);
        let is_number = digits(year) == 4 && year.len() == 4 && length >= 4;
        is_number.then(|| format!("CVE-{year}-{}", &rest[..length]))
    });
    numbers.collect()
}

fn dependency(part: &Part) -> Result<Dependency, Error> {
    let mut dependency = DependencyBuilder::default();
    dependency
        .ref_(part.reference.as_str())
        .depends_on(part.needs.clone());
    made(dependency.build())
}

fn property(name: &str, value: &str) -> Property {
    Property {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// What a builder built: it fails where a field is missing that has to be there.
fn made<T, E: Display>(built: Result<T, E>) -> Result<T, Error> {
    built.map_err(|error| impossible(&error))
}

fn impossible(error: &dyn Display) -> Error {
    Error::new(
        Kind::Output,
        format!("the bill of materials cannot be written: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_what_it_is_for() {
        for (name, expected) in [
            ("CVE-2024-12345.patch", &["CVE-2024-12345"][..]),
            (
                "fix-cve-2023-0001-and-CVE-2023-0002.diff",
                &["CVE-2023-0001", "CVE-2023-0002"],
            ),
            ("CVE-24-12345.patch", &[]),
            ("CVE-2024-.patch", &[]),
            ("CVE-", &[]),
            ("no-cves.patch", &[]),
        ] {
            assert_eq!(vulnerabilities(name), expected, "{name}");
        }
    }

    #[test]
    fn a_serial_number_is_a_uuid_of_the_content() {
        let one = serial_number(b"one");
        assert_eq!(one, serial_number(b"one"));
        assert_ne!(one, serial_number(b"two"));
        let uuid = one.strip_prefix("urn:uuid:").unwrap();
        let parts: Vec<&str> = uuid.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            parts[2].starts_with('8') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{one}"
        );
    }
}
