//! The overlay that `--keep` names: what the machine writes, apart from the image.

use camino::Utf8Path;
use cbox_nix::{Interrupt, NixError, process::Command};
use serde::Deserialize;

use crate::{
    error::{Error, Kind},
    image::Image,
};

const QEMU_IMG: &str = "qemu-img";

/// What `qemu-img info --output=json` says of a file.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    format: String,
    backing_filename: Option<String>,
}

/// Makes the overlay of `image` at `file`, or goes on with the one that is there.
/// Answers whether it was there. `shown` is its name for people.
pub async fn keep(
    image: &Image,
    file: &Utf8Path,
    display_path: &Utf8Path,
    interrupt: &Interrupt,
) -> Result<bool, Error> {
    if file.symlink_metadata().is_err() {
        create(image, file, display_path, interrupt).await?;
        return Ok(false);
    }
    // Not locked: QEMU says itself if another machine is at it.
    let info = Command::new(
        QEMU_IMG,
        ["info", "--force-share", "--output=json", file.as_str()],
    )
    .run(interrupt)
    .await;
    let info = match info {
        Ok(output) => serde_json::from_slice::<Info>(&output.stdout).ok(),
        Err(NixError::Failed { .. }) => None,
        Err(error) => return Err(no_qemu_img(error)),
    };
    match info.map(|info| of(&info, image)) {
        Some(Ok(())) => Ok(true),
        reason => Err(Error::new(
            Kind::Usage,
            format!(
                "{display_path} exists, and is {}",
                match reason {
                    Some(Err(reason)) => reason,
                    _ => "not an overlay of an image".to_owned(),
                }
            ),
        )
        .hint("name a new file, or remove this one if its state is no longer needed")),
    }
}

/// Whether a file is an overlay of `image`; if not, what it is.
fn of(info: &Info, image: &Image) -> Result<(), String> {
    match (&*info.format, &info.backing_filename) {
        ("qcow2", Some(backing)) if *backing == image.path => Ok(()),
        ("qcow2", Some(backing)) => Err(format!(
            "an overlay of another image: of {backing}, not of {}",
            image.path
        )),
        _ => Err("not an overlay of an image".to_owned()),
    }
}

async fn create(
    image: &Image,
    file: &Utf8Path,
    display_path: &Utf8Path,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let arguments = [
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        image.path.as_str(),
        "-F",
        image.format,
        file.as_str(),
    ];
    match Command::new(QEMU_IMG, arguments).run(interrupt).await {
        Ok(_) => Ok(()),
        Err(NixError::Failed { stderr, .. }) => Err(Error::new(
            Kind::Output,
            format!("cannot make the overlay {display_path}: {stderr}"),
        )
        .hint("choose a file in a folder that you can write to")),
        Err(error) => Err(no_qemu_img(error)),
    }
}

fn no_qemu_img(error: NixError) -> Error {
    let missing = matches!(&error, NixError::NotFound(_));
    let error = Error::from(error);
    if missing {
        error.hint("`--keep` needs it; it comes with QEMU (Debian: qemu-utils)")
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_is_of_one_image() {
        let image = Image {
            path: "/nix/store/x-a/a.raw".into(),
            format: "raw",
            is_iso: false,
            packing: None,
        };
        let of = |text: &str| of(&serde_json::from_str(text).unwrap(), &image);
        let overlay = r#"{"virtual-size": 1, "filename": "s", "format": "qcow2",
            "backing-filename-format": "raw", "backing-filename": "/nix/store/x-a/a.raw"}"#;
        assert_eq!(of(overlay), Ok(()));
        let other = of(&overlay.replace("x-a", "y-a")).unwrap_err();
        assert!(
            other.contains("of another image: of /nix/store/y-a"),
            "{other}"
        );
        assert!(of(r#"{"format": "qcow2"}"#).is_err());
        assert!(of(r#"{"format": "raw"}"#).is_err());
    }
}
