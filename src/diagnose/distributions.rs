//! Distributions of test statistics.

use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::gamma_ur;

use crate::gamma::ln_gamma;

/// Φ(z), the distribution function of N(0, 1).
pub fn normal(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// Φ⁻¹(p) for p in (0, 1); ±∞ at its ends.
pub fn normal_quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// Distribution function of χ² with `degrees` degrees of freedom.
pub fn chi_squared(x: f64, degrees: usize) -> f64 {
    if x > 0.0 { 1.0 - gamma_ur(0.5 * degrees as f64, 0.5 * x) } else { 0.0 }
}

/// Density of χ² with `degrees` degrees of freedom at x > 0.
pub fn chi_squared_density(x: f64, degrees: usize) -> f64 {
    let half = 0.5 * degrees as f64;
    ((half - 1.0) * x.ln() - 0.5 * x - half * std::f64::consts::LN_2 - ln_gamma(half)).exp()
}

/// Probability of a Kolmogorov-Smirnov distance of `distance` or more where `rows` values are drawn from what they are compared
/// with; of two samples of n and m values, `rows` is nm/(n + m). The series of Kolmogorov's limit at Stephens' (1970) argument.
pub fn kolmogorov(distance: f64, rows: f64) -> f64 {
    let root = rows.sqrt();
    let at = (root + 0.12 + 0.11 / root) * distance;
    if at < 0.2 {
        return 1.0;
    }
    let terms = (1..=100).map(|k| {
        let k = f64::from(k);
        let sign = if k % 2.0 == 1.0 { 2.0 } else { -2.0 };
        sign * (-2.0 * (k * at).powi(2)).exp()
    });
    terms.sum::<f64>().clamp(0.0, 1.0)
}

/// Largest distance between the distribution of ascending `values` and `cumulative`, and the value where it is.
pub fn distance(values: &[f64], cumulative: impl Fn(f64) -> f64) -> (f64, f64) {
    let n = values.len() as f64;
    values.iter().enumerate().fold((0.0, 0.0), |best, (i, &value)| {
        let expected = cumulative(value);
        let off = (expected - i as f64 / n).max((i + 1) as f64 / n - expected);
        if off > best.0 { (off, value) } else { best }
    })
}

/// Largest distance between the distributions of two samples, both ascending.
pub fn distance_of_two(one: &[f64], other: &[f64]) -> f64 {
    let share = |values: &[f64], value: f64| values.partition_point(|&it| it <= value) as f64 / values.len() as f64;
    let both = one.iter().chain(other);
    both.map(|&value| (share(one, value) - share(other, value)).abs()).fold(0.0, f64::max)
}

/// Each p-value, made as much larger as asking that many questions at once takes (Holm 1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, &at) in order.iter().enumerate() {
        least = least.max((p[at] * (p.len() - rank) as f64).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}

/// 95 % interval of a share that was found to be `share` of `n` (Wilson 1927).
pub fn share_interval(share: f64, n: usize) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    let n = n as f64;
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    [middle - half, middle + half].map(|end| end / (1.0 + Z * Z / n))
}

/// Ascending, without what is no number.
pub fn ascending(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values
}
