//! Weights laid out for the product kernels.

use super::simd::{Simd, dispatch};

/// A matrix B of `rows` × `columns` in panels of two registers (the last one may have one), each panel row by row,
/// columns padded with zeros to whole registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    pub rows: usize,
    pub columns: usize,
    /// Lanes of the registers it is laid out for.
    pub lanes: usize,
    pub data: Vec<f32>,
}

impl Packed {
    pub fn new(rows: usize, columns: usize, lanes: usize) -> Self {
        Self { rows, columns, lanes, data: vec![0.0; rows * columns.next_multiple_of(lanes)] }
    }

    /// Calls `fill(panel, width, first column)` for each panel.
    fn panels(&mut self, mut fill: impl FnMut(&mut [f32], usize, usize)) {
        let padded = self.columns.next_multiple_of(self.lanes);
        let mut j = 0;
        while j < padded {
            let width = if padded - j >= 2 * self.lanes { 2 * self.lanes } else { self.lanes };
            fill(&mut self.data[j * self.rows..(j + width) * self.rows], width, j);
            j += width;
        }
    }
}

#[inline(always)]
fn fill_generic<S: Simd>(packed: &mut Packed, source: &[f32]) {
    let (rows, columns) = (packed.rows, packed.columns);
    assert!(packed.lanes == S::LANES && source.len() == rows * columns);
    packed.panels(|panel, width, j| {
        if width <= columns - j {
            for (i, to) in panel.chunks_exact_mut(width).enumerate() {
                let from = &source[i * columns + j..][..width];
                // SAFETY: both slices hold `width` values, one register or two.
                unsafe {
                    let first = S::load(from.as_ptr());
                    if width == 2 * S::LANES {
                        S::store(to.as_mut_ptr().add(S::LANES), S::load(from.as_ptr().add(S::LANES)));
                    }
                    S::store(to.as_mut_ptr(), first);
                }
            }
        } else {
            for (i, to) in panel.chunks_exact_mut(width).enumerate() {
                to[..columns - j].copy_from_slice(&source[i * columns + j..(i + 1) * columns]);
            }
        }
    });
}
dispatch!(fill => fill_generic(packed: &mut Packed, source: &[f32]));

/// Fills `packed` from the transpose of dense `source`, `columns` × `rows`.
#[inline(always)]
fn fill_transposed_generic<S: Simd>(packed: &mut Packed, source: &[f32]) {
    let (rows, columns) = (packed.rows, packed.columns);
    assert!(packed.lanes == S::LANES && source.len() == rows * columns);
    packed.panels(|panel, width, j| {
        for column in (0..width.min(columns - j)).step_by(S::LANES) {
            let used = S::LANES.min(columns - j - column);
            for row in (0..rows).step_by(S::LANES) {
                let (from, to) = ((j + column) * rows + row, row * width + column);
                if used == S::LANES && row + S::LANES <= rows {
                    // SAFETY: the block's last row starts `LANES − 1` strides on and is whole, in both slices.
                    unsafe { S::transpose(source[from..].as_ptr(), rows, panel[to..].as_mut_ptr(), width) };
                } else {
                    for i in 0..S::LANES.min(rows - row) {
                        for c in 0..used {
                            panel[to + i * width + c] = source[from + c * rows + i];
                        }
                    }
                }
            }
        }
    });
}
dispatch!(fill_transposed => fill_transposed_generic(packed: &mut Packed, source: &[f32]));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fused::Level;

    #[test]
    fn panels_hold_every_value_of_the_matrix_and_of_its_transpose() {
        for level in Level::available() {
            let lanes = if level == Level::Avx512 { 16 } else { 8 };
            for (rows, columns) in [(1, 1), (5, 40), (33, 50), (64, 96), (17, 16), (48, 7)] {
                let source: Vec<f32> = (0..rows * columns).map(|i| i as f32 + 1.0).collect();
                let mut transposed = vec![0.0; rows * columns];
                (0..rows * columns).for_each(|i| transposed[i % columns * rows + i / columns] = source[i]);
                let mut straight = Packed::new(rows, columns, lanes);
                let mut turned = straight.clone();
                fill(level, &mut straight, &source);
                fill_transposed(level, &mut turned, &transposed);
                assert_eq!(straight.data, turned.data, "{rows} × {columns} at {level:?}");
                straight.panels(|panel, width, j| {
                    for (at, &value) in panel.iter().enumerate() {
                        let (i, column) = (at / width, j + at % width);
                        let expected = if column < columns { source[i * columns + column] } else { 0.0 };
                        assert_eq!(value, expected, "{rows} × {columns} at {level:?}");
                    }
                });
            }
        }
    }
}
