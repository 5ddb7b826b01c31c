//! Matrix products in register tiles, on rows in [panels](super::panels).
//!
//! A tile is a handful of outputs times the rows of a panel, kept in registers while the sum runs: each step loads one
//! value of the panel's rows (two registers) and multiplies it with as many weights as the register file has room for.
//! Every sum runs in ascending order, so bits depend on the instruction set alone.

use super::buffer::Buffer;
use super::simd::{Simd, dispatch};

/// A matrix by reference: element (i, j) is `data[i·row + j·column]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl View<'_> {
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// What happens to a value before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue<'a> {
    None,
    /// max(c, 0).
    Relu,
    /// c where the value at the same place of this buffer is positive, else 0: relu's derivative.
    WherePositive(&'a [f32]),
    /// c is added to what is there.
    Add,
    /// c where the value at the same place of this buffer is positive is added to what is there.
    AddWherePositive(&'a [f32]),
    /// c·(1 − h²), with h at the same place of this buffer, is added to what is there.
    AddWithSlopeOfTanh(&'a [f32]),
}

/// C = A·B + bias: for every row, `m` outputs from `k` inputs. `a` is `m` × `k`, `bias` has `m` values or none, `b` and `c`
/// are buffers of `k` and `m` values a row for `padded` rows in panels.
#[inline(always)]
fn product_generic<S: Simd>(
    a: View,
    bias: &[f32],
    m: usize,
    k: usize,
    b: &[f32],
    padded: usize,
    c: &mut [f32],
    epilogue: Epilogue,
    scratch: &mut Buffer,
) {
    assert!(a.holds(m, k) && (bias.is_empty() || bias.len() == m) && padded.is_multiple_of(S::LANES));
    assert!(padded * k <= b.len() && padded * m <= c.len());
    match epilogue {
        Epilogue::WherePositive(other) | Epilogue::AddWherePositive(other) | Epilogue::AddWithSlopeOfTanh(other) => {
            assert!(padded * m <= other.len());
        }
        Epilogue::None | Epilogue::Relu | Epilogue::Add => {}
    }
    scratch.at_least(S::ROWS * k);
    let mut i = 0;
    macro_rules! strips {
        ($($rows:literal),*) => {$(
            while m - i >= $rows && $rows <= S::ROWS {
                // SAFETY: the assertions above keep every access inside its slice.
                unsafe { strip::<S, $rows>(a, bias, i, m, k, b, padded, c, epilogue, scratch) };
                i += $rows;
            }
        )*};
    }
    strips!(8, 6, 4, 2, 1);
}
dispatch!(product => product_generic(
    a: View,
    bias: &[f32],
    m: usize,
    k: usize,
    b: &[f32],
    padded: usize,
    c: &mut [f32],
    epilogue: Epilogue,
    scratch: &mut Buffer,
));

/// Outputs `i .. i + R` of all rows.
///
/// # Safety
/// As asserted by [`product_generic`]; `scratch` holds `R·k` values.
#[inline(always)]
unsafe fn strip<S: Simd, const R: usize>(
    a: View,
    bias: &[f32],
    i: usize,
    m: usize,
    k: usize,
    b: &[f32],
    padded: usize,
    c: &mut [f32],
    epilogue: Epilogue,
    scratch: &mut [f32],
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let weights = a.data.as_ptr().add(i * a.row);
        // Weights whose columns lie far apart are copied side by side first: every panel uses them again.
        let together = a.row == 1 && a.column != 1 && R > 1;
        if together {
            for step in 0..k {
                std::ptr::copy_nonoverlapping(weights.add(step * a.column), scratch.as_mut_ptr().add(step * R), R);
            }
        }
        let bias: [f32; R] = std::array::from_fn(|r| if bias.is_empty() { 0.0 } else { *bias.as_ptr().add(i + r) });
        let mut first = 0;
        macro_rules! tile {
            ($registers:literal) => {{
                let width = $registers * S::LANES;
                let at = first * m + i * width;
                let from = b.as_ptr().add(first * k);
                let sums = if together {
                    tile::<S, R, $registers>(bias, |step, r| *scratch.as_ptr().add(step * R + r), k, from)
                } else {
                    let rows: [*const f32; R] = std::array::from_fn(|r| weights.add(r * a.row));
                    tile::<S, R, $registers>(bias, |step, r| *rows[r].add(step * a.column), k, from)
                };
                store::<S, R, $registers>(sums, c.as_mut_ptr().add(at), width, epilogue, at);
            }};
        }
        while padded - first >= 2 * S::LANES {
            tile!(2);
            first += 2 * S::LANES;
        }
        if first < padded {
            tile!(1);
        }
    }
}

/// start[r] + Σ_step weight(step, r)·b[step, lanes].
///
/// # Safety
/// `b` holds `k` steps of `N` registers.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const N: usize>(
    start: [f32; R],
    weight: impl Fn(usize, usize) -> f32,
    k: usize,
    b: *const f32,
) -> [[S::V; N]; R] {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums: [[S::V; N]; R] = std::array::from_fn(|r| [S::splat(start[r]); N]);
        for step in 0..k {
            let row: [S::V; N] = std::array::from_fn(|n| S::load(b.add((step * N + n) * S::LANES)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let value = S::splat(weight(step, r));
                for (sum, b) in sums.iter_mut().zip(row) {
                    *sum = S::fma(value, b, *sum);
                }
            }
        }
        sums
    }
}

/// Stores a tile, rows of it `stride` values apart. `at`: where it starts in C, for the epilogue's buffer.
///
/// # Safety
/// The tile must lie inside C.
#[inline(always)]
unsafe fn store<S: Simd, const R: usize, const N: usize>(
    sums: [[S::V; N]; R],
    c: *mut f32,
    stride: usize,
    epilogue: Epilogue,
    at: usize,
) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (n, sum) in sums.into_iter().enumerate() {
            let offset = r * stride + n * S::LANES;
            // SAFETY: handed on to the caller.
            unsafe {
                let value = match epilogue {
                    Epilogue::None => sum,
                    Epilogue::Relu => S::relu(sum),
                    Epilogue::WherePositive(gate) => S::where_positive(S::load(gate.as_ptr().add(at + offset)), sum),
                    Epilogue::Add => S::add(S::load(c.add(offset)), sum),
                    Epilogue::AddWherePositive(gate) => {
                        let gated = S::where_positive(S::load(gate.as_ptr().add(at + offset)), sum);
                        S::add(S::load(c.add(offset)), gated)
                    }
                    Epilogue::AddWithSlopeOfTanh(h) => {
                        let h = S::load(h.as_ptr().add(at + offset));
                        S::fma(sum, S::sub(S::splat(1.0), S::mul(h, h)), S::load(c.add(offset)))
                    }
                };
                S::store(c.add(offset), value);
            }
        }
    }
}

/// Sides below this are products of single values: a tile would be mostly padding.
const NARROW: usize = 8;

/// The gradient of an affine map: C = Σ_rows a·bᵀ, dense `m` × `n`, then Σ_rows b, `n` values, all written to `c`. `a` are
/// the inputs, `m` a row, `b` the gradients of the outputs, `n` a row; both buffers of `padded` rows in panels.
#[inline(always)]
fn outer_generic<S: Simd>(
    a: &[f32],
    b: &[f32],
    padded: usize,
    m: usize,
    n: usize,
    c: &mut [f32],
    scratch: &mut Buffer,
) {
    assert!(padded > 0 && padded.is_multiple_of(S::LANES) && padded * m <= a.len() && padded * n <= b.len());
    assert!(c.len() == (m + 1) * n);
    if m < NARROW || n < NARROW {
        let (weights, biases) = c.split_at_mut(m * n);
        for (j, bias) in biases.iter_mut().enumerate() {
            // SAFETY: a value of all rows lies inside its buffer.
            *bias = unsafe { dot::<S, true>(b, 0, 1, b, j, n, padded) };
        }
        for (at, weight) in weights.iter_mut().enumerate() {
            // SAFETY: as above.
            *weight = unsafe { dot::<S, false>(a, at / n, m, b, at % n, n, padded) };
        }
        return;
    }
    scratch.at_least(2 * S::LANES * padded);
    let mut j = 0;
    while j < n {
        // SAFETY: `scratch` holds the rows of two registers; the assertions above keep the rest inside its slice.
        unsafe {
            if n - j > S::LANES {
                stripe::<S, 2>(a, b, padded, m, n, j, c, scratch);
                j += 2 * S::LANES;
            } else {
                stripe::<S, 1>(a, b, padded, m, n, j, c, scratch);
                j += S::LANES;
            }
        }
    }
}
dispatch!(outer => outer_generic(
    a: &[f32], b: &[f32], padded: usize, m: usize, n: usize, c: &mut [f32], scratch: &mut Buffer,
));

/// Σ_rows a_i·b_j, or Σ_rows b_j if `ONE`.
///
/// # Safety
/// The buffers hold `padded` rows of `m` and `n` values.
#[inline(always)]
unsafe fn dot<S: Simd, const ONE: bool>(
    a: &[f32],
    i: usize,
    m: usize,
    b: &[f32],
    j: usize,
    n: usize,
    padded: usize,
) -> f32 {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        for first in (0..padded).step_by(2 * S::LANES) {
            let registers = 2.min((padded - first) / S::LANES);
            let width = registers * S::LANES;
            for (r, sum) in sums.iter_mut().enumerate().take(registers) {
                let a = if ONE { S::splat(1.0) } else { S::load(a.as_ptr().add(first * m + i * width + r * S::LANES)) };
                *sum = S::fma(a, S::load(b.as_ptr().add(first * n + j * width + r * S::LANES)), *sum);
            }
        }
        S::sum(S::fma(S::splat(1.0), sums[0], sums[1]))
    }
}

/// Columns `j .. j + N registers` of C and of the sum below it.
///
/// # Safety
/// As asserted by [`outer_generic`]; `scratch` holds `padded` rows of `N` registers.
#[inline(always)]
unsafe fn stripe<S: Simd, const N: usize>(
    a: &[f32],
    b: &[f32],
    padded: usize,
    m: usize,
    n: usize,
    j: usize,
    c: &mut [f32],
    scratch: &mut [f32],
) {
    let width = N * S::LANES;
    let used = width.min(n - j);
    // The columns of B, row by row.
    for first in (0..padded).step_by(2 * S::LANES) {
        let panel = (2 * S::LANES).min(padded - first);
        for row in (0..panel).step_by(S::LANES) {
            for column in (0..width).step_by(S::LANES) {
                let from = first * n + (j + column) * panel + row;
                let to = (first + row) * width + column;
                if column + S::LANES <= used {
                    // SAFETY: a whole block of both.
                    unsafe { S::transpose(b.as_ptr().add(from), panel, scratch.as_mut_ptr().add(to), width) };
                } else {
                    for r in 0..S::LANES {
                        for v in 0..S::LANES {
                            scratch[to + r * width + v] = if column + v < used { b[from + v * panel + r] } else { 0.0 };
                        }
                    }
                }
            }
        }
    }
    // SAFETY: `scratch` holds `padded` rows.
    let totals = unsafe { tile::<S, 1, N>([0.0], |_, _| 1.0, padded, scratch.as_ptr()) };
    // SAFETY: `m + 1` rows of C.
    unsafe { put::<S, 1, N>(totals, &mut c[m * n..], 0, n, j, used) };
    let mut i = 0;
    macro_rules! tiles {
        ($($rows:literal),*) => {$(
            while m - i >= $rows && $rows <= S::ROWS {
                // A gradient is too large for the near caches: fetch the lines while the sums are made.
                for r in 0..$rows {
                    S::prefetch_for_write(c[(i + r) * n + j..].as_ptr(), width);
                }
                // SAFETY: value i + r of every row of `a`, every row of `scratch`.
                unsafe {
                    let mut sums = [[S::splat(0.0); N]; $rows];
                    let mut first = 0;
                    while padded - first >= 2 * S::LANES {
                        let (a, b) = (a.as_ptr().add(first * m + i * 2 * S::LANES), scratch.as_ptr().add(first * width));
                        gather::<S, $rows, N, 2>(&mut sums, a, b);
                        first += 2 * S::LANES;
                    }
                    if first < padded {
                        let (a, b) = (a.as_ptr().add(first * m + i * S::LANES), scratch.as_ptr().add(first * width));
                        gather::<S, $rows, N, 1>(&mut sums, a, b);
                    }
                    put::<S, $rows, N>(sums, c, i, n, j, used);
                }
                i += $rows;
            }
        )*};
    }
    tiles!(8, 6, 4, 2, 1);
}

/// sums[r] += Σ_rows a[r, row]·b[row, lanes] over the rows of one panel of `P` registers.
///
/// # Safety
/// `a` holds `R` values of a panel, `b` its rows.
#[inline(always)]
unsafe fn gather<S: Simd, const R: usize, const N: usize, const P: usize>(
    sums: &mut [[S::V; N]; R],
    a: *const f32,
    b: *const f32,
) {
    for row in 0..P * S::LANES {
        // SAFETY: handed on to the caller.
        unsafe {
            let values: [S::V; N] = std::array::from_fn(|n| S::load(b.add((row * N + n) * S::LANES)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let value = S::splat(*a.add(r * P * S::LANES + row));
                for (sum, b) in sums.iter_mut().zip(values) {
                    *sum = S::fma(value, b, *sum);
                }
            }
        }
    }
}

/// Values of the largest tile: 8 rows of 2 registers of 16 lanes.
const EDGE: usize = 256;

/// Writes a tile of dense C: rows from `i`, the first `used` columns from `j`.
///
/// # Safety
/// The tile's used part must lie inside C, the processor must have `S`.
#[inline(always)]
unsafe fn put<S: Simd, const R: usize, const N: usize>(
    sums: [[S::V; N]; R],
    c: &mut [f32],
    i: usize,
    n: usize,
    j: usize,
    used: usize,
) {
    let width = N * S::LANES;
    // SAFETY: handed on to the caller; the edge holds the largest tile.
    unsafe {
        if used == width {
            store::<S, R, N>(sums, c.as_mut_ptr().add(i * n + j), n, Epilogue::None, 0);
        } else {
            let mut edge = [0.0; EDGE];
            store::<S, R, N>(sums, edge.as_mut_ptr(), width, Epilogue::None, 0);
            for (r, from) in edge.chunks_exact(width).enumerate().take(R) {
                c[(i + r) * n + j..][..used].copy_from_slice(&from[..used]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Level;
    use crate::compute::Panels;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    /// Relative to the number of terms, the worst error against f64.
    fn close(value: f32, exact: f64, terms: usize) -> bool {
        (f64::from(value) - exact).abs() < 1e-6 * (terms as f64).sqrt().max(1.0)
    }

    #[test]
    fn products_agree_with_f64_sums() {
        for level in Level::available() {
            for (rows, m, k) in [(1, 1, 1), (9, 3, 5), (50, 64, 33), (40, 7, 70), (128, 15, 2)] {
                let panels = Panels::new(level, rows);
                let (weights, bias, x) = (numbers(m * k, 1), numbers(m, 2), numbers(rows * k, 3));
                let mut b = vec![0.0; panels.padded() * k];
                panels.fill(&x, k, &mut b);
                for (row, column) in [(k, 1), (1, m)] {
                    let a = View { data: &weights, row, column };
                    let mut c = vec![f32::NAN; panels.padded() * m];
                    product(level, a, &bias, m, k, &b, panels.padded(), &mut c, Epilogue::None, &mut Buffer::default());
                    let mut dense = vec![0.0; rows * m];
                    panels.read(&c, m, &mut dense);
                    for r in 0..rows {
                        for i in 0..m {
                            let term = |j: usize| f64::from(weights[i * row + j * column]) * f64::from(x[r * k + j]);
                            let exact = f64::from(bias[i]) + (0..k).map(term).sum::<f64>();
                            assert!(close(dense[r * m + i], exact, k), "{level:?} {rows} {m} {k}: row {r}, output {i}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn outer_products_agree_with_f64_sums() {
        for level in Level::available() {
            for (rows, m, n) in [(1, 1, 1), (9, 3, 5), (50, 64, 33), (40, 7, 70), (128, 15, 20), (100, 33, 1)] {
                let panels = Panels::new(level, rows);
                let (x, y) = (numbers(rows * m, 1), numbers(rows * n, 2));
                let (mut a, mut b) = (vec![0.0; panels.padded() * m], vec![0.0; panels.padded() * n]);
                panels.fill(&x, m, &mut a);
                panels.fill(&y, n, &mut b);
                // As in a flow: gradients of padding rows are zero.
                for panel in panels.iter() {
                    (0..n).for_each(|v| panel.row_of(n, v, &mut b)[panel.used..].fill(0.0));
                }
                let mut c = vec![f32::NAN; (m + 1) * n];
                outer(level, &a, &b, panels.padded(), m, n, &mut c, &mut Buffer::default());
                for i in 0..=m {
                    for j in 0..n {
                        let input = |r: usize| if i == m { 1.0 } else { f64::from(x[r * m + i]) };
                        let exact: f64 = (0..rows).map(|r| input(r) * f64::from(y[r * n + j])).sum();
                        assert!(close(c[i * n + j], exact, rows), "{level:?} {rows} {m} {n}: ({i}, {j})");
                    }
                }
            }
        }
    }
}
