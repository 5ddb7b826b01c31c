//! The trials of a search, stage by stage.

use super::expand::{Drafts, repeated};
use super::{Told, Trial};
use crate::search::{Learner, Reached, go_on, ranks};
use crate::spec::{Diagnostic, Diagnostics, Halving, Point, ResolvedExperiment, Rounds, Rung};

/// A search whose trials depend on how others end: it tells what to run in the next stage once it is told how all earlier ones have
/// ended. A stage is a round of new trials; or, of a halving, those of a round that go on to the next rung.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    experiment: &'a ResolvedExperiment,
    learner: Learner<'a>,
    /// What it goes by.
    pub rounds: &'a Rounds,
    halving: Option<&'a Halving>,
    /// The trials so far.
    proposed: Vec<Proposed>,
    /// What was run so far.
    stages: Vec<Stage>,
    /// How many rounds it has proposed.
    round: usize,
    /// The rungs of the last round that are still to come.
    rungs: std::vec::IntoIter<Rung>,
}

/// A trial, with one [`Trial`] a seed.
#[derive(Clone, Debug)]
struct Proposed {
    point: Point,
    seeds: Vec<Trial>,
}

/// Trials that are run side by side.
#[derive(Clone, Debug)]
struct Stage {
    /// By their numbers.
    trials: Vec<usize>,
    /// Where they are compared; `None`: they go to their end.
    rung: Option<Rung>,
}

impl Stage {
    fn step(&self) -> Option<usize> {
        self.rung.map(|rung| rung.step)
    }
}

impl<'a> Search<'a> {
    /// Before its first stage; `None` where all trials of the experiment are known beforehand.
    pub fn new(experiment: &'a ResolvedExperiment) -> Option<Self> {
        let sweep = experiment.sweep.as_ref()?;
        let (learner, rounds) = (Learner::new(sweep)?, sweep.rounds()?);
        Some(Self {
            experiment,
            learner,
            rounds,
            halving: sweep.halving(),
            proposed: Vec::new(),
            stages: Vec::new(),
            round: 0,
            rungs: Vec::new().into_iter(),
        })
    }

    /// What to run in the next stage, the seeds of one point one after the other; `told` has the trials of all earlier stages in
    /// their order. Empty at the end of the search.
    ///
    /// # Errors
    /// All problems of the trials: values that do not go together, the same trial twice.
    pub fn next(&mut self, told: &[Told]) -> Result<Vec<Trial>, Diagnostics> {
        let best = self.best(told);
        let trials = if best.is_empty() { self.propose(told)? } else { best };
        if trials.is_empty() {
            return Ok(Vec::new());
        }
        let stage = Stage { trials, rung: self.rungs.next() };
        let runs = stage.trials.iter().flat_map(|trial| &self.proposed[*trial].seeds);
        let runs = runs.cloned().map(|run| paused(run, stage.rung)).collect();
        self.stages.push(stage);
        Ok(runs)
    }

    /// The trials of the last stage that go on from its rung; none where it had no rung.
    fn best(&self, told: &[Told]) -> Vec<usize> {
        let Some(Stage { trials, rung: Some(rung) }) = self.stages.last() else { return Vec::new() };
        let scores: Vec<_> = told[told.len() - trials.len()..].iter().map(|told| told.score).collect();
        go_on(&scores, rung.go_on).into_iter().map(|place| trials[place]).collect()
    }

    /// The numbers of the trials of a new round.
    fn propose(&mut self, told: &[Told]) -> Result<Vec<usize>, Diagnostics> {
        let points = self.learner.next(&self.scores(told))?;
        self.round += usize::from(!points.is_empty());
        // A key beside the sweep may serve trials of other rounds only.
        let trials =
            Drafts::of(self.experiment, &points, usize::MAX)?.trials(&self.experiment.spec.seeds, Some(self.round));
        let first = self.proposed.len();
        for (point, seeds) in points.into_iter().zip(trials.chunks(self.experiment.spec.seeds.len())) {
            let same = |known: &&Proposed| known.seeds[0].spec_hash == seeds[0].spec_hash;
            if let Some(known) = self.proposed.iter().find(same) {
                return Err(Diagnostics::new(vec![repeated(self.experiment, &known.point, &point)]));
            }
            self.proposed.push(Proposed { point, seeds: seeds.to_vec() });
        }
        self.rungs = rungs(self.halving, &trials, self.proposed.len() - first).into_iter();
        Ok((first..self.proposed.len()).collect())
    }

    /// What the learner is told of the trials so far.
    fn scores(&self, told: &[Told]) -> Vec<Option<f64>> {
        let mut reached = vec![Reached { rung: None, score: None }; self.proposed.len()];
        for ((trial, _), told) in self.due().zip(told) {
            reached[trial] = Reached { rung: told.rung, score: told.score };
        }
        match self.halving {
            Some(_) => ranks(&reached),
            None => reached.into_iter().map(|trial| trial.score).collect(),
        }
    }

    /// What it must be told before the next stage: the number of a trial, and the rung, in steps.
    fn due(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        self.stages.iter().flat_map(|stage| stage.trials.iter().map(|trial| (*trial, stage.step())))
    }

    fn hash(&self, trial: usize) -> &str {
        &self.proposed[trial].seeds[0].spec_hash
    }

    /// What is told of all stages so far: the first of it was told `before`, of the others `score` has that of the seeds of a trial
    /// at a rung, or at their end. `None` where that of one is not known.
    pub fn told(
        &self,
        before: &[Told],
        mut score: impl FnMut(&[Trial], Option<usize>) -> Option<Option<f64>>,
    ) -> Option<Vec<Told>> {
        let new = self.due().skip(before.len()).map(|(trial, rung)| {
            let score = score(&self.proposed[trial].seeds, rung)?;
            Some(Told { spec_hash: self.hash(trial).to_owned(), score, rung })
        });
        before.iter().cloned().map(Some).chain(new).collect()
    }

    /// The part of what was told `earlier` that is of its stages so far, all of them; `None` where some are not among it.
    pub fn recalled(&self, earlier: &[Told]) -> Option<Vec<Told>> {
        let due: Vec<_> = self.due().collect();
        let earlier = earlier.get(..due.len())?;
        let same = |((trial, rung), told): (&(usize, Option<usize>), &Told)| {
            self.hash(*trial) == told.spec_hash && *rung == told.rung
        };
        due.iter().zip(earlier).all(same).then(|| earlier.to_vec())
    }

    /// Whether a run is of the last stage.
    pub fn is_running(&self, run: &Trial) -> bool {
        let last = self.stages.last();
        last.is_some_and(|stage| stage.trials.iter().any(|trial| self.hash(*trial) == run.spec_hash))
    }

    /// The number of the last round that it proposed, from 1, and how many it has at most.
    pub fn progress(&self) -> (usize, usize) {
        let trials = self.experiment.sweep.as_ref().map_or(0, |sweep| sweep.trials);
        (self.round, self.rounds.count(trials))
    }

    /// Where the trials of the last stage are compared; `None`: they go to their end.
    pub fn rung(&self) -> Option<Rung> {
        self.stages.last()?.rung
    }

    /// How its trials are halved, where they are.
    pub fn halving(&self) -> Option<&'a Halving> {
        self.halving
    }
}

/// A run that goes to its next rung, or to its end. A rung is at an evaluation.
fn paused(run: Trial, rung: Option<Rung>) -> Trial {
    let until = rung.map(|rung| rung.step.next_multiple_of(run.spec.training.evaluate_every));
    Trial { until, ..run }
}

/// The rungs of a round of so many trials; none where nothing is halved.
fn rungs(halving: Option<&Halving>, runs: &[Trial], trials: usize) -> Vec<Rung> {
    halving.map_or_else(Vec::new, |halving| halving.rungs(trials, last(runs)))
}

/// The last evaluation of any run before its end, in steps; `None` where it is not known before the data are.
fn last(runs: &[Trial]) -> Option<usize> {
    let of_run = |run: &Trial| Some(last_evaluation(run.spec.training.steps?, run.spec.training.evaluate_every));
    runs.iter().map(of_run).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// The step of the last evaluation before the end of a run of so many steps.
pub fn last_evaluation(steps: usize, evaluate_every: usize) -> usize {
    steps.saturating_sub(1) / evaluate_every * evaluate_every
}

/// The runs of a first round of so many trials, each until its first rung.
///
/// # Errors
/// Where there is no rung before the end of all of them.
pub(super) fn until_first_rung(
    experiment: &ResolvedExperiment,
    runs: Vec<Trial>,
    trials: usize,
) -> Result<Vec<Trial>, Diagnostics> {
    let Some(sweep) = &experiment.sweep else { return Ok(runs) };
    let Some(halving) = sweep.halving() else { return Ok(runs) };
    let rungs = halving.rungs(trials, last(&runs));
    if let (true, Some(last)) = (rungs.is_empty() && trials > 1, last(&runs)) {
        let first = halving.first_rung;
        let message = format!(
            "no trial is stopped: `first_rung` is {first}, and the last evaluation before the end is at step {last}"
        );
        let problem = Diagnostic::error(&sweep.place, message);
        return Err(Diagnostics::new(vec![
            problem.help("lower `first_rung` or `training.evaluate_every`, or train longer"),
        ]));
    }
    Ok(runs.into_iter().map(|run| paused(run, rungs.first().copied())).collect())
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
            let told = search.told(&[], |seeds, _| Some(score(&seeds[0]))).expect("told of all");
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
