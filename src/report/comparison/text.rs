//! A comparison for people: a table for the terminal, or Markdown.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle, presets};

use super::{Comparison, Group, METRICS, Metric};
use crate::quantity::{error_digits, shortened, with_error};

/// Both ends of a shortened name still tell: the first override, and the whole hash.
const SHORTEST_NAME: usize = 24;
/// The columns that go first where there is no room, all at the end of the table.
const MINOR: [&str; 2] = ["time", "samples/s"];

/// A column of numbers, as text; empty where there is none.
pub(in crate::report) struct Column {
    pub head: String,
    pub cells: Vec<String>,
}

impl Column {
    /// Letters, with the two spaces before it.
    fn width(&self) -> usize {
        let letters = |text: &String| text.chars().count();
        self.cells.iter().map(letters).max().unwrap_or(0).max(letters(&self.head)) + 2
    }
}

impl Comparison {
    /// A text table; columns that are empty for all groups are left out.
    ///
    /// Where it would be wider than `width` letters, the last label (the trial's name) loses its middle; where that
    /// leaves fewer than 24 letters of it, speed and then time are left out. Numbers are never cut, even if they do not
    /// fit.
    pub fn text(&self, width: Option<usize>) -> String {
        let mut columns = self.columns();
        let mut labels = self.labels();
        let name = labels.pop();
        let longest = name.as_ref().map_or(0, |name| name.width() - 2);
        let shortest = longest.min(SHORTEST_NAME);
        let width = width.unwrap_or(usize::MAX);
        // One more: the rule below the head ends a letter after the last column.
        let taken = |columns: &[Column]| labels.iter().chain(columns).map(Column::width).sum::<usize>() + 1;
        while width < shortest + taken(&columns) && columns.last().is_some_and(|it| MINOR.contains(&it.head.as_str())) {
            columns.pop();
        }
        let name_width = width.saturating_sub(taken(&columns)).max(shortest);
        labels.extend(
            name.map(|name| Column {
                cells: name.cells.iter().map(|name| shortened(name, name_width)).collect(),
                ..name
            }),
        );
        let text = for_terminal(table(&labels, &columns, self.groups.len()));
        let Some(line) = self.line_between() else { return text };
        let mut lines: Vec<&str> = text.lines().collect();
        // Behind the head and its rule.
        lines.insert(2 + self.comparable(), line);
        lines.join("\n")
    }

    /// The same table as Markdown, with nothing shortened.
    pub fn markdown(&self) -> String {
        let text = markdown(table(&self.labels(), &self.columns(), self.groups.len()));
        let Some(line) = self.line_between() else { return text };
        let mut lines: Vec<&str> = text.lines().collect();
        let row = format!("| {line} |");
        lines.insert(2 + self.comparable(), &row);
        lines.join("\n")
    }

    /// What stands above the groups that cannot be compared with those before.
    fn line_between(&self) -> Option<&'static str> {
        (self.comparable() < self.groups.len()).then_some("on other data, not to be compared with those above:")
    }

    fn labels(&self) -> Vec<Column> {
        let cells = |i: usize| self.groups.iter().map(|group| shown(group.labels[i].as_ref())).collect();
        self.heads.iter().enumerate().map(|(i, head)| Column { head: head.clone(), cells: cells(i) }).collect()
    }

    fn columns(&self) -> Vec<Column> {
        let column = |head: &str, cell: &dyn Fn(&Group) -> Option<String>| Column {
            head: head.to_owned(),
            cells: self.groups.iter().map(|group| cell(group).unwrap_or_default()).collect(),
        };
        let some_of = |runs: usize| (runs > 0).then(|| runs.to_string());
        let of = |metric: &'static Metric| self.explained(column(metric.head, &|group| group.shown(metric)));
        let mut columns = vec![
            column("n", &|group| Some(group.finished.to_string())),
            column("diverged", &|group| some_of(group.diverged)),
            column("failed", &|group| some_of(group.failed)),
            column("stopped", &|group| some_of(group.stopped)),
            column("unfinished", &|group| some_of(group.unfinished)),
            of(self.metric),
            self.explained(column("Δ best", &|group| {
                let difference = group.difference?;
                let sign = if difference.mean > 0.0 { "+" } else { "" };
                Some(format!("{sign}{}", with_error(difference.mean, difference.error)))
            })),
        ];
        columns.extend(METRICS.iter().filter(|it| it.usual && it.name != self.metric.name).map(of));
        columns.retain(|column| column.cells.iter().any(|cell| !cell.is_empty()));
        columns
    }
}

impl Comparison {
    /// Says in the head what the errors are over: `± seeds`, and `(rows)` where those over the rows of the test set stand there.
    fn explained(&self, mut column: Column) -> Column {
        let any = |mark: char| column.cells.iter().any(|cell| cell.contains(mark));
        let (errors, rows) = (any('±'), any('('));
        if errors {
            column.head = format!("{} ± {}", column.head, self.over.name());
        }
        if rows {
            column.head.push_str(" (rows)");
        }
        column
    }
}

impl Group {
    /// A metric with its error over runs; behind it, in parentheses, the one over the rows of the test set where that is larger,
    /// or the only one.
    fn shown(&self, metric: &Metric) -> Option<String> {
        let estimate = *self.estimates.get(metric.name)?;
        let rows = self.larger_rows_error(metric);
        let rows = rows.map(|error| format!(" ({})", error_digits(error))).unwrap_or_default();
        Some(format!("{}{rows}", (metric.show)(estimate)))
    }
}

/// A label as the spec would write it, text without quotes.
fn shown(label: Option<&toml::Value>) -> String {
    match label {
        None => "—".to_owned(),
        Some(toml::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// As a terminal shows it: a rule below the head, and nothing else.
pub(in crate::report) fn for_terminal(mut table: Table) -> String {
    let rule = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    table.load_style(rule);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.trim_fmt()
}

pub(in crate::report) fn markdown(mut table: Table) -> String {
    table.load_style(presets::ASCII_MARKDOWN);
    table.trim_fmt()
}

/// So many `rows` of labels and, on the right, of numbers.
pub(in crate::report) fn table(labels: &[Column], numbers: &[Column], rows: usize) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    let cells = |of: &dyn Fn(&Column) -> String| -> Vec<Cell> {
        labels.iter().map(|it| Cell::new(of(it))).chain(numbers.iter().map(|it| right(&of(it)))).collect()
    };
    table.set_header(cells(&|column| column.head.clone()));
    for row in 0..rows {
        table.add_row(cells(&|column| column.cells[row].clone()));
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{By, Row, metric};
    use super::*;
    use crate::train::Status;

    fn comparison(names: [&str; 3]) -> Comparison {
        use Status::{Diverged, Finished};
        let row = |trial: &str, seed, status, test_nll| Row {
            experiment: "moons".into(),
            trial: trial.into(),
            seed,
            status,
            metrics: BTreeMap::from([("test_nll", test_nll), ("seconds", 12.0), ("samples_per_second", 85e3)]),
            keys: BTreeMap::new(),
            data: None,
            spec_hash: None,
        };
        let rows = [
            row(names[0], 0, Finished, 0.5),
            row(names[0], 1, Finished, 0.52),
            row(names[1], 0, Finished, 0.3412),
            row(names[1], 1, Diverged, 9e9),
            row(names[2], 0, Diverged, 1.0),
        ];
        Comparison::new(&rows, &By::Trial, metric("test_nll").expect("a metric"))
    }

    const NAMES: [&str; 3] = ["depth=4-aaaaaaaa", "depth=8-bbbbbbbb", "depth=16-cccccccc"];

    #[test]
    fn numbers_stand_with_their_errors_and_empty_columns_are_left_out() {
        let comparison = comparison(NAMES);
        for text in [comparison.text(None), comparison.markdown()] {
            for wanted in ["0.3412", "0.510 ± 0.010", "diverged", "85.0k", "12.0 s", "+0.1588"] {
                assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
            }
            for unwanted in ["gap", "bits/dim", "failed", "NaN", "unfinished"] {
                assert!(!text.contains(unwanted), "{unwanted} stands there:\n{text}");
            }
        }
        let markdown = comparison.markdown();
        let pipes: Vec<usize> = markdown.lines().map(|line| line.matches('|').count()).collect();
        assert!(pipes.len() == 5 && pipes.iter().all(|count| *count == pipes[0]), "{markdown}");
    }

    #[test]
    fn the_table_fits_the_width_by_shortening_names() {
        let long = format!("{}-aaaaaaaa", "depth=4,width=128,".repeat(6));
        let comparison = comparison([&long, NAMES[1], NAMES[2]]);
        for width in [72, 80, 120] {
            let text = comparison.text(Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            assert!(text.contains("…") && text.contains("aaaaaaaa"), "{text}");
        }
        assert!(comparison.text(None).contains(&long));
    }

    #[test]
    fn the_head_says_what_an_error_is_over() {
        let mut row = Row {
            experiment: "moons".into(),
            trial: "a".into(),
            seed: 0,
            status: Status::Finished,
            metrics: BTreeMap::from([("test_nll", 0.50), ("test_nll_stderr", 0.04)]),
            keys: BTreeMap::new(),
            data: None,
            spec_hash: None,
        };
        let table = |rows: &[Row], by: &By| Comparison::new(rows, by, metric("test_nll").expect("a metric")).text(None);
        // One seed: all that is known is the error over the test rows.
        let text = table(&[row.clone()], &By::Trial);
        assert!(text.contains("test NLL (rows)") && text.contains("0.5000 (0.040)"), "{text}");
        let mut rows = vec![row.clone()];
        (row.seed, row.metrics) = (1, BTreeMap::from([("test_nll", 0.52), ("test_nll_stderr", 0.06)]));
        rows.push(row.clone());
        let text = table(&rows, &By::Trial);
        assert!(text.contains("test NLL ± seeds (rows)") && text.contains("0.510 ± 0.010 (0.050)"), "{text}");
        let text = table(&rows, &By::Keys(vec!["experiment".into()]));
        assert!(text.contains("test NLL ± runs (rows)"), "{text}");
        // The seeds differ by more than the test rows leave open.
        rows[1].metrics = BTreeMap::from([("test_nll", 1.50), ("test_nll_stderr", 0.06)]);
        let text = table(&rows, &By::Trial);
        assert!(text.contains("test NLL ± seeds") && !text.contains('('), "{text}");
    }

    #[test]
    fn no_trials_make_a_table_with_a_head_alone() {
        let nothing = Comparison::new(&[], &By::Trial, metric("test_nll").expect("a metric"));
        assert!(nothing.text(Some(80)).contains("trial"));
    }
}
