//! Convolutional residual networks, as Real NVP conditions its couplings of images with (Dinh et al. 2017, section 3.6 and
//! appendix E).

mod across;
mod composed;
mod cpu;
mod cuda;

pub(super) use composed::ConvForm;
pub(crate) use cuda::{ConvForward, ConvPlace, ConvScratch, ConvTraining, Ends};

use super::mask::{Mask, Pixels};
use super::{Dropout, Networks};
use crate::compute::convolution::NONE;
use crate::layers::{BatchNorm, Channels, Convolution, Linear, Scope, Start};

/// h = 3×3 convolution of the kept pixels, others 0; then h + C₂(relu(C₁(relu(h)))), block after block, C₁ and C₂ 3×3 convolutions;
/// then a 1×1 convolution of relu(h) at the changed pixels. Pixels outside the image are 0. Before every relu there may be batch
/// normalisation of each map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// The image that it reads and that it speaks of.
    pub pixels: Pixels,
    /// For every pixel, its number among the kept ones, or none.
    read: Vec<usize>,
    /// Values of a changed pixel that a list has.
    channels: usize,
    /// From what it reads to maps.
    pub first: Convolution,
    /// C₁ and C₂ of every block.
    pub blocks: Vec<[Convolution; 2]>,
    /// The 1×1 convolution.
    pub last: Linear,
    /// Before the relus, from the first to the last, two a block and one: all or none.
    pub norms: Vec<BatchNorm>,
    /// Behind the second relu of every block.
    pub dropout: Dropout,
}

impl Conv {
    /// The last map starts at zero, so the network is zero; so does the second convolution of each block, which is then the
    /// identity. It says `lists` of numbers of every changed value, list by list.
    pub fn lay_out(scope: &mut Scope<'_>, mask: &Mask, networks: Networks, lists: usize) -> Self {
        let Networks { width: maps, depth: blocks, dropout, batch_norm, weight_norm, .. } = networks;
        // Plain features are an image of one pixel.
        let pixels = mask.pixels.clone().unwrap_or(Pixels { size: [1, 1], kept: vec![0], changed: vec![0] });
        let mut read = vec![NONE; pixels.size.iter().product()];
        pixels.kept.iter().enumerate().for_each(|(number, &pixel)| read[pixel] = number);
        let (inputs, channels) = (mask.kept.len() / pixels.kept.len(), mask.changed.len() / pixels.changed.len());
        let convolution = |mut scope: Scope<'_>, inputs, start| match weight_norm {
            true => scope.normalised_convolution(inputs, maps, start),
            false => scope.convolution(inputs, maps, start),
        };
        let first = convolution(scope.child("first"), inputs, Start::Uniform);
        let mut norms = Vec::new();
        let mut norm = |mut scope: Scope<'_>| {
            if batch_norm {
                norms.push(BatchNorm::lay_out(&mut scope, Channels::plain(maps)));
            }
        };
        let block = |block| {
            let mut scope = scope.child(block);
            [(0, Start::Uniform), (1, Start::Zero)].map(|(number, start)| {
                let mut scope = scope.child(number);
                norm(scope.child("norm"));
                convolution(scope, maps, start)
            })
        };
        let blocks = (0..blocks).map(block).collect();
        norm(scope.child("norm"));
        let last = scope.child("last").linear(maps, lists * channels, Start::Zero);
        Self { pixels, read, channels, first, blocks, last, norms, dropout }
    }

    fn maps(&self) -> usize {
        self.first.outputs
    }
}
