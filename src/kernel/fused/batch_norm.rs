//! Batch normalisation across groups of rows (Dinh et al. 2017, section 3.7).
//!
//! Statistics are summed per group in f64 and added in the order of the groups, so they do not depend on threads.

use super::lane::Lane;
use crate::compute::{Panel, Panels};
use crate::flow::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};

/// Offsets of one layer's values in the flat vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchNorm {
    pub log_gamma: usize,
    pub beta: usize,
    pub running_mean: usize,
    pub running_variance: usize,
}

/// What the way back needs: 1/√(v + ε), shape `[features]`, and the normalised rows, which lanes keep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    inverse_deviation: Vec<f64>,
}

/// Σ over all rows of `term(lane, place)`, the place of a row's value in the lane's buffers; shape `[features]`.
fn sums(lanes: &[Lane], features: usize, term: impl Fn(&Lane, usize, usize) -> f64) -> Vec<f64> {
    let mut total = vec![0.0; features];
    for lane in lanes {
        for (f, total) in total.iter_mut().enumerate() {
            let of = |panel: Panel| {
                let start = panel.place(features, f);
                (start..start + panel.used).map(|at| term(lane, at, f)).sum::<f64>()
            };
            *total += lane.panels.iter().map(of).sum::<f64>();
        }
    }
    total
}

impl BatchNorm {
    /// x → z with batch statistics on all lanes; running statistics in `values` move towards them. `index`: the layer's
    /// place among the batch normalisations, under which lanes keep their normalised rows.
    pub fn forward_training(self, lanes: &mut [Lane], features: usize, index: usize, values: &mut [f32]) -> Statistics {
        let rows = lanes.iter().map(|lane| lane.panels.rows).sum::<usize>() as f64;
        let mean: Vec<f64> =
            sums(lanes, features, |lane, at, _| lane.x[at].into()).iter().map(|sum| sum / rows).collect();
        let centred = |lane: &Lane, at: usize, f: usize| f64::from(lane.x[at]) - mean[f];
        let variance: Vec<f64> =
            sums(lanes, features, |lane, at, f| centred(lane, at, f).powi(2)).iter().map(|sum| sum / rows).collect();
        for (place, now) in [(self.running_mean, &mean), (self.running_variance, &variance)] {
            for (running, now) in values[place..].iter_mut().zip(now) {
                *running = ((1.0 - BATCH_NORM_MOMENTUM) * f64::from(*running) + BATCH_NORM_MOMENTUM * now) as f32;
            }
        }
        let inverse_deviation: Vec<f64> = variance.iter().map(|v| 1.0 / (v + BATCH_NORM_EPSILON).sqrt()).collect();
        let log_gamma = &values[self.log_gamma..self.log_gamma + features];
        let beta = &values[self.beta..self.beta + features];
        let log_det: f64 = log_gamma.iter().zip(&inverse_deviation).map(|(g, d)| f64::from(*g) + d.ln()).sum();
        for lane in lanes {
            lane.normalised.resize_with(lane.normalised.len().max(index + 1), Vec::new);
            lane.normalised[index].resize(lane.x.len(), 0.0);
            for panel in lane.panels.iter() {
                for f in 0..features {
                    let gamma = log_gamma[f].exp();
                    let x = panel.row_of(features, f, &mut lane.x);
                    let normalised = panel.row_of(features, f, &mut lane.normalised[index]);
                    for (x, normal) in x.iter_mut().zip(normalised) {
                        *normal = ((f64::from(*x) - mean[f]) * inverse_deviation[f]) as f32;
                        *x = *normal * gamma + beta[f];
                    }
                }
            }
            lane.log_det.iter_mut().for_each(|l| *l += log_det as f32);
        }
        Statistics { inverse_deviation }
    }

    /// The gradient with respect to z, in each lane's `d`, becomes that with respect to x; that of log γ and β is
    /// written to the first lane's gradient, zeros to the others.
    pub fn backward(self, lanes: &mut [Lane], features: usize, index: usize, kept: &Statistics, values: &[f32]) {
        let rows = lanes.iter().map(|lane| lane.panels.rows).sum::<usize>() as f64;
        let d = |lane: &Lane, at: usize| f64::from(lane.d[at]);
        let normal = |lane: &Lane, at: usize| f64::from(lane.normalised[index][at]);
        let d_beta = sums(lanes, features, |lane, at, _| d(lane, at));
        let d_gamma = sums(lanes, features, |lane, at, _| d(lane, at) * normal(lane, at));
        for (number, lane) in lanes.iter_mut().enumerate() {
            for f in 0..features {
                let gamma = f64::from(values[self.log_gamma + f]).exp();
                let first = if number == 0 { 1.0 } else { 0.0 };
                lane.gradient[self.log_gamma + f] = (first * (gamma * d_gamma[f] - 1.0)) as f32;
                lane.gradient[self.beta + f] = (first * d_beta[f]) as f32;
                let deviation = kept.inverse_deviation[f];
                for panel in lane.panels.iter() {
                    let normalised = panel.row(features, f, &lane.normalised[index]);
                    // Padding keeps its zeros.
                    for (d, normal) in
                        panel.row_of(features, f, &mut lane.d).iter_mut().zip(normalised).take(panel.used)
                    {
                        let normal = f64::from(*normal);
                        let through = gamma * (f64::from(*d) - d_beta[f] / rows - normal * d_gamma[f] / rows);
                        // The last term: −ln of the deviation stands in the loss, and the deviation depends on every row.
                        *d = (deviation * (through + normal / rows)) as f32;
                    }
                }
            }
        }
    }

    /// x → z in place with the running statistics, `log_det` added to.
    pub fn forward(self, values: &[f32], features: usize, panels: Panels, x: &mut [f32], log_det: &mut [f32]) {
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

    /// z → x in place with the running statistics.
    pub fn inverse(self, values: &[f32], features: usize, panels: Panels, z: &mut [f32]) {
        for f in 0..features {
            let scale = (-self.log_scale(values, f)).exp();
            let (mean, beta) = (f64::from(values[self.running_mean + f]), f64::from(values[self.beta + f]));
            for panel in panels.iter() {
                let z = panel.row_of(features, f, z);
                z.iter_mut().for_each(|v| *v = ((f64::from(*v) - beta) * scale + mean) as f32);
            }
        }
    }

    /// log γ − ½ ln(v + ε) of the running variance.
    fn log_scale(self, values: &[f32], f: usize) -> f64 {
        let variance = f64::from(values[self.running_variance + f]);
        f64::from(values[self.log_gamma + f]) - 0.5 * (variance + BATCH_NORM_EPSILON).ln()
    }
}
