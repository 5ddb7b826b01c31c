//! Batch normalisation as a flow layer.

mod composed;
mod cpu;
mod cuda;

pub(crate) use composed::Form as BatchNormForm;
pub(crate) use cuda::{PlacedBatchNorm, Seen};

use super::cuda::OnCuda;
use super::{Channels, Cost, Kind, Places, Role, Scope};

/// Added to variances.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Batch normalisation with learned log-scale and shift (Dinh et al. 2017, section 3.7; Papamakarios et al. 2017, section
/// 3.3). Offsets of its values, each shape `[channels]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchNorm {
    /// What it acts on.
    pub channels: Channels,
    /// Offset of log γ, the learned log-scale.
    pub log_gamma: usize,
    /// Offset of β, the learned shift.
    pub beta: usize,
    /// Offset of the running mean.
    pub running_mean: usize,
    /// Offset of the running variance.
    pub running_variance: usize,
}

impl BatchNorm {
    /// Starts as the identity on normalised data.
    pub fn lay_out(scope: &mut Scope<'_>, channels: Channels) -> Self {
        let count = channels.count;
        Self {
            channels,
            log_gamma: scope.vector("log_gamma", count, Role::Trainable, 0.0),
            beta: scope.vector("beta", count, Role::Trainable, 0.0),
            running_mean: scope.vector("running_mean", count, Role::Statistic, 0.0),
            running_variance: scope.vector("running_variance", count, Role::Statistic, 1.0),
        }
    }
}

impl Kind for BatchNorm {
    /// The normalised row is kept.
    fn cost(&self, features: usize) -> Cost {
        Cost { multiplications: 2 * features, values: features }
    }

    fn places(&self) -> Places<'_> {
        self.channels.places()
    }

    fn on_cuda(&self) -> Option<OnCuda<'_>> {
        Some(OnCuda::BatchNorm(self))
    }
}
