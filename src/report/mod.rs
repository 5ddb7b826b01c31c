//! Comparison tables and pictures: pure functions from numbers to text and PNG bytes.
//!
//! Nothing here trains a flow or reads the system: fonts are compiled in, and the same numbers give the same bytes.

mod axes;
mod canvas;
mod colormap;
mod density;
mod density_1d;
mod error;
mod histogram;
pub mod limits;
mod marks;
mod pairs;
pub mod quantity;
mod samples;
pub mod statistics;
pub mod table;
mod ticks;

pub use density::{DensityGrid, density_picture};
pub use density_1d::density_1d_picture;
pub use error::ReportError;
pub use pairs::pair_picture;
pub use samples::samples_picture;
pub use table::{Run, TrialSummary, summarize, summary_table};
