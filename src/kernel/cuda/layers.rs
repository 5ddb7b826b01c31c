//! The layers of a flow as a device sees them, and the commands that take rows through them.

use super::layout::{Group, Layout, LuPlace, Maps, Norm, coupling};
use super::order::{self, Columns};
use crate::compute::cuda::{
    Address, Behind, Commands, Device, FLOAT, Factor, Kernel, Memory, NULL, Product, Then, arguments, is_small, lanes,
};
use crate::flow::{Architecture, DeviceError, Mask};
use crate::layers::CouplingForm;
use crate::layers::NetworkForm;
use crate::layers::cuda::{OnCuda, Passage, PlacedActNorm, PlacedBatchNorm, PlacedLu, Reader};
use crate::spec::Activation;

pub(super) enum Layer {
    Coupling(Coupling),
    BatchNorm(PlacedBatchNorm),
    ActNorm(PlacedActNorm),
    Lu(PlacedLu),
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
        let lu = |place: &LuPlace| -> Result<PlacedLu, DeviceError> {
            let &LuPlace { matrix, bias, ref columns } = place;
            let order: Vec<i32> = columns.iter().map(|&column| column as i32).collect();
            Ok(PlacedLu { features, matrix, bias, order: memory.holding(&order)? })
        };
        let lus = layout.lus.iter().map(lu).collect::<Result<Vec<_>, _>>()?;
        let (mut couplings, mut norms, mut lus) = (0.., layout.norms.iter(), lus.into_iter());
        let mut passed = vec![0; layout.groups.len()];
        let place = |(layer, _)| {
            Some(match layer {
                OnCuda::Coupling(place) => {
                    let at = 4 * (couplings.next()? * features) as u64;
                    let slot = if place.mask.kept.is_empty() { NULL } else { tables.slot + at };
                    let group = layout.group(&place)?;
                    let number = passed[group];
                    passed[group] += 1;
                    Self::Coupling(Coupling { group, number, features, role: tables.role + at, slot })
                }
                OnCuda::BatchNorm(_) | OnCuda::ActNorm(_) => match *norms.next()? {
                    Norm::Batch(norm) => Self::BatchNorm(norm),
                    Norm::Act(norm) => Self::ActNorm(norm),
                },
                OnCuda::Lu(_) => Self::Lu(lus.next()?),
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
    /// Its group.
    pub group: usize,
    /// Which coupling of its group it is, from 0.
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
    /// What every map but the first reads, each shape `[networks, rows, width]`; where there are fewer than maps, they are used in
    /// turn.
    pub hidden: &'a [Address],
    /// What goes past the blocks of residual networks, of the same shape.
    pub stream: Address,
    /// What the networks say, shape `[networks, rows, said]`.
    pub out: Address,
}

/// What a coupling's networks leave, and the gradients of it.
pub(super) struct NetworkGradients<'a> {
    /// What every map but the first has read, each shape `[networks, rows, width]`.
    pub hidden: &'a [Address],
    /// The gradients with respect to what every map but the last gave, of the same shapes.
    pub d_hidden: &'a [Address],
    /// The gradients with respect to what the networks say, shape `[networks, rows, said]`.
    pub d_out: Address,
    /// Where those with respect to the kept features go, shape `[networks, rows, kept]`. Null: nobody asks.
    pub d_kept: Address,
}

impl Coupling {
    pub fn reader(&self, group: &Group, rows: Address) -> Reader {
        Reader { slot: self.slot, kept: group.kept, rows, networks: group.networks() }
    }

    /// Computes what the networks say, but for the last biases.
    pub fn networks(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        memory: &NetworkMemory<'_>,
        rows: usize,
        activation: Activation,
    ) {
        if !group.has_networks() {
            return;
        }
        let &NetworkMemory { kept, hidden, stream, out } = memory;
        let activated = Behind { then: activation.into(), ..Behind::NOTHING };
        let last = group.maps.len() - 1;
        let mut input = Factor { address: kept, transposed: false, stride: 0 };
        for (at, maps) in group.maps.iter().enumerate() {
            let output = if at == last { out } else { hidden[at % hidden.len()] };
            let behind = match group.kind() {
                _ if at == last => Behind::NOTHING,
                // The second map of a block, or that before all: what it gives goes past the next block, which reads its
                // activation.
                NetworkForm::Residual if at % 2 == 0 => {
                    let add = if at == 0 { NULL } else { stream };
                    match at + 1 == last {
                        true => Behind { then: Then::Bias, add, ..Behind::NOTHING },
                        false => Behind { add, plain: stream, ..activated },
                    }
                }
                NetworkForm::Mlp | NetworkForm::Residual => activated,
            };
            self.forward_map(commands, maps, values, input, output, rows, behind);
            input = Factor { address: output, transposed: false, stride: rows * maps.outputs };
        }
    }

    /// The way back through [`networks`](Self::networks).
    pub fn networks_back(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        gradients: &NetworkGradients<'_>,
        rows: usize,
        activation: Activation,
    ) {
        if !group.has_networks() {
            return;
        }
        let &NetworkGradients { hidden, d_hidden, d_out, d_kept } = gradients;
        let last = group.maps.len() - 1;
        for (at, maps) in group.maps.iter().enumerate().rev() {
            let d = if at == last { d_out } else { d_hidden[at] };
            if at == 0 {
                if d_kept != NULL {
                    self.backward_map(commands, maps, values, d, d_kept, rows, Behind::NOTHING);
                }
                continue;
            }
            let activated = Behind { then: activation.into(), h: hidden[at - 1], ..Behind::NOTHING };
            let behind = match group.kind() {
                NetworkForm::Residual if at == last => Behind::NOTHING,
                // The first map of a block: what goes past the block has the gradient behind it too.
                NetworkForm::Residual if at % 2 == 1 => Behind { add: d_hidden[at + 1], ..activated },
                NetworkForm::Mlp | NetworkForm::Residual => activated,
            };
            self.backward_map(commands, maps, values, d, d_hidden[at - 1], rows, behind);
        }
    }

    /// Takes the rows in `input` through one map of the networks to `output`, with what comes behind it.
    #[allow(clippy::too_many_arguments)]
    fn forward_map(
        &self,
        commands: &mut Commands,
        maps: &Maps,
        values: Address,
        input: Factor,
        output: Address,
        rows: usize,
        behind: Behind,
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
            return commands.affine(&product, behind);
        }
        commands.product(product);
        if behind.then != Then::Nothing {
            let Behind { then, add, plain, .. } = behind;
            let first = maps.weight(self.number) + maps.inputs * maps.outputs;
            let last = first + (maps.networks - 1) * maps.stride();
            commands.launch(
                Kernel::Activate,
                maps.networks * rows * maps.outputs,
                arguments![output, add, plain, values, first, last, maps.networks, rows, maps.outputs, then as usize,],
            );
        }
    }

    /// Takes gradients with respect to what a map gave, in `d`, to those with respect to what stood before the activation that it
    /// read, which is `behind`.
    #[allow(clippy::too_many_arguments)]
    fn backward_map(
        &self,
        commands: &mut Commands,
        maps: &Maps,
        values: Address,
        d: Address,
        to: Address,
        rows: usize,
        behind: Behind,
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
            return commands.affine(&product, behind);
        }
        commands.product(product);
        if behind.then != Then::Nothing {
            let Behind { then, h, add, .. } = behind;
            let count = maps.networks * rows * maps.inputs;
            commands.launch(Kernel::ActivateBack, count, arguments![h, add, to, count, then as usize]);
        }
    }

    /// Takes rows through, once what the networks say stands in `out`.
    pub fn couple(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        out: Address,
        passage: &Passage,
        reader: Reader,
    ) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let lanes = lanes(self.features);
        let [first, second] = group.biases(self.number);
        let rows_from = arguments![
            x,
            z,
            log_det,
            self.role,
            reader.slot,
            reader.kept,
            reader.rows,
            rows,
            self.features,
            group.said,
        ];
        let (kernel, arguments) = match group.form() {
            CouplingForm::Spline(spline) => (
                Kernel::CoupleSpline,
                [
                    arguments![out, values, first],
                    rows_from,
                    arguments![group.list, group.has_networks()],
                    spline.arguments(),
                    arguments![inverse, lanes],
                ]
                .concat(),
            ),
            form => (
                Kernel::Couple,
                [
                    arguments![out, values, first, second, group.scale(self.number).unwrap_or(0)],
                    rows_from,
                    arguments![group.to_second(rows), group.has_networks(), form.number(), inverse, lanes],
                ]
                .concat(),
            ),
        };
        commands.launch(kernel, rows * lanes, arguments);
    }

    /// The way back through [`couple`](Self::couple), from x as it was before: `d` becomes the gradient with respect to it, but for
    /// what the networks add, `out` those of what the networks say. `product` is what `couple_back` says of it.
    #[allow(clippy::too_many_arguments)]
    pub fn couple_back(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        [out, product]: [Address; 2],
        [x, d]: [Address; 2],
        rows: usize,
        (above, d_kept): (Reader, Address),
    ) {
        let rows_from = arguments![
            self.role,
            above.slot,
            above.kept,
            d_kept,
            above.networks,
            1.0 / rows as f32,
            rows,
            self.features,
            group.said,
        ];
        let (kernel, arguments) = match group.form() {
            CouplingForm::Spline(spline) => (
                Kernel::CoupleSplineBack,
                [arguments![out, x, d], rows_from, arguments![group.list], spline.arguments()].concat(),
            ),
            form => (
                Kernel::CoupleBack,
                [
                    arguments![out, values, group.scale(self.number).unwrap_or(0), x, d, product],
                    rows_from,
                    arguments![group.to_second(rows), group.changed(), form.number()],
                ]
                .concat(),
            ),
        };
        commands.launch(kernel, rows * self.features, arguments);
    }
}
