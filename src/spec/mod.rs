//! The experiment spec: the TOML a user writes, as types.
//!
//! [`Spec`] is a *resolved* spec: every key has a value, defaults filled in. Written back as TOML it repeats the run.
//! This room knows nothing of dfdx or of result files.

mod types;

pub use types::*;
