//! What to run next: the points of a sweep, one file a method. Pure functions that know nothing of where trials run.

mod grid;
mod halving;
mod learner;
mod random;
mod sobol;
mod tpe;

pub(crate) use halving::{Reached, go_on, ranks};
pub(crate) use learner::Learner;

use std::collections::HashSet;

use crate::spec::{Axis, Candidates, Diagnostic, Diagnostics, Halving, Method, Point, Sweep, written};

/// Points of a search that learns that tell beforehand whether what it may propose makes sense.
const FORESEEN: usize = 64;

/// The settings of every point, in order; of a search that learns, evenly spread ones that begin with those of its first round.
///
/// # Errors
/// Where lists are too short for as many different points as `trials` asks for.
pub(crate) fn points(sweep: &Sweep) -> Result<Vec<Point>, Diagnostics> {
    let Sweep { axes, seed, trials, .. } = sweep;
    match &sweep.method {
        Method::Grid => Ok((0..*trials).map(|index| grid::point(axes, index)).collect()),
        Method::Random => {
            let draws = trials.saturating_mul(random::DRAWS_PER_TRIAL);
            distinct(sweep, *trials, draws, |index| random::coordinates(*seed, axes.len(), index)).map(points_of)
        }
        Method::Sobol => {
            let coordinates = |index| sobol::coordinates(*seed, axes.len(), index);
            distinct(sweep, *trials, sobol::DRAWS, coordinates).map(points_of)
        }
        Method::Tpe(_) | Method::Halving(_) => {
            let startup = sweep.rounds().map_or(0, |rounds| rounds.startup);
            first(sweep, startup.max(FORESEEN)).map(points_of)
        }
    }
}

/// The first `count` points, at most all, of a search that goes on in rounds: before anything is known.
fn first(sweep: &Sweep, count: usize) -> Result<Vec<(Vec<f64>, Point)>, Diagnostics> {
    let Sweep { axes, seed, trials, .. } = sweep;
    let count = count.min(*trials);
    match &sweep.method {
        Method::Halving(Halving { candidates: Candidates::Random, .. }) => {
            let draws = trials.saturating_mul(random::DRAWS_PER_TRIAL);
            distinct(sweep, count, draws, |index| random::coordinates(*seed, axes.len(), index))
        }
        _ => distinct(sweep, count, sobol::DRAWS, |index| sobol::coordinates(*seed, axes.len(), index)),
    }
}

fn points_of(draws: Vec<(Vec<f64>, Point)>) -> Vec<Point> {
    draws.into_iter().map(|(_, point)| point).collect()
}

/// The settings at a place in the unit cube.
fn at(sweep: &Sweep, place: &[f64]) -> Point {
    sweep.axes.iter().zip(place).flat_map(|(axis, u)| axis.at(*u)).collect()
}

/// The first `count` different points among so many `draws`, each with its place in the unit cube: in lists and whole numbers, one
/// may come up again. `coordinates` has draw number `index`.
fn distinct(
    sweep: &Sweep,
    count: usize,
    draws: usize,
    coordinates: impl Fn(usize) -> Vec<f64>,
) -> Result<Vec<(Vec<f64>, Point)>, Diagnostics> {
    let refuse = |message: String| {
        let help = "lower `trials`, add values, or use `method = \"grid\"`";
        Err(Diagnostics::new(vec![Diagnostic::error(&sweep.place, message).help(help)]))
    };
    let possible = sweep.axes.iter().map(Axis::possible).fold(1, usize::saturating_mul);
    if possible < sweep.trials {
        return refuse(format!("there are {possible} different points, and `trials` asks for {}", sweep.trials));
    }
    let mut seen = HashSet::new();
    let mut points = Vec::with_capacity(count);
    for index in 0..draws {
        if points.len() == count {
            break;
        }
        let place = coordinates(index);
        let point = at(sweep, &place);
        if seen.insert(written(&point)) {
            points.push((place, point));
        }
    }
    if points.len() < count {
        return refuse(format!("found {} different points, and `trials` asks for {}", points.len(), sweep.trials));
    }
    Ok(points)
}
