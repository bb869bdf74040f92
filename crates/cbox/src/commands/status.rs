//! `cbox status`: the links under `out/`, each with what its manifest says.

use camino::Utf8Path;
use cbox_core::manifest::{Manifest, SCHEMA};
use serde_json::{Value, json};

use super::document;
use crate::{
    error::Error,
    exit::Kind,
    session::Session,
    view::{columns, size},
};

/// What is known of one link.
struct Link {
    name: String,
    store_path: String,
    dangling: bool,
    manifest: Option<Manifest>,
}

/// Runs the command.
pub(crate) fn run(session: &Session<'_>) -> Result<(), Error> {
    let folder = &session.project.out_dir;
    let links = links(folder)?;
    let mut rows = vec![["LINK", "TARGET", "SYSTEM", "SIZE", "STATE"].map(str::to_owned)];
    for link in &links {
        let manifest = link.manifest.as_ref();
        let field = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let artifact = manifest.and_then(|manifest| manifest.artifact.as_ref());
        rows.push([
            link.name.clone(),
            field(manifest.map(|manifest| manifest.target.clone())),
            field(manifest.map(|manifest| manifest.system.to_string())),
            field(artifact.map(|artifact| size(artifact.size))),
            state(link).to_owned(),
        ]);
    }
    if links.is_empty() {
        session.view.note(&format!(
            "nothing is linked in {}",
            session.environment.shown(folder)
        ));
    } else {
        columns(&rows)
            .iter()
            .for_each(|row| session.view.plain(row));
    }
    let items: Value = links
        .iter()
        .map(|link| {
            json!({
                "link": folder.join(&link.name),
                "storePath": link.store_path,
                "state": state(link),
                "manifest": link.manifest,
            })
        })
        .collect();
    session.view.json(&document("links", items));
    Ok(())
}

fn state(link: &Link) -> &'static str {
    match &link.manifest {
        _ if link.dangling => "dangling: its store path is gone",
        Some(manifest) if manifest.out == link.store_path => "built",
        Some(_) => "changed since its manifest was written",
        None => "no manifest",
    }
}

/// The links in `folder`, sorted by name.
fn links(folder: &Utf8Path) -> Result<Vec<Link>, Error> {
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::file(Kind::Output, "list", folder, &error)),
    };
    let mut links = Vec::new();
    for entry in entries.flatten() {
        let Ok(target) = entry.path().read_link_utf8() else {
            continue;
        };
        let name = entry.file_name().to_owned();
        let manifest = std::fs::read(folder.join(format!("{name}.json")))
            .ok()
            .and_then(|text| serde_json::from_slice::<Manifest>(&text).ok())
            .filter(|manifest| manifest.schema == SCHEMA);
        links.push(Link {
            name,
            dangling: !entry.path().exists(),
            store_path: target.into_string(),
            manifest,
        });
    }
    links.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(links)
}
