//! Checkpoints read back, once they are known to be whole.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::checkpoint::{
    AVERAGE, CheckpointError, FIRST_FORMAT, FORMAT, ORIGIN, Origin, SECOND_FORMAT, SPACE, STATE, Space, State,
    place_tensors,
};
use super::seal::{SHA256, is_whole};
use crate::flow::{Flow, Parameters};
use crate::optimizer::Optimizer;

/// A checkpoint whose checksum was found right. Files of the first layout have none; of these, values are checked as they are
/// read.
pub struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
}

impl Checkpoint {
    /// Reads `path`.
    ///
    /// # Errors
    /// Where the file cannot be read, is no checkpoint, or is not what was written.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        Self::of(path, bytes)
    }

    /// The checkpoint in `bytes`, the content of `path`, once its checksum is found right.
    pub(super) fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        match metadata.get(FORMAT).map(String::as_str) {
            Some(SECOND_FORMAT) if is_whole(&bytes) => {}
            Some(FIRST_FORMAT) if !metadata.contains_key(SHA256) => {}
            Some(FIRST_FORMAT | SECOND_FORMAT) => {
                return Err(damaged("its checksum is not that of its content".to_owned()));
            }
            Some(other) => return Err(damaged(format!("its format `{other}` is none that this release reads"))),
            None => return Err(damaged("it has no `format`".to_owned())),
        }
        Ok(Self { path: path.to_owned(), bytes, metadata })
    }

    /// The data's side of the flow.
    ///
    /// # Errors
    /// Where there is none, or one that fits no data.
    pub fn space(&self) -> Result<Space, CheckpointError> {
        let space: Space = self.json(SPACE)?;
        let (features, preprocessing) = (space.columns.len(), &space.preprocessing);
        let values = features + space.context.values();
        let fits = |list: &[f64], none: bool| list.len() == values || (none && list.is_empty());
        let consistent = fits(&preprocessing.mean, false) && fits(&preprocessing.scale, false);
        let consistent = consistent && fits(&preprocessing.steps, true);
        let transforms = preprocessing.transforms.len();
        let consistent = consistent && (transforms == 0 || transforms == values);
        let consistent = consistent && preprocessing.context == space.context.values();
        match features > 0 && space.shape().values() == features && consistent {
            true => Ok(space),
            false => Err(self.damaged("its columns and their preprocessing are not as many".to_owned())),
        }
    }

    /// Which run it is of; `None` in files of the first format.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn origin(&self) -> Result<Option<Origin>, CheckpointError> {
        self.metadata.contains_key(ORIGIN).then(|| self.json(ORIGIN)).transpose()
    }

    /// Checks that it belongs to the run `origin`, where it says which run it belongs to.
    ///
    /// # Errors
    /// Where it is of another run.
    pub fn is_of(&self, origin: &Origin) -> Result<(), CheckpointError> {
        let foreign = |reason: String| Err(CheckpointError::Foreign { path: self.path.clone(), reason });
        match self.origin()? {
            Some(own) if own.spec_hash != origin.spec_hash => {
                let short = |hash: &str| hash.chars().take(8).collect::<String>();
                foreign(format!("of spec {}…, not {}…", short(&own.spec_hash), short(&origin.spec_hash)))
            }
            Some(own) if own.seed != origin.seed => foreign(format!("of seed {}, not {}", own.seed, origin.seed)),
            _ => Ok(()),
        }
    }

    /// Fills the weights of `flow` (and `optimizer`, if given).
    ///
    /// # Errors
    /// Where a tensor is missing, left over or of another shape, a mask is not that of the flow, or a number is not finite.
    /// `flow` and `optimizer` are then unchanged.
    pub fn restore(&self, flow: &mut dyn Flow, optimizer: Option<&mut Optimizer>) -> Result<State, CheckpointError> {
        let state = self.json(STATE)?;
        let file = SafeTensors::deserialize(&self.bytes).map_err(|error| self.damaged(error.to_string()))?;
        let mut tensors =
            Tensors { unread: file.iter().map(|(name, _)| name).collect(), file: &file, checkpoint: self };
        if self.metadata.contains_key(SHA256) {
            place_tensors(flow.architecture()).try_for_each(|(name, places)| tensors.hold_places(&name, &places))?;
        }
        let mut values = flow.parameters().values().to_vec();
        tensors.take("", flow.parameters(), &mut values, false)?;
        let mut average = optimizer.as_ref().and_then(|optimizer| optimizer.average()).map(|it| it.values().to_vec());
        if let Some(average) = &mut average {
            tensors.take(AVERAGE, flow.parameters(), average, false)?;
        }
        let mut moments = optimizer.as_ref().map(|optimizer| optimizer.moments().to_vec()).unwrap_or_default();
        for (k, moment) in moments.iter_mut().enumerate() {
            tensors.take(&format!("optimizer.{k}."), flow.parameters(), moment, true)?;
        }
        if let Some(name) = tensors.unread.first() {
            return Err(self.damaged(format!("the spec's flow has no tensor `{name}`")));
        }
        flow.parameters_mut().values_mut().copy_from_slice(&values);
        if let Some(optimizer) = optimizer {
            optimizer.moments_mut().clone_from_slice(&moments);
            if let (Some(to), Some(from)) = (optimizer.average_mut(), &average) {
                to.values_mut().copy_from_slice(from);
            }
        }
        Ok(state)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T, CheckpointError> {
        let value = self.metadata.get(key).ok_or_else(|| self.damaged(format!("it has no `{key}`")))?;
        serde_json::from_str(value).map_err(|error| self.damaged(format!("`{key}`: {error}")))
    }

    fn damaged(&self, reason: String) -> CheckpointError {
        CheckpointError::Damaged { path: self.path.clone(), reason }
    }
}

/// The tensors of a checkpoint, each to be read once.
struct Tensors<'a> {
    checkpoint: &'a Checkpoint,
    file: &'a SafeTensors<'a>,
    unread: BTreeSet<&'a str>,
}

impl Tensors<'_> {
    fn tensor(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<TensorView<'_>, CheckpointError> {
        let damaged = |reason| self.checkpoint.damaged(reason);
        let tensor = self.file.tensor(name).map_err(|_| damaged(format!("tensor `{name}` is missing")))?;
        if tensor.dtype() != dtype || tensor.shape() != shape {
            let (found, kind) = (tensor.shape(), tensor.dtype());
            let reason = format!(
                "tensor `{name}` is {kind} of shape {found:?}, the spec's flow needs {dtype} of shape {shape:?}"
            );
            return Err(damaged(reason));
        }
        self.unread.remove(name);
        Ok(tensor)
    }

    /// Reads `values`, laid out as `parameters` are.
    fn take(
        &mut self,
        prefix: &str,
        parameters: &Parameters,
        values: &mut [f32],
        trainable_only: bool,
    ) -> Result<(), CheckpointError> {
        for entry in parameters.entries().iter().filter(|e| !trainable_only || e.range().end <= parameters.count()) {
            let name = format!("{prefix}{}", entry.name);
            let tensor = self.tensor(&name, Dtype::F32, &entry.shape)?;
            for (to, from) in values[entry.range()].iter_mut().zip(tensor.data().as_chunks::<4>().0) {
                *to = f32::from_le_bytes(*from);
            }
            if !values[entry.range()].iter().all(|value| value.is_finite()) {
                return Err(self.checkpoint.damaged(format!("tensor `{name}` holds a number that is not finite")));
            }
        }
        Ok(())
    }

    /// Checks that a tensor lists `places`.
    fn hold_places(&mut self, name: &str, places: &[i32]) -> Result<(), CheckpointError> {
        let tensor = self.tensor(name, Dtype::I32, &[places.len()])?;
        let found = tensor.data().as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes));
        match found.eq(places.iter().copied()) {
            true => Ok(()),
            false => {
                Err(self.checkpoint.damaged(format!("`{name}` are not the features that the spec's flow has there")))
            }
        }
    }
}
