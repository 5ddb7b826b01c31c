//! The view of a run in TensorBoard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tensorboard_proto::event::Event as Record;
use tensorboard_proto::summary::Summary_Value;

use super::events_file::{EventsFile, events_files, restart, summary};
use super::{hparams, summaries};
use crate::plan::Trial;
use crate::train::{Event, Metrics, ScaleHealth, Sink, Status, Summary};

/// A tag, what it shows, and where its value is found, if known.
type Tag<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

/// Tags of the curves.
const CURVES: [Tag<Metrics>; 7] = [
    ("nll/train", "Mean negative log-likelihood of the batches since the point before, nats a row.", |row| {
        row.train_nll
    }),
    ("nll/validation", "Mean negative log-likelihood of the validation rows, nats a row.", |row| row.validation_nll),
    ("optim/learning_rate", "Step size of the optimizer, as the schedule has it.", |row| row.learning_rate),
    ("optim/gradient_norm", "L2 norm of the whole gradient before clipping.", |row| row.gradient_norm),
    ("health/inverse_error", "Largest |x - inverse(forward(x))| over some validation rows, standardised.", |row| {
        row.inverse_error
    }),
    (
        "health/scale_max",
        "Largest |s| of any coupling over some validation rows: near its bound, the flow is stretched.",
        |row| row.scale_max,
    ),
    ("speed/samples_per_second", "Rows trained on a second, since the point before.", |row| row.samples_per_second),
];

/// Tags of a multi-scale flow, `<tag>/scale_<number>`, from 1.
const OF_SCALES: [Tag<ScaleHealth>; 2] = [
    ("health/scale_max", "Largest |s| of any coupling of this scale over some validation rows.", |of| of.scale_max),
    (
        "health/latent_rms",
        "Root mean square of the latents of this scale over some validation rows: 1 where they follow the normal.",
        |of| of.latent_rms,
    ),
];

/// Tags of what is known once, at the end.
const RESULTS: [Tag<Summary>; 3] = [
    ("nll/test", "Mean negative log-likelihood of the test rows with the best weights, nats a row.", |it| it.test_nll),
    ("nll/gap", "Mean of log p - log q over the test rows, p the toy's density, nats: 0 is the exact density.", |it| {
        it.gap
    }),
    ("cost/seconds", "Training time, resumed parts included.", |it| Some(it.seconds)),
];

/// The size of the flow, known from the start.
const PARAMETERS: (&str, &str) = ("cost/parameters", "Trained numbers of the flow.");

/// Ends the name of the file that says how the run ended. TensorBoard believes the first such record it reads, so it
/// stands alone, to be removed when the run goes on after all.
const END: &str = ".end";

/// A function that shows the user a warning.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// Writes `events.out.tfevents.*` of one run: scalars, pictures, the spec as text, and its session of the HPARAMS tab.
///
/// TensorBoard is a view, so it never fails the run: at the first error it warns and falls silent.
pub struct TensorBoard {
    directory: PathBuf,
    group: String,
    hparams: BTreeMap<String, toml::Value>,
    spec: String,
    warn: Warn,
    state: State,
    /// Tags whose description was written already.
    described: BTreeSet<String>,
}

enum State {
    Waiting,
    Open(EventsFile),
    /// Set after the end of the run or an error: nothing more is written.
    Silent,
}

impl TensorBoard {
    /// For one run of `trial` in `directory`; `spec`: the resolved spec as TOML. `warn` hears of the first error.
    pub fn new(directory: impl Into<PathBuf>, trial: &Trial, spec: String, warn: Warn) -> Self {
        Self {
            directory: directory.into(),
            group: trial.id.clone(),
            hparams: hparams::hparams(&trial.overrides, &trial.spec),
            spec,
            warn,
            state: State::Waiting,
            described: BTreeSet::new(),
        }
    }

    fn start(&mut self, resumed_at: Option<i64>, parameters: usize) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let mut earlier = events_files(&self.directory)?;
        // A run that goes on has not ended, so the record of an earlier end is removed.
        let is_end = |path: &PathBuf| path.to_string_lossy().ends_with(END);
        earlier.extract_if(.., |path| is_end(path)).try_for_each(fs::remove_file)?;
        if resumed_at.is_none() {
            // A run that starts anew: TensorBoard would go on showing the HPARAMS records of the old files.
            earlier.drain(..).try_for_each(fs::remove_file)?;
        }
        // TensorBoard forgets the steps from the one of the restart on; the step of the checkpoint itself shall stay.
        let first = resumed_at.map_or(0, |step| step + 1);
        let mut records = vec![restart(first)];
        if earlier.is_empty() {
            let session = hparams::session_start(&self.group, &self.hparams)?;
            let spec = summaries::text("spec", format!("```toml\n{}\n```", self.spec.trim_end()));
            let (tag, description) = PARAMETERS;
            let parameters = summaries::described_scalar(tag, parameters as f64, description);
            records.push(summary(0, [session, spec].into_iter().chain(parameters).collect()));
        }
        let mut file = EventsFile::create(&self.directory)?;
        file.append(&records)?;
        self.state = State::Open(file);
        Ok(())
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { resumed_at, parameters, .. } => self.start(*resumed_at, *parameters),
            Event::Metrics(row) => {
                let mut points = self.points(&CURVES, "", row);
                for (scale, number) in row.scales.iter().zip(1..) {
                    points.extend(self.points(&OF_SCALES, &format!("/scale_{number}"), scale));
                }
                self.append(&summary(row.step, points))
            }
            Event::Saved { .. } => Ok(()),
            Event::Picture { step, picture } => self.append(&summary(*step, vec![summaries::image(picture)])),
            Event::Ended { status, summary, .. } => self.end(*status, summary),
        }
    }

    fn end(&mut self, status: Status, results: &Summary) -> io::Result<()> {
        if let Some(end) = hparams::session_end(status)? {
            let points = self.points(&RESULTS, "", results);
            self.append(&summary(results.steps, points))?;
            let mut file = EventsFile::create_marked(&self.directory, END)?;
            file.append(&[summary(results.steps, vec![end])])?;
            file.sync()?;
        }
        if let State::Open(file) = std::mem::replace(&mut self.state, State::Silent) {
            file.sync()?;
        }
        Ok(())
    }

    /// The known values of `tags`, which end in `end`, each with its description where it is the first of this process.
    fn points<T>(&mut self, tags: &[Tag<T>], end: &str, from: &T) -> Vec<Summary_Value> {
        let known =
            tags.iter().filter_map(|&(tag, description, get)| Some((format!("{tag}{end}"), description, get(from)?)));
        known
            .flat_map(|(tag, description, value)| match self.described.contains(&tag) {
                true => vec![summaries::scalar(&tag, value)],
                false => {
                    let point = summaries::described_scalar(&tag, value, description).to_vec();
                    self.described.insert(tag);
                    point
                }
            })
            .collect()
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        match &mut self.state {
            State::Open(file) => file.append(std::slice::from_ref(record)),
            State::Waiting | State::Silent => Ok(()),
        }
    }
}

impl Sink for TensorBoard {
    /// Never fails; see [`TensorBoard`].
    fn record(&mut self, event: &Event) -> io::Result<()> {
        if matches!(self.state, State::Silent) {
            return Ok(());
        }
        if let Err(error) = self.write(event) {
            self.state = State::Silent;
            let directory = self.directory.display();
            (self.warn)(format!("no more TensorBoard logs in {directory}: {error}; the run itself goes on"));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tensorboard_tests.rs"]
mod tests;
