//! Gradient descent with momentum.

use super::rule::{DeviceRule, Rule, Update, or_zero};
use crate::compute::Level;
use crate::compute::simd::{Simd, dispatch};

/// v ← μv + g; p ← p − ηv.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sgd {
    pub momentum: f32,
}

impl Rule for Sgd {
    fn moments(&self) -> usize {
        1
    }

    fn on_device(&self) -> DeviceRule {
        DeviceRule { number: 2, constants: [self.momentum, 0.0, 0.0] }
    }

    fn update(&self, level: Level, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32], _: &mut [f32]) {
        update(level, *self, now, p, g, m);
    }
}

#[inline(always)]
fn update_generic<S: Simd>(rule: Sgd, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32]) {
    let Update { rate, clip, weight_decay, .. } = now;
    for ((p, &g), m) in p.iter_mut().zip(g).zip(m) {
        *m = or_zero(rule.momentum * *m + (g * clip + weight_decay * *p));
        *p -= rate * *m;
    }
}
dispatch!(update => update_generic(rule: Sgd, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32]));
