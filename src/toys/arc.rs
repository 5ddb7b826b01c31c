//! Gaussian noise around an arc of a circle: the one integral that moons and circles need.
//!
//! A point at distance r from the centre of a circle of radius R sees the circle's point at angle δ from itself at the
//! squared distance (r − R)² + 2rR(1 − cos δ). So the density of the arc plus noise σ is, up to constants,
//! exp(−(r − R)²/2σ²) ∫ exp(κ(cos δ − 1)) dδ with κ = rR/σ².

use super::quadrature::gauss_legendre;

/// The integrand is cut where it has fallen by exp(−CUT): 4·10⁻¹⁸.
const CUT: f64 = 40.0;

/// ln ∫ₐᵇ exp(κ(cos δ − 1)) dδ for 0 ≤ a, b ≤ π and κ ≥ 0; −∞ if a ≥ b.
///
/// Over [0, π] it is ln(π e^{−κ} I₀(κ)). The relative error of the integral is below 10⁻⁹ (see the tests).
pub fn log_integral(kappa: f64, a: f64, b: f64) -> f64 {
    if a >= b {
        return f64::NEG_INFINITY;
    }
    let b = b.min((a.cos() - CUT / kappa).max(-1.0).acos());
    let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
    let sum: f64 = gauss_legendre()
        .iter()
        .map(|(x, weight)| {
            let delta = middle + half * x;
            // cos δ − cos a without cancellation.
            weight * (-2.0 * kappa * (0.5 * (delta + a)).sin() * (0.5 * (delta - a)).sin()).exp()
        })
        .sum();
    (half * sum).ln() - 2.0 * kappa * (0.5 * a).sin().powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// ∫ₐᵇ exp(κ(cos δ − cos a)) dδ by Simpson's rule with very many points.
    fn brute_force(kappa: f64, a: f64, b: f64) -> f64 {
        let n = 1_000_000;
        let h = (b - a) / n as f64;
        let f = |i: usize| (kappa * ((a + i as f64 * h).cos() - a.cos())).exp();
        let inner: f64 = (1..n).map(|i| if i % 2 == 1 { 4.0 * f(i) } else { 2.0 * f(i) }).sum();
        (f(0) + inner + f(n)) * h / 3.0
    }

    #[test]
    fn agrees_with_brute_force_over_all_noises_and_arcs() {
        for kappa in [0.0, 0.01, 1.0, 7.0, 40.0, 400.0, 2e4] {
            for (a, b) in [(0.0, PI), (0.0, 0.3), (0.2, PI), (0.5, 0.6), (2.0, PI), (3.0, 3.1), (1e-3, 1.0)] {
                let expected = brute_force(kappa, a, b).ln() + kappa * (a.cos() - 1.0);
                let value = log_integral(kappa, a, b);
                assert!(
                    (value - expected).abs() < 1e-9 + 1e-12 * expected.abs(),
                    "κ = {kappa}, [{a}, {b}]: {value}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn the_half_circle_gives_the_bessel_function() {
        // I₀(1) and I₀(5) by the power series Σ (x²/4)^k / k!².
        for x in [1.0f64, 5.0] {
            let mut term = 1.0;
            let series: f64 = 1.0
                + (1..60)
                    .map(|k| {
                        term *= x * x / 4.0 / (k * k) as f64;
                        term
                    })
                    .sum::<f64>();
            assert!((log_integral(x, 0.0, PI) - (PI * series).ln() + x).abs() < 1e-12);
        }
    }
}
