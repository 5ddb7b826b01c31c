//! The normal distribution, alone and smeared by a uniform one; in logarithms, so that tails do not underflow.

use std::f64::consts::TAU;

/// ln(eᵃ + eᵇ).
pub fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// ln N(u; 0, σ²).
pub fn log_normal(u: f64, deviation: f64) -> f64 {
    -0.5 * (u / deviation).powi(2) - deviation.ln() - 0.5 * TAU.ln()
}

/// Log-density of N(0, σ²) plus a uniform variable on [−h, h], at `u`: ln (Φ((u + h)/σ) − Φ((u − h)/σ)) / 2h.
pub fn log_smeared_normal(u: f64, deviation: f64, half_width: f64) -> f64 {
    // Symmetric in u: taken at u ≤ 0, where Φ is the small one of Φ and 1 − Φ.
    let (a, b) = ((-u.abs() - half_width) / deviation, (half_width - u.abs()) / deviation);
    let log_mass = if b <= 0.0 {
        -0.5 * b * b + (scaled_tail(-b) - (0.5 * (b - a) * (b + a)).exp() * scaled_tail(-a)).ln()
    } else {
        (1.0 - tail(b) - tail(-a)).ln()
    };
    log_mass - (2.0 * half_width).ln()
}

/// Φ(high) − Φ(low), low ≤ high: the mass of the standard normal in between.
pub fn normal_mass(low: f64, high: f64) -> f64 {
    match (low >= 0.0, high >= 0.0) {
        (true, _) => tail(low) - tail(high),
        (_, false) => tail(-high) - tail(-low),
        (false, true) => 1.0 - tail(-low) - tail(high),
    }
}

/// Φ(−x) for x ≥ 0.
fn tail(x: f64) -> f64 {
    (-0.5 * x * x).exp() * scaled_tail(x)
}

/// Φ(−x) exp(x²/2) for x ≥ 0: Hart's rational approximation (Hart et al. 1968, algorithm 5666), and beyond its range
/// the continued fraction, as in West, "Better approximations to cumulative normal functions" (2005).
fn scaled_tail(x: f64) -> f64 {
    const NUMERATOR: [f64; 7] = [
        3.52624965998911e-2,
        0.700383064443688,
        6.37396220353165,
        33.912866078383,
        112.079291497871,
        221.213596169931,
        220.206867912376,
    ];
    const DENOMINATOR: [f64; 8] = [
        8.83883476483184e-2,
        1.75566716318264,
        16.064177579207,
        86.7807322029461,
        296.564248779674,
        637.333633378831,
        793.826512519948,
        440.413735824752,
    ];
    let polynomial = |coefficients: &[f64]| coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    if x < 5.0 * std::f64::consts::SQRT_2 {
        return polynomial(&NUMERATOR) / polynomial(&DENOMINATOR);
    }
    let fraction = (1..=12).rev().fold(x, |rest, k| x + f64::from(k) / rest);
    1.0 / (fraction * TAU.sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::quadrature::on_interval;
    use super::*;

    #[test]
    fn the_tail_is_the_integral_of_the_normal_density() {
        for x in [0.0, 0.3, 1.0, 2.5, 5.0, 7.0, 7.1, 12.0, 40.0, 300.0] {
            // ∫₀^∞ exp(−xv − v²/2) dv.
            let end = if x > 10.0 { 80.0 / x } else { 12.0 };
            let expected = on_interval(0.0, end, 40, |v| (-x * v - 0.5 * v * v).exp()) / TAU.sqrt();
            assert!((scaled_tail(x) / expected - 1.0).abs() < 1e-8, "{x}: {} {expected}", scaled_tail(x));
        }
    }

    #[test]
    fn the_mass_between_two_places_is_the_integral_of_the_density() {
        for [low, high] in [[-1.0, 2.0], [0.5, 0.7], [-9.0, -3.0], [3.0, 4.0], [-8.0, 8.0]] {
            let expected = on_interval(low, high, 20, |x| log_normal(x, 1.0).exp());
            assert!((normal_mass(low, high) / expected - 1.0).abs() < 1e-8, "{low} {high}");
        }
        assert_eq!(normal_mass(0.0, f64::INFINITY), 0.5);
    }

    #[test]
    fn the_smeared_density_is_the_mean_over_the_uniform_variable() {
        for (deviation, half_width) in [(0.1, 1.0 / 12.0), (0.02, 1.0 / 12.0), (3.0, 1.0 / 12.0), (1.0, 5.0)] {
            for u in [0.0, 0.05, -0.08, 0.4, -1.5, 9.0] {
                let log_top = log_normal(f64::max(0.0, f64::abs(u) - half_width), deviation);
                let mean = on_interval(-half_width, half_width, 40, |v| (log_normal(u - v, deviation) - log_top).exp());
                let expected = (mean / (2.0 * half_width)).ln() + log_top;
                let value = log_smeared_normal(u, deviation, half_width);
                assert!((value - expected).abs() < 1e-8, "σ = {deviation}, h = {half_width}, {u}: {value} {expected}");
            }
        }
    }
}
