//! What a trial will cost.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::data::{Batches, Dataset};
use crate::flow::{self, DeviceError};
use crate::kernel;
use crate::optimizer::Optimizer;
use crate::plan::Trial;
use crate::shape::Layout;
use crate::spec::Spec;
use crate::train::{Dealer, Stretch, total_steps};

/// The expected cost of one run on one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Whether the flow's shape is a compile-time constant.
    pub static_shape: bool,
    /// Trainable values.
    pub parameters: usize,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// Training, evaluations included.
    pub seconds: f64,
    /// Bytes of weights, gradients, moments, activations and data.
    pub memory: f64,
}

/// Estimates the cost of `trial` by arithmetic: nothing of its size is made. The first call trains its trial for a few steps, or
/// one with a narrower model where that would take long; later ones scale what that took.
///
/// # Errors
/// Where the device is not there.
pub fn estimate(trial: &Trial, dataset: &Dataset) -> Result<Estimate, DeviceError> {
    static SECONDS_PER_MULTIPLICATION: OnceLock<f64> = OnceLock::new();
    let spec = &trial.spec;
    let layout = dataset.layout();
    let parameters = flow::Architecture::count(&spec.model, layout, trial.seed);
    let batches = Batches::new(dataset, spec.training.batch_size, trial.seed);
    let batch = batches.batch_size() as f64;
    let multiplications = |trial: &Trial| multiplications(&trial.spec, layout, trial.seed);
    let per_multiplication = match SECONDS_PER_MULTIPLICATION.get() {
        Some(seconds) => *seconds,
        None => {
            let small = small_enough(trial, layout);
            let seconds = on_one_core(|| step_seconds(&small, dataset))? / (multiplications(&small) * batch);
            *SECONDS_PER_MULTIPLICATION.get_or_init(|| seconds)
        }
    };
    let steps = total_steps(spec, dataset);
    // Forward alone is a third of a step's arithmetic.
    let evaluations = steps as f64 / spec.training.evaluate_every as f64;
    let rows =
        steps as f64 * batch + evaluations * dataset.validation.rows() as f64 / 3.0 + dataset.test.rows() as f64 / 3.0;
    let held = dataset.validation.as_slice().len() + dataset.test.as_slice().len();
    let train = match &dataset.train {
        crate::data::Train::Rows(rows) => rows.as_slice().len(),
        crate::data::Train::Fresh => 0,
    };
    Ok(Estimate {
        static_shape: kernel::static_shape(&spec.model, &spec.training, layout, spec.device).is_some(),
        parameters,
        steps,
        seconds: rows * multiplications(trial) * per_multiplication,
        memory: training_bytes(trial, dataset) + 4.0 * held as f64 + 8.0 * train as f64,
    })
}

/// Bytes that training takes beside the data.
pub fn training_bytes(trial: &Trial, dataset: &Dataset) -> f64 {
    let layout = dataset.layout();
    let batch = Batches::new(dataset, trial.spec.training.batch_size, trial.seed).batch_size() as f64;
    // A row, its gradient, and what the layers keep of it.
    let kept = flow::Architecture::cost(&trial.spec.model, layout, trial.seed).values;
    let activations = batch * (kept as f64 + 2.0 * layout.values() as f64);
    // Nine times the parameters: weights, best weights, two layouts, the gradients of two threads and their sum, two moments. And
    // their average, where one is kept.
    let copies = if trial.spec.training.ema > 0.0 { 10.0 } else { 9.0 };
    let parameters = flow::Architecture::count(&trial.spec.model, layout, trial.seed);
    4.0 * (copies * parameters as f64 + activations)
}

/// `trial`, or the same with so narrow a model that a step of it takes no time to speak of.
fn small_enough(trial: &Trial, layout: Layout) -> Trial {
    /// Multiplications of a step, forward.
    const AT_MOST: f64 = 2e9;
    let mut small = trial.clone();
    let cost = |spec: &Spec| multiplications(spec, layout, trial.seed) * spec.training.batch_size as f64;
    while cost(&small.spec) > AT_MOST && small.spec.model.width > 64 {
        small.spec.model.width /= 2;
    }
    while cost(&small.spec) > AT_MOST && small.spec.model.depth > 2 {
        small.spec.model.depth /= 2;
    }
    small
}

/// Multiplications of a row, forward.
fn multiplications(spec: &Spec, layout: Layout, seed: u64) -> f64 {
    flow::Architecture::cost(&spec.model, layout, seed).multiplications as f64
}

fn on_one_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// Seconds of a training step, the fastest of a few.
fn step_seconds(trial: &Trial, dataset: &Dataset) -> Result<f64, DeviceError> {
    const AT_MOST: Duration = Duration::from_millis(300);
    let spec = &trial.spec;
    let mut flow = kernel::build(&spec.model, &spec.training, dataset.layout(), trial.seed, spec.device)?.flow;
    let optimizer = Optimizer::new(&spec.optimizer, flow.parameters().count());
    let mut optimizer = optimizer.averaging(spec.training.ema, flow.parameters());
    let mut dealer = Dealer::new(spec, dataset, trial.seed, &mut *flow);
    let (mut stretch, mut losses) = (Stretch::default(), Vec::new());
    let began = Instant::now();
    let mut fastest = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        losses.clear();
        dealer.deal(0, &mut stretch);
        flow.train(&mut stretch.work, &mut optimizer, &mut losses, &mut || {})?;
        fastest = fastest.min(start.elapsed().as_secs_f64() / losses.len() as f64);
        if began.elapsed() > AT_MOST {
            break;
        }
    }
    Ok(fastest)
}
