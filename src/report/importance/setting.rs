//! The settings in which trials differ, as levels of a finite space.

use std::collections::BTreeSet;

use crate::importance::Dimension;
pub(super) use crate::report::charts::scale::short;
use crate::report::charts::scale::{Scale, number, scale, word_of};
use crate::report::comparison::Group;

/// As many different numbers may come from a list; more of them are draws from a range.
const LISTED: usize = 12;
/// Parts of a range.
const CELLS: usize = 32;

/// A key, or several that always change together.
#[derive(Clone, Debug)]
pub(in crate::report) struct Setting {
    pub name: String,
    pub levels: Vec<Level>,
    /// How numbers lie.
    pub scale: Scale,
    pub dimension: Dimension,
}

/// What a setting is at.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) enum Level {
    /// The trial does not have it.
    Absent,
    Word(String),
    Number(f64),
    /// A part of a range, with its ends.
    Cell([f64; 2]),
}

impl Level {
    pub fn label(&self) -> String {
        match self {
            Self::Absent => "—".to_owned(),
            Self::Word(word) => word.clone(),
            Self::Number(value) => value.to_string(),
            Self::Cell([low, high]) => format!("{} to {}", short(*low), short(*high)),
        }
    }
}

impl Setting {
    /// A number's place along the axis.
    pub fn along(&self, value: f64) -> f64 {
        if self.scale == Scale::Log { value.log10() } else { value }
    }
}

/// The settings of `trials`, each with the level of every trial.
pub(super) fn all(trials: &[&Group]) -> Vec<(Setting, Vec<usize>)> {
    let keys: BTreeSet<&String> = trials.iter().flat_map(|group| group.keys.keys()).collect();
    let mut settings: Vec<(Vec<&str>, Vec<Option<toml::Value>>)> = Vec::new();
    for key in keys {
        let values: Vec<Option<toml::Value>> = trials.iter().map(|group| group.keys.get(key).cloned()).collect();
        let first = firsts(&values);
        // Numbers from two ranges are all different, and do not change together for that.
        let repeated = 2 * first.iter().collect::<BTreeSet<_>>().len() <= trials.len();
        match settings.iter_mut().find(|(_, known)| repeated && firsts(known) == first) {
            Some((names, _)) => names.push(key),
            None => settings.push((vec![key], values)),
        }
    }
    let together = |(names, values): (Vec<&str>, Vec<Option<toml::Value>>)| {
        let of_trial = |group: &&Group| {
            let word = |name: &&str| group.keys.get(*name).map_or_else(|| "—".to_owned(), word_of);
            Some(toml::Value::String(names.iter().map(word).collect::<Vec<_>>().join(" · ")))
        };
        let values = if names.len() > 1 { trials.iter().map(of_trial).collect() } else { values };
        setting(names.join(", "), &values)
    };
    settings.into_iter().filter_map(together).collect()
}

/// For every value, the first place at which it stands: equal for settings that change together.
fn firsts(values: &[Option<toml::Value>]) -> Vec<usize> {
    let words: Vec<Option<String>> = values.iter().map(|value| value.as_ref().map(toml::Value::to_string)).collect();
    words.iter().map(|word| words.iter().position(|other| other == word).unwrap_or(0)).collect()
}

/// A setting with the level of every trial; `None` where they do not differ in it.
fn setting(name: String, values: &[Option<toml::Value>]) -> Option<(Setting, Vec<usize>)> {
    let absent = values.iter().filter(|value| value.is_none()).count();
    let scale = match scale(values.iter().flatten()) {
        Some(scale) => scale,
        None if absent > 0 => Scale::Words(values.iter().flatten().map(word_of).take(1).collect()),
        None => return None,
    };
    let along = |value: f64| if scale == Scale::Log { value.log10() } else { value };
    let mut numbers: Vec<f64> = values.iter().flatten().filter_map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let present: Vec<Level> = match &scale {
        Scale::Words(words) => words.iter().cloned().map(Level::Word).collect(),
        _ if numbers.len() <= LISTED => numbers.iter().copied().map(Level::Number).collect(),
        _ => {
            let [low, high] = [numbers[0], numbers[numbers.len() - 1]].map(along);
            let end = |i: usize| low + (high - low) * i as f64 / CELLS as f64;
            let back = |at: f64| if scale == Scale::Log { 10f64.powf(at) } else { at };
            (0..CELLS).map(|i| Level::Cell([back(end(i)), back(end(i + 1))])).collect()
        }
    };
    let first = usize::from(absent > 0);
    let place = |value: &Option<toml::Value>| {
        let Some(value) = value else { return 0 };
        let at = present.iter().position(|level| match level {
            Level::Absent => false,
            Level::Word(word) => *word == word_of(value),
            Level::Number(known) => number(value) == Some(*known),
            Level::Cell([_, high]) => number(value).is_some_and(|value| value < *high),
        });
        // The largest number lies on the end of the last cell.
        first + at.unwrap_or(present.len() - 1)
    };
    let places = values.iter().map(place).collect();
    let share_absent = absent as f64 / values.len() as f64;
    let each = (1.0 - share_absent) / present.len() as f64;
    let mut shares = vec![each; first + present.len()];
    shares[..first].fill(share_absent);
    let ordered = !matches!(scale, Scale::Words(_));
    let dimension = Dimension { shares, ordered, first_is_absence: absent > 0 };
    let levels = std::iter::repeat_n(Level::Absent, first).chain(present).collect();
    Some((Setting { name, levels, scale, dimension }, places))
}
