//! What a training run reports while it goes. Events are data; sinks make files (`record/`) and bars (`progress/`) of them.

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
    /// Mean NLL over the validation rows, data space, nats.
    pub validation_nll: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Global L2 norm of the last gradient before clipping.
    pub gradient_norm: Option<f64>,
    /// Training rows per second since the last row of the curve.
    pub samples_per_second: Option<f64>,
    /// max |x − inverse(forward(x))| over validation rows, model space.
    pub inverse_error: Option<f64>,
    /// max |s| over validation rows and layers.
    pub scale_max: Option<f64>,
    /// Of a multi-scale flow: the health of every scale, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scales: Vec<ScaleHealth>,
}

/// The health of one scale of a multi-scale flow, over validation rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScaleHealth {
    /// max |s| over the layers of the scale; 0 for splines, which have no s.
    pub scale_max: Option<f64>,
    /// Root mean square of the latents that are factored out there: 1 where they follow the standard normal.
    pub latent_rms: Option<f64>,
}

/// The numbers of one ended run, as `trials.parquet` has them. Units: nats, seconds, rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean NLL of the best weights over the test rows, data space, nats.
    pub test_nll: Option<f64>,
    /// Standard error of `test_nll` over the test rows.
    pub test_nll_stderr: Option<f64>,
    /// Test NLL of the features divided by their standard deviations over the training rows, nats: as tables of results give it,
    /// whatever the units. Quantised features count with their noise. `None` with a logit, and in records of earlier releases.
    pub test_nll_standardized: Option<f64>,
    /// Best mean NLL over the validation rows during training, data space, nats.
    pub validation_nll: Option<f64>,
    /// Training NLL in the last row of the curve, data space, nats.
    pub train_nll: Option<f64>,
    /// Mean of log p(x) − log q(x) over the test rows, nats: p the exact density (toys), q the flow's.
    pub gap: Option<f64>,
    /// Standard error of `gap` over the test rows. `None` also in records of releases that took the entropy off the test NLL.
    pub gap_stderr: Option<f64>,
    /// Why these numbers cannot be right, where they contradict each other: a bug of the runner.
    pub bug: Option<String>,
    /// What makes these numbers worse than the flow, or not what they seem, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Upper bound on the bits per feature of the discrete test rows; quantised data only.
    pub bits_per_dim: Option<f64>,
    /// Optimizer steps done.
    pub steps: i64,
    /// The step of the best weights. `None` also in records of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_step: Option<i64>,
    /// Training time, resumed parts included.
    pub seconds: f64,
    /// Training rows per second over the whole run.
    pub samples_per_second: f64,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It goes on, or its process was killed.
    Running,
    /// It came to its end.
    Finished,
    /// A loss or gradient was not finite.
    Diverged,
    /// Something broke: the message is in `reason`.
    Failed,
    /// Stopped by a signal after saving, or paused at a rung; the same command resumes it.
    Interrupted,
    /// Compared with others at a rung, and not among the best.
    Stopped,
}

impl Status {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
        }
    }

    /// The status of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Running, Self::Finished, Self::Diverged, Self::Failed, Self::Interrupted, Self::Stopped];
        all.into_iter().find(|status| status.as_str() == name)
    }
}

/// A picture of the flow, as PNG bytes.
#[derive(Clone, Debug)]
pub struct Picture {
    /// TensorBoard tag and stem of the file: `density`, `samples` or `pairs`, and of images `temperatures` and others.
    pub tag: &'static str,
    /// Width, in pixels.
    pub width: u32,
    /// Height, in pixels.
    pub height: u32,
    /// Bytes of the PNG file.
    pub png: Vec<u8>,
}

/// Something that happened in a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first event of every start.
    Started {
        /// Step of the checkpoint that a resumed run goes on from; `None`: it starts anew.
        resumed_at: Option<i64>,
        /// Steps of the whole run.
        total_steps: i64,
        /// Trainable values of the flow.
        parameters: usize,
    },
    /// A row of the training curve.
    Metrics(Metrics),
    /// A checkpoint of this step is on disk, and the run goes on or is interrupted. What sinks have recorded up to here must be
    /// on disk too: a resumed run goes on from both.
    Saved {
        /// Optimizer steps done.
        step: i64,
    },
    /// At the end drawn from the best weights; before, from those of the step.
    Picture {
        /// Optimizer steps done.
        step: i64,
        /// The picture.
        picture: Picture,
    },
    /// The last event of every start.
    Ended {
        /// How it ended.
        status: Status,
        /// What it reached.
        summary: Summary,
        /// Why, where the status is not `Finished`.
        reason: Option<String>,
    },
}

/// Somebody who listens to a run.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// Where the event could not be kept (a full disk, a folder that went away).
    fn record(&mut self, event: &Event) -> std::io::Result<()>;
}
