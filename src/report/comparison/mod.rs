//! Trials side by side: mean ± standard error over seeds, best first.
//!
//! [`Row`]s come from `trials.parquet` or from manifests in the same columns; [`Comparison::new`] groups them, and
//! [`Comparison::text`], [`Comparison::markdown`] and [`Comparison::frame`] show the groups.

mod data;
mod frame;
mod groups;
mod metric;
mod repeated;
mod rows;
pub(in crate::report) mod text;

pub use data::{COUNTS, DIGEST};
pub use groups::{By, Comparison, Group, Over};
pub use metric::{METRICS, Metric, metric, test_nll};
pub use repeated::once_each;
pub use rows::{FIXED, Row, RowError, rows};
