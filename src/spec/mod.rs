//! The experiment spec: from TOML files and `--set` overrides to checked, resolved specs.
//!
//! The way through this room: [`load`] reads each file into a tree that remembers where every value stands
//! (`source`, `node`) and lays it over its bases (`extends`), flattens it against the table of [`keys`] (`settings`), lets overrides replace values
//! (`overrides`), checks each value (`check`) and the values together (`rules`), fills in defaults (`resolve`, `fit`; for an
//! experiment that has begun those it began with, `earlier`) and reads the `[sweep]` (`sweep`, `axis`). Whatever is wrong on the way becomes a [`Diagnostic`] that points at it.
//!
//! [`Spec`] is a *resolved* spec: every key that its variant uses has a value. Written back as TOML it repeats the run.
//! This room knows nothing of dfdx or of result files.

mod axis;
mod check;
mod diagnostics;
mod earlier;
mod engine;
mod extends;
mod file_format;
mod fit;
pub mod keys;
mod kind;
mod load;
mod near_file;
mod node;
mod origins;
mod overrides;
mod range;
mod read_range;
mod reference;
mod resolve;
mod resolved;
mod rules;
mod schema;
mod settings;
mod source;
mod starter;
mod suggest;
mod sweep;
#[cfg(test)]
pub(crate) mod tests;
mod transforms;
mod types;
mod variant;

pub use axis::Axis;
pub(crate) use axis::{Point, length, written};
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use earlier::Defaults;
pub use engine::{Engine, Pictures, Slurm};
pub use file_format::FileFormat;
pub(crate) use keys::key_paths;
pub use kind::{Bound, Kind};
pub use load::{ResolvedExperiment, SpecFile, load, load_each};
pub(crate) use near_file::near_file;
pub use overrides::Overrides;
pub use range::{Range, Scale};
pub use reference::reference;
pub(crate) use resolve::resolve;
pub(crate) use resolved::{absolute, flat};
pub use resolved::{find, is_default_batch_size};
pub(crate) use rules::is_pickle;
pub use schema::schema;
pub(crate) use source::Place;
pub use starter::{FileStart, starter};
pub(crate) use suggest::{choose, counted, nearest};
pub use sweep::{Candidates, Halving, MAX_RUNS, MAX_TRIALS, Method, Rounds, Rung, Score, Sweep};
pub use types::*;
pub use variant::When;
