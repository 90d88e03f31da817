//! Feeds each parser of outside bytes with inputs that libFuzzer makes up, led by the coverage that they reach.
//!
//! `tests/fuzz/run` builds it and runs all of [`targets::ALL`] in turn; `BELLBOARD_FUZZ` names the one of this process. An input
//! that broke something is put into the corpus with the fix, and is tried in each run from then on.

#![no_main]

mod router;

mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What is fuzzed in this process.
static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("BELLBOARD_FUZZ").unwrap_or_default();
        let known = targets::ALL.iter().find(|(known, _)| *known == name);
        known.expect("BELLBOARD_FUZZ names one of the targets").1
    });
    target(bytes);
});
