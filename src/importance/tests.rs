//! Functions whose analysis of variance is known in closed form.

use rand::RngExt;

use super::{Dimension, Forest, Observations};
use crate::random::{Purpose, stream};

const CELLS: usize = 32;

fn range() -> Dimension {
    Dimension { shares: vec![1.0 / CELLS as f64; CELLS], ordered: true, first_is_absence: false }
}

fn words(count: usize) -> Dimension {
    Dimension { shares: vec![1.0 / count as f64; count], ordered: false, first_is_absence: false }
}

/// `points` even draws; `value` is told where the levels' middles lie between 0 and 1.
fn drawn(dimensions: Vec<Dimension>, points: usize, value: impl Fn(&[f64]) -> f64) -> Observations {
    let mut rng = stream(3, Purpose::Test, points as u64);
    let mut all = Observations { dimensions, ..Observations::default() };
    for _ in 0..points {
        let levels: Vec<usize> = all.dimensions.iter().map(|it| rng.random_range(0..it.shares.len())).collect();
        let places =
            levels.iter().zip(&all.dimensions).map(|(level, it)| (*level as f64 + 0.5) / it.shares.len() as f64);
        all.values.push(value(&places.collect::<Vec<_>>()));
        all.levels.push(levels);
    }
    all
}

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() < tolerance, "{found} instead of {expected}");
}

#[test]
fn of_a_sum_every_setting_explains_its_own_variance_and_pairs_nothing() {
    // Variances 9/12, 4/12 and 0 of the uniform: shares 9/13, 4/13, 0.
    let forest = Forest::new(&drawn(vec![range(), range(), range()], 400, |x| 3.0 * x[0] - 2.0 * x[1]));
    let main: Vec<f64> = forest.main_effects().iter().map(|it| it.mean).collect();
    near(main[0], 9.0 / 13.0, 0.04);
    near(main[1], 4.0 / 13.0, 0.04);
    near(main[2], 0.0, 0.01);
    let pairs = forest.pairs();
    assert!(pairs.iter().all(|(_, share)| share.mean < 0.03), "{pairs:?}");
    let sum = main.iter().sum::<f64>() + pairs.iter().map(|(_, share)| share.mean).sum::<f64>();
    assert!(sum <= 1.0 + 1e-9, "{sum}");
    assert!(forest.explained() > 0.9, "{}", forest.explained());
    assert!(forest.main_effects().iter().all(|it| it.deviation > 0.0));
}

#[test]
fn of_a_product_the_pair_has_its_share() {
    // (1 + a)(1 + b) with a, b of variance v and mean 0: v + v + v²; a, b even on ±1, so a third each.
    let sign = |x: f64| if x < 0.5 { -1.0 } else { 1.0 };
    let forest =
        Forest::new(&drawn(vec![range(), words(4), range()], 300, |x| (1.0 + sign(x[0])) * (1.0 + sign(x[1]))));
    let main = forest.main_effects();
    near(main[0].mean, 1.0 / 3.0, 0.04);
    near(main[1].mean, 1.0 / 3.0, 0.04);
    near(main[2].mean, 0.0, 1e-3);
    let pairs = forest.pairs();
    let of = |pair: [usize; 2]| pairs.iter().find(|(known, _)| *known == pair).expect("the pair").1.mean;
    near(of([0, 1]), 1.0 / 3.0, 0.04);
    near(of([0, 2]), 0.0, 1e-3);
    // The means over the other setting: 0 and 2.
    let marginal = forest.marginal(1);
    near(marginal[0].mean, 0.0, 0.05);
    near(marginal[3].mean, 2.0, 0.1);
    let surface = forest.surface(0, 1);
    near(surface[0], 0.0, 0.05);
    near(surface[surface.len() - 1], 4.0, 0.05);
}

#[test]
fn noise_alone_is_not_predicted() {
    let mut rng = stream(5, Purpose::Test, 0);
    let mut noise = drawn(vec![range(), words(3)], 100, |_| 0.0);
    noise.values.iter_mut().for_each(|value| *value = rng.random_range(0.0..1.0));
    let forest = Forest::new(&noise);
    assert!(forest.explained() < 0.05, "{}", forest.explained());
}

#[test]
fn a_setting_that_only_some_points_have_gets_what_it_explains_and_not_what_having_it_says() {
    // A word decides whether there is a number at all, and the number matters little.
    let mut of_some = range();
    of_some.shares.insert(0, 1.0);
    of_some.shares.iter_mut().for_each(|share| *share /= 2.0);
    of_some.first_is_absence = true;
    let mut all = drawn(vec![words(2), of_some], 300, |_| 0.0);
    for (levels, value) in all.levels.iter_mut().zip(&mut all.values) {
        levels[1] = if levels[0] == 0 { 0 } else { levels[1].max(1) };
        *value = if levels[0] == 0 { 0.0 } else { 1.0 + 0.1 * levels[1] as f64 / CELLS as f64 };
    }
    let main = Forest::new(&all).main_effects();
    assert!(main[0].mean > 0.95 && main[1].mean < 0.05, "{main:?}");
}
