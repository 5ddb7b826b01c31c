//! Runs in groups, usually the seeds of one trial; groups in order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::data::differing;
use super::{METRICS, Metric, Row};
use crate::statistics::{Estimate, mean};
use crate::train::Status;

/// What puts runs into one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Experiment and trial, so that a group holds the seeds of one trial.
    Trial,
    /// Equal values of these columns or keys.
    Keys(Vec<String>),
}

/// What standard errors are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Seeds alone.
    Seeds,
    /// Seeds and other keys.
    Runs,
}

impl Over {
    /// What a group of runs is called.
    pub fn group(self) -> &'static str {
        match self {
            Self::Seeds => "trial",
            Self::Runs => "group",
        }
    }

    /// The word for it in the head of a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Runs => "runs",
        }
    }
}

/// All groups, best first. A metric that depends on the data is ranked on the same data alone: on those that most groups saw,
/// and groups on other data come last.
#[derive(Debug)]
pub struct Comparison {
    /// What the groups are ordered by.
    pub metric: &'static Metric,
    /// What the runs of a group differ in, so what a standard error is over.
    pub over: Over,
    /// Heads of the groups' labels.
    pub heads: Vec<String>,
    /// Those without a value come last; equal ones in the order of their labels.
    pub groups: Vec<Group>,
}

/// Runs that belong together. Estimates are over the finished ones alone.
#[derive(Debug)]
pub struct Group {
    /// One a head; `None` where the runs do not have it.
    pub labels: Vec<Option<toml::Value>>,
    /// Swept and overridden keys on which all runs of the group agree.
    pub keys: BTreeMap<String, toml::Value>,
    /// Its runs: their indices among the rows that are compared.
    pub members: Vec<usize>,
    /// Number of runs.
    pub runs: usize,
    /// Those that finished.
    pub finished: usize,
    /// Those that diverged.
    pub diverged: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that were stopped at a rung.
    pub stopped: usize,
    /// Interrupted or still running.
    pub unfinished: usize,
    /// Mean and standard error over the finished runs, by the name of the metric.
    pub estimates: BTreeMap<&'static str, Estimate>,
    /// Standard errors over the rows of the test set by the names of their metrics, the mean over the runs: they are scored on the
    /// same rows, so that more runs do not make it smaller.
    pub rows_errors: BTreeMap<&'static str, f64>,
    /// The metric minus that of the best group: the mean over pairs of runs that correspond to each other, with the same
    /// seed and the same values of all keys that do not tell the groups apart, so that what seeds have in common
    /// cancels. `None` for the best itself, where there are no pairs, and where the data are not the same and the metric depends
    /// on them.
    pub difference: Option<Estimate>,
    /// In what the data differ from those of the best group, or among the runs of this one: keys, and numbers of rows.
    pub other_data: Vec<String>,
    /// Whether its own runs saw different data, which a mean over them mixes.
    pub mixes_data: bool,
}

/// What a run shares with its counterparts in other groups.
type Counterpart = (i64, BTreeMap<String, String>);

impl Comparison {
    /// Groups `rows` and orders the groups by the mean of `metric`.
    pub fn new(rows: &[Row], by: &By, metric: &'static Metric) -> Self {
        let several = rows.iter().any(|row| row.experiment != rows[0].experiment);
        let heads: Vec<String> = match by {
            By::Keys(keys) => keys.clone(),
            By::Trial if several => vec!["experiment".into(), "trial".into()],
            By::Trial => vec!["trial".into()],
        };
        let mut members: Vec<(Vec<Option<toml::Value>>, Vec<usize>)> = Vec::new();
        let mut index_of: BTreeMap<String, usize> = BTreeMap::new();
        for (i, row) in rows.iter().enumerate() {
            let labels: Vec<_> = heads.iter().map(|head| row.value(head)).collect();
            let next = members.len();
            let at = *index_of.entry(format!("{labels:?}")).or_insert(next);
            if at == next {
                members.push((labels, Vec::new()));
            }
            members[at].1.push(i);
        }
        let group = |(labels, members): (_, Vec<usize>)| {
            let rows: Vec<&Row> = members.iter().map(|&i| &rows[i]).collect();
            (Group::new(labels, members, &rows), rows)
        };
        let mut groups: Vec<(Group, Vec<&Row>)> = members.into_iter().map(group).collect();
        groups.sort_by(|(a, of_a), (b, of_b)| {
            let apart = || stopped(of_a).cmp(&stopped(of_b));
            a.rank(metric).total_cmp(&b.rank(metric)).then_with(apart)
        });
        if !metric.across_data {
            most_on_the_same_data_first(&mut groups, metric);
        }
        if let Some(((best, best_rows), others)) = groups.split_first_mut() {
            let of_best = counterparts(best_rows, by, metric);
            best.other_data = differing(best_rows[0], best_rows.iter());
            best.mixes_data = !best.other_data.is_empty();
            for (group, rows) in &mut *others {
                group.mixes_data = !differing(rows[0], rows.iter()).is_empty();
                group.other_data = differing(best_rows[0], best_rows.iter().chain(&*rows));
                if metric.across_data || group.other_data.is_empty() {
                    group.difference = paired(&counterparts(rows, by, metric), &of_best);
                }
            }
            others.sort_by_key(|(group, _)| group.is_apart(metric));
        }
        let over = if *by == By::Trial { Over::Seeds } else { Over::Runs };
        Self { metric, over, heads, groups: groups.into_iter().map(|(group, _)| group).collect() }
    }

    /// How many groups have fewer than three finished runs, so that their errors say little.
    pub fn poorly_known(&self) -> usize {
        self.groups.iter().filter(|group| group.finished < 3).count()
    }
}

impl Group {
    fn new(labels: Vec<Option<toml::Value>>, members: Vec<usize>, rows: &[&Row]) -> Self {
        let ended = |wanted: &[Status]| rows.iter().filter(|row| wanted.contains(&row.status)).count();
        let over = |metric: &Metric| {
            let finished = rows.iter().filter(|row| row.status == Status::Finished);
            Estimate::of_finite(finished.filter_map(|row| row.metrics.get(metric.name).copied()))
        };
        let rows_error = |metric: &Metric| {
            let finished = rows.iter().filter(|row| row.status == Status::Finished);
            Estimate::of_finite(finished.filter_map(|row| row.metrics.get(metric.rows_error?).copied()))
                .map(|it| it.mean)
        };
        let mut keys = rows.first().map(|row| row.keys.clone()).unwrap_or_default();
        keys.retain(|key, value| key.contains('.') && rows.iter().all(|row| row.keys.get(key) == Some(value)));
        Self {
            labels,
            keys,
            members,
            runs: rows.len(),
            finished: ended(&[Status::Finished]),
            diverged: ended(&[Status::Diverged]),
            failed: ended(&[Status::Failed]),
            stopped: ended(&[Status::Stopped]),
            unfinished: ended(&[Status::Interrupted, Status::Running]),
            estimates: METRICS.iter().filter_map(|metric| Some((metric.name, over(metric)?))).collect(),
            rows_errors: METRICS.iter().filter_map(|metric| Some((metric.name, rows_error(metric)?))).collect(),
            difference: None,
            other_data: Vec::new(),
            mixes_data: false,
        }
    }

    /// Whether its data are not those of the best group, so that its metric cannot be compared.
    pub fn is_apart(&self, metric: &Metric) -> bool {
        !metric.across_data && !self.other_data.is_empty()
    }

    /// The standard error of a metric over the rows of the test set, where it is larger than that over the runs, or the only one.
    pub fn larger_rows_error(&self, metric: &Metric) -> Option<f64> {
        let over_runs = self.estimates.get(metric.name)?.error;
        self.rows_errors.get(metric.name).copied().filter(|rows| over_runs.is_none_or(|error| error < *rows))
    }

    /// Ascending from the best.
    fn rank(&self, metric: &Metric) -> f64 {
        let sign = if metric.larger_is_better { -1.0 } else { 1.0 };
        self.estimates.get(metric.name).map_or(f64::INFINITY, |it| sign * it.mean)
    }
}

/// Brings the best of those groups to the front whose data most groups with a value saw. `groups`: best first.
fn most_on_the_same_data_first(groups: &mut [(Group, Vec<&Row>)], metric: &Metric) {
    // The best group on some data, and how many saw the same.
    let mut leaders: Vec<(usize, usize)> = Vec::new();
    let known = groups.iter().take_while(|(group, _)| group.estimates.contains_key(metric.name));
    for (at, (_, rows)) in known.enumerate() {
        match leaders.iter_mut().find(|(leader, _)| differing(groups[*leader].1[0], rows.iter()).is_empty()) {
            Some((_, count)) => *count += 1,
            None => leaders.push((at, 1)),
        }
    }
    if let Some((leader, _)) = leaders.into_iter().max_by_key(|&(leader, count)| (count, Reverse(leader))) {
        groups[..=leader].rotate_right(1);
    }
}

/// The order of groups without a finished run: those that were stopped first, by how far they came.
fn stopped(rows: &[&Row]) -> Reverse<i64> {
    let steps = |row: &&Row| row.metrics.get("steps").map_or(0, |steps| *steps as i64);
    Reverse(rows.iter().filter(|row| row.status == Status::Stopped).map(steps).max().unwrap_or(-1))
}

impl Row {
    /// The value of a column or key that runs are grouped by.
    fn value(&self, head: &str) -> Option<toml::Value> {
        match head {
            "experiment" => Some(toml::Value::String(self.experiment.clone())),
            "trial" => Some(toml::Value::String(self.trial.clone())),
            "seed" => Some(toml::Value::Integer(self.seed)),
            key => self.keys.get(key).cloned(),
        }
    }
}

/// The metric of every finished run, the mean where several have the same counterparts.
fn counterparts(rows: &[&Row], by: &By, metric: &Metric) -> BTreeMap<Counterpart, f64> {
    let mut values: BTreeMap<Counterpart, Vec<f64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status == Status::Finished) {
        let Some(&value) = row.metrics.get(metric.name) else { continue };
        let mut rest = BTreeMap::new();
        if let By::Keys(keys) = by {
            let apart = row.keys.iter().filter(|(key, _)| key.contains('.') && !keys.contains(key));
            rest.extend(apart.map(|(key, value)| (key.clone(), value.to_string())));
        }
        values.entry((row.seed, rest)).or_default().push(value);
    }
    values.into_iter().map(|(key, values)| (key, mean(values.into_iter()))).collect()
}

fn paired(values: &BTreeMap<Counterpart, f64>, best: &BTreeMap<Counterpart, f64>) -> Option<Estimate> {
    let differences = values.iter().filter_map(|(key, value)| Some(value - best.get(key)?));
    Estimate::of_finite(differences)
}

#[cfg(test)]
mod tests {
    use super::super::metric;
    use super::*;

    fn row(trial: &str, seed: i64, status: Status, test_nll: f64, depth: i64) -> Row {
        Row {
            experiment: "moons".into(),
            trial: trial.into(),
            seed,
            status,
            metrics: BTreeMap::from([("test_nll", test_nll), ("samples_per_second", 10.0 * test_nll)]),
            keys: BTreeMap::from([("model.depth".into(), depth.into()), ("device".into(), "cpu".into())]),
            data: None,
            spec_hash: None,
        }
    }

    fn rows() -> Vec<Row> {
        use Status::{Diverged, Finished};
        vec![
            row("a", 0, Finished, 0.50, 4),
            row("a", 1, Finished, 0.54, 4),
            row("b", 0, Finished, 0.30, 8),
            row("b", 1, Finished, 0.36, 8),
            row("b", 2, Diverged, 9e9, 8),
            row("c", 0, Diverged, -9e9, 16),
        ]
    }

    fn compare(by: &By, name: &str) -> Comparison {
        Comparison::new(&rows(), by, metric(name).expect("a metric"))
    }

    #[test]
    fn the_best_trial_stands_first_and_diverged_seeds_do_not_count() {
        let comparison = compare(&By::Trial, "test_nll");
        let names: Vec<_> = comparison.groups.iter().map(|group| group.labels[0].clone()).collect();
        assert_eq!(names, ["b", "a", "c"].map(|name| Some(toml::Value::from(name))));
        let best = &comparison.groups[0];
        assert_eq!((best.runs, best.finished, best.diverged), (3, 2, 1));
        assert!((best.estimates["test_nll"].mean - 0.33).abs() < 1e-12);
        assert!(comparison.groups[2].estimates.is_empty());
        assert_eq!(comparison.poorly_known(), 3);
    }

    #[test]
    fn a_larger_speed_is_the_better_one() {
        let comparison = compare(&By::Trial, "samples_per_second");
        assert_eq!(comparison.groups[0].labels, [Some("a".into())]);
    }

    #[test]
    fn differences_are_taken_seed_by_seed() {
        // 0.50 − 0.30 and 0.54 − 0.36: mean 0.19, and half their distance as the standard error.
        let comparison = compare(&By::Trial, "test_nll");
        let paired = comparison.groups[1].difference.expect("shared seeds");
        assert!((paired.mean - 0.19).abs() < 1e-12 && (paired.error.expect("two pairs") - 0.01).abs() < 1e-12);
        assert_eq!((paired.count, comparison.groups[0].difference), (2, None));
        assert_eq!(comparison.groups[2].difference, None);
    }

    #[test]
    fn runs_are_grouped_by_keys_and_paired_over_the_others() {
        let mut rows: Vec<Row> = Vec::new();
        for (width, shift) in [(32, 0.0), (64, 5.0)] {
            for (depth, better) in [(4, 0.0), (8, -1.0)] {
                for seed in 0..3 {
                    let mut run = row(&format!("{depth}-{width}"), seed, Status::Finished, 2.0 + shift + better, depth);
                    run.keys.insert("model.width".into(), width.into());
                    rows.push(run);
                }
            }
        }
        let by = By::Keys(vec!["model.depth".into()]);
        let comparison = Comparison::new(&rows, &by, metric("test_nll").expect("a metric"));
        assert_eq!(comparison.groups.len(), 2);
        assert_eq!(comparison.groups[0].labels, [Some(8.into())]);
        // The width shifts both alike, so that the difference is exact.
        let paired = comparison.groups[1].difference.expect("counterparts");
        assert_eq!((paired.mean, paired.error, paired.count), (1.0, Some(0.0), 6));
    }

    #[test]
    fn nothing_to_compare_makes_no_groups() {
        assert!(Comparison::new(&[], &By::Trial, metric("gap").expect("a metric")).groups.is_empty());
    }
}
