//! Learning curves.

use super::super::limits::axis_limits;
use super::chart::{BEHIND, COLORS, Chart, Scale, Series};
use crate::record::bands;
use crate::train::Metrics;

/// The curves of one trial, one a seed.
#[derive(Clone, Debug)]
pub struct Curve {
    pub trial: String,
    /// Rows of `metrics.parquet`, shape `[seeds][rows]`.
    pub seeds: Vec<Vec<Metrics>>,
}

/// Validation NLL over steps: the mean over seeds, with a band from the lowest to the highest seed. `curves` best first;
/// the first few get a colour and a name.
pub fn curve_chart(title: &str, curves: &[Curve]) -> Chart {
    let mut series: Vec<Series> = Vec::new();
    for (i, curve) in curves.iter().enumerate() {
        let points = bands(&curve.seeds);
        let line = points.iter().map(|point| (point.step as f64, point.mean)).collect();
        series.push(match COLORS.get(i) {
            Some(color) => Series {
                name: curve.trial.clone(),
                color: *color,
                line,
                band: points.iter().map(|point| (point.step as f64, point.low, point.high)).collect(),
                ..Series::default()
            },
            None => Series { color: BEHIND, line, ..Series::default() },
        });
    }
    let others = curves.len().saturating_sub(COLORS.len());
    let mut notes = Vec::new();
    if curves.iter().any(|curve| curve.seeds.len() > 1) {
        notes.push("bands: lowest to highest seed".to_owned());
    }
    if others > 0 {
        notes.push(format!("grey: {others} others"));
    }
    chart(title, "validation NLL (nats)", series, notes)
}

/// Training and validation NLL of one run over its steps.
pub fn run_chart(title: &str, rows: &[Metrics]) -> Chart {
    let line = |get: fn(&Metrics) -> Option<f64>| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|row| Some((row.step as f64, get(row)?))).collect()
    };
    let series = [("training", line(|row| row.train_nll)), ("validation", line(|row| row.validation_nll))];
    let series = series.into_iter().zip(COLORS).map(|((name, line), color)| Series {
        name: name.to_owned(),
        color,
        line,
        ..Series::default()
    });
    chart(title, "NLL (nats)", series.collect(), Vec::new())
}

fn chart(title: &str, y_name: &str, series: Vec<Series>, notes: Vec<String>) -> Chart {
    // What happens in the first steps would press the rest flat.
    let last = series.iter().filter_map(|series| series.line.last()).map(|point| point.0).fold(0.0, f64::max);
    let late = |from: f64| {
        let points = series.iter().flat_map(|series| &series.line);
        points.filter(move |point| point.0 >= from * last).map(|point| point.1).collect::<Vec<f64>>()
    };
    let y = axis_limits([late(0.1), late(0.0)].into_iter().find(|values| values.len() > 1).unwrap_or_default());
    Chart {
        stem: "curves".to_owned(),
        title: title.to_owned(),
        x_name: "step".to_owned(),
        y_name: y_name.to_owned(),
        scale: Scale::Linear,
        y,
        series,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[(i64, f64)]) -> Vec<Metrics> {
        let row = |&(step, nll)| Metrics { step, validation_nll: Some(nll), ..Metrics::default() };
        values.iter().map(row).collect()
    }

    #[test]
    fn the_best_trials_are_named_in_order() {
        let curves: Vec<Curve> = (0..10)
            .map(|i| Curve { trial: format!("t{i}"), seeds: vec![rows(&[(1, f64::from(i)), (9, 0.5 * f64::from(i))])] })
            .collect();
        let chart = curve_chart("moons", &curves);
        let names: Vec<&str> = chart.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "", "", ""]);
        assert_eq!(chart.notes, ["grey: 3 others"]);
    }

    #[test]
    fn strange_curves_still_make_a_chart() {
        for curves in [Vec::new(), vec![Curve { trial: "a".into(), seeds: vec![rows(&[(5, f64::INFINITY)])] }]] {
            let drawn = curve_chart("t", &curves).draw().expect("drawn");
            assert!(drawn.svg.starts_with("<svg") && drawn.svg.trim_end().ends_with("</svg>"));
        }
    }
}
