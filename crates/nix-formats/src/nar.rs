//! The NAR format, written only: Nix's archive of a file tree, whose SHA-256 is the
//! tree's hash in the store and in flake references (`narHash`).
//!
//! An archive knows names, contents, symlinks and whether a file is executable;
//! owners, times and all other modes are not part of it. Source of the format: the
//! Nix manual, "Nix Archive (NAR) format". [`Writer`] takes a tree in order and
//! checks that order, since entries in any other order have another hash.

use std::{fmt, io};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};

use crate::wire::{write_number, write_padding, write_string};

/// The SHA-256 of a tree's archive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NarHash([u8; 32]);

impl NarHash {
    /// Reads `sha256-<base 64>`; `None` for anything else.
    #[must_use]
    pub fn from_sri(text: &str) -> Option<Self> {
        let bytes = BASE64
            .decode(text.strip_prefix("sha256-")?.as_bytes())
            .ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The hash in hexadecimal.
    #[must_use]
    pub fn to_base16(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// As Nix writes it in lock files: `sha256-<base 64>`.
impl fmt::Display for NarHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256-{}", BASE64.encode(&self.0))
    }
}

impl fmt::Debug for NarHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A sink that hashes what is written to it: `Writer::new(Hasher::default())`.
#[derive(Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// The hash of all that was written.
    #[must_use]
    pub fn finish(self) -> NarHash {
        NarHash(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the archive of a tree that is given entry by entry, depth first, each
/// folder's entries sorted by the bytes of their names.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    /// The folders that are open, root first, each with the name written last.
    open: Vec<Vec<u8>>,
}

impl<W: io::Write> Writer<W> {
    /// Starts the archive of a folder.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn new(sink: W) -> io::Result<Self> {
        let mut writer = Self { sink, open: vec![] };
        writer.tokens(&[b"nix-archive-1"])?;
        writer.open_folder()?;
        Ok(writer)
    }

    /// Adds a file at `path` (its components from the root on). `contents` has to
    /// give exactly `size` bytes.
    ///
    /// # Errors
    /// When the sink or `contents` fails, the entry is out of order, or `contents` is of
    /// another size, since the file changed while it was read: `UnexpectedEof`.
    pub fn file(
        &mut self,
        path: &[&[u8]],
        executable: bool,
        size: u64,
        contents: &mut dyn io::Read,
    ) -> io::Result<()> {
        self.enter(path)?;
        self.tokens(&[b"(", b"type", b"regular"])?;
        if executable {
            self.tokens(&[b"executable", b""])?;
        }
        self.tokens(&[b"contents"])?;
        write_number(&mut self.sink, size)?;
        let copied = io::copy(&mut io::Read::take(&mut *contents, size), &mut self.sink)?;
        if copied != size || contents.read(&mut [0])? != 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "its size changed while it was read",
            ));
        }
        write_padding(&mut self.sink, size)?;
        self.tokens(&[b")", b")"])
    }

    /// Adds a symlink at `path`.
    ///
    /// # Errors
    /// When the sink fails or the entry is out of order.
    pub fn symlink(&mut self, path: &[&[u8]], target: &[u8]) -> io::Result<()> {
        self.enter(path)?;
        self.tokens(&[b"(", b"type", b"symlink", b"target", target, b")", b")"])
    }

    /// Ends the archive and gives the sink back.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.close_to(0)?;
        self.tokens(&[b")"])?;
        Ok(self.sink)
    }

    /// Closes and opens folders until the parent of `path` is the open one, and
    /// starts the entry.
    fn enter(&mut self, path: &[&[u8]]) -> io::Result<()> {
        let Some((name, parents)) = path.split_last() else {
            return Err(io::Error::other("an entry without a name"));
        };
        let shared = parents
            .iter()
            .zip(&self.open)
            .take_while(|(wanted, open)| *wanted == &open.as_slice())
            .count()
            // The innermost open folder has named a file last, which cannot hold entries.
            .min(self.open.len() - 1);
        self.close_to(shared)?;
        for folder in &parents[shared..] {
            self.start_entry(folder)?;
            self.open_folder()?;
        }
        self.start_entry(name)
    }

    fn start_entry(&mut self, name: &[u8]) -> io::Result<()> {
        if let Some(last) = self.open.last_mut() {
            if last.as_slice() >= name {
                return Err(io::Error::other("entries out of order"));
            }
            name.clone_into(last);
        }
        self.tokens(&[b"entry", b"(", b"name", name, b"node"])
    }

    fn open_folder(&mut self) -> io::Result<()> {
        self.open.push(vec![]);
        self.tokens(&[b"(", b"type", b"directory"])
    }

    /// Closes all folders below the first `depth` (the root's entries are at depth 0).
    fn close_to(&mut self, depth: usize) -> io::Result<()> {
        while self.open.len() > depth + 1 {
            self.open.pop();
            self.tokens(&[b")", b")"])?;
        }
        Ok(())
    }

    fn tokens(&mut self, tokens: &[&[u8]]) -> io::Result<()> {
        for token in tokens {
            write_string(&mut self.sink, token)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(build: impl FnOnce(&mut Writer<Hasher>) -> io::Result<()>) -> io::Result<String> {
        let mut writer = Writer::new(Hasher::default())?;
        build(&mut writer)?;
        Ok(writer.finish()?.finish().to_string())
    }

    fn file(writer: &mut Writer<Hasher>, path: &[&[u8]], text: &str) -> io::Result<()> {
        writer.file(path, false, text.len() as u64, &mut text.as_bytes())
    }

    /// `nix hash path` of an empty folder.
    #[test]
    fn an_empty_folder_hashes_as_nix_says() {
        assert_eq!(
            hash_of(|_| Ok(())).unwrap(),
            "sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo="
        );
    }

    /// `nix hash path` of: `a/b/c` with "c\n", `a/d` executable and empty, `a-b` with
    /// eight bytes, `link` to `a/d`, `z/y` with "y".
    #[test]
    fn a_tree_hashes_as_nix_says() {
        let hash = hash_of(|writer| {
            writer.file(&[b"a", b"b", b"c"], false, 2, &mut b"c\n".as_slice())?;
            writer.file(&[b"a", b"d"], true, 0, &mut io::empty())?;
            file(writer, &[b"a-b"], "12345678")?;
            writer.symlink(&[b"link"], b"a/d")?;
            file(writer, &[b"z", b"y"], "y")
        });
        assert_eq!(
            hash.unwrap(),
            "sha256-ihvNEQ2jtT6wsDtGTQ4qQk2+ffgMU+fh4xkzQoIYxfE="
        );
    }

    #[test]
    fn order_is_part_of_the_format() {
        let unsorted = hash_of(|writer| {
            file(writer, &[b"b"], "")?;
            file(writer, &[b"a"], "")
        });
        assert!(unsorted.is_err());
        let twice = hash_of(|writer| {
            file(writer, &[b"a"], "")?;
            file(writer, &[b"a"], "")
        });
        assert!(twice.is_err());
        let file_as_folder = hash_of(|writer| {
            file(writer, &[b"a"], "")?;
            file(writer, &[b"a", b"b"], "")
        });
        assert!(file_as_folder.is_err());
    }

    #[test]
    fn a_file_that_grows_or_shrinks_is_an_error() {
        for (size, contents) in [(1, "ab"), (3, "ab")] {
            let hash =
                hash_of(|writer| writer.file(&[b"a"], false, size, &mut contents.as_bytes()));
            assert!(hash.is_err(), "{size}");
        }
    }

    #[test]
    fn sri_is_read_as_written() {
        let text = "sha256-SAvzz50DHeYSbK4hyFh3JbWXF7sXQMFlMs5/1cxL800=";
        assert_eq!(NarHash::from_sri(text).unwrap().to_string(), text);
        assert_eq!(NarHash::from_sri("sha256-AAAA"), None);
        assert_eq!(NarHash::from_sri("sha512-AAAA"), None);
    }
}
