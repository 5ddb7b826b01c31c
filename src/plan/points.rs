//! The points of a sweep, by its method.

use std::collections::HashSet;

use rand::Rng;

use crate::random::{Purpose, stream};
use crate::spec::{Axis, Choice, Diagnostic, Diagnostics, Method, Sweep, written};

/// A draw repeated this often for every trial has run out of new points.
const DRAWS_PER_TRIAL: usize = 64;

/// The settings of every point, in order.
///
/// # Errors
/// Where lists are too short for as many different points as `trials` asks for.
pub(crate) fn points(sweep: &Sweep) -> Result<Vec<Choice>, Diagnostics> {
    let axes = &sweep.axes;
    match sweep.method {
        Method::Grid => Ok((0..sweep.trials).map(|index| grid_point(axes, index)).collect()),
        Method::Random => distinct(sweep, |index| {
            let mut rng = stream(sweep.seed, Purpose::Sweep, index as u64);
            // The upper 53 bits fill the mantissa: uniform on [0, 1).
            (0..axes.len()).map(|_| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64).collect()
        }),
        Method::Sobol => {
            let seed = (sweep.seed ^ (sweep.seed >> 32)) as u32;
            distinct(sweep, |index| {
                (0..axes.len() as u32).map(|axis| f64::from(sobol_burley::sample(index as u32, axis, seed))).collect()
            })
        }
    }
}

/// Point `index` of all combinations; the last axis changes fastest.
fn grid_point(axes: &[Axis], index: usize) -> Choice {
    let mut rest = index;
    let mut digits: Vec<_> = axes
        .iter()
        .rev()
        .map(|axis| {
            let digit = rest % axis.count();
            rest /= axis.count();
            axis.nth(digit)
        })
        .collect();
    digits.reverse();
    digits.into_iter().flatten().collect()
}

/// The first `trials` different points: among lists and whole numbers, a draw may come up again.
fn distinct(sweep: &Sweep, coordinates: impl Fn(usize) -> Vec<f64>) -> Result<Vec<Choice>, Diagnostics> {
    let refuse = |message: String| {
        let help = "lower `trials`, add values, or use `method = \"grid\"`";
        Err(Diagnostics::new(vec![Diagnostic::error(&sweep.place, message).help(help)]))
    };
    let possible = sweep.axes.iter().map(Axis::possible).fold(1, usize::saturating_mul);
    if possible < sweep.trials {
        return refuse(format!("there are {possible} different points, and `trials` asks for {}", sweep.trials));
    }
    let mut seen = HashSet::new();
    let mut points = Vec::with_capacity(sweep.trials);
    // A Sobol sequence of this crate has 2^16 points.
    let draws = match sweep.method {
        Method::Sobol => crate::spec::MAX_TRIALS,
        Method::Grid | Method::Random => sweep.trials.saturating_mul(DRAWS_PER_TRIAL),
    };
    for index in 0..draws {
        if points.len() == sweep.trials {
            break;
        }
        let point: Choice = sweep.axes.iter().zip(coordinates(index)).flat_map(|(axis, u)| axis.at(u)).collect();
        if seen.insert(written(&point)) {
            points.push(point);
        }
    }
    if points.len() < sweep.trials {
        return refuse(format!("found {} different points, and `trials` asks for {}", points.len(), sweep.trials));
    }
    Ok(points)
}
