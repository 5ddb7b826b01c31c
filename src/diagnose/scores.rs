//! Normal scores: what values would be, had they been drawn from N(0, 1).

use super::distributions::normal_quantile;

/// Points of the grid that a distribution function is summed up on.
const POINTS: usize = 40_001;
/// Its ends, in asinh of the value: beyond them lies less than f64 tells of any tail that has a mean.
const END: f64 = 40.0;

/// The map z → Φ⁻¹(F(z)), where F is the distribution function of a density proportional to exp(−energy).
pub struct NormalScores {
    /// ln F and ln(1 − F) at points that are evenly spaced in asinh z.
    tails: [Vec<f64>; 2],
}

impl NormalScores {
    /// That of a density by its energy, nats. Each tail is summed from its own end, so that small shares keep their digits.
    pub fn new(energy: impl Fn(f64) -> f64) -> Self {
        let step = 2.0 * END / (POINTS - 1) as f64;
        let lowest = energy(0.0);
        let height: Vec<f64> = (0..POINTS)
            .map(|i| -END + step * i as f64)
            .map(|u| (lowest - energy(u.sinh())).exp() * u.cosh())
            .map(|height| if height.is_finite() { height } else { 0.0 })
            .collect();
        let summed = |heights: &mut dyn Iterator<Item = f64>| {
            let (mut sum, mut last) = (0.0, 0.0);
            let sums = heights.map(|height| {
                sum += 0.5 * (last + height);
                last = height;
                sum
            });
            sums.collect::<Vec<f64>>()
        };
        let lower = summed(&mut height.iter().copied());
        let mut upper = summed(&mut height.iter().rev().copied());
        upper.reverse();
        let total = lower.last().copied().unwrap_or(1.0);
        Self { tails: [lower, upper].map(|tail| tail.into_iter().map(|sum| (sum / total).ln()).collect()) }
    }

    /// The score of `z`.
    pub fn of(&self, z: f64) -> f64 {
        let at = (z.asinh() + END) / (2.0 * END) * (POINTS - 1) as f64;
        if at.is_nan() {
            return f64::NAN;
        }
        let below = (at.max(0.0) as usize).min(POINTS - 2);
        let share = (at - below as f64).clamp(0.0, 1.0);
        let [lower, upper] = [0, 1].map(|tail| {
            let (a, b) = (self.tails[tail][below], self.tails[tail][below + 1]);
            (if share == 0.0 {
                a
            } else if share == 1.0 {
                b
            } else {
                a + share * (b - a)
            })
            .exp()
        });
        if lower < upper { normal_quantile(lower) } else { -normal_quantile(upper) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::student_t::StudentT;

    #[test]
    fn scores_of_a_normal_are_its_values_and_those_of_others_have_the_same_share_below() {
        let normal = NormalScores::new(|z| 0.5 * z * z);
        for z in [-6.0, -1.3, -0.01, 0.0, 0.7, 5.5] {
            assert!((normal.of(z) - z).abs() < 1e-3, "{z}: {}", normal.of(z));
        }
        // tests/reference.py.
        let cases = [(4.0, -3.0, -2.054_348_56), (4.0, 0.5, 0.463_048), (1.0, 8.0, 1.755_540_8)];
        for (degrees, z, expected) in cases {
            let t = StudentT::new(degrees);
            let found = NormalScores::new(|z| t.energy(z)).of(z);
            assert!((found - expected).abs() < 2e-3, "{degrees}, {z}: {found}");
        }
    }
}
