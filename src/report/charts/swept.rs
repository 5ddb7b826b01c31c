//! A metric against the keys that were swept.

use std::collections::BTreeSet;

use super::super::canvas::INK;
use super::super::comparison::{Comparison, Group};
use super::super::outliers::limits_of_best;
use super::chart::{BEHIND, Chart, Series};
use super::scale::{Scale, number, scale, word_of};

/// One chart for every key that differs between the trials of `comparison`: each trial's mean with its standard error,
/// and a line through the best trial at each value. Words have no line, for nothing lies between them; nor have values drawn from a
/// range, of which each has a trial of its own.
pub fn swept_charts(title: &str, comparison: &Comparison) -> Vec<Chart> {
    let keys: BTreeSet<&String> = comparison.groups.iter().flat_map(|group| group.keys.keys()).collect();
    keys.into_iter().filter_map(|key| swept_chart(title, comparison, key)).collect()
}

fn swept_chart(title: &str, comparison: &Comparison, key: &str) -> Option<Chart> {
    let metric = comparison.metric;
    let known: Vec<(&toml::Value, &Group)> = comparison
        .groups
        .iter()
        .filter(|group| group.estimates.contains_key(metric.name))
        .filter_map(|group| Some((group.keys.get(key)?, group)))
        .collect();
    let scale = scale(known.iter().map(|(value, _)| *value))?;
    let coordinate = |value: &toml::Value| match &scale {
        Scale::Words(words) => words.iter().position(|word| *word == word_of(value)).map(|i| i as f64),
        Scale::Linear | Scale::Log => number(value),
    };
    let mut others = Series { color: BEHIND, ..Series::default() };
    // No trial's colour.
    let mut best = Series { name: "best at each value".into(), color: INK, ..Series::default() };
    for (value, group) in &known {
        let (Some(x), Some(it)) = (coordinate(value), group.estimates.get(metric.name)) else { continue };
        // Groups come best first.
        let is_best = best.dots.iter().all(|(other, _)| *other != x);
        let series = if is_best { &mut best } else { &mut others };
        series.dots.push((x, it.mean));
        series.bars.extend(it.error.map(|error| (x, it.mean - error, it.mean + error)));
    }
    best.dots.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Groups come best first.
    let y = limits_of_best(&known.iter().map(|(_, group)| group.estimates[metric.name]).collect::<Vec<_>>());
    let marked = marked(known.iter().map(|(value, _)| *value));
    if !matches!(scale, Scale::Words(_)) {
        match marked.is_empty() {
            true => best.name = "trials".into(),
            false => best.line = best.dots.clone(),
        }
    }
    let mut notes = Vec::new();
    if !others.dots.is_empty() {
        notes.push("grey: other trials".to_owned());
    }
    if !(best.bars.is_empty() && others.bars.is_empty()) {
        notes.push("± standard error".to_owned());
    }
    let values = comparison.groups.iter().filter_map(|group| group.keys.get(key));
    let lost = values.filter(|value| known.iter().all(|(other, _)| other != value)).map(word_of);
    let lost: BTreeSet<String> = lost.collect();
    if !lost.is_empty() {
        let values = lost.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!("not drawn, for want of a finished run: {values}"));
    }
    Some(Chart {
        stem: key.to_owned(),
        title: title.to_owned(),
        x_name: key.to_owned(),
        y_name: metric.axis(),
        scale,
        marked,
        begins: None,
        y,
        series: vec![best, others],
        notes,
    })
}

/// As many values find room below an axis; more of them were hardly chosen by hand.
const MOST_MARKED: usize = 12;

/// The values themselves, where they are few numbers; ascending.
fn marked<'a>(values: impl Iterator<Item = &'a toml::Value>) -> Vec<(f64, String)> {
    let mut marked: Vec<(f64, String)> = values.filter_map(|value| Some((number(value)?, word_of(value)))).collect();
    marked.sort_by(|a, b| a.0.total_cmp(&b.0));
    marked.dedup_by(|a, b| a.0 == b.0);
    if marked.len() > MOST_MARKED { Vec::new() } else { marked }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::comparison::{By, Row, test_nll};
    use super::*;
    use crate::train::Status;

    #[test]
    fn the_scale_follows_the_values() {
        let of = |values: &[toml::Value]| scale(values.iter());
        assert_eq!(of(&[4.into(), 8.into(), 16.into()]), Some(Scale::Linear));
        assert_eq!(of(&[1e-4.into(), 1e-2.into()]), Some(Scale::Log));
        assert_eq!(of(&[0.into(), 1_000.into()]), Some(Scale::Linear));
        assert_eq!(of(&["relu".into(), "tanh".into()]), Some(Scale::Words(vec!["relu".into(), "tanh".into()])));
        assert_eq!(of(&[4.into(), 4.into()]), None);
    }

    #[test]
    fn chosen_numbers_are_marked_as_they_were_written() {
        let values: Vec<toml::Value> = vec![8.into(), 2.into(), 8.into(), 12.into()];
        let expected = [(2.0, "2".to_owned()), (8.0, "8".into()), (12.0, "12".into())];
        assert_eq!(marked(values.iter()), expected);
        let many: Vec<toml::Value> = (0..13).map(|i| i.into()).collect();
        assert_eq!(marked(many.iter()), []);
    }

    #[test]
    fn a_few_numbers_are_joined_and_many_are_not() {
        let row = |depth: i64| Row {
            experiment: "e".into(),
            trial: format!("depth={depth}"),
            seed: 0,
            status: Status::Finished,
            metrics: BTreeMap::from([("test_nll", 1.0 / depth as f64)]),
            keys: BTreeMap::from([("model.depth".into(), depth.into())]),
            data: None,
            spec_hash: None,
        };
        for (values, name) in [(12, "best at each value"), (13, "trials")] {
            let rows: Vec<Row> = (1..=values).map(row).collect();
            let charts = swept_charts("e", &Comparison::new(&rows, &By::Trial, test_nll()));
            assert_eq!(charts[0].series[0].name, name);
            assert_eq!(charts[0].series[0].line.len(), if values == 12 { 12 } else { 0 });
        }
    }

    #[test]
    fn words_are_not_joined_and_a_diverged_trial_does_not_set_the_axis() {
        let row = |name: &str, seed: i64, test_nll: f64| Row {
            experiment: "e".into(),
            trial: name.into(),
            seed,
            status: Status::Finished,
            metrics: BTreeMap::from([("test_nll", test_nll)]),
            keys: BTreeMap::from([("optimizer.name".into(), toml::Value::from(name))]),
            data: None,
            spec_hash: None,
        };
        let rows = [row("adam", 0, 0.5), row("adamw", 0, 0.6), row("rmsprop", 0, 0.7), row("sgd", 0, 1e9)];
        let charts = swept_charts("e", &Comparison::new(&rows, &By::Trial, test_nll()));
        let [chart] = &charts[..] else { panic!("{} charts", charts.len()) };
        assert!(chart.series.iter().all(|series| series.line.is_empty()));
        assert!(chart.y[1] < 1.0, "{:?}", chart.y);
        assert_eq!(chart.y_name, "test NLL (nats)");
        assert!(chart.notes.is_empty(), "one trial a value and one seed a trial: {:?}", chart.notes);

        let lost = Row { status: Status::Diverged, metrics: BTreeMap::new(), ..row("lion", 0, 0.0) };
        let rows: Vec<Row> = rows.into_iter().chain([lost]).collect();
        let charts = swept_charts("e", &Comparison::new(&rows, &By::Trial, test_nll()));
        assert_eq!(charts[0].notes, ["not drawn, for want of a finished run: lion"]);
    }
}
