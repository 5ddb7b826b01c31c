//! Successive halving: which trials go on from a rung to the next.

use std::cmp::Ordering;

/// What a trial has reached: where it last was compared with others, and by what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    /// Of the rung, in steps; `None`: the end of its training.
    pub rung: Option<usize>,
    /// The smaller the better; `None`: it diverged or failed, which is worst.
    pub score: Option<f64>,
}

/// The `count` best of trials with these `scores`, as indices in their order; of equal ones the earlier is the better. One without
/// a score never goes on.
pub(crate) fn go_on(scores: &[Option<f64>], count: usize) -> Vec<usize> {
    let mut ranked: Vec<usize> = (0..scores.len()).filter(|trial| scores[*trial].is_some()).collect();
    ranked.sort_by(|a, b| ascending(scores[*a], scores[*b]));
    ranked.truncate(count);
    ranked.sort_unstable();
    ranked
}

/// Scores by which trials that were compared at different rungs can be ordered: one that came farther is the better, and of those
/// that came as far, the one with the smaller score.
pub(crate) fn ranks(reached: &[Reached]) -> Vec<Option<f64>> {
    let farthest = |trial: &Reached| trial.rung.unwrap_or(usize::MAX);
    let mut order: Vec<usize> = (0..reached.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&reached[*a], &reached[*b]);
        farthest(b).cmp(&farthest(a)).then(ascending(a.score, b.score))
    });
    let mut ranks = vec![None; reached.len()];
    for (rank, trial) in order.into_iter().enumerate() {
        ranks[trial] = reached[trial].score.map(|_| rank as f64);
    }
    ranks
}

fn ascending(a: Option<f64>, b: Option<f64>) -> Ordering {
    a.unwrap_or(f64::INFINITY).total_cmp(&b.unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_go_on_the_earlier_of_equal_ones_and_none_that_diverged() {
        let scores = [Some(2.0), None, Some(1.0), Some(2.0), Some(-3.0), Some(7.0)];
        for (count, expected) in [(1, &[4][..]), (2, &[2, 4]), (3, &[0, 2, 4]), (4, &[0, 2, 3, 4])] {
            assert_eq!(go_on(&scores, count), expected);
        }
        assert_eq!(go_on(&scores, 6), [0, 2, 3, 4, 5]);
        assert_eq!(go_on(&[None, None], 1), [0_usize; 0]);
        assert_eq!(go_on(&[None, Some(f64::NAN), Some(9.0)], 1), [2]);
    }

    #[test]
    fn whoever_came_farther_is_better_whatever_the_scores() {
        let reached = |rung, score| Reached { rung, score };
        let trials = [
            reached(Some(10), Some(0.5)),
            reached(None, Some(3.0)),
            reached(Some(30), Some(2.0)),
            reached(Some(10), None),
            reached(Some(10), Some(0.1)),
            reached(None, None),
        ];
        let expected = [Some(4.0), Some(0.0), Some(2.0), None, Some(3.0), None];
        assert_eq!(ranks(&trials), expected);
    }
}
