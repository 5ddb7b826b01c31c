//! The plan of an experiment, and the search that makes it grow as trials end.
//!
//! What a search is told is on disk, in `plan.json`, before any trial that it then proposes starts. So whoever goes on after a
//! kill, with other jobs, or on a cluster, is proposed the same trials.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::known_names::under_known_names;
use crate::atomic::{WriteError, write_atomically};
use crate::plan::{Plan, Search, Told, Trial};
use crate::record::{Manifest, RecordError, Runs, hparams, read_runs, remove_bands, write_experiment};
use crate::spec::{Diagnostics, Score};
use crate::statistics::mean;
use crate::train::{Status, Summary};
use crate::trial::SPEC;

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
pub(super) type Rows = BTreeMap<(String, u64), Manifest>;

/// A plan that grows where the experiment has a search that learns.
pub struct Growing<'a> {
    /// What is known of it.
    pub plan: Plan,
    search: Option<Search<'a>>,
}

impl<'a> Growing<'a> {
    /// `plan` has the first round of `search`, or all trials where there is none.
    ///
    /// # Errors
    /// Where the search cannot propose its first round.
    pub fn new(plan: Plan, search: Option<Search<'a>>) -> Result<Self, Diagnostics> {
        let mut growing = Self { plan, search };
        if let Some(search) = &mut growing.search {
            search.next(&[])?;
        }
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
            self.plan.trials.extend(trials);
        }
        Ok(())
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

    /// The runs that were there before, in whatever state.
    pub fn runs(&self) -> &[Manifest] {
        &self.runs.manifests
    }

    /// Grows by the next round and stores the plan, where all runs so far have ended; returns whether there is one.
    ///
    /// # Errors
    /// As [`Growing::lay_out`].
    pub fn grow(&mut self, results: &Path, rows: &Rows, tell: impl Fn(String)) -> Result<bool, EngineError> {
        let Some(search) = &self.growing.search else { return Ok(false) };
        let plan = &self.growing.plan;
        let of_trials = plan.trials.chunk_by(|a, b| a.spec_hash == b.spec_hash);
        // What was told once stays, even where a trial has ended otherwise since.
        let told = plan.told.iter().map(|told| Some(told.score));
        let new = of_trials.skip(plan.told.len()).map(|seeds| score(seeds, rows, search.rounds.metric));
        let Some(scores) = told.chain(new).collect::<Option<Vec<_>>>() else { return Ok(false) };
        let told = search.told(scores);
        if told == plan.told {
            return Ok(false);
        }
        let trials = self.growing.next(told)?;
        let next = Plan { trials, ..self.growing.plan.clone() };
        let grown = !next.trials.is_empty();
        let known = under_known_names(&next, results, &self.runs, &tell);
        self.growing.plan.trials.extend(known.trials);
        self.store(results)?;
        Ok(grown)
    }

    /// What the search is at; `None` where there is none.
    pub fn progress(&self) -> Option<String> {
        let Plan { experiment, trials, told, .. } = self.plan();
        let search = self.growing.search.as_ref()?;
        let (round, rounds) = search.progress();
        let ids = trials.chunk_by(|a, b| a.spec_hash == b.spec_hash).map(|seeds| &seeds[0].id);
        let scores = ids.zip(told).filter_map(|(id, told)| Some((told.score?, id)));
        let best = scores.min_by(|a, b| a.0.total_cmp(&b.0));
        let metric = search.rounds.metric.as_str();
        let best = best.map_or_else(String::new, |(score, id)| format!("; best {metric} so far {score:.4} ({id})"));
        Some(format!("{experiment}: round {round} of {rounds}{best}"))
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

/// The score of a trial of so many `seeds`; `None` where one of them has not ended, `Some(None)` where one has none.
fn score(seeds: &[Trial], rows: &Rows, metric: Score) -> Option<Option<f64>> {
    let run = |trial: &Trial| rows.get(&(trial.spec_hash.clone(), trial.seed));
    let ended = |run: &&Manifest| matches!(run.status, Status::Finished | Status::Diverged | Status::Failed);
    let runs: Vec<&Manifest> = seeds.iter().map(|trial| run(trial).filter(ended)).collect::<Option<_>>()?;
    let value = |run: &&Manifest| {
        let summary = run.summary.as_ref().filter(|_| run.status == Status::Finished)?;
        of_summary(summary, metric).filter(|value| value.is_finite())
    };
    let values: Option<Vec<f64>> = runs.iter().map(value).collect();
    Some(values.map(|values| mean(values.into_iter())))
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
