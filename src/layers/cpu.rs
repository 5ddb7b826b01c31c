//! Layers on the CPU, with hand-written forward and backward.
//!
//! Rows come in groups, each [in panels](crate::compute::Panels): x → z in place. What the way back needs of the way
//! forward, a layer leaves in its cache: one slice a group, which nobody else writes to before the way back.

use crate::compute::{Buffer, Level, Panels};

/// What a layer is given beside rows and memory.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The instruction set.
    pub level: Level,
    /// Whether a second thread is free for this group of rows.
    pub fork: bool,
    /// The flat vector of all parameters.
    pub values: &'a [f32],
    /// The rows of the group, and how they lie in buffers.
    pub panels: Panels,
    /// Values a row.
    pub features: usize,
    /// In training, what dropout draws from.
    pub noise: Option<Noise>,
}

/// What the noise of a training step is a function of, beside the place in the flow.
#[derive(Clone, Copy)]
pub(crate) struct Noise {
    /// A number of the run's seed and the step.
    pub step: u64,
    /// Where the group of rows begins in the batch.
    pub first: usize,
}

/// Memory that the layers of a group of rows share; what is in it does not outlive a layer.
#[derive(Default)]
pub(crate) struct Scratch {
    /// As long as the layers [ask](OnCpu::scratch).
    pub values: Buffer,
    /// Pixels as rows of their own, for layers that take each for itself.
    pub rows: Buffer,
    /// What products bring together, one for each job of a [fork](Context::fork).
    pub products: Vec<Buffer>,
}

impl Scratch {
    /// The [products](Self::products) of so many jobs.
    pub fn products(&mut self, jobs: usize) -> &mut [Buffer] {
        self.products.resize_with(jobs.max(self.products.len()), Buffer::default);
        &mut self.products[..jobs]
    }
}

/// A layer on the CPU.
pub(crate) trait OnCpu: Sync {
    /// Values that its cache has room for, for `padded` rows.
    fn cache(&self, padded: usize, features: usize) -> usize;

    /// Values that it needs room for in [`Scratch::values`], for `padded` rows.
    fn scratch(&self, padded: usize) -> usize;

    /// x → z in place, in evaluation; log|det dz/dx| of every row is added to `log_det`.
    fn forward(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        cache: &mut [f32],
        scratch: &mut Scratch,
    );

    /// z → x in place, in evaluation. What is in `cache` does not matter and is lost.
    fn inverse(&self, context: &Context<'_>, z: &mut [f32], cache: &mut [f32], scratch: &mut Scratch);

    /// max |s| of the rows that last went [forward](OnCpu::forward) through `cache`; 0 for a layer without s.
    fn scale_max(&self, context: &Context<'_>, cache: &[f32]) -> f64;

    /// How it is trained.
    fn training(&self) -> Training<'_>;
}

/// How a layer is trained.
pub(crate) enum Training<'a> {
    /// Each row for itself: groups of rows need not wait for each other.
    ByRow(&'a dyn ByRow),
    /// By all rows of the batch.
    AcrossRows(&'a dyn AcrossRows),
}

/// A layer that in training does with each row what it does in evaluation.
pub(crate) trait ByRow: OnCpu {
    /// From the gradient of the loss with respect to z, in place, to that with respect to x; the parameters' is written to
    /// their places in `gradient`, which is as the flat vector.
    ///
    /// The loss is Σ_rows weight·(−log base density of z − log_det): `weights` has one a row, zero for padding, and is what
    /// log_det adds.
    fn backward(
        &self,
        context: &Context<'_>,
        weights: &[f32],
        d: &mut [f32],
        cache: &[f32],
        scratch: &mut Scratch,
        gradient: &mut [f32],
    );
}

/// A layer that in training needs sums over all rows of the batch. It takes every group of rows a stretch at a time; each but
/// the last ends in a round of sums. They are taken over each group in f64, and added in the order of the groups, so that they
/// do not depend on threads.
pub(crate) trait AcrossRows: Sync {
    /// How many rounds of sums there are on the way forward, and on the way back.
    fn rounds(&self) -> [usize; 2];

    /// Takes a group of rows on from where the rounds in `totals` have brought it, to the sums of the next round, which it
    /// returns, or to z. log|det dz/dx| of every row is added to `log_det` once.
    fn forward(&self, context: &Context<'_>, totals: &Totals, group: Forward<'_>) -> Vec<f64>;

    /// Moves running statistics, in the flat vector `values`, towards those of the batch.
    fn keep(&self, totals: &Totals, values: &mut [f32]);

    /// The same from the gradient of the loss with respect to z, in place, to that with respect to x. `totals` has the rounds
    /// of the way forward too. Parameters whose gradient is not that of [`gradients`](Self::gradients) get this group's part.
    fn backward(&self, context: &Context<'_>, totals: &Totals, group: Backward<'_>) -> Vec<f64>;

    /// Writes the gradient that follows from sums over the whole batch to its places in that of the first group of rows, and
    /// zeros to those of the other groups.
    fn gradients(&self, values: &[f32], totals: &Totals, groups: &mut dyn Iterator<Item = &mut [f32]>);
}

/// A group of rows on its way forward through a layer [across rows](AcrossRows).
pub(crate) struct Forward<'a> {
    pub x: &'a mut [f32],
    pub log_det: &'a mut [f32],
    pub cache: &'a mut [f32],
    /// As a round of sums left it.
    pub scratch: &'a mut Scratch,
}

/// A group of rows on its way back.
pub(crate) struct Backward<'a> {
    /// What every row counts in the loss, as in [`ByRow::backward`].
    pub weights: &'a [f32],
    pub d: &'a mut [f32],
    pub cache: &'a [f32],
    /// As a round of sums left it.
    pub scratch: &'a mut Scratch,
    pub gradient: &'a mut [f32],
}

/// Sums over all rows of a batch.
pub(crate) struct Totals {
    /// How many rows there are.
    pub rows: f64,
    /// One list a round.
    pub rounds: Vec<Vec<f64>>,
}

impl Totals {
    /// Ends a round: adds up what it gave for every group of rows, in their order.
    pub fn add(&mut self, groups: impl IntoIterator<Item = Vec<f64>>) {
        let mut totals = Vec::new();
        for group in groups {
            totals.resize(group.len(), 0.0);
            totals.iter_mut().zip(group).for_each(|(total, sum)| *total += sum);
        }
        self.rounds.push(totals);
    }
}
