//! One regression tree: boxes that fill the space, with a value each.

use super::{Dimension, Observations};

/// Points of a leaf, at least.
const SMALLEST_LEAF: usize = 2;
/// What a split must explain of a node's squares, and one split more than another to be taken before it.
const WORTHWHILE: f64 = 1e-9;

/// A box of the space.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Whether it holds each level, shape `[dimensions][levels]`.
    pub holds: Vec<Vec<bool>>,
    /// The share of each setting's levels that it holds, shape `[dimensions]`.
    pub shares: Vec<f64>,
    pub value: f64,
}

/// Boxes that do not overlap and leave nothing out.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub leaves: Vec<Leaf>,
}

/// A way to divide the points of a box.
struct Split {
    dimension: usize,
    /// Which levels lie on the first side.
    first: Vec<bool>,
    gain: f64,
}

impl Tree {
    /// Grown on `points` of the observations, any of which may come several times.
    pub fn new(observations: &Observations, points: Vec<usize>) -> Self {
        let dimensions = &observations.dimensions;
        // Where having a setting at all says the same as another setting, the other one is what was chosen.
        let mut order: Vec<usize> = (0..dimensions.len()).collect();
        order.sort_by_key(|dimension| dimensions[*dimension].first_is_absence);
        let whole = dimensions.iter().map(|dimension| vec![true; dimension.shares.len()]).collect();
        let mut leaves = Vec::new();
        let mut nodes: Vec<(Vec<Vec<bool>>, Vec<usize>)> = vec![(whole, points)];
        while let Some((holds, points)) = nodes.pop() {
            let Some(Split { dimension, first, .. }) = best_split(observations, &order, &holds, &points) else {
                leaves.push(Leaf::new(dimensions, holds, mean(observations, &points)));
                continue;
            };
            let (ours, theirs): (Vec<_>, Vec<_>) =
                points.into_iter().partition(|point| first[observations.levels[*point][dimension]]);
            for (side, points) in [(true, ours), (false, theirs)] {
                let mut holds = holds.clone();
                holds[dimension].iter_mut().zip(&first).for_each(|(holds, is_first)| *holds &= *is_first == side);
                nodes.push((holds, points));
            }
        }
        Self { leaves }
    }

    /// The value of the box in which a point lies.
    pub fn value(&self, levels: &[usize]) -> f64 {
        let holds = |leaf: &&Leaf| leaf.holds.iter().zip(levels).all(|(holds, level)| holds[*level]);
        self.leaves.iter().find(holds).map_or(f64::NAN, |leaf| leaf.value)
    }
}

impl Leaf {
    fn new(dimensions: &[Dimension], holds: Vec<Vec<bool>>, value: f64) -> Self {
        let share = |(dimension, holds): (&Dimension, &Vec<bool>)| {
            dimension.shares.iter().zip(holds).filter(|(_, holds)| **holds).map(|(share, _)| share).sum()
        };
        Self { shares: dimensions.iter().zip(&holds).map(share).collect(), holds, value }
    }
}

fn mean(observations: &Observations, points: &[usize]) -> f64 {
    crate::statistics::mean(points.iter().map(|point| observations.values[*point]))
}

/// The split that explains most of the squares of a node's values, where one is worth it.
fn best_split(observations: &Observations, order: &[usize], holds: &[Vec<bool>], points: &[usize]) -> Option<Split> {
    let middle = mean(observations, points);
    let squares: f64 = points.iter().map(|point| (observations.values[*point] - middle).powi(2)).sum();
    let splits =
        order.iter().filter_map(|dimension| split(observations, *dimension, &holds[*dimension], points, middle));
    let worthwhile = splits.filter(|split| split.gain > WORTHWHILE * (squares + middle.abs() * f64::EPSILON));
    worthwhile.reduce(|best, next| if next.gain > best.gain * (1.0 + WORTHWHILE) { next } else { best })
}

/// The best split along one setting. Of words, those with the lowest means go together, which is the best of all sets of them
/// (Breiman et al. 1984, section 9.4).
fn split(
    observations: &Observations,
    dimension: usize,
    holds: &[bool],
    points: &[usize],
    middle: f64,
) -> Option<Split> {
    let Dimension { ordered, first_is_absence, shares } = &observations.dimensions[dimension];
    let mut sums = vec![(0_usize, 0.0_f64); shares.len()];
    for point in points {
        let (count, sum) = &mut sums[observations.levels[*point][dimension]];
        *count += 1;
        *sum += observations.values[*point] - middle;
    }
    let mut seen: Vec<usize> = (0..sums.len()).filter(|level| sums[*level].0 > 0).collect();
    if !ordered {
        let mean = |level: usize| sums[level].1 / sums[level].0 as f64;
        seen.sort_by(|a, b| mean(*a).total_cmp(&mean(*b)));
    }
    let total: f64 = sums.iter().map(|(_, sum)| sum).sum();
    let (mut count, mut sum) = (0, 0.0);
    let mut best: Option<(usize, f64)> = None;
    for (place, level) in seen.iter().enumerate().take(seen.len().saturating_sub(1)) {
        count += sums[*level].0;
        sum += sums[*level].1;
        let others = points.len() - count;
        let gain =
            sum * sum / count as f64 + (total - sum).powi(2) / others as f64 - total * total / points.len() as f64;
        if count.min(others) >= SMALLEST_LEAF && best.is_none_or(|(_, known)| gain > known) {
            best = Some((place, gain));
        }
    }
    let (place, gain) = best?;
    let first = match ordered {
        // Halfway to the next level that was seen.
        true => {
            let (below, above) = (seen[place], seen[place + 1]);
            let last = if *first_is_absence && below == 0 { 0 } else { (below + above - 1) / 2 };
            (0..holds.len()).map(|level| level <= last).collect()
        }
        // Levels that were not seen go with the larger side.
        false => {
            let ours: usize = seen[..=place].iter().map(|level| sums[*level].0).sum();
            let unseen = 2 * ours > points.len();
            (0..holds.len()).map(|level| seen[..=place].contains(&level) || (sums[level].0 == 0 && unseen)).collect()
        }
    };
    Some(Split { dimension, first, gain })
}
