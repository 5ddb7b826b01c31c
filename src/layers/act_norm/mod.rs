//! Activation normalisation (Kingma & Dhariwal 2018, section 3.1).

mod composed;
mod cpu;
mod cuda;

pub(crate) use cuda::PlacedActNorm;

use super::cuda::OnCuda;
use super::{Channels, Cost, Kind, Places, Role, Scope};

/// z = x·exp(log_scale) + bias. Both are trained; the first batch of training decides where they start: after the layer its
/// channels have mean 0 and variance 1. Offsets of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActNorm {
    /// What it acts on.
    pub channels: Channels,
    /// Shape `[channels]`.
    pub log_scale: usize,
    /// Shape `[channels]`.
    pub bias: usize,
    /// Not 0 once it has started, shape `[1]`: saved, so that a run that goes on does not start it again.
    pub initialised: usize,
}

impl ActNorm {
    /// The identity until it starts.
    pub fn lay_out(scope: &mut Scope<'_>, channels: Channels) -> Self {
        Self {
            log_scale: scope.vector("log_scale", channels.count, Role::Trainable, 0.0),
            bias: scope.vector("bias", channels.count, Role::Trainable, 0.0),
            initialised: scope.vector("initialised", 1, Role::Flag, 0.0),
            channels,
        }
    }

    fn is_initialised(&self, values: &[f32]) -> bool {
        values[self.initialised] != 0.0
    }

    /// Starts it from the first batch's mean and variance of every channel. One that does not vary is only centred.
    fn start(&self, moments: impl Iterator<Item = [f64; 2]>, values: &mut [f32]) {
        for (f, moments) in moments.enumerate() {
            [values[self.log_scale + f], values[self.bias + f]] = started(moments);
        }
        values[self.initialised] = 1.0;
    }
}

/// Log-scale and bias that take a channel of this mean and variance to mean 0 and variance 1.
fn started([mean, variance]: [f64; 2]) -> [f32; 2] {
    /// Less is rounding.
    const SMALLEST: f64 = 1e-12;
    let log_scale = if variance > SMALLEST { -0.5 * variance.ln() } else { 0.0 };
    [log_scale, -mean * log_scale.exp()].map(|value| value as f32)
}

impl Kind for ActNorm {
    /// The scaled row is kept.
    fn cost(&self, features: usize) -> Cost {
        Cost { multiplications: features, values: features }
    }

    fn places(&self) -> Places<'_> {
        self.channels.places()
    }

    fn on_cuda(&self) -> Option<OnCuda<'_>> {
        Some(OnCuda::ActNorm(self))
    }
}
