//! Couplings of like shape, whose values stand together on a device: whatever is done to all of them is one launch.

use super::{CouplingOnCuda, NetworkOnCuda, TransformerOnCuda, Wiring};
use crate::layers::Linear;
use crate::layers::coupling::Dropout;
use crate::layers::coupling::conv::ConvPlace;
use crate::layers::coupling::spline::PlacedSpline;
use crate::layers::cuda::{ALIGNED, Piece};
use crate::spec::Activation;

/// The affine maps of one depth, of the networks of every coupling of a group: map number networks·coupling + network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maps {
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

    /// The pieces of a map and its bias that stand at `device`. What it gives is lists of `own` numbers, each with room for `room`.
    fn pieces(&self, linear: &Linear, device: usize, [own, room]: [usize; 2]) -> impl Iterator<Item = Piece> {
        let &Linear { inputs, outputs, weight, bias } = linear;
        let columns = own.min(outputs);
        let strides = [outputs, self.outputs];
        let biases = self.inputs * self.outputs;
        (0..outputs / columns.max(1)).flat_map(move |list| {
            let (host, device) = (list * columns, device + list * room);
            [
                Piece { host: weight + host, device, rows: inputs, columns, strides },
                Piece { host: bias + host, device: device + biases, rows: 1, columns, strides },
            ]
        })
    }
}

/// Couplings of like shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    likeness: Likeness,
    pub couplings: usize,
    /// Features that a coupling's networks read, at most; rounded up. 0: there are no networks, biases stand alone.
    pub kept: usize,
    /// Width of hidden layers, rounded up.
    pub width: usize,
    /// Floats from one list of what a network says to the next: features that a coupling changes, at most.
    pub list: usize,
    /// What a network says, list behind list; rounded up.
    pub said: usize,
    /// The maps of the networks, input to output; none of convolutional ones.
    pub maps: Vec<Maps>,
    /// The convolutional network, of which a group has one.
    pub conv: Option<ConvPlace>,
    /// Offset of the first coupling's learned bound of s, where they have one; each has room for [`changed`](Self::changed).
    scale: Option<usize>,
}

/// What couplings of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Likeness {
    transformer: TransformerOnCuda,
    wiring: Wiring,
    activation: Activation,
    dropout: Dropout,
    /// Networks of a coupling.
    networks: usize,
    /// Maps of a network.
    depth: usize,
    /// Whether networks read anything.
    reads: bool,
    /// Where a convolutional network stands on the host: such couplings are alone.
    conv: Option<usize>,
}

impl Likeness {
    fn of(coupling: &CouplingOnCuda<'_>) -> Self {
        let CouplingOnCuda { mask, networks, transformer, .. } = coupling;
        let NetworkOnCuda { wiring, activation, dropout, ref maps, conv } = networks[0];
        Self {
            transformer: *transformer,
            wiring,
            activation,
            dropout,
            networks: networks.len(),
            depth: maps.len(),
            reads: !mask.kept.is_empty(),
            conv: conv.map(|conv| conv.first.weight),
        }
    }
}

impl Group {
    /// The group of the couplings among these that are like `first`, at `start`. `width`: of hidden layers.
    pub fn lay_out(start: usize, width: usize, first: &CouplingOnCuda<'_>, among: &[&CouplingOnCuda<'_>]) -> Self {
        let likeness = Likeness::of(first);
        let couplings = || among.iter().filter(|coupling| Likeness::of(coupling) == likeness);
        let Likeness { transformer, networks, depth, .. } = likeness;
        let list = couplings().map(|coupling| coupling.mask.changed.len()).max().unwrap_or(0);
        let kept = couplings().map(|coupling| coupling.mask.kept.len()).max().unwrap_or(0);
        let mut group = Self {
            likeness,
            couplings: couplings().count(),
            kept: kept.next_multiple_of(ALIGNED),
            width: width.next_multiple_of(ALIGNED),
            list,
            said: (transformer.lists() / networks * list).next_multiple_of(ALIGNED),
            maps: Vec::new(),
            conv: first.networks[0].conv.map(|conv| ConvPlace::lay_out(start, conv)),
            scale: None,
        };
        let mut offset = group.conv.as_ref().map_or(start, ConvPlace::end);
        for at in 0..depth {
            let inputs = if at == 0 { group.kept } else { group.width };
            let outputs = if at + 1 == depth { group.said } else { group.width };
            let maps = Maps { offset, inputs, outputs, networks };
            offset = maps.weight(group.couplings);
            group.maps.push(maps);
        }
        group.scale = first.scale.map(|_| offset);
        group
    }

    /// The offset behind its values.
    pub fn end(&self) -> usize {
        let behind_conv = self.conv.as_ref().map_or(0, ConvPlace::end);
        let behind_maps = self.maps.last().map_or(behind_conv, |maps| maps.weight(self.couplings));
        self.scale(self.couplings).unwrap_or(behind_maps)
    }

    /// Where the values of those of its couplings that are `among` these stand, on the host and here.
    pub fn pieces(&self, among: &[&CouplingOnCuda<'_>]) -> Vec<Piece> {
        let couplings = || among.iter().filter(|coupling| self.holds(coupling)).enumerate();
        let mut pieces = Vec::new();
        for (at, maps) in self.maps.iter().enumerate() {
            for (number, coupling) in couplings() {
                // The last map says lists.
                let list = match at + 1 == self.maps.len() {
                    true => [coupling.mask.changed.len(), self.list],
                    false => [self.width; 2],
                };
                for (net, network) in coupling.networks.iter().enumerate() {
                    let device = maps.weight(number) + net * maps.stride();
                    pieces.extend(maps.pieces(network.maps[at], device, list));
                }
            }
        }
        for (_, coupling) in couplings() {
            if let (Some(place), Some(conv)) = (&self.conv, coupling.networks[0].conv) {
                pieces.extend(place.pieces(conv));
            }
        }
        let scale = |(number, coupling): (usize, &&CouplingOnCuda<'_>)| {
            Some(Piece::row(coupling.scale?, self.scale(number)?, coupling.mask.changed.len()))
        };
        pieces.extend(couplings().filter_map(scale));
        pieces
    }

    /// Whether it is the group of this coupling.
    pub fn holds(&self, coupling: &CouplingOnCuda<'_>) -> bool {
        self.likeness == Likeness::of(coupling)
    }

    /// What its couplings do with what their networks say.
    pub fn transformer(&self) -> TransformerOnCuda {
        self.likeness.transformer
    }

    /// What kernels need to know of its splines, where its couplings are such.
    pub fn spline(&self) -> Option<PlacedSpline> {
        match self.transformer() {
            TransformerOnCuda::Spline(spline) => Some(spline.placed(self.list)),
            TransformerOnCuda::Tanh
            | TransformerOnCuda::Atan
            | TransformerOnCuda::Sigmoid
            | TransformerOnCuda::Additive => None,
        }
    }

    /// How the maps of its networks stand behind each other.
    pub fn wiring(&self) -> Wiring {
        self.likeness.wiring
    }

    /// What stands between the maps of its networks.
    pub fn activation(&self) -> Activation {
        self.likeness.activation
    }

    /// What is left out of their hidden layers in training.
    pub fn dropout(&self) -> Dropout {
        self.likeness.dropout
    }

    /// Networks of a coupling: one for each list that the transformer asks for, or one for all.
    pub fn networks(&self) -> usize {
        self.likeness.networks
    }

    /// Values a row of all maps of its convolutional network, where it has one.
    pub fn hidden(&self) -> usize {
        self.conv.as_ref().map_or(0, ConvPlace::hidden)
    }

    /// Whether couplings have networks: with nothing kept, biases stand alone.
    pub fn has_networks(&self) -> bool {
        self.likeness.reads
    }

    /// What kernels are told of what networks say: `said_of` in `kernels.cu`.
    pub fn says(&self) -> usize {
        match (self.has_networks(), self.wiring()) {
            (false, _) => 0,
            (true, Wiring::Mlp | Wiring::Residual) => 1,
            (true, Wiring::Conv) => 2,
        }
    }

    /// Whether every network says one list.
    pub fn is_separate(&self) -> bool {
        self.networks() == self.transformer().lists()
    }

    /// Room for a number a changed feature, rounded up.
    pub fn changed(&self) -> usize {
        self.list.next_multiple_of(ALIGNED)
    }

    /// Floats from what is said of s to what is said of t, of so many rows.
    pub fn to_second(&self, rows: usize) -> usize {
        match (self.transformer().lists(), self.networks()) {
            (1, _) => 0,
            (_, 1) => self.list,
            _ => rows * self.said,
        }
    }

    /// Offsets of the biases of the first two lists, which are the same where there is one.
    pub fn biases(&self, coupling: usize) -> [usize; 2] {
        let Some(maps) = self.maps.last() else { return [0; 2] };
        let between = match (self.transformer().lists(), self.networks()) {
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
