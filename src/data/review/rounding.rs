//! Columns that a flow cannot learn as they are: it computes with 32 bits, and starts at mean 0 and deviation 1.

use super::{Look, listed};
use crate::data::quote::quoted;

/// Share of a column's range that rounding may change.
const LOST: f64 = 1e-4;

/// Middles and ranges of the middle half, in either direction, that a flow still reaches from where it starts.
const REACH: f64 = 100.0;

impl Look<'_> {
    /// Columns whose size a flow would not reach, or which it would see rounded.
    pub fn rounding(&self) -> Option<String> {
        let lossy = |column: &usize| {
            let sorted = self.sorted(*column);
            let at = |share: usize| sorted[(sorted.len() - 1) * share / 4];
            let (low, high) = (at(0), at(4));
            let largest = low.abs().max(high.abs());
            let (middle, width) = (at(2).abs(), at(3) - at(1));
            let out_of_reach = middle > REACH || (width > 0.0 && !(1.0 / REACH..REACH).contains(&width));
            out_of_reach || largest * f64::from(f32::EPSILON) > LOST * (high - low)
        };
        let names: Vec<String> = (0..self.columns.len()).filter(lossy).map(|i| quoted(&self.columns[i])).collect();
        (!names.is_empty()).then(|| {
            format!(
                "`standardize = false` hands the flow values as they are, rounded to 32 bits, and it starts at mean 0 and deviation \
                 1: {} {} far from that; leave `standardize` at true, or bring the values near 1",
                listed(&names),
                if names.len() == 1 { "is" } else { "are" }
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Look, tests::normal};
    use crate::matrix::Matrix;

    #[test]
    fn columns_of_another_size_are_named() {
        let row = |i| {
            [normal(i, 0), 1.6e9 + normal(i, 1), 1e-20 * normal(i, 2), 1e5 * normal(i, 3), 5.0 + 3.0 * normal(i, 4)]
        };
        let rows = Matrix::new((0..500).flat_map(row).collect(), 5);
        let columns = ["a", "time", "tiny", "huge", "b"].map(String::from);
        let found = Look { columns: &columns, steps: &[0.0; 5], some: &rows }.rounding().expect("a finding");
        assert!(found.contains("`time`, `tiny`, `huge` are far") && !found.contains("`a`"), "{found}");
    }
}
