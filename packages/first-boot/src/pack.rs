//! A folder as a tar archive: the same content gives the same bytes, wherever the folder lies and
//! however its files came there.
//!
//! Machines remember templates by the hash of these bytes, so they are those that earlier versions
//! had from GNU tar (`--format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner
//! --mode=u=rwX,go=rX --exclude=.terraform`).

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BLOCK: usize = 512;
/// GNU tar writes this many blocks at once, and fills the last of them.
const RECORD: usize = 20 * BLOCK;

/// The archive of what is below a folder.
pub(crate) fn pack(folder: &Path) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    header(&mut archive, b"./", b'5', 0o755, 0, b"")?;
    add(&mut archive, folder, b"./")?;
    let end = (archive.len() + 2 * BLOCK).next_multiple_of(RECORD);
    archive.resize(end, 0);
    Ok(archive)
}

fn add(archive: &mut Vec<u8>, folder: &Path, name: &[u8]) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.retain(|entry| entry.file_name() != ".terraform");
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, metadata) = (entry.path(), entry.metadata()?);
        let mut name = [name, entry.file_name().as_bytes()].concat();
        // Whoever may run it: X of chmod(1).
        let runs = metadata.permissions().mode() & 0o111 != 0;
        let mode = if runs { 0o755 } else { 0o644 };
        if metadata.is_dir() {
            name.push(b'/');
            header(archive, &name, b'5', 0o755, 0, b"")?;
            add(archive, &path, &name)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path)?;
            header(archive, &name, b'2', mode, 0, target.as_os_str().as_bytes())?;
        } else if metadata.is_file() {
            let content = fs::read(&path)?;
            header(archive, &name, b'0', mode, content.len(), b"")?;
            archive.extend(&content);
            archive.resize(archive.len().next_multiple_of(BLOCK), 0);
        } else {
            return Err(refused(&name, "is neither a file, a folder nor a link"));
        }
    }
    Ok(())
}

fn refused(name: &[u8], why: &str) -> io::Error {
    io::Error::other(format!("{} {why}", String::from_utf8_lossy(name)))
}

/// One block, as POSIX's ustar has it; of user and group only the numbers, which are root's.
fn header(
    archive: &mut Vec<u8>,
    name: &[u8],
    kind: u8,
    mode: u32,
    size: usize,
    target: &[u8],
) -> io::Result<()> {
    let (prefix, name) = split(name).ok_or_else(|| refused(name, "has too long a name"))?;
    if target.len() > 100 || size >= 1 << 33 {
        return Err(refused(name, "does not fit into an archive"));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, field: &[u8]| block[at..at + field.len()].copy_from_slice(field);
    put(0, name);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000\x000000000");
    put(124, format!("{size:011o}\x0000000000000").as_bytes());
    // The checksum counts itself as spaces.
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target);
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000");
    put(345, prefix);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(block);
    Ok(())
}

/// What goes before the `/` that the format adds, and what after: as long a prefix as may be.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((b"", name));
    }
    let end = name
        .len()
        .min(156)
        .min(name.len() - usize::from(name.ends_with(b"/")));
    let slash = name[..end]
        .iter()
        .rposition(|byte| *byte == b'/')
        .filter(|at| *at > 0)?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (rest.len() <= 100 && !rest.is_empty()).then_some((prefix, rest))
}

// That the bytes are GNU tar's is tested where there is a tar: tests/first-boot/tests/archive.rs.
#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn long_names() {
        let (a, b) = ("a".repeat(100), "b".repeat(100));
        assert_eq!(split(a.as_bytes()), Some((&b""[..], a.as_bytes())));
        let both = format!("{a}/{b}");
        assert_eq!(split(both.as_bytes()), Some((a.as_bytes(), b.as_bytes())));
        for too_long in [
            format!("{a}/{b}b"),
            format!("{a}{b}"),
            format!("{a}/{a}/{b}"),
        ] {
            assert_eq!(split(too_long.as_bytes()), None, "{too_long}");
        }
    }
}
