//! Charts of an experiment: learning curves, a metric against what was swept, quality against cost.
//!
//! Everything comes from the results folder; a [`Chart`] is data, which [`Chart::draw`] turns into a PNG and an SVG.

mod chart;
mod cost;
mod curves;
mod diagnosis;
mod experiment;
mod mark;
mod names;
pub(super) mod scale;
mod swept;

pub(super) use chart::SIZE;
pub use chart::{Chart, Drawn};
pub use cost::cost_charts;
pub use curves::{Curve, curve_chart, run_chart};
pub use diagnosis::{latents_chart, lengths_chart, quantiles_chart};
pub use experiment::experiment_charts;
pub(super) use experiment::trial_curves;
pub use names::legend_names;
pub use swept::swept_charts;
