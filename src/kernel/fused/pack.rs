//! Weights laid out for the product kernels.

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

    /// Fills it from dense `source`, `rows` × `columns`.
    pub fn fill(&mut self, source: &[f32]) {
        let (rows, columns) = (self.rows, self.columns);
        self.panels(|panel, width, j| {
            let used = width.min(columns - j);
            for i in 0..rows {
                let from = i * columns + j;
                panel[i * width..i * width + used].copy_from_slice(&source[from..from + used]);
            }
        });
    }

    /// Fills it from the transpose of dense `source`, `columns` × `rows`.
    pub fn fill_transposed(&mut self, source: &[f32]) {
        /// Rows transposed at a time: a block stays in the first-level cache.
        const BLOCK: usize = 16;
        let (rows, columns) = (self.rows, self.columns);
        self.panels(|panel, width, j| {
            let used = width.min(columns - j);
            for start in (0..rows).step_by(BLOCK) {
                let end = (start + BLOCK).min(rows);
                for (column, values) in source[j * rows..(j + used) * rows].chunks_exact(rows).enumerate() {
                    for (i, &value) in values[start..end].iter().enumerate() {
                        panel[(start + i) * width + column] = value;
                    }
                }
            }
        });
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
