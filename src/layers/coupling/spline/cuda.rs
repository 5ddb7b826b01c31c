//! Spline couplings on a GPU.

use super::{Spline, slope_offset};
use crate::compute::cuda::{Address, Argument, Kernel, arguments};
use crate::layers::coupling::cuda::{Call, CouplingMemory, Group};
use crate::layers::cuda::Backward;

impl Spline {
    /// Takes rows through a coupling of `group`: what its network says stands in `out`.
    pub(in crate::layers::coupling) fn couple(
        self,
        group: &Group,
        coupling: usize,
        values: Address,
        out: Address,
    ) -> Call {
        let [first, _] = group.biases(coupling);
        Call {
            kernel: Kernel::CoupleSpline,
            before: arguments![out, values, first],
            behind: [arguments![group.list, group.says()], self.arguments()].concat(),
        }
    }

    /// The way back through [`couple`](Self::couple).
    pub(in crate::layers::coupling) fn couple_back(
        self,
        group: &Group,
        backward: &Backward,
        memory: CouplingMemory,
    ) -> Call {
        let CouplingMemory { x, out, .. } = memory;
        Call {
            kernel: Kernel::CoupleSplineBack,
            before: arguments![out, x, backward.d],
            behind: [arguments![group.list], self.arguments()].concat(),
        }
    }

    /// What its kernels need to know, in their order.
    fn arguments(self) -> Vec<Argument> {
        let [least, factor] = self.lengths();
        arguments![self.bins, self.bound, least as f32, factor as f32, slope_offset() as f32]
    }
}
