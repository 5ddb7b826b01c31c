//! Any bytes as a spec file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| realnvp_runner_fuzz::spec(bytes));
