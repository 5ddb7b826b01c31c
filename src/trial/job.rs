//! One trial with one seed, from its folder to its last file.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::contexts::Seen;
use super::folder::SPEC;
use super::glimpses::Glimpses;
use super::pictures::Detail;
use super::saved::SavedRun;
use super::whereabouts::Whereabouts;
use crate::atomic::{WriteError, remove_leftovers, sync, write_view};
use crate::compute::Level;
use crate::data::{Dataset, write_table};
use crate::kernel::{self, Built, How};
use crate::plan::Trial;
use crate::record::{Manifest, ManifestWriter, MetricsJournal, Recorder, TensorBoard, Warn, read_curve};
use crate::spec::{Device, KernelChoice, Pictures};
use crate::train::{Ended, Event, Onlooker, Outcome, Picture, Sink, Status, TrainError, Training};

/// A trial that is to be run, and what it needs.
pub struct Job<'a> {
    /// The trial.
    pub trial: &'a Trial,
    /// Its data.
    pub dataset: &'a Dataset,
    /// Folder of all results.
    pub results: &'a Path,
    /// Where to compute.
    pub device: Device,
    /// Delete what is in the trial's folder first.
    pub from_scratch: bool,
    /// Set from outside when the run is to save and end.
    pub stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Runs the trial in the current rayon pool. Whatever happens is in the manifest; `progress` hears the same events as
    /// the files do, `warn` what does not stop the run. A run that has reached its end calls `computed` when all that is
    /// left is drawing and writing.
    ///
    /// # Errors
    /// Where not even the manifest can be written.
    pub fn run(
        &self,
        progress: Box<dyn Sink + Send>,
        warn: Warn,
        computed: impl FnOnce(),
    ) -> Result<Manifest, WriteError> {
        let directory = self.trial.directory(self.results);
        let checkpoints = directory.join("checkpoints");
        if self.from_scratch && directory.exists() {
            fs::remove_dir_all(&directory).map_err(WriteError::at(&directory))?;
        }
        fs::create_dir_all(&checkpoints).map_err(WriteError::at(&checkpoints))?;
        remove_leftovers(&checkpoints)?;
        let toml = self.trial.spec.to_toml();
        let spec = directory.join(SPEC);
        // No need to wait for the disk: until there are weights, the spec can be written again from the plan. A file that has
        // the right text stays untouched.
        if !fs::read(&spec).is_ok_and(|there| there == toml.as_bytes()) {
            write_view(&spec, |file| file.write_all(toml.as_bytes()))?;
        }

        let spec = &self.trial.spec;
        let shape = kernel::static_shape(&spec.model, &spec.training, self.dataset.layout(), self.device);
        let how = How::from(&spec.training).on(self.device, &spec.model, self.dataset.layout());
        let instructions = instruction_set(how.kernel, self.device);
        let manifest = Manifest {
            device: self.device.to_string(),
            data: Some(self.dataset.provenance.clone()),
            ..Manifest::new(self.trial, shape.is_some(), instructions)
        };
        let mut sink = Whereabouts::of(Recorder::new(vec![
            Box::new(MetricsJournal::new(&directory, warn.clone())),
            Box::new(TensorBoard::new(&directory, self.trial, toml, warn)),
            Box::new(ManifestWriter::new(&directory, manifest.clone())),
            progress,
        ]));
        let outcome = match catch_unwind(AssertUnwindSafe(|| self.train(&directory, &checkpoints, &mut sink, computed)))
        {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => sink.failed(error.to_string()),
            Err(panic) => sink.failed(format!("a bug in the runner, please report it: {}", message(&*panic))),
        };
        let Outcome { status, summary, reason } = outcome;
        let ended = sink.record(&Event::Ended { status, summary: summary.clone(), reason: reason.clone() });
        // If recording the end is what failed, the returned manifest says so at least.
        let mut last = Manifest::read(&directory).unwrap_or(manifest);
        if let Err(error) = ended {
            (last.status, last.reason) = (Status::Failed, Some(error.to_string()));
            last.summary = Some(summary);
            // Another try at the disk, which may have room again; a failure changes nothing.
            let _ = last.write(&directory);
        }
        Ok(last)
    }

    fn train(
        &self,
        directory: &Path,
        checkpoints: &Path,
        sink: &mut dyn Sink,
        computed: impl FnOnce(),
    ) -> Result<Outcome, TrainError> {
        let Trial { spec, seed, .. } = self.trial;
        let shape = self.dataset.layout();
        let Built { mut flow, .. } = kernel::build(&spec.model, &spec.training, shape, *seed, self.device)?;
        let draws = self.trial.pictures == Pictures::All;
        let mut onlooker: Box<dyn Onlooker> = match draws {
            true => Box::new(Glimpses {
                dataset: self.dataset,
                title: title(self.trial),
                seed: *seed,
                device: self.device,
                evaluate_every: spec.training.evaluate_every,
            }),
            false => Box::new(()),
        };
        let training = Training {
            spec,
            seed: *seed,
            dataset: self.dataset,
            flow: &mut *flow,
            checkpoints,
            seconds_so_far: read_curve(directory).0.last().map_or(0.0, |row| row.seconds),
            sink,
            onlooker: &mut *onlooker,
            stop: self.stop,
            until: self.trial.until,
        };
        let Ended { outcome, unsaved } = training.run()?;
        if let Some(snapshot) = unsaved {
            // `flow` has the best weights now.
            let detail = Detail::Quick { rows: outcome.summary.steps as usize * spec.training.batch_size };
            let samples = match self.dataset.context.is_empty() {
                true => flow.sample(detail.samples(), self.trial.seed)?,
                false => flow.sample_given(&self.dataset.contexts(detail.samples()), self.trial.seed)?,
            };
            let samples = self.dataset.preprocessing.invert(&samples);
            let seen = match draws {
                true => Some(Seen::new(&mut *flow, self.dataset, &samples, detail, self.trial.seed)?),
                false => None,
            };
            // Frees the device's memory before the next trial begins.
            drop(flow);
            computed();
            snapshot.save()?;
            // Weights cannot be used without their spec, so it must be on disk with them.
            sync(&directory.join(SPEC)).map_err(std::io::Error::from)?;
            let table = self.dataset.context.table(&self.dataset.columns, &samples);
            write_table(&directory.join("samples.parquet"), &table).map_err(std::io::Error::other)?;
            if let Some(seen) = seen {
                self.show(directory, &seen, outcome.summary.steps, sink)?;
            }
        }
        Ok(outcome)
    }

    /// Writes the pictures.
    fn show(&self, directory: &Path, seen: &Seen<'_>, step: i64, sink: &mut dyn Sink) -> Result<(), TrainError> {
        for picture in seen.draw(&title(self.trial)).map_err(std::io::Error::other)? {
            write_picture(directory, &picture).map_err(std::io::Error::from)?;
            sink.record(&Event::Picture { step, picture })?;
        }
        Ok(())
    }
}

/// Title of the pictures of a run.
fn title(trial: &Trial) -> String {
    format!("{} · {} · seed {}", trial.experiment, trial.id, trial.seed)
}

fn write_picture(directory: &Path, picture: &Picture) -> Result<(), WriteError> {
    write_view(&directory.join(format!("{}.png", picture.tag)), |file| file.write_all(&picture.png))
}

/// Draws from its best weights the pictures of a run that has ended and has none.
///
/// # Errors
/// Where its weights cannot be read or drawn, or a file cannot be written.
pub fn draw_saved(trial: &Trial, dataset: &Dataset, results: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let directory = trial.directory(results);
    let is_picture = |entry: fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "png");
    if fs::read_dir(&directory)?.flatten().any(is_picture) {
        return Ok(());
    }
    let pictures = SavedRun::open(&directory)?.pictures(dataset, &title(trial))?;
    pictures.iter().try_for_each(|picture| Ok(write_picture(&directory, picture)?))
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// Name of the instruction set, on which the bits of a run depend besides spec and seed.
fn instruction_set(kernel: KernelChoice, device: Device) -> String {
    match (device, kernel) {
        (Device::Cpu, KernelChoice::Fused) => format!("{} {}", std::env::consts::ARCH, Level::detect().as_str()),
        (Device::Cpu, KernelChoice::Composed) => format!("{} dfdx", std::env::consts::ARCH),
        (Device::Cuda(_), KernelChoice::Fused) => "cuda".to_owned(),
        (Device::Cuda(_), KernelChoice::Composed) => "cuda dfdx".to_owned(),
    }
}
