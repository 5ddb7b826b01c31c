//! Where a flow's values stand on a device.
//!
//! On the host every layer's values stand together. Here all couplings have networks of the same sizes, and the maps of one depth
//! stand together, s before t, coupling after coupling: whatever is done to all of them is one launch. Sizes are rounded up to
//! whole pieces of [`ALIGNED`] floats, so that a device reads four floats at a time. What is added is zero and stays so: a
//! hidden value without weights is 0 under both activations, nothing flows through it, and a gradient of 0 moves no weight.

use crate::flow::{Architecture, BatchNorm, Layer, Linear};
use crate::layers::cuda::{AffineCoupling, OnCuda};

/// Floats that a device reads at once.
const ALIGNED: usize = 4;

/// The affine maps of one depth, of both networks of every coupling: map number 2·coupling + network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Maps {
    /// Offset of the first weight, shape `[inputs, outputs]`; its bias stands behind it as one more row.
    pub offset: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Maps {
    /// Floats from one map to the next.
    pub fn stride(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }

    /// Offset of the s network's weight of a coupling; the t network's is a stride further.
    pub fn weight(&self, coupling: usize) -> usize {
        self.offset + 2 * coupling * self.stride()
    }

    /// Offsets of both networks' biases.
    pub fn bias(&self, coupling: usize) -> [usize; 2] {
        let s = self.weight(coupling) + self.inputs * self.outputs;
        [s, s + self.stride()]
    }
}

/// Offsets of one batch normalisation, each shape `[features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Norm {
    pub log_gamma: usize,
    pub beta: usize,
    pub running_mean: usize,
    pub running_variance: usize,
}

/// The sizes and offsets of a flow on a device, in floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub couplings: usize,
    /// Features that a coupling's networks read, at most; rounded up. 0: there are no networks, biases stand alone.
    pub kept: usize,
    /// Width of hidden layers, rounded up.
    pub width: usize,
    /// Features that a coupling changes, at most; rounded up.
    pub changed: usize,
    /// The maps of the networks, input to output.
    pub maps: Vec<Maps>,
    /// Offset of the first coupling's bound of s; each has shape `[changed]`.
    scale: usize,
    pub norms: Vec<Norm>,
    /// Values that are trained: they come first.
    pub trainable: usize,
    /// All values.
    pub len: usize,
    pieces: Vec<Piece>,
}

/// A matrix that is dense on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    host: usize,
    device: usize,
    rows: usize,
    columns: usize,
    /// Floats from row to row on the device.
    stride: usize,
}

impl Layout {
    pub fn new(architecture: &Architecture) -> Self {
        let couplings: Vec<AffineCoupling<'_>> = architecture.layers.iter().filter_map(coupling).collect();
        let widest = |of: fn(&AffineCoupling<'_>) -> usize| {
            couplings.iter().map(of).max().unwrap_or(0).next_multiple_of(ALIGNED)
        };
        let (kept, changed) = (widest(|c| c.mask.kept.len()), widest(|c| c.mask.changed.len()));
        let width = architecture.width.next_multiple_of(ALIGNED);
        let depth = couplings.iter().map(|c| c.networks[0].maps.len()).max().unwrap_or(0);
        let mut layout = Self {
            couplings: couplings.len(),
            kept,
            width,
            changed,
            maps: Vec::new(),
            scale: 0,
            norms: Vec::new(),
            trainable: 0,
            len: 0,
            pieces: Vec::new(),
        };
        for at in 0..depth {
            let inputs = if at == 0 { kept } else { width };
            let outputs = if at + 1 == depth { changed } else { width };
            let maps = Maps { offset: layout.len, inputs, outputs };
            for (number, coupling) in couplings.iter().enumerate() {
                for (net, network) in coupling.networks.into_iter().enumerate() {
                    layout.place_map(&network.maps[at], maps.weight(number) + net * maps.stride(), &maps);
                }
            }
            layout.len += 2 * couplings.len() * maps.stride();
            layout.maps.push(maps);
        }
        layout.scale = layout.len;
        for coupling in &couplings {
            layout.place_vector(coupling.scale, coupling.mask.changed.len(), changed);
        }
        let features = architecture.features;
        let norms = architecture.layers.iter().filter_map(|layer| match layer.on_cuda()? {
            OnCuda::BatchNorm(&BatchNorm { log_gamma, beta, running_mean, running_variance }) => {
                Some([log_gamma, beta, running_mean, running_variance])
            }
            OnCuda::Coupling(_) => None,
        });
        let norms: Vec<[usize; 4]> = norms.collect();
        let room = features.next_multiple_of(ALIGNED);
        let trained: Vec<[usize; 2]> = norms
            .iter()
            .map(|&[log_gamma, beta, ..]| [log_gamma, beta].map(|host| layout.place_vector(host, features, room)))
            .collect();
        layout.trainable = layout.len;
        for ([log_gamma, beta], &[.., mean, variance]) in trained.into_iter().zip(&norms) {
            let [running_mean, running_variance] =
                [mean, variance].map(|host| layout.place_vector(host, features, room));
            layout.norms.push(Norm { log_gamma, beta, running_mean, running_variance });
        }
        layout
    }

    /// The place of a map and its bias among maps of these sizes.
    fn place_map(&mut self, linear: &Linear, device: usize, maps: &Maps) {
        let &Linear { inputs, outputs, weight, bias } = linear;
        let (columns, stride) = (outputs, maps.outputs);
        let weights = Piece { host: weight, device, rows: inputs, columns, stride };
        let biases = Piece { host: bias, device: device + maps.inputs * maps.outputs, rows: 1, columns, stride };
        self.pieces.extend([weights, biases]);
    }

    /// The next place for a vector, with room for `room` floats.
    fn place_vector(&mut self, host: usize, columns: usize, room: usize) -> usize {
        let device = self.len;
        self.pieces.push(Piece { host, device, rows: 1, columns, stride: room });
        self.len += room;
        device
    }

    /// Offset of a coupling's bound of s.
    pub fn scale(&self, coupling: usize) -> usize {
        self.scale + coupling * self.changed
    }

    /// Whether couplings have networks: with nothing kept, biases stand alone.
    pub fn has_networks(&self) -> bool {
        self.kept > 0
    }

    /// Values of the host as they stand on the device: all of them, or the trainable ones alone.
    pub fn to_device(&self, host: &[f32]) -> Vec<f32> {
        let mut device = vec![0.0; if host.len() > self.trained() { self.len } else { self.trainable }];
        self.rows(host.len())
            .for_each(|(from, to, count)| device[to..to + count].copy_from_slice(&host[from..from + count]));
        device
    }

    /// The other way.
    pub fn to_host(&self, device: &[f32], host: &mut [f32]) {
        self.rows(host.len())
            .for_each(|(to, from, count)| host[to..to + count].copy_from_slice(&device[from..from + count]));
    }

    /// Trainable values on the host.
    fn trained(&self) -> usize {
        let trained = self.pieces.iter().filter(|piece| piece.device < self.trainable);
        trained.map(|piece| piece.rows * piece.columns).sum()
    }

    /// Places on the host and on the device, and how many floats stand there in a row; within the first `len` of the host.
    fn rows(&self, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let within = self.pieces.iter().filter(move |piece| piece.host < len);
        within.flat_map(|piece| {
            (0..piece.rows)
                .map(|row| (piece.host + row * piece.columns, piece.device + row * piece.stride, piece.columns))
        })
    }
}

pub(super) fn coupling(layer: &Layer) -> Option<AffineCoupling<'_>> {
    match layer.on_cuda()? {
        OnCuda::Coupling(coupling) => Some(coupling),
        OnCuda::BatchNorm(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{MaskScheme, Model, Normalization};

    #[test]
    fn every_value_has_one_place_and_comes_back() {
        use Normalization::{Batch, None};
        for (features, depth, width, hidden_layers, normalization) in
            [(1, 3, 8, 1, Batch), (5, 4, 7, 2, Batch), (2, 2, 64, 3, None), (43, 3, 30, 1, None)]
        {
            let mask = MaskScheme::Random;
            let model = Model { mask, depth, width, hidden_layers, normalization, ..Model::default() };
            let (architecture, parameters) = Architecture::new(&model, features, 0);
            let layout = Layout::new(&architecture);
            for count in [parameters.count(), parameters.values().len()] {
                let host: Vec<f32> = (1..=count).map(|i| i as f32).collect();
                let device = layout.to_device(&host);
                assert_eq!(device.iter().filter(|v| **v != 0.0).count(), count, "places overlap");
                let mut back = vec![0.0; count];
                layout.to_host(&device, &mut back);
                assert_eq!(back, host);
            }
            let sizes = [layout.kept, layout.width, layout.changed, layout.trainable, layout.len];
            assert!(sizes.iter().all(|size| size.is_multiple_of(ALIGNED)), "{sizes:?}");
        }
    }
}
