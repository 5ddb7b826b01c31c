//! The resolved spec as plain data. Field names are the TOML keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One experiment, every key resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Folder of the spec file: what a relative `dataset.path` is relative to.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Name of the results folder; default: the file's stem.
    pub name: String,
    /// Seeds of weights and batch order, one run each.
    pub seeds: Vec<u64>,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: Device,
    pub dataset: Dataset,
    pub model: Model,
    pub optimizer: Optimizer,
    pub training: Training,
}

/// Where a trial computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    Cpu,
    /// CUDA device by ordinal.
    Cuda(usize),
}

impl TryFrom<String> for Device {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for Device {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", ordinal)) => {
                ordinal.parse().map(Self::Cuda).map_err(|_| format!("`{ordinal}` is no device number"))
            }
            _ => Err(format!("unknown device `{text}`; expected `cpu`, `cuda` or `cuda:N`")),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

/// What is learned: a toy by `name`, or a file by `path`; never both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Name of a toy density.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A data file as the spec writes it; [`Spec::dataset_path`] finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Files only: `csv`, `parquet` or `npy`; default: told by the extension (`.csv.gz` included).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// Files only: the columns to learn, by name; default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Files only: columns to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Files only: width of the uniform noise added to each value of a quantised column, in data units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dequantize: Option<f64>,
    pub train: Amount,
    pub validation: Amount,
    pub test: Amount,
    /// Seed of data and split, apart from the run's `seeds`.
    pub seed: u64,
    /// Scale every feature to mean 0 and variance 1 on the training rows before the flow sees it.
    pub standardize: bool,
    /// The toy's own parameters, e.g. `noise`.
    #[serde(flatten)]
    pub parameters: BTreeMap<String, f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    Csv,
    Parquet,
    Npy,
}

/// How many rows a part of the data gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number of rows.
    Rows(usize),
    /// A fraction of a file's rows, in (0, 1).
    Fraction(f64),
    /// Toys, training part only: new rows every step, written `"fresh"`.
    Fresh(Fresh),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fresh {
    #[serde(rename = "fresh")]
    Fresh,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub mask: MaskScheme,
    /// Number of coupling layers.
    pub depth: usize,
    /// Hidden width of the s and t networks.
    pub width: usize,
    /// Hidden layers of the s and t networks.
    pub hidden_layers: usize,
    pub activation: Activation,
    pub coupling: CouplingKind,
    /// Batch normalisation as a flow layer after every coupling (Dinh et al. 2017, section 3.7).
    pub batch_norm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskScheme {
    /// Every other feature, starting with the first or the second in turn.
    Alternating,
    /// The first half or the second half in turn.
    Half,
    /// A random half, seeded by the run's seed, and its complement in turn.
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    Relu,
    Tanh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CouplingKind {
    Affine,
}

/// The optimizer; keys that the chosen one does not use are absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    pub name: OptimizerName,
    pub learning_rate: f64,
    /// L2 penalty added to the gradient (adam, sgd, rmsprop) or decoupled decay (adamw).
    pub weight_decay: f64,
    /// Largest global L2 norm of the gradient; 0 = no clipping.
    pub clip_norm: f64,
    /// adam, adamw: decay rates of the two moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// adam, adamw, rmsprop: added to the denominator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// sgd, rmsprop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// rmsprop: decay rate of the squared gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    pub schedule: Schedule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    Adam,
    Adamw,
    Sgd,
    Rmsprop,
}

/// Factor on the learning rate over the run, after a linear warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub name: ScheduleName,
    /// Steps over which the rate rises linearly from 0 to its full value.
    pub warmup: usize,
    /// `step`: steps between drops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<usize>,
    /// `step`: factor of each drop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleName {
    Constant,
    /// Half a cosine from the full rate to 0 at the last step.
    Cosine,
    /// Times `factor` every `every` steps.
    Step,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rows a step.
    pub batch_size: usize,
    /// Length of the run in optimizer steps; exactly one of `steps` and `epochs` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Length of the run in passes over the training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Steps between evaluations on the validation rows.
    pub evaluate_every: usize,
    /// Steps between rows of the training curve.
    pub log_every: usize,
    /// Evaluations without a better validation NLL before stopping; 0 = off.
    pub patience: usize,
    /// How the CPU computes: the hand-written kernels or plain dfdx operations.
    pub kernel: KernelChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelChoice {
    /// Hand-written forward and backward (CPU).
    Fused,
    /// Plain dfdx operations: the reference, and what CUDA runs.
    Composed,
}
