//! Dropout (Srivastava et al. 2014), whose noise is a pure function of the step, the place and the row.

use dfdx::prelude::*;

use crate::compute::simd::{Simd, dispatch};
use crate::layers::composed::{Float, Rows};
use crate::layers::cpu::{Context, Noise};
use crate::spec::Activation;

/// In training a hidden value becomes 0 with probability `rate`, and is divided by 1 − rate otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// From 0 (never) to less than 1.
    pub rate: f32,
}

// Specs have finite rates.
impl Eq for Dropout {}

/// What decides over the values of one hidden layer in one step.
#[derive(Clone, Copy)]
pub(crate) struct Chance {
    keys: [u32; 2],
    /// Draws from here on keep a value.
    threshold: u32,
    /// What a kept value is multiplied by.
    scale: f32,
}

impl Chance {
    /// The factor of a unit of a row, counted in the batch.
    #[inline(always)]
    fn factor(self, unit: u32, row: u32) -> f32 {
        // Odd constants spread units and rows over all bits; the rounds are those of MurmurHash3's finaliser.
        let start = row.wrapping_mul(0x9e37_79b1) ^ unit.wrapping_mul(0x85eb_ca77).wrapping_add(self.keys[0]);
        let draw = mixed(mixed(start) ^ self.keys[1]);
        if draw >= self.threshold { self.scale } else { 0.0 }
    }
}

#[inline(always)]
fn mixed(mut h: u32) -> u32 {
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[inline(always)]
fn drop_generic<S: Simd>(chance: Chance, unit: u32, first: u32, values: &mut [f32]) {
    values.iter_mut().zip(0..).for_each(|(value, row)| *value *= chance.factor(unit, first + row));
}
dispatch!(drop_row => drop_generic(chance: Chance, unit: u32, first: u32, values: &mut [f32]));

impl Dropout {
    /// Whether it does anything.
    pub fn is_on(self) -> bool {
        self.rate > 0.0
    }

    fn scale(self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// What kernels for GPUs know it by: what kept values are multiplied by, or 0 where none is dropped.
    pub(super) fn scale_on_cuda(self) -> f32 {
        if self.is_on() { self.scale() } else { 0.0 }
    }

    /// Draws from here on keep a value.
    pub(super) fn threshold(self) -> u32 {
        (f64::from(self.rate) * 4_294_967_296.0) as u32
    }

    /// For the hidden layer at `place`, an offset that no other one has.
    fn chance(self, step: u64, place: usize) -> Chance {
        // SplitMix64, which makes of neighbouring numbers unrelated ones.
        let mut key = step.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        key ^= key >> 31;
        Chance { keys: [key as u32, (key >> 32) as u32], threshold: self.threshold(), scale: self.scale() }
    }

    /// Drops some of `units` hidden values a row, in panels, in training. They stand in groups of so many, each with room for
    /// `pitch` values.
    pub(super) fn forward(
        self,
        context: &Context<'_>,
        place: usize,
        units: usize,
        [group, pitch]: [usize; 2],
        values: &mut [f32],
    ) {
        let Some(Noise { step, first }) = context.noise.filter(|_| self.is_on()) else { return };
        let chance = self.chance(step, place);
        for panel in context.panels.iter() {
            for unit in 0..units {
                let row = panel.row_of(units / group * pitch, unit / group * pitch + unit % group, values);
                drop_row(context.level, chance, unit as u32, (first + panel.first) as u32, row);
            }
        }
    }

    /// From the gradient of activated and dropped values, `h`, to that before; of relu it has been set to 0 already where h is.
    pub(super) fn backward(self, activation: Activation, h: &[f32], d: &mut [f32]) {
        let scale = if self.is_on() { self.scale() } else { 1.0 };
        match activation {
            Activation::Relu if !self.is_on() => {}
            Activation::Relu => d.iter_mut().for_each(|d| *d *= scale),
            Activation::Tanh if !self.is_on() => d.iter_mut().zip(h).for_each(|(d, h)| *d *= 1.0 - h * h),
            Activation::Tanh => {
                let slope = |h: f32| if h == 0.0 { 0.0 } else { scale - h * h / scale };
                d.iter_mut().zip(h).for_each(|(d, &h)| *d *= slope(h));
            }
        }
    }

    /// The same as [`forward`](Self::forward) on a tape.
    pub(super) fn apply<W: Dim, E: Float, D: Device<E>, T: Tape<E, D>>(
        self,
        noise: Option<u64>,
        place: usize,
        h: Rows<W, E, D, T>,
    ) -> Result<Rows<W, E, D, T>, D::Err> {
        let Some(step) = noise.filter(|_| self.is_on()) else { return Ok(h) };
        let (chance, shape) = (self.chance(step, place), *h.shape());
        let (rows, units) = (shape.0, shape.1.size());
        let factor = |at: usize| E::of(chance.factor((at % units) as u32, (at / units) as u32).into());
        let factors = h.device().try_tensor_from_vec((0..rows * units).map(factor).collect(), shape)?;
        h.try_mul(factors.retaped::<NoneTape>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_values_are_dropped_as_asked_and_others_every_step() {
        let dropout = Dropout { rate: 0.3 };
        let factors = |step, place| -> Vec<f32> {
            let chance = dropout.chance(step, place);
            (0..200).flat_map(|unit| (0..100).map(move |row| chance.factor(unit, row))).collect()
        };
        let reference = factors(7, 3);
        let share = |of: &[f32]| of.iter().filter(|factor| **factor == 0.0).count() as f64 / of.len() as f64;
        // Five standard errors.
        assert!((share(&reference) - 0.3).abs() < 5.0 * (0.21_f64 / 20_000.0).sqrt());
        assert!(reference.iter().all(|&factor| factor == 0.0 || (factor - 1.0 / 0.7).abs() < 1e-6));
        assert_eq!(reference, factors(7, 3));
        for other in [factors(8, 3), factors(7, 4)] {
            let both = reference.iter().zip(&other).filter(|(a, b)| **a == 0.0 && **b == 0.0).count();
            assert!((both as f64 / 20_000.0 - 0.09).abs() < 0.011, "{both}");
        }
        // Units and rows do not repeat each other.
        for of in 1..5 {
            let shifted: Vec<f32> = reference[of..].iter().zip(&reference).map(|(a, b)| a * b).collect();
            assert!((share(&shifted) - 0.51).abs() < 0.03, "{of}");
        }
    }
}
