//! Permutations on the CPU.

use super::Permutation;
use crate::layers::cpu::{ByRow, Context, OnCpu, Scratch, Training};

impl Permutation {
    /// Copies feature `pair[0]` of `rows` to the place `pair[1]`, for every pair, as if at once.
    fn carry(
        &self,
        context: &Context<'_>,
        rows: &mut [f32],
        scratch: &mut Scratch,
        pair: impl Fn([usize; 2]) -> [usize; 2],
    ) {
        let length = context.panels.padded() * context.features;
        let before = &mut scratch.values[..length];
        before.copy_from_slice(&rows[..length]);
        for panel in context.panels.iter() {
            for (to, &from) in self.order.iter().enumerate() {
                let [from, to] = pair([from, to]);
                let from = panel.row(context.features, from, before);
                panel.row_of(context.features, to, rows).copy_from_slice(from);
            }
        }
    }
}

impl OnCpu for Permutation {
    fn cache(&self, _: usize, _: usize) -> usize {
        0
    }

    /// The rows as they were.
    fn scratch(&self, padded: usize) -> usize {
        padded * self.order.len()
    }

    fn forward(&self, context: &Context<'_>, x: &mut [f32], _: &mut [f32], _: &mut [f32], scratch: &mut Scratch) {
        self.carry(context, x, scratch, |pair| pair);
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], _: &mut [f32], scratch: &mut Scratch) {
        self.carry(context, z, scratch, |[from, to]| [to, from]);
    }

    fn scale_max(&self, _: &Context<'_>, _: &[f32]) -> f64 {
        0.0
    }

    fn training(&self) -> Training<'_> {
        Training::ByRow(self)
    }
}

impl ByRow for Permutation {
    fn backward(
        &self,
        context: &Context<'_>,
        _: &[f32],
        d: &mut [f32],
        _: &[f32],
        scratch: &mut Scratch,
        _: &mut [f32],
    ) {
        self.carry(context, d, scratch, |[from, to]| [to, from]);
    }
}
