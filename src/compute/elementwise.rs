//! exp and tanh over slices, written so that the compiler turns them into vector code.

use super::simd::{Simd, dispatch};

/// 2ⁿ and e^r − 1 with x = n·ln 2 + r, |r| ≤ ½ ln 2: the two parts that exp and expm1 are made of.
///
/// The polynomial is the Taylor series to r⁷, whose remainder is below 6e-9 relative to r. Beyond ±87 the result
/// saturates, so that nothing overflows silently into a wrong sign.
#[inline(always)]
fn parts(x: f32) -> (f32, f32) {
    /// Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two pieces: the first has few digits, so that n times it is exact (Cody & Waite 1980).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let power = f32::from_bits(((shifted.to_bits() << 23) as i32).wrapping_add(127 << 23) as u32);
    let mut p = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0] {
        p = p * r + coefficient;
    }
    (power, p * r)
}

/// e^x.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (power, rest) = parts(x);
    power * rest + power
}

/// tanh x = m/(m + 2) with m = e^{2x} − 1, accurate near zero too.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let x = if x > 10.0 { 10.0 } else { x };
    let x = if x < -10.0 { -10.0 } else { x };
    let (power, rest) = parts(2.0 * x);
    let m = power * rest + (power - 1.0);
    m / (m + 2.0)
}

#[inline(always)]
fn exp_generic<S: Simd>(values: &mut [f32]) {
    values.iter_mut().for_each(|v| *v = exp(*v));
}
dispatch!(exp_all => exp_generic(values: &mut [f32]));

#[inline(always)]
fn tanh_generic<S: Simd>(values: &mut [f32]) {
    values.iter_mut().for_each(|v| *v = tanh(*v));
}
dispatch!(tanh_all => tanh_generic(values: &mut [f32]));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Level;

    #[test]
    fn exp_and_tanh_agree_with_f64_at_every_level() {
        let points: Vec<f32> = (-8000..8000).map(|i| i as f32 * 0.01).chain([1e-6, -3e-5, 0.0]).collect();
        for level in Level::available() {
            let (mut exps, mut tanhs) = (points.clone(), points.clone());
            exp_all(level, &mut exps);
            tanh_all(level, &mut tanhs);
            for ((&x, e), t) in points.iter().zip(exps).zip(tanhs) {
                let (exact_e, exact_t) = (f64::from(x).exp(), f64::from(x).tanh());
                assert!((f64::from(e) / exact_e - 1.0).abs() < 4e-7, "exp({x}) = {e} at {level:?}");
                assert!((f64::from(t) - exact_t).abs() <= 4e-7 * exact_t.abs(), "tanh({x}) = {t} at {level:?}");
            }
        }
    }

    #[test]
    fn not_a_number_stays_not_a_number() {
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }
}
