//! Placeholders: files that hold another file's place, because the program that puts the
//! real one there did not run.

use std::path::PathBuf;

/// With what a pointer of Git LFS begins (its specification, "The Pointer").
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// How large a pointer can be: what is larger is a text about them.
const LFS_SIZE: u64 = 1024;

/// With what a file begins that git-crypt has encrypted.
const GIT_CRYPT: &[u8] = b"\0GITCRYPT\0";

/// What stands in for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// A pointer of Git LFS.
    LfsPointer,
    /// A file that git-crypt has locked.
    GitCryptLocked,
}

impl Placeholder {
    /// Recognises one by the beginning of a file of `size` bytes.
    #[must_use]
    pub fn detect(head: &[u8], size: u64) -> Option<Self> {
        if head.starts_with(LFS) && size < LFS_SIZE {
            Some(Self::LfsPointer)
        } else if head.starts_with(GIT_CRYPT) {
            Some(Self::GitCryptLocked)
        } else {
            None
        }
    }
}

/// One line that names the placeholders of a tree; `None` where there are none.
#[must_use]
pub fn warning(found: &[(PathBuf, Placeholder)]) -> Option<String> {
    let of = |kind: Placeholder, what: &str, way_out: &str| {
        let paths: Vec<String> = found
            .iter()
            .filter(|(_, found)| *found == kind)
            .map(|(path, _)| path.display().to_string())
            .collect();
        (!paths.is_empty()).then(|| format!("{what} ({way_out}): {}", some(&paths)))
    };
    let parts = [
        of(
            Placeholder::LfsPointer,
            "Git LFS pointers stand in for files",
            "`git lfs pull` brings them",
        ),
        of(
            Placeholder::GitCryptLocked,
            "git-crypt has locked files",
            "`git-crypt unlock` opens them",
        ),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The first of `paths`, and how many more there are.
fn some(paths: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = paths
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() > SHOWN {
        text.push_str(&format!(" and {} more", paths.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_by_how_they_begin() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        assert_eq!(
            Placeholder::detect(pointer, pointer.len() as u64),
            Some(Placeholder::LfsPointer)
        );
        assert_eq!(Placeholder::detect(pointer, 5000), None);
        assert_eq!(
            Placeholder::detect(b"\0GITCRYPT\0\x01\x02", 22),
            Some(Placeholder::GitCryptLocked)
        );
        for other in [&b""[..], b"version https://git-lfs", b"GITCRYPT", b"\0"] {
            assert_eq!(Placeholder::detect(other, other.len() as u64), None);
        }
    }

    #[test]
    fn one_line_names_them_all() {
        assert_eq!(warning(&[]), None);
        let mut found = vec![(PathBuf::from("key"), Placeholder::GitCryptLocked)];
        assert_eq!(
            warning(&found).unwrap(),
            "git-crypt has locked files (`git-crypt unlock` opens them): key"
        );
        found.extend((0..7).map(|index| (format!("{index}.png").into(), Placeholder::LfsPointer)));
        assert_eq!(
            warning(&found).unwrap(),
            "Git LFS pointers stand in for files (`git lfs pull` brings them): \
             0.png, 1.png, 2.png, 3.png, 4.png and 2 more; \
             git-crypt has locked files (`git-crypt unlock` opens them): key"
        );
    }
}
