//! Steps of training in a row: what a flow is asked to do at a time.

use super::{DeviceError, Flow, Loss};
use crate::matrix::Matrix;
use crate::optimizer::Optimizer;

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
    /// Their batches.
    pub rows: Rows,
    /// The learning rate of each step.
    pub rates: Vec<f64>,
    /// Where flows of the host leave the gradient; its allocation is used again.
    pub gradient: Vec<f32>,
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
    for ((batch, &rate), step) in batches.iter().zip(&work.rates).zip(work.first..) {
        let loss = flow.loss_and_gradient(batch, &mut work.gradient)?;
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
