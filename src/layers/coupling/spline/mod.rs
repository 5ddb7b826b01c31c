//! The rational-quadratic spline transformer (Durkan, Bekasov, Murray & Papamakarios 2019, "Neural Spline Flows", section 3).

mod composed;
mod cpu;
mod cuda;

pub(crate) use cuda::PlacedSpline;

/// z = g(x), where g is a monotone spline on ±bound through knots that the network says, and the identity beyond: with slope 1 at
/// ±bound it has no corner there. Between two knots g is a quotient of two parabolas, which has a closed inverse.
///
/// Of every changed feature the network says a width and a height for each bin, and a slope for each inner knot, all as
/// logits; where it says 0, g is the identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spline {
    /// Bins between −bound and bound.
    pub bins: usize,
    /// Where the identity begins, in units of the values that the layer is given.
    pub bound: f32,
}

// Specs have finite bounds.
impl Eq for Spline {}

/// The least share of a bin in the whole width or height, and the least slope.
const LEAST: f64 = 1e-3;

impl Spline {
    /// Numbers that the network says of a changed feature: widths, heights, inner slopes.
    pub fn lists(self) -> usize {
        3 * self.bins - 1
    }

    /// From the softmax p of widths or heights to their length: `[offset, factor]` of offset + factor·p.
    fn lengths(self) -> [f64; 2] {
        let whole = 2.0 * f64::from(self.bound);
        [whole * LEAST, whole * (1.0 - LEAST * self.bins as f64)]
    }
}

/// What is added to a slope's logit, so that softplus of 0 with it, and [`LEAST`], is 1.
fn slope_offset() -> f64 {
    (1.0 - LEAST).exp_m1().ln()
}
