//! What an experiment is, as TensorBoard's TEXT tab shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// More values of a key than this are only counted.
const MOST_VALUES: usize = 8;

/// Markdown: how many trials there are, and which values each key takes in them. `trials`: the shown keys of each.
pub(super) fn overview(name: &str, trials: &[BTreeMap<String, toml::Value>]) -> String {
    let mut values: BTreeMap<&str, Vec<&toml::Value>> = BTreeMap::new();
    for (key, value) in trials.iter().flatten() {
        let taken = values.entry(key).or_default();
        if !taken.contains(&value) {
            taken.push(value);
        }
    }
    let plural = if trials.len() == 1 { "" } else { "s" };
    let mut text = format!("**{name}**: {} trial{plural}\n\n| key | values |\n|---|---|\n", trials.len());
    for (key, mut taken) in values {
        taken.sort_by(|a, b| number(a).total_cmp(&number(b)));
        // Formatting into a string does not fail.
        let _ = writeln!(text, "| {key} | {} |", told(&taken));
    }
    text
}

/// `values` in ascending order, or where they are many, their range.
fn told(values: &[&toml::Value]) -> String {
    match values {
        [first, .., last] if values.len() > MOST_VALUES && number(last).is_finite() => {
            format!("{} values from {first} to {last}", values.len())
        }
        _ if values.len() > MOST_VALUES => format!("{} values", values.len()),
        _ => values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// The number that values are sorted by; values that are no numbers come last.
fn number(value: &toml::Value) -> f64 {
    value.as_float().or(value.as_integer().map(|it| it as f64)).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_with_its_values_or_their_range() {
        let trials: Vec<BTreeMap<String, toml::Value>> = (0..9)
            .map(|i| {
                let (depth, mask) = (8 - i % 2 * 4, if i < 4 { "half" } else { "random" });
                toml::from_str(&format!("depth = {depth}\nmask = \"{mask}\"\nrate = 0.{}", 9 - i)).expect("TOML")
            })
            .collect();
        let expected = "**moons**: 9 trials\n\n| key | values |\n|---|---|\n| depth | 4, 8 |\n| mask | \"half\", \"random\" |\n\
                        | rate | 9 values from 0.1 to 0.9 |\n";
        assert_eq!(overview("moons", &trials), expected);
    }
}
