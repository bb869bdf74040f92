//! A page with a map of a closure: one file that needs no network and no server.

use std::{
    fs::File,
    io::{self, Read as _},
};

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    size::{measured::Measured, packages},
    text::{count, harmless_json, harmless_lines, size, text_file},
};
use data_encoding::BASE64;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::size::{pulled_in_by, share};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What tells a page that was made here, near its beginning.
const MARK: &str = "<meta name=\"generator\" content=\"cbox size\">";

/// How near.
const HEAD: u64 = 1024;

/// Checks that a page can be written to `file`, which the user calls `shown`: nothing is written
/// over that is no page of this kind.
pub(crate) fn check(file: &Utf8Path, display_path: &Utf8Path) -> Result<(), Error> {
    let failed = |reason: &dyn std::fmt::Display| failed(display_path, reason);
    let folder = file.parent().unwrap_or(Utf8Path::new("/"));
    if !folder.is_dir() {
        return Err(failed(&format!("there is no folder {folder}")));
    }
    // A rename would put the page in the place of a device.
    let place = text_file::within(file, ANYWHERE.into()).map_err(|error| failed(&error))?;
    let there = match place.metadata() {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&error)),
    };
    if !there.is_file() {
        return Err(failed(&"it is not a file").hint("`--html -` writes to standard output"));
    }
    let mut head = Vec::new();
    File::open(place)
        .and_then(|page| page.take(HEAD).read_to_end(&mut head))
        .map_err(|error| failed(&error))?;
    match String::from_utf8_lossy(&head).contains(MARK) {
        true => Ok(()),
        false => Err(failed(&"`cbox size` did not make the file that is there")
            .hint("remove it, or name another file")),
    }
}

/// Writes the page to `file`, which the user calls `shown`. A page that is there stays
/// until the new one is whole.
pub(crate) fn write(
    file: &Utf8Path,
    display_path: &Utf8Path,
    measured: &Measured,
) -> Result<(), Error> {
    // Somebody may have put something there while the sizes were asked for.
    check(file, display_path)?;
    let text = render(measured)?;
    text_file::replace(file, ANYWHERE.into(), &text).map_err(|error| failed(display_path, &error))
}

/// Below which a page may be: it is the user who says where.
const ANYWHERE: &str = "/";

fn failed(display_path: &Utf8Path, reason: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::Output,
        format!("cannot write the page {display_path}: {reason}"),
    )
}

/// The page as text.
pub(crate) fn render(measured: &Measured) -> Result<String, Error> {
    let data = data(measured).map_err(|error| Error::new(Kind::Output, error.to_string()))?;
    let name = escaped(&measured.subject.name);
    let total = measured.closure.size();
    let image = measured.subject.image_size();
    let image = image.map_or_else(String::new, |image| format!("Image: {}. ", size(image)));
    let summary = format!(
        "{image}Closure: {} in {}, {}.",
        size(total),
        count(measured.closure.members().len(), "path"),
        count(measured.packages.len(), "package")
    );
    let rows: String = measured
        .packages
        .iter()
        .map(|package| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(&package.label()),
                size(package.size),
                share(package.size, total),
                size(package.freed),
                escaped(&pulled_in_by(&package.way)),
            )
        })
        .collect();
    Ok(fill(
        HTML,
        &[
            ("style-hash", &hash(STYLE)),
            ("script-hash", &hash(SCRIPT)),
            ("name", &name),
            ("summary", &summary),
            ("style", STYLE),
            ("rows", &rows),
            ("data", &data),
            ("script", SCRIPT),
        ],
    ))
}

/// What the script draws.
fn data(measured: &Measured) -> serde_json::Result<String> {
    let packages = &measured.packages;
    let mut package_of = vec![0; measured.closure.members().len()];
    for (place, package) in packages.iter().enumerate() {
        for &number in &package.members {
            package_of[number] = place;
        }
    }
    let freed = measured.closure.freed();
    let members = measured.closure.members().iter().enumerate();
    let members = members.map(|(number, member)| {
        json!({
            "name": member.name(),
            "size": member.nar_size,
            "frees": freed[number],
            "package": package_of[number],
            "above": measured.closure.dominator(number),
            "by": pulled_in_by(&packages::way(&measured.closure, number)),
        })
    });
    let members: Vec<_> = members.collect();
    let packages = packages.iter().map(|package| {
        json!({
            "name": package.label(),
            "size": package.size,
            "frees": package.freed,
            "by": pulled_in_by(&package.way),
            "group": package.way.first(),
        })
    });
    let packages: Vec<_> = packages.collect();
    let text = serde_json::to_string(&json!({ "members": members, "packages": packages }))?;
    Ok(in_script(&harmless_json(&text)))
}

/// JSON as it can stand in a `script` element: no tag and no comment begins or ends in it.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e")
}

/// The source expression of Content Security Policy for an inline text.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
}

/// `text` as it stands in an element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in harmless_lines(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `template` with each `{{name}}` replaced by its value, which is not looked at again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_values() {
        let filled = fill("a{{x}}b{{y}}{{x}}", &[("x", "{{y}}"), ("y", "<>")]);
        assert_eq!(filled, "a{{y}}b<>{{y}}");
        assert_eq!(
            in_script("</script><!--"),
            "\\u003c/script\\u003e\\u003c!--"
        );
        assert_eq!(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
        assert_eq!(escaped("\u{1b}<\u{202e}"), "\\u{1b}&lt;\\u{202e}");
    }

    #[test]
    fn every_place_of_the_page_is_filled() {
        for name in [
            "style-hash",
            "script-hash",
            "name",
            "summary",
            "style",
            "rows",
            "data",
        ] {
            assert!(HTML.contains(&format!("{{{{{name}}}}}")), "{name}");
        }
        // Either would end where the text does not.
        assert!(!STYLE.contains("</style") && !SCRIPT.contains("</script"));
    }
}
