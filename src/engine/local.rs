//! The worker pool of this process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::datasets::Datasets;
use super::growing::{EndedRuns, EngineError, Growing, LaidOut};
use super::known_names::{tell_overrides, under_known_names};
use super::memory::Memory;
use super::slots::{Slot, Slots};
use crate::compute::cuda::gpu_count;
use crate::locks::lock;
use crate::plan::{Plan, Trial};
use crate::progress::Progress;
use crate::record::{Manifest, RecordError, read_runs, write_bands, write_trials};
use crate::spec::Device;
use crate::train::Status;
use crate::trial::{Job, Standing, changed_data, standing, training_bytes};

/// How to run trials on this machine.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// Folder of all results.
    pub results: &'a Path,
    /// Trials that compute at once; `None`: as many as there are cores, or as the GPUs take.
    pub jobs: Option<usize>,
    /// Trials that share one GPU at a time.
    pub trials_per_gpu: usize,
    /// Start every trial again, whatever is there.
    pub fresh: bool,
    /// Start diverged trials again.
    pub retry_failed: bool,
    /// Start no more trials once one has failed or diverged; those that run go on to their end.
    pub fail_fast: bool,
    /// Set from outside when running trials are to save and end.
    pub stop: &'a AtomicBool,
    /// The data sets that trials share.
    pub datasets: &'a Datasets,
    /// The terminal's view.
    pub progress: &'a Progress,
}

/// What became of the trials of one experiment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the experiment.
    pub experiment: String,
    /// One a run, in the order of the plan; runs that were never started are missing.
    pub runs: Vec<Manifest>,
    /// How many of them had ended before.
    pub kept: usize,
    /// Runs that another process is at, as it last wrote them down.
    pub elsewhere: Vec<Manifest>,
    /// Runs that were not started, because of a signal or a failure.
    pub not_started: usize,
}

impl Report {
    fn of(experiment: &str) -> Self {
        Self { experiment: experiment.to_owned(), ..Self::default() }
    }

    /// Takes what became of a run, which may have been run to a rung before.
    fn add(&mut self, outcome: Ended) {
        if let Ended::Ran(run) | Ended::Kept(run) | Ended::Elsewhere(run) = &outcome {
            self.runs.retain(|known| (&known.spec_hash, known.seed) != (&run.spec_hash, run.seed));
        }
        match outcome {
            Ended::Ran(run) => self.runs.push(run),
            Ended::Kept(run) => {
                self.kept += 1;
                self.runs.push(run);
            }
            Ended::Elsewhere(run) => self.elsewhere.push(run),
            Ended::NotStarted => self.not_started += 1,
        }
    }

    /// Brings its runs up to date with `rows`, in the order of the plan.
    fn refresh(&mut self, rows: &EndedRuns, plan: &Plan) {
        for run in self.runs.iter_mut().filter(|run| run.status == Status::Interrupted) {
            if let Some(row) = rows.get(&(run.spec_hash.clone(), run.seed)).filter(|row| row.status == Status::Stopped)
            {
                run.clone_from(row);
            }
        }
        let places: BTreeMap<_, usize> = plan.trials.iter().enumerate().map(|(i, trial)| (trial.run(), i)).collect();
        self.runs.sort_by_key(|run| places.get(&(run.spec_hash.as_str(), run.seed)).copied());
    }
}

/// What became of a run.
enum Ended {
    /// It ran, to whatever end.
    Ran(Manifest),
    /// It had ended before.
    Kept(Manifest),
    /// Another process is at it.
    Elsewhere(Manifest),
    NotStarted,
}

/// The trials of one experiment that have ended, for `trials.parquet` and seed bands.
struct Table<'a> {
    experiment: String,
    /// A run may be in the plan under another name than in its folder.
    rows: Mutex<EndedRuns>,
    /// Number of seeds of each trial that this process has not yet seen end.
    awaited: Mutex<BTreeMap<String, usize>>,
    progress: &'a Progress,
}

/// Shared by all trials of this process.
static MEMORY: Memory = Memory::new();

/// How often `trials.parquet` is rewritten at most while runs end.
const TABLE_EVERY: Duration = Duration::from_secs(1);

/// Runs all trials of `experiments`: finished ones are kept, unfinished ones resumed. Plans are stored before anything runs;
/// `trials.parquet` is rewritten within a second of a run's end, and at last. Where searches learn, the trials of a round are run
/// once all those of earlier rounds have ended, of all experiments.
///
/// # Errors
/// Where the experiment's own files cannot be written, or a search proposes what cannot be run. A trial that fails does not end the
/// others.
pub fn run(experiments: Vec<Growing<'_>>, local: &Local) -> Result<Vec<Report>, EngineError> {
    let tell = |text| local.progress.println(text);
    let laid_out = experiments.into_iter().map(|growing| growing.lay_out(local.results, local.fresh, tell));
    let mut laid_out = laid_out.collect::<Result<Vec<_>, _>>()?;
    let tables: Vec<Table> = laid_out.iter().map(|it| Table::new(it, local.progress)).collect();
    let mut reports: Vec<Report> = tables.iter().map(|table| Report::of(&table.experiment)).collect();
    let mut due: Vec<Vec<Trial>> = laid_out.iter().map(LaidOut::due).collect();
    while due.iter().any(|due| !due.is_empty()) {
        let told = laid_out
            .iter()
            .zip(&due)
            .filter(|(_, due)| !due.is_empty())
            .filter_map(|(it, _)| it.progress(local.results));
        told.for_each(|text| local.progress.tell(text));
        if !stage(&due, &tables, &mut reports, local)? {
            break;
        }
        for ((laid_out, table), due) in laid_out.iter_mut().zip(&tables).zip(&mut due) {
            let grown = laid_out.grow(local.results, &mut lock(&table.rows), |text| local.progress.println(text))?;
            grown.stopped.iter().for_each(|line| local.progress.tell(line));
            *due = if grown.goes_on { laid_out.due() } else { Vec::new() };
        }
    }
    for ((table, report), laid_out) in tables.iter().zip(&mut reports).zip(&laid_out) {
        table.complete(local.results)?;
        // Those that were stopped at a rung have ended since they were run.
        report.refresh(&lock(&table.rows), laid_out.plan());
    }
    // Only now: a table must not wait for a picture.
    laid_out.iter().for_each(|it| it.draw_best(local.results, local.datasets, tell));
    Ok(reports)
}

/// Runs the `trials` of one stage of all experiments, and adds to `reports` what became of them; returns whether more may be
/// started.
fn stage(
    trials: &[Vec<Trial>],
    tables: &[Table<'_>],
    reports: &mut [Report],
    local: &Local,
) -> Result<bool, RecordError> {
    tables.iter().zip(trials).for_each(|(table, trials)| table.expect(trials));
    // What is paused at a rung goes on from there, even where everything was to start again.
    let going_on = Local { fresh: false, ..*local };
    let how = |experiment: usize, trial: &Trial| {
        let is = |run: &Manifest| trial.run() == (run.spec_hash.as_str(), run.seed);
        if reports[experiment].runs.iter().any(is) { &going_on } else { local }
    };
    let queue: Vec<(usize, &Trial, &Local)> = trials
        .iter()
        .enumerate()
        .flat_map(|(i, trials)| trials.iter().map(move |trial| (i, trial)))
        .map(|(i, trial)| (i, trial, how(i, trial)))
        .collect();
    let done: Vec<Mutex<Ended>> = queue.iter().map(|_| Mutex::new(Ended::NotStarted)).collect();
    let next = Mutex::new(0);
    let first_error = Mutex::new(None);
    let halted = AtomicBool::new(false);
    let waiting = queue.iter().filter(|(_, trial, local)| !is_kept(&standing(trial, local.results), local)).count();
    let slots = slots(queue.iter().map(|(_, trial, _)| *trial), waiting, local);
    let jobs = slots.jobs();
    // One trial alone uses all cores; as many trials as cores get one each.
    let threads = (cores() / jobs).max(1);
    // One more worker than slots: while one trial writes its last files, the next one computes.
    let workers = (jobs + 1).min(waiting.max(1));
    let fail = |error| {
        lock(&first_error).get_or_insert(error);
    };
    let (ended, told) = channel();
    let work = |ended: Sender<usize>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        loop {
            // Trials start in the order of the plan: a worker holds the lock `turn` until it has a slot.
            let mut turn = lock(&next);
            let index = *turn;
            let Some(&(experiment, trial, local)) = queue.get(index) else { break };
            if local.stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed) {
                break;
            }
            *turn += 1;
            let admitted = admit(trial, local, &slots);
            drop(turn);
            let outcome = admitted.map_or_else(
                |outcome| *outcome,
                |slot| {
                    let one = || one(trial, local, slot, &halted);
                    match &pool {
                        Ok(pool) => pool.install(one),
                        Err(_) => one(),
                    }
                },
            );
            tables[experiment].add(&outcome, local.results).unwrap_or_else(fail);
            if matches!(outcome, Ended::Ran(_)) {
                // The receiver lives as long as the workers, so sending cannot fail.
                let _ = ended.send(experiment);
            }
            *lock(&done[index]) = outcome;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (work, ended) = (&work, ended.clone());
            scope.spawn(move || work(ended));
        }
        drop(ended);
        keep_up(tables, &told, local.results, fail);
    });
    if lock(&first_error).is_some() {
        // Nothing more will be started, so this is the last try at the tables.
        tables.iter().for_each(|table| table.complete(local.results).unwrap_or_else(fail));
    }
    if let Some(error) = lock(&first_error).take() {
        return Err(error);
    }
    for ((experiment, ..), outcome) in queue.iter().zip(&done) {
        reports[*experiment].add(std::mem::replace(&mut *lock(outcome), Ended::NotStarted));
    }
    Ok(!local.stop.load(Ordering::Relaxed) && !halted.load(Ordering::Relaxed))
}

fn is_kept(standing: &Standing, local: &Local) -> bool {
    match standing {
        Standing::Finished(_) | Standing::Paused(_) => !local.fresh,
        Standing::Ended(_) => !local.fresh && !local.retry_failed,
        Standing::Busy(_) => true,
        Standing::New | Standing::Unfinished | Standing::Unclear { .. } => false,
    }
}

/// Runs one trial of an experiment whose other trials may run elsewhere, and brings `trials.parquet` up to date with all
/// that has ended so far. `None`: another process is at it.
///
/// # Errors
/// Where the table cannot be written.
pub fn run_one(trial: &Trial, local: &Local) -> Result<Option<Manifest>, RecordError> {
    let folder = local.results.join(&trial.experiment);
    let alone = Plan { trials: vec![trial.clone()], ..Plan::of(&trial.experiment) };
    let tell = |text| local.progress.println(text);
    let known = under_known_names(&alone, local.results, &read_runs(&folder), tell);
    let trial = known.trials.first().unwrap_or(trial);
    let slots = slots([trial], 1, local);
    let outcome = match admit(trial, local, &slots) {
        Ok(slot) => one(trial, local, slot, &AtomicBool::new(false)),
        Err(outcome) => *outcome,
    };
    draw_bands(&folder, &trial.id, local.progress)?;
    // Others may end meanwhile and write the table too: whoever writes last has seen all of them.
    let mut runs = read_runs(&folder).manifests;
    loop {
        write_trials(&folder, &runs, true)?;
        let now = read_runs(&folder).manifests;
        if now == runs {
            break;
        }
        runs = now;
    }
    Ok(match outcome {
        Ended::Ran(manifest) | Ended::Kept(manifest) => Some(manifest),
        Ended::Elsewhere(_) | Ended::NotStarted => None,
    })
}

/// Writes the bands of the curves that can be read, and warns of the others.
fn draw_bands(experiment: &Path, trial: &str, progress: &Progress) -> Result<(), RecordError> {
    for damage in write_bands(experiment, trial)? {
        progress.println(format!("warning: {damage}"));
    }
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where `trials` compute, of which `waiting` are still to be run.
fn slots<'a>(trials: impl IntoIterator<Item = &'a Trial>, waiting: usize, local: &Local) -> Slots {
    let on_gpu = trials.into_iter().any(|trial| matches!(trial.spec.device, Device::Cuda(_)));
    let gpus = if on_gpu { gpu_count() } else { Ok(0) };
    let on_gpus = gpus.as_ref().map_or(0, |gpus| gpus * local.trials_per_gpu);
    let jobs = local.jobs.unwrap_or(cores().max(on_gpus));
    Slots::new(jobs.clamp(1, waiting.max(1)), gpus, local.trials_per_gpu)
}

/// Waits until there is a slot for a trial. The error: how it ended without one.
fn admit<'a>(trial: &Trial, local: &Local, slots: &'a Slots) -> Result<Slot<'a>, Box<Ended>> {
    let here = standing(trial, local.results);
    if is_kept(&here, local) {
        return Err(Box::new(kept(here, trial, local)));
    }
    slots.take(trial.spec.device).map_err(|error| Box::new(Ended::Ran(failed(trial, error.to_string(), local))))
}

/// Runs one trial, unless meanwhile it shall not or need not be run any more.
fn one(trial: &Trial, local: &Local, slot: Slot<'_>, halted: &AtomicBool) -> Ended {
    // While this trial waited for its slot, a signal, the failure of another trial or another process may have changed what is
    // to do.
    if local.stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed) {
        return Ended::NotStarted;
    }
    let here = standing(trial, local.results);
    if is_kept(&here, local) {
        return kept(here, trial, local);
    }
    let device = slot.device;
    let mut slot = Some(slot);
    let manifest = attempt(trial, local, &here, device, || slot = None);
    if local.fail_fast && matches!(manifest.status, Status::Failed | Status::Diverged) {
        halted.store(true, Ordering::Relaxed);
    }
    // The slot is given back only now: whoever takes it next must see whether a failure has stopped the others.
    drop(slot);
    Ended::Ran(manifest)
}

/// How the data of a trial differ from those that its run has learned from.
fn changed_since(trial: &Trial, local: &Local) -> Option<String> {
    // Data that cannot be loaded are reported elsewhere.
    let dataset = local.datasets.of(&trial.spec).ok()?;
    changed_data(&trial.directory(local.results), &dataset)
}

fn label(trial: &Trial) -> String {
    format!("{} seed {}", trial.id, trial.seed)
}

/// Tells that a trial was there already, or is being run.
fn kept(standing: Standing, trial: &Trial, local: &Local) -> Ended {
    let label = label(trial);
    match standing {
        Standing::Finished(mut manifest) | Standing::Ended(mut manifest) | Standing::Paused(mut manifest) => {
            tell_overrides(trial, local.results, &mut manifest);
            match manifest.status {
                Status::Interrupted => local.progress.tell(format!("{label}: paused at its rung already, kept")),
                status => local.progress.kept(format!("{label}: {} already, kept", status.as_str())),
            }
            if let Some(change) = changed_since(trial, local) {
                let text = "its numbers are those of the earlier data; `--fresh` trains it again";
                local.progress.println(format!("warning: {label}: its data have changed since: {change}; {text}"));
            }
            shout(&manifest, &label, local.progress);
            Ended::Kept(*manifest)
        }
        Standing::Busy(manifest) => {
            local.progress.kept(format!("{label}: process {} is running it, left alone", manifest.pid));
            Ended::Elsewhere(*manifest)
        }
        Standing::New | Standing::Unfinished | Standing::Unclear { .. } => Ended::NotStarted,
    }
}

/// Runs a trial on `device`; `computed` as [`Job::run`].
fn attempt(trial: &Trial, local: &Local, standing: &Standing, device: Device, computed: impl FnOnce()) -> Manifest {
    if let (Standing::Unclear { reason }, false) = (standing, local.fresh) {
        return failed(trial, reason.clone(), local);
    }
    let dataset = match local.datasets.of(&trial.spec) {
        Ok(dataset) => dataset,
        Err(error) => return failed(trial, error.to_string(), local),
    };
    if let (Standing::Unfinished, false, Some(change)) = (standing, local.fresh, changed_since(trial, local)) {
        let text = "going on would mix both: bring the earlier data back, or start it again with `--fresh`";
        return failed(trial, format!("its data have changed since it was interrupted: {change}; {text}"), local);
    }
    // Of a trial on a GPU the weights and their copies are here too; the device tells by itself where its memory ends.
    let _promise = match MEMORY.promise(training_bytes(trial, &dataset)) {
        Ok(promise) => promise,
        Err(too_little) => return failed(trial, too_little.to_string(), local),
    };
    let from_scratch = local.fresh || matches!(standing, Standing::New | Standing::Ended(_));
    let job = Job { trial, dataset: &dataset, results: local.results, device, from_scratch, stop: local.stop };
    let progress = local.progress.clone();
    let warn = Arc::new(move |text: String| progress.println(format!("warning: {text}")));
    match job.run(Box::new(local.progress.sink(label(trial))), warn, computed) {
        Ok(manifest) => {
            shout(&manifest, &label(trial), local.progress);
            manifest
        }
        Err(error) => failed(trial, error.to_string(), local),
    }
}

/// The manifest of a run that could not be started.
fn failed(trial: &Trial, reason: String, local: &Local) -> Manifest {
    local.progress.println(format!("{}: failed: {reason}", label(trial)));
    Manifest { status: Status::Failed, reason: Some(reason), ..Manifest::new(trial, false, "") }
}

/// Warns of numbers that cannot be right (see `Summary::bug`) or are doubtful, whatever else is shown.
fn shout(run: &Manifest, label: &str, progress: &Progress) {
    let Some(summary) = &run.summary else { return };
    for fault in [&summary.bug, &summary.doubt].into_iter().flatten() {
        progress.println(format!("WARNING: {label}: {fault}"));
    }
}

/// Brings tables up to date with the runs that end; `ended` names the experiment of each, until there will be no more. `fail` hears
/// of a table that cannot be written, for which there will be another try.
fn keep_up(tables: &[Table<'_>], ended: &Receiver<usize>, results: &Path, fail: impl Fn(RecordError)) {
    let mut changed = BTreeSet::new();
    let mut due = Instant::now();
    loop {
        let next = match changed.is_empty() {
            true => ended.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => ended.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match next {
            Ok(experiment) => drop(changed.insert(experiment)),
            Err(RecvTimeoutError::Timeout) => {
                for experiment in std::mem::take(&mut changed) {
                    tables[experiment].write(results, false).unwrap_or_else(&fail);
                }
                due = Instant::now() + TABLE_EVERY;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}

impl<'a> Table<'a> {
    /// With the runs that were there before.
    fn new(laid_out: &LaidOut, progress: &'a Progress) -> Self {
        let rows = laid_out.runs().iter().map(|run| ((run.spec_hash.clone(), run.seed), run.clone())).collect();
        let experiment = laid_out.plan().experiment.clone();
        Self { experiment, rows: Mutex::new(rows), awaited: Mutex::default(), progress }
    }

    /// From now on waits for these trials too.
    fn expect(&self, trials: &[Trial]) {
        let mut awaited = lock(&self.awaited);
        trials.iter().for_each(|trial| *awaited.entry(trial.id.clone()).or_default() += 1);
    }

    /// Takes a run that has ended, or had before, and writes what it changes.
    fn add(&self, outcome: &Ended, results: &Path) -> Result<(), RecordError> {
        let (Ended::Ran(run) | Ended::Kept(run)) = outcome else { return Ok(()) };
        let mut rows = lock(&self.rows);
        rows.insert((run.spec_hash.clone(), run.seed), run.clone());
        let mut awaited = lock(&self.awaited);
        let left = awaited.get_mut(run.trial.as_str()).map_or(0, |seeds| {
            *seeds = seeds.saturating_sub(1);
            *seeds
        });
        // Drawing bands reads the curves of all seeds, so it is done only when half of them are left, a quarter and so on, and
        // after the last.
        if left == 0 || (matches!(outcome, Ended::Ran(_)) && left.is_power_of_two()) {
            draw_bands(&results.join(&self.experiment), &run.trial, self.progress)?;
        }
        Ok(())
    }

    /// Writes all a last time, with the runs of other processes that worked on the experiment meanwhile.
    fn complete(&self, results: &Path) -> Result<(), RecordError> {
        let folder = results.join(&self.experiment);
        for (trial, _) in lock(&self.awaited).iter().filter(|(_, left)| **left > 0) {
            draw_bands(&folder, trial, self.progress)?;
        }
        let mut rows = lock(&self.rows);
        for run in read_runs(&folder).manifests {
            match rows.get_mut(&(run.spec_hash.clone(), run.seed)) {
                // Of a run of its own this process knows best: its last word may not have found room on the disk.
                Some(known) if known.pid == std::process::id() => known.trial = run.trial,
                Some(known) => *known = run,
                None => drop(rows.insert((run.spec_hash.clone(), run.seed), run)),
            }
        }
        drop(rows);
        self.write(results, true)
    }

    fn write(&self, results: &Path, last: bool) -> Result<(), RecordError> {
        let mut rows: Vec<Manifest> = lock(&self.rows).values().cloned().collect();
        rows.sort_by(|a, b| (&a.trial, a.seed).cmp(&(&b.trial, b.seed)));
        write_trials(&results.join(&self.experiment), &rows, last)
    }
}
