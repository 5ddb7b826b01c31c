//! A tree-structured Parzen estimator over all axes at once.
//!
//! Trials are divided into the good and the others; a proposal is the draw from the density l of the good that maximises l/g,
//! where g is the density of the others (Bergstra et al. 2011, section 4). Both are mixtures of one kernel a trial, a product over
//! the axes (Falkner et al. 2018), and one of the prior, as wide as the space (Watanabe 2023). All densities are relative to even draws
//! from the unit cube, and all functions here those of `libm`, so that a proposal has the same bits on machines of one platform; on
//! another one the last bits may differ, where a logarithmic axis is laid out with its own `exp` and `ln`. What was proposed and
//! told is in `plan.json`.

use std::collections::BTreeSet;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

use rand::Rng;

use crate::spec::Axis;

/// The share of the trials that is good, and the most of them.
const GOOD: (f64, usize) = (0.1, 25);
/// Draws from the density of the good trials, of which the best is proposed.
const CANDIDATES: usize = 24;
/// How often so many are drawn where all of them were proposed before.
const TRIES: usize = 16;
/// Deviation of the narrowest kernels. Ten times as narrow, searches of a hundred trials stay where they first were lucky
/// (`benches/search.rs`).
const NARROWEST: f64 = 0.1;
/// The latest trials of each density, all of which weigh 1; earlier ones the less, the older they are.
const RECENT: usize = 25;

/// A trial that is known: its place in the unit cube, and its score, the smaller the better; `None` where it has none, which is
/// worst.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub place: Vec<f64>,
    pub score: Option<f64>,
}

/// The place in the unit cube that is tried after the `ended` trials, in their order, while those at `pending` still run: the lie
/// about them is that they are not good. `None` where `is_new` takes no draw of `rng`.
pub(super) fn propose(
    axes: &[Axis],
    ended: &[Known],
    pending: &[Vec<f64>],
    rng: &mut impl Rng,
    is_new: impl Fn(&[f64]) -> bool,
) -> Option<Vec<f64>> {
    let axes: Vec<Direction> = axes.iter().map(Direction::of).collect();
    let (good, mut others) = divide(ended);
    others.extend(pending.iter().map(Vec::as_slice));
    let (good, others) = (Parzen::new(&axes, &good), Parzen::new(&axes, &others));
    for _ in 0..TRIES {
        let draws: Vec<_> = (0..CANDIDATES).map(|_| good.draw(rng)).filter(|place| is_new(place)).collect();
        let gain = |place: &[f64]| good.density(place) / others.density(place);
        let rated = draws.into_iter().map(|place| (gain(&place), place));
        // Of equal ones the first.
        if let Some((_, best)) = rated.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
            return Some(best);
        }
    }
    let even = std::iter::repeat_with(|| axes.iter().map(|axis| axis.settled(uniform(rng))).collect::<Vec<_>>());
    even.take(CANDIDATES * TRIES).find(|place| is_new(place))
}

/// The places of the good trials and of the others, each in the order of the trials.
fn divide(ended: &[Known]) -> (Vec<&[f64]>, Vec<&[f64]>) {
    let score = |trial: &usize| ended[*trial].score.filter(|score| !score.is_nan()).unwrap_or(f64::INFINITY);
    let mut ranked: Vec<usize> = (0..ended.len()).collect();
    // Stable: of equal ones the earlier is the better.
    ranked.sort_by(|a, b| score(a).total_cmp(&score(b)));
    let count = ((GOOD.0 * ended.len() as f64).ceil() as usize).min(GOOD.1);
    // One that has no score is never good, however few there are.
    let good: BTreeSet<usize> = ranked.into_iter().take(count).filter(|trial| score(trial) < f64::INFINITY).collect();
    let (inside, outside): (Vec<_>, Vec<_>) = (0..ended.len()).partition(|trial| good.contains(trial));
    let places = |trials: Vec<usize>| trials.into_iter().map(|trial| ended[trial].place.as_slice()).collect();
    (places(inside), places(outside))
}

/// The middle of the cell of every coordinate that has one.
pub(super) fn settled(axes: &[Axis], place: Vec<f64>) -> Vec<f64> {
    axes.iter().zip(place).map(|(axis, u)| Direction::of(axis).settled(u)).collect()
}

/// An axis, and how its values stand to each other.
struct Direction<'a> {
    axis: &'a Axis,
    /// So many values, of which none is between two others; `None`: numbers.
    categories: Option<usize>,
}

impl<'a> Direction<'a> {
    fn of(axis: &'a Axis) -> Self {
        Self { axis, categories: axis.categories() }
    }

    /// The middle of the interval that gives the same value as `u`, where it is one.
    fn settled(&self, u: f64) -> f64 {
        self.axis.cell(u).map_or(u, |(low, high)| (low + high) / 2.0)
    }
}

/// A mixture of one kernel a trial and one of the prior.
struct Parzen<'a> {
    axes: &'a [Direction<'a>],
    /// The trials' kernels and, at last, the prior's.
    kernels: Vec<Kernel<'a>>,
    /// What a category's kernel has of every category, beside 1 of its own.
    spread: f64,
}

/// A component of the mixture, a product over the axes: normal within the unit interval, or a choice among categories.
struct Kernel<'a> {
    /// Its share of the mixture.
    weight: f64,
    /// Where it is centred; `None`: the prior.
    centre: Option<&'a [f64]>,
    /// Deviation along each axis, where it is ordered.
    widths: Vec<f64>,
    /// The part of the normal that lies within the unit interval, for each axis.
    inside: Vec<f64>,
}

impl<'a> Parzen<'a> {
    /// Of trials in their order.
    fn new(axes: &'a [Direction<'a>], trials: &[&'a [f64]]) -> Self {
        let n = trials.len() as f64;
        let along: Vec<Vec<f64>> = (0..axes.len()).map(|axis| widths(trials, axis)).collect();
        let old = trials.len().saturating_sub(RECENT);
        let weight = |number: usize| if number < old { (1.0 + number as f64) / (1.0 + old as f64) } else { 1.0 };
        let total: f64 = 1.0 + (0..trials.len()).map(weight).sum::<f64>();
        let kernel = |weight: f64, centre: Option<&'a [f64]>, widths: Vec<f64>| {
            let at = |axis: usize| centre.map_or(0.5, |centre| centre[axis]);
            let part = |(axis, width): (usize, &f64)| below((1.0 - at(axis)) / width) - below(-at(axis) / width);
            let inside = widths.iter().enumerate().map(part).collect();
            Kernel { weight: weight / total, centre, widths, inside }
        };
        let of_trial = |(number, place): (usize, &&'a [f64])| {
            kernel(weight(number), Some(place), along.iter().map(|widths| widths[number]).collect())
        };
        let of_trials = trials.iter().enumerate().map(of_trial);
        let kernels = of_trials.chain([kernel(1.0, None, vec![1.0; axes.len()])]).collect();
        Self { axes, kernels, spread: 1.0 / (n + 1.0) }
    }

    /// Relative to even draws.
    fn density(&self, place: &[f64]) -> f64 {
        let cells: Vec<_> = self.axes.iter().zip(place).map(|(it, u)| it.axis.cell(*u)).collect();
        self.kernels.iter().map(|kernel| kernel.weight * self.of_kernel(kernel, place, &cells)).sum()
    }

    fn of_kernel(&self, kernel: &Kernel, place: &[f64], cells: &[Option<(f64, f64)>]) -> f64 {
        let (mut factor, mut exponent) = (1.0, 0.0);
        for (i, axis) in self.axes.iter().enumerate() {
            let centre = kernel.centre.map(|centre| centre[i]);
            match (axis.categories, cells[i]) {
                (Some(count), _) => {
                    factor *= self.chance(count, centre, category(place[i], count)) * count as f64;
                }
                (None, Some((low, high))) => {
                    let [low_z, high_z] = [low, high].map(|u| (u - centre.unwrap_or(0.5)) / kernel.widths[i]);
                    factor *= (below(high_z) - below(low_z)) / (high - low) / kernel.inside[i];
                }
                (None, None) => {
                    let z = (place[i] - centre.unwrap_or(0.5)) / kernel.widths[i];
                    exponent -= z * z / 2.0;
                    factor /= kernel.widths[i] * (2.0 * PI).sqrt() * kernel.inside[i];
                }
            }
        }
        factor * libm::exp(exponent)
    }

    /// The probability of a category among `count` in the kernel that is centred at `centre`.
    fn chance(&self, count: usize, centre: Option<f64>, wanted: usize) -> f64 {
        match centre {
            None => 1.0 / count as f64,
            Some(centre) => {
                let own = if category(centre, count) == wanted { 1.0 } else { 0.0 };
                (self.spread + own) / (self.spread * count as f64 + 1.0)
            }
        }
    }

    fn draw(&self, rng: &mut impl Rng) -> Vec<f64> {
        let mut left = uniform(rng);
        let mut kernels = self.kernels.iter().filter(|kernel| {
            left -= kernel.weight;
            left < 0.0
        });
        // Rounding may leave a little beyond the last.
        let kernel = kernels.next().unwrap_or(&self.kernels[self.kernels.len() - 1]);
        let along = |(i, axis): (usize, &Direction)| {
            let centre = kernel.centre.map(|centre| centre[i]);
            let u = match axis.categories {
                Some(count) => {
                    let mut left = uniform(rng);
                    let mut categories = (0..count).filter(|wanted| {
                        left -= self.chance(count, centre, *wanted);
                        left < 0.0
                    });
                    (categories.next().unwrap_or(count - 1) as f64 + 0.5) / count as f64
                }
                None => inside(centre.unwrap_or(0.5), kernel.widths[i], rng),
            };
            axis.settled(u)
        };
        self.axes.iter().enumerate().map(along).collect()
    }
}

/// The deviation of each trial's kernel along an axis: the larger distance to its neighbours on both sides (Bergstra et al.
/// 2011, section 4), an end of the axis being none where there is another; never narrower than few trials need to fill the axis.
fn widths(trials: &[&[f64]], axis: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by(|a, b| trials[*a][axis].total_cmp(&trials[*b][axis]));
    let narrowest = NARROWEST.max(1.0 / (trials.len() as f64 + 2.0));
    let mut widths = vec![1.0; trials.len()];
    for (rank, trial) in order.iter().enumerate() {
        let here = trials[*trial][axis];
        let left = rank.checked_sub(1).map(|rank| here - trials[order[rank]][axis]);
        let right = order.get(rank + 1).map(|next| trials[*next][axis] - here);
        let alone = || here.max(1.0 - here);
        let distance = left.into_iter().chain(right).reduce(f64::max).unwrap_or_else(alone);
        widths[*trial] = distance.clamp(narrowest, 1.0);
    }
    widths
}

fn category(u: f64, count: usize) -> usize {
    (u * count as f64) as usize
}

/// Uniform on [0, 1): the upper 53 bits fill the mantissa.
fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A normal draw that lies in [0, 1), as its centre does: at least a third of all draws do.
fn inside(centre: f64, width: f64, rng: &mut impl Rng) -> f64 {
    loop {
        // Box and Muller; 1 − u is above 0.
        let (radius, angle) = ((-2.0 * libm::log(1.0 - uniform(rng))).sqrt(), 2.0 * PI * uniform(rng));
        let draw = centre + width * radius * libm::cos(angle);
        if (0.0..1.0).contains(&draw) {
            return draw;
        }
    }
}

/// The standard normal's probability below `z`.
fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

#[cfg(test)]
#[path = "tpe_tests.rs"]
mod tests;
