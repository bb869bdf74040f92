//! A page with a map of a closure: one file that needs no network and no server.

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    size::{measured::Measured, packages},
    text::{count, harmless_json, harmless_lines, size},
};
use data_encoding::BASE64;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    result_file::ResultFile,
    size::{pulled_in_by, share},
};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What tells a page that was made here, near its beginning.
const MARK: &str = "<meta name=\"generator\" content=\"cbox size\">";

/// The file of a page.
pub(crate) const FILE: ResultFile = ResultFile {
    what: "the page",
    made_by: "cbox size",
    mark: MARK,
    hint: "`--html -` writes to standard output",
};

/// Writes the page to `file`, which the user calls `display_path`. A page that is there stays
/// until the new one is whole.
pub(crate) fn write(
    file: &Utf8Path,
    display_path: &Utf8Path,
    measured: &Measured,
) -> Result<(), Error> {
    FILE.write(file, display_path, || render(measured))
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
