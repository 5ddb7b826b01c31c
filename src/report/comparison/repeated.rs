//! Runs that are given several times: by several paths, or under several names in a table of an earlier release.

use std::collections::BTreeMap;

use super::Row;
use crate::train::Status;

/// Keeps every run once: of those of one spec and seed the finished one, else the first. All seeds of a trial get the name of its
/// first finished run, else of its first. Returns how many runs were there under a second name.
pub fn once_each(rows: &mut Vec<Row>) -> usize {
    let mut names: BTreeMap<(String, String), (bool, String)> = BTreeMap::new();
    for row in rows.iter() {
        let finished = row.status == Status::Finished;
        let known = names.entry(trial(row)).or_insert((finished, row.trial.clone()));
        if finished && !known.0 {
            *known = (true, row.trial.clone());
        }
    }
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    let mut index_of = BTreeMap::new();
    let mut repeated = 0;
    for row in rows.drain(..) {
        let Some(&first) = index_of.get(&(trial(&row), row.seed)) else {
            index_of.insert((trial(&row), row.seed), kept.len());
            kept.push(row);
            continue;
        };
        let other: &mut Row = &mut kept[first];
        repeated += usize::from(other.trial != row.trial);
        let (mut best, rest) = match row.status == Status::Finished && other.status != Status::Finished {
            true => (row, other.clone()),
            false => (other.clone(), row),
        };
        // A key that is swept only later stands beside one of the names.
        for (key, value) in rest.keys {
            best.keys.entry(key).or_insert(value);
        }
        *other = best;
    }
    for row in &mut kept {
        if let Some((_, name)) = names.get(&trial(row)) {
            row.trial.clone_from(name);
        }
    }
    *rows = kept;
    repeated
}

/// What makes two runs one trial: what they compute, or their name where a table does not say that.
fn trial(row: &Row) -> (String, String) {
    (row.experiment.clone(), row.spec_hash.clone().unwrap_or_else(|| row.trial.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(trial: &str, seed: i64, status: Status, hash: Option<&str>) -> Row {
        let spec_hash = hash.map(str::to_owned);
        Row { spec_hash, ..Row::new("moons".to_owned(), trial.to_owned(), seed, status) }
    }

    #[test]
    fn a_run_counts_once_as_the_finished_one_and_its_trial_has_one_name() {
        use Status::{Failed, Finished};
        let (one, other) = (Some("1f"), Some("2e"));
        let mut rows = vec![
            run("base", 0, Failed, one),
            run("depth=4", 0, Finished, one),
            run("base", 1, Finished, one),
            run("depth=4", 1, Failed, one),
            run("depth=8", 0, Finished, other),
            // By another path.
            run("depth=8", 0, Finished, other),
            run("old", 0, Finished, None),
            run("old", 0, Finished, None),
        ];
        assert_eq!(once_each(&mut rows), 2);
        let kept: Vec<_> = rows.iter().map(|row| (row.trial.as_str(), row.seed, row.status)).collect();
        let expected = [("depth=4", 0), ("depth=4", 1), ("depth=8", 0), ("old", 0)];
        assert_eq!(kept, expected.map(|(name, seed)| (name, seed, Finished)));
    }
}
