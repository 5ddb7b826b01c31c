//! Spline couplings on a GPU.

use bytemuck::{Pod, Zeroable};

use super::{Spline, slope_offset};
use crate::compute::cuda::{Address, Argument, Kernel, arguments};
use crate::layers::coupling::cuda::{Call, CouplingMemory, Group};
use crate::layers::cuda::Backward;

/// What kernels need to know of splines, as in `kernels.cu`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PlacedSpline {
    bins: i32,
    list: i32,
    bound: f32,
    least: f32,
    factor: f32,
    curve: f32,
}

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
        let PlacedSpline { bound, least, factor, curve, .. } = self.placed(0);
        arguments![self.bins, bound, least, factor, curve]
    }

    /// `list`: floats from one list of what networks say to the next.
    pub(in crate::layers::coupling) fn placed(self, list: usize) -> PlacedSpline {
        let ([least, factor], curve) = (self.lengths().map(|length| length as f32), slope_offset() as f32);
        PlacedSpline { bins: self.bins as i32, list: list as i32, bound: self.bound, least, factor, curve }
    }
}
