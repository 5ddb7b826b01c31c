//! A toy under an affine map that its context tells.

use std::f64::consts::FRAC_PI_2;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Condition, Toy, numbered};

/// The turn of the first two features is uniform within ± this, radians.
const LARGEST_TURN: f64 = FRAC_PI_2;
/// The logarithm of the scale is uniform within ± this; its mean is 0, which leaves the entropy as it is.
const LARGEST_LOG_SCALE: f64 = 0.5;
/// The shift of every feature is uniform within ± this.
const LARGEST_SHIFT: f64 = 1.0;

/// x = exp(log_scale) · R(turn) · y + shift, y a row of the toy: p(x | turn, log_scale, shift), and given what the toy itself is
/// conditional on. A toy of one feature has no turn.
#[derive(Debug)]
pub struct UnderAffineMap {
    toy: Box<dyn Toy>,
}

impl UnderAffineMap {
    /// `toy` under every such map.
    pub fn new(toy: Box<dyn Toy>) -> Self {
        Self { toy }
    }

    fn has_turn(&self) -> bool {
        self.toy.features() > 1
    }

    /// The map that the values behind the toy's own say.
    fn map<'a>(&self, values: &'a [f64]) -> Map<'a> {
        let (turn, rest) = match self.has_turn() {
            true => (values[0], &values[1..]),
            false => (0.0, values),
        };
        Map { turn, log_scale: rest[0], shift: &rest[1..] }
    }
}

/// An affine map of the features.
struct Map<'a> {
    turn: f64,
    log_scale: f64,
    shift: &'a [f64],
}

impl Map<'_> {
    fn apply(&self, y: &mut [f64]) {
        turn(y, self.turn);
        let scale = self.log_scale.exp();
        y.iter_mut().zip(self.shift).for_each(|(y, shift)| *y = scale * *y + shift);
    }

    fn invert(&self, x: &mut [f64]) {
        let scale = (-self.log_scale).exp();
        x.iter_mut().zip(self.shift).for_each(|(x, shift)| *x = scale * (*x - shift));
        turn(x, -self.turn);
    }
}

/// Turns the first two of `values`, if there are two.
fn turn(values: &mut [f64], angle: f64) {
    if let [first, second, ..] = values {
        let (sin, cos) = angle.sin_cos();
        (*first, *second) = (cos * *first - sin * *second, sin * *first + cos * *second);
    }
}

impl Toy for UnderAffineMap {
    fn features(&self) -> usize {
        self.toy.features()
    }

    fn names(&self) -> Vec<String> {
        self.toy.names()
    }

    fn context(&self) -> Vec<Condition> {
        let number = |name: String| Condition { name, classes: Vec::new() };
        let turn = self.has_turn().then(|| "turn".to_owned());
        let of_map = turn.into_iter().chain(["log_scale".to_owned()]).chain(numbered("shift", self.features()));
        self.toy.context().into_iter().chain(of_map.map(number)).collect()
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let own = self.toy.values();
        loop {
            self.toy.sample(rng, &mut row[..own]);
            let mut within = |largest: f64| rng.random_range(-largest..largest) as f32;
            let mut values = row[own..].iter_mut();
            if self.has_turn() {
                values.by_ref().take(1).for_each(|value| *value = within(LARGEST_TURN));
            }
            values.by_ref().take(1).for_each(|value| *value = within(LARGEST_LOG_SCALE));
            values.for_each(|value| *value = within(LARGEST_SHIFT));
            let mut all: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
            let (of_toy, of_map) = all.split_at_mut(own);
            let features = &mut of_toy[..self.features()];
            self.map(of_map).apply(features);
            row.iter_mut().zip(&*features).for_each(|(to, from)| *to = *from as f32);
            // One row in millions is rounded out of a support with sharp edges.
            all.iter_mut().zip(&*row).for_each(|(to, from)| *to = f64::from(*from));
            if self.log_density(&all).is_finite() {
                return;
            }
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let (of_toy, of_map) = x.split_at(self.toy.values());
        let (mut y, map) = (of_toy.to_vec(), self.map(of_map));
        map.invert(&mut y[..self.features()]);
        self.toy.log_density(&y) - self.features() as f64 * map.log_scale
    }

    fn entropy(&self) -> f64 {
        self.toy.entropy()
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let scale = LARGEST_LOG_SCALE.exp();
        let bounds = self.toy.bounds();
        let farthest = |[low, high]: [f64; 2]| low.abs().max(high.abs());
        let radius = bounds.iter().take(2).map(|side| farthest(*side).powi(2)).sum::<f64>().sqrt();
        let around = |(feature, side): (usize, &[f64; 2])| {
            let far = if feature < 2 { radius } else { farthest(*side) };
            let edge = scale * far + LARGEST_SHIFT;
            [-edge, edge]
        };
        bounds.iter().enumerate().map(around).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::statistics::Estimate;
    use crate::toys::toy;

    fn under_map(name: &str) -> UnderAffineMap {
        UnderAffineMap::new(toy(name, &Default::default()).expect("a toy"))
    }

    /// By hand: a quarter turn takes (3, 1) to (−1, 3), twice that is (−2, 6), and the shift makes it (8, 26).
    #[test]
    fn a_density_moves_with_its_map() {
        let toy = under_map("gaussian");
        assert_eq!(
            toy.context().iter().map(|of| of.name.as_str()).collect::<Vec<_>>(),
            ["turn", "log_scale", "shift1", "shift2"]
        );
        let moved = toy.log_density(&[8.0, 26.0, FRAC_PI_2, 2f64.ln(), 10.0, 20.0]);
        let still = toy.toy.log_density(&[3.0, 1.0]) - 4f64.ln();
        assert!((moved - still).abs() < 1e-12, "{moved} {still}");
    }

    /// The mean of −log density over draws, for a toy with sharp edges, one given a class, one of a single feature.
    #[test]
    fn the_entropy_is_that_of_the_toy() {
        let given = crate::toys::toy_given_component("8gaussians", &Default::default()).expect("a toy");
        for toy in [under_map("checkerboard"), UnderAffineMap::new(given), under_map("mixture-1d")] {
            let mut rng = stream(3, Purpose::Test, 0);
            let mut row = vec![0.0; toy.values()];
            let mut surprise = || {
                toy.sample(&mut rng, &mut row);
                -toy.log_density(&row.iter().map(|value| f64::from(*value)).collect::<Vec<_>>())
            };
            let found = Estimate::of((0..40_000).map(|_| surprise()).collect::<Vec<_>>().into_iter());
            let error = found.error.expect("rows");
            assert!((found.mean - toy.entropy()).abs() < 4.0 * error, "{toy:?}: {found:?} {}", toy.entropy());
        }
    }
}
