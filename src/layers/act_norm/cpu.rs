//! Activation normalisation on the CPU.

use super::{ActNorm, started};
use crate::layers::cpu::{AcrossRows, Backward, Context, Forward, OnCpu, Scratch, Totals, Training};

/// Rounds of sums before it has started: x, and (x − mean)², shape `[channels]`; afterwards they are empty.
const ROUNDS: usize = 2;

impl ActNorm {
    /// Log-scale and bias of a channel.
    fn now(&self, values: &[f32], c: usize) -> [f32; 2] {
        [values[self.log_scale + c], values[self.bias + c]]
    }

    /// Mean and variance of every channel of the first batch; nothing of later ones.
    fn moments(&self, totals: &Totals) -> impl Iterator<Item = [f64; 2]> {
        let values = totals.rows * self.channels.pixels() as f64;
        totals.rounds[0].iter().zip(&totals.rounds[1]).map(move |(sum, squares)| [sum / values, squares / values])
    }
}

impl OnCpu for ActNorm {
    /// x·exp(log_scale).
    fn cache(&self, padded: usize, features: usize) -> usize {
        padded * features
    }

    fn scratch(&self, _: usize) -> usize {
        0
    }

    fn forward(&self, context: &Context<'_>, x: &mut [f32], log_det: &mut [f32], cache: &mut [f32], _: &mut Scratch) {
        let totals = Totals { rows: 0.0, rounds: vec![Vec::new(); ROUNDS] };
        self.rescale(context, &totals, x, log_det, cache);
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], _: &mut [f32], _: &mut Scratch) {
        let &Context { values, features, panels, .. } = context;
        for c in 0..self.channels.count {
            let [log_scale, bias] = self.now(values, c);
            let scale = (-log_scale).exp();
            for (f, panel) in self.channels.rows(panels, c) {
                panel.row_of(features, f, z).iter_mut().for_each(|z| *z = (*z - bias) * scale);
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

impl ActNorm {
    /// x → z. The first batch goes through a layer that has started already.
    fn rescale(&self, context: &Context<'_>, totals: &Totals, x: &mut [f32], log_det: &mut [f32], cache: &mut [f32]) {
        let &Context { values, features, panels, .. } = context;
        let mut starting = self.moments(totals).map(started);
        let mut total = 0.0;
        for c in 0..self.channels.count {
            let [log_scale, bias] = starting.next().unwrap_or_else(|| self.now(values, c));
            total += f64::from(log_scale);
            let scale = log_scale.exp();
            for (f, panel) in self.channels.rows(panels, c) {
                let scaled = panel.row_of(features, f, cache);
                for (x, scaled) in panel.row_of(features, f, x).iter_mut().zip(scaled) {
                    *scaled = *x * scale;
                    *x = *scaled + bias;
                }
            }
        }
        let total = (total * self.channels.pixels() as f64) as f32;
        log_det.iter_mut().for_each(|l| *l += total);
    }

    /// The way back of the same.
    fn rescale_back(&self, context: &Context<'_>, d: &mut [f32]) {
        let &Context { values, features, panels, .. } = context;
        for c in 0..self.channels.count {
            let [log_scale, _] = self.now(values, c);
            let scale = log_scale.exp();
            for (f, panel) in self.channels.rows(panels, c) {
                panel.row_of(features, f, d).iter_mut().for_each(|d| *d *= scale);
            }
        }
    }
}

impl AcrossRows for ActNorm {
    fn rounds(&self) -> [usize; 2] {
        [ROUNDS, 1]
    }

    fn forward(&self, context: &Context<'_>, totals: &Totals, group: Forward<'_>) -> Vec<f64> {
        let Forward { x, log_det, cache, .. } = group;
        let values = totals.rows * self.channels.pixels() as f64;
        match &totals.rounds[..] {
            [_, _, ..] => {
                self.rescale(context, totals, x, log_det, cache);
                Vec::new()
            }
            _ if self.is_initialised(context.values) => Vec::new(),
            [] => self.channels.sums(context, |at, _| x[at].into()).collect(),
            [all] => self.channels.sums(context, |at, c| (f64::from(x[at]) - all[c] / values).powi(2)).collect(),
        }
    }

    fn keep(&self, totals: &Totals, values: &mut [f32]) {
        if !self.is_initialised(values) {
            self.start(self.moments(totals), values);
        }
    }

    fn backward(&self, context: &Context<'_>, totals: &Totals, group: Backward<'_>) -> Vec<f64> {
        let Backward { d, cache, .. } = group;
        if totals.rounds.len() > ROUNDS {
            self.rescale_back(context, d);
            return Vec::new();
        }
        let d_bias = self.channels.sums(context, |at, _| f64::from(d[at]));
        d_bias.chain(self.channels.sums(context, |at, _| f64::from(d[at]) * f64::from(cache[at]))).collect()
    }

    fn gradients(&self, _: &[f32], totals: &Totals, groups: &mut dyn Iterator<Item = &mut [f32]>) {
        let (d_bias, d_scaled) = totals.rounds[ROUNDS].split_at(totals.rounds[ROUNDS].len() / 2);
        for (number, gradient) in groups.enumerate() {
            let first = if number == 0 { 1.0 } else { 0.0 };
            for (c, (d_bias, d_scaled)) in d_bias.iter().zip(d_scaled).enumerate() {
                // The loss falls by the log-scale of every pixel.
                gradient[self.log_scale + c] = (first * (d_scaled - self.channels.pixels() as f64)) as f32;
                gradient[self.bias + c] = (first * d_bias) as f32;
            }
        }
    }
}
