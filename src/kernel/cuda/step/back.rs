//! The way back: gradients of a step.

use bytemuck::{Pod, Zeroable};

use super::{LayerMemory, Step, Weights};
use crate::flow::Architecture;
use crate::kernel::cuda::device::{Address, Device, Factor, Kernel, Product};
use crate::kernel::cuda::layers::{BatchNorm, Commands, Coupling, FLOAT, Layer, NetworkMemory, arguments, lanes};
use crate::spec::Activation;

/// Neighbouring columns to be summed over rows, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Columns {
    from: Address,
    to: Address,
    stride: u32,
    count: u32,
}

/// The largest [`Columns::count`].
const COLUMNS: usize = 32;

impl<D: Device> Step<D> {
    /// From the rows behind the last layer to the gradients of all weights but those that are sums over rows.
    pub(super) fn backward(
        &self,
        commands: &mut Commands,
        architecture: &Architecture,
        layers: &[Layer],
        weights: Weights,
    ) {
        let (rows, features) = (self.rows, architecture.features);
        let per_row = 1.0 / rows as f32;
        let Weights { values, gradient, .. } = weights;
        let lanes = lanes(features);
        commands.launch(
            Kernel::Lose,
            rows * lanes,
            arguments![self.x[layers.len()], self.log_det, self.d, self.row_loss, per_row, rows, features, lanes,],
        );
        for (at, (layer, memory)) in layers.iter().zip(&self.layers).enumerate().rev() {
            // The coupling above has left what its networks found for the features they read.
            let above = self.reader(layers, at + 1);
            match (layer, memory) {
                (Layer::Coupling(coupling), LayerMemory::Coupling { kept, hidden, out, product }) => {
                    commands.launch(
                        Kernel::CoupleBack,
                        rows * features,
                        arguments![
                            *out,
                            values,
                            coupling.place.scale,
                            self.x[at],
                            self.d,
                            *product,
                            coupling.role,
                            above.slot,
                            above.kept,
                            self.d_kept,
                            per_row,
                            rows,
                            features,
                            coupling.changed(),
                        ],
                    );
                    let memory = NetworkMemory { kept: *kept, hidden, out: *out };
                    self.networks_back(commands, coupling, &memory, architecture.activation, weights, at == 0);
                }
                (Layer::BatchNorm(norm), &LayerMemory::BatchNorm { normal, inverse_deviation, .. }) => {
                    let BatchNorm { log_gamma, beta, .. } = *norm;
                    commands.launch_blocks(
                        Kernel::NormaliseBack,
                        features,
                        arguments![
                            normal,
                            self.d,
                            values,
                            gradient,
                            log_gamma,
                            beta,
                            inverse_deviation,
                            above.slot,
                            above.kept,
                            self.d_kept,
                            rows,
                            features,
                        ],
                    );
                }
                _ => unreachable!("memory is laid out layer by layer"),
            }
        }
    }

    /// From the gradients of s and t, in `memory.out`, to those of the weights and of the kept features. Hidden layers
    /// become their own gradients. Nobody asks for the kept features of the `first` layer.
    fn networks_back(
        &self,
        commands: &mut Commands,
        coupling: &Coupling,
        memory: &NetworkMemory<'_>,
        activation: Activation,
        weights: Weights,
        first: bool,
    ) {
        let rows = self.rows;
        let pairs = coupling.pairs();
        let last = pairs.len() - 1;
        for (at, pair) in pairs.iter().enumerate().rev().filter(|(_, pair)| pair.inputs > 0) {
            let output = if at == last { memory.out } else { memory.hidden[at] };
            let d = Factor { address: output, transposed: false, stride: rows * pair.outputs };
            let input = match at {
                0 => Factor { address: memory.kept, transposed: true, stride: 0 },
                _ => Factor { address: memory.hidden[at - 1], transposed: true, stride: rows * pair.inputs },
            };
            let offset = FLOAT * pair.weight as u64;
            commands.product(Product {
                rows: pair.inputs,
                inner: rows,
                columns: pair.outputs,
                a: input,
                b: d,
                c: weights.gradient + offset,
                stride: pair.stride,
                count: 2,
            });
            if at == 0 && first {
                continue;
            }
            let to = if at == 0 { self.d_kept } else { self.d_hidden };
            commands.product(Product {
                rows,
                inner: pair.outputs,
                columns: pair.inputs,
                a: d,
                b: Factor { address: weights.values + offset, transposed: true, stride: pair.stride },
                c: to,
                stride: rows * pair.inputs,
                count: 2,
            });
            if at > 0 {
                let count = 2 * rows * pair.inputs;
                let is_tanh = activation == Activation::Tanh;
                commands.launch(
                    Kernel::ActivateBack,
                    count,
                    arguments![memory.hidden[at - 1], self.d_hidden, count, is_tanh],
                );
            }
        }
    }
}

/// What is summed over rows after the way back: gradients of biases, where the gradients of their layers' outputs stand,
/// and of scales.
pub(super) fn columns(layers: &[Layer], memory: &[LayerMemory], weights: Weights, rows: usize) -> Vec<Columns> {
    let mut all = Vec::new();
    let mut add = |from: Address, offset: usize, width: usize| {
        for start in (0..width).step_by(COLUMNS) {
            let count = COLUMNS.min(width - start) as u32;
            let to = weights.gradient + FLOAT * (offset + start) as u64;
            all.push(Columns { from: from + FLOAT * start as u64, to, stride: width as u32, count });
        }
    };
    for (layer, memory) in layers.iter().zip(memory) {
        let (Layer::Coupling(coupling), LayerMemory::Coupling { hidden, out, product, .. }) = (layer, memory) else {
            continue;
        };
        for (at, pair) in coupling.pairs().iter().enumerate() {
            let d = hidden.get(at).copied().unwrap_or(*out);
            for (net, &bias) in (0..).zip(&pair.bias) {
                add(d + net * FLOAT * (rows * pair.outputs) as u64, bias, pair.outputs);
            }
        }
        add(*product, coupling.place.scale, coupling.changed());
    }
    all
}
