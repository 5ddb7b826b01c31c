//! Columns that only number the rows.

use super::Table;
use crate::data::quote::{as_toml, quoted};

/// Fewer rows than these may count by chance.
const FEWEST: usize = 20;

/// A warning for every column whose values are 0, 1, 2, … or 1, 2, 3, …: an index that a program wrote beside the data.
pub fn warnings(table: &Table) -> Vec<String> {
    if table.rows.rows() < FEWEST {
        return Vec::new();
    }
    let counts = |column: &usize| {
        let first = table.rows.row(0)[*column];
        (first == 0.0 || first == 1.0)
            && table.rows.iter_rows().enumerate().all(|(i, row)| row[*column] - first == i as f64)
    };
    let found = (0..table.columns.len()).filter(counts).map(|column| &table.columns[column]);
    let warning = |name: &String| {
        format!(
            "column {} numbers the rows and has no density of its own; leave it out with `drop = [{}]`",
            quoted(name),
            as_toml(name)
        )
    };
    found.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn a_column_that_numbers_the_rows_is_noticed() {
        let rows = (0..30u8).flat_map(|i| [f64::from(i).sin(), f64::from(i), f64::from(i + 1), f64::from(i + 2)]);
        let columns = ["a", "b", "c", "d"].map(String::from).to_vec();
        let rows = Matrix::new(rows.collect(), 4);
        let table = Table {
            columns,
            rows,
            numbers: None,
            weights: None,
            context: Vec::new(),
            named: true,
            levels: None,
            warnings: Vec::new(),
        };
        let warnings = warnings(&table);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("`b` numbers the rows") && warnings[0].contains("`drop = [\"b\"]`"),
            "{warnings:?}"
        );
    }
}
