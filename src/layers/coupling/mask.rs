//! Which features a coupling layer keeps and which it changes.

use std::ops::Range;

/// What a coupling layer does with the features: kept ones condition the change of others, and one that is neither kept nor
/// changed passes through. The lists are disjoint; of plain features both ascend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Values that the networks read, left as they are: features, and the context of a conditional flow. Empty for one-feature data
    /// without a context.
    pub kept: Vec<usize>,
    /// Features that the layer changes.
    pub changed: Vec<usize>,
    /// Where both stand in an image, if they do.
    pub pixels: Option<Pixels>,
}

/// Pixels of an image that stand in a list, all their channels behind each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Height and width of the image. Its pixels are numbered from left to right, then from top to bottom.
    pub size: [usize; 2],
    /// The pixels of the kept values, in their order.
    pub kept: Vec<usize>,
    /// The pixels of the changed values, in their order.
    pub changed: Vec<usize>,
}

impl Mask {
    /// Keeps the features of `0..features` that `is_kept` says, and changes the others.
    pub fn new(features: usize, is_kept: impl Fn(usize) -> bool) -> Self {
        let (kept, changed) = (0..features).partition(|&i| is_kept(i));
        Self { kept, changed, pixels: None }
    }

    /// Changes `changed` in the same way for all rows.
    pub fn unconditional(changed: Vec<usize>) -> Self {
        Self { kept: Vec::new(), changed, pixels: None }
    }

    /// The same where the networks read these values of a row's context too; every pixel that they read has them for channels of its
    /// own, so that a convolution meets them everywhere.
    #[must_use]
    pub fn given(self, context: Range<usize>) -> Self {
        let pixels = self.pixels.as_ref().map_or(1, |pixels| pixels.kept.len());
        let channels = self.kept.len() / pixels;
        let of_pixel = |pixel: usize| self.kept[pixel * channels..][..channels].iter().copied().chain(context.clone());
        Self { kept: (0..pixels).flat_map(of_pixel).collect(), ..self }
    }

    /// What it keeps as changed, and what it changes as kept.
    #[must_use]
    pub fn complement(self) -> Self {
        let pixels = self.pixels.map(|Pixels { size, kept, changed }| Pixels { size, kept: changed, changed: kept });
        Self { kept: self.changed, changed: self.kept, pixels }
    }

    /// This mask or its complement: the one that changes what has been `left` unchanged longest, couplings a feature.
    pub fn changing_longest_left(self, left: &[usize]) -> Self {
        let urgency = |list: &[usize]| {
            let left = list.iter().map(|&i| left[i]);
            (left.clone().max(), left.sum::<usize>())
        };
        match urgency(&self.kept) > urgency(&self.changed) {
            true => self.complement(),
            false => self,
        }
    }
}
