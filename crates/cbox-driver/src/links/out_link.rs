//! A link that the user names, as `nix build --out-link` makes it: beside the links and records
//! in the folder of the links, or instead of them.

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{build, nix::Nix};

use crate::error::{Error, Kind};

/// The link of the target at `position`, as Nix numbers them: `result`, `result-1`.
#[must_use]
pub fn nth(link: &Utf8Path, position: usize) -> Utf8PathBuf {
    match position {
        0 => link.to_owned(),
        position => format!("{link}-{position}").into(),
    }
}

/// Checks that nothing is in the way of the links of so many targets, before time is spent on
/// them. Nix replaces links into its store, `store_dir`, and nothing else.
///
/// # Errors
/// When something is.
pub fn check(link: &Utf8Path, targets: usize, store_dir: &str) -> Result<(), Error> {
    for link in (0..targets).map(|position| nth(link, position)) {
        let is_own = link
            .read_link_utf8()
            .is_ok_and(|target| target.starts_with(store_dir));
        if link.symlink_metadata().is_ok() && !is_own {
            let message = format!("{link} is in the way of the link: it is no link into the store");
            return Err(Error::new(Kind::Output, message)
                .hint("move it away, or give `--out-link` another name"));
        }
        let folder = link.parent().filter(|folder| !folder.is_dir());
        if let Some(folder) = folder {
            let message = format!("there is no folder {folder} for the link");
            return Err(Error::new(Kind::Output, message).hint("make it first"));
        }
    }
    Ok(())
}

/// Makes `link` point to `out`, as a root of the garbage collector.
///
/// # Errors
/// When it cannot be made.
pub async fn make(nix: &Nix, link: &Utf8Path, out: &str) -> Result<(), Error> {
    build::link(nix, out, link.as_std_path())
        .await
        .map_err(|error| {
            let error = Error::from(error);
            match error.is_interrupted() {
                true => error,
                false => Error::new(
                    Kind::Output,
                    format!("cannot make the link {link}: {}", error.message),
                ),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_link_into_the_store_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let link = folder.join("result");
        let checked = |targets: usize| check(&link, targets, "/nix/store").map_err(|it| it.message);
        assert_eq!(checked(2), Ok(()));
        symlink("/nix/store/x", &link).unwrap();
        assert_eq!(checked(1), Ok(()));
        std::fs::write(folder.join("result-1"), "mine").unwrap();
        assert_eq!(checked(1), Ok(()));
        assert!(checked(2).unwrap_err().contains("result-1 is in the way"));
        symlink("/elsewhere", folder.join("other")).unwrap();
        assert!(check(&folder.join("other"), 1, "/nix/store").is_err());
        assert!(check(&folder.join("no/such"), 1, "/nix/store").is_err());
    }
}
