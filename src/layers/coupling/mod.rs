//! The coupling layer (Dinh et al. 2017, equations 7 to 9): networks read the features that it keeps, and what they say moves
//! the others, by a [`Transformer`].

mod across;
mod additive;
mod affine;
mod composed;
mod conv;
mod cpu;
mod cuda;
mod dense;
mod dropout;
mod mask;
mod mlp;
mod network;
mod residual;
mod spline;
mod transformer;

pub use affine::{Affine, Bound};
pub use conv::Conv;
pub(crate) use conv::{ConvForward, ConvScratch, ConvTraining, Ends};
pub(crate) use cuda::{
    CouplingMemory, CouplingOnCuda, Group, Maps, NetworkGradients, NetworkMemory, NoiseOnCuda, PlacedContext,
    PlacedCoupling, Wiring,
};
pub use dropout::Dropout;
pub use mask::{Mask, Pixels};
pub use mlp::Mlp;
pub use network::Network;
pub use residual::Residual;
pub(crate) use spline::PlacedSpline;
pub use spline::Spline;
pub use transformer::Transformer;

use additive::Additive;

use super::cuda::OnCuda;
use super::{Cost, Kind, Places, Scope};
use crate::spec::{Activation, NetworkKind, ScaleBound};

/// z = m·x + (1−m)·T(x; networks of m·x), where m is 1 for the kept features and T the transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupling {
    /// Which values are kept, and which changed.
    pub mask: Mask,
    /// One for each list of numbers that the transformer asks for, or one for all of them; one behind the other in the flat vector.
    pub networks: Vec<Network>,
    /// What is done to the changed values.
    pub transformer: Transformer,
}

/// How a coupling's networks are made.
#[derive(Clone, Copy, Debug)]
pub struct Networks {
    /// Their kind.
    pub kind: NetworkKind,
    /// Values of a hidden layer; maps of a convolutional network.
    pub width: usize,
    /// Hidden layers of a perceptron, blocks of other networks.
    pub depth: usize,
    /// What stands between maps.
    pub activation: Activation,
    /// What is left out of hidden layers in training.
    pub dropout: Dropout,
    /// conv: whether maps are batch-normalised before every relu.
    pub batch_norm: bool,
    /// conv: whether the weights of 3×3 convolutions are normalised, and their lengths learned apart.
    pub weight_norm: bool,
}

impl Coupling {
    /// x·exp(s) + t, where `bound` is that of s. Starts as the identity: s = t = 0.
    /// `joint`: one network says both.
    pub fn affine(scope: &mut Scope<'_>, mask: Mask, networks: Networks, joint: bool, bound: ScaleBound) -> Self {
        let networks = match joint {
            true => networks.lay_out(scope, &["st"], &mask, 2),
            false => networks.lay_out(scope, &["s", "t"], &mask, 1),
        };
        let transformer = Transformer::Affine(Affine { bound: Bound::lay_out(scope, mask.changed.len(), bound) });
        Self { mask, networks, transformer }
    }

    /// x + t. Starts as the identity: t = 0.
    pub fn additive(scope: &mut Scope<'_>, mask: Mask, networks: Networks) -> Self {
        let networks = networks.lay_out(scope, &["t"], &mask, 1);
        Self { mask, networks, transformer: Transformer::Additive(Additive) }
    }

    /// A monotone spline, the same for all rows where nothing is kept. Starts as the identity.
    pub fn spline(scope: &mut Scope<'_>, mask: Mask, networks: Networks, spline: Spline) -> Self {
        let networks = networks.lay_out(scope, &["spline"], &mask, spline.lists());
        Self { mask, networks, transformer: Transformer::Spline(spline) }
    }
}

impl Networks {
    /// A network of each name, which says so many lists of numbers of the changed features: list behind list.
    fn lay_out(self, scope: &mut Scope<'_>, names: &[&str], mask: &Mask, lists: usize) -> Vec<Network> {
        let (kept, outputs) = (mask.kept.len(), lists * mask.changed.len());
        let Self { kind, width, depth, activation, dropout, .. } = self;
        let mut network = |name| {
            let scope = &mut scope.child(name);
            match kind {
                NetworkKind::Conv if kept > 0 => Network::Conv(Conv::lay_out(scope, mask, self, lists)),
                NetworkKind::Residual if kept > 0 => {
                    Network::Residual(Residual::lay_out(scope, kept, [width, depth], outputs, activation, dropout))
                }
                // With nothing to read, a network of any kind is its last bias.
                NetworkKind::Mlp | NetworkKind::Residual | NetworkKind::Conv => {
                    Network::Mlp(Mlp::lay_out(scope, kept, &vec![width; depth], outputs, activation, dropout))
                }
            }
        };
        names.iter().map(&mut network).collect()
    }
}

impl Kind for Coupling {
    fn cost(&self, _features: usize) -> Cost {
        let networks = self.networks.iter().map(|it| it.on_cpu().multiplications()).fold(0, usize::saturating_add);
        let own = self.transformer.multiplications() * self.mask.changed.len();
        Cost { multiplications: networks.saturating_add(own), values: self.cached(1).iter().sum() }
    }

    fn places(&self) -> Places<'_> {
        let mut places: Places<'_> = vec![("kept", &self.mask.kept), ("changed", &self.mask.changed)];
        if let Some(Pixels { size, kept, changed }) = &self.mask.pixels {
            places.extend([("image", &size[..]), ("kept_pixels", kept), ("changed_pixels", changed)]);
        }
        places
    }

    fn on_cuda(&self) -> Option<OnCuda<'_>> {
        let Self { mask, networks, transformer } = self;
        let networks = networks.iter().map(Network::on_cuda).collect();
        let (transformer, scale) = (transformer.on_cuda(), transformer.scale());
        Some(OnCuda::Coupling(CouplingOnCuda { mask, networks, transformer, scale }))
    }
}
