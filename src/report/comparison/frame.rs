//! A comparison for programs.

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::{Comparison, Group, METRICS};
use crate::columns::value_column;
use crate::statistics::Estimate;

impl Comparison {
    /// One row a group: its labels and keys; `n`, `runs`, `diverged`, `failed`, `stopped`, `unfinished`; every metric that any
    /// has, followed by its standard error over seeds, `<metric>_seed_stderr`, and where known by that over the rows of the test set
    /// under its name in `trials.parquet`; `difference` to the best with `difference_seed_stderr` and `pairs`. Null where unknown.
    ///
    /// # Errors
    /// Where two columns would have the same name.
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        let groups = &self.groups;
        let mut columns = Vec::new();
        for (i, head) in self.heads.iter().enumerate() {
            columns.push(value_column(head, &groups.iter().map(|group| group.labels[i].as_ref()).collect::<Vec<_>>()));
        }
        let keys: std::collections::BTreeSet<&String> = groups.iter().flat_map(|group| group.keys.keys()).collect();
        for key in keys.into_iter().filter(|key| !self.heads.contains(key)) {
            columns.push(value_column(key, &groups.iter().map(|group| group.keys.get(key)).collect::<Vec<_>>()));
        }
        let mut count = |name: &str, runs: fn(&Group) -> usize| {
            columns.push(Column::new(name.into(), groups.iter().map(|it| runs(it) as i64).collect::<Vec<_>>()));
        };
        count("n", |group| group.finished);
        count("runs", |group| group.runs);
        count("diverged", |group| group.diverged);
        count("failed", |group| group.failed);
        count("stopped", |group| group.stopped);
        count("unfinished", |group| group.unfinished);
        let known = |name: &str| groups.iter().any(|group| group.estimates.contains_key(name));
        for metric in METRICS.iter().filter(|metric| known(metric.name)) {
            let estimates = groups.iter().map(|group| group.estimates.get(metric.name).copied());
            columns.extend(estimate_columns(metric.name, &estimates.collect::<Vec<_>>()));
            let errors: Vec<_> = groups.iter().map(|group| group.rows_errors.get(metric.name).copied()).collect();
            // Two metrics may share an error.
            let is_new = |name: &&str| columns.iter().all(|column| column.name().as_str() != *name);
            if let Some(name) = metric.rows_error.filter(is_new).filter(|_| errors.iter().any(Option::is_some)) {
                columns.push(Column::new(name.into(), errors));
            }
        }
        let differences: Vec<_> = groups.iter().map(|group| group.difference).collect();
        columns.extend(estimate_columns("difference", &differences));
        let pairs: Vec<_> = differences.iter().map(|it| it.map(|it| it.count as i64)).collect();
        columns.push(Column::new("pairs".into(), pairs));
        DataFrame::new(groups.len(), columns)
    }
}

fn estimate_columns(name: &str, estimates: &[Option<Estimate>]) -> [Column; 2] {
    let means: Vec<_> = estimates.iter().map(|it| it.map(|it| it.mean)).collect();
    let errors: Vec<_> = estimates.iter().map(|it| it.and_then(|it| it.error)).collect();
    [Column::new(name.into(), means), Column::new(format!("{name}_seed_stderr").into(), errors)]
}
