//! The running average of the weights.

use std::ops::Range;

use rayon::prelude::*;

use super::CHUNK;
use crate::layers::{Parameters, Role};

/// An exponential moving average of all values of a flow, beside them: w̄ ← w̄ + (1 − d)(w − w̄) after update number t (from 0), with
/// d = min(decay, (1 + t)/(10 + t)), so that the start values are forgotten within the first few updates.
///
/// Statistics are averaged as weights are: they tell of activations that the weights of their time made, so that their average
/// goes with that of the weights. Flags are taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    decay: f64,
    values: Vec<f32>,
    flags: Vec<Range<usize>>,
}

impl Average {
    /// Starts at `parameters`; `decay` lies in [0, 1).
    pub fn new(decay: f64, parameters: &Parameters) -> Self {
        let flags = parameters.entries().iter().filter(|entry| entry.role == Role::Flag).map(|entry| entry.range());
        Self { decay, values: parameters.values().to_vec(), flags: flags.collect() }
    }

    /// The average of every value, laid out as the flow's.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, to be filled from a checkpoint or exchanged for the flow's.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// 1 − d after update number `step` (from 0): by how much of the way the average goes to the newest values.
    pub fn rest(&self, step: u64) -> f32 {
        let now = step as f64;
        (1.0 - self.decay.min((1.0 + now) / (10.0 + now))) as f32
    }

    /// Takes in the flow's `values` after update number `step` (from 0).
    pub fn update(&mut self, values: &[f32], step: u64) {
        let rest = self.rest(step);
        let towards = |(average, values): (&mut [f32], &[f32])| {
            average.iter_mut().zip(values).for_each(|(average, value)| *average += rest * (value - *average));
        };
        match values.len() > CHUNK {
            true => self.values.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(towards),
            false => towards((&mut self.values, values)),
        }
        self.take_flags(values);
    }

    /// Takes over the flags of the flow's `values`: what is left to do where a device has averaged flags like all other values.
    pub fn take_flags(&mut self, values: &[f32]) {
        self.flags.iter().cloned().for_each(|flag| self.values[flag.clone()].copy_from_slice(&values[flag]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Architecture;
    use crate::spec::{Model, Normalization};

    #[test]
    fn the_average_has_its_closed_form_and_takes_flags_over() {
        let model = Model { depth: 1, width: 3, normalization: Normalization::Act, ..Model::default() };
        let (_, mut parameters) = Architecture::new(&model, 2, 0);
        let flag = parameters.entries().iter().find(|entry| entry.role == Role::Flag).expect("one").offset;
        let start = parameters.values().to_vec();
        let mut average = Average::new(0.5, &parameters);
        // Values of step t: the start plus t + 1. By hand, the decays are 1/10, 2/11, … up to 8/17, then 1/2.
        let mut expected = 0.0;
        for step in 0..20u32 {
            let moved = f64::from(step) + 1.0;
            let decay = if step < 8 { f64::from(1 + step) / f64::from(10 + step) } else { 0.5 };
            expected = decay * expected + (1.0 - decay) * moved;
            parameters.values_mut().iter_mut().zip(&start).for_each(|(value, start)| *value = start + moved as f32);
            average.update(parameters.values(), step.into());
        }
        for (at, (average, start)) in average.values().iter().zip(&start).enumerate() {
            let expected = if at == flag { 20.0 } else { expected };
            assert!((f64::from(average - start) - expected).abs() < 1e-5, "{at}: {average} {start} {expected}");
        }
    }

    #[test]
    fn a_long_vector_is_averaged_as_a_short_one_is() {
        let model = Model { depth: 2, width: 128, ..Model::default() };
        let (_, parameters) = Architecture::new(&model, 2, 0);
        assert!(parameters.values().len() > 2 * CHUNK);
        let mut average = Average::new(0.9, &parameters);
        let moved: Vec<f32> = parameters.values().iter().map(|value| 2.0 * value + 1.0).collect();
        average.update(&moved, 3);
        let rest = (1.0 - 4.0 / 13.0) as f32;
        let expected = parameters.values().iter().zip(&moved).map(|(start, moved)| start + rest * (moved - start));
        assert!(average.values().iter().copied().eq(expected));
    }
}
