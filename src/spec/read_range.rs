//! Reading and checking a range of a sweep.

use super::diagnostics::{Diagnostic, quoted};
use super::keys::Key;
use super::kind::{Bound, Kind};
use super::node::{Entry, Node, Value};
use super::range::{Range, Scale};
use super::resolve::check_any;
use super::settings::Setting;
use super::source::Place;
use super::suggest::choose;
use super::sweep::{MAX_TRIALS, Method};

const KEYS: [&str; 6] = ["min", "max", "scale", "step", "points", "integer"];
/// Whole numbers above are not exact as `f64`.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

impl Range {
    /// Reads the range that key `path` with its `rows` is swept over. `method` is `None` where it is not known.
    pub(crate) fn read(
        path: &str,
        rows: &[&Key],
        node: &Node,
        entries: &[Entry],
        method: Option<&Method>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let before = problems.len();
        for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
            let problem = Diagnostic::error(&entry.place, format!("unknown key {} in a range", quoted(&entry.key)));
            problems.push(problem.help(choose(&entry.key, KEYS)));
        }
        if !rows.iter().any(|row| row.kind.is_number()) {
            let problem =
                Diagnostic::error(&node.place, format!("`{path}` takes {}, so it has no range", rows[0].kind));
            problems.push(problem.help("sweep it over a list of values"));
            return None;
        }
        let reader = Reader { path, rows, entries };
        let (min, max) = (reader.end("min", node, problems), reader.end("max", node, problems));
        let scale = reader.scale(problems);
        let float = Kind::Float { min: Bound::Exclusive(0.0), max: Bound::Open };
        let step = reader.get("step").and_then(|entry| float.check("step", &entry.node, problems)?.as_float());
        let count = Kind::Integer { min: 2, max: MAX_TRIALS as i64 };
        let points = reader.get("points").and_then(|entry| count.check("points", &entry.node, problems)?.as_integer());
        let integer = reader.integer(problems);
        reader.together(scale, method, node, problems);
        let (min, max) = (min?, max?);
        let mut fail = |place: &Place, message: String| problems.push(Diagnostic::error(place, message));
        if min >= max {
            fail(
                &reader.get("max")?.node.place,
                format!("this range is empty: `max` = {max} is not above `min` = {min}"),
            );
        }
        if scale == Scale::Log && min <= 0.0 {
            fail(&reader.get("min")?.node.place, "a logarithmic range starts above 0".to_owned());
        }
        let fractional = [min, max].into_iter().chain(step).any(|value| value.fract() != 0.0);
        if integer && (fractional || max > LARGEST_WHOLE) {
            let message = "a range of integers has whole `min`, `max` and `step`, none above 2^53";
            fail(&node.place, message.to_owned());
        }
        let range = Self { min, max, scale, step, points: points.map(|count| count as usize), integer };
        if min < max && range.step.is_some() && range.steps() > MAX_TRIALS {
            fail(&node.place, format!("this range has more than {MAX_TRIALS} steps"));
        }
        (problems.len() == before).then_some(range)
    }
}

struct Reader<'a> {
    path: &'a str,
    rows: &'a [&'a Key],
    entries: &'a [Entry],
}

impl Reader<'_> {
    fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// An end of the range, which must be a value of the key itself.
    fn end(&self, key: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<f64> {
        let Some(entry) = self.get(key) else {
            // A misspelt key is reported, and may be this one.
            if self.entries.iter().any(|entry| !KEYS.contains(&entry.key.as_str())) {
                return None;
            }

            problems.push(
                Diagnostic::error(&node.place, format!("this range has no `{key}`"))
                    .help("a range has `min` and `max`"),
            );
            return None;
        };
        let setting = Setting { key: entry.place.clone(), node: entry.node.clone() };
        let value = check_any(self.rows, &setting, problems)?;
        if value.is_str() {
            problems.push(Diagnostic::error(&entry.node.place, format!("`{key}` of a range is a number")));
        }
        value.as_float().or(value.as_integer().map(|whole| whole as f64))
    }

    fn scale(&self, problems: &mut Vec<Diagnostic>) -> Scale {
        let kind = Kind::Choice { of: &["linear", "log"], refused: &[] };
        let word = self.get("scale").and_then(|entry| kind.check("scale", &entry.node, problems));
        if word.as_ref().and_then(toml::Value::as_str) == Some("log") { Scale::Log } else { Scale::Linear }
    }

    /// Whether the values are whole: the key may ask for it, and then nothing else is possible.
    fn integer(&self, problems: &mut Vec<Diagnostic>) -> bool {
        let asked = self.get("integer").and_then(|entry| Kind::Bool.check("integer", &entry.node, problems)?.as_bool());
        let whole = |key| self.get(key).is_some_and(|entry: &Entry| matches!(entry.node.value, Value::Integer(_)));
        let key_is_whole = self.rows.iter().all(|row| matches!(row.kind, Kind::Integer { .. }));
        let rows = self.rows.iter().any(|row| matches!(row.kind, Kind::Amount { .. })) && whole("min") && whole("max");
        if asked == Some(false)
            && (key_is_whole || rows)
            && let Some(entry) = self.get("integer")
        {
            problems.push(Diagnostic::error(&entry.node.place, format!("`{}` takes integers only", self.path)));
        }
        key_is_whole || rows || asked == Some(true)
    }

    /// Keys of the range that need or exclude each other.
    fn together(&self, scale: Scale, method: Option<&Method>, node: &Node, problems: &mut Vec<Diagnostic>) {
        let (step, points) = (self.get("step"), self.get("points"));
        let mut fail =
            |place: &Place, message: &str, help: &str| problems.push(Diagnostic::error(place, message).help(help));
        if let (Some(_), Some(points)) = (step, points) {
            fail(&points.place, "a range has `step` or `points`, not both", "keep one of them");
        }
        if let (Some(step), Scale::Log) = (step, scale) {
            fail(&step.place, "a logarithmic range has no `step`", "in a grid, use `points`");
        }
        match (method, points) {
            (Some(Method::Random | Method::Sobol | Method::Tpe(_) | Method::Halving(_)), Some(points)) => {
                fail(&points.place, "`points` has no effect: only a grid counts the points of a range", "leave it out");
            }
            (Some(Method::Grid), None) if step.is_none() => {
                fail(
                    &node.place,
                    "a grid needs the number of values of this range",
                    "add `points` or `step`, or write a list",
                );
            }
            _ => {}
        }
    }
}
