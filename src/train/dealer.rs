//! Which batches and learning rates the next steps take.

use crate::data::{Batches, Dataset, Train};
use crate::flow::{Flow, Rows, Work};
use crate::matrix::Matrix;
use crate::optimizer::factor;
use crate::spec::Spec;
use crate::statistics::mean;

/// Bytes of the batches of one stretch.
const WAITING_BYTES: usize = 64 << 20;

/// Consecutive steps between which the run is neither logged nor evaluated, so that a flow takes them in one call; and what the
/// preprocessing adds to their losses.
#[derive(Debug, Default)]
pub struct Stretch {
    /// The steps, as the flow takes them.
    pub work: Work,
    /// Mean over each batch, weighted where rows are, of the preprocessing's log|det|, nats.
    pub log_det: Vec<f64>,
}

/// Prepares the steps of a run: their batches and learning rates. Each step is a pure function of the spec, the seed and its
/// number.
pub struct Dealer<'a> {
    spec: &'a Spec,
    dataset: &'a Dataset,
    batches: Batches<'a>,
    total_steps: u64,
    at_once: usize,
    /// log|det| of the preprocessing of every training row, where the flow keeps those rows on its device.
    held: Option<Vec<f64>>,
    /// The weights of the training rows, relative to their mean; empty where all count alike.
    weights: Vec<f32>,
    /// The run's.
    seed: u64,
}

impl<'a> Dealer<'a> {
    /// Lets `flow` hold the training rows, if it can and they are the same in every epoch.
    pub fn new(spec: &'a Spec, dataset: &'a Dataset, seed: u64, flow: &mut dyn Flow) -> Self {
        let batches = Batches::new(dataset, spec.training.batch_size, seed);
        let total_steps = total_steps(spec, dataset);
        // Batches that wait on the host shall not fill its memory.
        let batch_bytes = 4 * batches.batch_size() * dataset.features();
        let few = flow.steps_at_once().min((WAITING_BYTES / batch_bytes.max(1)).max(1));
        let held = match &dataset.train {
            Train::Rows(rows)
                if flow.holds_rows() && !dataset.preprocessing.is_noisy() && dataset.augment.is_empty() =>
            {
                let rows = dataset.preprocessing.apply(rows);
                // A device without room for all rows gets them batch by batch.
                flow.hold(&rows).is_ok().then(|| dataset.preprocessing.log_det(&rows))
            }
            _ => None,
        };
        let at_once = if held.is_some() { flow.steps_at_once() } else { few };
        let weights = dataset.weights.as_ref().map_or(Vec::new(), |all| relative(&all.train));
        Self { spec, dataset, batches, total_steps, at_once, held, weights, seed }
    }

    /// Rows of a step.
    pub fn batch_size(&self) -> usize {
        self.batches.batch_size()
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.total_steps
    }

    /// Epochs passed after `step` steps.
    pub fn epoch(&self, step: u64) -> f64 {
        self.batches.epoch(step)
    }

    /// The learning rate of step number `step`, from 0.
    pub fn rate(&self, step: u64) -> f64 {
        self.spec.optimizer.learning_rate * factor(&self.spec.optimizer.schedule, step, self.total_steps)
    }

    /// Writes batch number `step` (model space) into `batch`.
    pub fn batch(&mut self, step: u64, batch: &mut Matrix) {
        self.batches.fill(step, batch);
    }

    /// Writes the steps from number `first` on into `stretch`: up to the next one that is logged or evaluated, and no more than
    /// the flow takes at once.
    pub fn deal(&mut self, first: u64, stretch: &mut Stretch) {
        let training = &self.spec.training;
        let looked_at = |every: usize| (first / every as u64 + 1) * every as u64;
        let end = [looked_at(training.evaluate_every), looked_at(training.log_every), first + self.at_once as u64]
            .into_iter()
            .fold(self.total_steps, u64::min);
        let steps = first..end.max(first);
        let Stretch { work, log_det } = stretch;
        work.first = first;
        work.seed = self.seed;
        work.rates.clear();
        work.rates.extend(steps.clone().map(|step| self.rate(step)));
        log_det.clear();
        work.weights.clear();
        match &self.held {
            Some(of_rows) => {
                let mut indices = match std::mem::take(&mut work.rows) {
                    Rows::Held(indices) => indices,
                    Rows::Given(_) => Vec::new(),
                };
                indices.clear();
                for step in steps {
                    let chosen = self.batches.places(step).unwrap_or_default();
                    let of_rows = chosen.iter().map(|&index| of_rows[index as usize]).collect();
                    log_det.push(mean_of_batch(of_rows, chosen, &self.weights, &mut work.weights));
                    indices.extend_from_slice(chosen);
                }
                work.rows = Rows::Held(indices);
            }
            None => {
                let mut batches = match std::mem::take(&mut work.rows) {
                    Rows::Given(batches) => batches,
                    Rows::Held(_) => Vec::new(),
                };
                batches.resize_with(work.rates.len(), Matrix::default);
                for (step, batch) in steps.zip(&mut batches) {
                    self.batches.fill(step, batch);
                    let of_rows = self.dataset.preprocessing.log_det(batch);
                    let chosen = self.batches.places(step).unwrap_or_default();
                    log_det.push(mean_of_batch(of_rows, chosen, &self.weights, &mut work.weights));
                }
                work.rows = Rows::Given(batches);
            }
        }
    }
}

/// The mean of what is said `of_rows` of a batch, which are the training rows at `places`. Where training rows have weights it is
/// weighted, and the batch's are added to `dealt`.
fn mean_of_batch(of_rows: Vec<f64>, places: &[u32], weights: &[f32], dealt: &mut Vec<Vec<f32>>) -> f64 {
    if weights.is_empty() {
        return mean(of_rows.into_iter());
    }
    let own: Vec<f32> = places.iter().map(|&place| weights[place as usize]).collect();
    let total: f64 = own.iter().map(|&weight| f64::from(weight)).sum();
    let sum: f64 = of_rows.iter().zip(&own).map(|(one, &weight)| one * f64::from(weight)).sum();
    dealt.push(own);
    sum / total
}

/// Weights relative to their mean.
fn relative(weights: &[f64]) -> Vec<f32> {
    let per_row: f64 = weights.iter().map(|weight| weight / weights.len() as f64).sum();
    weights.iter().map(|weight| (weight / per_row) as f32).collect()
}

/// Steps of a whole run of `spec` over `dataset`.
pub fn total_steps(spec: &Spec, dataset: &Dataset) -> u64 {
    let rows = match &dataset.train {
        Train::Rows(rows) => rows.rows(),
        // Rows that are new at every step make no epochs: the spec sets the number of steps.
        Train::Fresh => 0,
    };
    spec.total_steps(rows) as u64
}
