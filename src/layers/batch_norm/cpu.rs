//! Batch normalisation on the CPU.

use super::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm};
use crate::layers::cpu::{AcrossRows, Backward, Context, Forward, OnCpu, Scratch, Totals, Training};

/// Rounds of sums: x, (x − mean)², and on the way back d and d·normalised, all shape `[channels]`, the last two in one.
const ROUNDS: usize = 2;

impl BatchNorm {
    /// log γ − ½ ln(v + ε) of the running variance.
    fn log_scale(&self, values: &[f32], c: usize) -> f64 {
        let variance = f64::from(values[self.running_variance + c]);
        f64::from(values[self.log_gamma + c]) - 0.5 * (variance + BATCH_NORM_EPSILON).ln()
    }

    /// Values of a channel in the batch.
    fn values(&self, totals: &Totals) -> f64 {
        totals.rows * self.pixels()
    }

    fn pixels(&self) -> f64 {
        self.channels.pixels() as f64
    }

    /// Mean of every channel.
    fn mean(&self, totals: &Totals) -> Vec<f64> {
        totals.rounds[0].iter().map(|sum| sum / self.values(totals)).collect()
    }

    /// Variance of every channel.
    fn variance(&self, totals: &Totals) -> impl Iterator<Item = f64> {
        let values = self.values(totals);
        totals.rounds[1].iter().map(move |sum| sum / values)
    }

    /// 1/√(v + ε) of every channel.
    fn inverse_deviation(&self, totals: &Totals) -> Vec<f64> {
        self.variance(totals).map(|v| 1.0 / (v + BATCH_NORM_EPSILON).sqrt()).collect()
    }
}

impl OnCpu for BatchNorm {
    /// The normalised rows.
    fn cache(&self, padded: usize, features: usize) -> usize {
        padded * features
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
        let total: f64 = (0..self.channels.count).map(|c| self.log_scale(values, c)).sum();
        let total = (total * self.pixels()) as f32;
        log_det.iter_mut().for_each(|l| *l += total);
        for c in 0..self.channels.count {
            let scale = self.log_scale(values, c).exp();
            let (mean, beta) = (f64::from(values[self.running_mean + c]), f64::from(values[self.beta + c]));
            for (f, panel) in self.channels.rows(panels, c) {
                let x = panel.row_of(features, f, x);
                x.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * scale + beta) as f32);
            }
        }
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], _cache: &mut [f32], _scratch: &mut Scratch) {
        let &Context { values, features, panels, .. } = context;
        for c in 0..self.channels.count {
            let scale = (-self.log_scale(values, c)).exp();
            let (mean, beta) = (f64::from(values[self.running_mean + c]), f64::from(values[self.beta + c]));
            for (f, panel) in self.channels.rows(panels, c) {
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

impl BatchNorm {
    /// x → z by the statistics of the batch.
    fn normalise(&self, context: &Context<'_>, totals: &Totals, x: &mut [f32], log_det: &mut [f32], cache: &mut [f32]) {
        let &Context { values, features, panels, .. } = context;
        let (mean, inverse_deviation) = (self.mean(totals), self.inverse_deviation(totals));
        let log_gamma = &values[self.log_gamma..][..self.channels.count];
        let beta = &values[self.beta..][..self.channels.count];
        for c in 0..self.channels.count {
            let gamma = log_gamma[c].exp();
            for (f, panel) in self.channels.rows(panels, c) {
                let x = panel.row_of(features, f, x);
                let normalised = panel.row_of(features, f, cache);
                for (x, normal) in x.iter_mut().zip(normalised) {
                    *normal = ((f64::from(*x) - mean[c]) * inverse_deviation[c]) as f32;
                    *x = *normal * gamma + beta[c];
                }
            }
        }
        let total: f64 = log_gamma.iter().zip(&inverse_deviation).map(|(g, d)| f64::from(*g) + d.ln()).sum();
        let total = (total * self.pixels()) as f32;
        log_det.iter_mut().for_each(|l| *l += total);
    }

    /// The way back of the same.
    fn normalise_back(&self, context: &Context<'_>, totals: &Totals, d: &mut [f32], cache: &[f32]) {
        let &Context { values, features, panels, .. } = context;
        let (d_beta, d_gamma) = totals.rounds[ROUNDS].split_at(self.channels.count);
        let (rows, all, deviation) = (totals.rows, self.values(totals), self.inverse_deviation(totals));
        for c in 0..self.channels.count {
            let gamma = f64::from(values[self.log_gamma + c]).exp();
            for (f, panel) in self.channels.rows(panels, c) {
                let normalised = panel.row(features, f, cache);
                // Padding keeps its zeros.
                for (d, normal) in panel.row_of(features, f, d).iter_mut().zip(normalised).take(panel.used) {
                    let normal = f64::from(*normal);
                    let through = gamma * (f64::from(*d) - d_beta[c] / all - normal * d_gamma[c] / all);
                    // The last term: −ln of the deviation stands in the loss, and the deviation depends on every row.
                    *d = (deviation[c] * (through + normal / rows)) as f32;
                }
            }
        }
    }
}

impl AcrossRows for BatchNorm {
    fn rounds(&self) -> [usize; 2] {
        [ROUNDS, 1]
    }

    fn forward(&self, context: &Context<'_>, totals: &Totals, group: Forward<'_>) -> Vec<f64> {
        let Forward { x, log_det, cache, .. } = group;
        match totals.rounds.len() {
            0 => self.channels.sums(context, |at, _| x[at].into()).collect(),
            1 => {
                let mean = self.mean(totals);
                self.channels.sums(context, |at, c| (f64::from(x[at]) - mean[c]).powi(2)).collect()
            }
            _ => {
                self.normalise(context, totals, x, log_det, cache);
                Vec::new()
            }
        }
    }

    fn keep(&self, totals: &Totals, values: &mut [f32]) {
        let (mean, variance) = (self.mean(totals), self.variance(totals).collect());
        for (place, now) in [(self.running_mean, mean), (self.running_variance, variance)] {
            for (running, now) in values[place..].iter_mut().zip(now) {
                *running = ((1.0 - BATCH_NORM_MOMENTUM) * f64::from(*running) + BATCH_NORM_MOMENTUM * now) as f32;
            }
        }
    }

    fn backward(&self, context: &Context<'_>, totals: &Totals, group: Backward<'_>) -> Vec<f64> {
        let Backward { d, cache, .. } = group;
        if totals.rounds.len() > ROUNDS {
            self.normalise_back(context, totals, d, cache);
            return Vec::new();
        }
        let d_beta = self.channels.sums(context, |at, _| f64::from(d[at]));
        d_beta.chain(self.channels.sums(context, |at, _| f64::from(d[at]) * f64::from(cache[at]))).collect()
    }

    fn gradients(&self, values: &[f32], totals: &Totals, groups: &mut dyn Iterator<Item = &mut [f32]>) {
        let (d_beta, d_gamma) = totals.rounds[ROUNDS].split_at(totals.rounds[ROUNDS].len() / 2);
        for (number, gradient) in groups.enumerate() {
            let first = if number == 0 { 1.0 } else { 0.0 };
            for (c, (d_beta, d_gamma)) in d_beta.iter().zip(d_gamma).enumerate() {
                let gamma = f64::from(values[self.log_gamma + c]).exp();
                // The loss falls by log γ of every pixel.
                gradient[self.log_gamma + c] = (first * (gamma * d_gamma - self.pixels())) as f32;
                gradient[self.beta + c] = (first * d_beta) as f32;
            }
        }
    }
}
