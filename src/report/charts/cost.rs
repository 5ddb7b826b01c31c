//! Quality against cost.

use super::super::comparison::{Comparison, Metric, metric};
use super::super::outliers::limits_of_best;
use super::chart::{BEHIND, COLORS, Chart, Series, look};
use super::legend_names;
use super::scale::Scale;
use crate::statistics::Estimate;

/// What a trial costs, and how to call it on an axis.
const COSTS: [(&str, &str); 2] = [("seconds", "training time (s)"), ("parameters", "parameters")];

/// The comparison's metric against training time and against parameters, where trials differ in them. Trials that no
/// cheaper one beats have a colour and a name.
pub fn cost_charts(title: &str, comparison: &Comparison) -> Vec<Chart> {
    let of = |(name, axis)| cost_chart(title, comparison, metric(name)?, axis);
    COSTS.into_iter().filter_map(of).collect()
}

fn cost_chart(title: &str, comparison: &Comparison, cost: &Metric, axis: &str) -> Option<Chart> {
    let metric = comparison.metric;
    let mut points: Vec<(f64, (usize, String), Estimate)> = comparison
        .groups
        .iter()
        .zip(legend_names(comparison).into_iter().enumerate())
        .filter_map(|(group, name)| {
            let (cost, metric) = (group.estimates.get(cost.name)?, group.estimates.get(metric.name)?);
            Some((cost.mean, name, *metric))
        })
        .filter(|(cost, ..)| *cost > 0.0)
        .collect();
    // Groups come best first.
    let y = limits_of_best(&points.iter().map(|point| point.2).collect::<Vec<_>>());
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    if points.windows(2).all(|pair| pair[0].0 == pair[1].0) || cost.name == metric.name {
        return None;
    }
    let sign = if metric.larger_is_better { -1.0 } else { 1.0 };
    let mut behind = Series { color: BEHIND, ..Series::default() };
    let mut front: Vec<Series> = Vec::new();
    let mut best = f64::INFINITY;
    // Trials that have no colour among the curves take the looks behind theirs.
    let mut further = COLORS.len()..;
    for (x, (place, name), it) in points {
        let bars = it.error.map(|error| (x, it.mean - error, it.mean + error));
        if sign * it.mean < best {
            best = sign * it.mean;
            let place = if place < COLORS.len() { Some(place) } else { further.next() };
            let (color, mark) = look(place.unwrap_or_default());
            front.push(Series {
                name,
                color,
                mark,
                dots: vec![(x, it.mean)],
                bars: bars.into_iter().collect(),
                ..Series::default()
            });
        } else {
            behind.dots.push((x, it.mean));
            behind.bars.extend(bars);
        }
    }
    let line = front.iter().flat_map(|series| series.dots.clone()).collect();
    let joined = Series { color: BEHIND, line, ..Series::default() };
    Some(Chart {
        stem: format!("cost-{}", cost.name),
        title: title.to_owned(),
        x_name: axis.to_owned(),
        y_name: metric.axis(),
        scale: Scale::Log,
        marked: Vec::new(),
        begins: None,
        y,
        series: front.into_iter().chain([joined, behind]).collect(),
        notes: vec!["named: no cheaper trial is better".into()],
    })
}

#[cfg(test)]
mod tests {
    use super::super::mark::Mark;
    use super::*;

    #[test]
    fn twenty_trials_look_different() {
        let looks: Vec<_> = (0..20).map(look).collect();
        assert!(looks.iter().enumerate().all(|(i, one)| !looks[..i].contains(one)), "{looks:?}");
        assert_eq!((looks[7].0, looks[7].1), (COLORS[0], Mark::Square));
    }
}
