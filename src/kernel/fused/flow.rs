//! The whole flow: lanes through layers.

use rayon::prelude::*;

use super::batch_norm::{BatchNorm, Statistics};
use super::coupling::{Cache, Coupling};
use super::lane::{Lane, split};
use super::panels::Panels;
use super::simd::Level;
use crate::flow::{Architecture, DeviceError, Flow, HALF_LN_TAU, Latent, LayerHealth, Loss, Parameters};
use crate::matrix::Matrix;
use crate::optimizer::{CHUNK, square_sum};

/// Rows a lane takes at a time in evaluation.
const EVALUATION_ROWS: usize = 256;

enum Layer {
    /// The layer and its number among the couplings.
    Coupling(Box<Coupling>, usize),
    /// The layer and its number among the batch normalisations.
    BatchNorm(BatchNorm, usize),
}

/// A flow computed by this folder's kernels. It uses the threads of the rayon pool it is called from.
pub struct Fused {
    architecture: Architecture,
    parameters: Parameters,
    level: Level,
    layers: Vec<Layer>,
    training: Vec<Lane>,
    evaluation: Vec<Lane>,
}

impl Fused {
    /// A flow with the best instruction set of this processor.
    pub fn new(architecture: Architecture, parameters: Parameters) -> Self {
        Self::with_level(architecture, parameters, Level::detect())
    }

    /// A flow with a chosen instruction set, which must be one of [`Level::available`].
    pub fn with_level(architecture: Architecture, parameters: Parameters, level: Level) -> Self {
        assert!(Level::available().contains(&level), "this processor has no {}", level.as_str());
        let Architecture { features, width, activation, .. } = architecture;
        let (mut couplings, mut norms) = (0, 0);
        let layers = architecture.layers.iter().map(|layer| match layer {
            crate::flow::Layer::Coupling(place) => {
                couplings += 1;
                Layer::Coupling(Box::new(Coupling::new(place, features, width, activation)), couplings - 1)
            }
            &crate::flow::Layer::BatchNorm { log_gamma, beta, running_mean, running_variance } => {
                norms += 1;
                Layer::BatchNorm(BatchNorm { log_gamma, beta, running_mean, running_variance }, norms - 1)
            }
        });
        let layers = layers.collect();
        Self { architecture, parameters, level, layers, training: Vec::new(), evaluation: Vec::new() }
    }

    /// Makes lanes of the sizes `rows`, each with `caches` caches.
    fn prepare(&self, lanes: &mut Vec<Lane>, rows: &[usize], one_cache: bool) {
        lanes.resize_with(rows.len(), Lane::default);
        for (lane, &rows) in lanes.iter_mut().zip(rows) {
            let padded = Panels::new(self.level, rows).padded();
            for layer in &self.layers {
                if let Layer::Coupling(coupling, number) = layer {
                    let number = if one_cache { 0 } else { *number };
                    lane.caches.resize_with(lane.caches.len().max(number + 1), Cache::default);
                    coupling.reserve(padded, &mut lane.caches[number], &mut lane.shared);
                }
            }
        }
    }

    /// Takes blocks of rows through `work`, each on some lane; `work(self, lane, row of the first)` reads and changes
    /// `lane.x`. The rows' results come back in order: x and log_det.
    fn evaluate(&mut self, rows: &Matrix, work: impl Fn(&Self, &mut Lane) + Sync) -> Latent {
        let features = self.architecture.features;
        let mut lanes = std::mem::take(&mut self.evaluation);
        let threads = rayon::current_num_threads().min(rows.rows().div_ceil(EVALUATION_ROWS)).max(1);
        let sizes = vec![EVALUATION_ROWS.min(rows.rows()); threads];
        self.prepare(&mut lanes, &sizes, true);
        let mut z = Matrix::zeros(rows.rows(), features);
        let mut log_det = vec![0.0; rows.rows()];
        let share = rows.rows().div_ceil(threads).max(1);
        let mut parts: Vec<_> = lanes
            .iter_mut()
            .zip(rows.as_slice().chunks(share * features))
            .zip(z.as_mut_slice().chunks_mut(share * features).zip(log_det.chunks_mut(share)))
            .collect();
        let this = &*self;
        each(&mut parts, |((lane, from), (to, log_det))| {
            let blocks = from.chunks(EVALUATION_ROWS * features);
            let outputs = to.chunks_mut(EVALUATION_ROWS * features).zip(log_det.chunks_mut(EVALUATION_ROWS));
            for (block, (to, log_det)) in blocks.zip(outputs) {
                lane.start(this.level, block, features);
                work(this, lane);
                lane.panels.read(&lane.x, features, to);
                log_det.copy_from_slice(&lane.log_det[..lane.panels.rows]);
            }
        });
        drop(parts);
        self.evaluation = lanes;
        Latent { z, log_det }
    }

    /// One layer forward in evaluation mode, on a lane with one cache.
    fn forward_layer(&self, layer: &Layer, lane: &mut Lane) {
        let values = self.parameters.values();
        match layer {
            Layer::Coupling(coupling, _) => {
                let Lane { panels, x, log_det, caches, shared, .. } = lane;
                coupling.forward(self.level, false, values, *panels, x, log_det, &mut caches[0], shared);
            }
            Layer::BatchNorm(norm, _) => {
                norm.forward(values, self.architecture.features, lane.panels, &mut lane.x, &mut lane.log_det);
            }
        }
    }

    /// Forward and backward on all lanes; each lane's part of the gradient and of the loss stays in it.
    fn train(&mut self, lanes: &mut [Lane], batch: usize) -> f64 {
        let features = self.architecture.features;
        let per_row = 1.0 / batch as f32;
        // Stretches of couplings between batch normalisations: within one, lanes need not wait for each other.
        let stretches: Vec<&[Layer]> = self.layers.split(|layer| matches!(layer, Layer::BatchNorm(..))).collect();
        let norms: Vec<(BatchNorm, usize)> = self
            .layers
            .iter()
            .filter_map(|layer| match layer {
                Layer::BatchNorm(norm, number) => Some((*norm, *number)),
                Layer::Coupling(..) => None,
            })
            .collect();
        let level = self.level;
        // Threads that no lane needs take one of a layer's two networks.
        let fork = rayon::current_num_threads() >= 2 * lanes.len();
        let mut statistics: Vec<Statistics> = Vec::with_capacity(norms.len());
        let last = stretches.len() - 1;
        for (i, stretch) in stretches.iter().enumerate() {
            let values = self.parameters.values();
            each(lanes, |lane| {
                forward_stretch(stretch, level, fork, values, lane);
                if i == last {
                    lane.start_back(per_row, features);
                    backward_stretch(stretch, level, fork, values, lane);
                }
            });
            if let Some((norm, number)) = norms.get(i) {
                statistics.push(norm.forward_training(lanes, features, *number, self.parameters.values_mut()));
            }
        }
        let values = self.parameters.values();
        for (i, (norm, number)) in norms.iter().enumerate().rev() {
            norm.backward(lanes, features, *number, &statistics[i], values);
            each(lanes, |lane| backward_stretch(stretches[i], level, fork, values, lane));
        }
        let total: f64 = lanes.iter().map(|lane| lane.loss(features)).sum();
        total / batch as f64 + features as f64 * HALF_LN_TAU
    }
}

fn forward_stretch(stretch: &[Layer], level: Level, fork: bool, values: &[f32], lane: &mut Lane) {
    for layer in stretch {
        if let Layer::Coupling(coupling, number) = layer {
            let Lane { panels, x, log_det, caches, shared, .. } = lane;
            coupling.forward(level, fork, values, *panels, x, log_det, &mut caches[*number], shared);
        }
    }
}

fn backward_stretch(stretch: &[Layer], level: Level, fork: bool, values: &[f32], lane: &mut Lane) {
    for layer in stretch.iter().rev() {
        if let Layer::Coupling(coupling, number) = layer {
            let Lane { panels, weights, d, caches, shared, gradient, .. } = lane;
            coupling.backward(level, fork, values, *panels, weights, d, &caches[*number], shared, gradient);
        }
    }
}

/// Runs `work` on every item, on as many threads as the current pool has.
fn each<T: Send>(items: &mut [T], work: impl Fn(&mut T) + Send + Sync) {
    if items.len() > 1 && rayon::current_num_threads() > 1 {
        items.par_iter_mut().with_max_len(1).for_each(work);
    } else {
        items.iter_mut().for_each(work);
    }
}

/// Adds the lanes' parts to `total`, in the order of the lanes. Returns the L2 norm of the sum.
fn add_up(level: Level, total: &mut [f32], lanes: &[Lane]) -> f64 {
    let add = |(chunk, total): (usize, &mut [f32])| {
        for lane in lanes {
            let part = &lane.gradient[chunk * CHUNK..][..total.len()];
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
        let mut square = 0.0;
        square_sum(level, total, &mut square);
        square
    };
    let squares: f64 = if total.len() > CHUNK && rayon::current_num_threads() > 1 {
        // Collected first: the order of the sum must not depend on threads.
        total.par_chunks_mut(CHUNK).enumerate().map(add).collect::<Vec<f64>>().iter().sum()
    } else {
        total.chunks_mut(CHUNK).enumerate().map(add).sum()
    };
    squares.sqrt()
}

impl Flow for Fused {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    fn forward(&mut self, x: &Matrix) -> Result<Latent, DeviceError> {
        Ok(self.evaluate(x, |this, lane| this.layers.iter().for_each(|layer| this.forward_layer(layer, lane))))
    }

    fn inverse(&mut self, z: &Matrix) -> Result<Matrix, DeviceError> {
        let latent = self.evaluate(z, |this, lane| {
            let values = this.parameters.values();
            for layer in this.layers.iter().rev() {
                let Lane { panels, x, caches, shared, .. } = lane;
                match layer {
                    Layer::Coupling(coupling, _) => {
                        coupling.inverse(this.level, values, *panels, x, &mut caches[0], shared);
                    }
                    Layer::BatchNorm(norm, _) => norm.inverse(values, this.architecture.features, *panels, x),
                }
            }
        });
        Ok(latent.z)
    }

    fn loss_and_gradient(&mut self, x: &Matrix, gradient: &mut Vec<f32>) -> Result<Loss, DeviceError> {
        let (features, count) = (self.architecture.features, self.parameters.count());
        assert!(x.columns() == features && x.rows() > 0);
        let mut lanes = std::mem::take(&mut self.training);
        let sizes = split(x.rows(), self.architecture.width);
        self.prepare(&mut lanes, &sizes, false);
        // The first lane's part is where the sum will be.
        std::mem::swap(gradient, &mut lanes[0].gradient);
        let mut rest = x.as_slice();
        for (lane, rows) in lanes.iter_mut().zip(sizes) {
            let (mine, others) = rest.split_at(rows * features);
            lane.start(self.level, mine, features);
            lane.gradient.resize(count, 0.0);
            rest = others;
        }
        let nll = self.train(&mut lanes, x.rows());
        std::mem::swap(gradient, &mut lanes[0].gradient);
        let gradient_norm = add_up(self.level, gradient, &lanes[1..]);
        self.training = lanes;
        Ok(Loss { nll, gradient_norm })
    }

    fn health(&mut self, x: &Matrix) -> Result<Vec<LayerHealth>, DeviceError> {
        let mut lanes = std::mem::take(&mut self.evaluation);
        self.prepare(&mut lanes, &[x.rows()], true);
        let lane = &mut lanes[0];
        lane.start(self.level, x.as_slice(), self.architecture.features);
        let mut health = Vec::new();
        for layer in &self.layers {
            self.forward_layer(layer, lane);
            let scale_max = match layer {
                Layer::Coupling(coupling, _) => {
                    f64::from(coupling.scale_max(self.parameters.values(), lane.panels, &lane.caches[0]))
                }
                Layer::BatchNorm(..) => 0.0,
            };
            health.push(LayerHealth { finite: lane.x.iter().all(|v| v.is_finite()), scale_max });
        }
        self.evaluation = lanes;
        Ok(health)
    }
}
