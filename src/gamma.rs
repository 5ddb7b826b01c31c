//! The gamma function and its derivative, by Stirling's series (Abramowitz & Stegun 1964, 6.1.40 and 6.3.18).

/// Where the series has all digits of f64.
const FAR: f64 = 12.0;

/// ln Γ(x) for x > 0.
pub fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 1.0;
    while x < FAR {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    let series = series.into_iter().fold(0.0, |sum, coefficient| sum * inverse + coefficient) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln()
}

/// ψ(x) = d ln Γ(x)/dx for x > 0.
pub fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < FAR {
        sum += 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = [1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0];
    let series = series.into_iter().fold(0.0, |sum, coefficient| sum * inverse + coefficient) * inverse;
    x.ln() - 0.5 / x - series - sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_half_numbers_have_their_closed_forms() {
        let (mut factorial, mut harmonic) = (0.0, 0.0);
        let (mut half, mut odd) = (0.5 * std::f64::consts::PI.ln(), -2.0 * std::f64::consts::LN_2);
        const EULER: f64 = 0.577_215_664_901_532_9;
        for n in 1..200u32 {
            let x = f64::from(n);
            assert!((ln_gamma(x) - factorial).abs() < 1e-13 * (1.0 + factorial), "{n}");
            assert!((ln_gamma(x - 0.5) - half).abs() < 1e-13 * (1.0 + half.abs()), "{n} − ½");
            assert!((digamma(x) - (harmonic - EULER)).abs() < 1e-13, "{n}");
            assert!((digamma(x - 0.5) - (odd - EULER)).abs() < 1e-13, "{n} − ½");
            (factorial, harmonic) = (factorial + x.ln(), harmonic + 1.0 / x);
            (half, odd) = (half + (x - 0.5).ln(), odd + 1.0 / (x - 0.5));
        }
    }

    #[test]
    fn small_numbers_and_large_ones_are_those_of_reflection_and_slope() {
        use std::f64::consts::PI;
        for x in [1e-6, 0.01, 0.3, 0.7, 0.99] {
            // Γ(x) Γ(1 − x) = π / sin πx.
            assert!((ln_gamma(x) + ln_gamma(1.0 - x) - (PI / (PI * x).sin()).ln()).abs() < 1e-12, "{x}");
        }
        for x in [0.2f64, 3.7, 11.9, 12.1, 4e3] {
            let step = 1e-4 * x;
            let slope = (ln_gamma(x + step) - ln_gamma(x - step)) / (2.0 * step);
            assert!((digamma(x) - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{x}");
        }
    }
}
