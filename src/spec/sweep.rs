//! The `[sweep]` of a spec: which keys take which values, and how points are chosen among them.

use std::collections::BTreeSet;

use super::axis::Axis;
use super::diagnostics::{Diagnostic, quoted};
use super::resolve::consume;
use super::settings::Settings;
use super::source::Place;

/// Most points of a sweep.
pub const MAX_TRIALS: usize = 65_536;
/// Most runs of an experiment: points times seeds.
pub const MAX_RUNS: usize = 100_000;

/// How the points of a sweep are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every combination; the last key changes fastest.
    Grid,
    /// Independent uniform draws.
    Random,
    /// An Owen-scrambled Sobol sequence (Burley 2020): any first part of it is evenly spread.
    Sobol,
}

/// A checked sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// How its points are chosen.
    pub method: Method,
    /// Number of points; for a grid the product of its lists.
    pub trials: usize,
    /// Seed of the points; 0 for a grid.
    pub seed: u64,
    /// The swept keys, with the values of each.
    pub axes: Vec<Axis>,
    /// Where a problem with the sweep as a whole is shown.
    pub(crate) place: Place,
}

impl Sweep {
    /// Reads the sweep where there is one; `overridden` are the keys that overrides hold fixed.
    pub(crate) fn read(
        settings: &Settings,
        overridden: &BTreeSet<&'static str>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let place = place(settings)?;
        let consumed = consume(settings, &place, |path| path.starts_with("sweep."));
        problems.extend(consumed.problems);
        problems.extend(consumed.unused.into_iter().map(|(_, problem)| problem));
        let method = match consumed.values.get("sweep.method").and_then(toml::Value::as_str) {
            Some("grid") => Some(Method::Grid),
            Some("random") => Some(Method::Random),
            Some("sobol") => Some(Method::Sobol),
            _ => None,
        };
        if settings.axes.is_empty() {
            let problem = Diagnostic::error(&place, "`[sweep]` has nothing to sweep");
            problems.push(
                problem.help("name keys and their values below `[sweep.parameters]`: `\"model.depth\" = [4, 8]`"),
            );
        }
        let mut axes: Vec<Axis> = Vec::new();
        let mut swept = BTreeSet::new();
        for (written, setting) in &settings.axes {
            let Some(axis) = Axis::read(written, setting, method, problems) else {
                continue;
            };
            for key in &axis.keys {
                if !swept.insert(*key) {
                    problems.push(
                        Diagnostic::error(&axis.place.part(key), format!("{} is swept twice", quoted(key)))
                            .help("keep one of the two"),
                    );
                }
                if let (true, Some(fixed)) = (overridden.contains(key), settings.get(key)) {
                    let problem =
                        Diagnostic::error(&fixed.key, format!("`{key}` has no effect here: the spec sweeps it"));
                    problems.push(
                        problem.help(format!("override its values: `--set 'sweep.parameters.\"{written}\"=[…]'`")),
                    );
                }
            }
            axes.push(axis);
        }
        let integer = |path: &str| consumed.values.get(path).and_then(toml::Value::as_integer);
        let product = || axes.iter().map(Axis::count).fold(1_usize, usize::saturating_mul);
        let trials = match method {
            Some(Method::Random | Method::Sobol) => integer("sweep.trials").map_or(0, |trials| trials as usize),
            _ => product(),
        };
        if trials > MAX_TRIALS {
            let problem = Diagnostic::error(&place, format!("this grid has more than {MAX_TRIALS} points"));
            problems.push(problem.help("shorten its lists, or draw points with `method = \"random\"` and `trials`"));
        }
        let seed = integer("sweep.seed").map_or(0, |seed| seed as u64);
        Some(Self { method: method.unwrap_or(Method::Grid), trials, seed, axes, place })
    }

    /// `settings` with every swept key at its first value.
    pub(crate) fn with_first_values(&self, settings: &Settings) -> Settings {
        let mut first = settings.clone();
        for (path, setting) in self.axes.iter().flat_map(Axis::first) {
            first.set(path, setting);
        }
        first
    }
}

/// Where the sweep starts; `None` where there is none.
fn place(settings: &Settings) -> Option<Place> {
    let section = settings.section("sweep").or(settings.section("sweep.parameters"));
    let key = || settings.paths().find(|path| path.starts_with("sweep.")).and_then(|path| settings.get(path));
    section
        .or_else(|| key().map(|setting| &setting.key))
        .or(settings.axes.first().map(|(_, setting)| &setting.key))
        .cloned()
}
