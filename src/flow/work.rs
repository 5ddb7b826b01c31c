//! Steps of training in a row: what a flow is asked to do at a time.

use rand::Rng as _;

use super::{DeviceError, Flow, Loss};
use crate::matrix::Matrix;
use crate::optimizer::Optimizer;
use crate::random::{Purpose, stream};

/// The rows of the steps, in model space.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// A batch a step.
    Given(Vec<Matrix>),
    /// Places among the rows that the flow [holds](Flow::hold), those of the first step first.
    Held(Vec<u32>),
}

impl Default for Rows {
    fn default() -> Self {
        Self::Given(Vec::new())
    }
}

/// Steps of training in a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// Number of the first step, from 0.
    pub first: u64,
    /// The run's seed, for noise within the flow.
    pub seed: u64,
    /// Their batches.
    pub rows: Rows,
    /// The weights of the rows of every step, see [`Flow::weighted_loss_and_gradient`]; empty where all rows count alike.
    pub weights: Vec<Vec<f32>>,
    /// The learning rate of each step.
    pub rates: Vec<f64>,
    /// Where flows of the host leave the gradient; its allocation is used again.
    pub gradient: Vec<f32>,
}

impl Work {
    /// What the noise of step number `step` is drawn from, see [`Flow::draw_from`].
    pub(crate) fn noise(&self, step: u64) -> u64 {
        stream(self.seed, Purpose::FlowNoise, step).next_u64()
    }
}

/// The shares of rows with these weights in the weighted mean of their batch, of 1 together, and the mean weight.
pub(crate) fn shares(weights: &[f32]) -> (Vec<f32>, f64) {
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let shares = weights.iter().map(|&weight| (f64::from(weight) / total) as f32).collect();
    (shares, total / weights.len() as f64)
}

/// From the gradient of a weighted mean to that of a batch whose rows weigh `per_row` on average.
pub(crate) fn times(loss: Loss, per_row: f64, gradient: &mut [f32]) -> Loss {
    gradient.iter_mut().for_each(|value| *value *= per_row as f32);
    Loss { gradient_norm: loss.gradient_norm * per_row, ..loss }
}

/// [`Flow::train`] for flows that hold their weights on the host.
pub(super) fn step_by_step(
    flow: &mut (impl Flow + ?Sized),
    work: &mut Work,
    optimizer: &mut Optimizer,
    losses: &mut Vec<Loss>,
) -> Result<(), DeviceError> {
    let Rows::Given(batches) = &work.rows else {
        return Err(DeviceError("this flow holds no rows".to_owned()));
    };
    for (at, ((batch, &rate), step)) in batches.iter().zip(&work.rates).zip(work.first..).enumerate() {
        flow.draw_from(work.noise(step));
        let loss = match work.weights.get(at) {
            Some(weights) => flow.weighted_loss_and_gradient(batch, weights, &mut work.gradient)?,
            None => flow.loss_and_gradient(batch, &mut work.gradient)?,
        };
        losses.push(loss);
        if !loss.is_finite() {
            break;
        }
        let clip = optimizer.clip(loss.gradient_norm);
        optimizer.update(flow.parameters_mut().trainable_mut(), &work.gradient, clip, rate, step);
        if let Some(average) = optimizer.average_mut() {
            average.update(flow.parameters().values(), step);
        }
    }
    Ok(())
}
