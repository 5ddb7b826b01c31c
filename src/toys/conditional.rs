//! A normal variable given another one: the planar densities of the neural spline flow paper's code
//! (Durkan et al. 2019, `data/plane.py`).

use std::f64::consts::{E, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::normal::log_normal;
use super::{Parameter, Toy, ToyEntry};

/// exp(−1), the default where the conditional variance is e⁻².
const E_TO_MINUS_1: f64 = 0.367_879_441_171_442_33;
/// exp(−3/2), the default where the conditional variance is e⁻³.
const E_TO_MINUS_3_HALVES: f64 = 0.223_130_160_148_429_82;

pub(super) const GAUSSIAN: ToyEntry = ToyEntry {
    name: "gaussian",
    description: "two independent normal variables",
    parameters: &[noise(0.5)],
    components: None,
    make: |values| Box::new(Conditional { mean: |_| 0.0, deviation: values["noise"], swapped: false }),
};

pub(super) const CRESCENT: ToyEntry = ToyEntry {
    name: "crescent",
    description: "normal noise around the parabola x1 = x2²/2 − 1",
    parameters: &[noise(E_TO_MINUS_1)],
    components: None,
    make: |values| Box::new(Conditional { mean: |x| 0.5 * x * x - 1.0, deviation: values["noise"], swapped: true }),
};

pub(super) const CRESCENT_CUBED: ToyEntry = ToyEntry {
    name: "crescent-cubed",
    description: "normal noise around the cubic curve x1 = x2³/5",
    parameters: &[noise(1.0)],
    components: None,
    make: |values| Box::new(Conditional { mean: |x| 0.2 * x * x * x, deviation: values["noise"], swapped: true }),
};

pub(super) const SINE: ToyEntry = ToyEntry {
    name: "sine",
    description: "normal noise around x2 = sin 5 x1",
    parameters: &[noise(E_TO_MINUS_1)],
    components: None,
    make: |values| Box::new(Conditional { mean: |x| (5.0 * x).sin(), deviation: values["noise"], swapped: false }),
};

pub(super) const ABS: ToyEntry = ToyEntry {
    name: "abs",
    description: "normal noise around x2 = |x1| − 1",
    parameters: &[noise(E_TO_MINUS_3_HALVES)],
    components: None,
    make: |values| Box::new(Conditional { mean: |x| x.abs() - 1.0, deviation: values["noise"], swapped: false }),
};

pub(super) const SIGN: ToyEntry = ToyEntry {
    name: "sign",
    description: "normal noise around x2 = sign x1 + x1",
    parameters: &[noise(E_TO_MINUS_3_HALVES)],
    components: None,
    make: |values| Box::new(Conditional { mean: |x| x.signum() + x, deviation: values["noise"], swapped: false }),
};

const fn noise(default: f64) -> Parameter {
    Parameter { doc: "Standard deviation of the second variable given the first.", ..super::entry::noise(default) }
}

/// x1 ~ N(0, 1), x2 | x1 ~ N(mean(x1), deviation²).
#[derive(Debug)]
struct Conditional {
    mean: fn(f64) -> f64,
    deviation: f64,
    /// The row is (x2, x1).
    swapped: bool,
}

impl Conditional {
    /// From (x1, x2) to the row, and back.
    fn order<T>(&self, [first, second]: [T; 2]) -> [T; 2] {
        if self.swapped { [second, first] } else { [first, second] }
    }
}

impl Toy for Conditional {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let first: f64 = rng.sample(StandardNormal);
        let second = (self.mean)(first) + self.deviation * rng.sample::<f64, _>(StandardNormal);
        row.copy_from_slice(&self.order([first as f32, second as f32]));
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let [first, second] = self.order([x[0], x[1]]);
        log_normal(first, 1.0) + log_normal(second - (self.mean)(first), self.deviation)
    }

    fn entropy(&self) -> f64 {
        (TAU * E).ln() + self.deviation.ln()
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        const EDGE: f64 = 5.0;
        let means = || (-500..=500).map(|i| (self.mean)(EDGE * f64::from(i) / 500.0));
        let margin = 5.0 * self.deviation;
        let low = means().fold(f64::INFINITY, f64::min) - margin;
        let high = means().fold(f64::NEG_INFINITY, f64::max) + margin;
        self.order([[-EDGE, EDGE], [low, high]]).to_vec()
    }
}
