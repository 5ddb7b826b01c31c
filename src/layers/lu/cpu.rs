//! LU maps on the CPU.

use super::Lu;
use crate::compute::{Buffer, Epilogue, View, outer, pieces, pieces_mut, product};
use crate::layers::Kind as _;
use crate::layers::cpu::{ByRow, Context, OnCpu, Scratch, Training};

impl Lu {
    /// U and L, dense, row by row.
    fn unpack(&self, values: &[f32], upper: &mut [f32], lower: &mut [f32]) {
        let n = self.features;
        for i in 0..n {
            for j in 0..n {
                let entry = self.entry(values, i, j);
                [upper[i * n + j], lower[i * n + j]] = match i.cmp(&j) {
                    std::cmp::Ordering::Less => [entry, 0.0],
                    std::cmp::Ordering::Equal => [entry.exp(), 1.0],
                    std::cmp::Ordering::Greater => [0.0, entry],
                };
            }
        }
    }

    /// Lengths of what a call needs: U, L, and a list of rows.
    fn lengths(&self, padded: usize) -> [usize; 3] {
        let n = self.features;
        [n * n, n * n, n * padded]
    }

    /// to = A·from + bias, with the transpose of A if asked.
    fn times(
        &self,
        context: &Context<'_>,
        [matrix, bias, from]: [&[f32]; 3],
        transposed: bool,
        to: &mut [f32],
        scratch: &mut Buffer,
    ) {
        let (n, padded) = (self.features, context.panels.padded());
        let [row, column] = if transposed { [1, n] } else { [n, 1] };
        let matrix = View { data: matrix, row, column };
        product(context.level, matrix, bias, n, n, from, padded, to, Epilogue::None, scratch);
    }

    fn bias<'a>(&self, values: &'a [f32]) -> &'a [f32] {
        &values[self.bias..][..self.features]
    }
}

impl OnCpu for Lu {
    fn cache(&self, padded: usize, features: usize) -> usize {
        padded * self.cost(features).values
    }

    fn scratch(&self, padded: usize) -> usize {
        self.lengths(padded).iter().sum()
    }

    fn forward(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        cache: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let padded = context.panels.padded();
        let rows = padded * self.features;
        let [before, between] = pieces_mut(cache, [rows; 2]);
        let [upper, lower, _] = pieces_mut(&mut scratch.values, self.lengths(padded));
        self.unpack(context.values, upper, lower);
        scratch.products.resize_with(scratch.products.len().max(1), Buffer::default);
        before.copy_from_slice(&x[..rows]);
        self.times(context, [upper, &[], before], false, between, &mut scratch.products[0]);
        self.times(context, [lower, self.bias(context.values), between], false, x, &mut scratch.products[0]);
        let total = self.log_det(context.values) as f32;
        log_det.iter_mut().for_each(|log_det| *log_det += total);
    }

    /// Forward and back substitution, row by row of the matrices, the rows of a panel side by side.
    fn inverse(&self, context: &Context<'_>, z: &mut [f32], _: &mut [f32], _: &mut Scratch) {
        let (n, values) = (self.features, context.values);
        for panel in context.panels.iter() {
            let z = &mut z[panel.first * n..][..panel.width * n];
            let row = |i: usize| i * panel.width..(i + 1) * panel.width;
            for i in 0..n {
                let bias = values[self.bias + i];
                z[row(i)].iter_mut().for_each(|z| *z -= bias);
            }
            for i in 0..n {
                for j in 0..i {
                    subtract(z, panel.width, [j, i], self.entry(values, i, j));
                }
            }
            for i in (0..n).rev() {
                for j in i + 1..n {
                    subtract(z, panel.width, [j, i], self.entry(values, i, j));
                }
                let scale = (-self.entry(values, i, i)).exp();
                z[row(i)].iter_mut().for_each(|z| *z *= scale);
            }
        }
    }

    fn scale_max(&self, _: &Context<'_>, _: &[f32]) -> f64 {
        0.0
    }

    fn training(&self) -> Training<'_> {
        Training::ByRow(self)
    }
}

/// Value `to` less `factor` times value `from`, of all rows of a panel of so many.
fn subtract(z: &mut [f32], width: usize, [from, to]: [usize; 2], factor: f32) {
    let (before, behind) = z.split_at_mut(from.max(to) * width);
    let (from, to) = match from < to {
        true => (&before[from * width..][..width], &mut behind[..width]),
        false => (&behind[..width], &mut before[to * width..][..width]),
    };
    to.iter_mut().zip(from).for_each(|(to, from)| *to -= factor * from);
}

impl ByRow for Lu {
    fn backward(
        &self,
        context: &Context<'_>,
        weights: &[f32],
        d: &mut [f32],
        cache: &[f32],
        scratch: &mut Scratch,
        gradient: &mut [f32],
    ) {
        let (n, padded) = (self.features, context.panels.padded());
        let rows = padded * n;
        let [before, between] = pieces(cache, [rows; 2]);
        let [upper, lower, d_between] = pieces_mut(&mut scratch.values, self.lengths(padded));
        self.unpack(context.values, upper, lower);
        scratch.products.resize_with(scratch.products.len().max(2), Buffer::default);
        let [product, sums, ..] = &mut scratch.products[..] else { unreachable!("two buffers were made") };
        sums.at_least((n + 1) * n);
        let sums = &mut sums[..(n + 1) * n];
        // Σ_rows from_j·d_i stands at (j, i).
        outer(context.level, between, d, padded, n, n, sums, product);
        for i in 0..n {
            (0..i).for_each(|j| gradient[self.matrix + i * n + j] = sums[j * n + i]);
            gradient[self.bias + i] = sums[n * n + i];
        }
        self.times(context, [lower, &[], d], true, d_between, product);
        outer(context.level, before, d_between, padded, n, n, sums, product);
        let weight: f32 = weights.iter().sum();
        for i in 0..n {
            (i + 1..n).for_each(|j| gradient[self.matrix + i * n + j] = sums[j * n + i]);
            gradient[self.matrix + i * n + i] = sums[i * n + i] * upper[i * n + i] - weight;
        }
        self.times(context, [upper, &[], d_between], true, d, product);
    }
}
