//! The whole flow: lanes through layers.

use rayon::prelude::*;

use super::lane::{Lane, split};
use crate::compute::{Buffer, Level, Panels};
use crate::flow::{Architecture, DeviceError, Flow, Latent, Layer, LayerHealth, Loss, Parameters, shares, times};
use crate::layers::Network;
use crate::layers::cpu::{AcrossRows, Backward, ByRow, Context, Forward, Noise, Totals, Training};
use crate::matrix::Matrix;
use crate::optimizer::{CHUNK, square_sum};

/// Rows a lane takes at a time in evaluation, at most and at least.
const EVALUATION_ROWS: [usize; 2] = [256, 32];
/// Values that one layer then keeps for all of them, where so few rows allow it: 16 MiB.
const EVALUATION_VALUES: usize = 1 << 22;
/// Values that one layer keeps of all rows from which on they are shared by all threads, however few they are.
const SHARED_VALUES: usize = 1 << 18;

/// Values that a layer across rows keeps of a lane from which on the lanes are worth a thread each.
const WORTH_A_THREAD: usize = 1 << 14;

/// What lanes are for.
#[derive(Clone, Copy)]
enum Mode {
    /// Every layer leaves something for the way back.
    Training,
    /// Nothing is needed of a layer once the next one begins.
    Evaluation,
}

/// A flow computed by this folder's kernels. It uses the threads of the rayon pool it is called from.
pub struct Fused {
    architecture: Architecture,
    parameters: Parameters,
    level: Level,
    /// Whether all networks are convolutional; products of other networks take panels of two registers.
    of_images: bool,
    /// See [`Flow::draw_from`].
    noise: u64,
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
        let couplings = architecture.layers.iter().filter_map(|layer| match layer {
            Layer::Coupling(coupling) => Some(&coupling.networks),
            Layer::BatchNorm(_) | Layer::ActNorm(_) | Layer::Permutation(_) | Layer::Lu(_) => None,
        });
        let mut networks = couplings.flatten().peekable();
        let of_images = networks.peek().is_some() && networks.all(|network| matches!(network, Network::Conv(_)));
        Self { architecture, parameters, level, of_images, noise: 0, training: Vec::new(), evaluation: Vec::new() }
    }

    /// How so many rows of a lane lie in memory.
    fn panels(&self, rows: usize) -> Panels {
        match self.of_images {
            true => Panels::of_images(self.level, rows),
            false => Panels::new(self.level, rows),
        }
    }

    /// Makes lanes of the sizes `rows`, which take rows through layers as `mode` says.
    fn prepare(&self, lanes: &mut Vec<Lane>, rows: &[usize], mode: Mode) {
        lanes.resize_with(rows.len(), Lane::default);
        for (lane, &rows) in lanes.iter_mut().zip(rows) {
            let padded = self.panels(rows).padded();
            for (at, layer) in self.architecture.layers.iter().enumerate() {
                let at = match mode {
                    Mode::Training => at,
                    Mode::Evaluation => 0,
                };
                lane.caches.resize_with(lane.caches.len().max(at + 1), Buffer::default);
                lane.caches[at].at_least(layer.on_cpu().cache(padded, self.architecture.values()));
                lane.scratch.values.at_least(layer.on_cpu().scratch(padded));
            }
        }
    }

    /// What layers are given in evaluation.
    fn context(&self, panels: Panels) -> Context<'_> {
        let values = self.parameters.values();
        Context { level: self.level, fork: false, values, panels, features: self.architecture.values(), noise: None }
    }

    /// The most values that a layer keeps of a row.
    fn kept(&self) -> usize {
        let features = self.architecture.values();
        self.architecture.layers.iter().map(|layer| layer.on_cpu().cache(1, features)).max().unwrap_or(0)
    }

    /// Rows a lane takes at a time in evaluation, of so many.
    fn evaluation_rows(&self, rows: usize) -> usize {
        let [most, least] = EVALUATION_ROWS;
        let at_once = (EVALUATION_VALUES / self.kept().max(1) / least * least).clamp(least, most);
        // Few rows that take long are shared.
        let share = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(least / 2);
        if self.kept().saturating_mul(rows) > SHARED_VALUES { at_once.min(share) } else { at_once }
    }

    /// Takes blocks of rows through `work`, each on some lane; `work(self, lane, row of the first)` reads and changes
    /// `lane.x`. The rows' results come back in order: x and log_det.
    fn evaluate(&mut self, rows: &Matrix, work: impl Fn(&Self, &mut Lane) + Sync) -> Latent {
        let (features, at_once) = (self.architecture.values(), self.evaluation_rows(rows.rows()));
        let mut lanes = std::mem::take(&mut self.evaluation);
        let threads = rayon::current_num_threads().min(rows.rows().div_ceil(at_once)).max(1);
        let sizes = vec![at_once.min(rows.rows()); threads];
        self.prepare(&mut lanes, &sizes, Mode::Evaluation);
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
            let blocks = from.chunks(at_once * features);
            let outputs = to.chunks_mut(at_once * features).zip(log_det.chunks_mut(at_once));
            for (block, (to, log_det)) in blocks.zip(outputs) {
                lane.start(this.panels(block.len() / features), block, features);
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
        let Lane { panels, x, log_det, caches, scratch, .. } = lane;
        layer.on_cpu().forward(&self.context(*panels), x, log_det, &mut caches[0], scratch);
    }

    /// Forward and backward on all lanes; each lane's part of the gradient and of the loss stays in it.
    fn train(&mut self, lanes: &mut [Lane], batch: usize) -> f64 {
        let base = self.base();
        let features = self.architecture.values();
        let Self { architecture: Architecture { ref layers, .. }, ref mut parameters, level, noise, .. } = *self;
        let per_row = 1.0 / batch as f32;
        // Stretches of layers that take each row for itself, within which lanes need not wait for each other.
        let (mut stretches, mut between) = (vec![Vec::new()], Vec::new());
        for (at, layer) in layers.iter().enumerate() {
            match layer.on_cpu().training() {
                Training::ByRow(layer) => stretches[between.len()].push((at, layer)),
                Training::AcrossRows(layer) => {
                    between.push((at, layer));
                    stretches.push(Vec::new());
                }
            }
        }
        // Threads that no lane needs take a part of a layer's work.
        let fork = rayon::current_num_threads() >= 2 * lanes.len();
        let mut totals = Vec::with_capacity(between.len());
        for (i, stretch) in stretches.iter().enumerate() {
            let on = On { level, fork, values: parameters.values(), features, noise };
            each(lanes, |lane| {
                on.forward(stretch, lane);
                if i == between.len() {
                    lane.start_back(&*base, per_row, features);
                    on.backward(stretch, lane);
                }
            });
            if let Some(&(at, layer)) = between.get(i) {
                let found = on.forward_across(at, layer, lanes);
                layer.keep(&found, parameters.values_mut());
                totals.push(found);
            }
        }
        let on = On { level, fork, values: parameters.values(), features, noise };
        for ((&(at, layer), stretch), totals) in between.iter().zip(&stretches).zip(totals).rev() {
            on.backward_across(at, layer, totals, lanes);
            each(lanes, |lane| on.backward(stretch, lane));
        }
        let total: f64 = lanes.iter().map(|lane| lane.loss(&*base, features)).sum();
        let shared = lanes.iter().any(|lane| !lane.shares.is_empty());
        (if shared { total } else { total / batch as f64 }) + base.constant()
    }

    /// Loss and gradient of a batch whose rows have these `shares` of it, of 1 together; none: all the same.
    fn step(&mut self, x: &Matrix, shares: &[f32], gradient: &mut Vec<f32>) -> Loss {
        let (features, count) = (self.architecture.values(), self.parameters.count());
        assert!(x.columns() == features && x.rows() > 0);
        let mut lanes = std::mem::take(&mut self.training);
        let sizes = split(x.rows(), self.architecture.width, self.kept());
        self.prepare(&mut lanes, &sizes, Mode::Training);
        // The first lane's part is where the sum will be.
        std::mem::swap(gradient, &mut lanes[0].gradient);
        let (mut rest, mut of_rest, mut first) = (x.as_slice(), shares, 0);
        for (lane, rows) in lanes.iter_mut().zip(sizes) {
            let (mine, others) = rest.split_at(rows * features);
            lane.start(self.panels(rows), mine, features);
            lane.first = first;
            first += rows;
            lane.gradient.resize(count, 0.0);
            let (own, others_shares) = of_rest.split_at(rows.min(of_rest.len()));
            lane.shares.clear();
            lane.shares.extend_from_slice(own);
            (rest, of_rest) = (others, others_shares);
        }
        let nll = self.train(&mut lanes, x.rows());
        std::mem::swap(gradient, &mut lanes[0].gradient);
        let gradient_norm = add_up(self.level, gradient, &lanes[1..]);
        self.training = lanes;
        Loss { nll, gradient_norm }
    }
}

/// What layers are given in training, but for the rows.
#[derive(Clone, Copy)]
struct On<'a> {
    level: Level,
    fork: bool,
    values: &'a [f32],
    features: usize,
    noise: u64,
}

impl<'a> On<'a> {
    /// For the rows of a lane that begins with row `first` of the batch.
    fn context(self, panels: Panels, first: usize) -> Context<'a> {
        let Self { level, fork, values, features, noise } = self;
        Context { level, fork, values, panels, features, noise: Some(Noise { step: noise, first }) }
    }

    fn forward(self, stretch: &[(usize, &dyn ByRow)], lane: &mut Lane) {
        let Lane { first, panels, x, log_det, caches, scratch, .. } = lane;
        for &(at, layer) in stretch {
            layer.forward(&self.context(*panels, *first), x, log_det, &mut caches[at], scratch);
        }
    }

    fn backward(self, stretch: &[(usize, &dyn ByRow)], lane: &mut Lane) {
        let Lane { first, panels, weights, d, caches, scratch, gradient, .. } = lane;
        for &(at, layer) in stretch.iter().rev() {
            layer.backward(&self.context(*panels, *first), weights, d, &caches[at], scratch, gradient);
        }
    }

    /// Layer `at` forward on all lanes, and what it found of the batch.
    fn forward_across(self, at: usize, layer: &dyn AcrossRows, lanes: &mut [Lane]) -> Totals {
        let rows = lanes.iter().map(|lane| lane.panels.rows).sum::<usize>() as f64;
        let mut totals = Totals { rows, rounds: Vec::new() };
        let rounds = layer.rounds()[0];
        for round in 0..=rounds {
            each_of(at, lanes, |lane| {
                let Lane { first, panels, x, log_det, caches, scratch, sums, .. } = lane;
                let group = Forward { x, log_det, cache: &mut caches[at], scratch };
                *sums = layer.forward(&self.context(*panels, *first), &totals, group);
            });
            if round < rounds {
                totals.add(lanes.iter_mut().map(|lane| std::mem::take(&mut lane.sums)));
            }
        }
        totals
    }

    /// Layer `at` backward on all lanes, with what it found on its way forward.
    fn backward_across(self, at: usize, layer: &dyn AcrossRows, mut totals: Totals, lanes: &mut [Lane]) {
        let rounds = layer.rounds()[1];
        for round in 0..=rounds {
            each_of(at, lanes, |lane| {
                let Lane { first, panels, weights, d, caches, scratch, gradient, sums, .. } = lane;
                let group = Backward { weights, d, cache: &caches[at], scratch, gradient };
                *sums = layer.backward(&self.context(*panels, *first), &totals, group);
            });
            if round < rounds {
                totals.add(lanes.iter_mut().map(|lane| std::mem::take(&mut lane.sums)));
            }
        }
        layer.gradients(self.values, &totals, &mut lanes.iter_mut().map(|lane| &mut lane.gradient[..]));
    }
}

/// [`each`] lane at layer `at`, if it keeps so much that waking a thread pays.
fn each_of(at: usize, lanes: &mut [Lane], work: impl Fn(&mut Lane) + Send + Sync) {
    match lanes.iter().any(|lane| lane.caches[at].len() >= WORTH_A_THREAD) {
        true => each(lanes, work),
        false => lanes.iter_mut().for_each(work),
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
        Ok(self.evaluate(x, |this, lane| {
            this.architecture.layers.iter().for_each(|layer| this.forward_layer(layer, lane))
        }))
    }

    fn inverse(&mut self, z: &Matrix) -> Result<Matrix, DeviceError> {
        let latent = self.evaluate(z, |this, lane| {
            let Lane { panels, x, caches, scratch, .. } = lane;
            for layer in this.architecture.layers.iter().rev() {
                layer.on_cpu().inverse(&this.context(*panels), x, &mut caches[0], scratch);
            }
        });
        Ok(latent.z)
    }

    fn draw_from(&mut self, noise: u64) {
        self.noise = noise;
    }

    fn loss_and_gradient(&mut self, x: &Matrix, gradient: &mut Vec<f32>) -> Result<Loss, DeviceError> {
        Ok(self.step(x, &[], gradient))
    }

    fn weighted_loss_and_gradient(
        &mut self,
        x: &Matrix,
        weights: &[f32],
        gradient: &mut Vec<f32>,
    ) -> Result<Loss, DeviceError> {
        let (shares, per_row) = shares(weights);
        let loss = self.step(x, &shares, gradient);
        Ok(times(loss, per_row, gradient))
    }

    fn health(&mut self, x: &Matrix) -> Result<Vec<LayerHealth>, DeviceError> {
        let (features, at_once) = (self.architecture.values(), self.evaluation_rows(x.rows()));
        let mut lanes = std::mem::take(&mut self.evaluation);
        self.prepare(&mut lanes, &[at_once.min(x.rows())], Mode::Evaluation);
        let lane = &mut lanes[0];
        let mut health = vec![LayerHealth { finite: true, scale_max: 0.0 }; self.architecture.layers.len()];
        for block in x.as_slice().chunks(at_once * features) {
            lane.start(self.panels(block.len() / features), block, features);
            for (layer, health) in self.architecture.layers.iter().zip(&mut health) {
                self.forward_layer(layer, lane);
                let scale_max = layer.on_cpu().scale_max(&self.context(lane.panels), &lane.caches[0]);
                health.finite &= lane.x.iter().all(|v| v.is_finite());
                health.scale_max = health.scale_max.max(scale_max);
            }
        }
        self.evaluation = lanes;
        Ok(health)
    }
}
