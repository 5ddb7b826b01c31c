//! Charts of an experiment: learning curves, a metric against what was swept, quality against cost.
//!
//! Everything comes from the results folder; a [`Chart`] is data, which [`Chart::draw`] turns into a PNG and an SVG.

mod calibration;
mod chart;
mod cost;
mod curves;
mod diagnosis;
mod experiment;
mod figure;
mod importance;
mod mark;
mod names;
mod pair;
pub(super) mod scale;
mod slices;
mod swept;

pub use calibration::calibration_figure;
pub(super) use chart::{COLORS, SIZE};
pub use chart::{Chart, Drawn};
pub use cost::cost_charts;
pub use curves::{Curve, curve_chart, run_chart};
pub use diagnosis::{latents_chart, lengths_chart, quantiles_chart};
pub use experiment::experiment_charts;
pub(super) use experiment::trial_curves;
pub use figure::Figure;
pub use importance::importance_figure;
pub use names::legend_names;
pub use pair::pair_figure;
pub use slices::slice_charts;
pub use swept::swept_charts;
