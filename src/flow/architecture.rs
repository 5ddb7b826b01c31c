//! What a flow is made of: its layers in order, and where each layer's values stand among the [`Parameters`].

use super::mask::{Mask, masks};
use super::parameters::{Parameters, Role};
use crate::spec::{Activation, Model};

/// Where one affine map h → h·W + b stands in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    pub inputs: usize,
    pub outputs: usize,
    /// Offset of W, shape `[inputs, outputs]`.
    pub weight: usize,
    /// Offset of b, shape `[outputs]`: right behind W, so that b is one more row of it.
    pub bias: usize,
}

/// x' = m·x + (1−m)·(x·exp(s(m·x)) + t(m·x)), s = scale·tanh(·) (Dinh et al. 2017, equations 7 to 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouplingLayer {
    pub mask: Mask,
    /// The s network, input to output. With nothing kept it is a bias alone: one [`Linear`] with no inputs.
    pub s: Vec<Linear>,
    /// The t network.
    pub t: Vec<Linear>,
    /// Offset of the learned bound of s, shape `[changed]`.
    pub scale: usize,
}

/// One invertible layer. Offsets point into the flat vector of [`Parameters`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    Coupling(CouplingLayer),
    /// Batch normalisation with learned log-scale and shift, each shape `[features]` (Dinh et al. 2017, section 3.7;
    /// Papamakarios et al. 2017, section 3.3).
    BatchNorm {
        log_gamma: usize,
        beta: usize,
        running_mean: usize,
        running_variance: usize,
    },
}

/// The layers of a flow, x-side first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    pub features: usize,
    pub width: usize,
    pub activation: Activation,
    pub layers: Vec<Layer>,
}

/// Added to variances in batch normalisation.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

impl Architecture {
    /// Number of trainable values of a model for data of `features` columns, counted without making any.
    pub fn count(model: &Model, features: usize, seed: u64) -> usize {
        let masks = masks(model.mask, features, model.depth, seed);
        let trainable = entries(&masks, model, features).into_iter().filter(|(.., role)| *role == Role::Trainable);
        trainable.map(|(_, shape, _)| shape.into_iter().fold(1, usize::saturating_mul)).fold(0, usize::saturating_add)
    }

    /// Lays out a model for data of `features` columns. `seed` decides random masks only; all values are zero, see
    /// [`initialise`](super::initialise).
    pub fn new(model: &Model, features: usize, seed: u64) -> (Self, Parameters) {
        let masks = masks(model.mask, features, model.depth, seed);
        let parameters = Parameters::new(entries(&masks, model, features));
        let offset = |name: String| parameters.entry(&name).map_or(0, |e| e.offset);
        let mut layers = Vec::new();
        for mask in masks {
            let i = layers.len();
            let net = |net: &str| {
                let linear = |(j, (inputs, outputs))| {
                    let bias = offset(format!("layers.{i}.{net}.{j}.bias"));
                    Linear { inputs, outputs, weight: bias - inputs * outputs, bias }
                };
                sizes(&mask, model).into_iter().enumerate().map(linear).collect()
            };
            let (s, t) = (net("s"), net("t"));
            layers.push(Layer::Coupling(CouplingLayer { mask, s, t, scale: offset(format!("layers.{i}.scale")) }));
            if model.batch_norm {
                let at = |name: &str| offset(format!("layers.{}.{name}", i + 1));
                layers.push(Layer::BatchNorm {
                    log_gamma: at("log_gamma"),
                    beta: at("beta"),
                    running_mean: at("running_mean"),
                    running_variance: at("running_variance"),
                });
            }
        }
        (Self { features, width: model.width, activation: model.activation, layers }, parameters)
    }
}

/// Name, shape and role of every piece of the parameters.
fn entries(masks: &[Mask], model: &Model, features: usize) -> Vec<(String, Vec<usize>, Role)> {
    let mut entries = Vec::new();
    for (i, mask) in masks.iter().enumerate() {
        let layer = if model.batch_norm { 2 * i } else { i };
        for net in ["s", "t"] {
            for (j, (inputs, outputs)) in sizes(mask, model).into_iter().enumerate() {
                if inputs > 0 {
                    entries.push((format!("layers.{layer}.{net}.{j}.weight"), vec![inputs, outputs], Role::Trainable));
                }
                entries.push((format!("layers.{layer}.{net}.{j}.bias"), vec![outputs], Role::Trainable));
            }
        }
        entries.push((format!("layers.{layer}.scale"), vec![mask.changed.len()], Role::Trainable));
        if model.batch_norm {
            for (name, role) in [
                ("log_gamma", Role::Trainable),
                ("beta", Role::Trainable),
                ("running_mean", Role::Statistic),
                ("running_variance", Role::Statistic),
            ] {
                entries.push((format!("layers.{}.{name}", layer + 1), vec![features], role));
            }
        }
    }
    entries
}

/// (inputs, outputs) of each map of the s or t network.
fn sizes(mask: &Mask, model: &Model) -> Vec<(usize, usize)> {
    let (kept, changed) = (mask.kept.len(), mask.changed.len());
    if kept == 0 {
        return vec![(0, changed)];
    }
    let mut sizes = vec![(kept, model.width)];
    sizes.extend((1..model.hidden_layers).map(|_| (model.width, model.width)));
    sizes.push((model.width, changed));
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{CouplingKind, MaskScheme};

    #[test]
    fn parameters_are_counted_as_they_are_laid_out() {
        for (features, depth, width, hidden_layers, batch_norm) in
            [(1, 3, 8, 1, false), (5, 4, 7, 2, true), (2, 2, 64, 3, false)]
        {
            let (coupling, activation) = (CouplingKind::Affine, Activation::Relu);
            let model =
                Model { mask: MaskScheme::Random, depth, width, hidden_layers, activation, coupling, batch_norm };
            let count = Architecture::new(&model, features, 0).1.count();
            assert_eq!(Architecture::count(&model, features, 0), count, "{features} {depth} {width}");
        }
    }
}
