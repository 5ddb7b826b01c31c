//! The trials of a search that learns, round by round.

use super::expand::{Drafts, repeated};
use super::{Told, Trial};
use crate::search::Learner;
use crate::spec::{Diagnostics, Point, ResolvedExperiment, Rounds};

/// A search that learns: it proposes the trials of a round once it is told how those of all earlier rounds have ended.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    experiment: &'a ResolvedExperiment,
    learner: Learner<'a>,
    /// What it goes by.
    pub rounds: &'a Rounds,
    /// The trials so far: their points and hashes.
    proposed: Vec<(Point, String)>,
    /// How many rounds it has proposed.
    round: usize,
}

impl<'a> Search<'a> {
    /// Before its first round; `None` where the experiment has no sweep that learns.
    pub fn new(experiment: &'a ResolvedExperiment) -> Option<Self> {
        let sweep = experiment.sweep.as_ref()?;
        let (learner, rounds) = (Learner::new(sweep)?, sweep.rounds()?);
        Some(Self { experiment, learner, rounds, proposed: Vec::new(), round: 0 })
    }

    /// The trials of the next round, the seeds of one point one after the other; `told` has those of all earlier rounds in their
    /// order. Empty at the end of the search.
    ///
    /// # Errors
    /// All problems of the trials: values that do not go together, the same trial twice.
    pub fn next(&mut self, told: &[Told]) -> Result<Vec<Trial>, Diagnostics> {
        let scores: Vec<Option<f64>> = told.iter().map(|told| told.score).collect();
        let points = self.learner.next(&scores)?;
        self.round += usize::from(!points.is_empty());
        // A key beside the sweep may serve trials of other rounds only.
        let trials =
            Drafts::of(self.experiment, &points, usize::MAX)?.trials(&self.experiment.spec.seeds, Some(self.round));
        for (point, trial) in points.into_iter().zip(trials.chunks(self.experiment.spec.seeds.len())) {
            if let Some((first, _)) = self.proposed.iter().find(|(_, hash)| *hash == trial[0].spec_hash) {
                return Err(Diagnostics::new(vec![repeated(self.experiment, first, &point)]));
            }
            self.proposed.push((point, trial[0].spec_hash.clone()));
        }
        Ok(trials)
    }

    /// What is told of its trials so far, given their scores in their order.
    pub fn told(&self, scores: Vec<Option<f64>>) -> Vec<Told> {
        let hashes = self.proposed.iter().map(|(_, hash)| hash.clone());
        hashes.zip(scores).map(|(spec_hash, score)| Told { spec_hash, score }).collect()
    }

    /// The part of what was told `earlier` that is of its trials so far, all of them; `None` where some are not among it.
    pub fn recalled(&self, earlier: &[Told]) -> Option<Vec<Told>> {
        let earlier = earlier.get(..self.proposed.len())?;
        let same = self.proposed.iter().zip(earlier).all(|((_, hash), told)| *hash == told.spec_hash);
        same.then(|| earlier.to_vec())
    }

    /// The number of the last round that it proposed, from 1, and how many it has at most.
    pub fn progress(&self) -> (usize, usize) {
        let trials = self.experiment.sweep.as_ref().map_or(0, |sweep| sweep.trials);
        (self.round, self.rounds.count(trials))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::expand;
    use crate::spec::tests::{Folder, shown};
    use crate::spec::{Axis, Overrides};

    fn experiment(method: &str, keys: &str, parameters: &str) -> ResolvedExperiment {
        let text = format!(
            "seeds = 2\n[dataset]\nname = \"moons\"\n[sweep]\nmethod = \"{method}\"\n{keys}\n[sweep.parameters]\n{parameters}"
        );
        Folder::with(text).load(Overrides::default()).expect("a spec")
    }

    /// Every kind of axis.
    const ALL: &str = "\"model.mask\" = [\"half\", \"random\", \"alternating\"]\n\
                       \"model.depth,model.width\" = [[2, 4], [4, 8], [8, 4]]\n\"training.batch_size\" = [32, 64, 256]\n\
                       \"model.dropout\" = { min = 0.0, max = 0.8, step = 0.1 }\n\
                       \"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n\
                       \"optimizer.clip_norm\" = { min = 1.0, max = 9.0 }\n\
                       \"training.steps\" = { min = 100, max = 10_000, scale = \"log\" }\n";

    fn number(trial: &Trial, key: &str) -> f64 {
        let value = &trial.overrides[key];
        value.as_float().or(value.as_integer().map(|whole| whole as f64)).expect("a number")
    }

    /// Smallest, 0, at half of the masks, depth 4, batch 64, dropout 0.3, learning rate 10^-2.3, clip norm 5 and 1,000 steps.
    fn cost(trial: &Trial) -> f64 {
        let wrong = |is: bool| if is { 0.0 } else { 0.3 };
        wrong(trial.overrides["model.mask"].as_str() == Some("half"))
            + wrong(number(trial, "model.depth") == 4.0)
            + 0.2 * (number(trial, "training.batch_size") / 64.0).log2().abs()
            + (number(trial, "model.dropout") - 0.3).abs()
            + (number(trial, "optimizer.learning_rate").log10() + 2.3).powi(2)
            + 0.1 * (number(trial, "optimizer.clip_norm") - 5.0).abs()
            + (number(trial, "training.steps").log10() - 3.0).powi(2)
    }

    /// All trials of a search, one a point, where `score` is told of each.
    fn all(experiment: &ResolvedExperiment, score: impl Fn(&Trial) -> Option<f64>) -> Vec<Trial> {
        let mut search = Search::new(experiment).expect("a search");
        let mut trials: Vec<Trial> = Vec::new();
        loop {
            let told = search.told(trials.iter().map(&score).collect());
            let next = search.next(&told).expect("trials");
            if next.is_empty() {
                return trials;
            }
            trials.extend(next.into_iter().step_by(2));
        }
    }

    #[test]
    fn a_search_proposes_the_same_for_the_same_scores_and_something_else_for_others() {
        let experiment = experiment("tpe", "trials = 30", ALL);
        let ids = |score: &dyn Fn(&Trial) -> Option<f64>| -> Vec<String> {
            all(&experiment, score).into_iter().map(|trial| trial.id).collect()
        };
        let first = ids(&|trial| Some(cost(trial)));
        assert_eq!(first, ids(&|trial| Some(cost(trial))));
        let other = ids(&|trial| Some(-cost(trial)));
        assert_eq!((first.len(), &first[..10]), (30, &other[..10]));
        assert!(first[10..].iter().all(|id| !other.contains(id)), "{first:?} {other:?}");
    }

    #[test]
    fn a_longer_search_begins_as_the_shorter_one_in_the_middle_of_a_round_too() {
        let ids = |keys: &str| -> Vec<(String, Option<usize>)> {
            let trials = all(&experiment("tpe", keys, ALL), |trial| Some(cost(trial)));
            trials.into_iter().map(|trial| (trial.id, trial.round)).collect()
        };
        let longer = ids("trials = 27\nround = 6");
        for (trials, last) in [(4, 1), (10, 1), (19, 3), (22, 3)] {
            let shorter = ids(&format!("trials = {trials}\nround = 6"));
            assert_eq!((shorter.len(), &shorter[..]), (trials, &longer[..trials]));
            assert_eq!(shorter[trials - 1].1, Some(last));
        }
    }

    #[test]
    fn over_every_kind_of_axis_it_finds_more_than_even_and_random_draws() {
        let best = |trials: &[Trial]| trials.iter().map(cost).fold(f64::INFINITY, f64::min);
        let mean = |of: &dyn Fn(&str) -> f64| {
            (0..20).map(|seed| of(&format!("trials = 60\nseed = {seed}"))).sum::<f64>() / 20.0
        };
        let tpe = mean(&|keys| best(&all(&experiment("tpe", keys, ALL), |trial| Some(cost(trial)))));
        for method in ["random", "sobol"] {
            let drawn = mean(&|keys| best(&expand(&experiment(method, keys, ALL)).expect("a plan").trials));
            assert!(tpe < 0.6 * drawn, "{tpe} {method} {drawn}");
        }
    }

    #[test]
    fn a_small_space_is_searched_to_its_end_and_never_twice() {
        let lists = "\"model.depth\" = [2, 4, 8]\n\"model.activation\" = [\"relu\", \"tanh\"]\n";
        let small = experiment("tpe", "trials = 6\nstartup = 2\nround = 3", lists);
        let trials = all(&small, |_| None);
        assert_eq!(trials.len(), 6);
        assert_eq!(small.sweep.as_ref().expect("a sweep").axes.iter().map(Axis::possible).product::<usize>(), 6);
        let problems = expand(&experiment("tpe", "trials = 7", lists)).expect_err("too few points");
        assert!(shown(&problems)[0].contains("there are 6 different points, and `trials` asks for 7"));
    }

    #[test]
    fn what_cannot_go_together_is_told_before_anything_runs() {
        // Only the second point has the wrong pair, and the first round has one.
        let pairs = "\"dataset.train,training.batch_size\" = [[2000, 64], [100, 256]]\n";
        let wrong = experiment("tpe", "trials = 2\nstartup = 1", pairs);
        let problems = expand(&wrong).expect_err("a batch larger than the data");
        assert!(shown(&problems)[0].contains("batch"), "{:?}", shown(&problems));
    }
}
