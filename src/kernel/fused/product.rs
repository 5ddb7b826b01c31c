//! Matrix products in register tiles.
//!
//! A tile of C is kept in registers while k runs: each step loads a row of B (two registers wide) and multiplies it with
//! as many values of A as the register file has room for. B comes packed in panels of that width, or strided where it is
//! used once (the gradient of a weight). Every value of C is the sum over k in ascending order, so bits depend on the
//! instruction set alone.

use super::pack::Packed;
use super::simd::{Simd, dispatch};

/// A matrix by reference: element (i, j) is `data[i·row + j·column]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> View<'a> {
    /// Rows of `stride` values.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: stride, column: 1 }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// What happens to a value of C before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue<'a> {
    None,
    /// max(c, 0).
    Relu,
    /// c where the value at the same place of this matrix (same stride as C) is positive, else 0: relu's derivative.
    WherePositive(&'a [f32]),
    /// c + what C held before.
    Add,
}

/// C = A·B. `m` rows, `k` inner; `c` has rows of `ldc` values, of which the first `b.columns` rounded up to whole
/// registers are written (the padding with zeros).
#[inline(always)]
fn product_generic<S: Simd>(a: View, m: usize, b: &Packed, c: &mut [f32], ldc: usize, epilogue: Epilogue) {
    let padded = b.columns.next_multiple_of(S::LANES);
    assert!(a.holds(m, b.rows) && padded <= ldc && (m == 0 || (m - 1) * ldc + padded <= c.len()));
    assert!(b.lanes == S::LANES && b.data.len() == b.rows * padded);
    if let Epilogue::WherePositive(gate) = epilogue {
        assert!(gate.len() >= (m.max(1) - 1) * ldc + padded);
    }
    let mut j = 0;
    while j < padded {
        let wide = padded - j >= 2 * S::LANES;
        // SAFETY: the assertions above keep every access inside its slice; a panel of 2 (or 1) registers starts at
        // `j·rows` because all panels before it are full.
        unsafe {
            let panel = b.data.as_ptr().add(j * b.rows);
            if wide {
                column::<S, 2>(a, m, b.rows, panel, 2 * S::LANES, c, ldc, j, epilogue);
            } else {
                column::<S, 1>(a, m, b.rows, panel, S::LANES, c, ldc, j, epilogue);
            }
        }
        j += if wide { 2 * S::LANES } else { S::LANES };
    }
}
dispatch!(product => product_generic(a: View, m: usize, b: &Packed, c: &mut [f32], ldc: usize, epilogue: Epilogue));

/// C = Aᵀ·B for `a` of `k` rows × `m` columns (stride `lda`) and `b` of `k` rows × `n` columns (stride `ldb`); `c` is
/// dense, `m` × `n`. The gradient of a weight matrix: A the inputs, B the gradient of the outputs.
///
/// Both are laid out anew in `scratch`, a tile's rows of Aᵀ and a panel of B each in one piece: rows of activations lie so
/// far apart that walking down them would miss the cache at every step.
#[inline(always)]
fn outer_generic<S: Simd>(
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    k: usize,
    m: usize,
    n: usize,
    c: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let padded = n.next_multiple_of(S::LANES);
    assert!(k > 0 && m <= lda && k * lda <= a.len() && padded <= ldb && k * ldb <= b.len() && m * n <= c.len());
    let tiles = m.div_ceil(S::ROWS);
    let needed = (tiles * S::ROWS + 2 * S::LANES) * k;
    if scratch.len() < needed {
        scratch.resize(needed, 0.0);
    }
    let (a_tiles, panel) = scratch.split_at_mut(tiles * S::ROWS * k);
    for (tile, to) in a_tiles.chunks_exact_mut(S::ROWS * k).enumerate() {
        let first = tile * S::ROWS;
        let used = S::ROWS.min(m - first);
        for (to, from) in to.chunks_exact_mut(S::ROWS).zip(a.chunks(lda)) {
            if used == S::ROWS {
                let from = &from[first..first + S::ROWS];
                // SAFETY: both slices hold `ROWS` values. A copy of known length is a register, not a call.
                unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr(), S::ROWS) };
            } else {
                // Nearly always the bias alone: a loop over a handful would become a call.
                to[0] = from[first];
                (1..used).for_each(|i| to[i] = from[first + i]);
            }
        }
    }
    let mut j = 0;
    while j < padded {
        let registers = if padded - j >= 2 * S::LANES { 2 } else { 1 };
        let width = registers * S::LANES;
        for (to, from) in panel.chunks_exact_mut(width).zip(b.chunks(ldb)).take(k) {
            let from = &from[j..j + width];
            for at in (0..width).step_by(S::LANES) {
                // SAFETY: both slices hold `width` values, a multiple of the lanes.
                unsafe { S::store(to.as_mut_ptr().add(at), S::load(from.as_ptr().add(at))) };
            }
        }
        let whole = j + width <= n;
        for (tile, a) in a_tiles.chunks_exact(S::ROWS * k).enumerate() {
            let rows = S::ROWS.min(m - tile * S::ROWS);
            // A gradient is too large for the near caches: fetch the lines while the sums are made.
            for row in 0..rows {
                S::prefetch_for_write(c[(tile * S::ROWS + row) * n + j..].as_ptr(), width);
            }
            let a = View { data: a, row: 1, column: S::ROWS };
            let mut edge = [0.0; EDGE];
            // The last panel may be wider than what is left of dense C.
            let (to, ldc, at) =
                if whole { (&mut c[tile * S::ROWS * n..], n, j) } else { (&mut edge[..], 2 * S::LANES, 0) };
            // SAFETY: a tile of A and a panel of B hold k steps each; `to` holds the rows of the tile.
            unsafe {
                if registers == 2 {
                    column::<S, 2>(a, rows, k, panel.as_ptr(), width, to, ldc, at, Epilogue::None);
                } else {
                    column::<S, 1>(a, rows, k, panel.as_ptr(), width, to, ldc, at, Epilogue::None);
                }
            }
            if !whole {
                for (r, from) in edge.chunks_exact(2 * S::LANES).enumerate().take(rows) {
                    let to = (tile * S::ROWS + r) * n;
                    c[to + j..to + n].copy_from_slice(&from[..n - j]);
                }
            }
        }
        j += width;
    }
}
dispatch!(outer => outer_generic(
    a: &[f32], lda: usize, b: &[f32], ldb: usize, k: usize, m: usize, n: usize, c: &mut [f32], scratch: &mut Vec<f32>
));

/// Values of the largest tile: 8 rows of 2 registers of 16 lanes.
const EDGE: usize = 256;

/// c[i, j] = Σ_k a[i, k]·b[j, k] (+ what was there, if `add`) for few rows of `b`: products with a narrow side, where
/// registers run along k. `k` is a multiple of 16; rows of `a` and `b` have strides `lda`, `k`; `c` has stride `ldc`.
#[inline(always)]
fn dots_generic<S: Simd>(
    a: &[f32],
    lda: usize,
    m: usize,
    b: &[f32],
    n: usize,
    k: usize,
    c: &mut [f32],
    ldc: usize,
    add: bool,
) {
    assert!(k.is_multiple_of(16) && lda >= k && m * lda <= a.len() && n * k <= b.len());
    assert!(m == 0 || (m - 1) * ldc + n <= c.len());
    const ROWS: usize = 4;
    for i in (0..m).step_by(ROWS) {
        for j in 0..n {
            // SAFETY: rows beyond the last repeat the last one, and k is a multiple of every register's lanes.
            unsafe {
                let rows: [*const f32; ROWS] = std::array::from_fn(|r| a.as_ptr().add((i + r).min(m - 1) * lda));
                let row = b.as_ptr().add(j * k);
                let mut sums = [S::splat(0.0); ROWS];
                let mut at = 0;
                while at < k {
                    let v = S::load(row.add(at));
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = S::fma(S::load(row.add(at)), v, *sum);
                    }
                    at += S::LANES;
                }
                for (r, sum) in sums.into_iter().enumerate().take(m - i) {
                    let to = &mut c[(i + r) * ldc + j];
                    *to = if add { *to + S::sum(sum) } else { S::sum(sum) };
                }
            }
        }
    }
}
dispatch!(dots => dots_generic(
    a: &[f32], lda: usize, m: usize, b: &[f32], n: usize, k: usize, c: &mut [f32], ldc: usize, add: bool
));

/// One panel of C, all rows.
///
/// # Safety
/// All tiles must lie inside their slices, and the processor must have `S`.
#[inline(always)]
unsafe fn column<S: Simd, const N: usize>(
    a: View,
    m: usize,
    k: usize,
    b: *const f32,
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    j: usize,
    epilogue: Epilogue,
) {
    let mut i = 0;
    macro_rules! rows {
        ($($rows:literal),*) => {$(
            while m - i >= $rows && $rows <= S::ROWS {
                // SAFETY: handed on to the caller.
                unsafe {
                    let to = c.as_mut_ptr().add(i * ldc + j);
                    tile_of::<S, $rows, N>(a, i, k, b, ldb, to, ldc, epilogue, i * ldc + j);
                }
                i += $rows;
            }
        )*};
    }
    rows!(8, 4, 2, 1);
}

/// One tile of C: `R` rows by `N` registers. `at`: where the tile starts in C, for the epilogue's matrix.
///
/// # Safety
/// As for [`column`].
#[inline(always)]
unsafe fn tile_of<S: Simd, const R: usize, const N: usize>(
    a: View,
    i: usize,
    k: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    epilogue: Epilogue,
    at: usize,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; R];
        let a_column = a.column;
        let a_rows: [*const f32; R] = std::array::from_fn(|r| a.data.as_ptr().add((i + r) * a.row));
        for step in 0..k {
            let row: [S::V; N] = std::array::from_fn(|n| S::load(b.add(step * ldb + n * S::LANES)));
            for (sums, a) in sums.iter_mut().zip(a_rows) {
                let value = S::splat(*a.add(step * a_column));
                for (sum, b) in sums.iter_mut().zip(row) {
                    *sum = S::fma(value, b, *sum);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                let offset = r * ldc + n * S::LANES;
                let value = match epilogue {
                    Epilogue::None => sum,
                    Epilogue::Relu => S::relu(sum),
                    Epilogue::WherePositive(gate) => S::where_positive(S::load(gate.as_ptr().add(at + offset)), sum),
                    Epilogue::Add => S::fma(S::splat(1.0), S::load(c.add(offset)), sum),
                };
                S::store(c.add(offset), value);
            }
        }
    }
}
