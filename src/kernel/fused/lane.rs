//! A group of rows on its way through the flow: what one thread works on.

use crate::compute::Buffer;
use crate::compute::Panels;
use crate::flow::Density;
use crate::layers::cpu::Scratch;

/// Rows in a lane, where the batch allows: few enough to share a batch and to stay in the near caches.
const ROWS: usize = 128;
/// Networks from this width on work long enough for two threads to take one each; a lane then takes more rows, so that
/// its weights are fetched, and its gradient is written, once.
const WIDE: usize = 256;
/// Lanes start at multiples of this, the widest panel.
const PANEL: usize = 32;
/// Rows that keep more values than this in a layer, as those of images do, are worth a lane even for half of a panel.
const MANY: usize = 1 << 14;

/// The state of a group of rows.
#[derive(Default)]
pub(crate) struct Lane {
    /// Which row of the batch is the first one here.
    pub first: usize,
    /// The rows and how they lie in the buffers below; buffers may be longer.
    pub panels: Panels,
    /// The rows as they are now, of `features` values, a context included.
    pub x: Buffer,
    /// log|det| so far, one a row.
    pub log_det: Vec<f32>,
    /// Gradient of the loss with respect to `x`.
    pub d: Buffer,
    /// What a row counts in the loss: one over the batch or the share that was given for it, nothing for padding.
    pub weights: Vec<f32>,
    /// What was given for every row, of 1 for the batch; empty where all count alike.
    pub shares: Vec<f32>,
    /// What a layer across rows last summed here.
    pub sums: Vec<f64>,
    /// This lane's part of the gradient of the parameters.
    pub gradient: Vec<f32>,
    /// One a layer in training; a single one, used over and over, in evaluation.
    pub caches: Vec<Buffer>,
    pub scratch: Scratch,
}

/// Splits a batch into lanes: the numbers of rows. A function of the batch, the width of the networks and the most values that a
/// layer keeps of a row alone, so that bits do not depend on threads.
pub(crate) fn split(batch: usize, width: usize, kept: usize) -> Vec<usize> {
    let unit = if kept > MANY { PANEL / 2 } else { PANEL };
    let units = batch.div_ceil(unit);
    let few = width < WIDE || kept > MANY;
    let lanes = if few { batch.div_ceil(ROWS).max(2).min(units) } else { batch.div_ceil(2 * ROWS) };
    let start = |lane: usize| (units * lane / lanes * unit).min(batch);
    (0..lanes).map(|lane| start(lane + 1) - start(lane)).collect()
}

impl Lane {
    /// Starts dense `rows` at the x side, laid out as `panels` say.
    pub fn start(&mut self, panels: Panels, rows: &[f32], features: usize) {
        self.panels = panels;
        let padded = self.panels.padded();
        self.x.resize(padded * features);
        self.panels.fill(rows, features, &mut self.x);
        self.log_det.clear();
        self.log_det.resize(padded, 0.0);
    }

    /// Starts the way back at the z side, each row of `per_row` weight where it has no share of its own. What is learned of `base`
    /// gets this lane's part of its gradient.
    pub fn start_back(&mut self, base: &dyn Density, per_row: f32, features: usize) {
        self.weights.clear();
        self.weights.extend_from_slice(&self.shares);
        self.weights.resize(self.panels.rows, per_row);
        self.weights.resize(self.panels.padded(), 0.0);
        self.d.resize(self.x.len());
        for panel in self.panels.iter() {
            let weights = &self.weights[panel.first..][..panel.width];
            for f in 0..base.features() {
                let (d, x) = (panel.row_of(features, f, &mut self.d), panel.row(features, f, &self.x));
                base.slopes(f, x, weights, d);
            }
            // The context, which the base density is not over.
            (base.features()..features).for_each(|f| panel.row_of(features, f, &mut self.d).fill(0.0));
        }
        if let Some(place) = base.learned() {
            for f in 0..base.features() {
                let rows = self.panels.iter().map(|panel| &panel.row(features, f, &self.x)[..panel.used]);
                let slope: f64 = match self.shares.is_empty() {
                    true => f64::from(per_row) * rows.map(|z| base.slope_of_learned(f, z)).sum::<f64>(),
                    false => rows
                        .flat_map(|z| z.chunks(1))
                        .zip(&self.shares)
                        .map(|(z, &share)| f64::from(share) * base.slope_of_learned(f, z))
                        .sum(),
                };
                self.gradient[place + f] = slope as f32;
            }
        }
    }

    /// Σ_rows (energy of z − log_det), in f64; where rows have shares, each times its own.
    pub fn loss(&self, base: &dyn Density, features: usize) -> f64 {
        if !self.shares.is_empty() {
            return self.loss_of_shares(base, features);
        }
        let mut total = 0.0;
        for panel in self.panels.iter() {
            for f in 0..base.features() {
                let z = &panel.row(features, f, &self.x)[..panel.used];
                total += base.energy(f, z);
            }
        }
        total - self.log_det[..self.panels.rows].iter().map(|&l| f64::from(l)).sum::<f64>()
    }

    fn loss_of_shares(&self, base: &dyn Density, features: usize) -> f64 {
        let mut total = 0.0;
        for panel in self.panels.iter() {
            let shares = &self.shares[panel.first..][..panel.used];
            for (row, &share) in shares.iter().enumerate() {
                let energies =
                    (0..base.features()).map(|f| base.energy(f, &panel.row(features, f, &self.x)[row..=row]));
                total += f64::from(share) * (energies.sum::<f64>() - f64::from(self.log_det[panel.first + row]));
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lanes_cover_the_batch() {
        for (batch, width, expected) in [
            (1, 64, vec![1]),
            (100, 64, vec![64, 36]),
            (256, 64, vec![128, 128]),
            (300, 64, vec![96, 96, 108]),
            (256, 512, vec![256]),
            (300, 512, vec![160, 140]),
        ] {
            assert_eq!(split(batch, width, 100), expected, "{batch} rows, width {width}");
        }
        for kept in [100, 1 << 20] {
            assert!((1..1000).all(|batch| split(batch, 64, kept).iter().sum::<usize>() == batch));
            assert!((1..1000).all(|batch| split(batch, 64, kept).iter().all(|&rows| rows > 0)));
        }
        assert_eq!(split(32, 512, 1 << 20), [16, 16]);
    }
}
