//! From a spec to a list of layers. Nothing else here, and no kernel, reads what the spec says of a model.

use std::ops::Add;

use rand::seq::SliceRandom;

use super::{Architecture, Base, masks};
use crate::layers::{
    self, ActNorm, BatchNorm, Cost, Coupling, Dropout, Layer, Lu, Mask, Networks, Parameters, Permutation, Scope,
    Spline,
};
use crate::random::{Purpose, stream};
use crate::shape::Shape;
use crate::spec::{CouplingKind, Kept, Mixing, Model, NetworkKind, Normalization};

impl Architecture {
    /// Number of trainable values of a model for rows of `shape`, counted without making any.
    pub fn count(model: &Model, shape: impl Into<Shape>, seed: u64) -> usize {
        layers::count(|scope| recipe(model, shape.into(), seed, scope)).1
    }

    /// What a row costs on its way through a model, which is not made.
    pub fn cost(model: &Model, shape: impl Into<Shape>, seed: u64) -> Cost {
        let shape = shape.into();
        let ((layers, _), _) = layers::count(|scope| recipe(model, shape, seed, scope));
        layers.iter().map(|layer| layer.cost(shape.values())).fold(Cost::default(), Add::add)
    }

    /// Whether a GPU has kernels for every layer of a model, which is not made; it computes others by plain dfdx operations.
    pub fn has_kernels_on_cuda(model: &Model, shape: impl Into<Shape>) -> bool {
        let ((layers, _), _) = layers::count(|scope| recipe(model, shape.into(), 0, scope));
        layers.iter().all(|layer| layer.on_cuda().is_some())
    }

    /// Lays out a model for rows of `shape`. `seed` decides random masks and start values.
    pub fn new(model: &Model, shape: impl Into<Shape>, seed: u64) -> (Self, Parameters) {
        let shape = shape.into();
        let ((layers, base), parameters) = layers::lay_out(seed, |scope| recipe(model, shape, seed, scope));
        (Self { features: shape.values(), width: model.width, activation: model.activation, layers, base }, parameters)
    }
}

/// The layers of `model` and its base, which ask `scope` for their parameters.
fn recipe(model: &Model, shape: Shape, seed: u64, scope: &mut Scope<'_>) -> (Vec<Layer>, Base) {
    let layers = stack(model, shape, seed, &mut scope.child("layers"));
    (layers, Base::lay_out(model, shape.values(), &mut scope.child("base")))
}

/// The layers of `model`, x-side first.
fn stack(model: &Model, shape: Shape, seed: u64, scope: &mut Scope<'_>) -> Vec<Layer> {
    let &Model { mask, depth, width, network, activation, coupling, mixing, normalization, .. } = model;
    let features = shape.values();
    let spline = Spline { bins: model.bins.unwrap_or(8), bound: model.tail_bound.unwrap_or(5.0) as f32 };
    let dropout = Dropout { rate: model.dropout as f32 };
    let inner = match network {
        NetworkKind::Mlp => model.hidden_layers,
        NetworkKind::Residual => model.blocks,
    };
    let networks = Networks { kind: network, width, depth: inner.unwrap_or(2), activation, dropout };
    let mut layers = Vec::new();
    // Of every feature, as they stand now: how many couplings have left it unchanged since one changed it.
    let mut left = vec![0; features];
    for (number, mut mask) in masks(mask, features, depth, seed).into_iter().enumerate() {
        if number > 0
            && let Some(order) = order(mixing, features, seed, number)
        {
            left = order.iter().map(|&from| left[from]).collect();
            mask = mask.changing_longest_left(&left);
            layers.push(Layer::Permutation(Permutation { order }));
        }
        if mixing == Mixing::Lu {
            layers.push(Layer::Lu(Lu::lay_out(&mut scope.child(layers.len()), features)));
        }
        left.iter_mut().for_each(|left| *left += 1);
        mask.changed.iter().for_each(|&i| left[i] = 0);
        let own = &mut scope.child(layers.len());
        let kept = mask.kept.clone();
        layers.push(Layer::Coupling(match coupling {
            CouplingKind::Affine => {
                let (joint, bound) = (model.joint.unwrap_or(false), model.scale.unwrap_or_default());
                Coupling::affine(own, mask, networks, joint, bound)
            }
            CouplingKind::Additive => Coupling::additive(own, mask, networks),
            CouplingKind::Spline => Coupling::spline(own, mask, networks, spline),
        }));
        if model.kept == Some(Kept::Spline) && !kept.is_empty() {
            let alone = Mask { kept: Vec::new(), changed: kept };
            layers.push(Layer::Coupling(Coupling::spline(&mut scope.child(layers.len()), alone, networks, spline)));
        }
        match normalization {
            Normalization::None => {}
            Normalization::Batch => {
                layers.push(Layer::BatchNorm(BatchNorm::lay_out(&mut scope.child(layers.len()), features)));
            }
            Normalization::Act => {
                layers.push(Layer::ActNorm(ActNorm::lay_out(&mut scope.child(layers.len()), features)));
            }
        }
    }
    if mixing == Mixing::Lu {
        layers.push(Layer::Lu(Lu::lay_out(&mut scope.child(layers.len()), features)));
    }
    layers
}

/// The order of features before coupling `number`, if it is another.
fn order(mixing: Mixing, features: usize, seed: u64, number: usize) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..features).collect();
    match mixing {
        Mixing::None => return None,
        Mixing::Reverse => order.reverse(),
        Mixing::Permutation | Mixing::Lu => order.shuffle(&mut stream(seed, Purpose::Mixing, number as u64)),
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::MaskScheme;

    #[test]
    fn parameters_are_counted_as_they_are_laid_out() {
        use Normalization::{Batch, None};
        for (features, depth, width, hidden_layers, normalization) in
            [(1, 3, 8, 1, None), (5, 4, 7, 2, Batch), (2, 2, 64, 3, None)]
        {
            let mask = MaskScheme::Random;
            let hidden_layers = Some(hidden_layers);
            let model = Model { mask, depth, width, hidden_layers, normalization, ..Model::default() };
            let count = Architecture::new(&model, features, 0).1.count();
            assert_eq!(Architecture::count(&model, features, 0), count, "{features} {depth} {width}");
        }
    }

    #[test]
    fn no_feature_is_left_alone_for_long() {
        for mixing in [Mixing::Reverse, Mixing::Permutation] {
            for mask in [MaskScheme::Alternating, MaskScheme::Half, MaskScheme::Random] {
                for features in [2, 3, 4, 5] {
                    let model = Model { mask, depth: 9, width: 4, mixing, ..Model::default() };
                    let layers = Architecture::new(&model, features, 3).0.layers;
                    // What stands at each place of the row, and since how many couplings it has been left.
                    let mut left: Vec<usize> = vec![0; features];
                    for layer in &layers {
                        match layer {
                            Layer::Permutation(Permutation { order }) => {
                                left = order.iter().map(|&i| left[i]).collect()
                            }
                            Layer::Coupling(Coupling { mask, .. }) => {
                                mask.kept.iter().for_each(|&i| left[i] += 1);
                                mask.changed.iter().for_each(|&i| left[i] = 0);
                            }
                            _ => panic!("{layer:?}"),
                        }
                        assert!(left.iter().all(|&left| left <= 3), "{mixing:?} {mask:?} {features}: {left:?}");
                    }
                    assert_eq!(layers.len(), 17);
                }
            }
        }
    }

    #[test]
    fn a_row_costs_what_the_layers_do_with_it() {
        let model = Model {
            depth: 2,
            width: 10,
            hidden_layers: Some(2),
            normalization: Normalization::Batch,
            ..Model::default()
        };
        // Of five features one coupling keeps three and changes two, the other the reverse. The maps of a network, with biases;
        // two multiplications for every feature changed; two for every feature normalised.
        let networks = 2 * (4 * 10 + 11 * 10 + 11 * 2) + 2 * (3 * 10 + 11 * 10 + 11 * 3);
        let multiplications = networks + 2 * (2 + 3) + 2 * 2 * 5;
        // What is kept; hidden activations; tanh, t, exp(s) and what was there before; normalised rows.
        let values = (3 + 2) + 2 * 2 * (10 + 10) + 4 * (2 + 3) + 2 * 5;
        assert_eq!(Architecture::cost(&model, 5, 0), Cost { multiplications, values });
    }
}
