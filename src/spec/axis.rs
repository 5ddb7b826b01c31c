//! One direction of a sweep: a key, or several together, with the values they take.

use std::collections::HashSet;

use super::diagnostics::{Diagnostic, quoted};
use super::keys::{self, Key, SHORT_FORMS};
use super::node::{Node, Value};
use super::range::{Range, even_cell};
use super::resolve::check_any;
use super::settings::{Setting, unknown_path};
use super::source::Place;
use super::sweep::{MAX_TRIALS, Method};

/// The settings of one point along an axis.
pub(crate) type Point = Vec<(&'static str, Setting)>;

/// The values of a point, as one would write them.
pub(crate) fn written(point: &Point) -> Vec<String> {
    point.iter().map(|(_, setting)| setting.node.value.to_string()).collect()
}

/// The bytes that the values of a point take in the spec.
pub(crate) fn length(point: &Point) -> usize {
    point.iter().map(|(_, setting)| setting.node.place.span.len()).sum()
}

/// One direction of a sweep.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The dotted keys that change together along it.
    pub keys: Vec<&'static str>,
    /// Where its values come from, unless they are listed.
    pub range: Option<Range>,
    /// The listed values; empty where they come from a range.
    pub(crate) listed: Vec<Point>,
    /// The key as written.
    pub(crate) place: Place,
    /// The whole list or range.
    pub(crate) values: Place,
}

impl Axis {
    /// Reads an entry of `[sweep.parameters]`. Wrong values are reported and kept: they still say what is swept.
    pub(crate) fn read(
        written: &str,
        setting: &Setting,
        method: Option<&Method>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let mut found = Vec::new();
        for part in written.split(',').map(str::trim) {
            let place = if written.contains(',') { setting.key.part(part) } else { setting.key.clone() };
            let long = SHORT_FORMS.iter().find(|(short, _)| *short == part).map_or(part, |(_, long)| long);
            match keys::rows(long) {
                Some((path, _)) if keys::is_not_swept(path) => {
                    let problem = Diagnostic::error(&place, format!("`{path}` cannot be swept"));
                    problems.push(problem.help("`seeds` repeats every trial; sweep keys that change the trial"));
                }
                Some((path, _)) if found.iter().any(|(known, _)| *known == path) => {
                    problems.push(Diagnostic::error(&place, format!("{} stands here twice", quoted(part))));
                }
                Some(known) => found.push(known),
                None => problems.push(unknown_path(&place, part)),
            }
        }
        let keys: Vec<_> = found.iter().map(|(path, _)| *path).collect();
        let paired = written.contains(',');
        if keys.len() != written.split(',').count() {
            return None;
        }
        let (place, values) = (setting.key.clone(), setting.node.place.clone());
        let mut axis = Self { keys, range: None, listed: Vec::new(), place, values };
        match &setting.node.value {
            Value::List(items) if items.is_empty() => {
                let problem = Diagnostic::error(&setting.node.place, "an empty list: nothing to sweep");
                problems.push(problem.help("write the values to try"));
            }
            Value::List(items) if items.len() > MAX_TRIALS => {
                let message = format!("a list of more than {MAX_TRIALS} values");
                problems.push(Diagnostic::error(&setting.node.place, message).help("draw them from a range"));
            }
            Value::List(items) => {
                axis.listed = items.iter().filter_map(|item| axis.point(item, &found, paired, problems)).collect();
            }
            Value::Table(entries) if !paired => {
                let (path, rows) = found[0];
                axis.range = Range::read(path, rows, &setting.node, entries, method, problems);
            }
            other => {
                let what = if paired { "a list of lists" } else { "a list or a range" };
                let message = format!("a swept key takes {what}, not {}", other.type_name());
                let help = match paired {
                    true => "write one list of values for each point: `[[4, 64], [8, 128]]`",
                    false => "write `[…]` around the values, or `{ min = …, max = … }`",
                };
                problems.push(Diagnostic::error(&setting.node.place, message).help(help));
            }
        }
        Some(axis)
    }

    /// Number of its points in a grid.
    pub(crate) fn count(&self) -> usize {
        self.range.as_ref().map_or(self.listed.len(), Range::count)
    }

    /// Point `index` of a grid.
    pub(crate) fn nth(&self, index: usize) -> Point {
        match &self.range {
            Some(range) => self.drawn(range.nth(index)),
            None => self.listed[index].clone(),
        }
    }

    /// At least as many as there are different points to draw.
    pub(crate) fn possible(&self) -> usize {
        let different = || self.listed.iter().map(written).collect::<HashSet<_>>().len();
        self.range.as_ref().map_or_else(different, Range::possible)
    }

    /// The point at `u` in [0, 1).
    pub(crate) fn at(&self, u: f64) -> Point {
        match &self.range {
            Some(range) => self.drawn(range.at(u)),
            None => self.listed.get((u * self.listed.len() as f64) as usize).cloned().unwrap_or_default(),
        }
    }

    /// The interval of `u` that gives the same point as this one; `None` where all points differ.
    pub(crate) fn cell(&self, u: f64) -> Option<(f64, f64)> {
        match &self.range {
            Some(range) => range.cell(u),
            None => Some(even_cell(u, self.listed.len())),
        }
    }

    /// Number of listed points among which none is between two others: words, and several keys together. `None`: they are numbers
    /// in their order, or a range of them.
    pub(crate) fn categories(&self) -> Option<usize> {
        let number = |point: &Point| match point.as_slice() {
            [(_, Setting { node: Node { value: Value::Integer(whole), .. }, .. })] => Some(*whole as f64),
            [(_, Setting { node: Node { value: Value::Float(number), .. }, .. })] => Some(*number),
            _ => None,
        };
        let numbers: Option<Vec<f64>> = self.listed.iter().map(number).collect();
        let in_order = |numbers: &[f64]| numbers.is_sorted() || numbers.is_sorted_by(|a, b| a >= b);
        let ordered = self.range.is_some() || numbers.is_some_and(|numbers| in_order(&numbers));
        (!ordered).then_some(self.listed.len())
    }

    /// Its first point, for a spec that stands for the whole sweep.
    pub(crate) fn first(&self) -> Point {
        if self.count() > 0 { self.nth(0) } else { self.at(0.0) }
    }

    fn drawn(&self, value: Value) -> Point {
        let node = Node { place: self.values.clone(), value };
        vec![(self.keys[0], Setting { key: self.place.clone(), node })]
    }

    fn point(
        &self,
        item: &Node,
        keys: &[(&'static str, &'static [&'static Key])],
        paired: bool,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Point> {
        let nodes = match &item.value {
            _ if !paired => std::slice::from_ref(item),
            Value::List(values) if values.len() == keys.len() => values.as_slice(),
            _ => {
                let message = format!("keys swept together take a list of {} values for each point", keys.len());
                problems.push(
                    Diagnostic::error(&item.place, message).help(format!("in this order: {}", self.keys.join(", "))),
                );
                return None;
            }
        };
        let mut point = Point::new();
        for ((path, rows), node) in keys.iter().zip(nodes) {
            let setting = Setting { key: self.place.clone(), node: node.clone() };
            check_any(rows, &setting, problems);
            point.push((path, setting));
        }
        Some(point)
    }
}
