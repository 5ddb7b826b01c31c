//! Importances for people and for programs.

use polars::prelude::{Column as Values, DataFrame, PolarsResult};

use super::Explained;
use crate::importance::Share;
use crate::quantity::with_error;
use crate::report::comparison::text::{Column, for_terminal, markdown, table};

/// A line of the table.
struct Line {
    name: String,
    share: Option<Share>,
    mean: f64,
    best: Option<String>,
}

impl Explained<'_> {
    /// A table for the terminal.
    pub fn text(&self) -> String {
        let (labels, numbers, rows) = self.columns();
        for_terminal(table(&labels, &numbers, rows))
    }

    /// The same table as Markdown.
    pub fn markdown(&self) -> String {
        let (labels, numbers, rows) = self.columns();
        markdown(table(&labels, &numbers, rows))
    }

    /// One row a setting, then the strongest pairs: `setting`, `share` of the variance, its `share_deviation` over trees, and
    /// `best`, null for pairs.
    ///
    /// # Errors
    /// Where the table cannot be made.
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        let lines: Vec<Line> = self.lines().into_iter().filter(|line| line.share.is_some()).collect();
        let deviation = |line: &Line| line.share.map(|share| share.deviation);
        let columns = vec![
            Values::new("setting".into(), lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>()),
            Values::new("share".into(), lines.iter().map(|line| line.mean).collect::<Vec<_>>()),
            Values::new("share_deviation".into(), lines.iter().map(deviation).collect::<Vec<_>>()),
            Values::new("best".into(), lines.iter().map(|line| line.best.as_deref()).collect::<Vec<_>>()),
        ];
        DataFrame::new(lines.len(), columns)
    }

    fn lines(&self) -> Vec<Line> {
        let line = |name: String, share: Share, best| Line { name, share: Some(share), mean: share.mean, best };
        let settings = self
            .order
            .iter()
            .map(|setting| line(self.settings[*setting].name.clone(), self.alone[*setting], Some(self.best(*setting))));
        let pairs = self.strongest().map(|(pair, share)| line(self.pair_name(*pair), *share, None));
        let shown: Vec<Line> = settings.chain(pairs).collect();
        let rest = 1.0 - shown.iter().map(|line| line.mean).sum::<f64>();
        let rest =
            (rest >= 0.005).then(|| Line { name: "the rest, together".into(), share: None, mean: rest, best: None });
        shown.into_iter().chain(rest).collect()
    }

    fn columns(&self) -> ([Column; 1], [Column; 2], usize) {
        let lines = self.lines();
        let column = |head: &str, cell: &dyn Fn(&Line) -> String| Column {
            head: head.to_owned(),
            cells: lines.iter().map(cell).collect(),
        };
        let share = |line: &Line| match line.share {
            Some(share) => with_error(100.0 * share.mean, Some(100.0 * share.deviation)),
            None => format!("{:.1}", 100.0 * line.mean),
        };
        let numbers = [
            column("% of variance ± trees", &share),
            column("best on average", &|line| line.best.clone().unwrap_or_default()),
        ];
        ([column("setting", &|line| line.name.clone())], numbers, lines.len())
    }
}
