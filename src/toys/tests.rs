//! Every toy held to its definition: density against quadrature, entropy, sampler and the literature.

use std::collections::BTreeMap;

use super::*;
use crate::random::{Purpose, stream};
use crate::statistics::Estimate;

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

/// The unconditional toys.
fn unconditional() -> impl Iterator<Item = &'static ToyEntry> {
    TOYS.iter().filter(|entry| with(entry.name, &[]).context().is_empty())
}

/// The toys that are conditional on numbers.
fn conditional() -> impl Iterator<Item = (&'static str, Box<dyn Toy>)> {
    let all = TOYS.iter().map(|entry| (entry.name, with(entry.name, &[])));
    all.filter(|(_, toy)| !toy.context().is_empty())
}

/// Every component of every toy that has some, alone.
fn components() -> impl Iterator<Item = (String, Box<dyn Toy>)> {
    let of = |entry: &ToyEntry| {
        let values = entry.parameters.iter().map(|p| (p.name, p.default)).collect();
        let name = entry.name;
        let all = entry.components.map_or(Vec::new(), |components| components(&values));
        all.into_iter().map(move |component| (format!("{name} {}", component.name), component.toy))
    };
    TOYS.iter().flat_map(of)
}

/// Every unconditional toy that a grid takes with its default parameters, the others, and the components of both.
fn cases() -> impl Iterator<Item = (String, Box<dyn Toy>)> {
    let on_grids = unconditional().filter(|entry| entry.name != BEYOND_GRIDS);
    let standard = on_grids.map(|entry| (entry.name.to_owned(), with(entry.name, &[])));
    let others = OTHERS.iter().map(|(name, parameters)| (format!("{name} {parameters:?}"), with(name, parameters)));
    standard.chain(others).chain(components())
}

/// `draws` rows of a toy.
fn draw(toy: &dyn Toy, draws: usize) -> Vec<Vec<f64>> {
    let (mut rng, mut row) = (stream(0, Purpose::Test, 0), vec![0.0f32; toy.values()]);
    let mut one = || {
        toy.sample(&mut rng, &mut row);
        row.iter().copied().map(f64::from).collect()
    };
    (0..draws).map(|_| one()).collect()
}

/// The mean surprise of rows with its standard error; rows that rounding puts outside the support left out.
fn surprise_of(toy: &dyn Toy, rows: &[Vec<f64>]) -> Estimate {
    let surprises: Vec<f64> = rows.iter().map(|row| -toy.log_density(row)).filter(|it| it.is_finite()).collect();
    assert!(surprises.len() + 3 > rows.len(), "{} of {} rows in the support", surprises.len(), rows.len());
    Estimate::of(surprises.into_iter())
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

#[test]
fn a_toy_given_its_component_mixes_to_the_toy_and_has_the_entropy_of_its_draws() {
    for entry in TOYS.iter().filter(|entry| entry.has_components()) {
        let (all, given) = (with(entry.name, &[]), entry.build_given_component(&BTreeMap::new()).unwrap());
        let context = given.context();
        let classes = context[0].values();
        assert_eq!((context.len(), context[0].name.as_str(), given.values()), (1, COMPONENT, all.features() + classes));
        let rows = draw(&*given, DRAWS);
        let found = surprise_of(&*given, &rows);
        assert!((found.mean - given.entropy()).abs() < 4.0 * found.error.unwrap() + 1e-9, "{}: {found:?}", entry.name);
        assert!(given.entropy() < all.entropy(), "{}: a component tells something", entry.name);
        let share = |class: usize| rows.iter().filter(|row| row[all.features() + class] == 1.0).count() as f64;
        let row_of = |features: &[f64], class: usize| {
            let one_hot = (0..classes).map(|other| f64::from(u8::from(other == class)));
            features.iter().copied().chain(one_hot).collect::<Vec<_>>()
        };
        for row in &rows[..50] {
            // All defaults share the mass evenly.
            let mixed: f64 =
                (0..classes).map(|class| given.log_density(&row_of(&row[..all.features()], class)).exp()).sum();
            let log = (mixed / classes as f64).ln();
            assert!((log - all.log_density(&row[..all.features()])).abs() < 1e-6, "{}: {row:?}", entry.name);
        }
        for class in 0..classes {
            let expected = DRAWS as f64 / classes as f64;
            assert!((share(class) - expected).abs() < 5.0 * expected.sqrt(), "{}: {}", entry.name, share(class));
        }
    }
    let uneven = toy_given_component("mixture-1d", &BTreeMap::from([("weight".to_owned(), 0.8)])).unwrap();
    let first = draw(&*uneven, DRAWS).iter().filter(|row| row[1] == 1.0).count() as f64;
    assert!((first / DRAWS as f64 - 0.8).abs() < 0.015, "{first}");
    let entropy = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + 0.2 * 0.5f64.ln();
    assert!((uneven.entropy() - entropy).abs() < 1e-9, "a share of each normal's: {}", uneven.entropy());
}

/// The draws know nothing of density and entropy, which know nothing of the draws.
#[test]
fn densities_given_numbers_have_the_entropy_of_their_draws() {
    for (name, toy) in conditional() {
        let found = surprise_of(&*toy, &draw(&*toy, DRAWS));
        let entropy = toy.entropy();
        assert!((found.mean - entropy).abs() < 4.0 * found.error.unwrap() + 1e-6, "{name}: {found:?}, {entropy}");
    }
}

/// Of those with two features: in a corner of the context's square too, where the prior's edge cuts.
#[test]
fn densities_given_numbers_integrate_to_one_at_every_context() {
    let contexts = |name: &str| match name {
        "two-moons-posterior" => [[-0.3, 0.2], [0.2, 0.6], [-1.0, 0.1]],
        "two-moons-likelihood" => [[0.1, 0.2], [-0.9, 0.3], [1.0, -1.0]],
        "gaussian-mixture-posterior" => [[0.0, 0.0], [3.0, -9.5], [10.5, 9.0]],
        "gaussian-mixture-likelihood" => [[0.0, 0.0], [3.0, -9.5], [10.0, 10.0]],
        other => panic!("contexts of {other}"),
    };
    for (name, toy) in conditional().filter(|(_, toy)| toy.features() == 2) {
        let bounds: [[f64; 2]; 2] = toy.bounds().try_into().unwrap();
        for [a, b] in contexts(name) {
            let step = if name.starts_with("two-moons") { 0.003 } else { 0.04 };
            let mass = quadrature::on_box(bounds, step, |[x, y]| toy.log_density(&[x, y, a, b]).exp());
            assert!((mass - 1.0).abs() < 0.01, "{name} given {a}, {b}: a mass of {mass}");
        }
    }
}

#[test]
fn the_posterior_of_the_linear_gaussian_is_normal_around_half_of_the_data() {
    let (posterior, rows) =
        (with("linear-gaussian-posterior", &[]), draw(&*with("linear-gaussian-posterior", &[]), 2000));
    for row in &rows[..20] {
        let (theta, x) = row.split_at(10);
        let expected: f64 =
            theta.iter().zip(x).map(|(theta, x)| normal::log_normal(theta - 0.5 * x, 0.05f64.sqrt())).sum();
        assert!((posterior.log_density(row) - expected).abs() < 1e-9);
    }
    let mean = |of: fn(f64, f64) -> f64| {
        let all = rows.iter().flat_map(|row| (0..10).map(|i| of(row[i], row[i + 10])));
        all.sum::<f64>() / 20_000.0
    };
    assert!((mean(|theta, x| (theta - 0.5 * x).powi(2)) - 0.05).abs() < 0.002, "the variance given the data");
    assert!(mean(|theta, x| (theta - 0.5 * x) * x).abs() < 0.004, "what is left does not depend on the data");
}

/// −3.656 nats where the prior's edge cuts nothing off: the literature's, by quadrature over θ.
#[test]
fn both_moons_of_the_posterior_share_the_mass_within_the_prior() {
    let toy = with("two-moons-posterior", &[]);
    let at = |x: f64, y: f64| toy.log_density(&[x, y, -0.3, 0.2]);
    let square = |of: &dyn Fn(f64) -> f64| quadrature::on_box([[-1.0, 1.0]; 2], 0.002, |[x, y]| of(at(x, y)));
    // What the grid gets wrong at the crescents' ends cancels.
    let surprise = square(&quadrature::surprise) / square(&f64::exp);
    assert!((surprise + 3.656).abs() < 2e-3, "{surprise}");
    let below = quadrature::on_box([[-1.0, 1.0]; 2], 0.004, |[x, y]| if x + y < 0.0 { at(x, y).exp() } else { 0.0 });
    assert!((below - 0.5).abs() < 0.01, "{below}");
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
        ("linear-gaussian-posterior", &[], -0.789),
        ("linear-gaussian-likelihood", &[], 2.676),
        ("two-moons-likelihood", &[], -4.349),
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
                let log = toy.log_density(&vec![x; toy.values()]);
                let has_edges = entry.name == "checkerboard" || !toy.context().is_empty();
                let expected = log.is_finite() || has_edges && log == f64::NEG_INFINITY;
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
        (toy_given_component("swissroll", &none()), "those that have: moons, "),
        (toy_given_component("moons", &one("nois", 0.1)), "known: noise"),
        (toy("circles", &one("noise", 0.0)), "[0.01, 10]"),
        (toy("circles", &one("noise", f64::NAN)), "no density worth the name"),
    ];
    for (result, expected) in cases {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}
