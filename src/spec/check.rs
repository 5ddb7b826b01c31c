//! One value against the kind of its key.

use std::collections::HashSet;

use super::diagnostics::{Diagnostic, quoted};
use super::keys;
use super::kind::{Bound, Kind};
use super::node::{Node, Value};
use super::suggest::{choose, clip, listed};
use super::transforms;
use super::types::Device;
use crate::toys::DEGENERATE;

impl Kind {
    /// Checks the value that key `path` was given and returns it in its canonical form: floats for numbers, the list for
    /// a number of seeds. What is wrong goes to `problems`, and then there is no value.
    pub(crate) fn check(&self, path: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
        let before = problems.len();
        let value = self.read(path, node, problems);
        (problems.len() == before).then_some(value).flatten()
    }

    fn read(&self, path: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
        let place = &node.place;
        let mut fail = |problem: Diagnostic| {
            problems.push(problem);
            None
        };
        match (self, &node.value) {
            (Self::Integer { .. } | Self::Amount { .. } | Self::Seeds, Value::Huge) => {
                fail(self.out_of_range(path, node, "this integer"))
            }
            (Self::Integer { min, max }, Value::Integer(value)) => {
                if value < min || value > max {
                    return fail(self.out_of_range(path, node, &value.to_string()));
                }
                Some((*value).into())
            }
            (Self::Integer { .. }, Value::Float(value)) if value.fract() == 0.0 && value.abs() < 1e15 => {
                fail(self.wrong_type(path, node).help(format!("write it without a point or an exponent: `{value}`")))
            }
            (Self::NumberOr { word, .. }, Value::Text(text)) if text == word => Some((*word).into()),
            (Self::Float { min, max } | Self::NumberOr { min, max, .. }, Value::Integer(_) | Value::Float(_)) => {
                number(path, node, *min, *max, self, problems).map(toml::Value::from)
            }
            (Self::Bool, Value::Bool(value)) => Some((*value).into()),
            (Self::Bool, Value::Text(text)) if text == "true" || text == "false" => {
                fail(self.wrong_type(path, node).help(format!("write it without quotes: `{text}`")))
            }
            (Self::Choice { .. } | Self::Toy, Value::Text(text)) => match self.refuse(path, text) {
                Some((message, help)) => {
                    fail(Diagnostic::error(place, message).help(self.swept(path, node).unwrap_or(help)))
                }
                None => Some(text.as_str().into()),
            },
            (Self::Name, Value::Text(text)) => match folder_name(text) {
                Ok(()) => Some(text.as_str().into()),
                Err(why) => fail(
                    Diagnostic::error(place, format!("{} cannot name an experiment: {why}", quoted(text)))
                        .help("the name becomes a folder below `results`: use letters, digits, `-`, `_` and `.`"),
                ),
            },
            (Self::Path, Value::Text(text)) if text.is_empty() || text.contains('\0') => {
                fail(Diagnostic::error(place, format!("`{path}` is no path to a file")))
            }
            (Self::Path, Value::Text(text)) => Some(text.as_str().into()),
            (Self::Device, Value::Text(text)) => match text.parse::<Device>() {
                Ok(device) => Some(device.to_string().into()),
                Err(why) => fail(Diagnostic::error(place, why).help(choose(text, ["cpu", "cuda"]))),
            },
            (Self::Seeds, Value::Integer(count)) => match usize::try_from(*count) {
                Ok(count @ 1..=Self::MAX_SEEDS) => Some((0..count).map(|seed| seed as i64).collect::<Vec<_>>().into()),
                _ => fail(
                    Diagnostic::error(place, format!("`{path}` = {count} is not a number of seeds"))
                        .help(format!("write how many, from 1 to {}, or a list such as `[{count}]`", Self::MAX_SEEDS)),
                ),
            },
            (Self::Seeds, Value::List(items)) => seeds(path, node, items, problems),
            (Self::Texts, Value::List(items)) if items.len() > Self::MAX_TEXTS => {
                let message = format!("{} entries in `{path}` are too many; at most {}", items.len(), Self::MAX_TEXTS);
                fail(Diagnostic::error(place, message))
            }
            (Self::Texts, Value::List(items)) => texts(path, items, problems),
            (Self::Words(of), Value::List(items)) => words(path, of, items, problems),
            (Self::Size, Value::List(items)) if items.len() == 2 => {
                let kind = Self::Integer { min: 2, max: Self::MAX_SIDE };
                let sides = items.iter().map(|item| kind.check(path, item, problems));
                sides.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(toml::Value::from)
            }
            (Self::Pair { min, max }, Value::List(items)) if items.len() == 2 => {
                let kind = Self::Float { min: *min, max: *max };
                let values = items.iter().map(|item| kind.check(path, item, problems));
                // Both are checked before either may end it.
                values.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(toml::Value::from)
            }
            (Self::Amount { .. }, Value::Integer(rows)) => {
                if !(1..=Self::MAX_ROWS).contains(rows) {
                    return fail(self.out_of_range(path, node, &rows.to_string()));
                }
                Some((*rows).into())
            }
            (Self::Amount { file: true, .. }, Value::Float(_)) => {
                number(path, node, Bound::Exclusive(0.0), Bound::Inclusive(1.0), self, problems).map(toml::Value::from)
            }
            (Self::Amount { .. }, Value::Float(_)) => {
                fail(self.wrong_type(path, node).help("fractions are for files; a toy has any number of rows"))
            }
            (Self::Amount { fresh, .. }, Value::Text(text)) if text == "fresh" => {
                if *fresh {
                    return Some("fresh".into());
                }
                fail(self.wrong_type(path, node).help("new rows every step are for the training part of a toy"))
            }
            (Self::Amount { file: true, .. }, Value::Text(text)) if !text.is_empty() && !text.contains('\0') => {
                Some(text.as_str().into())
            }
            (Self::Text(_), Value::Text(text)) if !text.trim().is_empty() => Some(text.as_str().into()),
            (Self::Character, Value::Text(text)) => match text.chars().next() {
                Some(c) if text.len() == 1 && !c.is_ascii_alphanumeric() && !"\"\r\n.+-".contains(c) => {
                    Some(text.as_str().into())
                }
                Some(_) if text.len() == 1 => {
                    fail(self.wrong_type(path, node).help("it must be none that numbers, quotes or lines are made of"))
                }
                _ => fail(self.wrong_type(path, node).help("such as `\";\"`, or `\"\\t\"` for a tab")),
            },
            (Self::Column, Value::Text(text)) if text.is_empty() => {
                fail(Diagnostic::error(place, format!("`{path}` is an empty string")))
            }
            (Self::Column, Value::Text(text)) => Some(text.as_str().into()),
            (Self::Column, Value::Integer(0)) => {
                fail(Diagnostic::error(place, format!("`{path}` takes {self}, not 0")).help("columns count from 1"))
            }
            (Self::Column, Value::Integer(number)) => Some((*number).into()),
            (Self::Transforms, Value::Text(_) | Value::Table(_)) => transforms::read(path, node, problems),
            (Self::Steps, Value::Integer(_) | Value::Float(_)) => {
                number(path, node, Bound::Inclusive(0.0), Bound::Open, self, problems).map(toml::Value::from)
            }
            (Self::Steps, Value::List(items)) if !items.is_empty() && items.len() <= Self::MAX_TEXTS => {
                let steps = items.iter().map(|item| match item.value {
                    Value::Integer(_) | Value::Float(_) => self.check(path, item, problems),
                    _ => {
                        problems.push(self.wrong_type(path, item));
                        None
                    }
                });
                steps.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(toml::Value::from)
            }
            (Self::Bool, Value::Text(text)) if truth(text).is_some() => {
                let word = truth(text).unwrap_or_default();
                fail(self.wrong_type(path, node).help(format!("write it `{word}`")))
            }
            (Self::Texts | Self::Words(_), Value::Text(text)) if !text.is_empty() => {
                let key = path.rsplit('.').next().unwrap_or(path);
                fail(self.wrong_type(path, node).help(format!("write it as a list: `{key} = {}`", as_list(text))))
            }
            _ => {
                let problem = self.wrong_type(path, node);
                fail(match self.swept(path, node) {
                    Some(help) => problem.help(help),
                    None => problem,
                })
            }
        }
    }

    /// How to compare the values of a list where the key takes one of them.
    fn swept(&self, path: &str, node: &Node) -> Option<String> {
        let items: Vec<String> = match &node.value {
            Value::List(items) => items.iter().map(|item| item.value.to_string()).collect(),
            Value::Text(text) if text.contains(',') => {
                let words = self.choices().is_some();
                let item = |item: &str| if words { format!("{item:?}") } else { item.to_owned() };
                text.trim_matches(['[', ']']).split(',').map(|text| item(text.trim())).collect()
            }
            _ => return None,
        };
        // Long lists, and what is no list of plain values, would only be repeated.
        let plain = |item: &String| !item.is_empty() && !item.contains(['[', '{', '\'']) && item.len() < 20;
        if matches!(self, Self::Pair { .. } | Self::Size)
            || keys::is_not_swept(path)
            || items.is_empty()
            || items.len() > 20
            || !items.iter().all(plain)
        {
            return None;
        }
        let list = items.join(", ");
        Some(match node.place.source.name.as_str() {
            "--set" => format!("to compare values, sweep them: --set 'sweep.parameters.{path}=[{list}]'"),
            _ => format!("to compare values, sweep them: `\"{path}\" = [{list}]` under `[sweep.parameters]`"),
        })
    }

    /// Why a word is not among the choices, and what to do instead.
    fn refuse(&self, path: &str, word: &str) -> Option<(String, String)> {
        let words = self.choices().unwrap_or_default();
        if words.contains(&word) {
            return None;
        }
        if let (Self::Toy, Some(toy)) = (self, DEGENERATE.iter().find(|toy| toy.name == word)) {
            let message = format!("`{path} = \"{word}\"` is not offered: {}", toy.reason);
            return Some((message, format!("expected one of {}", listed(words))));
        }
        if let Self::Choice { refused, .. } = self
            && let Some((_, why)) = refused.iter().find(|(name, _)| *name == word)
        {
            return Some((format!("`{path} = \"{word}\"` {why}"), choose(word, words)));
        }
        let last = path.rsplit('.').next().unwrap_or(path);
        let what = match path.split('.').next() {
            Some("dataset") if last == "name" => "dataset",
            Some("optimizer") if path == "optimizer.name" => "optimizer",
            Some("optimizer") if path == "optimizer.schedule.name" => "schedule",
            _ => last,
        };
        Some((format!("unknown {what} {}", quoted(word)), choose(word, words)))
    }

    fn wrong_type(&self, path: &str, node: &Node) -> Diagnostic {
        Diagnostic::error(&node.place, format!("`{path}` takes {self}, not {}", node.value.type_name()))
    }

    fn out_of_range(&self, path: &str, node: &Node, value: &str) -> Diagnostic {
        Diagnostic::error(&node.place, format!("{value} is out of range: `{path}` takes {self}"))
    }
}

/// Words between commas, as a list of TOML.
fn as_list(text: &str) -> String {
    let words = text.split(',').map(|word| toml::Value::from(word.trim()).to_string());
    format!("[{}]", clip(&words.collect::<Vec<_>>().join(", ")))
}

/// What other languages write for a boolean.
fn truth(text: &str) -> Option<&'static str> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" => Some("true"),
        "false" | "no" | "off" => Some("false"),
        _ => None,
    }
}

pub(super) fn number(
    path: &str,
    node: &Node,
    min: Bound,
    max: Bound,
    kind: &Kind,
    problems: &mut Vec<Diagnostic>,
) -> Option<f64> {
    let value = match node.value {
        Value::Integer(value) => value as f64,
        Value::Float(value) => value,
        _ => return None,
    };
    if !value.is_finite() {
        problems.push(Diagnostic::error(&node.place, format!("`{path}` must be a finite number")));
        return None;
    }
    if !min.allows_from_below(value) || !max.allows_from_above(value) {
        problems.push(kind.out_of_range(path, node, &value.to_string()));
        return None;
    }
    // -0.0 and 0.0 mean the same, so they must give the same trial.
    Some(value + 0.0)
}

fn seeds(path: &str, node: &Node, items: &[Node], problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
    if items.is_empty() || items.len() > Kind::MAX_SEEDS {
        let message = match items.len() {
            0 => format!("`{path}` is empty: nothing would run"),
            many => format!("{many} seeds are too many; at most {}", Kind::MAX_SEEDS),
        };
        problems.push(Diagnostic::error(&node.place, message).help("write at least one seed, such as `[0]`"));
        return None;
    }
    let kind = Kind::Integer { min: 0, max: i64::MAX };
    let mut seen = HashSet::new();
    let mut seeds = Vec::with_capacity(items.len());
    for item in items {
        let Some(seed) = kind.check(path, item, problems) else {
            continue;
        };
        if !seen.insert(seed.as_integer()) {
            problems.push(
                Diagnostic::error(&item.place, format!("seed {seed} stands here twice"))
                    .help("the same seed repeats the same run; leave one out"),
            );
        }
        seeds.push(seed);
    }
    Some(seeds.into())
}

fn words(path: &str, of: &[&str], items: &[Node], problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
    for item in items {
        if let Value::Text(text) = &item.value
            && !of.contains(&text.as_str())
        {
            problems.push(
                Diagnostic::error(&item.place, format!("`{path}` knows no {}", quoted(text)))
                    .help(choose(text, of.iter().copied())),
            );
        }
    }
    texts(path, items, problems)
}

fn texts(path: &str, items: &[Node], problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
    let mut seen = HashSet::new();
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match &item.value {
            Value::Text(text) if text.is_empty() => {
                problems.push(Diagnostic::error(&item.place, format!("an empty string in `{path}`")));
            }
            Value::Text(text) if !seen.insert(text) => {
                problems.push(Diagnostic::error(&item.place, format!("{} stands here twice", quoted(text))));
            }
            Value::Text(text) => texts.push(text.as_str()),
            other => problems.push(Diagnostic::error(
                &item.place,
                format!("`{path}` takes {}, not {} in it", Kind::Texts, other.type_name()),
            )),
        }
    }
    Some(texts.into())
}

/// Whether `name` is one plain folder name on every file system.
pub(crate) fn folder_name(name: &str) -> Result<(), String> {
    let bad = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    if name.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(found) = name.chars().find(|c| bad(*c)) {
        return Err(format!("a folder's name has no {found:?}"));
    }
    if name.starts_with(['.', '-', ' ']) || name.ends_with(['.', ' ']) {
        return Err("it starts with `.`, `-` or a space, or ends with `.` or a space".to_owned());
    }
    if name.len() > 150 {
        return Err("it is longer than 150 bytes".to_owned());
    }
    Ok(())
}
