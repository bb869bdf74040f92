//! Any bytes as a `.drv` file: see [`round_trip`].

#![no_main]

mod round_trip;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _no_derivation = round_trip::round_trip(bytes);
});
