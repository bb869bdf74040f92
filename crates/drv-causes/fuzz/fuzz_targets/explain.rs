//! Any derivations as the old one, the new one, and what they need: see [`pairs`].

#![no_main]

mod pairs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _no_derivation = pairs::explain(bytes);
});
