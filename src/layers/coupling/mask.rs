//! Which features a coupling layer keeps and which it changes.

/// What a coupling layer does with the features: kept ones condition the change of others, and one that is neither kept nor
/// changed passes through. Both lists ascend and are disjoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Features that the networks read, left as they are; empty for one-feature data.
    pub kept: Vec<usize>,
    /// Features that the layer changes.
    pub changed: Vec<usize>,
}

impl Mask {
    /// Keeps the features of `0..features` that `is_kept` says, and changes the others.
    pub fn new(features: usize, is_kept: impl Fn(usize) -> bool) -> Self {
        let (kept, changed) = (0..features).partition(|&i| is_kept(i));
        Self { kept, changed }
    }

    /// This mask or its complement: the one that changes what has been `left` unchanged longest, couplings a feature.
    pub fn changing_longest_left(self, left: &[usize]) -> Self {
        let urgency = |list: &[usize]| {
            let left = list.iter().map(|&i| left[i]);
            (left.clone().max(), left.sum::<usize>())
        };
        match urgency(&self.kept) > urgency(&self.changed) {
            true => Self { kept: self.changed, changed: self.kept },
            false => self,
        }
    }
}
