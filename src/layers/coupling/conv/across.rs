//! Convolutional networks with batch normalisation on the CPU: each normalisation needs sums over all rows of the batch, so the
//! groups of rows go from one to the next together.
//!
//! With B blocks there are 2B + 1 normalisations, number n before relu n. Of each, the cache holds what it reads and what relu gives.

use super::Conv;
use crate::compute::convolution::{Maps, Then};
use crate::compute::{Buffer, pieces_mut};
use crate::layers::cpu::{Context, Totals};
use crate::layers::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm};
use crate::spec::Activation;

/// Mean and variance of every map.
type Moments = [Vec<f64>; 2];

impl Conv {
    fn all_maps(&self) -> Maps {
        Maps { grid: self.grid(), count: self.maps() }
    }

    /// What normalisation `number` found of the batch.
    fn moments(&self, totals: &Totals, number: usize) -> Moments {
        let values = totals.rows * self.grid().pixels() as f64;
        let (sums, squares) = totals.rounds[number].split_at(self.maps());
        let mean: Vec<f64> = sums.iter().map(|sum| sum / values).collect();
        let variance = squares.iter().zip(&mean).map(|(square, mean)| (square / values - mean * mean).max(0.0));
        let variance = variance.collect();
        [mean, variance]
    }

    /// What normalisation `number` reads.
    fn before<'a>(
        &self,
        number: usize,
        input: &[f32],
        context: &Context<'_>,
        cache: &'a mut [f32],
        product: &mut Buffer,
    ) -> &'a [f32] {
        let one = self.hidden() * context.panels.padded();
        let (done, rest) = cache.split_at_mut(2 * number * one);
        let to = &mut rest[..one];
        match number.checked_sub(1) {
            None => self.read(context, input, to),
            Some(last) => {
                let active = &done[(2 * last + 1) * one..][..one];
                let [first, second] = &self.blocks[last / 2];
                match last % 2 {
                    0 => self.convolve(context, first, (active, false), to, Then::Nothing, product),
                    _ => {
                        let h = &done[2 * (last - 1) * one..][..one];
                        self.convolve(context, second, (active, false), to, Then::Plus(h), product);
                    }
                }
            }
        }
        to
    }

    /// Normalises by these moments, and what relu and dropout make of it.
    fn activate(&self, number: usize, [mean, variance]: &Moments, context: &Context<'_>, cache: &mut [f32]) {
        let &Context { level, values, panels, .. } = context;
        let one = self.hidden() * panels.padded();
        let [before, active] = pieces_mut(&mut cache[2 * number * one..], [one; 2]);
        let (mut scale, mut shift) = (Vec::new(), Vec::new());
        for (map, (mean, variance)) in mean.iter().zip(variance).enumerate() {
            let [gain, beta] = self.norms[number].line(values, map);
            scale.push((gain / (variance + BATCH_NORM_EPSILON).sqrt()) as f32);
            shift.push((beta - mean * gain / (variance + BATCH_NORM_EPSILON).sqrt()) as f32);
        }
        self.all_maps().activate(level, panels, [&scale, &shift], before, active);
        if number % 2 == 1 {
            self.drop(context, &self.blocks[number / 2][0], active);
        }
    }

    /// What relu `number` gave.
    fn active<'a>(&self, number: usize, context: &Context<'_>, cache: &'a [f32]) -> &'a [f32] {
        let one = self.hidden() * context.panels.padded();
        &cache[(2 * number + 1) * one..][..one]
    }

    /// The way forward in evaluation, by running statistics.
    pub(super) fn evaluate(
        &self,
        context: &Context<'_>,
        input: &[f32],
        cache: &mut [f32],
        out: &mut [f32],
        product: &mut Buffer,
    ) {
        for (number, norm) in self.norms.iter().enumerate() {
            self.before(number, input, context, cache, product);
            let running = |at: usize| context.values[at..][..self.maps()].iter().map(|&v| v.into()).collect();
            self.activate(number, &[running(norm.running_mean), running(norm.running_variance)], context, cache);
        }
        self.say(context, self.active(self.norms.len() - 1, context, cache), out);
    }

    /// The way forward from one round of sums to the next, which it returns, or to what the network says.
    pub(in crate::layers::coupling) fn forward_across(
        &self,
        context: &Context<'_>,
        totals: &Totals,
        input: &[f32],
        cache: &mut [f32],
        out: &mut [f32],
        product: &mut Buffer,
    ) -> Vec<f64> {
        let number = totals.rounds.len();
        if let Some(last) = number.checked_sub(1) {
            self.activate(last, &self.moments(totals, last), context, cache);
        }
        if number < self.norms.len() {
            let before = self.before(number, input, context, cache, product);
            return self.all_maps().moments(context.level, context.panels, before);
        }
        self.say(context, self.active(number - 1, context, cache), out);
        Vec::new()
    }

    /// Moves running statistics towards those of the batch.
    pub(in crate::layers::coupling) fn keep(&self, totals: &Totals, values: &mut [f32]) {
        for (number, norm) in self.norms.iter().enumerate() {
            let [mean, variance] = self.moments(totals, number);
            for (place, now) in [(norm.running_mean, mean), (norm.running_variance, variance)] {
                for (running, now) in values[place..].iter_mut().zip(now) {
                    *running = ((1.0 - BATCH_NORM_MOMENTUM) * f64::from(*running) + BATCH_NORM_MOMENTUM * now) as f32;
                }
            }
        }
    }

    /// The way back, from the last normalisation to the first. Before the first round it needs `d_out`; behind the last, the gradient
    /// of what is read is in `d_input`.
    pub(in crate::layers::coupling) fn backward_across(
        &self,
        context: &Context<'_>,
        totals: &Totals,
        [input, cache]: [&[f32]; 2],
        [d_out, scratch]: [&mut [f32]; 2],
        [gradient, d_input]: [&mut [f32]; 2],
        product: &mut Buffer,
    ) -> Vec<f64> {
        let (&Context { level, panels, .. }, norms) = (context, self.norms.len());
        let one = self.hidden() * panels.padded();
        // Of h so far; within a block; and of what the next normalisation of h gives.
        let [d, d_inner, d_next] = pieces_mut(scratch, [one; 3]);
        let before = |number: usize| &cache[2 * number * one..][..one];
        let sums = |number: usize, d: &[f32]| self.all_maps().products(level, panels, before(number), d);
        // Rounds of the way back so far.
        let Some(number) = norms.checked_sub(totals.rounds.len() - norms).filter(|&number| number < norms) else {
            self.say_back(context, self.active(norms - 1, context, cache), d_out, gradient, d);
            return sums(norms - 1, d);
        };
        let lines = self.lines_back(totals, number, context.values);
        let lines = lines.each_ref().map(|line| &line[..]);
        match (number % 2, number + 1 == norms) {
            (0, true) => self.all_maps().combine(level, panels, lines, before(number), d, None),
            (0, false) => self.all_maps().combine(level, panels, lines, before(number), d_next, Some(d)),
            _ => self.all_maps().combine(level, panels, lines, before(number), d_inner, None),
        }
        let Some(last) = number.checked_sub(1) else {
            self.read_back(context, input, d, gradient, d_input, product);
            return Vec::new();
        };
        let active = self.active(last, context, cache);
        let [first, second] = &self.blocks[last / 2];
        if last % 2 == 0 {
            let to = (&mut *d_next, Then::WherePositive(active));
            self.convolve_back(context, first, (active, false), (d_inner, gradient), to, product);
            return sums(last, d_next);
        }
        let to = (&mut *d_inner, Then::WherePositive(active));
        self.convolve_back(context, second, (active, false), (d, gradient), to, product);
        self.dropout.backward(Activation::Relu, active, d_inner);
        sums(last, d_inner)
    }

    /// Σ d and Σ d·normalised of the way back through normalisation `number`.
    fn slopes(&self, totals: &Totals, number: usize) -> [Vec<f64>; 2] {
        let [mean, variance] = self.moments(totals, number);
        let (sums, products) = totals.rounds[2 * self.norms.len() - 1 - number].split_at(self.maps());
        let normalised = (0..self.maps())
            .map(|map| (products[map] - mean[map] * sums[map]) / (variance[map] + BATCH_NORM_EPSILON).sqrt());
        [sums.to_vec(), normalised.collect()]
    }

    /// The gradient of what normalisation `number` reads is a·d + b·x + c: a, b and c of every map.
    fn lines_back(&self, totals: &Totals, number: usize, values: &[f32]) -> [Vec<f32>; 3] {
        let ([mean, variance], [sums, products]) = (self.moments(totals, number), self.slopes(totals, number));
        let all = totals.rows * self.grid().pixels() as f64;
        let mut lines = [Vec::new(), Vec::new(), Vec::new()];
        for map in 0..self.maps() {
            let [gain, _] = self.norms[number].line(values, map);
            let inverse = 1.0 / (variance[map] + BATCH_NORM_EPSILON).sqrt();
            let a = gain * inverse;
            let b = -a * inverse * products[map] / all;
            let c = -a * sums[map] / all - b * mean[map];
            [a, b, c].into_iter().zip(&mut lines).for_each(|(value, line)| line.push(value as f32));
        }
        lines
    }

    /// Writes the gradient of gains and shifts to that of the first group of rows, and zeros to those of the others.
    pub(in crate::layers::coupling) fn gradients_across(
        &self,
        values: &[f32],
        totals: &Totals,
        groups: &mut dyn Iterator<Item = &mut [f32]>,
    ) {
        for (group, gradient) in groups.enumerate() {
            for (number, norm) in self.norms.iter().enumerate() {
                let [sums, products] = self.slopes(totals, number);
                for map in 0..self.maps() {
                    let [gain, _] = norm.line(values, map);
                    let of = if group == 0 { [gain * products[map], sums[map]] } else { [0.0; 2] };
                    [gradient[norm.log_gamma + map], gradient[norm.beta + map]] = of.map(|value| value as f32);
                }
            }
        }
    }
}

impl BatchNorm {
    /// γ and β of channel `c`.
    fn line(&self, values: &[f32], c: usize) -> [f64; 2] {
        [f64::from(values[self.log_gamma + c]).exp(), values[self.beta + c].into()]
    }
}
