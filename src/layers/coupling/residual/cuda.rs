//! Residual networks on a GPU. Maps are numbered from 0, which stands before the blocks: a block's maps have an odd number and the
//! even one behind it, and the last map an odd one.

use crate::compute::cuda::{Address, Behind, NULL, Then};
use crate::layers::coupling::Dropout;
use crate::spec::Activation;

/// What comes behind map `at`, which is not the `last`. `stream`: what goes past the blocks.
pub fn behind(activation: Activation, dropout: Dropout, at: usize, last: usize, stream: Address) -> Behind {
    let activated = Behind { then: activation.into(), ..Behind::NOTHING };
    // The first map of a block.
    if at % 2 == 1 {
        return Behind { scale: dropout.scale_on_cuda(), ..activated };
    }
    // The second map of a block, or that before all: what it gives goes past the next block, which reads its activation.
    let add = if at == 0 { NULL } else { stream };
    match at + 1 == last {
        true => Behind { then: Then::Bias, add, ..Behind::NOTHING },
        false => Behind { add, plain: stream, ..activated },
    }
}

/// What comes behind the way back through map `at`, which is not the first. `hidden`: what every map but the first read;
/// `d_hidden`: the gradients with respect to what every map but the last gave.
pub fn behind_back(
    activation: Activation,
    dropout: Dropout,
    at: usize,
    hidden: &[Address],
    d_hidden: &[Address],
) -> Behind {
    // The last map reads no activation.
    if at == d_hidden.len() {
        return Behind::NOTHING;
    }
    let activated = Behind { then: activation.into(), h: hidden[at - 1], ..Behind::NOTHING };
    match at % 2 == 1 {
        // The first map of a block: what goes past the block has the gradient behind it too.
        true => Behind { add: d_hidden[at + 1], ..activated },
        // The second one, which reads what dropout has left.
        false => Behind { scale: dropout.scale_on_cuda(), ..activated },
    }
}
