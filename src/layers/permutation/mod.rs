//! Another order of the features, so that couplings meet them in other company.

mod composed;
mod cpu;

use super::cuda::OnCuda;
use super::{Cost, Kind, Places};

/// z_i = x_order(i), log|det dz/dx| = 0. It has no parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// For every place in the row, the place that its feature comes from.
    pub order: Vec<usize>,
}

impl Kind for Permutation {
    fn cost(&self, _features: usize) -> Cost {
        Cost::default()
    }

    fn places(&self) -> Places<'_> {
        vec![("order", &self.order)]
    }

    fn on_cuda(&self) -> Option<OnCuda<'_>> {
        Some(OnCuda::Permutation(self))
    }
}
