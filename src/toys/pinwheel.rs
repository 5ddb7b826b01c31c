//! The pinwheel of FFJORD's toy data: five blades, each bent by the radius.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::normal::log_normal;
use super::quadrature::{on_box, on_interval};
use super::{Parameter, Toy, ToyEntry};

const BLADES: usize = 5;
const SCALE: f64 = 2.0;
/// Standard deviation along a blade.
const ALONG: f64 = 0.3;
/// How far a blade is bent.
const RATE: f64 = 0.25;
/// Lengths of f beyond which, at densities below 10⁻¹¹⁸, thousands of f lead to one x: there their sum is an integral.
const MANY: f64 = 8.0;

pub(super) const PINWHEEL: ToyEntry = ToyEntry {
    name: "pinwheel",
    description: "five bent blades; the noise is the standard deviation across a blade, before scaling by 2",
    parameters: &[Parameter {
        name: "noise",
        default: 0.1,
        minimum: 0.02,
        maximum: 0.2,
        reason: "with less, the mass lies on curves; with more, the blades fold over themselves",
        doc: "Standard deviation across a blade, before the toy's scaling.",
    }],
    components: None,
    make: |values| Box::new(Pinwheel { noise: values["noise"] }),
};

/// 2 (f₀ cos a + f₁ sin a, −f₀ sin a + f₁ cos a) with f₀ = 1 + 0.3 N, f₁ = noise · N, a = 2πk/5 + ¼ exp f₀, k uniform
/// on 0..5: the point f turned by −a, whose Jacobian is 1 + f₁ da/df₀.
#[derive(Debug)]
struct Pinwheel {
    noise: f64,
}

impl Toy for Pinwheel {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let along = 1.0 + ALONG * rng.sample::<f64, _>(StandardNormal);
        let across = self.noise * rng.sample::<f64, _>(StandardNormal);
        let blade = rng.random_range(0..BLADES);
        row.copy_from_slice(&place(blade, along, across).map(|value| value as f32));
    }

    /// The sum over all f that lead to x. They have the length ρ of x; the angle φ of f solves
    /// φ − ¼ exp(ρ cos φ) = angle of x, up to multiples of 2π/5.
    fn log_density(&self, x: &[f64]) -> f64 {
        let (radius, angle) = (x[0].hypot(x[1]) / SCALE, x[1].atan2(x[0]));
        let log_sum = if radius > MANY {
            let top = self.log_normals(radius, 0.0);
            let reach = (10.0 * self.noise / radius).min(PI);
            let integral = on_interval(-reach, reach, 4, |phi| (self.log_normals(radius, phi) - top).exp());
            // A stretch of φ holds |slope| / (2π/5) solutions, each divided by |slope|.
            top + (integral * BLADES as f64 / TAU).ln()
        } else {
            let mut logs = Vec::with_capacity(2 * BLADES);
            for_each_angle(radius, angle, |phi| {
                logs.push(self.log_normals(radius, phi) - slope(radius, phi).abs().ln());
            });
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            top + logs.iter().map(|log| (log - top).exp()).sum::<f64>().ln()
        };
        log_sum - (BLADES as f64).ln() - 2.0 * SCALE.ln()
    }

    fn entropy(&self) -> f64 {
        // All blades look alike, so the mean of −ln p over the first is the mean over all. Its normal variables are
        // integrated by the midpoint rule.
        on_box([[-8.0, 8.0]; 2], 0.1, |[along, across]| {
            let x = place(0, 1.0 + ALONG * along, self.noise * across);
            -(log_normal(along, 1.0) + log_normal(across, 1.0)).exp() * self.log_density(&x)
        })
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let edge = SCALE * (1.0 + 5.0 * ALONG).hypot(5.0 * self.noise);
        vec![[-edge, edge]; 2]
    }
}

impl Pinwheel {
    /// Log-density of f, given by its length and angle.
    fn log_normals(&self, radius: f64, phi: f64) -> f64 {
        let (sin, cos) = phi.sin_cos();
        log_normal(radius * cos - 1.0, ALONG) + log_normal(radius * sin, self.noise)
    }
}

/// The point x of f = (along, across).
fn place(blade: usize, along: f64, across: f64) -> [f64; 2] {
    let (sin, cos) = (TAU * blade as f64 / BLADES as f64 + RATE * along.exp()).sin_cos();
    [SCALE * (along * cos + across * sin), SCALE * (across * cos - along * sin)]
}

/// The angle of x, of which φ is the angle of f, up to 2πk/5.
fn turned(radius: f64, phi: f64) -> f64 {
    phi - RATE * (radius * phi.cos()).exp()
}

/// Its derivative by φ, which is the Jacobian 1 + f₁ da/df₀ too.
fn slope(radius: f64, phi: f64) -> f64 {
    1.0 + RATE * radius * phi.sin() * (radius * phi.cos()).exp()
}

/// Calls `visit` with every φ in [−π, π) for which `turned` is `angle` up to multiples of 2π/5.
fn for_each_angle(radius: f64, angle: f64, mut visit: impl FnMut(f64)) {
    for [low, high] in monotone_pieces(radius) {
        let (at_low, at_high) = (turned(radius, low), turned(radius, high));
        let step = TAU / BLADES as f64;
        let (from, to) = (at_low.min(at_high), at_low.max(at_high));
        // Half open, so that a solution at the seam of two pieces counts once.
        let mut k = ((from - angle) / step).ceil();
        while angle + k * step < to {
            visit(solve(radius, angle + k * step, [low, high], at_low < at_high));
            k += 1.0;
        }
    }
}

/// [−π, π] cut where `turned` changes its direction. Its slope falls and rises once between −π and 0, and is above 1
/// elsewhere, so there are two such places or none.
fn monotone_pieces(radius: f64) -> impl Iterator<Item = [f64; 2]> {
    // The steepest descent is where ρ sin² φ = cos φ.
    let cos = 2.0 * radius / (1.0 + (1.0 + 4.0 * radius * radius).sqrt());
    let steepest = -cos.acos();
    let mut cuts = vec![-PI];
    if slope(radius, steepest) < 0.0 {
        cuts.extend([bisect(-PI, steepest, |phi| slope(radius, phi)), bisect(steepest, 0.0, |phi| slope(radius, phi))]);
    }
    cuts.push(PI);
    (1..cuts.len()).map(move |i| [cuts[i - 1], cuts[i]])
}

/// The φ in the monotone piece at which `turned` is `target`: Newton's method, kept inside by bisection.
fn solve(radius: f64, target: f64, [mut low, mut high]: [f64; 2], rising: bool) -> f64 {
    let mut phi = 0.5 * (low + high);
    for _ in 0..80 {
        let miss = turned(radius, phi) - target;
        if (miss > 0.0) == rising {
            high = phi;
        } else {
            low = phi;
        }
        let newton = phi - miss / slope(radius, phi);
        let next = if low < newton && newton < high { newton } else { 0.5 * (low + high) };
        // Newton's method squares the error: `next` is exact.
        if (next - phi).abs() < 1e-11 {
            return next;
        }
        phi = next;
    }
    phi
}

/// A root of `f` between `low` and `high`, at which it has different signs.
fn bisect(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let rising = f(high) > 0.0;
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if (f(middle) > 0.0) == rising {
            high = middle;
        } else {
            low = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All changes of sign of sin 5(turned − angle)/2 where it is no pole, on a fine grid.
    fn by_search(radius: f64, angle: f64) -> Vec<f64> {
        let n = 200_000;
        let cell = |phi: f64| ((turned(radius, phi) - angle) / (TAU / BLADES as f64)).floor();
        let at = |i: usize| -PI + TAU * i as f64 / n as f64;
        (0..n).filter(|&i| cell(at(i)) != cell(at(i + 1))).map(at).collect()
    }

    #[test]
    fn every_solution_is_found_also_where_a_blade_folds() {
        for radius in [0.01, 0.5, 1.0, 1.5, 2.0, 2.6, 3.3] {
            for angle in [-3.0, -1.1, 0.0, 0.4, 2.9] {
                let mut found = Vec::new();
                for_each_angle(radius, angle, |phi| found.push(phi));
                found.sort_by(f64::total_cmp);
                let expected = by_search(radius, angle);
                assert_eq!(found.len(), expected.len(), "{radius} {angle}: {found:?} {expected:?}");
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{radius} {angle}: {found} {expected}");
                }
            }
        }
    }
}
