//! A sink that passes events to several others.

use std::io;

use crate::train::{Event, Sink};

/// Hands every event to all its sinks, in order.
#[derive(Default)]
pub struct Recorder {
    sinks: Vec<Box<dyn Sink + Send>>,
}

impl Recorder {
    /// A recorder that hands every event to each of `sinks`, in this order.
    pub fn new(sinks: Vec<Box<dyn Sink + Send>>) -> Self {
        Self { sinks }
    }

    /// Adds a sink after the others.
    pub fn add(&mut self, sink: impl Sink + Send + 'static) {
        self.sinks.push(Box::new(sink));
    }
}

impl Sink for Recorder {
    /// # Errors
    /// The first sink's error, after all sinks have had the event.
    fn record(&mut self, event: &Event) -> io::Result<()> {
        let mut result = Ok(());
        for sink in &mut self.sinks {
            result = result.and(sink.record(event));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::path::Path;
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::plan::Trial;
    use crate::record::{Manifest, ManifestWriter, MetricsJournal, TensorBoard, hparams, read_runs, sample};
    use crate::record::{write_experiment, write_trials};
    use crate::train::{Metrics, Picture, Status, Summary};

    struct Numbered(u8, bool, Sender<u8>);

    impl Sink for Numbered {
        fn record(&mut self, _: &Event) -> io::Result<()> {
            self.2.send(self.0).map_err(io::Error::other)?;
            if self.1 { Ok(()) } else { Err(io::Error::other(format!("sink {}", self.0))) }
        }
    }

    #[test]
    fn all_sinks_hear_an_event_and_the_first_error_is_returned() {
        let (sender, heard) = channel();
        let mut recorder = Recorder::default();
        for (number, well) in [(0, true), (1, false), (2, false), (3, true)] {
            recorder.add(Numbered(number, well, sender.clone()));
        }
        let error = recorder.record(&Event::Saved { step: 1 }).expect_err("two sinks fail");
        assert_eq!(error.to_string(), "sink 1");
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    /// A run whose part of the way is `steps`, with a checkpoint every 20 steps.
    fn run(directory: &Path, trial: &Trial, resumed_at: Option<i64>, steps: RangeInclusive<i64>, status: Status) {
        let warn = |warning| panic!("{warning}");
        let mut recorder = Recorder::new(vec![
            Box::new(MetricsJournal::new(directory, std::sync::Arc::new(warn))),
            Box::new(TensorBoard::new(directory, trial, "name = \"moons\"".to_owned(), std::sync::Arc::new(warn))),
            Box::new(ManifestWriter::new(directory, Manifest::new(trial, true, "avx2"))),
        ]);
        let mut events = vec![Event::Started { resumed_at, total_steps: 40, parameters: 7 }];
        for step in steps {
            let evaluated = (step % 20 == 0).then_some(1.0 / step as f64);
            events.push(Event::Metrics(Metrics {
                step,
                epoch: step as f64 / 4.0,
                seconds: step as f64 / 100.0,
                train_nll: Some(1.0 / step as f64),
                validation_nll: evaluated,
                learning_rate: Some(1e-3),
                gradient_norm: Some(2.0),
                samples_per_second: Some(1e4),
                inverse_error: evaluated,
                scale_max: evaluated,
                scales: Vec::new(),
            }));
            if evaluated.is_some() {
                events.push(Event::Saved { step });
            }
        }
        let summary = Summary { test_nll: Some(0.25), gap: Some(0.125), steps: 40, ..Summary::default() };
        if status == Status::Finished {
            let mut png = std::io::Cursor::new(Vec::new());
            image::RgbImage::new(4, 3).write_to(&mut png, image::ImageOutputFormat::Png).expect("a picture");
            for tag in ["density", "samples"] {
                let picture = Picture { tag, width: 4, height: 3, png: png.get_ref().clone() };
                events.push(Event::Picture { step: 40, picture });
            }
        }
        events.push(Event::Ended { status, summary, reason: None });
        for event in &events {
            recorder.record(event).expect("recorded");
        }
    }

    #[test]
    fn interrupted_and_resumed_run_leaves_the_files_of_a_finished_one() {
        let folder = tempfile::tempdir().expect("folder");
        let trial = sample::trial("depth=8-3f9a2c1d", 3, "\"model.depth\" = 8");
        let experiment = folder.path().join("moons");
        let directory = trial.directory(folder.path());
        write_experiment(&experiment, "moons", &[hparams(&trial.overrides, &trial.spec)]).expect("written");
        run(&directory, &trial, None, 1..=25, Status::Interrupted);
        run(&directory, &trial, Some(20), 21..=40, Status::Finished);
        let runs = read_runs(&experiment);
        write_trials(&experiment, &runs.manifests, true).expect("written");

        assert_eq!((runs.manifests[0].status, runs.manifests[0].resumes), (Status::Finished, 1));
        let mut names: Vec<String> = std::fs::read_dir(&directory)
            .expect("listed")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        // Before and after the interruption, and the end.
        assert!(names[..3].iter().all(|name| name.starts_with("events.out.tfevents.")), "{names:?}");
        assert_eq!(names[3..], ["manifest.json", "metrics.parquet"]);
        assert!(experiment.join("trials.parquet").exists());
    }
}
