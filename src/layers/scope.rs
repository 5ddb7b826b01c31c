//! Parameters by scoped names: a walk over the layers asks for them one by one and is told where they stand.

use std::collections::HashSet;
use std::fmt::Display;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Uniform};

use super::parameters::{Entry, Parameters, Role};
use crate::random::{Purpose, stream};

/// Where one affine map h → h·W + b stands in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Length of h.
    pub inputs: usize,
    /// Length of what comes out.
    pub outputs: usize,
    /// Offset of W, shape `[inputs, outputs]`.
    pub weight: usize,
    /// Offset of b, shape `[outputs]`: right behind W, so that b is one more row of it.
    pub bias: usize,
}

/// Where one 3×3 convolution stands in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Channels or maps that it reads.
    pub inputs: usize,
    /// Maps that it gives.
    pub outputs: usize,
    /// Offset of the weights, shape `[3, 3, inputs, outputs]`: from top to bottom, then from left to right. With a magnitude, of what
    /// they are before they are normalised.
    pub weight: usize,
    /// Offset of the bias, shape `[outputs]`, right behind the weights.
    pub bias: usize,
    /// With weight normalisation (Salimans & Kingma 2016), offset of the length of every output's weights, shape `[outputs]`, right
    /// behind the bias.
    pub magnitude: Option<usize>,
}

/// The values that an affine map starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// All zero.
    Zero,
    /// Uniform on ±1/√inputs (the default of PyTorch's `Linear`), from the seed and the number of the map among those that
    /// start so.
    Uniform,
}

/// What `walk` gives, and the number of trainable values that it asks for; none are made. Offsets of statistics are not yet
/// known.
pub fn count<T>(walk: impl FnOnce(&mut Scope<'_>) -> T) -> (T, usize) {
    let mut counter = Builder { ends: [0, 0], maps: 0, laid: None };
    (walk(&mut counter.root()), counter.ends[0])
}

/// Lays out what `walk` asks for, in its order but trainable values first; they have their start values by `seed`. `walk` is
/// called twice and must ask for the same both times: only when everything trainable is counted is it known where statistics
/// stand.
pub fn lay_out<T>(seed: u64, walk: impl Fn(&mut Scope<'_>) -> T) -> (T, Parameters) {
    let mut counter = Builder { ends: [0, 0], maps: 0, laid: None };
    walk(&mut counter.root());
    let [trainable, statistics] = counter.ends;
    let values = [Vec::with_capacity(trainable + statistics), Vec::with_capacity(statistics)];
    let laid = Laid { seed, values, ..Laid::default() };
    let mut builder = Builder { ends: [0, trainable], maps: 0, laid: Some(laid) };
    let layers = walk(&mut builder.root());
    assert_eq!(builder.ends, [trainable, trainable + statistics], "both walks ask for the same");
    let Laid { entries: [mut entries, more_entries], values: [mut values, more_values], .. } =
        builder.laid.unwrap_or_default();
    entries.extend(more_entries);
    values.extend(more_values);
    (layers, Parameters::new(entries, values, trainable))
}

struct Builder {
    /// Where the next trainable value and the next statistic stand.
    ends: [usize; 2],
    /// Maps so far whose values are drawn.
    maps: u64,
    /// What has been laid out; `None`: values are only counted.
    laid: Option<Laid>,
}

/// What is trainable, and statistics.
#[derive(Default)]
struct Laid {
    seed: u64,
    entries: [Vec<Entry>; 2],
    values: [Vec<f32>; 2],
    names: HashSet<String>,
}

impl Builder {
    fn root(&mut self) -> Scope<'_> {
        Scope { builder: self, path: String::new() }
    }
}

/// A place among the names of parameters, e.g. `layers.3.s`, below which values are asked for.
pub struct Scope<'a> {
    builder: &'a mut Builder,
    /// With a dot at its end, unless empty.
    path: String,
}

impl Scope<'_> {
    /// The scope called `name` below this one.
    pub fn child(&mut self, name: impl Display) -> Scope<'_> {
        let path = format!("{}{name}.", self.path);
        Scope { builder: self.builder, path }
    }

    /// The offset of `name`, of so many values that start as `start`.
    pub fn vector(&mut self, name: &str, length: usize, role: Role, start: f32) -> usize {
        self.piece(name, &[length], role, |values| values.fill(start))
    }

    /// The offset of the matrix `name` of this shape, which starts at zero.
    pub fn matrix(&mut self, name: &str, shape: [usize; 2]) -> usize {
        self.piece(name, &shape, Role::Trainable, |values| values.fill(0.0))
    }

    /// An affine map, `weight` and `bias`. One without inputs is its bias alone.
    pub fn linear(&mut self, inputs: usize, outputs: usize, start: Start) -> Linear {
        let mut draw = self.values_of_map(inputs, start);
        let trainable = Role::Trainable;
        let here = self.builder.ends[0];
        let weight = if inputs > 0 { self.piece("weight", &[inputs, outputs], trainable, &mut draw) } else { here };
        let bias = self.piece("bias", &[outputs], trainable, &mut draw);
        Linear { inputs, outputs, weight, bias }
    }

    /// A 3×3 convolution, `weight` and `bias`, which starts as an affine map of its nine neighbours.
    pub fn convolution(&mut self, inputs: usize, outputs: usize, start: Start) -> Convolution {
        let mut draw = self.values_of_map(9 * inputs, start);
        let weight = self.piece("weight", &[3, 3, inputs, outputs], Role::Trainable, &mut draw);
        let bias = self.piece("bias", &[outputs], Role::Trainable, &mut draw);
        Convolution { inputs, outputs, weight, bias, magnitude: None }
    }

    /// The same with weight normalisation: `weight`, whose length does not count, `bias`, and `magnitude`. It starts as
    /// [`convolution`](Self::convolution) does; at [`Start::Zero`] by its magnitudes.
    pub fn normalised_convolution(&mut self, inputs: usize, outputs: usize, start: Start) -> Convolution {
        let Convolution { weight, bias, .. } = self.convolution(inputs, outputs, Start::Uniform);
        let mut lengths = vec![0.0; outputs];
        if let Some(laid) = &mut self.builder.laid {
            let weights = &laid.values[0][weight..bias];
            let square =
                |output: usize| weights.iter().skip(output).step_by(outputs).map(|&w| f64::from(w).powi(2)).sum();
            if start == Start::Uniform {
                lengths = (0..outputs).map(square).map(|square: f64| square.sqrt() as f32).collect();
            } else {
                laid.values[0][bias..].fill(0.0);
            }
        }
        let magnitude = self.piece("magnitude", &[outputs], Role::Trainable, |values| values.copy_from_slice(&lengths));
        Convolution { inputs, outputs, weight, bias, magnitude: Some(magnitude) }
    }

    /// Fills values of the next map.
    fn values_of_map(&mut self, inputs: usize, start: Start) -> impl FnMut(&mut [f32]) + use<> {
        let mut source: Option<(Uniform<f32>, ChaCha8Rng)> = match (start, &self.builder.laid) {
            (Start::Uniform, Some(laid)) => {
                let bound = 1.0 / (inputs.max(1) as f32).sqrt();
                let uniform = Uniform::new(-bound, bound).expect("a bound is positive and finite");
                Some((uniform, stream(laid.seed, Purpose::Weights, self.builder.maps)))
            }
            _ => None,
        };
        self.builder.maps += u64::from(start == Start::Uniform);
        move |values| match &mut source {
            Some((uniform, rng)) => values.iter_mut().for_each(|v| *v = uniform.sample(rng)),
            None => values.fill(0.0),
        }
    }

    /// The offset of `name`, of these many values; `fill` gives them their start values.
    fn piece(&mut self, name: &str, shape: &[usize], role: Role, fill: impl FnOnce(&mut [f32])) -> usize {
        let part = match role {
            Role::Trainable => 0,
            Role::Statistic | Role::Flag => 1,
        };
        let offset = self.builder.ends[part];
        let length = shape.iter().copied().fold(1, usize::saturating_mul);
        self.builder.ends[part] = offset.saturating_add(length);
        if let Some(laid) = &mut self.builder.laid {
            let name = format!("{}{name}", self.path);
            assert!(laid.names.insert(name.clone()), "two parameters are called `{name}`");
            laid.entries[part].push(Entry { name, shape: shape.to_vec(), offset, role });
            let values = &mut laid.values[part];
            let start = values.len();
            values.resize(start + length, 0.0);
            fill(&mut values[start..]);
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(scope: &mut Scope<'_>) -> ([usize; 3], Linear) {
        let mean = scope.vector("mean", 3, Role::Statistic, 1.0);
        let map = scope.child("net").child(0).linear(4, 3, Start::Uniform);
        let a = scope.vector("a", 6, Role::Trainable, 0.5);
        let b = scope.child("b").vector("c", 4, Role::Trainable, 0.0);
        ([mean, a, b], map)
    }

    #[test]
    fn trainable_values_come_first_and_offsets_are_those_of_the_names() {
        let (([mean, a, b], map), parameters) = lay_out(5, walk);
        let ranges: Vec<_> = parameters.entries().iter().map(|e| (e.name.as_str(), e.range())).collect();
        assert_eq!(
            ranges,
            [("net.0.weight", 0..12), ("net.0.bias", 12..15), ("a", 15..21), ("b.c", 21..25), ("mean", 25..28)]
        );
        assert_eq!([map.weight, map.bias, a, b, mean], [0, 12, 15, 21, 25]);
        assert_eq!((parameters.count(), count(walk).1), (25, 25));
        let values = parameters.values();
        assert!(values[..15].iter().all(|v| *v != 0.0 && v.abs() <= 0.5));
        assert_eq!(values[15..], [[0.5; 6].as_slice(), &[0.0; 4], &[1.0; 3]].concat());
        assert_ne!(lay_out(6, walk).1.values()[..15], values[..15]);
    }

    #[test]
    #[should_panic(expected = "two parameters are called `a`")]
    fn a_name_is_given_once() {
        lay_out(0, |scope| [0, 1].map(|_| scope.vector("a", 1, Role::Trainable, 0.0)));
    }
}
