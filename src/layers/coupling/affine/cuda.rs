//! Affine couplings on a GPU, and additive ones, which are affine ones without an s there.

use crate::compute::cuda::{Address, Kernel, arguments};
use crate::layers::coupling::cuda::{Call, CouplingMemory, Group};
use crate::layers::cuda::Backward;

/// Takes rows through a coupling of `group`: what its networks say stands in `out`.
pub fn couple(group: &Group, coupling: usize, values: Address, out: Address, rows: usize) -> Call {
    let [first, second] = group.biases(coupling);
    Call {
        kernel: Kernel::Couple,
        before: arguments![out, values, first, second, group.scale(coupling).unwrap_or(0)],
        behind: arguments![group.to_second(rows), group.says(), group.transformer().number()],
    }
}

/// The way back through [`couple`].
pub fn couple_back(group: &Group, coupling: usize, backward: &Backward, memory: CouplingMemory) -> Call {
    let &Backward { d, rows, values, .. } = backward;
    let CouplingMemory { x, out, product } = memory;
    Call {
        kernel: Kernel::CoupleBack,
        before: arguments![out, values, group.scale(coupling).unwrap_or(0), x, d, product],
        behind: arguments![group.to_second(rows), group.changed(), group.transformer().number()],
    }
}
