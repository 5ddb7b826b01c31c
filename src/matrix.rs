//! A dense row-major table of `f32`, the currency between the rooms.

/// Rows of numbers, shape `[rows, columns]`, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    columns: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// Takes `data` of shape `[rows, columns]`; its length must be a multiple of `columns`.
    pub fn new(data: Vec<f32>, columns: usize) -> Self {
        assert!(
            columns > 0 && data.len().is_multiple_of(columns),
            "{} values do not fill rows of {columns}",
            data.len()
        );
        Self { columns, data }
    }

    /// Zeros of shape `[rows, columns]`.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self::new(vec![0.0; rows * columns], columns)
    }

    pub fn rows(&self) -> usize {
        self.data.len() / self.columns.max(1)
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`, shape `[columns]`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.data
    }

    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// The rows one after the other.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.columns)
    }

    /// Copies of consecutive blocks of at most `rows` rows.
    pub fn blocks(&self, rows: usize) -> impl Iterator<Item = Self> {
        self.data.chunks(rows * self.columns).map(|data| Self { columns: self.columns, data: data.to_vec() })
    }

    /// A new matrix of the rows named by `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut data = Vec::with_capacity(indices.len() * self.columns);
        for &i in indices {
            data.extend_from_slice(self.row(i));
        }
        Self { columns: self.columns, data }
    }
}
