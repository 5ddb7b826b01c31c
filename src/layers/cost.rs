//! What a layer costs.

use std::ops::Add;

use super::Linear;

/// What a row costs on its way through a layer, or through several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiplications, forward.
    pub multiplications: usize,
    /// Values that are kept for the way back.
    pub values: usize,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            multiplications: self.multiplications.saturating_add(other.multiplications),
            values: self.values.saturating_add(other.values),
        }
    }
}

impl Linear {
    /// Multiplications; the bias counts as one more input.
    pub(super) fn multiplications(&self) -> usize {
        (self.inputs + 1).saturating_mul(self.outputs)
    }
}
