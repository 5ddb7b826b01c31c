//! Numerical integration: Gauss–Legendre on an interval, the midpoint rule on a box.

use std::f64::consts::PI;
use std::sync::OnceLock;

/// Nodes of the rule: exact for polynomials up to degree 63.
pub const NODES: usize = 32;

/// Nodes on [−1, 1] and weights of the Gauss–Legendre rule with [`NODES`] points.
///
/// Newton's method on the Legendre polynomial, whose roots lie near cos(π(i + ¾)/(n + ½)).
pub fn gauss_legendre() -> &'static [(f64, f64); NODES] {
    static RULE: OnceLock<[(f64, f64); NODES]> = OnceLock::new();
    RULE.get_or_init(|| {
        std::array::from_fn(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (NODES as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..10 {
                let (value, derivative) = legendre(x);
                slope = derivative;
                x -= value / derivative;
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
    })
}

/// The Legendre polynomial of degree [`NODES`] and its derivative at `x`, by Bonnet's recursion.
fn legendre(x: f64) -> (f64, f64) {
    let (mut previous, mut current) = (1.0, x);
    for n in 1..NODES {
        let n = n as f64;
        (previous, current) = (current, ((2.0 * n + 1.0) * x * current - n * previous) / (n + 1.0));
    }
    (current, NODES as f64 * (x * current - previous) / (x * x - 1.0))
}

/// ∫ f over [low, high], cut into `panels` equal Gauss–Legendre panels.
pub fn on_interval(low: f64, high: f64, panels: usize, f: impl Fn(f64) -> f64) -> f64 {
    let half = (high - low) / (2 * panels) as f64;
    let panel = |k: usize| {
        let middle = low + (2 * k + 1) as f64 * half;
        gauss_legendre().iter().map(|(x, weight)| weight * f(middle + half * x)).sum::<f64>()
    };
    half * (0..panels).map(panel).sum::<f64>()
}

/// ∫ f over a box by the midpoint rule with cells no wider than `step`.
///
/// For smooth functions that vanish at the edge the error falls exponentially with the step: for a Gaussian of
/// standard deviation σ it is exp(−2π²σ²/step²) (trapezoid rule, Poisson summation).
pub fn on_box(bounds: [[f64; 2]; 2], step: f64, f: impl Fn([f64; 2]) -> f64) -> f64 {
    let [cells_x, cells_y] = bounds.map(|[low, high]| ((high - low) / step).ceil());
    let [[x0, x1], [y0, y1]] = bounds;
    let (h, k) = ((x1 - x0) / cells_x, (y1 - y0) / cells_y);
    let mut sum = 0.0;
    for i in 0..cells_x as usize {
        for j in 0..cells_y as usize {
            sum += f([x0 + (i as f64 + 0.5) * h, y0 + (j as f64 + 0.5) * k]);
        }
    }
    sum * h * k
}

/// −∫ p ln p over a box by the midpoint rule with cells no wider than `step`, in nats; p is given by its logarithm.
///
/// `is_empty(centre, radius)` tells whether the circle holds so little mass that it need not be looked at.
pub fn entropy_on_box(
    bounds: [[f64; 2]; 2],
    step: f64,
    is_empty: impl Fn([f64; 2], f64) -> bool,
    log_density: impl Fn([f64; 2]) -> f64,
) -> f64 {
    let cells = bounds.map(|[low, high]| ((high - low) / step).ceil() as usize);
    let widths = [0, 1].map(|axis| (bounds[axis][1] - bounds[axis][0]) / cells[axis] as f64);
    let place = |axis: usize, cell: f64| bounds[axis][0] + cell * widths[axis];
    let mut sum = 0.0;
    // Blocks of cells, `[from, to)` along each axis, halved until they are empty or a single cell.
    let mut blocks = vec![cells.map(|cells| [0, cells])];
    while let Some(block) = blocks.pop() {
        let centre = [0, 1].map(|axis| place(axis, 0.5 * (block[axis][0] + block[axis][1]) as f64));
        let sides = [0, 1].map(|axis| (block[axis][1] - block[axis][0]) as f64 * widths[axis]);
        if is_empty(centre, 0.5 * sides[0].hypot(sides[1])) {
            continue;
        }
        let longer = usize::from(block[1][1] - block[1][0] > block[0][1] - block[0][0]);
        let [from, to] = block[longer];
        if to - from == 1 {
            sum += surprise(log_density(centre));
            continue;
        }
        let middle = from + (to - from) / 2;
        for half in [[middle, to], [from, middle]] {
            let mut block = block;
            block[longer] = half;
            blocks.push(block);
        }
    }
    sum * widths[0] * widths[1]
}

/// −p ln p, given ln p.
pub fn surprise(log_density: f64) -> f64 {
    // Below, p is 0 in 64 bits.
    if log_density > -700.0 { -log_density * log_density.exp() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_exponentials_and_gaussians_are_integrated_exactly() {
        let cases = [
            (on_interval(-1.0, 1.0, 1, |x| x.powi(62)), 2.0 / 63.0),
            (on_interval(0.0, 3.0, 1, f64::exp), 3f64.exp() - 1.0),
            (on_interval(0.0, 3.0, 7, f64::exp), 3f64.exp() - 1.0),
            (on_box([[-8.0, 8.0]; 2], 0.5, |[x, y]| (-0.5 * (x * x + y * y)).exp()), 2.0 * PI),
        ];
        for (value, expected) in cases {
            assert!((value / expected - 1.0).abs() < 1e-13, "{value}, expected {expected}");
        }
    }
}
