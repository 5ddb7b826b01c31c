//! A dense row-major table, the currency between the rooms.

/// Rows of numbers, shape `[rows, columns]`, row-major: `Matrix<f64>` in data space, where nothing that a file says is rounded, and
/// `Matrix` (of `f32`) in a flow's space, where values are near 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix<T = f32> {
    columns: usize,
    data: Vec<T>,
}

impl<T: Copy + Default> Matrix<T> {
    /// Takes `data` of shape `[rows, columns]`; its length must be a multiple of `columns`.
    pub fn new(data: Vec<T>, columns: usize) -> Self {
        assert!(
            columns > 0 && data.len().is_multiple_of(columns),
            "{} values do not fill rows of {columns}",
            data.len()
        );
        Self { columns, data }
    }

    /// Zeros of shape `[rows, columns]`.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self::new(vec![T::default(); rows * columns], columns)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.data.len() / self.columns.max(1)
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`, shape `[columns]`.
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// The same, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// All values, row-major, without a copy.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// The rows one after the other.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[T]> {
        self.data.chunks_exact(self.columns)
    }

    /// Copies of consecutive blocks of at most `rows` rows.
    pub fn blocks(&self, rows: usize) -> impl Iterator<Item = Self> {
        self.data.chunks(rows * self.columns).map(|data| Self { columns: self.columns, data: data.to_vec() })
    }

    /// The rows of this matrix, each followed by that of `other`, which has as many.
    pub fn beside(&self, other: &Self) -> Self {
        assert_eq!(self.rows(), other.rows(), "a row beside every row");
        let rows = self.iter_rows().zip(other.iter_rows());
        Self::new(rows.flat_map(|(row, more)| row.iter().chain(more)).copied().collect(), self.columns + other.columns)
    }

    /// The columns from `first` on.
    pub fn columns_from(&self, first: usize) -> Self {
        Self::new(self.iter_rows().flat_map(|row| &row[first..]).copied().collect(), self.columns - first)
    }

    /// The columns before `end`.
    pub fn columns_before(&self, end: usize) -> Self {
        Self::new(self.iter_rows().flat_map(|row| &row[..end]).copied().collect(), end)
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
