//! A trained flow from its run directory.

use std::path::{Path, PathBuf};

use super::agreement::{Disagreement, agree};
use super::contexts::Seen;
use super::folder::SPEC;
use super::pictures::Detail;
use crate::data::{Context, Dataset, Preprocessing};
use crate::flow::{DeviceError, Flow};
use crate::kernel;
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::record::{Manifest, RecordError, read_runs};
use crate::report::ReportError;
use crate::shape::Shape;
use crate::spec::{Device, FileFormat, KernelChoice, Spec};
use crate::train::{self, Checkpoint, CheckpointError, Picture, Status};

/// A flow with the best weights of a run, and the way between data space and its own.
pub struct SavedRun {
    /// The flow.
    pub flow: Box<dyn Flow>,
    /// Names of the data's features.
    pub columns: Vec<String>,
    /// What they are conditional on.
    pub context: Context,
    /// How the features lie.
    pub shape: Shape,
    /// The map from data space to model space.
    pub preprocessing: Preprocessing,
    /// The resolved spec of the run.
    pub spec: Spec,
}

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum SavedRunError {
    #[error(
        "{} is no run directory: it has no spec.toml; name a folder like {} (see `runner list`)",
        path.display(), like.display()
    )]
    NotARun { path: PathBuf, like: PathBuf },
    #[error("{} has no checkpoints/best.safetensors, and the run is {status}: run its spec again, or name a run that has one (see `runner list`)", path.display())]
    NoWeights { path: PathBuf, status: &'static str },
    #[error(
        "{}: not a resolved spec: {reason}; put back what it was (the experiment's plan.json has it), or delete the run's folder \
         and run the same command to train it again",
        path.display()
    )]
    Spec { path: PathBuf, reason: String },
    #[error("{}: {reason}", path.display())]
    Disagreement { path: PathBuf, reason: Disagreement },
    #[error(
        "{0}; a run is opened with its manifest: copy the whole folder of the run, or name another one (see `runner list`)"
    )]
    Manifest(#[from] RecordError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl SavedRunError {
    /// With a run of the experiment at `path`, if that is what it is.
    fn not_a_run(path: &Path) -> Self {
        let runs = read_runs(path);
        let finished = runs.manifests.iter().position(|run| run.status == Status::Finished);
        let like = runs.directories.get(finished.unwrap_or(0)).cloned();
        Self::NotARun { path: path.to_owned(), like: like.unwrap_or("results/moons/base-1234abcd/seed-0".into()) }
    }
}

/// Why a saved run has no pictures.
#[derive(Debug, thiserror::Error)]
pub enum SavedPictureError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl SavedRun {
    /// Opens the run in `directory`: its spec and `checkpoints/best.safetensors`, once they and the manifest are known to be of one
    /// run. The data are not needed. A run of a GPU computes on the CPU where there is no such GPU: the weights are the same, and
    /// so are the numbers but for rounding.
    ///
    /// # Errors
    /// Where a file is missing, damaged, or not what the run left.
    pub fn open(directory: &Path) -> Result<Self, SavedRunError> {
        Self::open_on(directory, None)
    }

    /// The same, on `device` if one is named.
    ///
    /// # Errors
    /// As [`SavedRun::open`], and where there is no such device.
    pub fn open_on(directory: &Path, device: Option<Device>) -> Result<Self, SavedRunError> {
        let (spec, manifest, checkpoint) = Self::checked(directory)?;
        let Some(checkpoint) = checkpoint else {
            return Err(SavedRunError::NoWeights { path: directory.to_owned(), status: manifest.status.as_str() });
        };
        let space = checkpoint.space()?;
        let seed = spec.seeds.first().copied().unwrap_or(0);
        let (shape, layout) = (space.shape(), space.layout());
        let build = |kernel, device| kernel::build(&spec.model, kernel, layout, seed, device);
        let built = match (spec.training.kernel, device.unwrap_or(spec.device)) {
            (kernel, named) if device.is_some() => build(kernel, named),
            (kernel, Device::Cpu) => build(kernel, Device::Cpu),
            (kernel, gpu) => build(kernel, gpu).or_else(|_| build(KernelChoice::Fused, Device::Cpu)),
        };
        let mut flow = built?.flow;
        checkpoint.restore(&mut *flow, None)?;
        let train::Space { columns, context, preprocessing, .. } = space;
        Ok(Self { flow, columns, context, shape, preprocessing, spec })
    }

    /// The spec and the manifest of the run in `directory`, and its best weights if there are any yet, once they are known to be
    /// of one run.
    ///
    /// # Errors
    /// Where a file is missing, damaged, or not what the run left.
    pub fn checked(directory: &Path) -> Result<(Spec, Manifest, Option<Checkpoint>), SavedRunError> {
        let spec = Self::spec_of(directory)?;
        let path = directory.join("checkpoints").join("best.safetensors");
        let checkpoint = path.exists().then(|| Checkpoint::read(&path)).transpose()?;
        let manifest = Manifest::read(directory)?;
        let origin = checkpoint.as_ref().map(Checkpoint::origin).transpose()?.flatten();
        agree(&spec, &manifest, origin.as_ref())
            .map_err(|reason| SavedRunError::Disagreement { path: directory.to_owned(), reason })?;
        Ok((spec, manifest, checkpoint))
    }

    /// The resolved spec of the run in `directory`.
    ///
    /// # Errors
    /// Where it is missing or damaged.
    pub fn spec_of(directory: &Path) -> Result<Spec, SavedRunError> {
        let path = directory.join(SPEC);
        let text = std::fs::read_to_string(&path).map_err(|_| SavedRunError::not_a_run(directory))?;
        // Not checked again: that would ask for the data file, which need not be on this machine.
        toml::from_str(&text).map_err(|error| SavedRunError::Spec { path, reason: error.message().to_owned() })
    }

    /// The files that the run in `directory` learned from; none where its spec cannot be read.
    pub fn files_of(directory: &Path) -> Vec<PathBuf> {
        Self::spec_of(directory).iter().flat_map(|spec| spec.dataset.files()).map(|(_, path)| path.to_owned()).collect()
    }

    /// `rows` draws in data space, a pure function of the weights and `seed`; not of a conditional flow.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn sample(&mut self, rows: usize, seed: u64) -> Result<Matrix<f64>, DeviceError> {
        Ok(self.preprocessing.invert(&self.flow.sample(rows, seed)?))
    }

    /// The draws of [`SavedRun::sample`] a block at a time, for more rows than memory takes; their latents are multiplied by
    /// `temperature`: below 1, what is drawn is more probable and less varied. Of a conditional flow each row of `given`, shape
    /// `[rows of given, context]`, data space, is the context of as many draws as every other; their columns come behind the
    /// features.
    pub fn draws<'a>(
        &'a mut self,
        rows: usize,
        seed: u64,
        temperature: f32,
        given: &'a Matrix<f64>,
    ) -> impl Iterator<Item = Result<Matrix<f64>, DeviceError>> + 'a {
        /// Values of a block; its rows come to a multiple of `TOGETHER`, so that the same ones are computed side by side.
        const VALUES: usize = 1 << 20;
        const TOGETHER: usize = 1 << 10;
        let features = self.columns.len();
        let most = (VALUES / features / TOGETHER).max(1) * TOGETHER;
        let mut rng = stream(seed, Purpose::Samples, 0);
        let base = self.flow.base();
        (0..rows).step_by(most).map(move |start| {
            let count = most.min(rows - start);
            let mut z = base.sample(count, &mut rng);
            z.as_mut_slice().iter_mut().for_each(|z| *z *= temperature);
            if given.rows() == 0 {
                return self.inverse(&z);
            }
            let places: Vec<usize> = (start..start + count).map(|row| row / (rows / given.rows())).collect();
            let given = given.select(&places);
            let x = self.inverse(&z.beside(&self.context_to_model(&given)))?;
            // As it was given, not as 32 bits have it.
            Ok(x.columns_before(features).beside(&given))
        })
    }

    /// From which value of its images to which tones go, data units, as far as the run itself knows: the bounds of its logit, or
    /// those of bytes.
    pub fn range(&self) -> Option<[f64; 2]> {
        if let Some(logit) = &self.preprocessing.logit {
            return Some([logit.low, logit.high]);
        }
        let format = |path| FileFormat::of(path);
        let spec = &self.spec.dataset;
        let format = spec.format.or_else(|| spec.files().first().and_then(|(_, path)| format(path)));
        let bytes = self.preprocessing.mean.iter().all(|&mean| (0.0..=256.0).contains(&mean));
        let is_bytes = matches!(format, Some(FileFormat::Idx | FileFormat::Cifar | FileFormat::Images)) && bytes;
        is_bytes.then_some([0.0, 256.0])
    }

    /// log p of every row of `rows` (data space), nats, in data space; `noise`: as [`SavedRun::forward`].
    ///
    /// # Errors
    /// Where the device fails.
    pub fn score(&mut self, rows: &Matrix<f64>, noise: Option<u64>) -> Result<Vec<f64>, DeviceError> {
        let rows = self.to_model(rows, noise);
        train::log_prob(&mut *self.flow, &rows, &self.preprocessing)
    }

    /// The pictures that a run ends with, in full detail; `dataset` is that of its spec.
    ///
    /// # Errors
    /// Where the device fails or a picture cannot be drawn.
    pub fn pictures(&mut self, dataset: &Dataset, title: &str) -> Result<Vec<Picture>, SavedPictureError> {
        let seed = self.spec.seeds.first().copied().unwrap_or(0);
        let samples = match self.context.is_empty() {
            true => self.sample(Detail::Full.samples(), seed)?,
            false => Matrix::default(),
        };
        Ok(Seen::new(&mut *self.flow, dataset, &samples, Detail::Full, seed)?.draw(title)?)
    }

    /// x → z. `noise`: seed of the noise that is added to quantised data; `None`: the rows carry it already, as samples do.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn forward(&mut self, rows: &Matrix<f64>, noise: Option<u64>) -> Result<Matrix, DeviceError> {
        let rows = self.to_model(rows, noise);
        Ok(self.flow.forward(&rows)?.z)
    }

    /// Contexts of shape `[rows, context]` from data space to model space.
    pub fn context_to_model(&self, context: &Matrix<f64>) -> Matrix {
        let features = self.columns.len();
        let rows = Matrix::zeros(context.rows(), features).beside(context);
        self.preprocessing.apply(&rows).columns_from(features)
    }

    fn to_model(&self, rows: &Matrix<f64>, noise: Option<u64>) -> Matrix {
        match noise {
            Some(seed) => self.preprocessing.apply_with_noise(rows, &mut stream(seed, Purpose::CommandNoise, 0)),
            None => self.preprocessing.apply(rows),
        }
    }

    /// z → x.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn inverse(&mut self, rows: &Matrix) -> Result<Matrix<f64>, DeviceError> {
        Ok(self.preprocessing.invert(&self.flow.inverse(rows)?))
    }
}
