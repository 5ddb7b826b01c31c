//! RMSprop with momentum.

use super::rule::{DeviceRule, Rule, Update, or_zero};
use crate::compute::Level;
use crate::compute::simd::{Simd, dispatch};

/// s ← αs + (1−α)g²; v ← μv + g/(√s + ε); p ← p − ηv (Hinton's lecture 6e; PyTorch's form).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rmsprop {
    pub alpha: f32,
    pub epsilon: f32,
    pub momentum: f32,
}

impl Rule for Rmsprop {
    fn moments(&self) -> usize {
        2
    }

    fn on_device(&self) -> DeviceRule {
        DeviceRule { number: 3, constants: [self.alpha, self.epsilon, self.momentum] }
    }

    fn update(&self, level: Level, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        update(level, *self, now, p, g, m, v);
    }
}

#[inline(always)]
fn update_generic<S: Simd>(rule: Rmsprop, now: Update, p: &mut [f32], g: &[f32], s: &mut [f32], v: &mut [f32]) {
    let Rmsprop { alpha, epsilon, momentum } = rule;
    let Update { rate, clip, weight_decay, .. } = now;
    for (((p, &g), s), v) in p.iter_mut().zip(g).zip(s).zip(v) {
        let g = g * clip + weight_decay * *p;
        *s = or_zero(*s + (1.0 - alpha) * (g * g - *s));
        *v = or_zero(momentum * *v + g / (s.sqrt() + epsilon));
        *p -= rate * *v;
    }
}
dispatch!(update => update_generic(rule: Rmsprop, now: Update, p: &mut [f32], g: &[f32], s: &mut [f32], v: &mut [f32]));
