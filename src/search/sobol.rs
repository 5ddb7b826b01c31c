//! A scrambled Sobol sequence: draws that keep apart from each other.

/// Length of the sequence in the `sobol_burley` crate.
pub(super) const DRAWS: usize = 1 << 16;

/// Draw `index` in the unit cube of `axes` dimensions.
pub(super) fn coordinates(seed: u64, axes: usize, index: usize) -> Vec<f64> {
    let seed = (seed ^ (seed >> 32)) as u32;
    (0..axes as u32).map(|axis| f64::from(sobol_burley::sample(index as u32, axis, seed))).collect()
}
