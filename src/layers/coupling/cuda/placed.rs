//! The commands of one coupling, once its networks have spoken.

use super::{CouplingOnCuda, Group, TransformerOnCuda};
use crate::compute::cuda::{Address, Argument, Commands, Kernel, arguments, lanes};
use crate::layers::coupling::affine;
use crate::layers::cuda::{Backward, Passage, Reader};

/// One on a device.
pub(crate) struct PlacedCoupling {
    /// Its group.
    pub group: usize,
    /// Which coupling of its group it is, from 0.
    pub number: usize,
    pub features: usize,
    /// Of every feature: its place among the changed ones, or −1.
    pub role: Address,
    /// Of every feature: its place among the kept ones, or −1. Null where none is kept.
    pub slot: Address,
    /// A context that has more than one place among what is kept.
    pub context: Option<PlacedContext>,
    /// Of every map: the offsets on the host of the weights of the first two networks, which are the same where there is one.
    pub hosts: Vec<[usize; 2]>,
}

/// Values of a row's context that every pixel which is kept has for channels of its own.
#[derive(Clone, Copy)]
pub(crate) struct PlacedContext {
    /// Their columns, and their places among what is kept, each shape `[count]`, i32.
    pub columns: Address,
    pub places: Address,
    pub count: usize,
}

/// What [`couple`](PlacedCoupling::couple) leaves for its way back.
#[derive(Clone, Copy)]
pub(crate) struct CouplingMemory {
    /// The rows before it, shape `[rows, features]`.
    pub x: Address,
    /// What it left of what the networks say, which becomes the gradient of that, shape `[networks, rows, said]`.
    pub out: Address,
    /// Where the gradients of learned bounds of s go, row for row, shape `[rows, changed]`.
    pub product: Address,
}

/// The kernel of a transformer, and what it is told before and behind what every one is told.
pub(in crate::layers::coupling) struct Call {
    pub kernel: Kernel,
    pub before: Vec<Argument>,
    pub behind: Vec<Argument>,
}

impl CouplingOnCuda<'_> {
    /// See [`PlacedCoupling::hosts`].
    pub(crate) fn hosts(&self) -> Vec<[usize; 2]> {
        let Some((first, second)) = self.networks.first().zip(self.networks.last()) else { return Vec::new() };
        first.maps.iter().zip(&second.maps).map(|(first, second)| [first.weight, second.weight]).collect()
    }
}

impl PlacedCoupling {
    /// Reads the features that it keeps, and finds `rows` of them.
    pub fn reader(&self, group: &Group, rows: Address) -> Reader {
        Reader { slot: self.slot, kept: group.kept, rows, networks: group.networks() }
    }

    /// Brings a context of the rows `x` to all its places among what is kept.
    pub fn read_context(&self, commands: &mut Commands, group: &Group, x: Address, kept: Address, rows: usize) {
        if let Some(PlacedContext { columns, places, count }) = self.context {
            let sizes = arguments![x, columns, places, kept, rows, self.features, group.kept, count];
            commands.launch(Kernel::Spread, rows * count, sizes);
        }
    }

    /// Takes rows through, once what the networks say stands in `out`.
    pub fn couple(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        out: Address,
        passage: &Passage,
        reader: Reader,
    ) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let Call { kernel, before, behind } = match group.transformer() {
            TransformerOnCuda::Tanh
            | TransformerOnCuda::Atan
            | TransformerOnCuda::Sigmoid
            | TransformerOnCuda::Additive => affine::couple(group, self.number, values, out, rows),
            TransformerOnCuda::Spline(spline) => spline.couple(group, self.number, values, out),
        };
        let moved = arguments![
            x,
            z,
            log_det,
            self.role,
            reader.slot,
            reader.kept,
            reader.rows,
            rows,
            self.features,
            group.said,
        ];
        let lanes = lanes(self.features);
        commands.launch(kernel, rows * lanes, [before, moved, behind, arguments![inverse, lanes]].concat());
    }

    /// The way back through [`couple`](Self::couple): the gradient with respect to z becomes that with respect to x, but for what
    /// the networks add.
    pub fn couple_back(&self, commands: &mut Commands, group: &Group, backward: &Backward, memory: CouplingMemory) {
        let &Backward { rows, weights, above, d_kept, .. } = backward;
        let Call { kernel, before, behind } = match group.transformer() {
            TransformerOnCuda::Tanh
            | TransformerOnCuda::Atan
            | TransformerOnCuda::Sigmoid
            | TransformerOnCuda::Additive => affine::couple_back(group, self.number, backward, memory),
            TransformerOnCuda::Spline(spline) => spline.couple_back(group, backward, memory),
        };
        let moved = arguments![
            self.role,
            above.slot,
            above.kept,
            d_kept,
            above.networks,
            weights.shares,
            1.0 / rows as f32,
            rows,
            self.features,
            group.said,
        ];
        commands.launch(kernel, rows * self.features, [before, moved, behind].concat());
    }
}
