//! Linear maps of all features, or of the channels of every pixel, by their LU decomposition, as in Glow's 1 × 1 convolutions
//! (Kingma & Dhariwal 2018, section 3.2) and neural spline flows (Durkan et al. 2019).

mod composed;
mod cpu;
mod cuda;

pub(crate) use cuda::{LuMemory, LuScratch, LuSize, PlacedLu};

use super::cuda::OnCuda;
use super::{Channels, Cost, Kind, Places, Role, Scope};

/// z = L·U·x + b, log|det dz/dx| = ln det U. Behind a permutation it can be any linear map. Offsets of its values.
///
/// One matrix holds all of it, as LAPACK does: below the diagonal L, whose own diagonal is 1; above it U; on it the logarithm of
/// U's diagonal, which is positive, so that the map stays invertible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lu {
    /// What it acts on.
    pub channels: Channels,
    /// Shape `[channels, channels]`: row i is of z_i.
    pub matrix: usize,
    /// Shape `[channels]`.
    pub bias: usize,
}

impl Lu {
    /// The identity.
    pub fn lay_out(scope: &mut Scope<'_>, channels: Channels) -> Self {
        let n = channels.count;
        Self { channels, matrix: scope.matrix("matrix", [n, n]), bias: scope.vector("bias", n, Role::Trainable, 0.0) }
    }

    /// The entry in row `i` and column `j` of its matrix.
    fn entry(&self, values: &[f32], i: usize, j: usize) -> f32 {
        values[self.matrix + i * self.channels.count + j]
    }

    /// Σ ln U_ii, of one pixel.
    fn log_det(&self, values: &[f32]) -> f64 {
        (0..self.channels.count).map(|i| f64::from(self.entry(values, i, i))).sum()
    }
}

impl Kind for Lu {
    /// The row before it, and what U makes of it.
    fn cost(&self, _: usize) -> Cost {
        let values = self.channels.places.len();
        Cost { multiplications: 2 * values * self.channels.count, values: 2 * values }
    }

    fn places(&self) -> Places<'_> {
        self.channels.places()
    }

    fn on_cuda(&self) -> Option<OnCuda<'_>> {
        Some(OnCuda::Lu(self))
    }
}
