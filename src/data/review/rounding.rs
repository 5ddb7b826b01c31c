//! Values that lose what tells them apart when they are not standardised: a flow computes with 32 bits.

use super::{Look, listed};

/// Share of a column's range that rounding may change.
const LOST: f64 = 1e-4;

impl Look<'_> {
    /// Columns far from zero for their range, which a flow would see rounded.
    pub fn rounding(&self) -> Option<String> {
        let lossy = |column: &usize| {
            let sorted = self.sorted(*column);
            let (Some(low), Some(high)) = (sorted.first(), sorted.last()) else { return false };
            let largest = low.abs().max(high.abs());
            largest * f64::from(f32::EPSILON) > LOST * (high - low)
        };
        let names: Vec<String> =
            (0..self.columns.len()).filter(lossy).map(|i| format!("`{}`", self.columns[i])).collect();
        (!names.is_empty()).then(|| {
            format!(
                "`standardize = false` hands the flow values rounded to 32 bits, and {} lie too far from zero for it: leave \
                 `standardize` at true, or subtract an offset from the columns",
                listed(&names)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Look, tests::normal};
    use crate::matrix::Matrix;

    #[test]
    fn columns_far_from_zero_are_named() {
        let rows = Matrix::new((0..500).flat_map(|i| [normal(i, 0), 1.6e9 + normal(i, 1)]).collect(), 2);
        let columns = ["a".to_owned(), "time".to_owned()];
        let found = Look { columns: &columns, steps: &[0.0; 2], some: &rows }.rounding().expect("a finding");
        assert!(found.contains("`time`") && !found.contains("`a`"), "{found}");
    }
}
