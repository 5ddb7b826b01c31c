//! Splines as the kernels of `compute/cuda` know them.

use super::{Spline, slope_offset};
use crate::compute::cuda::{Argument, arguments};

impl Spline {
    /// What its kernels need to know, in their order.
    pub(crate) fn arguments(self) -> Vec<Argument> {
        let [least, factor] = self.lengths();
        arguments![self.bins, self.bound, least as f32, factor as f32, slope_offset() as f32]
    }
}
