//! The table at the end: one line a trial, mean ± standard error over its seeds, best first.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::quantity::{count, duration, shortened, with_error};
use super::statistics::{Estimate, estimate};
use crate::train::{Status, Summary};

/// One run: its seed, how it ended, its numbers.
pub type Run = (u64, Status, Summary);

/// One trial over all its seeds. Means are over its finished seeds alone.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialSummary {
    pub trial: String,
    pub seeds: usize,
    pub diverged: usize,
    pub failed: usize,
    /// Interrupted or still running.
    pub unfinished: usize,
    /// Nats.
    pub test_nll: Option<Estimate>,
    /// Nats.
    pub gap: Option<Estimate>,
    pub bits_per_dim: Option<Estimate>,
    pub seconds: Option<Estimate>,
    pub samples_per_second: Option<Estimate>,
}

impl TrialSummary {
    /// Sums up the runs of one trial.
    pub fn new(trial: &str, runs: &[Run]) -> Self {
        let ended = |wanted: &[Status]| runs.iter().filter(|(_, status, _)| wanted.contains(status)).count();
        let over = |number: fn(&Summary) -> Option<f64>| {
            let finished = runs.iter().filter(|(_, status, _)| *status == Status::Finished);
            estimate(finished.filter_map(|(_, _, summary)| number(summary)))
        };
        Self {
            trial: trial.to_owned(),
            seeds: runs.len(),
            diverged: ended(&[Status::Diverged]),
            failed: ended(&[Status::Failed]),
            unfinished: ended(&[Status::Interrupted, Status::Running]),
            test_nll: over(|summary| summary.test_nll),
            gap: over(|summary| summary.gap),
            bits_per_dim: over(|summary| summary.bits_per_dim),
            seconds: over(|summary| Some(summary.seconds)),
            samples_per_second: over(|summary| Some(summary.samples_per_second)),
        }
    }
}

/// One row a trial, best mean test NLL first, trials without one last; equal ones in the order they came.
pub fn summarize(trials: &[(String, Vec<Run>)]) -> Vec<TrialSummary> {
    let mut rows: Vec<TrialSummary> = trials.iter().map(|(trial, runs)| TrialSummary::new(trial, runs)).collect();
    let key = |row: &TrialSummary| row.test_nll.map_or(f64::INFINITY, |nll| nll.mean);
    rows.sort_by(|a, b| key(a).total_cmp(&key(b)));
    rows
}

/// A column after the trial's name: its head, and what stands in it (nothing: an empty cell).
type Column = (&'static str, fn(&TrialSummary) -> Option<String>);

const COLUMNS: [Column; 9] = [
    ("seeds", |row| Some(row.seeds.to_string())),
    ("diverged", |row| some_of(row.diverged)),
    ("failed", |row| some_of(row.failed)),
    ("unfinished", |row| some_of(row.unfinished)),
    ("test NLL", |row| row.test_nll.map(spread)),
    ("gap", |row| row.gap.map(spread)),
    ("bits/dim", |row| row.bits_per_dim.map(spread)),
    ("time", |row| row.seconds.map(|seconds| duration(seconds.mean))),
    ("samples/s", |row| row.samples_per_second.map(|rate| count(rate.mean))),
];

/// The columns that go first where there is no room, all at the end of [`COLUMNS`].
const MINOR: [&str; 2] = ["time", "samples/s"];
/// Both ends of a shortened name still tell: the first override, and the whole hash.
const SHORTEST_NAME: usize = 24;

fn some_of(runs: usize) -> Option<String> {
    (runs > 0).then(|| runs.to_string())
}

fn spread(estimate: Estimate) -> String {
    with_error(estimate.mean, estimate.error)
}

/// The rows as a text table, in the order given; columns that are empty for all rows are left out.
///
/// Where the table would be wider than `width` letters, the trials' names lose their middle; where that leaves fewer
/// than 24 letters of them, speed and then time are left out. Numbers are never cut, even if they do not fit.
pub fn summary_table(rows: &[TrialSummary], width: Option<usize>) -> String {
    let mut columns: Vec<Column> =
        COLUMNS.into_iter().filter(|(_, text)| rows.iter().any(|row| text(row).is_some())).collect();
    let longest = rows.iter().map(|row| row.trial.chars().count()).max().unwrap_or(0).max("trial".len());
    let shortest = longest.min(SHORTEST_NAME);
    let width = width.unwrap_or(usize::MAX);
    while width < shortest + width_of(&columns, rows) && columns.last().is_some_and(|(head, _)| MINOR.contains(head)) {
        columns.pop();
    }
    let name_width = width.saturating_sub(width_of(&columns, rows)).max(shortest);

    let mut table = Table::new();
    let rule = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    table.load_style(rule).set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header(std::iter::once(Cell::new("trial")).chain(columns.iter().map(|(head, _)| right(head))));
    for row in rows {
        let name = Cell::new(shortened(&row.trial, name_width));
        table.add_row(
            std::iter::once(name).chain(columns.iter().map(|(_, text)| right(&text(row).unwrap_or_default()))),
        );
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// Letters the columns take, with the two spaces before each.
fn width_of(columns: &[Column], rows: &[TrialSummary]) -> usize {
    let letters = |text: String| text.chars().count();
    let widest = |(head, text): &Column| {
        rows.iter().map(|row| text(row).map_or(0, letters)).max().unwrap_or(0).max(head.len()) + 2
    };
    // One more: the rule below the head ends a letter after the last column.
    columns.iter().map(widest).sum::<usize>() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, status: Status, test_nll: Option<f64>) -> Run {
        (seed, status, Summary { test_nll, seconds: 12.0, samples_per_second: 85_000.0, ..Summary::default() })
    }

    fn trials() -> Vec<(String, Vec<Run>)> {
        use Status::{Diverged, Finished};
        vec![
            ("depth=4-aaaaaaaa".into(), vec![run(0, Finished, Some(0.5)), run(1, Finished, Some(0.52))]),
            ("depth=8-bbbbbbbb".into(), vec![run(0, Finished, Some(0.3412)), run(1, Diverged, Some(9e9))]),
            ("depth=16-cccccccc".into(), vec![run(0, Diverged, None)]),
        ]
    }

    #[test]
    fn the_best_trial_stands_first_and_diverged_seeds_do_not_count() {
        let rows = summarize(&trials());
        let names: Vec<&str> = rows.iter().map(|row| &row.trial[..8]).collect();
        assert_eq!(names, ["depth=8-", "depth=4-", "depth=16"]);
        assert_eq!(rows[0].test_nll, Some(Estimate { mean: 0.3412, error: None, count: 1 }));
        assert_eq!((rows[0].seeds, rows[0].diverged), (2, 1));
        // Two values: the standard error is half their difference.
        let error = rows[1].test_nll.and_then(|nll| nll.error).unwrap();
        assert!((error - 0.01).abs() < 1e-12);
    }

    #[test]
    fn numbers_stand_with_their_errors_and_empty_columns_are_left_out() {
        let text = summary_table(&summarize(&trials()), None);
        for wanted in ["0.3412", "0.510 ± 0.010", "diverged", "85.0k", "12.0 s"] {
            assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
        }
        for unwanted in ["gap", "bits/dim", "failed", "NaN"] {
            assert!(!text.contains(unwanted), "{unwanted} stands there:\n{text}");
        }
    }

    #[test]
    fn the_table_fits_the_width_by_shortening_names() {
        let mut trials = trials();
        trials[0].0 = format!("{}-aaaaaaaa", "depth=4,width=128,".repeat(6));
        let rows = summarize(&trials);
        for width in [60, 80, 120] {
            let text = summary_table(&rows, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            assert!(text.contains("…") && text.contains("aaaaaaaa"), "{text}");
        }
        assert!(summary_table(&rows, None).contains(&trials[0].0));
    }

    #[test]
    fn no_trials_make_a_table_with_a_head_alone() {
        assert!(summary_table(&[], Some(80)).contains("trial"));
    }
}
