//! Randomness as a pure function of (seed, purpose, index).
//!
//! No generator is ever stored: whoever needs random numbers names what they are for and which step, row or layer they
//! belong to. Resuming a run therefore needs its step alone, and no order of threads can change a draw. The generator
//! is ChaCha with 8 rounds (Bernstein 2008): counter-based, portable, the same bits on every platform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a random number is for. The discriminant is part of the key: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Rows of a toy's training part; index = row.
    TrainRows = 1,
    /// Rows of a toy's validation part; index = row.
    ValidationRows = 2,
    /// Rows of a toy's test part; index = row.
    TestRows = 3,
    /// Fresh training rows; index = step.
    FreshRows = 4,
    /// Shuffle of a file's rows before the split; index = 0.
    Split = 5,
    /// Initial weights; index = number of the parameter tensor.
    Weights = 6,
    /// Order of the training rows; index = epoch.
    BatchOrder = 7,
    /// Dequantisation noise of training rows; index = step.
    TrainNoise = 8,
    /// Dequantisation noise of validation rows; index = 0.
    ValidationNoise = 9,
    /// Dequantisation noise of test rows; index = 0.
    TestNoise = 10,
    /// Random masks; index = number of the pair of coupling layers.
    Mask = 11,
    /// Latent draws for samples; index = 0, or 1 for those at the contexts of a diagnosis.
    Samples = 12,
    /// Points of a sweep; index = number of the trial.
    Sweep = 13,
    /// Draws made by tests.
    Test = 14,
    /// Dequantisation noise of the training rows that the scale is told by; index = 0.
    ScaleNoise = 15,
    /// Dequantisation noise of rows that a command reads; index = 0.
    CommandNoise = 16,
    /// Permutations of features; index = number of the coupling layer behind it.
    Mixing = 17,
    /// Noise within a flow in training; index = step.
    FlowNoise = 18,
    /// Which training rows are mirrored; index = step.
    Flips = 30,
    /// Permutations of two samples; index = number of the permutation.
    Permutations = 40,
    /// Halves of two samples; index = which of both.
    Halves = 41,
    /// Rows that a mixture starts from; index = number of its components.
    Centres = 42,
    /// Rows that stay, by their weights; index = 0.
    Thinning = 43,
    /// Places between the values that a rank lies between; index = number of the feature, or beyond them of the statistic.
    Ranks = 44,
    /// Points that draws are measured from; index = 0.
    References = 45,
    /// Points that a tree is grown on; index = number of the tree.
    Bootstrap = 60,
}

/// The generator for one (seed, purpose, index).
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_differ_by_seed_purpose_and_index_and_repeat_themselves() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let reference = first(1, Purpose::Weights, 2);
        assert_eq!(reference, first(1, Purpose::Weights, 2));
        assert_ne!(reference, first(2, Purpose::Weights, 2));
        assert_ne!(reference, first(1, Purpose::Split, 2));
        assert_ne!(reference, first(1, Purpose::Weights, 3));
    }
}
