//! What a training run says while it goes. Events are data; sinks in `record/` make files and bars of them.

use serde::{Deserialize, Serialize};

/// One row of the training curve; `None` where not evaluated at this step. Units: nats, seconds, rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Optimizer steps done.
    pub step: i64,
    /// Passes over the training rows done.
    pub epoch: f64,
    /// Training time so far, resumed parts included.
    pub seconds: f64,
    /// Mean NLL in data space over the batches since the last row.
    pub train_nll: Option<f64>,
    pub validation_nll: Option<f64>,
    pub learning_rate: Option<f64>,
    /// Global L2 norm of the last gradient before clipping.
    pub gradient_norm: Option<f64>,
    pub samples_per_second: Option<f64>,
    /// max |x − inverse(forward(x))| over validation rows, model space.
    pub inverse_error: Option<f64>,
    /// max |s| over validation rows and layers.
    pub scale_max: Option<f64>,
}

/// What stands in `trials.parquet` for one finished run, besides its names. Units: nats, seconds, rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub test_nll: Option<f64>,
    /// Standard error of `test_nll` over the test rows.
    pub test_nll_stderr: Option<f64>,
    /// The best one.
    pub validation_nll: Option<f64>,
    /// The last one.
    pub train_nll: Option<f64>,
    /// Test NLL minus the exact entropy (toys).
    pub gap: Option<f64>,
    /// What cannot be true of these numbers, where something cannot: a bug of the runner.
    pub bug: Option<String>,
    /// Quantised data only.
    pub bits_per_dim: Option<f64>,
    pub steps: i64,
    pub seconds: f64,
    pub samples_per_second: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    Finished,
    /// A loss or gradient was not finite.
    Diverged,
    Failed,
    /// Stopped by a signal after saving; the same command resumes it.
    Interrupted,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// The status of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Running, Self::Finished, Self::Diverged, Self::Failed, Self::Interrupted];
        all.into_iter().find(|status| status.as_str() == name)
    }
}

/// A picture of the flow, as PNG bytes.
#[derive(Clone, Debug)]
pub struct Picture {
    /// TensorBoard tag and stem of the file: `density`, `samples` or `pairs`.
    pub tag: &'static str,
    pub width: u32,
    pub height: u32,
    pub png: Vec<u8>,
}

#[derive(Clone, Debug)]
pub enum Event {
    /// The first event of every start. `resumed_at`: the step of the checkpoint a resumed run goes on from.
    Started { resumed_at: Option<i64>, total_steps: i64, parameters: usize },
    /// A row of the training curve.
    Metrics(Metrics),
    /// Everything up to this step is safe in a checkpoint, and the run goes on or is interrupted. Its record must be as safe.
    Saved { step: i64 },
    /// At the end drawn from the best weights; before, from those of the step.
    Picture { step: i64, picture: Picture },
    /// The last event of every start. `reason` where the status is not `Finished`.
    Ended { status: Status, summary: Summary, reason: Option<String> },
}

/// Somebody who listens to a run.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// Where the event could not be kept (a full disk, a folder that went away).
    fn record(&mut self, event: &Event) -> std::io::Result<()>;
}
