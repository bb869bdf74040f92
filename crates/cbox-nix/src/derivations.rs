//! Derivations, read from the files of the store.
//!
//! Directly, since a system has ten thousand of them: asking Nix for each would take
//! minutes, and for all at once seconds. A store on another machine cannot be read so.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{ErrorKind, Read as _},
    num::NonZero,
};

use nix_formats::derivation::{Derivation, DerivationError};

use crate::{NixError, store::Store};

/// With fewer files, starting threads takes longer than they save.
const FEW: usize = 64;

/// Why a derivation cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DerivationFault {
    /// There is no such file.
    #[error("it is not in the store (any more)")]
    Missing,
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// It is damaged, or another thing.
    #[error(transparent)]
    Damaged(#[from] DerivationError),
    /// Its store is on another machine.
    #[error("its store cannot be read from here")]
    Elsewhere,
}

/// Reads the derivations at these paths, in this order, with all cores.
///
/// # Errors
/// For the first that cannot be read.
pub fn read(store: &Store, paths: &[&str]) -> Result<Vec<Derivation>, NixError> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    if paths.len() < FEW || workers == 1 {
        return read_here(store, paths);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = paths
            .chunks(paths.len().div_ceil(workers))
            .map(|part| scope.spawn(move || read_here(store, part)))
            .collect();
        let mut all = Vec::with_capacity(paths.len());
        for thread in threads {
            match thread.join() {
                Ok(part) => all.extend(part?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

/// The paths of `root` and of all derivations that it needs.
///
/// # Errors
/// When one cannot be read.
pub fn closure(store: &Store, root: &str) -> Result<BTreeSet<String>, NixError> {
    let mut known = BTreeSet::from([root.to_owned()]);
    let mut next = vec![root.to_owned()];
    while !next.is_empty() {
        let paths: Vec<&str> = next.iter().map(String::as_str).collect();
        let all = read(store, &paths)?;
        next = Vec::new();
        for input in all.iter().flat_map(Derivation::inputs) {
            if !known.contains(input.path) {
                known.insert(input.path.to_owned());
                next.push(input.path.to_owned());
            }
        }
    }
    Ok(known)
}

fn read_here(store: &Store, paths: &[&str]) -> Result<Vec<Derivation>, NixError> {
    // One buffer for all: a file is copied once, into its derivation.
    let mut bytes = Vec::new();
    paths
        .iter()
        .map(|path| {
            read_one(store, path, &mut bytes).map_err(|fault| NixError::Derivation {
                path: (*path).to_owned(),
                fault,
            })
        })
        .collect()
}

fn read_one(store: &Store, path: &str, bytes: &mut Vec<u8>) -> Result<Derivation, DerivationFault> {
    let file = store.physical(path).ok_or(DerivationFault::Elsewhere)?;
    bytes.clear();
    let read = File::open(file).and_then(|mut file| file.read_to_end(bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => DerivationFault::Missing,
        _ => DerivationFault::Unreadable(error),
    })?;
    Ok(Derivation::from_aterm_bytes(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const EMPTY: &str = r#"Derive([("out","","","")],[],[],"s","b",[],[("name","NAME")])"#;

    /// A store in a folder with `count` derivations, and their paths.
    fn store(count: usize) -> (tempfile::TempDir, Store, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::from_uri(folder.path().to_str().unwrap(), None);
        fs::create_dir_all(folder.path().join("nix/store")).unwrap();
        let paths: Vec<String> = (0..count)
            .map(|number| format!("/nix/store/{number:032}-x.drv"))
            .collect();
        for (number, path) in paths.iter().enumerate() {
            let text = EMPTY.replace("NAME", &number.to_string());
            fs::write(store.physical(path).unwrap(), text).unwrap();
        }
        (folder, store, paths)
    }

    fn with_cause(error: &NixError) -> String {
        let cause = std::error::Error::source(error).unwrap();
        format!("{error}: {cause}")
    }

    fn fault(store: &Store, path: &str) -> String {
        with_cause(&read(store, &[path]).unwrap_err())
    }

    #[test]
    fn many_come_back_in_their_order() {
        let (_folder, store, paths) = store(FEW * 3 + 1);
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let read = read(&store, &paths).unwrap();
        for (number, derivation) in read.iter().enumerate() {
            assert_eq!(
                derivation.variable(b"name").unwrap(),
                number.to_string().as_bytes()
            );
        }
        assert_eq!(read.len(), paths.len());
    }

    #[test]
    fn each_fault_names_the_file_and_what_is_wrong() {
        let (_folder, store, paths) = store(FEW + 1);
        let (first, last) = (&paths[0], &paths[FEW]);
        fs::write(store.physical(first).unwrap(), &EMPTY[..40]).unwrap();
        assert_eq!(
            fault(&store, first),
            format!("the derivation {first} cannot be used: it ends too early, after 40 bytes")
        );
        fs::write(store.physical(first).unwrap(), "{}").unwrap();
        assert!(
            fault(&store, first).contains("it is not a derivation: expected `Derive([` at byte 0")
        );
        fs::remove_file(store.physical(last).unwrap()).unwrap();
        fs::write(store.physical(first).unwrap(), EMPTY).unwrap();
        let all: Vec<&str> = paths.iter().map(String::as_str).collect();
        let error = with_cause(&read(&store, &all).unwrap_err());
        assert_eq!(
            error,
            format!("the derivation {last} cannot be used: it is not in the store (any more)")
        );
        let remote = Store::from_uri("ssh-ng://host", None);
        assert!(fault(&remote, first).contains("cannot be read from here"));
    }
}
