//! Checkpoints: safetensors files that other programs can open, and exactly what a resumed run needs.
//!
//! `best.safetensors` holds the weights with the best validation NLL; `last.safetensors` the newest weights, the
//! optimizer's moments (`optimizer.<k>.<name>`) and, as JSON under the metadata key `state`, the place in the run.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::atomic::{WriteError, write_atomically};
use crate::data::Preprocessing;
use crate::flow::Parameters;
use crate::kernel::Optimizer;

/// The place in a run: what must be known besides weights and moments to go on as if never interrupted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: u64,
    /// Training time so far, seconds.
    pub seconds: f64,
    /// Best validation NLL so far (data space, nats), and the step it was seen at.
    pub best_validation_nll: Option<f64>,
    pub best_step: u64,
    /// Evaluations since the best one.
    pub fruitless: u64,
    /// Sum of the training NLL over the steps since the last row of the curve, and how many they are.
    pub nll_sum: f64,
    pub nll_steps: u64,
    /// The last training NLL that went to the curve.
    pub train_nll: Option<f64>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: damaged checkpoint: {reason}; delete the run's folder and run the same command to train it again, or restore the file from a copy", path.display())]
    Damaged { path: PathBuf, reason: String },
}

/// The data's side of a flow: what must be known besides weights to use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// Names of the features.
    pub columns: Vec<String>,
    /// From data space to the flow's.
    pub preprocessing: Preprocessing,
}

const STATE: &str = "state";
const SPACE: &str = "space";
const FORMAT: &str = "format";

/// Writes the weights, and for `last` the optimizer and the state, in one atomic replacement of `path`.
///
/// # Errors
/// Where the file cannot be written; an older file at `path` is then still there.
pub fn save(
    path: &Path,
    parameters: &Parameters,
    optimizer: Option<&Optimizer>,
    state: &State,
    space: &Space,
) -> Result<(), CheckpointError> {
    let failed = |source| WriteError { path: path.to_owned(), source };
    let mut tensors = Vec::new();
    let mut add = |prefix: &str, values: &[f32], trainable_only: bool| {
        for entry in parameters.entries().iter().filter(|e| !trainable_only || e.range().end <= parameters.count()) {
            let bytes = values[entry.range()].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
            tensors.push((format!("{prefix}{}", entry.name), entry.shape.clone(), bytes));
        }
    };
    add("", parameters.values(), false);
    for (k, moment) in optimizer.iter().flat_map(|o| o.moments().iter().enumerate()) {
        add(&format!("optimizer.{k}."), moment, true);
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| failed(io::Error::other(error)))?;
    let state = serde_json::to_string(state).map_err(|error| failed(error.into()))?;
    let space = serde_json::to_string(space).map_err(|error| failed(error.into()))?;
    let metadata = [(STATE, state), (SPACE, space), (FORMAT, "realnvp-runner/1".to_owned())];
    let metadata: HashMap<_, _> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(io::Error::other(error)))?;
    Ok(write_atomically(path, |file| io::Write::write_all(file, &bytes))?)
}

/// Fills `parameters` (and `optimizer`, if given) from `path`.
///
/// # Errors
/// Where the file cannot be read, is no safetensors file, lacks a tensor, has one of another shape, or holds numbers
/// that are not finite. `parameters` and `optimizer` are then unchanged.
pub fn load(
    path: &Path,
    parameters: &mut Parameters,
    optimizer: Option<&mut Optimizer>,
) -> Result<State, CheckpointError> {
    let bytes = read(path)?;
    let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let state = metadata(path, &bytes, STATE)?;

    let take = |prefix: &str, values: &mut [f32], trainable_only: bool| {
        for entry in parameters.entries().iter().filter(|e| !trainable_only || e.range().end <= parameters.count()) {
            let name = format!("{prefix}{}", entry.name);
            let tensor = file.tensor(&name).map_err(|_| damaged(format!("tensor `{name}` is missing")))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != entry.shape {
                let (found, wanted) = (tensor.shape(), &entry.shape);
                return Err(damaged(format!("tensor `{name}` has shape {found:?}, the spec's flow needs {wanted:?}")));
            }
            for (to, from) in values[entry.range()].iter_mut().zip(tensor.data().as_chunks::<4>().0) {
                *to = f32::from_le_bytes(*from);
                if !to.is_finite() {
                    return Err(damaged(format!("tensor `{name}` holds a number that is not finite")));
                }
            }
        }
        Ok(())
    };
    let mut values = parameters.values().to_vec();
    take("", &mut values, false)?;
    if let Some(optimizer) = optimizer {
        let mut moments = optimizer.moments().to_vec();
        for (k, moment) in moments.iter_mut().enumerate() {
            take(&format!("optimizer.{k}."), moment, true)?;
        }
        optimizer.moments_mut().clone_from_slice(&moments);
    }
    parameters.values_mut().copy_from_slice(&values);
    Ok(state)
}

/// The data's side of the flow in `path`.
///
/// # Errors
/// Where the file cannot be read or is no checkpoint.
pub fn space(path: &Path) -> Result<Space, CheckpointError> {
    metadata(path, &read(path)?, SPACE)
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })
}

fn metadata<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8], key: &str) -> Result<T, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
    let value = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
    let value = value.ok_or_else(|| damaged(format!("it has no `{key}`")))?;
    serde_json::from_str(value).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
