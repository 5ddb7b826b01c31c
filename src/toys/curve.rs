//! Noise around a curve: the density ∫ K(x − c(t)) w(t) dt, the kernel K normal, or normal smeared by a uniform square.

use std::f64::consts::{LN_2, SQRT_2};

use super::normal::{log_normal, log_smeared_normal};
use super::quadrature::{NODES, gauss_legendre};

/// Stretches of the curve whose contribution is below exp(−CUT) of the largest are left out.
const CUT: f64 = 36.0;
/// Longest panel, in standard deviations: the rule of 32 nodes is then exact to 10⁻¹⁰ wherever there is mass.
const PANEL: f64 = 8.0;
/// Longest panel where the noise is large, in units of length: the curve's own bends must be resolved, too.
const LONGEST: f64 = 1.0;

/// A curve with a density along it and noise around it.
#[derive(Debug)]
pub struct Curve {
    panels: Vec<Panel>,
    deviation: f64,
    half_width: f64,
}

/// A stretch of the curve as the nodes of a quadrature rule.
#[derive(Debug)]
struct Panel {
    points: [[f64; 2]; NODES],
    /// ln of the rule's weight times w(t).
    log_weights: [f64; NODES],
    centre: [f64; 2],
    /// Largest distance of a node from `centre`.
    reach: f64,
}

impl Curve {
    /// The curve `point(t)` with the density `weight(t)`, t in `[low, high]`; noise of standard deviation `deviation`
    /// in each direction, to which a variable uniform on [−`half_width`, `half_width`] is added; 0 for none.
    pub fn new(
        [low, high]: [f64; 2],
        point: impl Fn(f64) -> [f64; 2],
        weight: impl Fn(f64) -> f64,
        deviation: f64,
        half_width: f64,
    ) -> Self {
        let longest = LONGEST.min(PANEL * deviation);
        let mut panels = Vec::new();
        let mut waiting = vec![[low, high]];
        while let Some([a, b]) = waiting.pop() {
            let panel = Panel::new([a, b], &point, &weight);
            if panel.length() > longest {
                let middle = 0.5 * (a + b);
                waiting.extend([[a, middle], [middle, b]]);
            } else {
                panels.push(panel);
            }
        }
        Self { panels, deviation, half_width }
    }

    /// This curve and its mirror image in the origin, with half of the mass each.
    pub fn with_mirror_image(mut self) -> Self {
        for panel in &mut self.panels {
            panel.log_weights = panel.log_weights.map(|log| log - LN_2);
        }
        let mirrored =
            |panel: &Panel| Panel { points: panel.points.map(opposite), centre: opposite(panel.centre), ..*panel };
        self.panels.extend(self.panels.iter().map(mirrored).collect::<Vec<_>>());
        self
    }

    /// Exact log-density in the plane.
    pub fn log_density(&self, x: [f64; 2]) -> f64 {
        // No farther than this is the nearest node. By Jensen's inequality the logarithm of its kernel is at least
        // −(near² + ⅔ half_width²)/2σ², up to the kernel's constant factor; that of a node at the distance d is at most
        // −(d − √2 half_width)²/2σ².
        let near = self.panels.iter().map(|panel| distance(x, panel.centre)).fold(f64::INFINITY, f64::min);
        let squares = near * near + self.half_width.powi(2) / 1.5 + 2.0 * CUT * self.deviation.powi(2);
        let limit = squares.sqrt() + SQRT_2 * self.half_width;
        let (mut top, mut sum) = (f64::NEG_INFINITY, 0.0);
        for panel in self.panels.iter().filter(|panel| distance(x, panel.centre) - panel.reach <= limit) {
            let logs: [f64; NODES] = std::array::from_fn(|i| {
                let [px, py] = panel.points[i];
                if distance(x, [px, py]) > limit {
                    return f64::NEG_INFINITY;
                }
                panel.log_weights[i] + self.log_kernel(x[0] - px) + self.log_kernel(x[1] - py)
            });
            let highest = logs.into_iter().fold(f64::NEG_INFINITY, f64::max);
            if highest == f64::NEG_INFINITY {
                continue;
            }
            if highest > top {
                sum *= (top - highest).exp();
                top = highest;
            }
            sum += logs.into_iter().filter(|log| log - top > -CUT).map(|log| (log - top).exp()).sum::<f64>();
        }
        top + sum.ln()
    }

    /// Whether the circle lies 8 standard deviations away from all that the curve and the uniform variable can reach.
    pub fn misses(&self, centre: [f64; 2], radius: f64) -> bool {
        let limit = 8.0 * self.deviation + SQRT_2 * self.half_width + radius;
        self.panels.iter().all(|panel| distance(centre, panel.centre) - panel.reach > limit)
    }

    /// The box around the curve, with a margin of so many standard deviations.
    pub fn extent(&self, deviations: f64) -> [[f64; 2]; 2] {
        let margin = deviations * self.deviation + self.half_width;
        [0, 1].map(|axis| {
            let values = || self.panels.iter().flat_map(|panel| &panel.points).map(|point| point[axis]);
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            [low - margin, high + margin]
        })
    }

    /// Log-density of the noise in one direction.
    fn log_kernel(&self, u: f64) -> f64 {
        if self.half_width > 0.0 {
            log_smeared_normal(u, self.deviation, self.half_width)
        } else {
            log_normal(u, self.deviation)
        }
    }
}

impl Panel {
    fn new([low, high]: [f64; 2], point: impl Fn(f64) -> [f64; 2], weight: impl Fn(f64) -> f64) -> Self {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        let nodes = gauss_legendre().map(|(x, rule)| (middle + half * x, half * rule));
        let points = nodes.map(|(t, _)| point(t));
        let centre = point(middle);
        let reach = points.iter().map(|node| distance(*node, centre)).fold(0.0, f64::max);
        Self { points, log_weights: nodes.map(|(t, rule)| (rule * weight(t)).ln()), centre, reach }
    }

    /// Length of the stretch; a little less, since the outermost nodes lie inside it.
    fn length(&self) -> f64 {
        self.points.windows(2).map(|pair| distance(pair[0], pair[1])).sum()
    }
}

fn opposite([x, y]: [f64; 2]) -> [f64; 2] {
    [-x, -y]
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::quadrature::on_interval;
    use super::*;

    fn point(t: f64) -> [f64; 2] {
        [t * t.cos(), 0.5 * t * t.sin()]
    }

    #[test]
    fn the_density_is_that_of_the_definition_however_far_away() {
        for (deviation, half_width) in [(0.02, 0.0), (0.2, 0.0), (5.0, 0.0), (0.1, 0.08), (0.03, 0.08)] {
            let curve = Curve::new([0.5, 9.0], point, |t| t, deviation, half_width);
            for x in [[0.0, 0.0], [2.0, 0.7], [2.1, 0.75], [-3.0, -3.0], [20.0, 9.0], [900.0, -400.0]] {
                let log = |t: f64| {
                    let [px, py] = point(t);
                    curve.log_kernel(x[0] - px) + curve.log_kernel(x[1] - py)
                };
                let top = (0..=40_000).map(|i| log(0.5 + 8.5 * f64::from(i) / 4e4)).fold(f64::NEG_INFINITY, f64::max);
                let expected = top + on_interval(0.5, 9.0, 1_500, |t| t * (log(t) - top).exp()).ln();
                let value = curve.log_density(x);
                // Far away the truth itself is a large number.
                let allowed = 1e-9 + 1e-5 * (-top / 100.0 - 1.0).max(0.0);
                assert!((value - expected).abs() < allowed, "{deviation} {half_width} {x:?}: {value} {expected}");
            }
        }
    }
}
