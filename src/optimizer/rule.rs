//! What every update rule tells of itself.

use std::fmt::Debug;

use crate::compute::Level;

/// An update rule over slices: parameters, gradients and up to two moments of one length.
///
/// In the rules' formulas `g` is the clipped gradient, `λ` the weight decay and `η` the learning rate.
pub(super) trait Rule: Debug + Send + Sync {
    /// How many vectors of moments it keeps: 1 or 2.
    fn moments(&self) -> usize;

    /// Its number and constants for devices that update by themselves.
    fn on_device(&self) -> DeviceRule;

    /// The bias corrections of the two moments at update number `step` (from 0); 1 where there is none.
    fn corrections(&self, _step: u64) -> [f32; 2] {
        [1.0, 1.0]
    }

    /// Updates the parameters `p` and the moments `m` and `v`; `v` is empty where the rule keeps one. `level` is available.
    fn update(&self, level: Level, now: Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]);
}

/// A rule as `update_value` in `kernels.cu` takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceRule {
    /// Number of the rule there: 0 Adam, 1 AdamW, 2 SGD, 3 RMSprop.
    pub number: usize,
    /// Its constants there: a, b and c.
    pub constants: [f32; 3],
}

/// What changes from update to update, as `Constants` in `kernels.cu`: the learning rate, the bias corrections of the two moments,
/// and by how much of the way an average goes to the newest values.
pub type Constants = [f32; 4];

/// What one update has in common for all values.
#[derive(Clone, Copy)]
pub(super) struct Update {
    pub rate: f32,
    /// The gradient is multiplied by it.
    pub clip: f32,
    pub weight_decay: f32,
    /// See [`Rule::corrections`].
    pub corrections: [f32; 2],
}

/// A moment, or 0 where it is next to nothing. Those of a unit that is never active any more shrink for ever, and below f32's
/// normal range (10⁻³⁸) a processor takes many times as long for each.
#[inline(always)]
pub(super) fn or_zero(moment: f32) -> f32 {
    const NEXT_TO_NOTHING: f32 = 1e-34;
    if moment.abs() < NEXT_TO_NOTHING { 0.0 } else { moment }
}
