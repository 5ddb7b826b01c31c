//! The affine transformer on the CPU.

use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, LN_2};

use super::{Affine, Bound};
use crate::compute::{exp_all, tanh_all};
use crate::layers::coupling::transformer::{On, OnCpu};

/// Values of a changed feature that are kept: exp(s), or s itself before that is needed, and what was there before the layer.
const KEPT: usize = 2;

impl Affine {
    /// The learned bound of s of the changed feature `j`, or 1.
    fn scale(&self, on: On<'_>, j: usize) -> f32 {
        self.bound.scale().map_or(1.0, |scale| on.context.values[scale + j])
    }

    /// What the s network said becomes s without its learned bound, in place, and with it in `s`.
    fn bound(&self, on: On<'_>, said: &mut [f32], s: &mut [f32]) {
        match self.bound {
            Bound::Tanh { .. } => tanh_all(on.context.level, said),
            Bound::Atan { .. } => said.iter_mut().for_each(|a| *a = FRAC_2_PI * (FRAC_PI_2 * *a).atan()),
            Bound::Sigmoid => {
                // ln 2 + ln sigmoid(a) = ln 2 + min(a, 0) − ln(1 + exp(−|a|)), which is finite for every a.
                s.iter_mut().zip(&*said).for_each(|(exp, a)| *exp = -a.abs());
                exp_all(on.context.level, s);
                said.iter_mut().zip(&*s).for_each(|(a, exp)| *a = LN_2 + a.min(0.0) - exp.ln_1p());
            }
        }
        let changed = on.changed.len();
        for panel in on.context.panels.iter() {
            for j in 0..changed {
                let scale = self.scale(on, j);
                let (s, squashed) = (panel.row_of(changed, j, s), panel.row(changed, j, said));
                s.iter_mut().zip(squashed).for_each(|(s, squashed)| *s = scale * squashed);
            }
        }
    }

    /// The way back, where `slope` is that of s without its learned bound, from its value and exp(s).
    fn back(
        &self,
        on: On<'_>,
        [weights, squashed, exp, before]: [&[f32]; 4],
        d: &mut [f32],
        [d_s, d_t]: [&mut [f32]; 2],
        gradient: &mut [f32],
        slope: impl Fn(f32, f32) -> f32,
    ) {
        let On { context, changed } = on;
        let n = changed.len();
        let mut nothing = [];
        let d_scale = self.bound.scale().map_or(&mut nothing[..], |scale| &mut gradient[scale..][..n]);
        d_scale.fill(0.0);
        for panel in context.panels.iter() {
            let weights = &weights[panel.first..][..panel.width];
            for (j, &i) in changed.iter().enumerate() {
                let scale = self.scale(on, j);
                let row = |buffer| panel.row(n, j, buffer);
                let (exp, before, squashed) = (row(exp), row(before), row(squashed));
                let (d_s, d_t) = (panel.row_of(n, j, d_s), panel.row_of(n, j, d_t));
                let d = panel.row_of(context.features, i, d);
                d_t.copy_from_slice(d);
                let mut total = 0.0;
                for r in 0..panel.width {
                    d[r] *= exp[r];
                    let d_s_now = d[r] * before[r] - weights[r];
                    total += d_s_now * squashed[r];
                    d_s[r] = d_s_now * scale * slope(squashed[r], exp[r]);
                }
                d_scale.get_mut(j).into_iter().for_each(|d_scale| *d_scale += total);
            }
        }
    }
}

impl OnCpu for Affine {
    fn kept(&self) -> usize {
        KEPT
    }

    fn forward(&self, on: On<'_>, x: &mut [f32], log_det: &mut [f32], said: &mut [f32], cache: &mut [f32]) {
        let On { context, changed } = on;
        let ([said, t], [exp, before]) = (halves_mut(said), halves_mut(cache));
        self.bound(on, said, exp);
        for panel in context.panels.iter() {
            let log_det = &mut log_det[panel.first..][..panel.width];
            for j in 0..changed.len() {
                log_det.iter_mut().zip(panel.row(changed.len(), j, exp)).for_each(|(log_det, s)| *log_det += s);
            }
        }
        exp_all(context.level, exp);
        for panel in context.panels.iter() {
            for (j, &i) in changed.iter().enumerate() {
                let x = panel.row_of(context.features, i, x);
                panel.row_of(changed.len(), j, before).copy_from_slice(x);
                let (exp, t) = (panel.row(changed.len(), j, exp), panel.row(changed.len(), j, t));
                x.iter_mut().zip(exp).zip(t).for_each(|((x, exp), t)| *x = *x * exp + t);
            }
        }
    }

    fn inverse(&self, on: On<'_>, z: &mut [f32], said: &mut [f32], cache: &mut [f32]) {
        let On { context, changed } = on;
        let ([said, t], [exp, _]) = (halves_mut(said), halves_mut(cache));
        self.bound(on, said, exp);
        exp.iter_mut().for_each(|s| *s = -*s);
        exp_all(context.level, exp);
        for panel in context.panels.iter() {
            for (j, &i) in changed.iter().enumerate() {
                let (exp, t) = (panel.row(changed.len(), j, exp), panel.row(changed.len(), j, t));
                let z = panel.row_of(context.features, i, z);
                z.iter_mut().zip(exp).zip(t).for_each(|((z, exp), t)| *z = (*z - t) * exp);
            }
        }
    }

    fn backward(
        &self,
        on: On<'_>,
        weights: &[f32],
        d: &mut [f32],
        [said, cache]: [&[f32]; 2],
        d_said: &mut [f32],
        gradient: &mut [f32],
    ) {
        let ((squashed, _), (exp, before)) = (said.split_at(said.len() / 2), cache.split_at(cache.len() / 2));
        let (left, d_said) = ([weights, squashed, exp, before], halves_mut(d_said));
        // One function each, so that the slope stands within the loop.
        match self.bound {
            Bound::Tanh { .. } => self.back(on, left, d, d_said, gradient, |tanh, _| 1.0 - tanh * tanh),
            Bound::Atan { .. } => self.back(on, left, d, d_said, gradient, |u, _| (FRAC_PI_2 * u).cos().powi(2)),
            Bound::Sigmoid => self.back(on, left, d, d_said, gradient, |_, exp| 1.0 - 0.5 * exp),
        }
    }

    fn scale_max(&self, on: On<'_>, said: &[f32]) -> f32 {
        let changed = on.changed.len();
        let mut largest = 0.0_f32;
        for panel in on.context.panels.iter() {
            for j in 0..changed {
                let scale = self.scale(on, j);
                let squashed = &panel.row(changed, j, said)[..panel.used];
                largest = squashed.iter().map(|squashed| (squashed * scale).abs()).fold(largest, f32::max);
            }
        }
        largest
    }
}

fn halves_mut(values: &mut [f32]) -> [&mut [f32]; 2] {
    let (first, second) = values.split_at_mut(values.len() / 2);
    [first, second]
}
