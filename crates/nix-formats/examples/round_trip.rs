//! Reads derivations and writes them again: `round_trip < list-of-drv-files`.
//!
//! Prints three numbers: how many there were, their bytes, and the milliseconds for reading
//! the files, parsing them, writing them and comparing. Ends with an error at the first file that
//! does not come back byte for byte. Made for `make bench`.
#![expect(
    clippy::print_stdout,
    reason = "an example, and no part of the program"
)]

use std::{
    error::Error,
    fs::File,
    io::{Read as _, stdin},
    time::Instant,
};

use nix_formats::derivation::Derivation;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<String> = stdin().lines().collect::<Result<_, _>>()?;
    let workers = std::thread::available_parallelism()?.get();
    let started = Instant::now();
    let bytes = std::thread::scope(|scope| {
        let size = files.len().div_ceil(workers).max(1);
        let parts: Vec<_> = files
            .chunks(size)
            .map(|part| scope.spawn(|| round_trip(part)))
            .collect();
        parts
            .into_iter()
            .map(|part| part.join().map_err(|_| "a worker panicked".to_owned())?)
            .sum::<Result<usize, String>>()
    })?;
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    println!("{} {bytes} {milliseconds:.1}", files.len());
    Ok(())
}

fn round_trip(files: &[String]) -> Result<usize, String> {
    let (mut total, mut bytes) = (0, Vec::new());
    for file in files {
        let failed = |error: &dyn std::fmt::Display| format!("{file}: {error}");
        bytes.clear();
        let read = File::open(file).and_then(|mut file| file.read_to_end(&mut bytes));
        total += read.map_err(|error| failed(&error))?;
        let derivation = Derivation::from_aterm_bytes(&bytes).map_err(|error| failed(&error))?;
        if derivation.to_aterm_bytes() != bytes {
            return Err(failed(&"comes back otherwise"));
        }
    }
    Ok(total)
}
