//! Zip archives, as artifacts are: nothing compressed, any name (PKWARE's APPNOTE.TXT, 4.3).

/// An archive of these files.
pub(super) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let offset = archive.len() as u32;
        let crc = crc32(content).to_le_bytes();
        let size = (content.len() as u32).to_le_bytes();
        // The version that is needed, flags, no compression, time and date.
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &crc,
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        archive.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        let rest = [&[0; 10][..], &offset.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02", &[20, 0][..], &common, &rest, name.as_bytes()].concat());
    }
    let (start, length) = (archive.len() as u32, directory.len() as u32);
    let number = (files.len() as u16).to_le_bytes();
    let end = [
        &b"PK\x05\x06\0\0\0\0"[..],
        &number,
        &number,
        &length.to_le_bytes(),
        &start.to_le_bytes(),
        &[0, 0],
    ];
    [archive, directory, end.concat()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}
