//! All charts of an experiment.

use super::{Chart, Curve, cost_charts, curve_chart, legend_names, swept_charts};
use crate::report::Comparison;
use crate::train::Metrics;

/// The curve of one run.
#[derive(Clone, Debug)]
pub struct RunCurve<'a> {
    /// Name of its experiment.
    pub experiment: &'a str,
    /// Name of its trial.
    pub trial: &'a str,
    /// Rows of `metrics.parquet`.
    pub rows: Vec<Metrics>,
}

/// The curves of all trials, the metric of `comparison` against every swept key, and against what runs cost. `comparison` is by
/// trial, and `runs` are those that it compares.
pub fn experiment_charts(title: &str, comparison: &Comparison, runs: &[RunCurve<'_>]) -> Vec<Chart> {
    let mut charts = vec![curve_chart(title, &curves(comparison, runs))];
    charts.extend(swept_charts(title, comparison));
    charts.extend(cost_charts(title, comparison));
    charts
}

/// The curves of all trials, in the order of the comparison.
fn curves(comparison: &Comparison, runs: &[RunCurve<'_>]) -> Vec<Curve> {
    let of_group = |labels: &[Option<toml::Value>]| -> Vec<Vec<Metrics>> {
        let name = |i: usize| labels.get(i).and_then(|it| it.as_ref()?.as_str());
        let trial = name(labels.len() - 1).unwrap_or_default();
        // Where there are several experiments, the first label says which.
        let experiment = (labels.len() > 1).then(|| name(0)).flatten();
        let is_of_group =
            |run: &&RunCurve| run.trial == trial && experiment.is_none_or(|experiment| run.experiment == experiment);
        runs.iter().filter(is_of_group).map(|run| run.rows.clone()).collect()
    };
    let groups = comparison.groups.iter().zip(legend_names(comparison));
    groups.map(|(group, name)| Curve { name, seeds: of_group(&group.labels) }).collect()
}
