//! What the values of a column go through before they are scaled, so that a flow on the whole line keeps to their support.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::shown;
use crate::spec::ColumnTransform;

/// An increasing map of a column's support onto the whole line, x → y; all numbers in data units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Transform {
    /// y = ln(x − low), of values above `low`.
    Log {
        /// Every value is above it.
        low: f64,
    },
    /// y = ln((x − low)/(high − x)), of values between `low` and `high`.
    Logit {
        /// Every value is above it.
        low: f64,
        /// Every value is below it.
        high: f64,
    },
    /// y = sign(x)·ln(1 + |x|/scale), of all values: it shortens tails on both sides.
    Symlog {
        /// Up to about here y is linear in x; positive.
        scale: f64,
    },
}

impl Transform {
    /// That which the spec asks for; what it leaves open is taken from the `values` of the training rows.
    pub fn fit(asked: ColumnTransform, values: impl Iterator<Item = f64>) -> Self {
        match asked {
            ColumnTransform::Log { low } => Self::Log { low },
            ColumnTransform::Logit { low, high } => Self::Logit { low, high },
            ColumnTransform::Symlog { scale } => Self::Symlog { scale: scale.unwrap_or_else(|| typical(values)) },
        }
    }

    /// x → y; NaN where x is not in the support.
    pub fn apply(self, x: f64) -> f64 {
        if !self.holds(x, 0.0) {
            return f64::NAN;
        }
        match self {
            Self::Log { low } => (x - low).ln(),
            // Of a ratio that is no longer a float the logarithms still are.
            Self::Logit { low, high } => (x - low).ln() - (high - x).ln(),
            Self::Symlog { scale } => (x.abs() / scale).ln_1p().copysign(x),
        }
    }

    /// y → x, which is in the support whatever rounding does.
    pub fn invert(self, y: f64) -> f64 {
        self.nearest(match self {
            Self::Log { low } => low + y.exp(),
            // Either form is exact to the last digits on its side of the middle.
            Self::Logit { low, high } if y < 0.0 => low + (high - low) * (y.exp() / (1.0 + y.exp())),
            Self::Logit { low, high } => high - (high - low) * ((-y).exp() / (1.0 + (-y).exp())),
            Self::Symlog { scale } => (scale * y.abs().exp_m1()).copysign(y),
        })
    }

    /// ln(dy/dx) at the x that becomes `y`, nats.
    pub fn log_slope(self, y: f64) -> f64 {
        match self {
            Self::Log { .. } => -y,
            // dy/dx = (high − low)/((x − low)(high − x)).
            Self::Logit { low, high } => y.abs() + 2.0 * (-y.abs()).exp().ln_1p() - (high - low).ln(),
            Self::Symlog { scale } => -y.abs() - scale.ln(),
        }
    }

    /// What a spec calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log { .. } => "log",
            Self::Logit { .. } => "logit",
            Self::Symlog { .. } => "symlog",
        }
    }

    /// Whether all of [x, x + step) but its first point, or x itself where `step` is 0, is in the support.
    pub fn holds(self, x: f64, step: f64) -> bool {
        let inside = |low: f64, high: f64| match step {
            0.0 => x > low && x < high,
            _ => x >= low && x + step <= high,
        };
        match self {
            Self::Log { low } => inside(low, f64::INFINITY),
            Self::Logit { low, high } => inside(low, high),
            Self::Symlog { .. } => x.is_finite(),
        }
    }

    /// The number of the support that is nearest to `x`; NaN stays NaN.
    pub fn nearest(self, x: f64) -> f64 {
        let (low, high) = match self {
            Self::Log { low } => (low.next_up(), f64::MAX),
            Self::Logit { low, high } => (low.next_up(), high.next_down()),
            Self::Symlog { .. } => (f64::MIN, f64::MAX),
        };
        if x.is_nan() { x } else { x.max(low).min(high) }
    }
}

/// Its support in words.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Log { low } => write!(f, "above {}", shown(low)),
            Self::Logit { low, high } => write!(f, "between {} and {}", shown(low), shown(high)),
            Self::Symlog { .. } => f.write_str("a finite number"),
        }
    }
}

/// The median of the distances from 0; where that is 0 their mean, and 1 where all are.
fn typical(values: impl Iterator<Item = f64>) -> f64 {
    let mut sizes: Vec<f64> = values.map(f64::abs).collect();
    if sizes.is_empty() {
        return 1.0;
    }
    let middle = sizes.len() / 2;
    let median = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
    let mean = || sizes.iter().map(|size| size / sizes.len() as f64).sum::<f64>();
    match median {
        0.0 if mean() > 0.0 => mean(),
        0.0 => 1.0,
        median => median,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Transform; 5] = [
        Transform::Log { low: 0.0 },
        Transform::Log { low: -1e3 },
        Transform::Logit { low: 0.0, high: 1.0 },
        Transform::Logit { low: -2.0, high: 6.0 },
        Transform::Symlog { scale: 0.5 },
    ];

    #[test]
    fn values_come_back_and_slopes_are_those_of_finite_differences() {
        for transform in ALL {
            for y in [-5.0, -1.0, 0.25, 3.0, 6.0] {
                let (x, h) = (transform.invert(y), 1e-5);
                assert!((transform.apply(x) - y).abs() < 1e-7, "{transform:?} {y}: {}", transform.apply(x));
                let slope = (transform.invert(y + h) - transform.invert(y - h)) / (2.0 * h);
                assert!((slope.ln() + transform.log_slope(y)).abs() < 1e-4, "{transform:?} {y}: {slope}");
            }
        }
    }

    #[test]
    fn nothing_leaves_the_support_however_far_out_it_was_drawn() {
        for transform in ALL {
            for y in [-1e300, -800.0, -45.0, 45.0, 800.0, 1e300] {
                let x = transform.invert(y);
                assert!(x.is_finite() && transform.holds(x, 0.0), "{transform:?} {y}: {x}");
            }
            assert!(transform.invert(f64::NAN).is_nan());
        }
    }

    #[test]
    fn the_ends_belong_to_values_with_noise_alone() {
        let (log, logit) = (Transform::Log { low: 0.0 }, Transform::Logit { low: 0.0, high: 4.0 });
        for (transform, x, step, held) in [
            (log, 0.0, 0.0, false),
            (log, 0.0, 1.0, true),
            (log, -0.5, 1.0, false),
            (logit, 4.0, 0.0, false),
            (logit, 3.0, 1.0, true),
            (logit, 3.5, 1.0, false),
        ] {
            assert_eq!(transform.holds(x, step), held, "{transform:?} {x} {step}");
        }
        assert!(log.apply(0.0).is_nan() && log.apply(-1.0).is_nan() && logit.apply(4.0).is_nan());
    }

    #[test]
    fn the_scale_of_a_symlog_is_the_median_size_unless_it_is_given() {
        let fit = |scale, values: &[f64]| Transform::fit(ColumnTransform::Symlog { scale }, values.iter().copied());
        for (scale, values, expected) in [
            (Some(2.0), &[1.0, 5.0][..], 2.0),
            (None, &[-3.0, 1.0, 100.0], 3.0),
            (None, &[0.0, 0.0, 0.0, 8.0], 2.0),
            (None, &[0.0, 0.0], 1.0),
        ] {
            assert_eq!(fit(scale, values), Transform::Symlog { scale: expected });
        }
    }
}
