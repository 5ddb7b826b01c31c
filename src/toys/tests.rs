//! Every toy held to its definition: density against quadrature, entropy, sampler and the literature.

use std::collections::BTreeMap;

use super::*;
use crate::random::{Purpose, stream};

/// Cells of the fine grid and of the coarse one, along each feature.
const FINE: usize = 192;
const COARSE: usize = 16;
const DRAWS: usize = 20_000;

fn with(name: &str, parameters: &[(&str, f64)]) -> Box<dyn Toy> {
    toy(name, &parameters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()).unwrap()
}

/// Parameters that are set.
type Set = &'static [(&'static str, f64)];

/// Toys with other than their default parameters.
const OTHERS: &[(&str, Set)] = &[
    ("moons", &[("noise", 0.02)]),
    ("moons-ffjord", &[("noise", 0.3)]),
    ("circles", &[("noise", 0.3)]),
    ("rings", &[("noise", 0.5)]),
    ("swissroll", &[("noise", 0.5)]),
    ("8gaussians", &[("noise", 1.5)]),
    ("pinwheel", &[("noise", 0.2)]),
    ("2spirals", &[("noise", 0.3)]),
    ("crescent", &[("noise", 2.0)]),
    ("mixture-1d", &[("mean_1", 3.0), ("deviation_1", 4.0), ("deviation_2", 0.3), ("weight", 0.8)]),
    ("mixture-1d", &[("weight", 1.0)]),
];

/// Has more features than a grid of cells takes, and tails beyond every grid. The distribution that it is made of is tested where
/// it is.
const BEYOND_GRIDS: &str = "student-t";

/// Every toy that a grid takes with its default parameters, and the others.
fn cases() -> impl Iterator<Item = (String, Box<dyn Toy>)> {
    let on_grids = TOYS.iter().filter(|entry| entry.name != BEYOND_GRIDS);
    let standard = on_grids.map(|entry| (entry.name.to_owned(), with(entry.name, &[])));
    let others = OTHERS.iter().map(|(name, parameters)| (format!("{name} {parameters:?}"), with(name, parameters)));
    standard.chain(others)
}

/// Midpoints of `FINE` equal cells in each direction of the toy's bounds.
fn midpoints(toy: &dyn Toy) -> Vec<Vec<f64>> {
    let axis = |[low, high]: [f64; 2]| (0..FINE).map(move |i| low + (high - low) * (i as f64 + 0.5) / FINE as f64);
    match toy.bounds().as_slice() {
        [x] => axis(*x).map(|x| vec![x]).collect(),
        [x, y] => axis(*x).flat_map(|x| axis(*y).map(move |y| vec![x, y])).collect(),
        more => panic!("{} features", more.len()),
    }
}

/// The coarse cell that holds `x`; `None` outside the bounds.
fn coarse_cell(bounds: &[[f64; 2]], x: &[f64]) -> Option<usize> {
    bounds.iter().zip(x).try_fold(0, |cell, ([low, high], x)| {
        let place = (x - low) / (high - low);
        (0.0..1.0).contains(&place).then(|| cell * COARSE + (place * COARSE as f64) as usize)
    })
}

/// Every density integrates to 1; −p ln p integrates to the entropy; the surprise of the sampler's rows has the entropy as
/// its mean; and the rows fall into cells as the density says. One test, since the same evaluations serve all.
#[test]
fn density_entropy_and_sampler_of_every_toy_agree() {
    for (name, toy) in cases() {
        let bounds = toy.bounds();
        let volume: f64 = bounds.iter().map(|[low, high]| (high - low) / FINE as f64).product();
        let mut masses = vec![0.0; COARSE.pow(bounds.len() as u32)];
        let mut grid_entropy = 0.0;
        for x in midpoints(&*toy) {
            let log = toy.log_density(&x);
            masses[coarse_cell(&bounds, &x).unwrap()] += log.exp() * volume;
            grid_entropy += quadrature::surprise(log) * volume;
        }
        let mass: f64 = masses.iter().sum();
        assert!((mass - 1.0).abs() < 1e-3, "{name}: a mass of {mass}");
        let entropy = toy.entropy();
        assert!((grid_entropy - entropy).abs() < 2e-3, "{name}: entropy {grid_entropy} by the grid, {entropy}");

        let mut rng = stream(0, Purpose::Test, 0);
        let mut row = vec![0.0f32; toy.features()];
        let mut counts = vec![0.0; masses.len()];
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..DRAWS {
            toy.sample(&mut rng, &mut row);
            let x: Vec<f64> = row.iter().copied().map(f64::from).collect();
            let surprise = -toy.log_density(&x);
            sum += surprise;
            squares += surprise * surprise;
            if let Some(cell) = coarse_cell(&bounds, &x) {
                counts[cell] += 1.0;
            }
        }
        let draws = DRAWS as f64;
        let mean = sum / draws;
        let standard_error = ((squares / draws - mean * mean).max(0.0) / draws).sqrt();
        let allowed = 4.0 * standard_error + 1e-9;
        assert!((mean - entropy).abs() <= allowed, "{name}: {mean} ± {standard_error}, entropy {entropy}");
        assert_fits(&name, &counts, &masses);
    }
}

#[test]
fn heavy_tails_have_the_entropy_of_their_draws_and_few_beyond_their_bounds() {
    for degrees in [1.0, 2.0, 8.0] {
        let toy = with(BEYOND_GRIDS, &[("degrees_of_freedom", degrees)]);
        let (mut rng, mut row) = (stream(0, Purpose::Test, 0), vec![0.0f32; toy.features()]);
        let (mut surprises, mut beyond) = (Vec::new(), 0);
        for _ in 0..DRAWS {
            toy.sample(&mut rng, &mut row);
            let x: Vec<f64> = row.iter().copied().map(f64::from).collect();
            surprises.push(-toy.log_density(&x));
            beyond += x.iter().zip(toy.bounds()).filter(|(x, [low, high])| !(low..high).contains(x)).count();
        }
        let found = crate::statistics::Estimate::of(surprises.into_iter());
        assert!((found.mean - toy.entropy()).abs() < 4.0 * found.error.unwrap(), "{degrees}: {found:?}");
        // A tenth of a value is expected there.
        assert!(beyond < 4, "{degrees}: {beyond}");
    }
}

/// Pearson's χ² of the counts, at most five standard deviations above its mean. Cells with few expected rows, and the
/// outside, are taken together.
fn assert_fits(name: &str, counts: &[f64], masses: &[f64]) {
    let draws = DRAWS as f64;
    let (mut statistic, mut cells, mut rest) = (0.0, 0.0_f64, (draws, draws));
    for (count, mass) in counts.iter().zip(masses) {
        let expected = mass * draws;
        if expected >= 10.0 {
            statistic += (count - expected).powi(2) / expected;
            cells += 1.0;
            rest = (rest.0 - count, rest.1 - expected);
        }
    }
    assert!(cells >= 4.0, "{name}: only {cells} cells have rows");
    let allowed = rest.1.max(0.0).sqrt() * 5.0 + 5.0 + 1e-3 * draws;
    assert!((rest.0 - rest.1).abs() <= allowed, "{name}: {} rows in the rest, expected {}", rest.0, rest.1);
    let limit = cells + 5.0 * (2.0 * cells).sqrt();
    assert!(statistic < limit, "{name}: χ² = {statistic} over {cells} cells, limit {limit}");
}

#[test]
fn entropies_are_those_of_the_table_of_facts() {
    let cases: &[(&str, Set, f64)] = &[
        ("moons", &[], 0.289),
        ("moons", &[("noise", 0.06)], 0.477),
        ("moons", &[("noise", 0.08)], 0.776),
        ("moons", &[("noise", 0.10)], 1.008),
        ("moons-ffjord", &[], 2.3939),
        ("circles", &[], 3.2681),
        ("rings", &[], 2.6232),
        ("swissroll", &[], 2.6697),
        ("8gaussians", &[], 2.8319),
        ("pinwheel", &[], 2.3178),
        ("2spirals", &[], 2.6454),
        ("checkerboard", &[], 3.4657),
        ("gaussian", &[], 2.1447),
        ("crescent", &[], 1.8379),
        ("crescent-cubed", &[], 2.8379),
        ("sine", &[], 1.8379),
        ("abs", &[], 1.3379),
        ("sign", &[], 1.3379),
        ("ring-bumps", &[], 2.6600),
    ];
    for (name, parameters, expected) in cases {
        let entropy = with(name, parameters).entropy();
        assert!((entropy - expected).abs() < 2e-3, "{name} {parameters:?}: {entropy}, expected {expected}");
    }
    let expected = 0.5 * (std::f64::consts::TAU * std::f64::consts::E * 9.0).ln();
    for (weight, deviation) in [(1.0, "deviation_1"), (0.0, "deviation_2")] {
        let entropy = with("mixture-1d", &[("weight", weight), (deviation, 3.0)]).entropy();
        assert!((entropy - expected).abs() < 1e-9, "one normal alone: {entropy}, expected {expected}");
    }
}

/// At each end of each parameter.
#[test]
fn every_entropy_is_finite_and_densities_are_finite_far_away() {
    for entry in TOYS {
        let default = BTreeMap::new();
        let ends = entry.parameters.iter().flat_map(|p| [(p.name, p.minimum), (p.name, p.maximum)]);
        let mut settings: Vec<BTreeMap<String, f64>> =
            ends.map(|(name, value)| BTreeMap::from([(name.to_owned(), value)])).collect();
        settings.push(default);
        for parameters in settings {
            let toy = entry.build(&parameters).unwrap();
            let entropy = toy.entropy();
            assert!(entropy.is_finite(), "{} {parameters:?}: {entropy}", entry.name);
            for x in [0.0, 1e-9, 17.0, -60.0, 3e4] {
                let log = toy.log_density(&vec![x; toy.features()]);
                let expected = log.is_finite() || entry.name == "checkerboard";
                assert!(expected, "{} {parameters:?}: ln p = {log} at {x}", entry.name);
            }
        }
    }
}

#[test]
fn the_table_is_in_order() {
    for (i, entry) in TOYS.iter().enumerate() {
        assert!(TOYS[..i].iter().all(|other| other.name != entry.name), "{} stands there twice", entry.name);
        assert!(DEGENERATE.iter().all(|refused| refused.name != entry.name), "{}", entry.name);
        for p in entry.parameters {
            let Parameter { name, default, minimum, maximum, reason, doc } = *p;
            assert!((minimum..=maximum).contains(&default), "{} {name}", entry.name);
            assert!(doc.ends_with('.') && !reason.is_empty(), "{} {name}", entry.name);
        }
    }
}

#[test]
fn wrong_names_and_values_are_refused_with_the_reason() {
    let none = BTreeMap::new;
    let one = |name: &str, value| BTreeMap::from([(name.to_owned(), value)]);
    let cases = [
        (toy("swirl", &none()), "known: moons, "),
        (toy("line", &none()), "the line y = x, so it has no density"),
        (toy("cos", &none()), "no density in the plane"),
        (toy("moons", &one("nois", 0.1)), "known: noise"),
        (toy("checkerboard", &one("noise", 0.1)), "it has none"),
        (toy("circles", &one("noise", 0.0)), "[0.01, 10]"),
        (toy("circles", &one("noise", f64::NAN)), "no density worth the name"),
    ];
    for (result, expected) in cases {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}
