//! How the values of a key lie along an axis.

use std::collections::BTreeSet;

use crate::quantity;

/// How x values lie along their axis.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) enum Scale {
    Linear,
    /// Positive values, at their logarithm.
    Log,
    /// The i-th word at x = i.
    Words(Vec<String>),
}

/// The scale that suits the values; `None` where they do not differ.
pub(in crate::report) fn scale<'a>(values: impl Iterator<Item = &'a toml::Value> + Clone) -> Option<Scale> {
    let words: BTreeSet<String> = values.clone().map(word_of).collect();
    if words.len() < 2 {
        return None;
    }
    let numbers: Option<Vec<f64>> = values.map(number).collect();
    Some(match numbers {
        Some(numbers) => {
            let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if low > 0.0 && high / low >= 8.0 { Scale::Log } else { Scale::Linear }
        }
        None => Scale::Words(words.into_iter().collect()),
    })
}

/// A value as a number, where it is one.
pub(in crate::report) fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// A value as people write it: text without quotes.
pub(in crate::report) fn word_of(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number with three digits.
pub(in crate::report) fn short(value: f64) -> String {
    match value.abs() {
        size if (1e-3..1e4).contains(&size) => {
            let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}")
        }
        0.0 => "0".to_owned(),
        size if size < 1e-3 => format!("{value:.1e}"),
        _ => quantity::count(value),
    }
}
