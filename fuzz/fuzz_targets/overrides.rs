//! Any lines as `--set` options.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| realnvp_runner_fuzz::overrides(text));
