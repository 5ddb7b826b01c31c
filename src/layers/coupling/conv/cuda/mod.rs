//! Convolutional networks on a GPU: where their values stand there, `place`; one convolution as a device is told of it,
//! `convolution`; and what a network commands, `forward` and in `training`. A convolution is one product over all pixels of all
//! rows, which brings together what it reads as it goes along.

mod convolution;
mod forward;
mod place;
mod training;

pub(crate) use forward::{ConvForward, Ends};
pub(crate) use place::ConvPlace;
pub(crate) use training::{ConvScratch, ConvTraining};
