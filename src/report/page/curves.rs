//! Learning curves: a chart that can be read as it is, and the numbers from which the script draws one to zoom into.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Report, document};
use crate::report::ReportError;
use crate::report::charts::{Chart, Curve, SIZE, curve_chart, trial_curves};
use crate::train::{Band, Metrics, bands};

/// Points of all curves together: more of them only make the page slow.
const POINTS: usize = 10_000;
/// Points of one curve: a screen shows no more. A curve keeps the fewer of them however many curves there are.
const PER_CURVE: [usize; 2] = [40, 600];

pub(super) struct Curves {
    chart: Chart,
    trials: Vec<(String, Vec<Band>)>,
}

impl Curves {
    pub fn new(report: &Report, names: &[String]) -> Self {
        let runs: Vec<Vec<Metrics>> = report.runs.iter().map(|run| run.curve.clone()).collect();
        let limit = (POINTS / names.len().max(1)).clamp(PER_CURVE[0], PER_CURVE[1]);
        let thin = |curve: Curve| Curve { seeds: thinned(&curve.seeds, limit), ..curve };
        let curves: Vec<Curve> = trial_curves(report.comparison, &runs).into_iter().map(thin).collect();
        let trials = curves.iter().map(|curve| (curve.name.clone(), bands(&curve.seeds))).collect();
        Self { chart: curve_chart("", &curves), trials }
    }

    pub fn markup(&self) -> Result<Option<Markup>, ReportError> {
        if self.trials.iter().all(|(_, points)| points.is_empty()) {
            return Ok(None);
        }
        Ok(Some(html! {
            p.scripted.muted {
                "Mean over seeds; of highlighted trials also the band from the lowest to the highest seed. Drag to zoom, "
                "double-click to see everything; choose trials in the table above."
            }
            div.scripted.tools #curve-tools {
                label { input type="checkbox" #log-x; " log steps" }
                label { input type="checkbox" #log-y; " log NLL" }
                label { input type="checkbox" #others checked; " other trials" }
                label { "steps from " input #from type="number" min="0"; }
                label { "to " input #to type="number" min="0"; }
                button type="button" #whole { "Show all" }
            }
            div.scripted #plot {}
            ul.scripted.legend #legend aria-label="Highlighted trials" {}
            div #still { (document::figure(&self.chart, SIZE)?) }
        }))
    }

    /// For every trial its name and its points; the limits of NLL to start with.
    pub fn data(&self) -> Value {
        let trial = |(name, points): &(String, Vec<Band>)| {
            let list = |get: fn(&Band) -> f64| points.iter().map(|point| rounded(get(point))).collect::<Vec<_>>();
            let (mean, low, high) = (list(|it| it.mean), list(|it| it.low), list(|it| it.high));
            let steps: Vec<i64> = points.iter().map(|point| point.step).collect();
            // One seed has no band.
            match low == high {
                true => json!({ "name": name, "step": steps, "mean": mean }),
                false => json!({ "name": name, "step": steps, "mean": mean, "low": low, "high": high }),
            }
        };
        json!({ "limits": self.chart.limits(), "trials": self.trials.iter().map(trial).collect::<Vec<_>>() })
    }
}

/// Five digits, which no screen can tell from more.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// The rows of all seeds at no more than about `limit` steps with a validation NLL: of every stretch those of the lowest and the
/// highest mean, and the last. The steps are the same for all seeds, so that a mean is always over all that there are.
fn thinned(seeds: &[Vec<Metrics>], limit: usize) -> Vec<Vec<Metrics>> {
    let points = bands(seeds);
    let mut kept: BTreeSet<i64> = BTreeSet::new();
    let stretch = if points.len() <= limit { 1 } else { points.len().div_ceil(limit / 2) };
    for stretch in points.chunks(stretch) {
        let ends = [
            stretch.iter().min_by(|a, b| a.mean.total_cmp(&b.mean)),
            stretch.iter().max_by(|a, b| a.mean.total_cmp(&b.mean)),
        ];
        kept.extend(ends.into_iter().flatten().chain(points.last()).map(|point| point.step));
    }
    let is_kept = |row: &&Metrics| row.validation_nll.is_some() && kept.contains(&row.step);
    seeds.iter().map(|rows| rows.iter().filter(is_kept).cloned().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_curve_keeps_its_spikes_and_its_end() {
        let row = |step: i64| Metrics {
            step,
            validation_nll: Some(if step == 4_321 { 99.0 } else { 1.0 / (step + 1) as f64 }),
            ..Metrics::default()
        };
        let rows: Vec<Metrics> = (0..10_000).map(row).collect();
        let other: Vec<Metrics> = rows.iter().map(|row| Metrics { validation_nll: Some(0.5), ..row.clone() }).collect();
        let seeds = thinned(&[rows.clone(), other], 100);
        let [thin, other] = &seeds[..] else { panic!("two seeds") };
        assert!(thin.len() <= 101, "{}", thin.len());
        assert!(thin.iter().any(|row| row.step == 4_321));
        assert_eq!((thin[0].step, thin[thin.len() - 1].step), (0, 9_999));
        assert!(thin.iter().zip(other).all(|(a, b)| a.step == b.step) && thin.len() == other.len());
        assert_eq!(thinned(&[rows[..50].to_vec()], 100), [rows[..50].to_vec()]);
    }
}
