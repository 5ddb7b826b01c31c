//! Where a flow's values stand on a device.
//!
//! On the host every layer's values stand together. Here couplings of like shape are a [`Group`], whose networks have the same
//! sizes, and the maps of one depth stand together, s before t where there are both, coupling after coupling: whatever is done to
//! all of them is one launch.
//! Sizes are rounded up to whole pieces of [`ALIGNED`] floats, so that a device reads four floats at a time. What is added is zero
//! and stays so: a hidden value without weights is 0 under both activations, nothing flows through it, and a gradient of
//! 0 moves no weight.

use super::order::{self, Columns};
use crate::flow::{Architecture, Base, BatchNorm};
use crate::layers::cuda::{ALIGNED, CouplingOnCuda, Group, LuSize, OnCuda, Piece, PlacedActNorm, PlacedBatchNorm};
use crate::layers::{ActNorm, Channels};

/// A normalisation where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    Batch(PlacedBatchNorm),
    Act(PlacedActNorm),
}

impl Norm {
    /// Channels of a pixel, or plain features.
    pub fn features(&self) -> usize {
        match self {
            Self::Batch(norm) => norm.features,
            Self::Act(norm) => norm.features,
        }
    }

    /// Pixels of a row.
    pub fn pixels(&self) -> usize {
        match self {
            Self::Batch(norm) => norm.pixels,
            Self::Act(norm) => norm.pixels,
        }
    }
}

/// Where the values of an LU map stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LuPlace {
    pub size: LuSize,
    /// Shape `[features, features]`, as on the host.
    pub matrix: usize,
    /// Shape `[features]`, by columns.
    pub bias: usize,
    pub columns: Columns,
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

impl Layout {
    pub fn new(architecture: &Architecture) -> Self {
        let layers: Vec<(OnCuda<'_>, Columns)> = order::layers(architecture).collect();
        let couplings: Vec<&CouplingOnCuda<'_>> = layers.iter().filter_map(|(layer, _)| coupling(layer)).collect();
        let mut layout = Self {
            groups: Vec::new(),
            norms: Vec::new(),
            lus: Vec::new(),
            base: None,
            columns: layers.last().map_or((0..architecture.values()).collect(), |(_, columns)| columns.clone()),
            trainable: 0,
            len: 0,
            pieces: Vec::new(),
        };
        for coupling in &couplings {
            if layout.group(coupling).is_none() {
                let group = Group::lay_out(layout.len, architecture.width, coupling, &couplings);
                layout.pieces.extend(group.pieces(&couplings));
                layout.len = group.end();
                layout.groups.push(group);
            }
        }
        let mut trained = Vec::new();
        for (layer, columns) in &layers {
            let (channels, values) = match layer {
                OnCuda::BatchNorm(BatchNorm { channels, log_gamma, beta, .. }) => (channels, [*log_gamma, *beta]),
                OnCuda::ActNorm(ActNorm { channels, log_scale, bias, .. }) => (channels, [*log_scale, *bias]),
                OnCuda::Lu(lu) => {
                    let (features, columns) = (lu.channels.count, own_columns(&lu.channels, columns));
                    let square: Vec<usize> = (0..features * features).collect();
                    let matrix = layout.place_vector(lu.matrix, &square);
                    let bias = layout.place_vector(lu.bias, &columns);
                    let size = LuSize { features, values: lu.channels.places.len() };
                    layout.lus.push(LuPlace { size, matrix, bias, columns });
                    continue;
                }
                OnCuda::Coupling(_) | OnCuda::Permutation(_) => continue,
            };
            let columns = own_columns(channels, columns);
            trained.push(values.map(|host| layout.place_vector(host, &columns)));
        }
        if let Base::StudentT(degrees) = architecture.base {
            let columns: Columns = layout.columns[..architecture.features].into();
            layout.base = degrees.place().map(|host| layout.place_vector(host, &columns));
        }
        layout.trainable = layout.len;
        for coupling in &couplings {
            if let (Some(conv), Some(group)) = (coupling.networks[0].conv, layout.group(coupling))
                && let Some(place) = &mut layout.groups[group].conv
            {
                layout.len = place.lay_out_statistics(layout.len);
                layout.pieces.extend(place.statistics(conv));
            }
        }
        let mut trained = trained.into_iter();
        for (layer, columns) in &layers {
            let norm = match layer {
                OnCuda::BatchNorm(norm) => trained.next().map(|[log_gamma, beta]| {
                    let (features, pixels) = (norm.channels.count, norm.channels.pixels());
                    let columns = own_columns(&norm.channels, columns);
                    let [running_mean, running_variance] =
                        [norm.running_mean, norm.running_variance].map(|host| layout.place_vector(host, &columns));
                    Norm::Batch(PlacedBatchNorm { features, pixels, log_gamma, beta, running_mean, running_variance })
                }),
                OnCuda::ActNorm(norm) => trained.next().map(|[log_scale, bias]| {
                    let (features, pixels) = (norm.channels.count, norm.channels.pixels());
                    let started = layout.place_copies(norm.initialised, features);
                    Norm::Act(PlacedActNorm { features, pixels, log_scale, bias, started })
                }),
                OnCuda::Coupling(_) | OnCuda::Permutation(_) | OnCuda::Lu(_) => None,
            };
            layout.norms.extend(norm);
        }
        layout
    }

    /// The next place for a vector; its values go to these columns, which are the first there are, in some order.
    fn place_vector(&mut self, host: usize, columns: &[usize]) -> usize {
        let (start, mut host) = (self.len, host);
        // Those that go to neighbouring columns are one piece.
        for run in columns.chunk_by(|a, b| a + 1 == *b) {
            let columns = run.len();
            self.pieces.push(Piece::row(host, start + run[0], columns));
            host += columns;
        }
        self.len += columns.len().next_multiple_of(ALIGNED);
        start
    }

    /// The next place for `count` copies of a value.
    fn place_copies(&mut self, host: usize, count: usize) -> usize {
        let start = self.len;
        self.pieces.extend((start..start + count).map(|device| Piece::row(host, device, 1)));
        self.len += count.next_multiple_of(ALIGNED);
        start
    }

    /// The number of the group that a coupling belongs to.
    pub fn group(&self, coupling: &CouplingOnCuda<'_>) -> Option<usize> {
        self.groups.iter().position(|group| group.holds(coupling))
    }

    /// The size of LU maps that is enough for each.
    pub fn largest_lu(&self) -> LuSize {
        let largest = |of: fn(&LuSize) -> usize| self.lus.iter().map(|lu| of(&lu.size)).max().unwrap_or(0);
        LuSize { features: largest(|size| size.features), values: largest(|size| size.values) }
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

/// Where the values of a layer that acts on `channels` stand: by the columns of all values of a row, or in their own order where
/// pixels are taken as rows of their own.
fn own_columns(channels: &Channels, columns: &Columns) -> Columns {
    if channels.are_plain(columns.len()) { columns.clone() } else { (0..channels.count).collect() }
}

pub(super) fn coupling<'a, 'b>(layer: &'b OnCuda<'a>) -> Option<&'b CouplingOnCuda<'a>> {
    match layer {
        OnCuda::Coupling(coupling) => Some(coupling),
        OnCuda::BatchNorm(_) | OnCuda::ActNorm(_) | OnCuda::Permutation(_) | OnCuda::Lu(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layer;
    use crate::shape::Shape;
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
            coupling: CouplingKind::Affine,
            mixing: Mixing::None,
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
        let image = |normalization, network| Model {
            network: NetworkKind::Conv,
            blocks: Some(2),
            hidden_layers: Option::None,
            mask: MaskScheme::Multiscale,
            mixing: Mixing::Lu,
            network_batch_norm: Some(network),
            network_weight_norm: Some(network),
            ..model(1, 7, 1, normalization)
        };
        let images = [image(Act, true), image(Batch, false)];
        let cases = cases.into_iter().map(|(features, model)| (Shape::from(features), model));
        for (shape, model) in cases.chain(images.map(|model| (Shape { height: 6, width: 4, channels: 3 }, model))) {
            let (architecture, parameters) = Architecture::new(&model, shape, 0);
            let layout = Layout::new(&architecture);
            let others = architecture.layers.iter().map(|layer| match layer {
                Layer::ActNorm(norm) => norm.channels.count - 1,
                Layer::Coupling(_) | Layer::BatchNorm(_) | Layer::Permutation(_) | Layer::Lu(_) => 0,
            });
            let others: usize = others.sum();
            for count in [parameters.count(), parameters.values().len()] {
                let host: Vec<f32> = (1..=count).map(|i| i as f32).collect();
                let device = layout.to_device(&host);
                // Every channel has a copy of the flag of activation normalisation.
                let copies = if count > parameters.count() { others } else { 0 };
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
