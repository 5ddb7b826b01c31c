//! All charts of an experiment.

use super::{Chart, Curve, cost_charts, curve_chart, legend_names, swept_charts};
use crate::report::Comparison;
use crate::train::Metrics;

/// The curves of all trials, the metric of `comparison` against every swept key, and against what runs cost. `comparison` is by
/// trial, and `curves` are those of the runs that it compares, in their order.
pub fn experiment_charts(title: &str, comparison: &Comparison, curves: &[Vec<Metrics>]) -> Vec<Chart> {
    let mut charts = vec![curve_chart(title, &trial_curves(comparison, curves))];
    charts.extend(swept_charts(title, comparison));
    charts.extend(cost_charts(title, comparison));
    charts
}

/// The curves of all trials, in the order of the comparison.
pub(in crate::report) fn trial_curves(comparison: &Comparison, curves: &[Vec<Metrics>]) -> Vec<Curve> {
    let groups = comparison.groups.iter().zip(legend_names(comparison));
    let seeds = |members: &[usize]| members.iter().map(|&run| curves[run].clone()).collect();
    groups.map(|(group, name)| Curve { name, seeds: seeds(&group.members) }).collect()
}
