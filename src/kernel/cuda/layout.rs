//! Where a flow's values stand on a device.
//!
//! On the host every layer's values stand together. Here all couplings have networks of the same sizes, and the maps of one depth
//! stand together, s before t where there are both, coupling after coupling: whatever is done to all of them is one launch.
//! Sizes are rounded up to whole pieces of [`ALIGNED`] floats, so that a device reads four floats at a time. What is added is zero
//! and stays so: a hidden value without weights is 0 under both activations, nothing flows through it, and a gradient of 0 moves no weight.

use super::order::{self, Columns};
use crate::flow::{Architecture, BatchNorm, Linear};
use crate::layers::cuda::{CouplingOnCuda, OnCuda, PlacedActNorm, PlacedBatchNorm};
use crate::layers::{ActNorm, CouplingForm};

/// Floats that a device reads at once.
const ALIGNED: usize = 4;

/// The affine maps of one depth, of the networks of every coupling: map number networks·coupling + network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Maps {
    /// Offset of the first weight, shape `[inputs, outputs]`; its bias stands behind it as one more row.
    pub offset: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Networks of a coupling.
    pub networks: usize,
}

impl Maps {
    /// Floats from one map to the next.
    pub fn stride(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }

    /// Offset of the weight of a coupling's first network; the next one's is a stride further.
    pub fn weight(&self, coupling: usize) -> usize {
        self.offset + self.networks * coupling * self.stride()
    }

    /// Offsets of the networks' biases.
    pub fn biases(&self, coupling: usize) -> impl Iterator<Item = usize> {
        let first = self.weight(coupling) + self.inputs * self.outputs;
        (0..self.networks).map(move |network| first + network * self.stride())
    }

    /// Offsets of the biases of s and t, which are the same where t stands alone.
    pub fn bias(&self, coupling: usize) -> [usize; 2] {
        let first = self.weight(coupling) + self.inputs * self.outputs;
        [first, first + (self.networks - 1) * self.stride()]
    }
}

/// A normalisation where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    Batch(PlacedBatchNorm),
    Act(PlacedActNorm),
}

/// The sizes and offsets of a flow on a device, in floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub couplings: usize,
    /// What all couplings do with what their networks say.
    pub form: CouplingForm,
    /// Features that a coupling's networks read, at most; rounded up. 0: there are no networks, biases stand alone.
    pub kept: usize,
    /// Width of hidden layers, rounded up.
    pub width: usize,
    /// Features that a coupling changes, at most; rounded up.
    pub changed: usize,
    /// The maps of the networks, input to output.
    pub maps: Vec<Maps>,
    /// Offset of the first coupling's learned bound of s, where they have one; each has shape `[changed]`.
    scale: Option<usize>,
    pub norms: Vec<Norm>,
    /// Columns of the features of z.
    pub columns: Columns,
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
        let layers: Vec<(OnCuda<'_>, Columns)> = order::layers(architecture).collect();
        let couplings: Vec<CouplingOnCuda<'_>> = layers.iter().filter_map(|(layer, _)| coupling(layer)).collect();
        let form = couplings.first().map_or(CouplingForm::Tanh, |coupling| coupling.form);
        let networks = form.networks();
        let widest = |of: fn(&CouplingOnCuda<'_>) -> usize| {
            couplings.iter().map(of).max().unwrap_or(0).next_multiple_of(ALIGNED)
        };
        let (kept, changed) = (widest(|c| c.mask.kept.len()), widest(|c| c.mask.changed.len()));
        let width = architecture.width.next_multiple_of(ALIGNED);
        let depth = couplings.iter().map(|c| c.networks[0].maps.len()).max().unwrap_or(0);
        let mut layout = Self {
            couplings: couplings.len(),
            form,
            kept,
            width,
            changed,
            maps: Vec::new(),
            scale: None,
            norms: Vec::new(),
            columns: layers.last().map_or((0..architecture.features).collect(), |(_, columns)| columns.clone()),
            trainable: 0,
            len: 0,
            pieces: Vec::new(),
        };
        for at in 0..depth {
            let inputs = if at == 0 { kept } else { width };
            let outputs = if at + 1 == depth { changed } else { width };
            let maps = Maps { offset: layout.len, inputs, outputs, networks };
            for (number, coupling) in couplings.iter().enumerate() {
                for (net, network) in coupling.networks.iter().enumerate() {
                    layout.place_map(&network.maps[at], maps.weight(number) + net * maps.stride(), &maps);
                }
            }
            layout.len += networks * couplings.len() * maps.stride();
            layout.maps.push(maps);
        }
        for coupling in &couplings {
            if let Some(scale) = coupling.scale {
                let own: Vec<usize> = (0..coupling.mask.changed.len()).collect();
                let device = layout.place_vector(scale, &own, changed);
                layout.scale.get_or_insert(device);
            }
        }
        let features = architecture.features;
        let room = features.next_multiple_of(ALIGNED);
        let mut trained = Vec::new();
        for (layer, columns) in &layers {
            let values = match layer {
                OnCuda::BatchNorm(BatchNorm { log_gamma, beta, .. }) => [*log_gamma, *beta],
                OnCuda::ActNorm(ActNorm { log_scale, bias, .. }) => [*log_scale, *bias],
                OnCuda::Coupling(_) | OnCuda::Permutation(_) => continue,
            };
            trained.push(values.map(|host| layout.place_vector(host, columns, room)));
        }
        layout.trainable = layout.len;
        let mut trained = trained.into_iter();
        for (layer, columns) in &layers {
            let norm = match layer {
                OnCuda::BatchNorm(norm) => trained.next().map(|[log_gamma, beta]| {
                    let [running_mean, running_variance] =
                        [norm.running_mean, norm.running_variance].map(|host| layout.place_vector(host, columns, room));
                    Norm::Batch(PlacedBatchNorm { features, log_gamma, beta, running_mean, running_variance })
                }),
                OnCuda::ActNorm(norm) => trained.next().map(|[log_scale, bias]| {
                    let started = layout.place_copies(norm.initialised, features, room);
                    Norm::Act(PlacedActNorm { features, log_scale, bias, started })
                }),
                OnCuda::Coupling(_) | OnCuda::Permutation(_) => None,
            };
            layout.norms.extend(norm);
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

    /// The next place for a vector, with room for `room` floats; its values go to these columns.
    fn place_vector(&mut self, host: usize, columns: &[usize], room: usize) -> usize {
        let (start, mut host) = (self.len, host);
        // Those that go to neighbouring columns are one piece.
        for run in columns.chunk_by(|a, b| a + 1 == *b) {
            let columns = run.len();
            self.pieces.push(Piece { host, device: start + run[0], rows: 1, columns, stride: columns });
            host += columns;
        }
        self.len += room;
        start
    }

    /// The next place for `count` copies of a value, with room for `room` floats.
    fn place_copies(&mut self, host: usize, count: usize, room: usize) -> usize {
        let start = self.len;
        let piece = |device| Piece { host, device, rows: 1, columns: 1, stride: 1 };
        self.pieces.extend((start..start + count).map(piece));
        self.len += room;
        start
    }

    /// Offset of a coupling's learned bound of s, where couplings have one.
    pub fn scale(&self, coupling: usize) -> Option<usize> {
        Some(self.scale? + coupling * self.changed)
    }

    /// Networks of a coupling.
    pub fn networks(&self) -> usize {
        self.form.networks()
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

pub(super) fn coupling<'a>(layer: &OnCuda<'a>) -> Option<CouplingOnCuda<'a>> {
    match layer {
        OnCuda::Coupling(coupling) => Some(coupling.clone()),
        OnCuda::BatchNorm(_) | OnCuda::ActNorm(_) | OnCuda::Permutation(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layer;
    use crate::spec::{CouplingKind, MaskScheme, Mixing, Model, Normalization, ScaleBound};

    #[test]
    fn every_value_has_its_place_and_comes_back() {
        use Normalization::{Act, Batch, None};
        let model = |depth, width, hidden_layers, normalization| Model {
            mask: MaskScheme::Random,
            depth,
            width,
            hidden_layers: Some(hidden_layers),
            normalization,
            ..Model::default()
        };
        let cases = [
            (1, model(3, 8, 1, Batch)),
            (5, model(4, 7, 2, Batch)),
            (2, model(2, 64, 3, None)),
            (43, model(3, 30, 1, None)),
            (6, Model { mixing: Mixing::Permutation, ..model(3, 8, 1, Act) }),
            (7, Model { mixing: Mixing::Reverse, scale: Some(ScaleBound::Sigmoid), ..model(4, 8, 1, Batch) }),
            (5, Model { coupling: CouplingKind::Additive, scale: Option::None, ..model(3, 9, 2, Act) }),
        ];
        for (features, model) in cases {
            let (architecture, parameters) = Architecture::new(&model, features, 0);
            let layout = Layout::new(&architecture);
            let act_norms = architecture.layers.iter().filter(|layer| matches!(layer, Layer::ActNorm(_))).count();
            for count in [parameters.count(), parameters.values().len()] {
                let host: Vec<f32> = (1..=count).map(|i| i as f32).collect();
                let device = layout.to_device(&host);
                // Every feature has a copy of the flag of activation normalisation.
                let copies = if count > parameters.count() { act_norms * (features - 1) } else { 0 };
                assert_eq!(device.iter().filter(|v| **v != 0.0).count(), count + copies, "places overlap");
                let mut back = vec![0.0; count];
                layout.to_host(&device, &mut back);
                assert_eq!(back, host);
            }
            let sizes = [layout.kept, layout.width, layout.changed, layout.trainable, layout.len];
            assert!(sizes.iter().all(|size| size.is_multiple_of(ALIGNED)), "{sizes:?}");
        }
    }
}
