//! The layers of a flow as a device sees them, and the commands that take rows through them.

use super::layout::{Layout, Maps, Norm, coupling};
use super::order::{self, Columns};
use crate::compute::cuda::{
    Address, Commands, Device, FLOAT, Factor, Kernel, Memory, NULL, Product, arguments, is_small, lanes,
};
use crate::flow::{Architecture, DeviceError, Mask};
use crate::layers::cuda::{OnCuda, Passage, PlacedActNorm, PlacedBatchNorm, Reader};
use crate::spec::Activation;

pub(super) enum Layer {
    Coupling(Coupling),
    BatchNorm(PlacedBatchNorm),
    ActNorm(PlacedActNorm),
}

impl Layer {
    /// The layers of `architecture` but for permutations, which are in the tables of the others; those lie in `memory`.
    pub fn place<D: Device>(
        architecture: &Architecture,
        layout: &Layout,
        memory: &mut Memory<D>,
    ) -> Result<(Vec<Self>, Tables), DeviceError> {
        let features = architecture.features;
        let masks = order::layers(architecture).filter_map(|(layer, columns)| Some((coupling(&layer)?.mask, columns)));
        let masks: Vec<(&Mask, Columns)> = masks.collect();
        let table = |chosen: fn(&Mask) -> &Vec<usize>| {
            let mut table = vec![-1i32; masks.len() * features];
            for ((mask, columns), places) in masks.iter().zip(table.chunks_exact_mut(features)) {
                chosen(mask).iter().zip(0..).for_each(|(&feature, at)| places[columns[feature]] = at);
            }
            table
        };
        let tables = Tables {
            slot: memory.holding(&table(|mask| &mask.kept))?,
            role: memory.holding(&table(|mask| &mask.changed))?,
        };
        let (mut couplings, mut norms) = (0.., layout.norms.iter());
        let place = |(layer, _)| {
            Some(match layer {
                OnCuda::Coupling(place) => {
                    let number = couplings.next()?;
                    let at = 4 * (number * features) as u64;
                    let slot = if place.mask.kept.is_empty() { NULL } else { tables.slot + at };
                    Self::Coupling(Coupling { number, features, role: tables.role + at, slot })
                }
                OnCuda::BatchNorm(_) | OnCuda::ActNorm(_) => match *norms.next()? {
                    Norm::Batch(norm) => Self::BatchNorm(norm),
                    Norm::Act(norm) => Self::ActNorm(norm),
                },
                OnCuda::Permutation(_) => return None,
            })
        };
        Ok((order::layers(architecture).filter_map(place).collect(), tables))
    }
}

/// What every coupling does with every feature, shape `[couplings, features]`.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// Its place among the kept ones, or −1.
    pub slot: Address,
    /// Its place among the changed ones, or −1.
    pub role: Address,
}

pub(super) struct Coupling {
    /// Which coupling of the flow it is, from 0.
    pub number: usize,
    features: usize,
    /// Of every feature: its place among the changed ones, or −1.
    pub role: Address,
    /// Of every feature: its place among the kept ones, or −1. Null where none is kept.
    pub slot: Address,
}

/// Where a coupling's networks find and leave their numbers.
pub(super) struct NetworkMemory<'a> {
    /// The kept features, shape `[rows, kept]`.
    pub kept: Address,
    /// The hidden layers, each shape `[networks, rows, width]`; where there are fewer than layers, they are used in turn.
    pub hidden: &'a [Address],
    /// What the networks say, shape `[networks, rows, changed]`.
    pub out: Address,
}

impl Coupling {
    pub fn reader(&self, layout: &Layout, rows: Address) -> Reader {
        Reader { slot: self.slot, kept: layout.kept, rows }
    }

    /// Computes what the networks say, but for the last biases.
    pub fn networks(
        &self,
        commands: &mut Commands,
        layout: &Layout,
        values: Address,
        memory: &NetworkMemory<'_>,
        rows: usize,
        activation: Activation,
    ) {
        if !layout.has_networks() {
            return;
        }
        let mut input = Factor { address: memory.kept, transposed: false, stride: 0 };
        for (at, maps) in layout.maps.iter().enumerate() {
            let is_last = at + 1 == layout.maps.len();
            let output = if is_last { memory.out } else { memory.hidden[at % memory.hidden.len()] };
            let then = if is_last { None } else { Some(activation) };
            self.forward_map(commands, maps, values, input, output, rows, then);
            input = Factor { address: output, transposed: false, stride: rows * maps.outputs };
        }
    }

    /// Takes the rows in `input` through one map of the networks to `output`, with its bias and activation where there is one.
    #[allow(clippy::too_many_arguments)]
    fn forward_map(
        &self,
        commands: &mut Commands,
        maps: &Maps,
        values: Address,
        input: Factor,
        output: Address,
        rows: usize,
        activation: Option<Activation>,
    ) {
        let weights = values + FLOAT * maps.weight(self.number) as u64;
        let product = Product {
            rows,
            inner: maps.inputs,
            columns: maps.outputs,
            a: input,
            b: Factor { address: weights, transposed: false, stride: maps.stride() },
            c: output,
            stride: rows * maps.outputs,
            count: maps.networks,
        };
        if is_small(&product) {
            return commands.affine(&product, NULL, activation);
        }
        commands.product(product);
        if let Some(activation) = activation {
            let [s, t] = maps.bias(self.number);
            let is_tanh = activation == Activation::Tanh;
            commands.launch(
                Kernel::Activate,
                maps.networks * rows * maps.outputs,
                arguments![output, values, s, t, maps.networks, rows, maps.outputs, is_tanh],
            );
        }
    }

    /// Takes gradients with respect to what a map gave, in `d`, to those with respect to what it read; with the activation that
    /// gave those, and its values.
    #[allow(clippy::too_many_arguments)]
    pub fn backward_map(
        &self,
        commands: &mut Commands,
        maps: &Maps,
        values: Address,
        d: Address,
        to: Address,
        rows: usize,
        activated: Option<(Activation, Address)>,
    ) {
        let weights = values + FLOAT * maps.weight(self.number) as u64;
        let product = Product {
            rows,
            inner: maps.outputs,
            columns: maps.inputs,
            a: Factor { address: d, transposed: false, stride: rows * maps.outputs },
            b: Factor { address: weights, transposed: true, stride: maps.stride() },
            c: to,
            stride: rows * maps.inputs,
            count: maps.networks,
        };
        if is_small(&product) {
            let (activation, h) = activated.unzip();
            return commands.affine(&product, h.unwrap_or(NULL), activation);
        }
        commands.product(product);
        if let Some((activation, h)) = activated {
            let count = maps.networks * rows * maps.inputs;
            let is_tanh = activation == Activation::Tanh;
            commands.launch(Kernel::ActivateBack, count, arguments![h, to, count, is_tanh]);
        }
    }

    /// Takes rows through, once what the networks say stands in `out`.
    pub fn couple(
        &self,
        commands: &mut Commands,
        layout: &Layout,
        values: Address,
        out: Address,
        passage: &Passage,
        reader: Reader,
    ) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let lanes = lanes(self.features);
        let [s, t] = layout.maps.last().map_or([0; 2], |maps| maps.bias(self.number));
        commands.launch(
            Kernel::Couple,
            rows * lanes,
            arguments![
                out,
                values,
                s,
                t,
                layout.scale(self.number).unwrap_or(0),
                x,
                z,
                log_det,
                self.role,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                self.features,
                layout.changed,
                layout.has_networks(),
                layout.form as usize,
                inverse,
                lanes,
            ],
        );
    }
}
