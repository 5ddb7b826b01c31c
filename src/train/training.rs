//! One run: batches in, events out, best weights kept.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint::{self, About, BEST, CheckpointError, LAST, Origin, Space, State};
use super::dealer::{Dealer, Stretch};
use super::evaluate::{evaluate, log_prob, nll};
use super::event::{Event, Metrics, Sink, Status, Summary};
use super::gap::{gap, impossible};
use super::onlooker::Onlooker;
use super::restore::Checkpoint;
use super::{running, scales};
use crate::atomic::sync;
use crate::data::Dataset;
use crate::flow::{DeviceError, Flow, Parameters, Scales};
use crate::matrix::Matrix;
use crate::optimizer::Optimizer;
use crate::spec::Spec;

/// Rows on which the health of a flow is looked at.
const HEALTH_ROWS: usize = 256;
/// A run is saved at an evaluation when this much time has passed since it was last saved. Resuming is exact, so the
/// interval costs repeated work at most.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Everything a run needs.
pub struct Training<'a> {
    /// The resolved spec.
    pub spec: &'a Spec,
    /// Seed of the batch order and of dequantisation noise.
    pub seed: u64,
    /// The rows.
    pub dataset: &'a Dataset,
    /// The flow, with the weights that it starts from.
    pub flow: &'a mut dyn Flow,
    /// Folder of `last.safetensors` and `best.safetensors`.
    pub checkpoints: &'a Path,
    /// Training time of the run before it was resumed, in seconds, from its curve: for a checkpoint that does not have it.
    pub seconds_so_far: f64,
    /// Who listens.
    pub sink: &'a mut dyn Sink,
    /// Who looks at the flow at evaluations.
    pub onlooker: &'a mut dyn Onlooker,
    /// Set from outside to stop at the next step, after saving.
    pub stop: &'a AtomicBool,
    /// The step, of an evaluation, at which it is paused after saving; `None`: it goes to its end.
    pub until: Option<usize>,
}

/// How a run ended. The flow then holds the best weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// What it reached.
    pub summary: Summary,
    /// Why, where the status is not `Finished`.
    pub reason: Option<String>,
}

/// A run that has ended, and what of it is still to be written.
pub struct Ended {
    /// How it ended, and what it reached.
    pub outcome: Outcome,
    /// The checkpoints of a finished run, not yet written, so that the caller can first let another run compute. `None` where
    /// the run was interrupted, and so is saved already, or diverged.
    pub unsaved: Option<Snapshot>,
}

/// Both checkpoints of a run before they are written.
pub struct Snapshot {
    folder: PathBuf,
    best: Parameters,
    newest: Parameters,
    optimizer: Optimizer,
    state: State,
    about: About,
}

impl Snapshot {
    /// Writes `best.safetensors` and `last.safetensors`.
    ///
    /// # Errors
    /// Where one of them cannot be written.
    pub fn save(&self) -> Result<(), CheckpointError> {
        let Self { folder, best, newest, optimizer, state, about } = self;
        save(folder, about, best, newest, optimizer, state)
    }
}

/// What makes a run fail, other than diverging.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum TrainError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the run's record cannot be kept: {0}; what was recorded so far can be read")]
    Record(#[from] std::io::Error),
}

impl Training<'_> {
    /// Trains to the end, to a stop, or to the first number that is not finite. Goes on from `last.safetensors` where
    /// there is one.
    ///
    /// # Errors
    /// Where the device fails, a checkpoint is damaged or cannot be written, or a sink cannot keep an event.
    pub fn run(self) -> Result<Ended, TrainError> {
        Run::start(self)?.run()
    }
}

/// The state of a run under way.
struct Run<'a> {
    setup: Training<'a>,
    optimizer: Optimizer,
    state: State,
    about: About,
    /// The parameters with the best validation NLL so far, statistics included.
    best: Vec<f32>,
    dealer: Dealer<'a>,
    clock: Clock,
    last_saved: Instant,
    /// Where the curve's last row was written, for the speed.
    logged: (u64, f64),
    /// Those of a multi-scale flow.
    scales: Option<Scales>,
}

/// Training time, resumed parts included.
struct Clock {
    before: f64,
    since: Instant,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.since.elapsed().as_secs_f64()
    }
}

/// What ends the loop.
enum End {
    LastStep,
    Patience,
    Stopped,
    Rung,
    Diverged(String),
}

impl<'a> Run<'a> {
    fn start(setup: Training<'a>) -> Result<Self, TrainError> {
        let spec = setup.spec;
        let dealer = Dealer::new(spec, setup.dataset, setup.seed, setup.flow);
        let start = setup.flow.parameters();
        let mut optimizer = Optimizer::new(&spec.optimizer, start.count()).averaging(spec.training.ema, start);
        let about = About {
            origin: Origin::of(spec, setup.seed),
            model: spec.model.clone(),
            architecture: setup.flow.architecture().clone(),
            space: space(setup.dataset),
        };
        let mut state = State::default();
        let mut best = setup.flow.parameters().values().to_vec();
        let (last_path, best_path) = (path(setup.checkpoints, LAST), path(setup.checkpoints, BEST));
        let resumed = last_path.exists();
        if resumed {
            let has_best = best_path.exists();
            if has_best {
                restore(&best_path, &about, setup.flow, None)?;
                best = setup.flow.parameters().values().to_vec();
            }
            state = restore(&last_path, &about, setup.flow, Some(&mut optimizer))?;
            if state.best_validation_nll.is_some() && !has_best {
                let reason = "it is missing, and last.safetensors goes on from it".to_owned();
                return Err(CheckpointError::Damaged { path: best_path, reason }.into());
            }
        }
        let started = Event::Started {
            resumed_at: resumed.then_some(state.step as i64),
            total_steps: dealer.total_steps() as i64,
            parameters: setup.flow.parameters().count(),
        };
        setup.sink.record(&started)?;
        let now = Instant::now();
        let before = state.seconds.unwrap_or(if resumed { setup.seconds_so_far } else { 0.0 });
        let logged = (state.step, before);
        let clock = Clock { before, since: now };
        let scales = Scales::of(&spec.model, setup.dataset.shape, &about.architecture.layers);
        Ok(Self { setup, optimizer, state, about, best, dealer, clock, last_saved: now, logged, scales })
    }

    fn run(mut self) -> Result<Ended, TrainError> {
        let end = self.steps()?;
        self.state.seconds = Some(self.clock.seconds());
        self.setup.flow.settle(Some(&mut self.optimizer))?;
        let outcome = match end {
            End::Stopped => {
                self.save()?;
                self.outcome(Status::Interrupted, Some("stopped by a signal after saving".into()))
            }
            End::Rung => {
                self.save()?;
                self.outcome(Status::Interrupted, Some("paused at its rung".into()))
            }
            End::Diverged(reason) => self.outcome(Status::Diverged, Some(reason)),
            End::LastStep | End::Patience => return self.finish(),
        };
        Ok(Ended { outcome, unsaved: None })
    }

    /// Keeps the newest weights for the checkpoint and goes on with the best ones.
    fn finish(mut self) -> Result<Ended, TrainError> {
        if self.state.best_validation_nll.is_none() {
            let reason = "no validation NLL was finite, so there are no best weights; try a smaller learning rate, and look for \
                          rows far beyond those of training";
            return Ok(Ended { outcome: self.outcome(Status::Diverged, Some(reason.into())), unsaved: None });
        }
        let newest = self.setup.flow.parameters().clone();
        self.setup.flow.parameters_mut().values_mut().copy_from_slice(&self.best);
        let outcome = self.test()?;
        let unsaved = Snapshot {
            folder: self.setup.checkpoints.to_owned(),
            best: self.setup.flow.parameters().clone(),
            newest,
            about: self.about,
            optimizer: self.optimizer,
            state: State { seconds: None, ..self.state },
        };
        Ok(Ended { outcome, unsaved: Some(unsaved) })
    }

    fn steps(&mut self) -> Result<End, TrainError> {
        let Training { spec, stop, until, .. } = self.setup;
        let training = &spec.training;
        let total_steps = self.dealer.total_steps();
        // While a device takes the steps of one, the next one is dealt.
        let (mut now, mut next) = (Stretch::default(), Stretch::default());
        self.dealer.deal(self.state.step, &mut now);
        let mut losses = Vec::new();
        while self.state.step < total_steps {
            if until.is_some_and(|until| self.state.step >= until as u64) {
                return Ok(End::Rung);
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(End::Stopped);
            }
            let after = self.state.step + now.work.rates.len() as u64;
            let dealer = &mut self.dealer;
            let mut meanwhile = || dealer.deal(after, &mut next);
            losses.clear();
            self.setup.flow.train(&mut now.work, &mut self.optimizer, &mut losses, &mut meanwhile)?;
            let mut norm = 0.0;
            for (loss, log_det) in losses.iter().zip(&now.log_det) {
                let nll = loss.nll - log_det;
                if !nll.is_finite() || !loss.is_finite() {
                    return Ok(End::Diverged(self.diagnose(nll)));
                }
                self.state.step += 1;
                self.state.nll_sum += nll;
                self.state.nll_steps += 1;
                norm = loss.gradient_norm;
            }
            std::mem::swap(&mut now, &mut next);

            let due = |every: usize| self.state.step.is_multiple_of(every as u64) || self.state.step == total_steps;
            let (evaluation, log) = (due(training.evaluate_every), due(training.log_every));
            if evaluation || log {
                let mut row = self.row(norm);
                if evaluation {
                    self.exchange()?;
                    self.evaluate(&mut row)?;
                }
                self.setup.sink.record(&Event::Metrics(row))?;
            }
            if evaluation {
                self.show(total_steps)?;
                self.exchange()?;
                if training.patience > 0 && self.state.fruitless >= training.patience as u64 {
                    return Ok(End::Patience);
                }
                if self.last_saved.elapsed() >= SAVE_EVERY {
                    self.save()?;
                }
            }
        }
        Ok(End::LastStep)
    }

    /// The row of the curve for this step, without evaluations.
    fn row(&mut self, norm: f64) -> Metrics {
        let (epoch, rate) = (self.dealer.epoch(self.state.step), self.dealer.rate(self.state.step - 1));
        let state = &mut self.state;
        state.train_nll = Some(state.nll_sum / state.nll_steps.max(1) as f64);
        (state.nll_sum, state.nll_steps) = (0.0, 0);
        let seconds = self.clock.seconds();
        let rows = (state.step - self.logged.0) as f64 * self.dealer.batch_size() as f64;
        let speed = rows / (seconds - self.logged.1).max(1e-9);
        self.logged = (state.step, seconds);
        Metrics {
            step: state.step as i64,
            epoch,
            seconds,
            train_nll: state.train_nll,
            learning_rate: Some(rate),
            gradient_norm: Some(norm),
            samples_per_second: Some(speed),
            ..Metrics::default()
        }
    }

    /// Exchanges the flow's weights for their average, where one is kept, and back: the average is what is evaluated.
    fn exchange(&mut self) -> Result<(), DeviceError> {
        if self.optimizer.average().is_some() {
            self.setup.flow.settle(Some(&mut self.optimizer))?;
        }
        if let Some(average) = self.optimizer.average_mut() {
            self.setup.flow.parameters_mut().values_mut().swap_with_slice(average.values_mut());
        }
        Ok(())
    }

    /// Scores the validation rows, keeps the weights if they are the best so far, looks at the flow's health.
    fn evaluate(&mut self, row: &mut Metrics) -> Result<(), TrainError> {
        let dataset = self.setup.dataset;
        let weights = dataset.weights.as_ref().map(|all| &*all.validation);
        let nll = evaluate(self.setup.flow, &dataset.validation, weights, &dataset.preprocessing)?.mean;
        row.validation_nll = Some(nll);
        let some_rows = dataset.validation.blocks(HEALTH_ROWS).next().unwrap_or_default();
        let z = self.setup.flow.forward(&some_rows)?.z;
        let back = self.setup.flow.inverse(&z)?;
        let errors = back.as_slice().iter().zip(some_rows.as_slice()).map(|(a, b)| f64::from((a - b).abs()));
        row.inverse_error = Some(errors.fold(0.0, f64::max));
        let layers = self.setup.flow.health(&some_rows)?;
        row.scale_max = Some(layers.iter().map(|layer| layer.scale_max).fold(0.0, f64::max));
        row.scales = self.scales.as_ref().map_or_else(Vec::new, |all| scales::health(all, &layers, &z));
        let state = &mut self.state;
        if nll.is_finite() && state.best_validation_nll.is_none_or(|best| nll < best) {
            self.setup.flow.settle(None)?;
            self.best.copy_from_slice(self.setup.flow.parameters().values());
            (state.best_validation_nll, state.best_step, state.fruitless) = (Some(nll), state.step, 0);
        } else {
            state.fruitless += 1;
        }
        Ok(())
    }

    /// Emits the onlooker's picture of this step, if one is due.
    fn show(&mut self, total_steps: u64) -> Result<(), TrainError> {
        let (step, rows) = (self.state.step, self.dealer.batch_size());
        if let Some(picture) = self.setup.onlooker.look(self.setup.flow, step, total_steps, rows)? {
            self.setup.sink.record(&Event::Picture { step: step as i64, picture })?;
        }
        Ok(())
    }

    /// Writes both checkpoints as they are now.
    fn save(&mut self) -> Result<(), TrainError> {
        self.state.seconds = Some(self.clock.seconds());
        self.setup.flow.settle(Some(&mut self.optimizer))?;
        let mut best = self.setup.flow.parameters().clone();
        best.values_mut().copy_from_slice(&self.best);
        let Training { checkpoints, ref flow, ref mut sink, .. } = self.setup;
        save(checkpoints, &self.about, &best, flow.parameters(), &self.optimizer, &self.state)?;
        sink.record(&Event::Saved { step: self.state.step as i64 })?;
        self.last_saved = Instant::now();
        Ok(())
    }

    /// Scores the test rows, once, with the best weights.
    fn test(&mut self) -> Result<Outcome, TrainError> {
        let dataset = self.setup.dataset;
        let some_rows = dataset.validation.blocks(HEALTH_ROWS).next().unwrap_or_default();
        let doubt = running::doubt(self.setup.flow, &some_rows)?;
        let log_prob = log_prob(self.setup.flow, &dataset.test, &dataset.preprocessing)?;
        let nll = nll(&log_prob, dataset.weights.as_ref().map(|all| &*all.test));
        let mut outcome = self.outcome(Status::Finished, None);
        let summary = &mut outcome.summary;
        summary.doubt = doubt;
        summary.test_nll = Some(nll.mean);
        // One row has no scatter.
        summary.test_nll_stderr = nll.error;
        summary.test_nll_standardized = dataset.log_deviation().map(|log_deviation| nll.mean - log_deviation);
        if let Some(gap) = dataset.exact_log_density().and_then(|log_p| gap(log_p, &log_prob)) {
            (summary.gap, summary.gap_stderr) = (Some(gap.mean), gap.error);
            summary.bug = impossible(gap);
        }
        summary.bits_per_dim = dataset.preprocessing.bits_per_dim(nll.mean);
        Ok(outcome)
    }

    fn outcome(&mut self, status: Status, reason: Option<String>) -> Outcome {
        let state = &self.state;
        let rows = state.step as f64 * self.dealer.batch_size() as f64;
        let seconds = state.seconds.unwrap_or_else(|| self.clock.seconds());
        let summary = Summary {
            validation_nll: state.best_validation_nll,
            train_nll: state.train_nll,
            steps: state.step as i64,
            best_step: state.best_validation_nll.map(|_| state.best_step as i64),
            seconds,
            samples_per_second: rows / seconds.max(1e-9),
            ..Summary::default()
        };
        Outcome { status, summary, reason }
    }

    /// Which step and layer went wrong.
    fn diagnose(&mut self, nll: f64) -> String {
        let step = self.state.step + 1;
        let flow = &mut self.setup.flow;
        let (mut batch, mut gradient) = (Matrix::default(), Vec::new());
        self.dealer.batch(self.state.step, &mut batch);
        // The weights are still those of the failed step, so it can be repeated. Where the device has no memory for that, the
        // loss alone tells.
        let seen = flow.loss_and_gradient(&batch, &mut gradient).is_ok();
        let cause = if nll.is_finite() && seen {
            let entries = flow.parameters().entries();
            let broken = entries
                .iter()
                .find(|e| e.range().end <= gradient.len() && gradient[e.range()].iter().any(|g| !g.is_finite()));
            match broken {
                Some(entry) => format!("the gradient of {} is not finite", entry.name),
                None => "the norm of the gradient is not finite".to_owned(),
            }
        } else {
            match flow.health(&batch).unwrap_or_default().iter().position(|layer| !layer.finite) {
                Some(layer) => format!("the output of layers.{layer} is not finite"),
                None => "the loss is not finite".to_owned(),
            }
        };
        format!(
            "at step {step} {cause}; try a smaller learning rate, a longer warm-up, or clipping with a smaller clip_norm"
        )
    }
}

/// Fills `flow` (and `optimizer`, if given) from a checkpoint of the run that `about` tells of.
fn restore(
    path: &Path,
    about: &About,
    flow: &mut dyn Flow,
    optimizer: Option<&mut Optimizer>,
) -> Result<State, CheckpointError> {
    let checkpoint = Checkpoint::read(path)?;
    checkpoint.is_of(&about.origin)?;
    checkpoint.restore(flow, optimizer)
}

/// Writes both checkpoints: the best one first, so that the newest never knows of a best one that is not there.
fn save(
    folder: &Path,
    about: &About,
    best: &Parameters,
    newest: &Parameters,
    optimizer: &Optimizer,
    state: &State,
) -> Result<(), CheckpointError> {
    let best_state = State { step: state.best_step, seconds: None, ..state.clone() };
    checkpoint::save(&path(folder, BEST), about, best, None, &best_state)?;
    checkpoint::save(&path(folder, LAST), about, newest, Some(optimizer), state)?;
    Ok(sync(folder)?)
}

fn space(dataset: &Dataset) -> Space {
    let (columns, context) = (dataset.columns.clone(), dataset.context.clone());
    Space { columns, context, shape: Some(dataset.shape), preprocessing: dataset.preprocessing.clone() }
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
