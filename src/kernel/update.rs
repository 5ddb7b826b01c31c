//! Update rules of the optimizers, and norms, over slices, compiled for every instruction set.

use rayon::prelude::*;

use super::fused::Level;
use super::fused::simd::{Simd, dispatch};

/// Values a thread takes at a time: small enough to balance, large enough to forget the cost of sharing.
pub const CHUNK: usize = 16 * 1024;

/// An update rule. `g` is the clipped gradient, `η` the learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Kingma & Ba 2015, algorithm 1; `decoupled`: Loshchilov & Hutter 2019, algorithm 2.
    Adam { betas: [f32; 2], epsilon: f32, decoupled: bool },
    /// v ← μv + g; p ← p − ηv.
    Sgd { momentum: f32 },
    /// s ← αs + (1−α)g²; v ← μv + g/(√s + ε); p ← p − ηv (Hinton's lecture 6e; PyTorch's form).
    Rmsprop { alpha: f32, epsilon: f32, momentum: f32 },
}

impl Rule {
    /// How many vectors of moments it keeps.
    pub fn moments(self) -> usize {
        match self {
            Self::Adam { .. } | Self::Rmsprop { .. } => 2,
            Self::Sgd { .. } => 1,
        }
    }
}

/// The constants of one update.
#[derive(Clone, Copy)]
pub struct Update {
    rule: Rule,
    rate: f32,
    clip: f32,
    weight_decay: f32,
    /// Adam's bias corrections: 1 − β₁ᵗ and √(1 − β₂ᵗ).
    corrections: [f32; 2],
}

impl Update {
    /// Update number `step` (from 0) with learning rate `rate`; the gradient is multiplied by `clip` first.
    pub fn new(rule: Rule, weight_decay: f32, clip: f32, rate: f64, step: u64) -> Self {
        let corrections = match rule {
            Rule::Adam { betas, .. } => {
                let done = (step + 1).min(i32::MAX as u64) as i32;
                let [first, second] = betas.map(|beta| 1.0 - f64::from(beta).powi(done));
                [first as f32, second.sqrt() as f32]
            }
            _ => [1.0, 1.0],
        };
        Self { rule, rate: rate as f32, clip, weight_decay, corrections }
    }

    /// Learning rate and bias corrections.
    pub fn constants(&self) -> [f32; 3] {
        let [first, second] = self.corrections;
        [self.rate, first, second]
    }
}

/// A moment, or 0 where it is next to nothing. Those of a unit that is never active any more shrink for ever, and below f32's normal
/// range (10⁻³⁸) a processor takes many times as long for each.
#[inline(always)]
fn or_zero(moment: f32) -> f32 {
    const NEXT_TO_NOTHING: f32 = 1e-34;
    if moment.abs() < NEXT_TO_NOTHING { 0.0 } else { moment }
}

#[inline(always)]
fn update_generic<S: Simd>(update: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    let Update { rule, rate, clip, weight_decay, corrections } = update;
    match rule {
        Rule::Adam { betas: [b1, b2], epsilon, decoupled } => {
            let (l2, shrink) = if decoupled { (0.0, 1.0 - rate * weight_decay) } else { (weight_decay, 1.0) };
            let (scale, root) = (rate / corrections[0], 1.0 / corrections[1]);
            for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = g * clip + l2 * *p;
                *m = or_zero(*m + (1.0 - b1) * (g - *m));
                *v = or_zero(*v + (1.0 - b2) * (g * g - *v));
                *p = *p * shrink - scale * *m / (v.sqrt() * root + epsilon);
            }
        }
        Rule::Sgd { momentum } => {
            for ((p, &g), m) in p.iter_mut().zip(g).zip(m) {
                *m = or_zero(momentum * *m + (g * clip + weight_decay * *p));
                *p -= rate * *m;
            }
        }
        Rule::Rmsprop { alpha, epsilon, momentum } => {
            for (((p, &g), s), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = g * clip + weight_decay * *p;
                *s = or_zero(*s + (1.0 - alpha) * (g * g - *s));
                *v = or_zero(momentum * *v + g / (s.sqrt() + epsilon));
                *p -= rate * *v;
            }
        }
    }
}
dispatch!(update => update_generic(update: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]));

/// Adds Σ g² to `sum`, in f64, in an order that depends on the slice alone.
#[inline(always)]
fn square_sum_generic<S: Simd>(gradient: &[f32], sum: &mut f64) {
    // Sums side by side let the compiler use vector registers without changing the order of additions.
    let mut sums = [0.0f64; 16];
    let (blocks, rest) = gradient.as_chunks::<16>();
    for block in blocks {
        for (sum, &g) in sums.iter_mut().zip(block) {
            *sum += f64::from(g) * f64::from(g);
        }
    }
    *sum += sums.iter().sum::<f64>() + rest.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
}
dispatch!(square_sum => square_sum_generic(gradient: &[f32], sum: &mut f64));

/// The global L2 norm of `gradient`, summed in fixed chunks: the same bits on any number of threads.
pub fn norm(gradient: &[f32]) -> f64 {
    let square = |chunk: &[f32]| {
        let mut sum = 0.0;
        square_sum(Level::detect(), chunk, &mut sum);
        sum
    };
    if gradient.len() <= CHUNK {
        return square(gradient).sqrt();
    }
    let partial: Vec<f64> = gradient.par_chunks(CHUNK).map(square).collect();
    partial.iter().sum::<f64>().sqrt()
}
