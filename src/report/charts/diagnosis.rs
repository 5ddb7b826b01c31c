//! What a diagnosis saw: latents against their distribution, samples against test rows.

use super::super::canvas::INK;
use super::chart::{BEHIND, COLORS, Chart, Series};
use super::scale::Scale;
use crate::diagnose::{ColumnDifference, Latents, SHARES, chi_squared_density, normal};
use crate::matrix::Matrix;
use crate::report::histogram::{bin_count, heights};
use crate::report::limits::axis_limits;

/// Curves and columns that are shown by name.
const NAMED: usize = 5;
/// Columns that are shown at all: more would stand on top of each other.
const COLUMNS: usize = 24;
/// Share of a column's room over which its quantiles are spread.
const WITHIN: f64 = 0.7;

/// Every coordinate of the latents as a P-P plot whose diagonal lies flat: the share of rows below a quantile of N(0, 1), less what
/// it should be. Chance alone stays within the grey band in 95 of 100 coordinates. The worst have a colour and a name.
pub fn latents_chart(title: &str, scores: &Matrix<f64>, latents: &Latents) -> Chart {
    let curve = |column: usize| -> Vec<(f64, f64)> {
        let mut shares: Vec<f64> = scores.iter_rows().map(|row| normal(row[column])).collect();
        shares.sort_by(f64::total_cmp);
        let below = |at: f64| shares.partition_point(|&share| share <= at) as f64 / shares.len() as f64;
        (0..=200).map(|i| f64::from(i) / 200.0).map(|at| (at, below(at) - at)).collect()
    };
    let mut order: Vec<usize> = (0..latents.coordinates.len()).collect();
    order.sort_by(|&a, &b| latents.coordinates[b].distance.total_cmp(&latents.coordinates[a].distance));
    let series = order.iter().enumerate().map(|(place, &column)| {
        let it = &latents.coordinates[column];
        let (name, color) = match place < NAMED {
            true if it.p < 0.05 => (format!("{}: {}", it.name, it.direction.words()), COLORS[place]),
            true => (it.name.clone(), COLORS[place]),
            false => (String::new(), BEHIND),
        };
        Series { name, color, line: curve(column), ..Series::default() }
    });
    // Kolmogorov's 95 % quantile.
    let chance = 1.358 / (latents.rows as f64).sqrt();
    let band = Series { color: INK, band: [0.0, 1.0].map(|at| (at, -chance, chance)).into(), ..Series::default() };
    let ends = [-chance, chance].map(|y| Series { color: BEHIND, line: vec![(0.0, y), (1.0, y)], ..Series::default() });
    let most = latents.coordinates.iter().map(|it| it.distance).fold(1.2 * chance, f64::max);
    Chart {
        stem: "latents".into(),
        title: title.to_owned(),
        x_name: "share of rows below, expected of N(0, 1)".into(),
        y_name: "share of rows below, found − expected".into(),
        scale: Scale::Linear,
        marked: Vec::new(),
        begins: None,
        y: [-1.08 * most, 1.08 * most],
        series: series.chain(ends).chain([band]).collect(),
        notes: vec!["latents of test rows".into(), "grey band: chance, 95 of 100".into()],
    }
}

/// The histogram of |z|² over test rows, and the density of χ².
pub fn lengths_chart(title: &str, scores: &Matrix<f64>) -> Chart {
    let squares: Vec<f64> = scores.iter_rows().map(|row| row.iter().map(|z| z * z).sum()).collect();
    let [low, high] = axis_limits(squares.iter().copied());
    let degrees = scores.columns();
    let spread = (2.0 * degrees as f64).sqrt();
    let limits = [low.min(degrees as f64 - 3.0 * spread).max(0.0), high.max(degrees as f64 + 4.0 * spread)];
    let bins = bin_count(&squares, limits);
    let heights = heights(&squares, limits, bins);
    let width = (limits[1] - limits[0]) / bins as f64;
    let edge = |i: usize| limits[0] + width * i as f64;
    let steps = heights.iter().enumerate().flat_map(|(i, &height)| [(edge(i), height), (edge(i + 1), height)]);
    let at = |i: u32| limits[0] + (limits[1] - limits[0]) * (f64::from(i) + 0.5) / 400.0;
    let expected: Vec<(f64, f64)> = (0..400).map(at).map(|x| (x, chi_squared_density(x, degrees))).collect();
    let tallest = expected.iter().map(|point| point.1).chain(heights.iter().copied());
    // Of one or two degrees of freedom the density is highest at 0, without an end or at one.
    let top = tallest.fold(0.0, f64::max).min(3.0 * heights.iter().copied().fold(0.0, f64::max));
    let found = steps.clone().map(|(x, height)| (x, 0.0, height)).collect();
    Chart {
        stem: "lengths".into(),
        title: title.to_owned(),
        x_name: "|z|² of test rows".into(),
        y_name: "density".into(),
        scale: Scale::Linear,
        marked: Vec::new(),
        begins: None,
        y: [0.0, 1.08 * top],
        series: vec![
            Series {
                name: format!("χ², {degrees} degrees of freedom"),
                color: COLORS[1],
                line: expected,
                ..Series::default()
            },
            Series {
                name: "test rows".into(),
                color: COLORS[0],
                line: steps.collect(),
                band: found,
                ..Series::default()
            },
        ],
        notes: Vec::new(),
    }
}

/// Quantiles of the samples less those of the test rows, in standard deviations, for the columns that differ most: the lower to the
/// left, within the grey band in 95 of 100 where there is only chance.
pub fn quantiles_chart(title: &str, columns: &[ColumnDifference]) -> Chart {
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|&a, &b| columns[b].distance.total_cmp(&columns[a].distance));
    order.truncate(COLUMNS);
    order.sort_unstable();
    let shown: Vec<(f64, &ColumnDifference)> =
        order.iter().enumerate().map(|(place, &column)| (place as f64, &columns[column])).collect();
    let along = |place: f64, share: usize| place + WITHIN * (SHARES[share] - 0.5);
    let series = SHARES.iter().enumerate().map(|(share, quantile)| Series {
        name: format!("{:.0} % quantile", 100.0 * quantile),
        color: COLORS[share],
        dots: shown.iter().map(|&(place, it)| (along(place, share), it.quantiles[share])).collect(),
        ..Series::default()
    });
    let bands = shown.iter().map(|&(place, it)| {
        let band = it.chance.iter().enumerate().map(|(share, &[low, high])| (along(place, share), low, high));
        Series { color: INK, band: band.collect(), ..Series::default() }
    });
    let values = shown.iter().flat_map(|(_, it)| it.quantiles.iter().chain(it.chance.as_flattened()));
    let most = values.map(|value| value.abs()).fold(0.05, f64::max);
    let last = (shown.len().max(1) - 1) as f64;
    let zero = Series { color: BEHIND, line: vec![(-0.5, 0.0), (last + 0.5, 0.0)], ..Series::default() };
    let left_out = columns.len() - shown.len();
    let left_out = (left_out > 0).then(|| format!("{left_out} columns that differ less are left out"));
    Chart {
        stem: "quantiles".into(),
        title: title.to_owned(),
        x_name: "column".into(),
        y_name: "samples − test rows (deviations)".into(),
        scale: Scale::Words(shown.iter().map(|(_, it)| it.column.clone()).collect()),
        marked: Vec::new(),
        begins: None,
        y: [-1.15 * most, 1.15 * most],
        series: series.chain([zero]).chain(bands).collect(),
        notes: ["grey bands: chance, 95 of 100".into()].into_iter().chain(left_out).collect(),
    }
}
