//! Values that come up again and again: on each of them a density can grow without bound.

use super::{Look, listed};
use crate::data::error::shown;

/// A column with fewer than one distinct value in so many rows is one of few values.
const ROWS_PER_VALUE: usize = 20;
/// Share of the rows from which one value is common.
const COMMON: f64 = 0.05;

impl Look<'_> {
    /// Continuous columns of few distinct values, and others in which one value is common.
    pub fn repeated(&self) -> Vec<String> {
        let rows = self.some.rows();
        let (mut few, mut common) = (Vec::new(), Vec::new());
        for column in self.continuous() {
            let sorted = self.sorted(column);
            let runs = || sorted.chunk_by(|a, b| a == b);
            let distinct = runs().count();
            let most = runs().max_by_key(|run| run.len()).unwrap_or_default();
            let share = most.len() as f64 / rows.max(1) as f64;
            let name = &self.columns[column];
            if distinct * ROWS_PER_VALUE <= rows {
                few.push(format!("`{name}` ({distinct})"));
            } else if share >= COMMON && most.len() > 2 {
                common.push(format!("`{name}` is {} in {:.0} %", shown(most[0]), 100.0 * share));
            }
        }
        let mut findings = Vec::new();
        if !few.is_empty() {
            findings.push(format!(
                "few distinct values among {rows} rows: {}; a density can grow without bound on repeated values: \
                 set `dequantize` to their spacing, or `drop` the columns",
                listed(&few)
            ));
        }
        if !common.is_empty() {
            findings.push(format!(
                "one value is common among {rows} rows: {}; a density can grow without bound on it, and the NLL falls for \
                 ever: learn the rows without it from a file of their own, set `dequantize` to the spacing of the values, or \
                 `drop` the column",
                listed(&common)
            ));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, normal};

    #[test]
    fn few_values_and_a_common_one_are_told_and_dequantised_columns_are_not() {
        let rows = |steps| findings(2000, steps, |i| [normal(i, 0), if i % 2 == 0 { 0.0 } else { normal(i, 1) }]);
        let found = rows([0.0, 0.0]);
        assert!(found.len() == 1 && found[0].contains("`x1` is 0 in 50 %"), "{found:?}");
        let few = findings(2000, [0.0], |i| [(i % 7) as f64]);
        assert!(few[0].contains("`x0` (7)") && few.len() == 1, "{few:?}");
        assert_eq!(findings(2000, [1.0], |i| [(i % 7) as f64]), [""; 0]);
    }
}
