//! Where the values of a network stand on a device.

use super::convolution::width;
use crate::layers::coupling::Dropout;
use crate::layers::coupling::conv::Conv;
use crate::layers::cuda::{ALIGNED, Piece, PlacedBatchNorm};
use crate::layers::{BatchNorm, Convolution, Linear};

/// Where the values of a network stand on a device, offsets in floats, and the image that it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConvPlace {
    /// Of every block, where its first convolution stands on the host: what its dropout is told from all others by.
    pub(super) hosts: Vec<usize>,
    pub(super) dropout: Dropout,
    /// Maps on the host.
    pub(super) own_maps: usize,
    pub(super) size: [usize; 2],
    /// The pixels of what is kept and of what is changed, in their order there.
    pub(super) kept: Vec<usize>,
    pub(super) changed: Vec<usize>,
    /// For every pixel, its number among the kept ones, or none.
    pub(super) read: Vec<usize>,
    /// Maps, rounded up.
    pub(super) maps: usize,
    /// Values of a changed pixel that a list has.
    pub(super) channels: usize,
    pub(super) first: MapPlace,
    pub(super) blocks: Vec<[MapPlace; 2]>,
    pub(super) last: MapPlace,
    pub(super) norms: Vec<PlacedBatchNorm>,
    /// The offsets behind what is trained.
    pub(super) end: usize,
}

/// Where a convolution stands: its weights, shape `[side, side, inputs, columns]`, its bias as one more row, and its magnitudes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapPlace {
    pub weight: usize,
    pub side: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Outputs, rounded up.
    pub columns: usize,
    /// Shape `[columns]`.
    pub magnitude: Option<usize>,
}

impl MapPlace {
    /// Rows of the weights, without the bias.
    pub fn terms(&self) -> usize {
        self.side * self.side * self.inputs
    }

    pub fn weights(&self) -> usize {
        (self.terms() + 1) * self.columns
    }
}

impl ConvPlace {
    /// From `start` on.
    pub fn lay_out(start: usize, conv: &Conv) -> Self {
        let maps = conv.maps().next_multiple_of(ALIGNED);
        let mut end = start;
        let mut map = |side, inputs, outputs: usize, magnitude: bool| {
            let columns = outputs.next_multiple_of(ALIGNED);
            let mut place = MapPlace { weight: end, side, inputs, outputs, columns, magnitude: None };
            end += place.weights();
            if magnitude {
                place.magnitude = Some(end);
                end += columns;
            }
            place
        };
        let normalised = conv.first.magnitude.is_some();
        let first = map(3, conv.first.inputs, maps, normalised);
        let blocks = conv.blocks.iter().map(|_| [0, 1].map(|_| map(3, maps, maps, normalised))).collect();
        let last = map(1, maps, conv.last.outputs, false);
        let mut norm = |_: &BatchNorm| {
            let log_gamma = end;
            end += 2 * maps;
            PlacedBatchNorm {
                features: maps,
                pixels: 0,
                log_gamma,
                beta: log_gamma + maps,
                running_mean: 0,
                running_variance: 0,
            }
        };
        let norms = conv.norms.iter().map(&mut norm).collect();
        Self {
            hosts: conv.blocks.iter().map(|[first, _]| first.weight).collect(),
            dropout: conv.dropout,
            own_maps: conv.maps(),
            size: conv.pixels.size,
            kept: conv.pixels.kept.clone(),
            changed: conv.pixels.changed.clone(),
            read: conv.read.clone(),
            maps,
            channels: conv.channels,
            first,
            blocks,
            last,
            norms,
            end,
        }
    }

    /// The offset behind what is trained.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Lays running statistics out from `start` on; the offset behind them.
    pub fn lay_out_statistics(&mut self, start: usize) -> usize {
        let mut end = start;
        for norm in &mut self.norms {
            (norm.running_mean, norm.running_variance) = (end, end + self.maps);
            end += 2 * self.maps;
        }
        end
    }

    /// Where what is trained stands, on the host and here.
    pub fn pieces(&self, conv: &Conv) -> Vec<Piece> {
        let mut pieces = pieces_of(&conv.first, &self.first);
        for (from, to) in conv.blocks.iter().flatten().zip(self.blocks.iter().flatten()) {
            pieces.extend(pieces_of(from, to));
        }
        let (Linear { inputs, outputs, weight, bias }, last) = (conv.last.clone(), self.last);
        pieces.push(Piece {
            host: weight,
            device: last.weight,
            rows: inputs,
            columns: outputs,
            strides: [outputs, last.columns],
        });
        pieces.push(Piece::row(bias, last.weight + last.terms() * last.columns, outputs));
        for (from, to) in conv.norms.iter().zip(&self.norms) {
            pieces.push(Piece::row(from.log_gamma, to.log_gamma, conv.maps()));
            pieces.push(Piece::row(from.beta, to.beta, conv.maps()));
        }
        pieces
    }

    /// The same of running statistics.
    pub fn statistics<'a>(&'a self, conv: &'a Conv) -> impl Iterator<Item = Piece> + 'a {
        conv.norms.iter().zip(&self.norms).flat_map(|(from, to)| {
            [
                Piece::row(from.running_mean, to.running_mean, conv.maps()),
                Piece::row(from.running_variance, to.running_variance, conv.maps()),
            ]
        })
    }

    /// Values of a row of all maps.
    pub fn hidden(&self) -> usize {
        self.pixels() * self.maps
    }

    pub(super) fn pixels(&self) -> usize {
        self.size.iter().product()
    }

    /// Its convolutions, from the first to the last.
    pub(super) fn convolutions(&self) -> impl Iterator<Item = &MapPlace> {
        std::iter::once(&self.first).chain(self.blocks.iter().flatten()).chain([&self.last])
    }

    /// Floats of the parts in which the gradients of its weights are summed in a step of so many rows, at most.
    pub(super) fn partial(&self, rows: usize) -> usize {
        let pixels = rows * self.pixels();
        self.convolutions().map(|map| parts(map, pixels) * map.weights()).max().unwrap_or(0)
    }
}

/// The pieces of a 3×3 convolution.
fn pieces_of(from: &Convolution, to: &MapPlace) -> Vec<Piece> {
    let &Convolution { inputs, outputs, weight, bias, magnitude } = from;
    let place = |at: usize| Piece {
        host: weight + at * inputs * outputs,
        device: to.weight + at * to.inputs * to.columns,
        rows: inputs,
        columns: outputs,
        strides: [outputs, to.columns],
    };
    let mut pieces: Vec<Piece> = (0..9).map(place).collect();
    pieces.push(Piece::row(bias, to.weight + to.terms() * to.columns, outputs));
    pieces
        .extend(magnitude.into_iter().zip(to.magnitude).map(|(from, magnitude)| Piece::row(from, magnitude, outputs)));
    pieces
}

/// Pixels of a part of the sum that is a gradient of weights, at least, and blocks that keep a GPU busy.
const PART: usize = 256;
const BLOCKS: usize = 528;

/// Parts in which the gradient of a convolution is summed over so many pixels.
pub(super) fn parts(map: &MapPlace, pixels: usize) -> usize {
    let wide = width(map.columns);
    let tiles = (map.terms() + 1).div_ceil(4096 / wide) * map.columns.div_ceil(wide);
    pixels.div_ceil(PART).min(BLOCKS / tiles).max(1)
}
