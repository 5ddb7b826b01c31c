//! Splines on the CPU: rows side by side in registers, bin after bin.

// Kernels take buffers one by one, as in `compute`.
#![allow(clippy::too_many_arguments)]

use super::{Spline, slope_offset};
use crate::compute::lanes::{exp, ln, softplus};
use crate::compute::simd::{Simd, dispatch};
use crate::layers::coupling::transformer::{On, OnCpu};

/// Lists that are kept: what was there before the layer.
const KEPT: usize = 1;

/// The registers of rows of every changed feature: where they stand in a list and in the row, and the first row.
fn registers<S: Simd>(on: On<'_>) -> impl Iterator<Item = (usize, usize, usize)> {
    let rows = move || (0..on.panel.width).step_by(S::LANES);
    let features = on.changed.iter().enumerate();
    features.flat_map(move |(j, &i)| rows().map(move |row| (on.rows(j).start + row, on.rows(i).start + row, row)))
}

/// Checks that what is said, rows and values a row have the lengths that [`registers`] reach to.
fn check(spline: Spline, on: On<'_>, said: usize, rows: usize, log_det: usize) {
    let end = on.changed.iter().max().map_or(0, |&i| on.rows(i).end);
    assert!(said >= (spline.lists() - 1) * on.stride + on.list() && rows >= end && log_det >= on.panel.width);
}

/// The logits at `p`, `stride` apart, become shares that add up to 1.
///
/// # Safety
/// There are so many registers.
#[inline(always)]
unsafe fn softmax<S: Simd>(p: *mut f32, count: usize, stride: usize) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut largest = S::load(p);
        for i in 1..count {
            largest = S::max(largest, S::load(p.add(i * stride)));
        }
        let mut sum = S::splat(0.0);
        for i in 0..count {
            let share = exp::<S>(S::sub(S::load(p.add(i * stride)), largest));
            sum = S::add(sum, share);
            S::store(p.add(i * stride), share);
        }
        let inverse = S::div(S::splat(1.0), sum);
        for i in 0..count {
            S::store(p.add(i * stride), S::mul(S::load(p.add(i * stride)), inverse));
        }
    }
}

/// A bin of widths or of heights: where it begins, its length, its share of the whole, and the shares before it.
#[derive(Clone, Copy)]
struct Side<V> {
    start: V,
    length: V,
    share: V,
    before: V,
}

// Methods in place of closures: these are compiled for the instruction set of the function that they are used in, which closures
// need not be.
impl<V: Copy> Side<V> {
    /// Of the share at `share`, from a start and the shares before it.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn of<S: Simd<V = V>>([offset, factor]: [V; 2], share: *const f32, [start, before]: [V; 2]) -> Self {
        // SAFETY: handed on to the caller.
        unsafe {
            let share = S::load(share);
            Self { start, length: S::fma(factor, share, offset), share, before }
        }
    }

    /// Where the next one starts, and the shares before that.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn end<S: Simd<V = V>>(self) -> [V; 2] {
        // SAFETY: handed on to the caller.
        unsafe { [S::add(self.start, self.length), S::add(self.before, self.share)] }
    }

    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn select<S: Simd<V = V>>(mask: S::Mask, yes: Self, no: Self) -> Self {
        // SAFETY: handed on to the caller.
        unsafe {
            Self {
                start: S::select(mask, yes.start, no.start),
                length: S::select(mask, yes.length, no.length),
                share: S::select(mask, yes.share, no.share),
                before: S::select(mask, yes.before, no.before),
            }
        }
    }
}

/// The bin in which a value lies, and its number.
struct Bin<V> {
    number: V,
    x: Side<V>,
    y: Side<V>,
    /// Slopes at its ends, and those of the softplus that they come from.
    slopes: [[V; 2]; 2],
}

/// From a logit to the slope 1 + softplus(logit + [`slope_offset`]) − softplus(of 0), which is exactly 1 for 0, and its own slope.
#[derive(Clone, Copy)]
struct Slope<V> {
    offset: V,
    at_zero: V,
}

impl<V: Copy> Slope<V> {
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn new<S: Simd<V = V>>() -> Self {
        // SAFETY: handed on to the caller.
        unsafe {
            let offset = S::splat(slope_offset() as f32);
            Self { offset, at_zero: softplus::<S>(offset)[0] }
        }
    }

    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn of<S: Simd<V = V>>(self, logit: V) -> [V; 2] {
        // SAFETY: handed on to the caller.
        unsafe {
            let [value, slope] = softplus::<S>(S::add(logit, self.offset));
            [S::add(S::splat(1.0), S::sub(value, self.at_zero)), slope]
        }
    }
}

/// The bin of `key`: an x, or if `INVERSE` a y, within ±bound. `p`: shares and logits of slopes of the feature.
///
/// # Safety
/// As for [`softmax`].
#[inline(always)]
unsafe fn find<S: Simd, const INVERSE: bool>(
    spline: Spline,
    curve: Slope<S::V>,
    p: *const f32,
    stride: usize,
    key: S::V,
) -> Bin<S::V> {
    // SAFETY: handed on to the caller.
    unsafe {
        let Spline { bins, bound } = spline;
        let [offset, factor] = spline.lengths();
        let [offset, factor] = [S::splat(offset as f32), S::splat(factor as f32)];
        let zero = S::splat(0.0);
        let (low, slopes) = (S::splat(-bound), p.add(2 * bins * stride));
        let mut x = Side::of::<S>([offset, factor], p, [low, zero]);
        let mut y = Side::of::<S>([offset, factor], p.add(bins * stride), [low, zero]);
        let mut number = zero;
        let (mut in_x, mut in_y, mut logits) = (x, y, [zero, S::load(slopes)]);
        for i in 1..bins {
            x = Side::of::<S>([offset, factor], p.add(i * stride), x.end::<S>());
            y = Side::of::<S>([offset, factor], p.add((bins + i) * stride), y.end::<S>());
            let left = S::less(key, if INVERSE { y.start } else { x.start });
            let first = S::load(slopes.add((i - 1) * stride));
            let second = if i + 1 < bins { S::load(slopes.add(i * stride)) } else { zero };
            number = S::select(left, number, S::splat(i as f32));
            in_x = Side::select::<S>(left, in_x, x);
            in_y = Side::select::<S>(left, in_y, y);
            logits = [S::select(left, logits[0], first), S::select(left, logits[1], second)];
        }
        let slopes = [curve.of::<S>(logits[0]), curve.of::<S>(logits[1])];
        Bin { number, x: in_x, y: in_y, slopes }
    }
}

/// A place θ within a bin, from 0 to 1, and the parts of the spline's value and slope there. With the secant s = h/w, and slopes d₀
/// and d₁ at the ends, they are z = y + h·(θ + lift) and dz/dx = s²·A/D².
struct At<V> {
    theta: V,
    /// 1 − θ, and θ·(1 − θ).
    rest: V,
    t: V,
    secant: V,
    lift: V,
    /// D and A.
    divisor: V,
    a: V,
}

impl<V: Copy> Bin<V> {
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn at<S: Simd<V = V>>(&self, theta: V) -> At<V> {
        // SAFETY: handed on to the caller.
        unsafe {
            let rest = S::sub(S::splat(1.0), theta);
            let t = S::mul(theta, rest);
            let secant = S::div(self.y.length, self.x.length);
            // By how much the slopes at the ends exceed the secant: 0 all at once where the spline is a line.
            let [[d0, _], [d1, _]] = self.slopes;
            let [e0, e1] = [S::sub(d0, secant), S::sub(d1, secant)];
            let divisor = S::fma(S::add(e0, e1), t, secant);
            let lift = S::div(S::mul(t, S::sub(S::mul(e0, rest), S::mul(e1, theta))), divisor);
            let a = S::fma(e1, S::mul(theta, theta), S::fma(e0, S::mul(rest, rest), secant));
            At { theta, rest, t, secant, lift, divisor, a }
        }
    }

    /// z and dz/dx of the `x` at that place: exactly x and 1 where the spline is the identity.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn value<S: Simd<V = V>>(&self, x: V, at: &At<V>) -> [V; 2] {
        // SAFETY: handed on to the caller.
        unsafe {
            let moved = S::fma(S::sub(self.y.length, self.x.length), at.theta, S::sub(self.y.start, self.x.start));
            let ratio = S::div(at.secant, at.divisor);
            [S::add(x, S::fma(self.y.length, at.lift, moved)), S::mul(S::mul(ratio, ratio), at.a)]
        }
    }
}

/// Which values lie beyond ±bound.
struct Outside<M> {
    below: M,
    above: M,
}

impl<M: Copy> Outside<M> {
    /// Where `x` does, and the value within ±bound that is nearest to it.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn of<S: Simd<Mask = M>>(bound: f32, x: S::V) -> (S::V, Self) {
        // SAFETY: handed on to the caller.
        unsafe {
            let (low, high) = (S::splat(-bound), S::splat(bound));
            let (below, above) = (S::less(x, low), S::less(high, x));
            (S::select(below, low, S::select(above, high, x)), Self { below, above })
        }
    }

    /// `outside` where the value does, else `inside`.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    unsafe fn choose<S: Simd<Mask = M>>(&self, inside: S::V, outside: S::V) -> S::V {
        // SAFETY: handed on to the caller.
        unsafe { S::select(self.below, outside, S::select(self.above, outside, inside)) }
    }
}

/// −v.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
unsafe fn minus<S: Simd>(v: S::V) -> S::V {
    // SAFETY: handed on to the caller.
    unsafe { S::sub(S::splat(0.0), v) }
}

/// Clips to 0 … 1.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
unsafe fn unit<S: Simd>(v: S::V) -> S::V {
    // SAFETY: handed on to the caller.
    unsafe {
        let v = S::max(S::splat(0.0), v);
        S::select(S::less(S::splat(1.0), v), S::splat(1.0), v)
    }
}

#[inline(always)]
fn forward_generic<S: Simd>(
    spline: Spline,
    on: On<'_>,
    x: &mut [f32],
    log_det: &mut [f32],
    said: &mut [f32],
    before: &mut [f32],
) {
    let stride = on.stride;
    check(spline, on, said.len(), x.len(), log_det.len());
    assert!(before.len() >= on.list());
    // SAFETY: the level is available.
    let curve = unsafe { Slope::new::<S>() };
    for (own, at, row) in registers::<S>(on) {
        // SAFETY: checked above.
        unsafe {
            let (p, x, log_det) = (said.as_mut_ptr().add(own), x.as_mut_ptr().add(at), log_det.as_mut_ptr().add(row));
            softmax::<S>(p, spline.bins, stride);
            softmax::<S>(p.add(spline.bins * stride), spline.bins, stride);
            let now = S::load(x);
            S::store(before.as_mut_ptr().add(own), now);
            let (near, outside) = Outside::of::<S>(spline.bound, now);
            let bin = find::<S, false>(spline, curve, p, stride, near);
            let theta = unit::<S>(S::div(S::sub(near, bin.x.start), bin.x.length));
            let [z, slope] = bin.value::<S>(near, &bin.at::<S>(theta));
            S::store(x, outside.choose::<S>(z, now));
            S::store(log_det, S::add(S::load(log_det), outside.choose::<S>(ln::<S>(slope), S::splat(0.0))));
        }
    }
}
dispatch!(forward => forward_generic(
    spline: Spline, on: On<'_>, x: &mut [f32], log_det: &mut [f32], said: &mut [f32], before: &mut [f32],
));

#[inline(always)]
fn inverse_generic<S: Simd>(spline: Spline, on: On<'_>, z: &mut [f32], said: &mut [f32]) {
    let stride = on.stride;
    check(spline, on, said.len(), z.len(), on.panel.width);
    // SAFETY: the level is available.
    let curve = unsafe { Slope::new::<S>() };
    for (own, at, _) in registers::<S>(on) {
        // SAFETY: checked above.
        unsafe {
            let (p, z) = (said.as_mut_ptr().add(own), z.as_mut_ptr().add(at));
            softmax::<S>(p, spline.bins, stride);
            softmax::<S>(p.add(spline.bins * stride), spline.bins, stride);
            let now = S::load(z);
            let (near, outside) = Outside::of::<S>(spline.bound, now);
            let bin = find::<S, true>(spline, curve, p, stride, near);
            let [[d0, _], [d1, _]] = bin.slopes;
            let (zero, height) = (S::splat(0.0), bin.y.length);
            let secant = S::div(height, bin.x.length);
            // a·θ² + b·θ + c = 0 by the root that does not cancel; rounding may make its discriminant negative.
            let rise = S::sub(near, bin.y.start);
            let bend = S::mul(rise, S::sub(S::add(d0, d1), S::add(secant, secant)));
            let a = S::fma(height, S::sub(secant, d0), bend);
            let b = S::sub(S::mul(height, d0), bend);
            let c = S::sub(zero, S::mul(secant, rise));
            let discriminant = S::fma(b, b, S::mul(S::splat(-4.0), S::mul(a, c)));
            let root = S::sqrt(S::max(zero, discriminant));
            let theta = unit::<S>(S::div(S::add(c, c), S::sub(zero, S::add(b, root))));
            // One step of Newton's takes away what rounding left.
            let x = S::fma(theta, bin.x.length, bin.x.start);
            let [there, slope] = bin.value::<S>(x, &bin.at::<S>(theta));
            let step = S::div(S::sub(near, there), S::mul(slope, bin.x.length));
            let theta = unit::<S>(S::add(theta, step));
            S::store(z, outside.choose::<S>(S::fma(theta, bin.x.length, bin.x.start), now));
        }
    }
}
dispatch!(inverse => inverse_generic(spline: Spline, on: On<'_>, z: &mut [f32], said: &mut [f32]));

#[inline(always)]
fn backward_generic<S: Simd>(
    spline: Spline,
    on: On<'_>,
    weights: &[f32],
    d: &mut [f32],
    said: &[f32],
    before: &[f32],
    d_said: &mut [f32],
) {
    let stride = on.stride;
    let Spline { bins, bound } = spline;
    check(spline, on, said.len().min(d_said.len()), d.len(), weights.len());
    assert!(before.len() >= on.list());
    let factor = spline.lengths()[1] as f32;
    // SAFETY: the level is available.
    let curve = unsafe { Slope::new::<S>() };
    for (own, at, row) in registers::<S>(on) {
        // SAFETY: checked above.
        unsafe {
            let (p, to) = (said.as_ptr().add(own), d_said.as_mut_ptr().add(own));
            let d = d.as_mut_ptr().add(at);
            let (zero, one, two) = (S::splat(0.0), S::splat(1.0), S::splat(2.0));
            let x = S::load(before.as_ptr().add(own));
            let (near, outside) = Outside::of::<S>(bound, x);
            let bin = find::<S, false>(spline, curve, p, stride, near);
            let [[d0, d0_slope], [d1, d1_slope]] = bin.slopes;
            let theta = unit::<S>(S::div(S::sub(near, bin.x.start), bin.x.length));
            let At { rest, t, secant, lift, divisor, a, .. } = bin.at::<S>(theta);
            let quotient = S::add(theta, lift);
            let theta_square = S::mul(theta, theta);
            let (d_z, weight) = (S::load(d), S::load(weights.as_ptr().add(row)));

            // The loss by the parts N, D and A of z and of ln dz/dx = 2 ln s + ln A − 2 ln D.
            let by_divisor = S::div(one, divisor);
            let d_numerator = S::mul(S::mul(d_z, bin.y.length), by_divisor);
            let d_divisor = S::fma(minus::<S>(d_numerator), quotient, S::mul(S::mul(two, weight), by_divisor));
            let d_a = S::div(minus::<S>(weight), a);
            let both = S::add(d_numerator, d_divisor);
            let turn = S::sub(rest, theta);
            // By the secant, the place in the bin, and the slopes.
            let d_secant =
                S::fma(d_divisor, S::fma(minus::<S>(two), t, one), S::mul(minus::<S>(two), S::div(weight, secant)));
            let d_secant = S::fma(d_numerator, theta_square, S::fma(S::mul(two, t), d_a, d_secant));
            let d_d0 = S::fma(both, t, S::mul(d_a, S::mul(rest, rest)));
            let d_d1 = S::fma(d_divisor, t, S::mul(d_a, theta_square));
            let of_numerator = S::fma(d0, turn, S::mul(S::mul(two, secant), theta));
            let of_divisor = S::mul(S::sub(S::add(d0, d1), S::mul(two, secant)), turn);
            let of_a = S::fma(d1, theta, S::sub(S::mul(secant, turn), S::mul(d0, rest)));
            let d_theta = S::fma(d_numerator, of_numerator, S::mul(d_divisor, of_divisor));
            let d_theta = S::fma(S::mul(two, d_a), of_a, d_theta);
            // By x and by where the bin begins and how long it is.
            let by_width = S::div(one, bin.x.length);
            let d_x = S::mul(d_theta, by_width);
            let d_height = S::fma(d_secant, by_width, S::mul(d_z, quotient));
            let d_width = minus::<S>(S::mul(by_width, S::fma(d_secant, secant, S::mul(d_theta, theta))));
            S::store(d, outside.choose::<S>(d_x, d_z));

            // By the shares, and by the logits that they come from.
            let sides = [(0, bin.x, minus::<S>(d_x), d_width), (bins, bin.y, d_z, d_height)];
            for (first, side, d_start, d_length) in sides {
                let (d_start, d_length) = (outside.choose::<S>(d_start, zero), outside.choose::<S>(d_length, zero));
                let mean = S::fma(d_start, side.before, S::mul(d_length, side.share));
                for i in 0..bins {
                    let number = S::splat(i as f32);
                    let after = S::select(S::less(bin.number, number), zero, d_length);
                    let d_share = S::select(S::less(number, bin.number), d_start, after);
                    let share = S::load(p.add((first + i) * stride));
                    let d_logit = S::mul(S::mul(S::splat(factor), share), S::sub(d_share, mean));
                    S::store(to.add((first + i) * stride), d_logit);
                }
            }
            let d_left = outside.choose::<S>(S::mul(d_d0, d0_slope), zero);
            let d_right = outside.choose::<S>(S::mul(d_d1, d1_slope), zero);
            for knot in 1..bins {
                // It ends the bin before it, and begins the one behind.
                let place = S::sub(bin.number, S::splat(knot as f32));
                let half = S::splat(0.5);
                let ends = S::select(S::less(place, S::splat(-1.5)), zero, d_right);
                let begins = S::select(S::less(place, half), d_left, zero);
                let d_logit = S::select(S::less(place, minus::<S>(half)), ends, begins);
                S::store(to.add((2 * bins + knot - 1) * stride), d_logit);
            }
        }
    }
}
dispatch!(backward => backward_generic(
    spline: Spline, on: On<'_>, weights: &[f32], d: &mut [f32], said: &[f32], before: &[f32], d_said: &mut [f32],
));

impl OnCpu for Spline {
    fn kept(&self) -> usize {
        KEPT
    }

    fn forward(&self, on: On<'_>, x: &mut [f32], log_det: &mut [f32], said: &mut [f32], cache: &mut [f32]) {
        forward(on.context.level, *self, on, x, log_det, said, cache);
    }

    fn inverse(&self, on: On<'_>, z: &mut [f32], said: &mut [f32], _: &mut [f32]) {
        inverse(on.context.level, *self, on, z, said);
    }

    fn backward(
        &self,
        on: On<'_>,
        weights: &[f32],
        d: &mut [f32],
        [said, before]: [&[f32]; 2],
        d_said: &mut [f32],
        _: &mut [f32],
    ) {
        backward(on.context.level, *self, on, weights, d, said, before, d_said);
    }
}
