//! Initial weights.

use rand_distr::{Distribution, Uniform};

use super::architecture::{Architecture, Layer};
use super::parameters::Parameters;
use crate::random::{Purpose, stream};

/// Fills `parameters` for the start of a run: every coupling is the identity.
///
/// Hidden maps: weights and biases uniform on ±1/√inputs (the default of PyTorch's `Linear`). The last map of every
/// network is zero, hence s = t = 0; bounds of s are one; batch normalisation is the identity on normalised data. The
/// values of a map depend on `seed` and the map's place alone.
pub fn initialise(architecture: &Architecture, parameters: &mut Parameters, seed: u64) {
    let values = parameters.values_mut();
    values.fill(0.0);
    let mut place = 0;
    for layer in &architecture.layers {
        match layer {
            Layer::BatchNorm { running_variance, .. } => {
                values[*running_variance..running_variance + architecture.features].fill(1.0);
            }
            Layer::Coupling(coupling) => {
                values[coupling.scale..coupling.scale + coupling.mask.changed.len()].fill(1.0);
                for net in [&coupling.s, &coupling.t] {
                    for map in &net[..net.len() - 1] {
                        let bound = 1.0 / (map.inputs as f32).sqrt();
                        let uniform = Uniform::new(-bound, bound).expect("a bound is positive and finite");
                        let mut rng = stream(seed, Purpose::Weights, place);
                        for range in
                            [map.weight..map.weight + map.inputs * map.outputs, map.bias..map.bias + map.outputs]
                        {
                            values[range].iter_mut().for_each(|v| *v = uniform.sample(&mut rng));
                        }
                        place += 1;
                    }
                }
            }
        }
    }
}
