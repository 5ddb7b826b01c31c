//! The affine transformer on the CPU.

use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, LN_2};
use std::ops::Range;

use super::{Affine, Bound};
use crate::compute::{exp_all, tanh_all};
use crate::layers::coupling::transformer::{On, OnCpu};

/// Lists that are kept: exp(s), or s itself before that is needed, and what was there before the layer.
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
        for j in 0..on.changed.len() {
            let scale = self.scale(on, j);
            let (s, squashed) = (&mut s[on.rows(j)], &said[on.rows(j)]);
            s.iter_mut().zip(squashed).for_each(|(s, squashed)| *s = scale * squashed);
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
        let mut nothing = [];
        let d_scale = self.bound.scale().map_or(&mut nothing[..], |scale| &mut gradient[scale..]);
        for (j, &i) in on.changed.iter().enumerate() {
            let scale = self.scale(on, j);
            let own = on.rows(j);
            let (exp, before, squashed) = (&exp[own.clone()], &before[own.clone()], &squashed[own.clone()]);
            let (d_s, d_t) = (&mut d_s[own.clone()], &mut d_t[own]);
            let d = &mut d[on.rows(i)];
            d_t.copy_from_slice(d);
            let mut total = 0.0;
            for r in 0..on.panel.width {
                d[r] *= exp[r];
                let d_s_now = d[r] * before[r] - weights[r];
                total += d_s_now * squashed[r];
                d_s[r] = d_s_now * scale * slope(squashed[r], exp[r]);
            }
            d_scale.get_mut(j).into_iter().for_each(|d_scale| *d_scale += total);
        }
    }
}

impl OnCpu for Affine {
    fn kept(&self) -> usize {
        KEPT
    }

    fn own(&self, changed: usize) -> Range<usize> {
        self.bound.scale().map_or(0..0, |scale| scale..scale + changed)
    }

    fn forward(&self, on: On<'_>, x: &mut [f32], log_det: &mut [f32], said: &mut [f32], cache: &mut [f32]) {
        let ([said, t], (exp, before)) = (on.two_mut(said), cache.split_at_mut(on.list()));
        self.bound(on, said, exp);
        for j in 0..on.changed.len() {
            log_det.iter_mut().zip(&exp[on.rows(j)]).for_each(|(log_det, s)| *log_det += s);
        }
        exp_all(on.context.level, exp);
        for (j, &i) in on.changed.iter().enumerate() {
            let x = &mut x[on.rows(i)];
            before[on.rows(j)].copy_from_slice(x);
            let (exp, t) = (&exp[on.rows(j)], &t[on.rows(j)]);
            x.iter_mut().zip(exp).zip(t).for_each(|((x, exp), t)| *x = *x * exp + t);
        }
    }

    fn inverse(&self, on: On<'_>, z: &mut [f32], said: &mut [f32], cache: &mut [f32]) {
        let ([said, t], exp) = (on.two_mut(said), &mut cache[..on.list()]);
        self.bound(on, said, exp);
        exp.iter_mut().for_each(|s| *s = -*s);
        exp_all(on.context.level, exp);
        for (j, &i) in on.changed.iter().enumerate() {
            let (exp, t) = (&exp[on.rows(j)], &t[on.rows(j)]);
            z[on.rows(i)].iter_mut().zip(exp).zip(t).for_each(|((z, exp), t)| *z = (*z - t) * exp);
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
        let ([squashed, _], (exp, before)) = (on.two(said), cache.split_at(on.list()));
        let (left, d_said) = ([weights, squashed, exp, before], on.two_mut(d_said));
        // One function each, so that the slope stands within the loop.
        match self.bound {
            Bound::Tanh { .. } => self.back(on, left, d, d_said, gradient, |tanh, _| 1.0 - tanh * tanh),
            Bound::Atan { .. } => self.back(on, left, d, d_said, gradient, |u, _| (FRAC_PI_2 * u).cos().powi(2)),
            Bound::Sigmoid => self.back(on, left, d, d_said, gradient, |_, exp| 1.0 - 0.5 * exp),
        }
    }

    fn scale_max(&self, on: On<'_>, said: &[f32]) -> f32 {
        let mut largest = 0.0_f32;
        for j in 0..on.changed.len() {
            let scale = self.scale(on, j);
            let squashed = &said[on.rows(j)][..on.panel.used];
            largest = squashed.iter().map(|squashed| (squashed * scale).abs()).fold(largest, f32::max);
        }
        largest
    }
}
