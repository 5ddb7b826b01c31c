//! The `[sweep]` of a spec: which keys take which values, and how points are chosen among them.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::diagnostics::{Diagnostic, quoted};
use super::resolve::{Table, consume};
use super::settings::Settings;
use super::source::Place;

/// Most points of a sweep.
pub const MAX_TRIALS: usize = 65_536;
/// Most runs of an experiment: points times seeds.
pub const MAX_RUNS: usize = 100_000;

/// Most trials that are proposed together.
pub const MAX_ROUND: usize = 1_024;

/// What a search looks at: columns of `trials.parquet` that are better the smaller they are, and do not depend on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the columns are documented where they are made")]
pub enum Score {
    ValidationNll,
    TestNll,
    TestNllStandardized,
    TrainNll,
    Gap,
    BitsPerDim,
}

impl Score {
    /// The column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationNll => "validation_nll",
            Self::TestNll => "test_nll",
            Self::TestNllStandardized => "test_nll_standardized",
            Self::TrainNll => "train_nll",
            Self::Gap => "gap",
            Self::BitsPerDim => "bits_per_dim",
        }
    }
}

/// How the points of a sweep are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every combination; the last key changes fastest.
    Grid,
    /// Independent uniform draws.
    Random,
    /// An Owen-scrambled Sobol sequence (Burley 2020): any first part of it is evenly spread.
    Sobol,
    /// By a tree-structured Parzen estimator, in rounds: from the second on, it knows how the trials of earlier ones ended.
    Tpe(Rounds),
    /// By successive halving: only the best of them go on from one rung to the next.
    Halving(Halving),
}

/// Successive halving (Jamieson & Talwalkar 2016; Li et al. 2018): all trials of a round train to the first rung, and of
/// those at a rung one in `eta` goes on to the next, which is `eta` times as far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halving {
    /// How the trials are chosen: those of each round are halved among themselves.
    pub candidates: Candidates,
    /// Of so many trials one goes on.
    pub eta: usize,
    /// Steps to the first rung.
    pub first_rung: usize,
    /// Keep the checkpoints of trials that do not go on.
    pub keep_stopped: bool,
    rounds: Rounds,
}

/// How the trials of a halving are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as the methods of the same names")]
pub enum Candidates {
    Random,
    Sobol,
    Tpe,
}

impl Halving {
    /// From checked values of the keys, of which a sweep has so many `trials`; `None` where one is wrong.
    fn read(values: &Table, trials: usize) -> Option<Self> {
        let size = |path| Some(values.get(path)?.as_integer()? as usize);
        let candidates: Candidates = values.get("sweep.candidates")?.clone().try_into().ok()?;
        let rounds = match candidates {
            Candidates::Random | Candidates::Sobol => Rounds { startup: trials, size: 1, metric: Score::ValidationNll },
            Candidates::Tpe => {
                Rounds { startup: size("sweep.startup")?, size: size("sweep.round")?, metric: Score::ValidationNll }
            }
        };
        let (eta, first_rung) = (size("sweep.eta")?, size("sweep.first_rung")?);
        Some(Self { candidates, eta, first_rung, keep_stopped: values.get("sweep.keep_stopped")?.as_bool()?, rounds })
    }

    /// Steps of so many `trials` together, each of which would have so many `steps`; `last` as for [`Halving::rungs`].
    pub fn steps(&self, trials: usize, steps: usize, last: usize) -> usize {
        let rungs = self.rungs(trials, Some(last));
        let to_end = rungs.last().map_or(trials, |rung| rung.go_on);
        let stopped = rungs.iter().map(|rung| (rung.trials - rung.go_on).saturating_mul(rung.step));
        stopped.fold(to_end.saturating_mul(steps), usize::saturating_add)
    }

    /// The rungs of so many `trials`, up to the step of their `last` evaluation before their end; `None`: it is not known before
    /// the data are.
    pub fn rungs(&self, trials: usize, last: Option<usize>) -> Vec<Rung> {
        let best = |trials: usize| (trials / self.eta).max(1);
        let first = Rung { step: self.first_rung, trials, go_on: best(trials) };
        let next = |rung: &Rung| {
            let step = rung.step.saturating_mul(self.eta);
            Some(Rung { step, trials: rung.go_on, go_on: best(rung.go_on) })
        };
        let all = std::iter::successors(Some(first), next);
        all.take_while(|rung| rung.trials > 1 && last.is_none_or(|last| rung.step <= last)).collect()
    }
}

/// Where the trials of a halving are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Steps that they have done.
    pub step: usize,
    /// How many come there, if none diverges.
    pub trials: usize,
    /// How many of them go on.
    pub go_on: usize,
}

/// How a search that learns goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// Trials of the first round.
    pub startup: usize,
    /// Trials of every later round.
    pub size: usize,
    /// What is to be small.
    pub metric: Score,
}

impl Rounds {
    /// The numbers of the trials in round `index`, the last of which may go beyond what is asked for.
    pub fn trials(&self, index: usize) -> Range<usize> {
        let end = self.startup + index * self.size;
        if index == 0 { 0..end } else { end - self.size..end }
    }

    /// From checked values of the keys; `None` where one is wrong.
    fn read(values: &Table) -> Option<Self> {
        let size = |path| Some(values.get(path)?.as_integer()? as usize);
        let metric = values.get("sweep.metric")?.clone().try_into().ok()?;
        Some(Self { startup: size("sweep.startup")?, size: size("sweep.round")?, metric })
    }

    /// How many rounds so many trials are.
    pub fn count(&self, trials: usize) -> usize {
        1 + trials.saturating_sub(self.startup).div_ceil(self.size)
    }
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
        let integer = |path: &str| consumed.values.get(path).and_then(toml::Value::as_integer);
        let method = match consumed.values.get("sweep.method").and_then(toml::Value::as_str) {
            Some("grid") => Some(Method::Grid),
            Some("random") => Some(Method::Random),
            Some("sobol") => Some(Method::Sobol),
            Some("tpe") => Rounds::read(&consumed.values).map(Method::Tpe),
            Some("halving") => Halving::read(&consumed.values, integer("sweep.trials").map_or(0, |it| it as usize))
                .map(Method::Halving),
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
            let Some(axis) = Axis::read(written, setting, method.as_ref(), problems) else {
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
        let product = || axes.iter().map(Axis::count).fold(1_usize, usize::saturating_mul);
        let trials = match method {
            Some(Method::Random | Method::Sobol | Method::Tpe(_) | Method::Halving(_)) => {
                integer("sweep.trials").map_or(0, |trials| trials as usize)
            }
            _ => product(),
        };
        if trials > MAX_TRIALS {
            let problem = Diagnostic::error(&place, format!("this grid has more than {MAX_TRIALS} points"));
            problems.push(problem.help("shorten its lists, or draw points with `method = \"random\"` and `trials`"));
        }
        let seed = integer("sweep.seed").map_or(0, |seed| seed as u64);
        Some(Self { method: method.unwrap_or(Method::Grid), trials, seed, axes, place })
    }

    /// How it goes on, where what it runs depends on how earlier trials end.
    pub fn rounds(&self) -> Option<&Rounds> {
        match &self.method {
            Method::Tpe(rounds) | Method::Halving(Halving { rounds, .. }) => Some(rounds),
            Method::Grid | Method::Random | Method::Sobol => None,
        }
    }

    /// How its trials are halved, where they are.
    pub fn halving(&self) -> Option<&Halving> {
        match &self.method {
            Method::Halving(halving) => Some(halving),
            Method::Grid | Method::Random | Method::Sobol | Method::Tpe(_) => None,
        }
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
