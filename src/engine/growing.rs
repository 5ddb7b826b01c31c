//! The plan of an experiment, and the search that makes it grow as trials end.
//!
//! What a search is told is on disk, in `plan.json`, before any trial that it then proposes starts. So whoever goes on after a
//! kill, with other jobs, or on a cluster, is proposed the same trials.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::best::draw_best;
use super::datasets::Datasets;
use super::known_names::under_known_names;
use crate::atomic::{WriteError, write_atomically};
use crate::plan::{Plan, Search, Told, Trial};
use crate::record::{
    Manifest, RecordError, Runs, Warn, hparams, read_curve, read_runs, remove_bands, write_experiment,
};
use crate::spec::{Diagnostics, Rung, Score, counted};
use crate::statistics::mean;
use crate::train::{Status, Summary};
use crate::trial::{SPEC, end_at_rung};

/// Why an experiment does not go on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum EngineError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("{experiment}: its search proposes what cannot be run: {problems}")]
    Search { experiment: String, problems: Diagnostics },
}

impl From<WriteError> for EngineError {
    fn from(error: WriteError) -> Self {
        Self::Record(error.into())
    }
}

/// Runs as they have ended, by hash and seed.
pub(super) type EndedRuns = BTreeMap<(String, u64), Manifest>;

/// A plan that grows where the experiment has a search that learns.
pub struct Growing<'a> {
    /// What is known of it.
    pub plan: Plan,
    search: Option<Search<'a>>,
    /// The runs of the plan that are to be run next, by their places.
    due: Vec<usize>,
}

impl<'a> Growing<'a> {
    /// `plan` has the first round of `search`, or all trials where there is none.
    ///
    /// # Errors
    /// Where the search cannot propose its first round.
    pub fn new(plan: Plan, search: Option<Search<'a>>) -> Result<Self, Diagnostics> {
        let mut growing = Self { plan, search, due: Vec::new() };
        if let Some(search) = &mut growing.search {
            search.next(&[])?;
        }
        growing.due = (0..growing.plan.trials.len()).collect();
        Ok(growing)
    }

    /// Stores the plan, as far as what was told before makes it known, and what TensorBoard must know of the whole experiment.
    /// `afresh`: all that was told is forgotten. `tell` hears how the plan differs from the one that was there.
    ///
    /// # Errors
    /// Where a file cannot be written, or the search proposes what cannot be run.
    pub fn lay_out(mut self, results: &Path, afresh: bool, tell: impl Fn(String)) -> Result<LaidOut<'a>, EngineError> {
        let folder = results.join(&self.plan.experiment);
        std::fs::create_dir_all(&folder).map_err(WriteError::at(&folder))?;
        let earlier = std::fs::read_to_string(folder.join("plan.json")).ok();
        let earlier = earlier.and_then(|text| Plan::from_json(&text).ok());
        if let (Some(earlier), false) = (&earlier, afresh) {
            self.recall(&earlier.told)?;
        }
        if let Some(difference) = earlier.and_then(|earlier| self.plan.difference(&earlier)) {
            tell(format!("{}: the plan has changed: {difference}", self.plan.experiment));
        }
        let runs = read_runs(&folder);
        self.plan = under_known_names(&self.plan, results, &runs, &tell);
        for broken in &runs.broken {
            tell(format!("warning: {broken}"));
        }
        forget_other_names(&folder, &runs);
        let laid_out = LaidOut { growing: self, runs };
        laid_out.store(results)?;
        Ok(laid_out)
    }

    /// Grows by all rounds that were proposed from what was told `earlier`.
    fn recall(&mut self, earlier: &[Told]) -> Result<(), EngineError> {
        while let Some(told) = self.search.as_ref().and_then(|search| search.recalled(earlier)) {
            let trials = self.next(told)?;
            if trials.is_empty() {
                break;
            }
            self.take(trials);
        }
        // A process before this one may have left any of them.
        self.due = (0..self.plan.trials.len()).collect();
        Ok(())
    }

    /// Makes the runs of the next stage those that are due: new ones, and some that are there and go on.
    fn take(&mut self, trials: Vec<Trial>) {
        let known: BTreeMap<(String, u64), usize> =
            self.plan.trials.iter().enumerate().map(|(place, trial)| (key(trial), place)).collect();
        self.due.clear();
        for trial in trials {
            let new = self.plan.trials.len();
            let place = known.get(&key(&trial)).copied().unwrap_or(new);
            match self.plan.trials.get_mut(place) {
                Some(there) => there.until = trial.until,
                None => self.plan.trials.push(trial),
            }
            self.due.push(place);
        }
    }

    /// Runs that are paused at a rung from which they do not go on.
    fn left_behind(&self) -> impl Iterator<Item = &Trial> {
        let of = |search| self.plan.trials.iter().filter(move |run| is_left_behind(search, run));
        self.search.iter().flat_map(of)
    }

    /// The trials of the next round; `told`: of all earlier ones.
    fn next(&mut self, told: Vec<Told>) -> Result<Vec<Trial>, EngineError> {
        let Some(search) = &mut self.search else { return Ok(Vec::new()) };
        let failed = |problems| EngineError::Search { experiment: self.plan.experiment.clone(), problems };
        let trials = search.next(&told).map_err(failed)?;
        self.plan.told = told;
        Ok(trials)
    }
}

fn key(trial: &Trial) -> (String, u64) {
    (trial.spec_hash.clone(), trial.seed)
}

fn is_left_behind(search: &Search, run: &Trial) -> bool {
    run.until.is_some() && !search.is_running(run)
}

/// What has become of an experiment between two stages of its search.
#[derive(Clone, Debug, Default)]
pub struct Grown {
    /// Whether there is a next stage.
    pub goes_on: bool,
    /// A line about each run that was stopped at its rung.
    pub stopped: Vec<String>,
}

/// An experiment whose plan is stored.
pub struct LaidOut<'a> {
    growing: Growing<'a>,
    /// The runs that were there before.
    runs: Runs,
}

impl LaidOut<'_> {
    /// All that is known of the plan, with the names that its trials have in the folder of results.
    pub fn plan(&self) -> &Plan {
        &self.growing.plan
    }

    /// The runs to run next: all at first, then those of each stage of the search.
    pub fn due(&self) -> Vec<Trial> {
        self.growing.due.iter().map(|place| self.growing.plan.trials[*place].clone()).collect()
    }

    /// The runs that were there before, in whatever state.
    pub fn runs(&self) -> &[Manifest] {
        &self.runs.manifests
    }

    /// Goes on to the next stage of the search and stores the plan, where all runs so far have ended or are paused at their rung,
    /// and ends those that do not go on. `rows` then has those that have ended.
    ///
    /// # Errors
    /// As [`Growing::lay_out`].
    pub fn grow(&mut self, results: &Path, rows: &mut EndedRuns, tell: impl Fn(String)) -> Result<Grown, EngineError> {
        let goes_on = self.next_stage(results, rows, &tell)?;
        Ok(Grown { goes_on, stopped: self.end_left_behind(results, rows)? })
    }

    fn next_stage(&mut self, results: &Path, rows: &EndedRuns, tell: impl Fn(String)) -> Result<bool, EngineError> {
        let Some(search) = &self.growing.search else { return Ok(false) };
        let plan = &self.growing.plan;
        let (metric, without) = (search.rounds.metric, RefCell::new(None::<&Trial>));
        // What was told once stays, even where a trial has ended otherwise since.
        let told = search.told(&plan.told, |seeds, rung| {
            let runs: Vec<&Trial> = seeds.iter().map(|seed| of_plan(plan, seed)).collect::<Option<_>>()?;
            match rung {
                None => {
                    let lacking = runs.iter().copied().find(|run| lacks(run, rows, metric));
                    without.replace_with(|known| known.or(lacking));
                    score(&runs, rows, metric)
                }
                Some(_) => score_at_rung(&runs, rows, results),
            }
        });
        let Some(told) = told.filter(|told| *told != plan.told) else { return Ok(false) };
        // Once is enough: what the first round lacks, all lack.
        if let Some(run) = without.take().filter(|_| plan.told.is_empty()) {
            let text =
                "finished without it, which counts as worst: is there one for these data? `sweep.metric` names another";
            tell(format!("warning: {}: {} {text}", metric.as_str(), run.id));
        }
        let trials = self.growing.next(told)?;
        let next = Plan { trials, ..self.growing.plan.clone() };
        let grown = !next.trials.is_empty();
        let known = under_known_names(&next, results, &self.runs, &tell);
        self.growing.take(known.trials);
        self.store(results)?;
        Ok(grown)
    }

    /// Ends the runs that are paused and do not go on; a line about each.
    fn end_left_behind(&self, results: &Path, rows: &mut EndedRuns) -> Result<Vec<String>, EngineError> {
        let Some(halving) = self.growing.search.as_ref().and_then(Search::halving) else { return Ok(Vec::new()) };
        let mut stopped = Vec::new();
        // Nothing is lost with a warning of a curve: its copy is told of by the run itself.
        let warn: Warn = Arc::new(|_| {});
        for run in self.growing.left_behind() {
            let ended = end_at_rung(run, results, halving.keep_stopped, warn.clone());
            if let Some(ended) = ended.map_err(WriteError::at(&run.directory(results)))? {
                let steps = ended.summary.as_ref().map_or(0, |summary| summary.steps);
                stopped.push(format!("{} seed {}: stopped at step {steps}", run.id, run.seed));
                rows.insert(key(run), ended);
            }
        }
        Ok(stopped)
    }

    /// Draws the best trial, where runs draw no pictures of their own and all of them have ended; `tell` hears of what prevents
    /// it.
    pub fn draw_best(&self, results: &Path, datasets: &Datasets, tell: impl Fn(String)) {
        let metric = self.growing.search.as_ref().map_or(Score::ValidationNll, |search| search.rounds.metric);
        draw_best(self.plan(), metric, results, datasets, tell);
    }

    /// What the search is at; `None` where there is none.
    pub fn progress(&self, results: &Path) -> Option<String> {
        let Plan { experiment, trials, told, .. } = self.plan();
        let search = self.growing.search.as_ref()?;
        let (round, rounds) = search.progress();
        // Of a halving, numbers of different rungs cannot be compared.
        let farthest = told.iter().map(|told| told.rung.unwrap_or(usize::MAX)).max();
        let scores = told.iter().filter(|told| Some(told.rung.unwrap_or(usize::MAX)) == farthest);
        let scores = scores.filter_map(|told| Some((told.score?, &told.spec_hash)));
        let best = scores.min_by(|a, b| a.0.total_cmp(&b.0));
        let metric = search.rounds.metric.as_str();
        let best = best.map_or_else(String::new, |(score, hash)| {
            let id = trials.iter().find(|trial| trial.spec_hash == *hash).map_or(hash, |trial| &trial.id);
            format!("; best {metric} so far {score:.4} ({id})")
        });
        let stage = search.halving().map_or_else(String::new, |_| self.stage(search.rung(), results));
        Some(format!("{experiment}: round {round} of {rounds}{stage}{best}"))
    }

    /// What the last stage of a halving is, and what was saved before it.
    fn stage(&self, rung: Option<Rung>, results: &Path) -> String {
        let due = self.growing.due.iter().map(|place| &self.growing.plan.trials[*place]);
        let running = due.filter(|run| self.growing.search.as_ref().is_some_and(|search| !is_left_behind(search, run)));
        let runs = counted(running.count(), "run");
        let to = rung.map_or_else(|| "the end".to_owned(), |rung| format!("the rung at step {}", rung.step));
        let saved = |run: &Trial| Some(full_length(run, results)?.saturating_sub(run.until?));
        let saved: usize = self.growing.left_behind().filter_map(saved).sum();
        format!(", {runs} to {to}, {} saved", counted(saved, "step"))
    }

    fn store(&self, results: &Path) -> Result<(), RecordError> {
        let plan = self.plan();
        let folder = results.join(&plan.experiment);
        let json =
            plan.to_json().map_err(|error| WriteError { path: folder.clone(), source: io::Error::other(error) })?;
        write_atomically(&folder.join("plan.json"), |file| file.write_all(json.as_bytes()))?;
        let mut points: BTreeMap<String, _> =
            plan.trials.iter().map(|trial| (trial.id.clone(), hparams(&trial.overrides, &trial.spec))).collect();
        for (run, directory) in self.runs.manifests.iter().zip(&self.runs.directories) {
            if !points.contains_key(&run.trial) {
                // A trial that the plan does not ask for: what HPARAMS shows of it comes from its own spec; without one, only its
                // curves are shown.
                let spec = std::fs::read_to_string(directory.join(SPEC)).unwrap_or_default();
                let shown = toml::from_str(&spec).map(|spec| hparams(&run.overrides, &spec));
                points.extend(shown.ok().map(|shown| (run.trial.clone(), shown)));
            }
        }
        write_experiment(&folder, &plan.experiment, &points.into_values().collect::<Vec<_>>())
    }
}

/// Steps of a run that goes to its end. Where its length is in epochs, its curve knows how many steps one has; `None` where there
/// is no curve yet.
fn full_length(run: &Trial, results: &Path) -> Option<usize> {
    let of_epochs = |epochs: usize| {
        let last = read_curve(&run.directory(results)).0.pop().filter(|row| row.epoch > 0.0)?;
        Some((epochs as f64 * last.step as f64 / last.epoch).round() as usize)
    };
    run.spec.training.steps.or_else(|| of_epochs(run.spec.training.epochs?))
}

/// The score of a trial of so many `seeds`; `None` where one of them has not ended, `Some(None)` where one has none.
pub(super) fn score(seeds: &[&Trial], rows: &EndedRuns, metric: Score) -> Option<Option<f64>> {
    let ended = |run: &&Manifest| matches!(run.status, Status::Finished | Status::Diverged | Status::Failed);
    let runs: Vec<&Manifest> = seeds.iter().map(|trial| rows.get(&key(trial)).filter(ended)).collect::<Option<_>>()?;
    let value = |run: &&Manifest| {
        let summary = run.summary.as_ref().filter(|_| run.status == Status::Finished)?;
        of_summary(summary, metric).filter(|value| value.is_finite())
    };
    let values: Option<Vec<f64>> = runs.iter().map(value).collect();
    Some(values.map(|values| mean(values.into_iter())))
}

/// Whether it has finished and has no such number.
fn lacks(run: &Trial, rows: &EndedRuns, metric: Score) -> bool {
    let run = rows.get(&key(run)).filter(|run| run.status == Status::Finished);
    run.and_then(|run| run.summary.as_ref()).is_some_and(|summary| of_summary(summary, metric).is_none())
}

/// A run as the plan has it, whatever it is called.
fn of_plan<'a>(plan: &'a Plan, run: &Trial) -> Option<&'a Trial> {
    plan.trials.iter().find(|trial| trial.run() == run.run())
}

/// The score at its rung of a trial of so many `seeds`: the mean of the best validation NLL up to there; `None` where one of them
/// has neither come there nor ended, `Some(None)` where one has none. It is read from curves, which stay when runs go on.
fn score_at_rung(seeds: &[&Trial], rows: &EndedRuns, results: &Path) -> Option<Option<f64>> {
    let values: Vec<Option<f64>> =
        seeds.iter().map(|seed| value_at_rung(seed, rows.get(&key(seed))?, results)).collect::<Option<_>>()?;
    let values: Option<Vec<f64>> = values.into_iter().collect();
    Some(values.map(|values| mean(values.into_iter())))
}

fn value_at_rung(trial: &Trial, run: &Manifest, results: &Path) -> Option<Option<f64>> {
    let until = trial.until? as i64;
    let curve = read_curve(&trial.directory(results)).0;
    let came = run.status == Status::Finished || curve.last().is_some_and(|row| row.step >= until);
    match run.status {
        Status::Running => return None,
        Status::Interrupted | Status::Stopped if !came => return None,
        Status::Diverged | Status::Failed if !came => return Some(None),
        _ => {}
    }
    let values = curve.iter().take_while(|row| row.step <= until).filter_map(|row| row.validation_nll);
    Some(values.filter(|value| value.is_finite()).reduce(f64::min))
}

fn of_summary(summary: &Summary, metric: Score) -> Option<f64> {
    match metric {
        Score::ValidationNll => summary.validation_nll,
        Score::TestNll => summary.test_nll,
        Score::TestNllStandardized => summary.test_nll_standardized,
        Score::TrainNll => summary.train_nll,
        Score::Gap => summary.gap,
        Score::BitsPerDim => summary.bits_per_dim,
    }
}

/// The bands of a trial stand under its name alone.
fn forget_other_names(experiment: &Path, runs: &Runs) {
    for name in runs.repeated.iter().filter_map(|run| run.parent()?.file_name()?.to_str()) {
        if runs.manifests.iter().all(|run| run.trial != name) {
            remove_bands(experiment, name);
        }
    }
}
