//! A metric along each setting, the mean over all others.

use super::chart::{BEHIND, COLORS, Chart, Series};
use super::scale::Scale;
use crate::report::importance::{Explained, Level};
use crate::report::outliers::limits_of_best;

/// One chart a setting, the most important first: the mean over all other settings with the deviation over trees as a band, and
/// the trials.
pub fn slice_charts(title: &str, explained: &Explained) -> Vec<Chart> {
    explained.order.iter().map(|setting| slice_chart(title, explained, *setting)).collect()
}

fn slice_chart(title: &str, explained: &Explained, index: usize) -> Chart {
    let (setting, metric) = (&explained.settings[index], explained.comparison.metric);
    let words: Vec<String> = setting.levels.iter().map(Level::label).collect();
    let is_words = matches!(setting.scale, Scale::Words(_));
    let middle = |level: usize| match &setting.levels[level] {
        _ if is_words => Some(level as f64),
        Level::Number(value) => Some(*value),
        Level::Cell([low, high]) if setting.scale == Scale::Log => Some((low * high).sqrt()),
        Level::Cell([low, high]) => Some((low + high) / 2.0),
        Level::Absent | Level::Word(_) => None,
    };
    let known = explained.forest.marginal(index).into_iter().enumerate();
    let known: Vec<_> = known.filter_map(|(level, share)| Some((middle(level)?, share))).collect();
    let spread = known.iter().map(|(x, it)| (*x, it.mean - it.deviation, it.mean + it.deviation)).collect();
    let means: Vec<(f64, f64)> = known.iter().map(|(x, it)| (*x, it.mean)).collect();
    let mean = Series { name: "mean over all other settings".into(), color: COLORS[0], ..Series::default() };
    let mean = match is_words {
        true => Series { dots: means, bars: spread, ..mean },
        false => Series { line: means, band: spread, ..mean },
    };
    let values = &explained.observations.values;
    let levels = explained.observations.levels.iter().map(|levels| middle(levels[index]));
    let places = levels.zip(explained.numbers(index)).map(|(middle, number)| number.or(middle));
    let dots = places.zip(values).filter_map(|(x, value)| Some((x?, *value))).collect();
    let trials = Series { name: "trials".into(), color: BEHIND, dots, ..Series::default() };
    let mut notes = vec![format!("{}: ± deviation over trees", if is_words { "bars" } else { "band" })];
    if !is_words && setting.levels[0] == Level::Absent {
        notes.push("trials without the setting are not shown".into());
    }
    let listed = setting.levels.iter().filter_map(|level| match level {
        Level::Number(value) => Some((*value, level.label())),
        _ => None,
    });
    let estimates: Vec<_> =
        explained.comparison.groups.iter().filter_map(|it| it.estimates.get(metric.name)).copied().collect();
    Chart {
        stem: format!("slice-{}", setting.name.replace(", ", "+")),
        title: title.to_owned(),
        x_name: setting.name.clone(),
        y_name: metric.axis(),
        scale: if is_words { Scale::Words(words) } else { setting.scale.clone() },
        marked: listed.collect(),
        begins: None,
        y: limits_of_best(&estimates),
        series: vec![mean, trials],
        notes,
    }
}
