//! What to run next: the points of a sweep, one file a method. Pure functions that know nothing of where trials run.

mod grid;
mod random;
mod sobol;

use std::collections::HashSet;

use crate::spec::{Axis, Diagnostic, Diagnostics, Method, Point, Sweep, written};

/// The settings of every point, in order.
///
/// # Errors
/// Where lists are too short for as many different points as `trials` asks for.
pub(crate) fn points(sweep: &Sweep) -> Result<Vec<Point>, Diagnostics> {
    let Sweep { axes, seed, trials, .. } = sweep;
    match sweep.method {
        Method::Grid => Ok((0..*trials).map(|index| grid::point(axes, index)).collect()),
        Method::Random => {
            let draws = trials.saturating_mul(random::DRAWS_PER_TRIAL);
            distinct(sweep, draws, |index| random::coordinates(*seed, axes.len(), index))
        }
        Method::Sobol => distinct(sweep, sobol::DRAWS, |index| sobol::coordinates(*seed, axes.len(), index)),
    }
}

/// The first `trials` different points among so many `draws`: in lists and whole numbers, one may come up again. `coordinates`
/// has draw number `index` in the unit cube.
fn distinct(sweep: &Sweep, draws: usize, coordinates: impl Fn(usize) -> Vec<f64>) -> Result<Vec<Point>, Diagnostics> {
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
    for index in 0..draws {
        if points.len() == sweep.trials {
            break;
        }
        let point: Point = sweep.axes.iter().zip(coordinates(index)).flat_map(|(axis, u)| axis.at(u)).collect();
        if seen.insert(written(&point)) {
            points.push(point);
        }
    }
    if points.len() < sweep.trials {
        return refuse(format!("found {} different points, and `trials` asks for {}", points.len(), sweep.trials));
    }
    Ok(points)
}
