//! Independent Student-t variables: heavy tails in all directions.

use rand_chacha::ChaCha8Rng;

use super::{Parameter, Toy, ToyEntry};
use crate::student_t::StudentT;

pub(super) const STUDENT_T: ToyEntry = ToyEntry {
    name: "student-t",
    description: "five independent Student-t variables: heavy tails",
    parameters: &[Parameter {
        name: "degrees_of_freedom",
        default: 2.0,
        minimum: 1.0,
        maximum: 100.0,
        reason: "with less, a few rows are so far out that 32-bit floats lose all others; with more, it is nearly a normal",
        doc: "Degrees of freedom of every variable: its tails have this power, plus 1.",
    }],
    components: None,
    make: |values| Box::new(Independent(StudentT::new(values["degrees_of_freedom"]))),
};

const FEATURES: usize = 5;

/// Every feature follows the same distribution.
#[derive(Debug)]
struct Independent(StudentT);

impl Toy for Independent {
    fn features(&self) -> usize {
        FEATURES
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        row.iter_mut().for_each(|x| *x = self.0.sample(rng) as f32);
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        x.iter().map(|x| self.0.log_density(*x)).sum()
    }

    fn entropy(&self) -> f64 {
        FEATURES as f64 * self.0.entropy()
    }

    /// The tails beyond z hold 2·p(0)·√ν^(ν + 1)/(ν·z^ν) of the mass, where z² is far above ν, and less nearer.
    fn bounds(&self) -> Vec<[f64; 2]> {
        let StudentT { degrees, log_peak, .. } = self.0;
        let log_end = (log_peak + 0.5 * (degrees + 1.0) * degrees.ln() - (0.5 * degrees * 1e-6).ln()) / degrees;
        vec![[-log_end.exp(), log_end.exp()]; FEATURES]
    }
}
