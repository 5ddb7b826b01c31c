//! Many trees, and the variance that settings explain in each of them.

use rand::RngExt;
use rayon::prelude::*;

use super::tree::{Leaf, Tree};
use super::{Dimension, Observations};
use crate::random::{Purpose, stream};

/// How many trees a forest has.
const TREES: usize = 64;

/// A number as the trees have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Mean over the trees.
    pub mean: f64,
    /// Standard deviation over the trees, each of which has seen other draws of the points.
    pub deviation: f64,
}

/// Regression trees, each grown on as many draws with replacement as there are points (Breiman 2001).
#[derive(Clone, Debug)]
pub struct Forest {
    dimensions: Vec<Dimension>,
    trees: Vec<Tree>,
    explained: f64,
}

impl Forest {
    /// Grown on the observations, of which there is one at least. The same have the same forest.
    pub fn new(observations: &Observations) -> Self {
        let points = observations.values.len();
        let grown: Vec<(Tree, Vec<bool>)> = (0..TREES)
            .into_par_iter()
            .map(|tree| {
                let mut rng = stream(0, Purpose::Bootstrap, tree as u64);
                let drawn: Vec<usize> = (0..points).map(|_| rng.random_range(0..points)).collect();
                let mut known = vec![false; points];
                drawn.iter().for_each(|point| known[*point] = true);
                (Tree::new(observations, drawn), known)
            })
            .collect();
        let explained = explained(observations, &grown);
        let trees = grown.into_iter().map(|(tree, _)| tree).collect();
        Self { dimensions: observations.dimensions.clone(), trees, explained }
    }

    /// The share of the variance of the values that the trees predict at points that they were not grown on, R²; below 0 where
    /// their mean would be the better prediction.
    pub fn explained(&self) -> f64 {
        self.explained
    }

    /// The share of the variance that each setting explains alone, shape `[dimensions]`.
    pub fn main_effects(&self) -> Vec<Share> {
        self.over_trees(|tree| (0..self.dimensions.len()).map(|it| self.main_effect(tree, it)).collect())
    }

    /// The share that pairs explain beyond what both explain alone: for every pair of settings, the earlier one first.
    pub fn pairs(&self) -> Vec<([usize; 2], Share)> {
        let count = self.dimensions.len();
        let pairs: Vec<[usize; 2]> = (0..count).flat_map(|b| (0..b).map(move |a| [a, b])).collect();
        let shares = self.over_trees(|tree| {
            let alone: Vec<f64> = (0..count).map(|it| self.main_effect(tree, it)).collect();
            let both = |[a, b]: &[usize; 2]| self.share(tree, &self.surface_of(tree, *a, *b), &self.weights(*a, *b));
            pairs.iter().map(|pair| (both(pair) - alone[pair[0]] - alone[pair[1]]).max(0.0)).collect()
        });
        pairs.into_iter().zip(shares).collect()
    }

    /// The mean over all other settings at each level of one, shape `[levels]`.
    pub fn marginal(&self, dimension: usize) -> Vec<Share> {
        self.over_trees(|tree| self.marginal_of(tree, dimension))
    }

    /// The mean over all other settings at each level of two, shape `[levels of a · levels of b]`, those of `b` fastest.
    pub fn surface(&self, a: usize, b: usize) -> Vec<f64> {
        self.over_trees(|tree| self.surface_of(tree, a, b)).into_iter().map(|it| it.mean).collect()
    }

    /// What trees say on the same numbers.
    fn over_trees(&self, numbers: impl Fn(&Tree) -> Vec<f64> + Sync + Send) -> Vec<Share> {
        let of_trees: Vec<Vec<f64>> = self.trees.par_iter().map(numbers).collect();
        let share = |i: usize| {
            let n = of_trees.len() as f64;
            let mean = of_trees.iter().map(|it| it[i]).sum::<f64>() / n;
            let squares: f64 = of_trees.iter().map(|it| (it[i] - mean).powi(2)).sum();
            Share { mean, deviation: (squares / (n - 1.0)).sqrt() }
        };
        (0..of_trees[0].len()).map(share).collect()
    }

    fn main_effect(&self, tree: &Tree, dimension: usize) -> f64 {
        self.share(tree, &self.marginal_of(tree, dimension), &self.dimensions[dimension].shares)
    }

    /// The variance of `means`, each of which has a share of the space, as a share of that of the whole tree.
    fn share(&self, tree: &Tree, means: &[f64], shares: &[f64]) -> f64 {
        let (all, sizes): (Vec<f64>, Vec<f64>) =
            tree.leaves.iter().map(|leaf| (leaf.value, leaf.shares.iter().product::<f64>())).unzip();
        let total = variance(&all, &sizes);
        if total > 0.0 { variance(means, shares) / total } else { 0.0 }
    }

    fn weights(&self, a: usize, b: usize) -> Vec<f64> {
        let [a, b] = [a, b].map(|it| &self.dimensions[it].shares);
        a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect()
    }

    fn marginal_of(&self, tree: &Tree, dimension: usize) -> Vec<f64> {
        let mut means = vec![0.0; self.dimensions[dimension].shares.len()];
        for leaf in &tree.leaves {
            let part = leaf.value * beside(leaf, &[dimension]);
            means
                .iter_mut()
                .zip(&leaf.holds[dimension])
                .filter(|(_, holds)| **holds)
                .for_each(|(mean, _)| *mean += part);
        }
        means
    }

    fn surface_of(&self, tree: &Tree, a: usize, b: usize) -> Vec<f64> {
        let columns = self.dimensions[b].shares.len();
        let mut means = vec![0.0; self.dimensions[a].shares.len() * columns];
        for leaf in &tree.leaves {
            let part = leaf.value * beside(leaf, &[a, b]);
            for (line, _) in means.chunks_exact_mut(columns).zip(&leaf.holds[a]).filter(|(_, holds)| **holds) {
                line.iter_mut().zip(&leaf.holds[b]).filter(|(_, holds)| **holds).for_each(|(mean, _)| *mean += part);
            }
        }
        means
    }
}

/// The share of the other settings' levels that a leaf holds.
fn beside(leaf: &Leaf, dimensions: &[usize]) -> f64 {
    leaf.shares.iter().enumerate().filter(|(i, _)| !dimensions.contains(i)).map(|(_, share)| share).product()
}

fn variance(values: &[f64], shares: &[f64]) -> f64 {
    let mean: f64 = values.iter().zip(shares).map(|(value, share)| value * share).sum();
    values.iter().zip(shares).map(|(value, share)| share * (value - mean).powi(2)).sum()
}

/// R² at points that trees were not grown on; each tree comes with which points it knows.
fn explained(observations: &Observations, grown: &[(Tree, Vec<bool>)]) -> f64 {
    let all = crate::statistics::mean(observations.values.iter().copied());
    let (mut left, mut squares) = (0.0, 0.0);
    for (point, (levels, value)) in observations.levels.iter().zip(&observations.values).enumerate() {
        let guesses: Vec<f64> =
            grown.iter().filter(|(_, known)| !known[point]).map(|(tree, _)| tree.value(levels)).collect();
        // Every tree may have drawn a point, where there are very few of them.
        if !guesses.is_empty() {
            left += (value - crate::statistics::mean(guesses.into_iter())).powi(2);
            squares += (value - all).powi(2);
        }
    }
    1.0 - left / squares
}
