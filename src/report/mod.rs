//! Comparison tables and pictures: pure functions from numbers to text and PNG bytes.
//!
//! Nothing here trains a flow. Fonts are compiled in, and the same numbers give the same bytes; only letters that the font lacks
//! are looked for in a font of the system.

mod axes;
mod canvas;
pub mod charts;
mod clip;
mod colormap;
pub mod comparison;
mod densities;
mod density;
mod density_1d;
mod error;
mod fonts;
mod histogram;
mod images;
mod importance;
pub mod limits;
mod marks;
mod outliers;
pub mod page;
mod pairs;
mod samples;
mod strips;
mod ticks;
mod tones;

pub use comparison::Comparison;
pub use densities::{PANELS, densities_picture};
pub use density::{DensityGrid, density_picture};
pub use density_1d::{DensityLine, density_1d_picture};
pub use error::ReportError;
pub use images::{images_picture, neighbours_picture};
pub use importance::{Explained, Unexplained};
pub use pairs::{Classes, MOST_CLASSES, pair_picture};
pub use samples::samples_picture;
pub use strips::{ALONG, Strip, strips_picture};
pub use tones::Tones;
