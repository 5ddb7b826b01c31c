//! The resolved spec as plain data. Field names are the TOML keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::file_format::FileFormat;

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
    /// `[dataset]`: what is learned.
    pub dataset: Dataset,
    /// `[model]`: the flow.
    pub model: Model,
    /// `[optimizer]`: the rule of its updates.
    pub optimizer: Optimizer,
    /// `[training]`: how long, and how often it is looked at.
    pub training: Training,
}

/// Where a trial computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// This machine's processor.
    Cpu,
    /// CUDA device by ordinal; `None`: whichever is free.
    Cuda(Option<usize>),
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
            None if text == "cuda" => Ok(Self::Cuda(None)),
            Some(("cuda", ordinal)) => ordinal
                .parse()
                .map(|ordinal| Self::Cuda(Some(ordinal)))
                .map_err(|_| format!("`{ordinal}` is no device number")),
            _ => Err(format!("unknown device `{text}`; expected `cpu`, `cuda` or `cuda:N`")),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(ordinal)) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

/// What is learned: a toy by `name`, or files by `path` and by its parts; never both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Name of a toy density.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The data file, or folder of images, that parts given as numbers or fractions are taken from, as the spec writes
    /// it; [`Spec::find`] finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Files only: default: told by the extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// npz only: name of the array; default: the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// csv, tsv: whether the first line names the columns; default: told by whether it is all numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// csv, tsv: what separates cells, an ASCII character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// csv, tsv: what stands before the decimals of a number; default: a point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Files only: the columns to learn, by name; default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Files only: columns to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Files only: a column that is no feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<ColumnName>,
    /// Files: a column with the weight of every row, which is no feature. A toy's own parameter of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Files only: columns that the density is conditional on. Not in specs of the first release, nor are the next two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// Files only: those of `context` whose numbers are classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Whether the density is conditional on the classes in `label`, or on the component of a toy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub condition: bool,
    /// Toys only: whether the density is conditional on an affine map of its rows. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub affine: bool,
    /// Files only: rows with missing values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Files only: rows equal to an earlier one in all columns learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// Files only: at most this many rows of every file, its first; default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// Files only: width of the uniform noise added to the values of quantised columns, in data units; default: 1 for
    /// bytes of images and idx files, none for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dequantize: Option<Steps>,
    /// Files only: α of logit(α + (1 − 2α)u), where u is the value's place within `bounds`, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit: Option<f64>,
    /// `logit` only: the values' range, noise included, in data units; default: 0 to 256 for bytes of images and idx
    /// files, 0 to 1 for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<[f64; 2]>,
    /// Files only: what columns go through before they are scaled. Not in specs of the first release, which had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transforms>,
    /// Images only: height and width of what is left of them. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<[usize; 2]>,
    /// Images only: height and width that they are brought to, after `crop`. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<[usize; 2]>,
    /// Images only: what is done to training rows at random. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub augment: Vec<Augment>,
    /// The rows that are trained on.
    pub train: Amount,
    /// The rows that choose the best weights.
    pub validation: Amount,
    /// The rows of the final NLL, never seen in training.
    pub test: Amount,
    /// Seed of data and split, apart from the run's `seeds`.
    pub seed: u64,
    /// Scale every feature to mean 0 and variance 1 on the training rows before the flow sees it.
    pub standardize: bool,
    /// Files: what shares a mean and a variance. Not in specs of earlier releases, where every feature had its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardize_by: Option<StandardizeBy>,
    /// The toy's own parameters, e.g. `noise`; see [`Dataset::toy_parameters`].
    #[serde(flatten)]
    pub parameters: BTreeMap<String, f64>,
}

/// A column by its name or its number: from 1, or from −1 backwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnName {
    /// Its number.
    Number(i64),
    /// Its name.
    Name(String),
}

/// What `dataset.weight` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Weight {
    /// Files: the column of weights.
    Column(ColumnName),
    /// The parameter of a toy, a float.
    OfToy(f64),
}

/// What stands before the decimals of a number in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decimal {
    /// A point: 3.14.
    #[default]
    #[serde(rename = ".")]
    Point,
    /// A comma: 3,14.
    #[serde(rename = ",")]
    Comma,
}

impl Decimal {
    /// As a text has it.
    pub fn sign(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// What shares a mean and a variance in standardisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StandardizeBy {
    /// Every feature has its own.
    Feature,
    /// Images: all pixels of a channel share them, so that a value means the same everywhere in an image.
    Channel,
}

/// What is done to images at random in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// Every other one, by chance, is mirrored: left becomes right.
    Flip,
}

/// What becomes of rows with missing values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// They are an error.
    #[default]
    Error,
    /// They are left out.
    Drop,
}

/// What becomes of rows that equal an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// They stay.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// Distances between the values of quantised columns, data units; 0: the column is continuous.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Steps {
    /// The same for all columns.
    All(f64),
    /// One a learned column, in their order.
    Each(Vec<f64>),
}

/// Which columns go through which transforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Transforms {
    /// All through the same.
    All(TransformKind),
    /// By their names; others stay as they are.
    Each(BTreeMap<String, ColumnTransform>),
}

/// A transform by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformKind {
    /// Of positive values.
    Log,
    /// Of values between 0 and 1.
    Logit,
    /// Of all values.
    Symlog,
}

impl TransformKind {
    /// With what it takes where nothing else is said.
    pub fn plain(self) -> ColumnTransform {
        match self {
            Self::Log => ColumnTransform::Log { low: 0.0 },
            Self::Logit => ColumnTransform::Logit { low: 0.0, high: 1.0 },
            Self::Symlog => ColumnTransform::Symlog { scale: None },
        }
    }
}

/// A map of a column's support onto the whole line, before the column is scaled; all numbers in data units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ColumnTransform {
    /// ln(x − low).
    Log {
        /// Every value is above it.
        low: f64,
    },
    /// ln((x − low)/(high − x)).
    Logit {
        /// Every value is above it.
        low: f64,
        /// Every value is below it.
        high: f64,
    },
    /// sign(x)·ln(1 + |x|/scale).
    Symlog {
        /// Where its tails begin; default: the median of |x| in the training rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<f64>,
    },
}

/// Which rows a part of the data gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number of rows.
    Rows(usize),
    /// A fraction of a file's rows, in (0, 1).
    Fraction(f64),
    /// Toys, training part only: new rows every step, written `"fresh"`.
    Fresh(Fresh),
    /// The rows of a file of its own, as the spec writes it; [`Spec::find`] finds it.
    File(PathBuf),
}

/// The word `fresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fresh {
    /// The only value.
    #[serde(rename = "fresh")]
    Fresh,
}

/// The flow: how many layers of which kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Which features a coupling keeps.
    pub mask: MaskScheme,
    /// Number of coupling layers.
    pub depth: usize,
    /// Hidden width of the s and t networks.
    pub width: usize,
    /// The kind of the networks. Not in specs of the first release, which had the default alone.
    #[serde(default)]
    pub network: NetworkKind,
    /// mlp: hidden layers of the networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_layers: Option<usize>,
    /// multiscale: how many scales. Not in specs of the first release, which had no such masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scales: Option<usize>,
    /// conv: whether maps double with every squeeze. Not in specs of the first release, which had no such networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widen: Option<bool>,
    /// conv: whether maps are batch-normalised before every relu. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_batch_norm: Option<bool>,
    /// conv: whether the weights of convolutions are normalised. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_weight_norm: Option<bool>,
    /// residual and conv: blocks of the networks. Not in specs of the first release, which had no such networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<usize>,
    /// The share of hidden values that is left out in each training step. Not in specs of the first release, which had none.
    #[serde(default)]
    pub dropout: f64,
    /// What follows every hidden layer of the networks.
    pub activation: Activation,
    /// How a coupling changes what it does not keep.
    pub coupling: CouplingKind,
    /// affine: whether one network says both s and t. Not in specs of the first release, which had the default alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<bool>,
    /// spline: bins between the tails. Not in specs of the first release, which had no splines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<usize>,
    /// spline: where the tails begin, in the flow's units. Not in specs of the first release, which had no splines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_bound: Option<f64>,
    /// spline: what becomes of the features that a coupling keeps. Not in specs of the first release, which had no splines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// affine: the bound of s. Not in specs of the first release, which had the default alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleBound>,
    /// What is done before every coupling but the first. Not in specs of the first release, which had `none` alone.
    #[serde(default)]
    pub mixing: Mixing,
    /// The flow layer after every coupling.
    #[serde(alias = "batch_norm", deserialize_with = "normalization")]
    pub normalization: Normalization,
    /// What latent points follow. Not in specs of the first release, which had the default alone.
    #[serde(default)]
    pub base: BaseKind,
    /// student-t: ν.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrees_of_freedom: Option<DegreesOfFreedom>,
    /// Whether location and scale of the base depend on the context. Not in specs of earlier releases.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditional_base: bool,
}

/// The base density.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseKind {
    /// The standard normal.
    #[default]
    Normal,
    /// A Student-t distribution at every latent coordinate.
    StudentT,
}

/// ν of a Student-t base.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DegreesOfFreedom {
    /// The same for every coordinate.
    Given(f64),
    /// Trained, one a coordinate, written `"learned"`.
    Learned(Learned),
}

/// The word `learned`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Learned {
    /// The only value.
    #[serde(rename = "learned")]
    Learned,
}

/// Which features the couplings keep, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskScheme {
    /// Every other feature, starting with the first or the second in turn.
    Alternating,
    /// The first half or the second half in turn.
    Half,
    /// A random half, seeded by the run's seed, and its complement in turn.
    Random,
    /// Images: every other pixel, as on a checkerboard.
    Checkerboard,
    /// Images: half of the channels of every pixel.
    Channel,
    /// Images: checkerboards and channels at several scales (Dinh et al. 2017, section 3.6).
    Multiscale,
}

impl MaskScheme {
    /// Its word in specs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alternating => "alternating",
            Self::Half => "half",
            Self::Random => "random",
            Self::Checkerboard => "checkerboard",
            Self::Channel => "channel",
            Self::Multiscale => "multiscale",
        }
    }
}

/// The nonlinearity of a hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

/// The kind of network that conditions a coupling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// A multi-layer perceptron.
    #[default]
    Mlp,
    /// Pre-activation residual blocks (He et al. 2016).
    Residual,
    /// Residual blocks of 3×3 convolutions (Dinh et al. 2017, section 3.6).
    Conv,
}

/// How a coupling changes a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CouplingKind {
    /// x·exp(s) + t (Dinh et al. 2017, equation 7).
    Affine,
    /// x + t.
    Additive,
    /// A monotone rational-quadratic spline (Durkan et al. 2019).
    Spline,
}

/// What becomes of the features that a coupling keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// They stay as they are.
    #[default]
    Same,
    /// Each goes through a spline of its own, the same for all rows (Durkan et al. 2019, section 3.2).
    Spline,
}

/// What bounds s of an affine coupling, where a is what the network says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScaleBound {
    /// s = scale·tanh(a), with a learned scale.
    #[default]
    Tanh,
    /// s = scale·(2/π)·atan(π/2·a), with a learned scale.
    Atan,
    /// exp(s) = 2·sigmoid(a).
    Sigmoid,
}

/// How the order of features changes between couplings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mixing {
    /// Nothing: masks alone tell features apart.
    #[default]
    None,
    /// The last becomes the first.
    Reverse,
    /// Any order, seeded by the run's seed.
    Permutation,
    /// Any order, and a learned linear map before every coupling and behind the last (Kingma & Dhariwal 2018, section 3.2).
    Lu,
}

/// What normalises the features after every coupling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// Nothing.
    None,
    /// Batch normalisation (Dinh et al. 2017, section 3.7).
    Batch,
    /// Activation normalisation (Kingma & Dhariwal 2018, section 3.1).
    Act,
}

/// The word, or what the first release stored in its place: whether there is batch normalisation.
fn normalization<'de, D: Deserializer<'de>>(stored: D) -> Result<Normalization, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Word(Normalization),
        Batch(bool),
    }
    Ok(match Stored::deserialize(stored)? {
        Stored::Word(word) => word,
        Stored::Batch(true) => Normalization::Batch,
        Stored::Batch(false) => Normalization::None,
    })
}

/// The optimizer; keys that the chosen one does not use are absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The update rule.
    pub name: OptimizerName,
    /// Learning rate, before the schedule's factor.
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
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
}

/// An update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Adam (Kingma and Ba 2015).
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw,
    /// Stochastic gradient descent, with momentum where it is set.
    Sgd,
    /// RMSprop (Tieleman and Hinton 2012), with momentum where it is set.
    Rmsprop,
}

/// Factor on the learning rate over the run, after a linear warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How the rate falls after the warm-up.
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

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleName {
    /// It does not.
    Constant,
    /// Half a cosine from the full rate to 0 at the last step.
    Cosine,
    /// Times `factor` every `every` steps.
    Step,
}

/// The training loop.
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
    /// Decay of the average of the weights that is evaluated and kept; 0 = off.
    #[serde(default)]
    pub ema: f64,
    /// What computes: the hand-written kernels or plain dfdx operations.
    pub kernel: KernelChoice,
    /// The arithmetic of large products in training steps on a GPU.
    #[serde(default)]
    pub precision: Precision,
}

/// How a GPU multiplies in the large products of training steps. All else, and everything that is evaluated, is in plain f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 bits of mantissa.
    #[default]
    F32,
    /// Factors rounded to 11 bits of mantissa, summed in f32: NVIDIA's TensorFloat-32, on GPUs of compute capability 8.0 or newer.
    Tf32,
}

/// What computes a flow and its gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelChoice {
    /// Hand-written forward and backward, for the CPU and for CUDA.
    Fused,
    /// Plain dfdx operations: the reference.
    Composed,
}
