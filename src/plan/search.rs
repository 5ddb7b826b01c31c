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
        let trials = Drafts::of(self.experiment, &points, usize::MAX)?.trials(&self.experiment.spec.seeds, Some(self.round));
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
