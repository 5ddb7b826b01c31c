//! From a spec to a list of layers. Nothing else here, and no kernel, reads what the spec says of a model.

use std::ops::Add;

use super::{Architecture, masks};
use crate::layers::{self, BatchNorm, Cost, Coupling, Layer, Networks, Parameters, Scope};
use crate::spec::{CouplingKind, Model, Normalization};

impl Architecture {
    /// Number of trainable values of a model for data of `features` columns, counted without making any.
    pub fn count(model: &Model, features: usize, seed: u64) -> usize {
        layers::count(|scope| recipe(model, features, seed, scope)).1
    }

    /// What a row costs on its way through a model, which is not made.
    pub fn cost(model: &Model, features: usize, seed: u64) -> Cost {
        let (layers, _) = layers::count(|scope| recipe(model, features, seed, scope));
        layers.iter().map(|layer| layer.cost(features)).fold(Cost::default(), Add::add)
    }

    /// Lays out a model for data of `features` columns. `seed` decides random masks and start values.
    pub fn new(model: &Model, features: usize, seed: u64) -> (Self, Parameters) {
        let (layers, parameters) = layers::lay_out(seed, |scope| recipe(model, features, seed, scope));
        (Self { features, width: model.width, activation: model.activation, layers }, parameters)
    }
}

/// The layers of `model`, which ask `scope` for their parameters.
fn recipe(model: &Model, features: usize, seed: u64, scope: &mut Scope<'_>) -> Vec<Layer> {
    let &Model { mask, depth, width, hidden_layers, activation, coupling, scale, normalization } = model;
    let hidden = vec![width; hidden_layers];
    let networks = Networks { hidden: &hidden, activation };
    let mut scope = scope.child("layers");
    let mut layers = Vec::new();
    for mask in masks(mask, features, depth, seed) {
        let own = &mut scope.child(layers.len());
        layers.push(Layer::Coupling(match coupling {
            CouplingKind::Affine => Coupling::affine(own, mask, networks, scale.unwrap_or_default()),
            CouplingKind::Additive => Coupling::additive(own, mask, networks),
        }));
        match normalization {
            Normalization::None => {}
            Normalization::Batch => {
                layers.push(Layer::BatchNorm(BatchNorm::lay_out(&mut scope.child(layers.len()), features)));
            }
        }
    }
    layers
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
            let model = Model { mask, depth, width, hidden_layers, normalization, ..Model::default() };
            let count = Architecture::new(&model, features, 0).1.count();
            assert_eq!(Architecture::count(&model, features, 0), count, "{features} {depth} {width}");
        }
    }

    #[test]
    fn a_row_costs_what_the_layers_do_with_it() {
        let model =
            Model { depth: 2, width: 10, hidden_layers: 2, normalization: Normalization::Batch, ..Model::default() };
        // Of five features one coupling keeps three and changes two, the other the reverse. The maps of a network, with biases;
        // two multiplications for every feature changed; two for every feature normalised.
        let networks = 2 * (4 * 10 + 11 * 10 + 11 * 2) + 2 * (3 * 10 + 11 * 10 + 11 * 3);
        let multiplications = networks + 2 * (2 + 3) + 2 * 2 * 5;
        // What is kept; hidden activations; tanh, t, exp(s) and what was there before; normalised rows.
        let values = (3 + 2) + 2 * 2 * (10 + 10) + 4 * (2 + 3) + 2 * 5;
        assert_eq!(Architecture::cost(&model, 5, 0), Cost { multiplications, values });
    }
}
