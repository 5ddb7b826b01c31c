//! A search that learns, round by round.

use std::collections::HashSet;

use super::tpe::{self, Known};
use super::{at, first};
use crate::random::{Purpose, stream};
use crate::spec::{Diagnostics, Point, Rounds, Sweep, written};

/// What a search that learns has proposed so far. A proposal depends on the sweep, its own number, and the scores of all trials of
/// earlier rounds in their order; so whoever tells the same scores is proposed the same points, in the same process or another.
#[derive(Clone, Debug)]
pub(crate) struct Learner<'a> {
    sweep: &'a Sweep,
    rounds: &'a Rounds,
    /// Of every proposal.
    places: Vec<Vec<f64>>,
    seen: HashSet<Vec<String>>,
    /// Rounds that were proposed.
    proposed: usize,
}

impl<'a> Learner<'a> {
    /// Before anything is proposed; `None` where the method does not learn.
    pub fn new(sweep: &'a Sweep) -> Option<Self> {
        let rounds = sweep.rounds()?;
        Some(Self { sweep, rounds, places: Vec::new(), seen: HashSet::new(), proposed: 0 })
    }

    /// The points of the next round, where `scores` has those of all proposals so far, the smaller the better; `None`: it diverged
    /// or failed. Empty at the end of the search, and where every point that is found was proposed before.
    ///
    /// # Errors
    /// In the first round, where lists are too short for as many different points as `trials` asks for.
    pub fn next(&mut self, scores: &[Option<f64>]) -> Result<Vec<Point>, Diagnostics> {
        let Sweep { axes, seed, trials, .. } = self.sweep;
        let numbers = self.rounds.trials(self.proposed);
        let round = numbers.start.min(*trials)..numbers.end.min(*trials);
        let mut points = Vec::with_capacity(round.len());
        if self.proposed == 0 {
            for (place, point) in first(self.sweep, round.len())? {
                self.places.push(tpe::settled(axes, place));
                self.seen.insert(written(&point));
                points.push(point);
            }
        } else {
            let known = self.places.iter().zip(scores);
            let ended: Vec<Known> = known.map(|(place, score)| Known { place: place.clone(), score: *score }).collect();
            for number in round {
                let mut rng = stream(*seed, Purpose::Sweep, number as u64);
                let is_new = |place: &[f64]| !self.seen.contains(&written(&at(self.sweep, place)));
                let Some(place) = tpe::propose(axes, &ended, &self.places[ended.len()..], &mut rng, is_new) else {
                    break;
                };
                let point = at(self.sweep, &place);
                self.places.push(place);
                self.seen.insert(written(&point));
                points.push(point);
            }
        }
        self.proposed += 1;
        Ok(points)
    }
}
