//! exp and tanh over slices, written so that the compiler turns them into vector code; and exp, log and softplus of registers.

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

/// Functions of every lane of a register.
///
/// # Safety
/// As for [`Simd`].
pub(crate) mod lanes {
    use super::Simd;

    /// c₀ + c₁·x + c₂·x² + …
    #[inline(always)]
    pub unsafe fn polynomial<S: Simd, const N: usize>(x: S::V, coefficients: [f32; N]) -> S::V {
        // SAFETY: handed on to the caller.
        unsafe {
            let mut sum = S::splat(coefficients[N - 1]);
            for &coefficient in coefficients[..N - 1].iter().rev() {
                sum = S::fma(sum, x, S::splat(coefficient));
            }
            sum
        }
    }

    /// e^x for x ≤ 0, not below e^−87: as [`exp`](super::exp).
    #[inline(always)]
    pub unsafe fn exp<S: Simd>(x: S::V) -> S::V {
        const ROUND: f32 = 12_582_912.0;
        const TAYLOR: [f32; 7] = [1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0];
        // SAFETY: handed on to the caller.
        unsafe {
            let x = S::max(S::splat(-87.0), x);
            let shifted = S::fma(x, S::splat(std::f32::consts::LOG2_E), S::splat(ROUND));
            let n = S::sub(shifted, S::splat(ROUND));
            let r = S::fma(n, S::splat(2.121_944_4e-4), S::fma(n, S::splat(-0.693_359_4), x));
            let power = S::power_of_two(shifted);
            S::fma(power, S::mul(polynomial::<S, 7>(r, TAYLOR), r), power)
        }
    }

    /// ln x of a normal positive x.
    ///
    /// With x = m·2ⁿ and m within √½ and √2, ln m = 2·artanh((m − 1)/(m + 1)), a series of odd powers.
    #[inline(always)]
    pub unsafe fn ln<S: Simd>(x: S::V) -> S::V {
        const SERIES: [f32; 5] = [2.0, 2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0];
        // SAFETY: handed on to the caller.
        unsafe {
            let [m, n] = S::split_exponent(x);
            let high = S::less(S::splat(std::f32::consts::SQRT_2), m);
            let m = S::select(high, S::mul(m, S::splat(0.5)), m);
            let n = S::select(high, S::add(n, S::splat(1.0)), n);
            let f = S::div(S::sub(m, S::splat(1.0)), S::add(m, S::splat(1.0)));
            let series = S::mul(polynomial::<S, 5>(S::mul(f, f), SERIES), f);
            // ln 2 in two pieces, as in exp.
            S::fma(n, S::splat(0.693_359_4), S::fma(n, S::splat(-2.121_944_4e-4), series))
        }
    }

    /// ln(1 + e^x) and its slope 1/(1 + e^−x).
    #[inline(always)]
    pub unsafe fn softplus<S: Simd>(x: S::V) -> [S::V; 2] {
        // SAFETY: handed on to the caller.
        unsafe {
            let (zero, one) = (S::splat(0.0), S::splat(1.0));
            let negative = S::less(x, zero);
            let small = exp::<S>(S::select(negative, x, S::sub(zero, x)));
            let sum = S::add(one, small);
            let inverse = S::div(one, sum);
            // What rounding took from 1 + small is given back to its logarithm.
            let lost = S::sub(small, S::sub(sum, one));
            let log = S::fma(lost, inverse, ln::<S>(sum));
            [S::add(S::select(negative, zero, x), log), S::select(negative, S::mul(small, inverse), inverse)]
        }
    }
}

#[inline(always)]
fn exp_generic<S: Simd>(values: &mut [f32]) {
    values.iter_mut().for_each(|v| *v = exp(*v));
}
dispatch!(exp_all => exp_generic(values: &mut [f32]));

#[inline(always)]
fn relu_generic<S: Simd>(values: &mut [f32]) {
    // A number that is none stays none.
    values.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v });
}
dispatch!(relu_all => relu_generic(values: &mut [f32]));

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

    /// Values of a function of registers.
    #[inline(always)]
    fn each_generic<S: Simd>(which: usize, values: &mut [f32]) {
        for chunk in values.chunks_exact_mut(S::LANES) {
            // SAFETY: the chunk is a register of values, and the level is available.
            unsafe {
                let x = S::load(chunk.as_ptr());
                let y = match which {
                    0 => lanes::exp::<S>(x),
                    1 => lanes::ln::<S>(x),
                    2 => lanes::softplus::<S>(x)[0],
                    _ => lanes::softplus::<S>(x)[1],
                };
                S::store(chunk.as_mut_ptr(), y);
            }
        }
    }
    dispatch!(each => each_generic(which: usize, values: &mut [f32]));

    #[test]
    fn functions_of_registers_agree_with_f64_at_every_level() {
        let negative: Vec<f32> = (0..1600).map(|i| -i as f32 * 0.05).collect();
        let positive: Vec<f32> = (0..1600).map(|i| 1e-6 * 1.0213_f32.powi(i)).collect();
        let both: Vec<f32> = (-800..800).map(|i| i as f32 * 0.05).collect();
        type Exact = fn(f64) -> f64;
        let cases: [(&[f32], Exact, f64); 4] = [
            (&negative, f64::exp, 0.0),
            (&positive, f64::ln, 1.0),
            (&both, |x| if x > 30.0 { x } else { x.exp().ln_1p() }, 0.0),
            (&both, |x| 1.0 / (1.0 + (-x).exp()), 0.0),
        ];
        for level in Level::available() {
            for (which, (points, exact, floor)) in cases.iter().enumerate() {
                let mut found = points.to_vec();
                each(level, which, &mut found);
                for (&x, found) in points.iter().zip(found) {
                    let exact = exact(x.into());
                    let error = (f64::from(found) - exact).abs() / (exact.abs() + floor);
                    assert!(error < 4e-7, "function {which} of {x} is {found} instead of {exact} at {level:?}");
                }
            }
        }
    }

    #[test]
    fn not_a_number_stays_not_a_number() {
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }
}
