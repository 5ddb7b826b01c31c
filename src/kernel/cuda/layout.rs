//! Where a flow's values stand on a device.
//!
//! On the host every layer's values stand together. Here couplings of like shape are a [`Group`], whose networks have the same
//! sizes, and the maps of one depth stand together, s before t where there are both, coupling after coupling: whatever is done to
//! all of them is one launch.
//! Sizes are rounded up to whole pieces of [`ALIGNED`] floats, so that a device reads four floats at a time. What is added is zero
//! and stays so: a hidden value without weights is 0 under both activations, nothing flows through it, and a gradient of
//! 0 moves no weight.

use super::order::{self, Columns};
use crate::flow::{Architecture, Base, BatchNorm, Linear};
use crate::layers::NetworkForm;
use crate::layers::cuda::{CouplingOnCuda, OnCuda, PlacedActNorm, PlacedBatchNorm};
use crate::layers::{ActNorm, CouplingForm};

/// Floats that a device reads at once.
const ALIGNED: usize = 4;

/// The affine maps of one depth, of the networks of every coupling of a group: map number networks·coupling + network.
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
}

/// A normalisation where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    Batch(PlacedBatchNorm),
    Act(PlacedActNorm),
}

/// Where the values of an LU map stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LuPlace {
    /// Shape `[features, features]`, as on the host.
    pub matrix: usize,
    /// Shape `[features]`, by columns.
    pub bias: usize,
    pub columns: Columns,
}

/// Couplings of like shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    shape: Shape,
    pub couplings: usize,
    /// Features that a coupling's networks read, at most; rounded up. 0: there are no networks, biases stand alone.
    pub kept: usize,
    /// Width of hidden layers, rounded up.
    pub width: usize,
    /// Floats from one list of what a network says to the next: features that a coupling changes, at most.
    pub list: usize,
    /// What a network says, list behind list; rounded up.
    pub said: usize,
    /// The maps of the networks, input to output.
    pub maps: Vec<Maps>,
    /// Offset of the first coupling's learned bound of s, where they have one; each has room for [`changed`](Self::changed).
    scale: Option<usize>,
}

/// What couplings of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// What they do with what their networks say.
    pub form: CouplingForm,
    /// The kind of their networks.
    pub kind: NetworkForm,
    /// Networks of a coupling: one for each list that the form asks for, or one for all.
    pub networks: usize,
    /// Maps of a network.
    depth: usize,
    /// Whether they read anything.
    reads: bool,
}

impl Shape {
    fn of(coupling: &CouplingOnCuda<'_>) -> Self {
        let CouplingOnCuda { mask, networks, form, .. } = coupling;
        let (kind, depth) = (networks[0].kind, networks[0].maps.len());
        Self { form: *form, kind, networks: networks.len(), depth, reads: !mask.kept.is_empty() }
    }
}

impl Group {
    /// Lays out the couplings of one shape, but for their learned bounds.
    fn lay_out(layout: &mut Layout, shape: Shape, width: usize, couplings: &[&CouplingOnCuda<'_>]) -> Self {
        let most = |of: fn(&CouplingOnCuda<'_>) -> usize| couplings.iter().map(|c| of(c)).max().unwrap_or(0);
        let Shape { form, networks, depth, .. } = shape;
        let list = most(|c| c.mask.changed.len());
        let mut group = Self {
            shape,
            couplings: couplings.len(),
            kept: most(|c| c.mask.kept.len()).next_multiple_of(ALIGNED),
            width: width.next_multiple_of(ALIGNED),
            list,
            said: (form.lists() / networks * list).next_multiple_of(ALIGNED),
            maps: Vec::new(),
            scale: None,
        };
        for at in 0..depth {
            let inputs = if at == 0 { group.kept } else { group.width };
            let outputs = if at + 1 == depth { group.said } else { group.width };
            let maps = Maps { offset: layout.len, inputs, outputs, networks };
            for (number, coupling) in couplings.iter().enumerate() {
                // The last map says lists.
                let [own, room] = match at + 1 == depth {
                    true => [coupling.mask.changed.len(), list],
                    false => [group.width; 2],
                };
                for (net, network) in coupling.networks.iter().enumerate() {
                    layout.place_map(network.maps[at], maps.weight(number) + net * maps.stride(), &maps, [own, room]);
                }
            }
            layout.len += networks * couplings.len() * maps.stride();
            group.maps.push(maps);
        }
        group
    }

    /// What its couplings do with what their networks say.
    pub fn form(&self) -> CouplingForm {
        self.shape.form
    }

    /// The kind of its networks.
    pub fn kind(&self) -> NetworkForm {
        self.shape.kind
    }

    /// Networks of a coupling.
    pub fn networks(&self) -> usize {
        self.shape.networks
    }

    /// Whether couplings have networks: with nothing kept, biases stand alone.
    pub fn has_networks(&self) -> bool {
        self.shape.reads
    }

    /// Whether every network says one list.
    pub fn is_separate(&self) -> bool {
        self.networks() == self.form().lists()
    }

    /// Room for a number a changed feature, rounded up.
    pub fn changed(&self) -> usize {
        self.list.next_multiple_of(ALIGNED)
    }

    /// Floats from what is said of s to what is said of t, of so many rows.
    pub fn to_second(&self, rows: usize) -> usize {
        match (self.form().lists(), self.networks()) {
            (1, _) => 0,
            (_, 1) => self.list,
            _ => rows * self.said,
        }
    }

    /// Offsets of the biases of the first two lists, which are the same where there is one.
    pub fn biases(&self, coupling: usize) -> [usize; 2] {
        let Some(maps) = self.maps.last() else { return [0; 2] };
        let between = match (self.form().lists(), self.networks()) {
            (1, _) => 0,
            (_, 1) => self.list,
            _ => maps.stride(),
        };
        let first = maps.weight(coupling) + maps.inputs * maps.outputs;
        [first, first + between]
    }

    /// Offset of a coupling's learned bound of s, where couplings have one.
    pub fn scale(&self, coupling: usize) -> Option<usize> {
        Some(self.scale? + coupling * self.changed())
    }
}

/// The sizes and offsets of a flow on a device, in floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// In the order of their first couplings.
    pub groups: Vec<Group>,
    pub norms: Vec<Norm>,
    pub lus: Vec<LuPlace>,
    /// Offset of what is learned of the base, shape `[features]`, by columns.
    pub base: Option<usize>,
    /// Columns of the features of z.
    pub columns: Columns,
    /// Values that are trained: they come first.
    pub trainable: usize,
    /// All values.
    pub len: usize,
    pieces: Vec<Piece>,
}

/// A part of a matrix, or of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    host: usize,
    device: usize,
    rows: usize,
    columns: usize,
    /// Floats from row to row on the host and on the device.
    strides: [usize; 2],
}

impl Layout {
    pub fn new(architecture: &Architecture) -> Self {
        let layers: Vec<(OnCuda<'_>, Columns)> = order::layers(architecture).collect();
        let couplings: Vec<CouplingOnCuda<'_>> = layers.iter().filter_map(|(layer, _)| coupling(layer)).collect();
        let mut layout = Self {
            groups: Vec::new(),
            norms: Vec::new(),
            lus: Vec::new(),
            base: None,
            columns: layers.last().map_or((0..architecture.features).collect(), |(_, columns)| columns.clone()),
            trainable: 0,
            len: 0,
            pieces: Vec::new(),
        };
        let mut shapes: Vec<Shape> = Vec::new();
        for shape in couplings.iter().map(Shape::of) {
            if !shapes.contains(&shape) {
                shapes.push(shape);
            }
        }
        for shape in shapes {
            let alike: Vec<_> = couplings.iter().filter(|coupling| Shape::of(coupling) == shape).collect();
            let mut group = Group::lay_out(&mut layout, shape, architecture.width, &alike);
            for coupling in alike {
                if let Some(scale) = coupling.scale {
                    let own: Vec<usize> = (0..coupling.mask.changed.len()).collect();
                    let device = layout.place_vector(scale, &own, group.changed());
                    group.scale.get_or_insert(device);
                }
            }
            layout.groups.push(group);
        }
        let features = architecture.features;
        let room = features.next_multiple_of(ALIGNED);
        let mut trained = Vec::new();
        for (layer, columns) in &layers {
            let values = match layer {
                OnCuda::BatchNorm(BatchNorm { log_gamma, beta, .. }) => [*log_gamma, *beta],
                OnCuda::ActNorm(ActNorm { log_scale, bias, .. }) => [*log_scale, *bias],
                OnCuda::Lu(lu) => {
                    let square = features * features;
                    let own: Vec<usize> = (0..square).collect();
                    let matrix = layout.place_vector(lu.matrix, &own, square.next_multiple_of(ALIGNED));
                    let bias = layout.place_vector(lu.bias, columns, room);
                    layout.lus.push(LuPlace { matrix, bias, columns: columns.clone() });
                    continue;
                }
                OnCuda::Coupling(_) | OnCuda::Permutation(_) => continue,
            };
            trained.push(values.map(|host| layout.place_vector(host, columns, room)));
        }
        if let Base::StudentT(degrees) = architecture.base {
            let columns = layout.columns.clone();
            layout.base = degrees.place().map(|host| layout.place_vector(host, &columns, room));
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
                OnCuda::Coupling(_) | OnCuda::Permutation(_) | OnCuda::Lu(_) => None,
            };
            layout.norms.extend(norm);
        }
        layout
    }

    /// The place of a map and its bias among maps of these sizes. Its outputs are lists of `own` numbers, each with room for
    /// `room`.
    fn place_map(&mut self, linear: &Linear, device: usize, maps: &Maps, [own, room]: [usize; 2]) {
        let &Linear { inputs, outputs, weight, bias } = linear;
        let own = own.min(outputs);
        for list in 0..outputs / own.max(1) {
            let columns = own;
            let strides = [outputs, maps.outputs];
            let (host, device) = (list * own, device + list * room);
            let biases = device + maps.inputs * maps.outputs;
            self.pieces.push(Piece { host: weight + host, device, rows: inputs, columns, strides });
            self.pieces.push(Piece { host: bias + host, device: biases, rows: 1, columns, strides });
        }
    }

    /// The next place for a vector, with room for `room` floats; its values go to these columns.
    fn place_vector(&mut self, host: usize, columns: &[usize], room: usize) -> usize {
        let (start, mut host) = (self.len, host);
        // Those that go to neighbouring columns are one piece.
        for run in columns.chunk_by(|a, b| a + 1 == *b) {
            let columns = run.len();
            self.pieces.push(Piece { host, device: start + run[0], rows: 1, columns, strides: [columns; 2] });
            host += columns;
        }
        self.len += room;
        start
    }

    /// The next place for `count` copies of a value, with room for `room` floats.
    fn place_copies(&mut self, host: usize, count: usize, room: usize) -> usize {
        let start = self.len;
        let piece = |device| Piece { host, device, rows: 1, columns: 1, strides: [1; 2] };
        self.pieces.extend((start..start + count).map(piece));
        self.len += room;
        start
    }

    /// The number of the group that a coupling belongs to.
    pub fn group(&self, coupling: &CouplingOnCuda<'_>) -> Option<usize> {
        self.groups.iter().position(|group| group.shape == Shape::of(coupling))
    }

    /// The features of LU maps, where there are any.
    pub fn widest_lu(&self, features: usize) -> usize {
        if self.lus.is_empty() { 0 } else { features }
    }

    /// The most floats that a coupling of any group asks for.
    pub fn most(&self, of: impl Fn(&Group) -> usize) -> usize {
        self.groups.iter().map(of).max().unwrap_or(0)
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
        let within = self.pieces.iter().filter(move |piece| piece.rows > 0 && piece.host < len);
        within.flat_map(|piece| {
            (0..piece.rows)
                .map(|row| (piece.host + row * piece.strides[0], piece.device + row * piece.strides[1], piece.columns))
        })
    }
}

pub(super) fn coupling<'a>(layer: &OnCuda<'a>) -> Option<CouplingOnCuda<'a>> {
    match layer {
        OnCuda::Coupling(coupling) => Some(coupling.clone()),
        OnCuda::BatchNorm(_) | OnCuda::ActNorm(_) | OnCuda::Permutation(_) | OnCuda::Lu(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layer;
    use crate::spec::{
        BaseKind, CouplingKind, DegreesOfFreedom, Kept, Learned, MaskScheme, Mixing, Model, NetworkKind, Normalization,
        ScaleBound,
    };

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
        let learned = Some(DegreesOfFreedom::Learned(Learned::Learned));
        let spline = |model| Model {
            coupling: CouplingKind::Spline,
            scale: Option::None,
            bins: Some(5),
            kept: Some(Kept::Spline),
            ..model
        };
        let cases = [
            (1, model(3, 8, 1, Batch)),
            (5, model(4, 7, 2, Batch)),
            (2, model(2, 64, 3, None)),
            (43, model(3, 30, 1, None)),
            (5, Model { mixing: Mixing::Lu, ..model(3, 8, 1, Act) }),
            (5, Model { base: BaseKind::StudentT, degrees_of_freedom: learned, ..model(3, 8, 1, Batch) }),
            (6, Model { mixing: Mixing::Permutation, ..model(3, 8, 1, Act) }),
            (7, Model { mixing: Mixing::Reverse, scale: Some(ScaleBound::Sigmoid), ..model(4, 8, 1, Batch) }),
            (5, Model { coupling: CouplingKind::Additive, scale: Option::None, ..model(3, 9, 2, Act) }),
            (5, Model { joint: Some(true), ..model(3, 9, 2, Batch) }),
            (5, spline(model(3, 9, 2, None))),
            (7, Model { network: NetworkKind::Residual, blocks: Some(2), ..spline(model(3, 9, 2, Act)) }),
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
            let of_group = |group: &Group| [group.kept, group.width, group.said, group.changed()];
            let sizes = layout.groups.iter().flat_map(of_group).chain([layout.trainable, layout.len]);
            let sizes: Vec<usize> = sizes.collect();
            assert!(sizes.iter().all(|size| size.is_multiple_of(ALIGNED)), "{sizes:?}");
        }
    }
}
