//! Passwords that can be read off a screen and typed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::failure::{Context, Result};

/// Without look-alikes (no i, l, o, 0, 1): nothing that an issue file, a shell or a keyboard
/// layout for most languages would change.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Four groups of five from 31 characters: 99 bits.
pub(crate) fn generate() -> Result<String> {
    let source = Path::new("/dev/urandom");
    let mut noise = [0; 4096];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut noise))
        .to("read", source)?;
    // What is no letter is passed over, so that each letter is as likely as any other.
    let letters: Vec<u8> = noise
        .into_iter()
        .filter(|byte| LETTERS.contains(byte))
        .collect();
    let groups: Vec<_> = letters
        .chunks(5)
        .take(4)
        .map(String::from_utf8_lossy)
        .collect();
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::{LETTERS, generate};

    #[test]
    fn four_groups_of_five() {
        let password = generate().unwrap();
        let groups: Vec<_> = password.split('-').collect();
        assert_eq!(
            groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
            [5; 4]
        );
        assert!(
            groups.concat().bytes().all(|byte| LETTERS.contains(&byte)),
            "{password}"
        );
        assert_ne!(password, generate().unwrap());
    }
}
