//! Learning curves.

use super::super::outliers::limits_around;
use super::chart::{BEHIND, COLORS, Chart, Series};
use super::scale::Scale;
use crate::quantity::number;
use crate::train::{Metrics, bands};

/// The curves of one trial, one a seed.
#[derive(Clone, Debug)]
pub struct Curve {
    /// In the legend.
    pub name: String,
    /// Rows of `metrics.parquet`, shape `[seeds][rows]`.
    pub seeds: Vec<Vec<Metrics>>,
}

/// Trials whose seeds have a band: more of them hide the lines.
const BANDS: usize = 3;

/// Validation NLL over steps: the mean over seeds; for the best three also a band from the lowest to the highest seed. `curves`
/// best first; the first few get a colour and a name.
pub fn curve_chart(title: &str, curves: &[Curve]) -> Chart {
    let mut series: Vec<Series> = Vec::new();
    for (place, curve) in curves.iter().enumerate() {
        let points = bands(&curve.seeds);
        if points.is_empty() {
            continue;
        }
        let band: Vec<_> = points.iter().map(|point| (point.step as f64, point.low, point.high)).collect();
        let mut one = Series {
            color: BEHIND,
            line: points.iter().map(|point| (point.step as f64, point.mean)).collect(),
            ..Series::default()
        };
        if let Some(color) = COLORS.get(place) {
            (one.name, one.color) = (curve.name.clone(), *color);
        }
        // One evaluation makes no line: its dot has the seeds as a bar.
        match points.len() {
            1 => one.bars = band,
            _ if series.len() < BANDS => one.band = band,
            _ => {}
        }
        series.push(one);
    }
    let several = |curve: &Curve| curve.seeds.iter().filter(|seed| !seed.is_empty()).count() > 1;
    let (drawn, silent) = (series.len(), curves.len() - series.len());
    let mut notes = Vec::new();
    if curves.iter().any(several) {
        let single = series.iter().all(|series| series.band.is_empty());
        notes.push(match drawn {
            _ if single => "bar: lowest to highest seed".to_owned(),
            0..=BANDS => "band: lowest to highest seed".to_owned(),
            _ => "band (best three): lowest to highest seed".to_owned(),
        });
    }
    let grey = series.iter().filter(|series| series.name.is_empty()).count();
    if grey > 0 {
        notes.push(format!("grey: {grey} others"));
    }
    if silent > 0 {
        notes.push(format!("not drawn: {silent} without an evaluation"));
    }
    chart(title, "validation NLL (nats)", series, notes)
}

/// Training and validation NLL of one run over its steps; the step of the lowest validation NLL, whose weights are kept, has a dot.
pub fn run_chart(title: &str, rows: &[Metrics]) -> Chart {
    let line = |get: fn(&Metrics) -> Option<f64>| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|row| Some((row.step as f64, get(row)?))).collect()
    };
    let series = [("training", line(|row| row.train_nll)), ("validation", line(|row| row.validation_nll))];
    let best =
        series[1].1.iter().filter(|point| point.1.is_finite()).copied().reduce(|a, b| if b.1 < a.1 { b } else { a });
    let kept = best.map(|(step, nll)| Series {
        name: format!("kept: step {step}, {}", number(nll)),
        color: COLORS[series.len()],
        dots: vec![(step, nll)],
        ..Series::default()
    });
    let lines = series.into_iter().zip(COLORS).map(|((name, line), color)| Series {
        name: name.to_owned(),
        color,
        line,
        ..Series::default()
    });
    // The dot lies on top, and does not set the axis.
    let mut chart = chart(title, "NLL (nats)", lines.collect(), Vec::new());
    chart.series.splice(0..0, kept);
    chart
}

/// `series` best first.
fn chart(title: &str, y_name: &str, mut series: Vec<Series>, notes: Vec<String>) -> Chart {
    for series in &mut series {
        if let [only] = series.line[..] {
            series.dots = vec![only];
        }
    }
    Chart {
        stem: "curves".to_owned(),
        title: title.to_owned(),
        x_name: "step".to_owned(),
        y_name: y_name.to_owned(),
        scale: Scale::Linear,
        marked: Vec::new(),
        begins: Some(0.0),
        y: limits(&series),
        series,
        notes,
    }
}

/// Limits of the NLL: around the better third of the curves, without their first steps, which would press the rest flat.
fn limits(series: &[Series]) -> [f64; 2] {
    let last = series.iter().filter_map(|series| series.line.last()).map(|point| point.0).fold(0.0, f64::max);
    let late = |series: &Series| -> Vec<f64> {
        let all = || series.line.iter().filter(|point| point.1.is_finite());
        let late: Vec<f64> = all().filter(|point| point.0 >= 0.1 * last).map(|point| point.1).collect();
        // A run that ended early shows what it has.
        if late.is_empty() { all().map(|point| point.1).collect() } else { late }
    };
    let values: Vec<Vec<f64>> = series.iter().map(late).filter(|values| !values.is_empty()).collect();
    let best = &values[..values.len().div_ceil(3)];
    let seeds = series.iter().flat_map(|series| series.bars.iter().chain(&series.band));
    let seeds = seeds.filter(|seeds| seeds.0 >= 0.1 * last).flat_map(|&(_, low, high)| [low, high]);
    let all: Vec<f64> = values.iter().flatten().copied().chain(seeds).collect();
    limits_around(&best.concat(), &all)
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
            .map(|i| Curve { name: format!("t{i}"), seeds: vec![rows(&[(1, f64::from(i)), (9, 0.5 * f64::from(i))])] })
            .collect();
        let chart = curve_chart("moons", &curves);
        let names: Vec<&str> = chart.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "", "", ""]);
        assert_eq!(chart.notes, ["grey: 3 others"]);
    }

    #[test]
    fn the_best_step_of_a_run_is_marked() {
        let chart = run_chart("t", &rows(&[(10, 3.0), (20, f64::NAN), (30, 1.0), (40, 1.0), (50, 2.0)]));
        assert_eq!(
            (&chart.series[0].name[..], &chart.series[0].dots[..]),
            ("kept: step 30, 1.0000", &[(30.0, 1.0)][..])
        );
        assert_eq!(run_chart("t", &rows(&[(10, f64::NAN)])).series.len(), 2, "nothing is best");
    }

    #[test]
    fn strange_curves_still_make_a_chart() {
        for curves in [Vec::new(), vec![Curve { name: "a".into(), seeds: vec![rows(&[(5, f64::INFINITY)])] }]] {
            let drawn = curve_chart("t", &curves).draw().expect("drawn");
            assert!(drawn.svg.starts_with("<svg") && drawn.svg.trim_end().ends_with("</svg>"));
        }
    }

    #[test]
    fn one_evaluation_is_a_dot_with_its_seeds_as_a_bar() {
        let seeds = vec![rows(&[(78, 1.0)]), rows(&[(78, 2.0)])];
        let chart = curve_chart("t", &[Curve { name: "a".into(), seeds }]);
        let only = &chart.series[0];
        assert_eq!((&only.dots[..], &only.bars[..], only.band.len()), (&[(78.0, 1.5)][..], &[(78.0, 1.0, 2.0)][..], 0));
        assert!(chart.y[0] < 1.0 && chart.y[1] > 2.0, "{:?}", chart.y);
    }

    #[test]
    fn a_diverged_trial_neither_sets_the_axis_nor_takes_a_colour_where_it_has_no_value() {
        let curve = |name: &str, values: &[(i64, f64)]| Curve { name: name.into(), seeds: vec![rows(values)] };
        let curves = [
            curve("good", &[(10, 2.0), (20, 1.0), (30, 0.9)]),
            curve("fair", &[(10, 2.0), (20, 1.8), (30, 1.7)]),
            curve("wild", &[(10, 2.0), (20, 1e6), (30, 1e9)]),
            curve("gone", &[(10, f64::NAN)]),
        ];
        let chart = curve_chart("t", &curves);
        assert!(chart.y[0] < 0.9 && (2.0..4.0).contains(&chart.y[1]), "{:?}", chart.y);
        assert_eq!(chart.series.len(), 3);
        assert_eq!(chart.notes, ["not drawn: 1 without an evaluation"]);
        let svg = chart.draw().expect("drawn").svg;
        assert!(svg.contains("arrows: outside, at 1.00e9") && !svg.contains("gone"));
    }
}
