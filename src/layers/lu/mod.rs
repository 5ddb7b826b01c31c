//! Linear maps of all features by their LU decomposition, as in Glow's 1 × 1 convolutions (Kingma & Dhariwal 2018, section 3.2) and
//! neural spline flows (Durkan et al. 2019).

mod composed;
mod cpu;
mod cuda;

pub(crate) use cuda::{LuMemory, LuScratch, PlacedLu};

use super::cuda::OnCuda;
use super::{Cost, Kind, Role, Scope};

/// z = L·U·x + b, log|det dz/dx| = ln det U. Behind a permutation it can be any linear map. Offsets of its values.
///
/// One matrix holds all of it, as LAPACK does: below the diagonal L, whose own diagonal is 1; above it U; on it the logarithm of
/// U's diagonal, which is positive, so that the map stays invertible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lu {
    /// Features.
    pub features: usize,
    /// Shape `[features, features]`: row i is of z_i.
    pub matrix: usize,
    /// Shape `[features]`.
    pub bias: usize,
}

impl Lu {
    /// The identity.
    pub fn lay_out(scope: &mut Scope<'_>, features: usize) -> Self {
        Self {
            features,
            matrix: scope.matrix("matrix", [features, features]),
            bias: scope.vector("bias", features, Role::Trainable, 0.0),
        }
    }

    /// The entry in row `i` and column `j` of its matrix.
    fn entry(&self, values: &[f32], i: usize, j: usize) -> f32 {
        values[self.matrix + i * self.features + j]
    }

    /// Σ ln U_ii.
    fn log_det(&self, values: &[f32]) -> f64 {
        (0..self.features).map(|i| f64::from(self.entry(values, i, i))).sum()
    }
}

impl Kind for Lu {
    /// The row before it, and what U makes of it.
    fn cost(&self, features: usize) -> Cost {
        Cost { multiplications: 2 * features * features, values: 2 * features }
    }

    fn on_cuda(&self) -> Option<OnCuda<'_>> {
        Some(OnCuda::Lu(self))
    }
}
