//! Checkpoints: safetensors files that other programs can open, and exactly what a resumed run needs. `docs/checkpoint.md` tells
//! what is in them.
//!
//! `best.safetensors` holds the weights with the best validation NLL; `last.safetensors` the newest weights, the
//! optimizer's moments (`optimizer.<k>.<name>`), the average of the weights where one is kept (`average.<name>`), and, as
//! JSON under the metadata key `state`, how far the run is. Both hold
//! which features every coupling keeps and changes (`layers.<i>.kept`, `layers.<i>.changed`), and a checksum.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::seal::{SHA256, UNSEALED, seal};
use crate::atomic::{WriteError, write_atomically};
use crate::data::{Context, Preprocessing, shape_of};
use crate::flow::{Architecture, Parameters};
use crate::optimizer::Optimizer;
use crate::plan::{settings_hash, spec_hash};
use crate::shape::{Layout, Shape};
use crate::spec::{Model, Spec};

/// How far a run is: what must be known besides weights and moments to go on as if never interrupted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: u64,
    /// Training time so far, in seconds. `None` once the run has finished: its manifest then has the time, and equal runs leave
    /// equal checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Best validation NLL so far (data space, nats).
    pub best_validation_nll: Option<f64>,
    /// The step after which it was measured.
    pub best_step: u64,
    /// Evaluations since the best one.
    pub fruitless: u64,
    /// Sum of the training NLL over the steps since the last row of the curve.
    pub nll_sum: f64,
    /// Number of those steps.
    pub nll_steps: u64,
    /// The last training NLL that went to the curve.
    pub train_nll: Option<f64>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum CheckpointError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: damaged checkpoint: {reason}; {}", path.display(), remedy(path))]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{}: the checkpoint of another run: {reason}; put this run's own file back, or delete the run's folder and run \
         the same command to train it again",
        path.display()
    )]
    Foreign { path: PathBuf, reason: String },
}

/// What to do about a damaged checkpoint.
fn remedy(path: &Path) -> &'static str {
    match path.ends_with(LAST) {
        // It is written first, and read first when a run goes on.
        true => {
            "the best weights so far are in best.safetensors beside it, for `runner score` and `runner sample`; restore the file \
             from a copy to go on, or delete the run's folder and run the same command to train it again"
        }
        false => "restore the file from a copy, or delete the run's folder and run the same command to train it again",
    }
}

/// The newest weights of a run, and the best ones.
pub(super) const LAST: &str = "last.safetensors";
pub(super) const BEST: &str = "best.safetensors";

/// How data reach a flow: what must be known besides weights to use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// Names of the features.
    pub columns: Vec<String>,
    /// The columns behind them that they are conditional on, and their classes.
    #[serde(default, skip_serializing_if = "Context::is_empty")]
    pub context: Context,
    /// How the features lie. Not in files of the first release, see [`Space::shape`].
    #[serde(default)]
    pub shape: Option<Shape>,
    /// From data space to the flow's.
    pub preprocessing: Preprocessing,
}

impl Space {
    /// What a row of the flow holds.
    pub fn layout(&self) -> Layout {
        Layout { features: self.shape(), context: self.context.values() }
    }

    /// How the features lie: as the file says, or else as the names of the features tell.
    pub fn shape(&self) -> Shape {
        self.shape.unwrap_or_else(|| shape_of(&self.columns))
    }
}

/// Which run a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Hash of what the run computes: [`spec_hash`], as in its manifest.
    pub spec_hash: String,
    /// Hash of the settings in the run's `spec.toml`: [`settings_hash`].
    pub settings_hash: String,
    /// Seed of the run.
    pub seed: u64,
}

impl Origin {
    /// The origin of a run of `spec`.
    pub fn of(spec: &Spec, seed: u64) -> Self {
        Self { spec_hash: spec_hash(spec), settings_hash: settings_hash(spec), seed }
    }
}

/// What all checkpoints of a run have in common, from its first step to its last.
#[derive(Clone, Debug)]
pub struct About {
    /// The run that it is of.
    pub origin: Origin,
    /// The `[model]` of the spec.
    pub model: Model,
    /// The layers of the flow.
    pub architecture: Architecture,
    /// The features, and how they are preprocessed.
    pub space: Space,
}

/// Before the names of averaged values.
pub(super) const AVERAGE: &str = "average.";
pub(super) const STATE: &str = "state";
pub(super) const SPACE: &str = "space";
pub(super) const ORIGIN: &str = "origin";
pub(super) const MODEL: &str = "model";
pub(super) const FORMAT: &str = "format";
/// The first layout of checkpoints: without masks, model, origin and checksum.
pub(super) const FIRST_FORMAT: &str = "realnvp-runner/1";
pub(super) const SECOND_FORMAT: &str = "realnvp-runner/2";

/// Writes the weights, and for `last` the optimizer and the state, in one atomic replacement of `path`.
///
/// # Errors
/// Where the file cannot be written; an older file at `path` is then still there.
pub fn save(
    path: &Path,
    about: &About,
    parameters: &Parameters,
    optimizer: Option<&Optimizer>,
    state: &State,
) -> Result<(), CheckpointError> {
    let encoded = encode(about, parameters, optimizer, state);
    let bytes = encoded.map_err(|source| WriteError { path: path.to_owned(), source })?;
    Ok(write_atomically(path, |file| io::Write::write_all(file, &bytes))?)
}

fn encode(about: &About, parameters: &Parameters, optimizer: Option<&Optimizer>, state: &State) -> io::Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for (name, places) in place_tensors(&about.architecture) {
        tensors.push((name, Dtype::I32, vec![places.len()], bytes(places.iter().map(|place| place.to_le_bytes()))));
    }
    let mut add = |prefix: &str, values: &[f32], trainable_only: bool| {
        for entry in parameters.entries().iter().filter(|e| !trainable_only || e.range().end <= parameters.count()) {
            let numbers = bytes(values[entry.range()].iter().map(|value| value.to_le_bytes()));
            tensors.push((format!("{prefix}{}", entry.name), Dtype::F32, entry.shape.clone(), numbers));
        }
    };
    add("", parameters.values(), false);
    if let Some(average) = optimizer.and_then(Optimizer::average) {
        add(AVERAGE, average.values(), false);
    }
    for (k, moment) in optimizer.iter().flat_map(|o| o.moments().iter().enumerate()) {
        add(&format!("optimizer.{k}."), moment, true);
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(io::Error::other)?;
    let metadata = HashMap::from([
        (FORMAT.to_owned(), SECOND_FORMAT.to_owned()),
        (MODEL.to_owned(), serde_json::to_string(&about.model)?),
        (ORIGIN.to_owned(), serde_json::to_string(&about.origin)?),
        (SHA256.to_owned(), UNSEALED.to_owned()),
        (SPACE.to_owned(), serde_json::to_string(&about.space)?),
        (STATE.to_owned(), serde_json::to_string(state)?),
    ]);
    seal(safetensors::serialize(views, Some(metadata)).map_err(io::Error::other)?)
}

fn bytes(numbers: impl Iterator<Item = [u8; 4]>) -> Vec<u8> {
    numbers.flatten().collect()
}

/// The places in a row that tell the layers, as which features a coupling keeps and changes: tensors by name.
pub(super) fn place_tensors(architecture: &Architecture) -> impl Iterator<Item = (String, Vec<i32>)> {
    // Every place fits an `i32`: the weights of a flow with more features would not fit into memory.
    let tensor =
        |i, name: &str, places: &[usize]| (format!("layers.{i}.{name}"), places.iter().map(|p| *p as i32).collect());
    let layers = architecture.layers.iter().enumerate();
    layers.flat_map(move |(i, layer)| layer.places().into_iter().map(move |(name, places)| tensor(i, name, places)))
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
