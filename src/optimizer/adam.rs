//! Adam and AdamW.

use super::rule::{DeviceRule, Rule, Update, or_zero};
use crate::compute::Level;
use crate::compute::simd::{Simd, dispatch};

/// Kingma & Ba 2015, algorithm 1; `decoupled`: Loshchilov & Hutter 2019, algorithm 2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adam {
    pub betas: [f32; 2],
    pub epsilon: f32,
    pub decoupled: bool,
}

impl Rule for Adam {
    fn moments(&self) -> usize {
        2
    }

    fn on_device(&self) -> DeviceRule {
        let [first, second] = self.betas;
        DeviceRule { number: usize::from(self.decoupled), constants: [first, second, self.epsilon] }
    }

    /// 1 − β₁ᵗ and √(1 − β₂ᵗ).
    fn corrections(&self, step: u64) -> [f32; 2] {
        let done = (step + 1).min(i32::MAX as u64) as i32;
        let [first, second] = self.betas.map(|beta| 1.0 - f64::from(beta).powi(done));
        [first as f32, second.sqrt() as f32]
    }

    fn update(&self, level: Level, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        update(level, *self, now, p, g, m, v);
    }
}

#[inline(always)]
fn update_generic<S: Simd>(rule: Adam, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    let Adam { betas: [b1, b2], epsilon, decoupled } = rule;
    let Update { rate, clip, weight_decay, corrections } = now;
    let (l2, shrink) = if decoupled { (0.0, 1.0 - rate * weight_decay) } else { (weight_decay, 1.0) };
    let (scale, root) = (rate / corrections[0], 1.0 / corrections[1]);
    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * clip + l2 * *p;
        *m = or_zero(*m + (1.0 - b1) * (g - *m));
        *v = or_zero(*v + (1.0 - b2) * (g * g - *v));
        *p = *p * shrink - scale * *m / (v.sqrt() * root + epsilon);
    }
}
dispatch!(update => update_generic(rule: Adam, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]));
