//! What explains the metric of a comparison: which of the settings in which its trials differ, alone and in pairs.

mod setting;
mod text;

#[cfg(test)]
mod tests;

pub(super) use setting::{Level, Setting};

use super::Comparison;
use super::charts::scale::number;
use super::comparison::Group;
use crate::importance::{Forest, Observations, Share};
use crate::spec::counted;

/// Trials for every setting, at least; fewer leave a forest nothing to tell settings apart by.
const TRIALS_EACH: usize = 4;
/// Trials altogether, at least.
const FEWEST: usize = 12;
/// A value that lies so many interquartile ranges beyond the worse quartile counts as lying there: one trial that all but diverged
/// would be all the variance there is.
const FENCE: f64 = 3.0;
/// Pairs that are shown.
const PAIRS: usize = 3;

/// Why nothing can be explained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum Unexplained {
    #[error(
        "the trials differ in no setting, so there is nothing that could explain `{metric}`: compare those of a sweep"
    )]
    NothingDiffers { metric: &'static str },
    #[error(
        "{} with `{metric}` are too few for {}: importances take {FEWEST} at least, and {TRIALS_EACH} a setting, so {wanted} here; \
         raise `trials` of the sweep",
        counted(*trials, "trial"), counted(*settings, "setting")
    )]
    TooFew { metric: &'static str, trials: usize, settings: usize, wanted: usize },
    #[error("all {trials} trials have the same `{metric}`, so there is no variance to explain")]
    AllEqual { metric: &'static str, trials: usize },
}

/// How much of the variance of a metric, over the space that its trials span, each setting explains.
#[derive(Debug)]
pub struct Explained<'a> {
    pub(super) comparison: &'a Comparison,
    pub(super) settings: Vec<Setting>,
    /// Of those trials that have the metric; best first.
    pub(super) observations: Observations,
    pub(super) forest: Forest,
    /// What each setting explains alone, shape `[settings]`.
    pub(super) alone: Vec<Share>,
    /// What pairs of settings explain beyond that, the strongest first.
    pub(super) pairs: Vec<([usize; 2], Share)>,
    /// The order in which settings are shown: those first that explain more.
    pub(super) order: Vec<usize>,
    /// Trials without the metric: they diverged, failed, were stopped or still run.
    left_out: usize,
    /// Trials that lie beyond the fence.
    fenced: usize,
}

impl<'a> Explained<'a> {
    /// Of the means over seeds of the trials of `comparison`.
    ///
    /// # Errors
    /// Where the trials are too few, differ in nothing, or all have the same value.
    pub fn new(comparison: &'a Comparison) -> Result<Self, Unexplained> {
        let metric = comparison.metric;
        let value = |group: &Group| group.estimates.get(metric.name).map(|it| it.mean);
        let known: Vec<&Group> = comparison.groups.iter().filter(|group| value(group).is_some()).collect();
        let (settings, levels): (Vec<Setting>, Vec<Vec<usize>>) = setting::all(&known).into_iter().unzip();
        if settings.is_empty() {
            return Err(Unexplained::NothingDiffers { metric: metric.name });
        }
        let (trials, wanted) = (known.len(), FEWEST.max(TRIALS_EACH * settings.len()));
        if trials < wanted {
            return Err(Unexplained::TooFew { metric: metric.name, trials, settings: settings.len(), wanted });
        }
        let sign = if metric.larger_is_better { -1.0 } else { 1.0 };
        let mut values: Vec<f64> = known.iter().filter_map(|group| value(group)).collect();
        let fence = sign * fence(values.iter().map(|value| sign * value).collect());
        let fenced = values.iter().filter(|value| sign * **value > sign * fence).count();
        values.iter_mut().filter(|value| sign * **value > sign * fence).for_each(|value| *value = fence);
        if values.iter().all(|value| *value == values[0]) {
            return Err(Unexplained::AllEqual { metric: metric.name, trials });
        }
        let observations = Observations {
            dimensions: settings.iter().map(|setting| setting.dimension.clone()).collect(),
            levels: (0..trials).map(|trial| levels.iter().map(|levels| levels[trial]).collect()).collect(),
            values,
        };
        let forest = Forest::new(&observations);
        let alone = forest.main_effects();
        let mut pairs = forest.pairs();
        pairs.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
        let mut order: Vec<usize> = (0..settings.len()).collect();
        order.sort_by(|a, b| alone[*b].mean.total_cmp(&alone[*a].mean));
        let left_out = comparison.groups.len() - trials;
        Ok(Self { comparison, settings, observations, forest, alone, pairs, order, left_out, fenced })
    }

    /// What the reader must know, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let metric = self.comparison.metric.head;
        let trials = self.observations.values.len();
        let explained = self.forest.explained();
        let mut notes = vec![format!(
            "shares of the variance of {metric} over the space of {}, by functional ANOVA of a forest; ±: standard deviation over \
             its trees; at trials that its trees have not seen it explains {:.0} % (R²)",
            counted(trials, "trial"),
            100.0 * explained.max(0.0)
        )];
        if explained < 0.3 {
            notes.push("the forest predicts little, so the shares say little: more trials or seeds would help".into());
        }
        if self.left_out > 0 {
            notes.push(format!("{} without {metric} left out", counted(self.left_out, "trial")));
        }
        if self.fenced > 0 {
            let (are, count) = (if self.fenced == 1 { "lies" } else { "lie" }, counted(self.fenced, "trial"));
            notes.push(format!(
                "{count} that {are} far outside count as {FENCE} interquartile ranges beyond the quartile"
            ));
        }
        notes
    }

    /// The number that each trial has for a setting that is a range, in the order of the observations; `None` where it is no
    /// range or the trial does not have it.
    pub(super) fn numbers(&self, setting: usize) -> impl Iterator<Item = Option<f64>> {
        let Setting { name, levels, .. } = &self.settings[setting];
        let is_range = matches!(levels.last(), Some(Level::Cell(_)));
        let metric = self.comparison.metric.name;
        let trials = self.comparison.groups.iter().filter(move |group| group.estimates.contains_key(metric));
        trials.map(move |group| group.keys.get(name).and_then(number).filter(|_| is_range))
    }

    /// The name of a pair.
    pub(super) fn pair_name(&self, [a, b]: [usize; 2]) -> String {
        format!("{} × {}", self.settings[a].name, self.settings[b].name)
    }

    /// The pairs that are worth showing.
    pub(super) fn strongest(&self) -> impl Iterator<Item = &([usize; 2], Share)> {
        self.pairs.iter().take(PAIRS).filter(|(_, share)| share.mean >= 0.005)
    }

    /// Where the metric is best on average over all other settings: a value, or the range of those that are as good as the best
    /// within the deviation of the trees.
    pub(super) fn best(&self, setting: usize) -> String {
        let sign = if self.comparison.metric.larger_is_better { -1.0 } else { 1.0 };
        let marginal = self.forest.marginal(setting);
        let value = |level: usize| sign * marginal[level].mean;
        let best = (0..marginal.len()).min_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(0);
        let levels = &self.settings[setting].levels;
        let as_good = |level: &usize| value(*level) <= value(best) + marginal[best].deviation;
        match &levels[best] {
            Level::Cell([low, high]) => {
                let bound = |level: usize| match levels[level] {
                    Level::Cell(ends) => Some(ends),
                    _ => None,
                };
                let below = (0..best).rev().take_while(as_good).filter_map(bound).last().map_or(*low, |ends| ends[0]);
                let above =
                    (best + 1..levels.len()).take_while(as_good).filter_map(bound).last().map_or(*high, |ends| ends[1]);
                format!("{} to {}", setting::short(below), setting::short(above))
            }
            level => level.label(),
        }
    }
}

/// The value beyond which others count as lying on it; the larger, the worse.
fn fence(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let quartile = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    let range = quartile(0.75) - quartile(0.25);
    if range > 0.0 { quartile(0.75) + FENCE * range } else { f64::INFINITY }
}
