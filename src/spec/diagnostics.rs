//! What is wrong with a spec, said the way rustc says it.

use std::fmt::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::source::Place;
use super::suggest::clip;

/// Longer lines are shown around the problem only; bytes.
const LINE_LIMIT: usize = 400;
/// More diagnostics than this are counted, not shown.
const SHOWN_LIMIT: usize = 200;

/// Whether a spec with this problem can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but may not do what was meant.
    Warning,
}

/// One problem at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Path of the spec as it was given, or the option an override came from (`--set`).
    pub file: String,
    /// Byte range in the file.
    pub span: Range<usize>,
    /// Line of the span's start, 1-based.
    pub line: usize,
    /// Column of the span's start, 1-based, in characters.
    pub column: usize,
    /// Line and column of the span's end, counted alike.
    pub end: (usize, usize),
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The source line, or the part of it around the problem; `None` where there is no text to show.
    pub source_line: Option<String>,
    /// Byte range of the problem in `source_line`.
    pub mark: Range<usize>,
    order: usize,
}

impl Diagnostic {
    pub(crate) fn error(place: &Place, message: impl Into<String>) -> Self {
        Self::at(Severity::Error, place, message.into())
    }

    pub(crate) fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self::at(Severity::Warning, place, message.into())
    }

    /// A problem with a file as a whole, of which there is no text.
    pub(crate) fn of_file(file: String, order: usize, message: String) -> Self {
        Self {
            severity: Severity::Error,
            file,
            span: 0..0,
            line: 1,
            column: 1,
            end: (1, 1),
            message,
            help: None,
            source_line: None,
            mark: 0..0,
            order,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same problem at another place.
    pub(crate) fn moved_to(self, place: &Place) -> Self {
        Self { help: self.help, ..Self::at(self.severity, place, self.message) }
    }

    fn at(severity: Severity, place: &Place, message: String) -> Self {
        let text = &place.source.text;
        let boundary = |offset: usize| (0..=offset.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
        let start = boundary(place.span.start).unwrap_or(0);
        let end = boundary(place.span.end).unwrap_or(start).max(start);
        let (line, range) = place.source.line(start);
        // A place may end, or even start (an unexpected end of line), behind its line's last character.
        let column = place.source.characters(range.start..start.min(range.end)) + 1;
        let (end_line, end_range) = place.source.line(end);
        let mark = start.min(range.end)..end.clamp(start.min(range.end), range.end);
        let window = window(text, &range, &mark);
        Self {
            severity,
            file: place.source.name.clone(),
            span: start..end,
            line,
            column,
            end: (end_line, place.source.characters(end_range.start..end.min(end_range.end)) + 1),
            message,
            help: None,
            source_line: Some(text[window.clone()].to_owned()),
            mark: mark.start - window.start..mark.end.min(window.end) - window.start,
            order: place.source.order,
        }
    }

    /// One line of JSON for editors: `file`, `line`, `column`, `end_line`, `end_column` (from 1, in characters; the end is
    /// behind the last one), `start` and `end` (bytes), `severity`, `message`, `help`, `suggestion`.
    pub fn to_json(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let suggestion = self.help.as_deref().and_then(suggested);
        let (end_line, end_column) = self.end;
        serde_json::json!({
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end_line": end_line,
            "end_column": end_column,
            "start": self.span.start,
            "end": self.span.end,
            "severity": severity,
            "message": self.message,
            "help": self.help,
            "suggestion": suggestion,
        })
        .to_string()
    }

    /// The text for people; with terminal colours where `color`.
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str());
        let mut group = match &self.source_line {
            None => title.element(Origin::path(self.file.as_str())),
            Some(line) => {
                let snippet = Snippet::source(line.as_str())
                    .line_start(self.line)
                    .annotation(AnnotationKind::Primary.span(self.mark.clone()));
                if line[..self.mark.start].chars().count() + 1 == self.column {
                    title.element(snippet.path(self.file.as_str()))
                } else {
                    // The renderer would count columns in the window of the line.
                    let origin = Origin::path(self.file.as_str()).line(self.line).char_column(self.column);
                    title.element(origin).element(snippet)
                }
            }
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// The word that a help proposes.
fn suggested(help: &str) -> Option<&str> {
    help.strip_prefix("did you mean `")?.strip_suffix("`?")
}

/// The part of a line that is shown: all of it, or what surrounds the mark.
fn window(text: &str, line: &Range<usize>, mark: &Range<usize>) -> Range<usize> {
    if line.len() <= LINE_LIMIT {
        return line.clone();
    }
    let boundary =
        |offset: usize| (line.start..=offset).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(line.start);
    let start = boundary(mark.start.saturating_sub(LINE_LIMIT / 4).max(line.start));
    start..boundary((start + LINE_LIMIT).min(line.end))
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// All problems of one command, in source order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts by file and place and drops repetitions.
    pub(crate) fn new(mut problems: Vec<Diagnostic>) -> Self {
        problems.sort_by_key(|problem| (problem.order, problem.span.start, problem.span.end));
        // Overrides apply to every file, so each file finds the same fault with them.
        let mut seen = std::collections::HashSet::new();
        problems.retain(|problem| seen.insert((problem.order, problem.span.clone(), problem.message.clone())));
        Self(problems)
    }

    /// `Ok` where no problem is an error.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.has_errors() { Err(self) } else { Ok(()) }
    }

    /// Whether one of them keeps the spec from running.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Number of problems, warnings included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no problem.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of their places in the spec.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// One line of JSON for each problem, see [`Diagnostic::to_json`].
    pub fn to_json_lines(&self) -> String {
        self.0.iter().map(Diagnostic::to_json).collect::<Vec<_>>().join("\n")
    }

    /// The text for people, one problem after the other; with terminal colours where `color`.
    pub fn render(&self, color: bool) -> String {
        let mut text = String::new();
        for (i, problem) in self.0.iter().take(SHOWN_LIMIT).enumerate() {
            let _ = write!(text, "{}{}", if i > 0 { "\n\n" } else { "" }, problem.render(color));
        }
        if self.0.len() > SHOWN_LIMIT {
            let _ = write!(text, "\n\nand {} more problems", self.0.len() - SHOWN_LIMIT);
        }
        text
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// `text` between backticks, cut where it is too long to read.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", clip(text))
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn place(text: &str, span: Range<usize>) -> Place {
        Place { source: Source::new("dir/a.toml", text, 0), span }
    }

    #[test]
    fn a_diagnostic_reads_like_one_of_rustc() {
        let place = place("[model]\ndepth = 4\nwdith = 3\n", 18..23);
        let shown = Diagnostic::error(&place, "unknown key `wdith`").help("did you mean `width`?").render(false);
        let expected = "error: unknown key `wdith`
 --> dir/a.toml:3:1
  |
3 | wdith = 3
  | ^^^^^
  |
  = help: did you mean `width`?";
        assert_eq!(shown, expected);
    }

    #[test]
    fn columns_count_characters() {
        let place = place("ключ = 'ä' # x", 12..16);
        let found = Diagnostic::error(&place, "m");
        assert_eq!((found.line, found.column), (1, 9));
        assert!(found.render(false).contains("dir/a.toml:1:9"), "{found}");
    }

    #[test]
    fn only_a_window_of_a_very_long_line_is_shown() {
        let text = format!("a = [{}]", "0, ".repeat(100_000));
        let found = Diagnostic::error(&place(&text, 200_003..200_004), "m");
        assert_eq!(found.column, 200_004);
        assert!(found.render(false).contains("dir/a.toml:1:200004"));
        assert!(found.render(false).len() < 2_000);
    }

    #[test]
    fn no_place_makes_rendering_panic() {
        let text = "a = \"ä\r\nб\t= 1\n\n";
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 3 {
                let found = Diagnostic::warning(&place(text, start..end), "m").help("h");
                assert!(found.render(start % 2 == 0).contains("dir/a.toml"));
            }
        }
    }

    #[test]
    fn repetitions_are_dropped_and_the_rest_sorted() {
        let text = "a = 1\nb = 2\n";
        let source = Source::new("a.toml", text, 0);
        let at = |start: usize, message: &str| {
            Diagnostic::error(&Place { source: source.clone(), span: start..start + 1 }, message)
        };
        let all = Diagnostics::new(vec![at(6, "y"), at(0, "x"), at(6, "y"), at(6, "z")]);
        assert_eq!(all.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(), ["x", "y", "z"]);
    }
}
