//! Batch normalisation on the CPU.

use super::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm};
use crate::layers::Kind;
use crate::layers::cpu::{AcrossRows, Context, OnCpu, Scratch, Totals, Training};

/// Rounds of sums: x, (x − mean)², and on the way back d and d·normalised, all shape `[features]`, the last two in one.
const ROUNDS: usize = 2;

/// Mean of every feature.
fn mean(totals: &Totals) -> Vec<f64> {
    totals.rounds[0].iter().map(|sum| sum / totals.rows).collect()
}

/// Variance of every feature.
fn variance(totals: &Totals) -> impl Iterator<Item = f64> {
    totals.rounds[1].iter().map(|sum| sum / totals.rows)
}

/// 1/√(v + ε) of every feature.
fn inverse_deviation(totals: &Totals) -> Vec<f64> {
    variance(totals).map(|v| 1.0 / (v + BATCH_NORM_EPSILON).sqrt()).collect()
}

/// Σ over a group of rows of `term(place in a buffer, feature)`, for every feature.
fn sums(context: &Context<'_>, term: impl Fn(usize, usize) -> f64) -> impl Iterator<Item = f64> {
    let &Context { panels, features, .. } = context;
    (0..features).map(move |f| {
        let of = |start: usize, used: usize| (start..start + used).map(|at| term(at, f)).sum::<f64>();
        panels.iter().map(|panel| of(panel.place(features, f), panel.used)).sum()
    })
}

impl BatchNorm {
    /// log γ − ½ ln(v + ε) of the running variance.
    fn log_scale(&self, values: &[f32], f: usize) -> f64 {
        let variance = f64::from(values[self.running_variance + f]);
        f64::from(values[self.log_gamma + f]) - 0.5 * (variance + BATCH_NORM_EPSILON).ln()
    }
}

impl OnCpu for BatchNorm {
    /// The normalised rows.
    fn cache(&self, padded: usize, features: usize) -> usize {
        padded * self.cost(features).values
    }

    fn scratch(&self, _: usize) -> usize {
        0
    }

    fn forward(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        _cache: &mut [f32],
        _scratch: &mut Scratch,
    ) {
        let &Context { values, features, panels, .. } = context;
        let total: f64 = (0..features).map(|f| self.log_scale(values, f)).sum();
        log_det.iter_mut().for_each(|l| *l += total as f32);
        for f in 0..features {
            let scale = self.log_scale(values, f).exp();
            let (mean, beta) = (f64::from(values[self.running_mean + f]), f64::from(values[self.beta + f]));
            for panel in panels.iter() {
                let x = panel.row_of(features, f, x);
                x.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * scale + beta) as f32);
            }
        }
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], _cache: &mut [f32], _scratch: &mut Scratch) {
        let &Context { values, features, panels, .. } = context;
        for f in 0..features {
            let scale = (-self.log_scale(values, f)).exp();
            let (mean, beta) = (f64::from(values[self.running_mean + f]), f64::from(values[self.beta + f]));
            for panel in panels.iter() {
                let z = panel.row_of(features, f, z);
                z.iter_mut().for_each(|v| *v = ((f64::from(*v) - beta) * scale + mean) as f32);
            }
        }
    }

    fn scale_max(&self, _: &Context<'_>, _: &[f32]) -> f64 {
        0.0
    }

    fn training(&self) -> Training<'_> {
        Training::AcrossRows(self)
    }
}

impl AcrossRows for BatchNorm {
    fn rounds(&self) -> usize {
        ROUNDS
    }

    fn sums(&self, context: &Context<'_>, so_far: &Totals, x: &[f32]) -> Vec<f64> {
        if so_far.rounds.is_empty() {
            return sums(context, |at, _| x[at].into()).collect();
        }
        let mean = mean(so_far);
        sums(context, |at, f| (f64::from(x[at]) - mean[f]).powi(2)).collect()
    }

    fn keep(&self, totals: &Totals, values: &mut [f32]) {
        let (mean, variance) = (mean(totals), variance(totals).collect());
        for (place, now) in [(self.running_mean, mean), (self.running_variance, variance)] {
            for (running, now) in values[place..].iter_mut().zip(now) {
                *running = ((1.0 - BATCH_NORM_MOMENTUM) * f64::from(*running) + BATCH_NORM_MOMENTUM * now) as f32;
            }
        }
    }

    fn forward(&self, context: &Context<'_>, totals: &Totals, x: &mut [f32], log_det: &mut [f32], cache: &mut [f32]) {
        let &Context { values, features, panels, .. } = context;
        let (mean, inverse_deviation) = (mean(totals), inverse_deviation(totals));
        let log_gamma = &values[self.log_gamma..][..features];
        let beta = &values[self.beta..][..features];
        for panel in panels.iter() {
            for f in 0..features {
                let gamma = log_gamma[f].exp();
                let x = panel.row_of(features, f, x);
                let normalised = panel.row_of(features, f, cache);
                for (x, normal) in x.iter_mut().zip(normalised) {
                    *normal = ((f64::from(*x) - mean[f]) * inverse_deviation[f]) as f32;
                    *x = *normal * gamma + beta[f];
                }
            }
        }
        let total: f64 = log_gamma.iter().zip(&inverse_deviation).map(|(g, d)| f64::from(*g) + d.ln()).sum();
        log_det.iter_mut().for_each(|l| *l += total as f32);
    }

    fn sums_back(&self, context: &Context<'_>, d: &[f32], cache: &[f32]) -> Vec<f64> {
        let d_beta = sums(context, |at, _| f64::from(d[at]));
        d_beta.chain(sums(context, |at, _| f64::from(d[at]) * f64::from(cache[at]))).collect()
    }

    fn backward(&self, context: &Context<'_>, totals: &Totals, d: &mut [f32], cache: &[f32]) {
        let &Context { values, features, panels, .. } = context;
        let (d_beta, d_gamma) = totals.rounds[ROUNDS].split_at(features);
        let (rows, deviation) = (totals.rows, inverse_deviation(totals));
        for f in 0..features {
            let gamma = f64::from(values[self.log_gamma + f]).exp();
            for panel in panels.iter() {
                let normalised = panel.row(features, f, cache);
                // Padding keeps its zeros.
                for (d, normal) in panel.row_of(features, f, d).iter_mut().zip(normalised).take(panel.used) {
                    let normal = f64::from(*normal);
                    let through = gamma * (f64::from(*d) - d_beta[f] / rows - normal * d_gamma[f] / rows);
                    // The last term: −ln of the deviation stands in the loss, and the deviation depends on every row.
                    *d = (deviation[f] * (through + normal / rows)) as f32;
                }
            }
        }
    }

    fn gradients(&self, values: &[f32], totals: &Totals, groups: &mut dyn Iterator<Item = &mut [f32]>) {
        let (d_beta, d_gamma) = totals.rounds[ROUNDS].split_at(totals.rounds[ROUNDS].len() / 2);
        for (number, gradient) in groups.enumerate() {
            let first = if number == 0 { 1.0 } else { 0.0 };
            for (f, (d_beta, d_gamma)) in d_beta.iter().zip(d_gamma).enumerate() {
                let gamma = f64::from(values[self.log_gamma + f]).exp();
                // The loss falls by log γ.
                gradient[self.log_gamma + f] = (first * (gamma * d_gamma - 1.0)) as f32;
                gradient[self.beta + f] = (first * d_beta) as f32;
            }
        }
    }
}
