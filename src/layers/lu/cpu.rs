//! LU maps on the CPU.

use super::Lu;
use crate::compute::{Buffer, Epilogue, View, outer, pieces, pieces_mut, product};
use crate::layers::Kind as _;
use crate::layers::cpu::{ByRow, Context, OnCpu, Scratch, Training};

impl Lu {
    /// U and L, dense, row by row.
    fn unpack(&self, values: &[f32], upper: &mut [f32], lower: &mut [f32]) {
        let n = self.channels.count;
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

    /// Lengths of what a call needs for so many rows of its own: U, L, and a list of rows.
    fn lengths(&self, padded: usize) -> [usize; 3] {
        let n = self.channels.count;
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
        let (n, padded) = (self.channels.count, context.panels.padded());
        let [row, column] = if transposed { [1, n] } else { [n, 1] };
        let matrix = View { data: matrix, row, column };
        product(context.level, matrix, bias, n, n, from, padded, to, Epilogue::None, scratch);
    }

    fn bias<'a>(&self, values: &'a [f32]) -> &'a [f32] {
        &values[self.bias..][..self.channels.count]
    }
}

impl Lu {
    /// What it is given where every pixel of a row is a row of its own.
    fn own<'a>(&self, context: &Context<'a>) -> Context<'a> {
        let panels = self.channels.as_rows(context.panels);
        Context { panels, features: self.channels.count, ..*context }
    }

    /// How many rows of its own so many rows are.
    fn rows(&self, padded: usize) -> usize {
        padded * self.channels.pixels()
    }

    /// x → z of rows of its own.
    fn forward_rows(&self, context: &Context<'_>, x: &mut [f32], cache: &mut [f32], scratch: &mut Scratch) {
        let padded = context.panels.padded();
        let rows = padded * self.channels.count;
        let [before, between] = pieces_mut(cache, [rows; 2]);
        let [upper, lower, _] = pieces_mut(&mut scratch.values, self.lengths(padded));
        self.unpack(context.values, upper, lower);
        scratch.products.resize_with(scratch.products.len().max(1), Buffer::default);
        before.copy_from_slice(&x[..rows]);
        self.times(context, [upper, &[], before], false, between, &mut scratch.products[0]);
        self.times(context, [lower, self.bias(context.values), between], false, x, &mut scratch.products[0]);
    }

    /// z → x of rows of its own: forward and back substitution, row by row of the matrices, the rows of a panel side by side.
    fn inverse_rows(&self, context: &Context<'_>, z: &mut [f32]) {
        let (n, values) = (self.channels.count, context.values);
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

    /// From d of z to d of x of rows of its own, which count `weight` together.
    fn backward_rows(
        &self,
        context: &Context<'_>,
        weight: f32,
        d: &mut [f32],
        cache: &[f32],
        scratch: &mut Scratch,
        gradient: &mut [f32],
    ) {
        let (n, padded) = (self.channels.count, context.panels.padded());
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
        for i in 0..n {
            (i + 1..n).for_each(|j| gradient[self.matrix + i * n + j] = sums[j * n + i]);
            gradient[self.matrix + i * n + i] = sums[i * n + i] * upper[i * n + i] - weight;
        }
        self.times(context, [upper, &[], d_between], true, d, product);
    }

    /// Does `work` with rows of its own in place: those given, or, of images, a copy of the channels of every pixel.
    fn with_rows(
        &self,
        context: &Context<'_>,
        rows: &mut [f32],
        scratch: &mut Scratch,
        work: impl FnOnce(&Context<'_>, &mut [f32], &mut Scratch),
    ) {
        let own = self.own(context);
        if self.channels.are_plain(context.features) && own.panels.lie_as(context.panels) {
            return work(&own, rows, scratch);
        }
        let mut copy = std::mem::take(&mut scratch.rows);
        copy.at_least(own.panels.padded() * self.channels.count);
        self.channels.gather(context.panels, context.features, rows, &mut copy);
        work(&own, &mut copy, scratch);
        self.channels.scatter(context.panels, context.features, &copy, rows);
        scratch.rows = copy;
    }
}

impl OnCpu for Lu {
    fn cache(&self, padded: usize, features: usize) -> usize {
        padded * self.cost(features).values
    }

    fn scratch(&self, padded: usize) -> usize {
        self.lengths(self.rows(padded)).iter().sum()
    }

    fn forward(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        cache: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.with_rows(context, x, scratch, |own, x, scratch| self.forward_rows(own, x, cache, scratch));
        let total = (self.log_det(context.values) * self.channels.pixels() as f64) as f32;
        log_det.iter_mut().for_each(|log_det| *log_det += total);
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], _: &mut [f32], scratch: &mut Scratch) {
        self.with_rows(context, z, scratch, |own, z, _| self.inverse_rows(own, z));
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
        let weight = weights.iter().sum::<f32>() * self.channels.pixels() as f32;
        self.with_rows(context, d, scratch, |own, d, scratch| {
            self.backward_rows(own, weight, d, cache, scratch, gradient);
        });
    }
}
