//! Independent draws.

use rand::Rng;

use crate::random::{Purpose, stream};

/// Limit on draws, for every trial asked for: where so many gave too few different points, no new ones are expected.
pub(super) const DRAWS_PER_TRIAL: usize = 64;

/// Draw `index` in the unit cube of `axes` dimensions, uniform on [0, 1) along each.
pub(super) fn coordinates(seed: u64, axes: usize, index: usize) -> Vec<f64> {
    let mut rng = stream(seed, Purpose::Sweep, index as u64);
    // The upper 53 bits fill the mantissa.
    (0..axes).map(|_| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64).collect()
}
