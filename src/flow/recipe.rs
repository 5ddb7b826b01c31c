//! From a spec to a list of layers. Nothing else here, and no kernel, reads what the spec says of a model.

use std::ops::{Add, Range};

use rand::seq::SliceRandom;

use super::image::{self, Step, View};
use super::{Architecture, Base, masks};
use crate::layers::{
    self, ActNorm, BatchNorm, Channels, Cost, Coupling, Dropout, Layer, Lu, Mask, Networks, Parameters, Permutation,
    Scope, Spline,
};
use crate::random::{Purpose, stream};
use crate::shape::{Layout, Shape};
use crate::spec::{CouplingKind, Kept, Mixing, Model, NetworkKind, Normalization};

impl Architecture {
    /// Number of trainable values of a model for rows of `layout`, counted without making any.
    pub fn count(model: &Model, layout: impl Into<Layout>, seed: u64) -> usize {
        layers::count(|scope| recipe(model, layout.into(), seed, scope)).1
    }

    /// The layers of a model for rows of `layout`, counted without making any values.
    pub(super) fn layers(model: &Model, layout: Layout) -> Vec<Layer> {
        layers::count(|scope| recipe(model, layout, 0, scope)).0.0
    }

    /// What a row costs on its way through a model, which is not made.
    pub fn cost(model: &Model, layout: impl Into<Layout>, seed: u64) -> Cost {
        let layout = layout.into();
        let ((layers, _), _) = layers::count(|scope| recipe(model, layout, seed, scope));
        layers.iter().map(|layer| layer.cost(layout.values())).fold(Cost::default(), Add::add)
    }

    /// Whether a GPU has kernels for a model, which is not made: for every layer. It computes others by plain dfdx operations.
    pub fn has_kernels_on_cuda(model: &Model, layout: impl Into<Layout>) -> bool {
        let layout = layout.into();
        let ((layers, _), _) = layers::count(|scope| recipe(model, layout, 0, scope));
        layers.iter().all(|layer| layer.on_cuda().is_some())
    }

    /// Lays out a model for rows of `layout`. `seed` decides random masks and start values.
    pub fn new(model: &Model, layout: impl Into<Layout>, seed: u64) -> (Self, Parameters) {
        let layout = layout.into();
        let ((layers, base), parameters) = layers::lay_out(seed, |scope| recipe(model, layout, seed, scope));
        let Layout { features, context } = layout;
        let Model { width, activation, .. } = *model;
        (Self { features: features.values(), context, width, activation, layers, base }, parameters)
    }
}

/// The layers of `model` and its base, which ask `scope` for their parameters.
fn recipe(model: &Model, layout: Layout, seed: u64, scope: &mut Scope<'_>) -> (Vec<Layer>, Base) {
    let layers = stack(model, layout, seed, &mut scope.child("layers"));
    (layers, Base::lay_out(model, layout.features.values(), &mut scope.child("base")))
}

/// The layers of `model`, x-side first.
fn stack(model: &Model, layout: Layout, seed: u64, scope: &mut Scope<'_>) -> Vec<Layer> {
    let shape = layout.features;
    let mut stack = Stack { model, context: shape.values()..layout.values(), seed, scope, layers: Vec::new() };
    match image::steps(model, shape) {
        Some(steps) => stack.image(shape, &steps),
        None => stack.plain(shape.values()),
    }
    stack.conditional_base(shape.values());
    stack.layers
}

/// Layers on their way to a flow.
struct Stack<'a, 'b> {
    model: &'a Model,
    /// Where a row's context stands.
    context: Range<usize>,
    seed: u64,
    scope: &'a mut Scope<'b>,
    layers: Vec<Layer>,
}

impl Stack<'_, '_> {
    /// Adds what `make` makes in the next layer's scope.
    fn add(&mut self, make: impl FnOnce(&mut Scope<'_>) -> Layer) {
        let layer = make(&mut self.scope.child(self.layers.len()));
        self.layers.push(layer);
    }

    /// Couplings of plain features, and what stands between them.
    fn plain(&mut self, features: usize) {
        let &Model { mask, depth, mixing, .. } = self.model;
        // Of every feature, as they stand now: how many couplings have left it unchanged since one changed it.
        let mut left = vec![0; features];
        for (number, mut mask) in masks(mask, features, depth, self.seed).into_iter().enumerate() {
            if number > 0
                && let Some(order) = order(mixing, features, self.seed, number)
            {
                left = order.iter().map(|&from| left[from]).collect();
                mask = mask.changing_longest_left(&left);
                self.permutation(order);
            }
            self.lu(&Channels::plain(features));
            left.iter_mut().for_each(|left| *left += 1);
            mask.changed.iter().for_each(|&i| left[i] = 0);
            self.coupling(mask, self.model.width);
            self.normalization(&Channels::plain(features));
        }
        self.lu(&Channels::plain(features));
    }

    /// Couplings of images, and what stands between them: over the channels of every pixel of the image that a coupling works on.
    fn image(&mut self, shape: Shape, steps: &[Step]) {
        let &Model { mixing, width, widen, .. } = self.model;
        for (number, Step { view, mask, squeezed, .. }) in steps.iter().enumerate() {
            let channels = view.channels();
            if number > 0
                && channels.count > 1
                && let Some(order) = order(mixing, channels.count, self.seed, number)
            {
                let mut places: Vec<usize> = (0..shape.values()).collect();
                for pixel in channels.places.chunks_exact(channels.count) {
                    order.iter().zip(pixel).for_each(|(&from, &to)| places[to] = pixel[from]);
                }
                self.permutation(places);
            }
            self.lu(&channels);
            let maps = if widen == Some(true) { width << squeezed } else { width };
            self.coupling(mask.clone(), maps);
            self.normalization(&channels);
        }
        if let Some(Step { view, .. }) = steps.last() {
            self.lu(&View::channels(view));
        }
    }

    /// Another order of the features; the context stays where it is.
    fn permutation(&mut self, mut order: Vec<usize>) {
        order.extend(self.context.clone());
        self.layers.push(Layer::Permutation(Permutation { order }));
    }

    fn lu(&mut self, channels: &Channels) {
        if self.model.mixing == Mixing::Lu {
            self.add(|scope| Layer::Lu(Lu::lay_out(scope, channels.clone())));
        }
    }

    fn normalization(&mut self, channels: &Channels) {
        match self.model.normalization {
            Normalization::None => {}
            Normalization::Batch => {
                self.add(|scope| Layer::BatchNorm(BatchNorm::lay_out(scope, channels.clone())));
            }
            Normalization::Act => self.add(|scope| Layer::ActNorm(ActNorm::lay_out(scope, channels.clone()))),
        }
    }

    /// A base whose location and scale are functions of the context, if asked: an affine map of its points onto those of the base
    /// that is the same for all, whose networks read the context alone.
    fn conditional_base(&mut self, features: usize) {
        let model = self.model;
        if model.conditional_base && !self.context.is_empty() {
            let mask = Mask::unconditional((0..features).collect()).given(self.context.clone());
            let networks = match model.network {
                // A context is no image.
                NetworkKind::Conv => Networks {
                    kind: NetworkKind::Mlp,
                    depth: 2,
                    batch_norm: false,
                    weight_norm: false,
                    ..networks(model, model.width)
                },
                NetworkKind::Mlp | NetworkKind::Residual => networks(model, model.width),
            };
            let scale = model.scale.unwrap_or_default();
            self.add(|scope| Layer::Coupling(Coupling::affine(scope, mask, networks, true, scale)));
        }
    }

    /// A coupling whose networks have this width and read the context too, and one of what it keeps, if asked.
    fn coupling(&mut self, mask: Mask, width: usize) {
        let model = self.model;
        let spline = Spline { bins: model.bins.unwrap_or(8), bound: model.tail_bound.unwrap_or(5.0) as f32 };
        let networks = networks(model, width);
        let (kept, mask) = (mask.kept.clone(), mask.given(self.context.clone()));
        self.add(|scope| {
            Layer::Coupling(match model.coupling {
                CouplingKind::Affine => {
                    // A convolutional network says both s and t.
                    let joint = model.joint.unwrap_or(false) || model.network == NetworkKind::Conv;
                    Coupling::affine(scope, mask, networks, joint, model.scale.unwrap_or_default())
                }
                CouplingKind::Additive => Coupling::additive(scope, mask, networks),
                CouplingKind::Spline => Coupling::spline(scope, mask, networks, spline),
            })
        });
        if model.kept == Some(Kept::Spline) && !kept.is_empty() {
            let alone = Mask::unconditional(kept).given(self.context.clone());
            self.add(|scope| Layer::Coupling(Coupling::spline(scope, alone, networks, spline)));
        }
    }
}

/// What the networks of `model` are like where they have this width.
fn networks(model: &Model, width: usize) -> Networks {
    let inner = match model.network {
        NetworkKind::Mlp => model.hidden_layers,
        NetworkKind::Residual | NetworkKind::Conv => model.blocks,
    };
    Networks {
        kind: model.network,
        width,
        depth: inner.unwrap_or(2),
        activation: model.activation,
        dropout: Dropout { rate: model.dropout as f32 },
        batch_norm: model.network_batch_norm.unwrap_or(false),
        weight_norm: model.network_weight_norm.unwrap_or(false),
    }
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
            coupling: CouplingKind::Affine,
            mixing: Mixing::None,
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
