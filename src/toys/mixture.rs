//! A mixture of two normals on the line: one feature, where every curve can be drawn.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::components::Component;
use super::entry::Values;
use super::normal::{log_add, log_normal};
use super::quadrature::{on_interval, surprise};
use super::{Parameter, Toy, ToyEntry};

pub(super) const MIXTURE_1D: ToyEntry = ToyEntry {
    name: "mixture-1d",
    description: "a mixture of two normals in one dimension",
    parameters: &[
        mean("mean_1", -2.0, "Mean of the first normal."),
        mean("mean_2", 2.0, "Mean of the second normal."),
        deviation("deviation_1", 1.0, "Standard deviation of the first normal."),
        deviation("deviation_2", 0.5, "Standard deviation of the second normal."),
        Parameter {
            name: "weight",
            default: 0.5,
            minimum: 0.0,
            maximum: 1.0,
            reason: "it is a probability; the second normal has the rest",
            doc: "Probability of the first normal.",
        },
    ],
    components: Some(|values| {
        let alone = |(name, normal): (_, Normal)| {
            let others = Normal { weight: 0.0, ..normal };
            let toy = Box::new(Mixture { normals: [Normal { weight: 1.0, ..normal }, others] });
            Component { name, probability: normal.weight, toy }
        };
        ["first", "second"].into_iter().zip(normals(values)).map(alone).collect()
    }),
    make: |values| Box::new(Mixture { normals: normals(values) }),
};

fn normals(values: &Values) -> [Normal; 2] {
    let weight = values["weight"];
    [
        Normal { mean: values["mean_1"], deviation: values["deviation_1"], weight },
        Normal { mean: values["mean_2"], deviation: values["deviation_2"], weight: 1.0 - weight },
    ]
}

const fn mean(name: &'static str, default: f64, doc: &'static str) -> Parameter {
    let reason = "farther out, 32-bit floats are too coarse for the narrowest normal";
    Parameter { name, default, minimum: -1000.0, maximum: 1000.0, reason, doc }
}

const fn deviation(name: &'static str, default: f64, doc: &'static str) -> Parameter {
    let reason = "with less, the normal is nearly a point; with more, it is flat";
    Parameter { name, default, minimum: 0.01, maximum: 100.0, reason, doc }
}

/// Σᵢ weightᵢ N(meanᵢ, deviationᵢ²).
#[derive(Debug)]
struct Mixture {
    normals: [Normal; 2],
}

#[derive(Clone, Copy, Debug)]
struct Normal {
    mean: f64,
    deviation: f64,
    weight: f64,
}

impl Mixture {
    /// Both ends of each normal, so many standard deviations out, for normals that have mass.
    fn ends(&self, deviations: f64) -> impl Iterator<Item = [f64; 2]> {
        let present = self.normals.iter().filter(|normal| normal.weight > 0.0);
        present.map(move |n| [n.mean - deviations * n.deviation, n.mean + deviations * n.deviation])
    }
}

impl Toy for Mixture {
    fn features(&self) -> usize {
        1
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let [first, second] = self.normals;
        let normal = if rng.random::<f64>() < first.weight { first } else { second };
        row[0] = (normal.mean + normal.deviation * rng.sample::<f64, _>(StandardNormal)) as f32;
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let [one, other] = self.normals.map(|n| n.weight.ln() + log_normal(x[0] - n.mean, n.deviation));
        log_add(one, other)
    }

    fn entropy(&self) -> f64 {
        // Panels as fine as either normal needs: the narrow one may stand anywhere in the wide one.
        let mut breaks: Vec<f64> = self
            .ends(10.0)
            .flat_map(|[low, high]| (0..=20).map(move |k| low + (high - low) * f64::from(k) / 20.0))
            .collect();
        breaks.sort_by(f64::total_cmp);
        let integrand = |x| surprise(self.log_density(&[x]));
        breaks.windows(2).map(|pair| on_interval(pair[0], pair[1], 1, integrand)).sum()
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let low = self.ends(5.0).map(|[low, _]| low).fold(f64::INFINITY, f64::min);
        let high = self.ends(5.0).map(|[_, high]| high).fold(f64::NEG_INFINITY, f64::max);
        vec![[low, high]]
    }
}
