//! The networks of a coupling on a GPU: all of them go through one launch a map.

use super::{Group, Maps, PlacedCoupling, Wiring};
use crate::compute::cuda::{
    Address, Behind, Commands, FLOAT, Factor, Kernel, NULL, Product, Then, arguments, is_small,
};
use crate::layers::coupling::{mlp, residual};

/// Where a coupling's networks find and leave their numbers.
pub(crate) struct NetworkMemory<'a> {
    /// The kept features, shape `[rows, kept]`.
    pub kept: Address,
    /// What every map but the first reads, each shape `[networks, rows, width]`; where there are fewer than maps, they are used in
    /// turn.
    pub hidden: &'a [Address],
    /// What goes past the blocks of residual networks, of the same shape.
    pub stream: Address,
    /// What the networks say, shape `[networks, rows, said]`.
    pub out: Address,
    /// In training, what is drawn from.
    pub noise: Option<NoiseOnCuda>,
}

/// What the noise of the steps of a stretch is drawn from.
#[derive(Clone, Copy)]
pub(crate) struct NoiseOnCuda {
    /// A number of the run's seed and the step, one a step; shape `[steps]`, u64.
    pub numbers: Address,
    /// The state of the stretch of steps.
    pub control: Address,
}

/// What a coupling's networks leave, and the gradients of it.
pub(crate) struct NetworkGradients<'a> {
    /// What every map but the first has read, each shape `[networks, rows, width]`.
    pub hidden: &'a [Address],
    /// The gradients with respect to what every map but the last gave, of the same shapes.
    pub d_hidden: &'a [Address],
    /// The gradients with respect to what the networks say, shape `[networks, rows, said]`.
    pub d_out: Address,
    /// Where those with respect to the kept features go, shape `[networks, rows, kept]`. Null: nobody asks.
    pub d_kept: Address,
}

impl PlacedCoupling {
    /// Computes what the networks say, but for the last biases.
    pub fn networks(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        rows: usize,
        memory: &NetworkMemory<'_>,
    ) {
        if !group.has_networks() || group.maps.is_empty() {
            return;
        }
        let &NetworkMemory { kept, hidden, stream, out, noise } = memory;
        let last = group.maps.len() - 1;
        let mut input = Factor { address: kept, transposed: false, stride: 0 };
        for (at, maps) in group.maps.iter().enumerate() {
            let output = if at == last { out } else { hidden[at % hidden.len()] };
            let behind = match group.wiring() {
                _ if at == last => Behind::NOTHING,
                Wiring::Mlp => mlp::behind(group.activation(), group.dropout()),
                Wiring::Residual => residual::behind(group.activation(), group.dropout(), at, last, stream),
                Wiring::Conv => Behind::NOTHING,
            };
            self.map(maps, values, rows).forward(commands, input, output, behind);
            if let Some(noise) = noise.filter(|_| behind.scale != 0.0) {
                self.drop(commands, group, at, output, rows, noise);
            }
            input = Factor { address: output, transposed: false, stride: rows * maps.outputs };
        }
    }

    /// The way back through [`networks`](Self::networks).
    pub fn networks_back(
        &self,
        commands: &mut Commands,
        group: &Group,
        values: Address,
        rows: usize,
        gradients: &NetworkGradients<'_>,
    ) {
        if !group.has_networks() {
            return;
        }
        let &NetworkGradients { hidden, d_hidden, d_out, d_kept } = gradients;
        for (at, maps) in group.maps.iter().enumerate().rev() {
            let d = d_hidden.get(at).copied().unwrap_or(d_out);
            let map = self.map(maps, values, rows);
            if at == 0 {
                if d_kept != NULL {
                    map.backward(commands, d, d_kept, Behind::NOTHING);
                }
                continue;
            }
            let behind = match group.wiring() {
                Wiring::Mlp => mlp::behind_back(group.activation(), group.dropout(), hidden[at - 1]),
                Wiring::Residual => residual::behind_back(group.activation(), group.dropout(), at, hidden, d_hidden),
                Wiring::Conv => Behind::NOTHING,
            };
            map.backward(commands, d, d_hidden[at - 1], behind);
        }
    }

    /// Drops some of the values that map `at` of every network and its activation gave, shape `[networks, rows, width]`. What
    /// stands for no unit is 0 and stays so.
    fn drop(
        &self,
        commands: &mut Commands,
        group: &Group,
        at: usize,
        values: Address,
        rows: usize,
        NoiseOnCuda { numbers, control }: NoiseOnCuda,
    ) {
        let ([first, second], dropout) = (self.hosts[at], group.dropout());
        let (networks, width) = (group.networks(), group.width);
        let drawn = arguments![values, numbers, control, first, second, networks, rows, width, width, width];
        let decided = arguments![dropout.threshold() as usize, dropout.scale_on_cuda()];
        commands.launch(Kernel::Drop, networks * rows * width, [drawn, decided].concat());
    }

    fn map<'a>(&self, maps: &'a Maps, values: Address, rows: usize) -> Map<'a> {
        Map { maps, coupling: self.number, values, rows }
    }
}

/// A map of every network of a coupling, and the rows that go through it.
struct Map<'a> {
    maps: &'a Maps,
    coupling: usize,
    values: Address,
    rows: usize,
}

impl Map<'_> {
    /// Takes the rows in `input` through to `output`, with what comes behind it.
    fn forward(&self, commands: &mut Commands, input: Factor, output: Address, behind: Behind) {
        let &Self { maps, coupling, values, rows } = self;
        let product = Product {
            rows,
            inner: maps.inputs,
            columns: maps.outputs,
            a: input,
            b: self.weights(false),
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
            let first = maps.weight(coupling) + maps.inputs * maps.outputs;
            let last = first + (maps.networks - 1) * maps.stride();
            commands.launch(
                Kernel::Activate,
                maps.networks * rows * maps.outputs,
                arguments![output, add, plain, values, first, last, maps.networks, rows, maps.outputs, then as usize,],
            );
        }
    }

    /// Takes gradients with respect to what it gave, in `d`, to those with respect to what stood before the activation that it
    /// read, which is `behind`.
    fn backward(&self, commands: &mut Commands, d: Address, to: Address, behind: Behind) {
        let &Self { maps, rows, .. } = self;
        let product = Product {
            rows,
            inner: maps.outputs,
            columns: maps.inputs,
            a: Factor { address: d, transposed: false, stride: rows * maps.outputs },
            b: self.weights(true),
            c: to,
            stride: rows * maps.inputs,
            count: maps.networks,
        };
        if is_small(&product) {
            return commands.affine(&product, behind);
        }
        commands.product(product);
        if behind.then != Then::Nothing {
            let Behind { then, h, add, scale, .. } = behind;
            let count = maps.networks * rows * maps.inputs;
            commands.launch(Kernel::ActivateBack, count, arguments![h, add, to, count, then as usize, scale]);
        }
    }

    fn weights(&self, transposed: bool) -> Factor {
        let offset = self.maps.weight(self.coupling) as u64;
        Factor { address: self.values + FLOAT * offset, transposed, stride: self.maps.stride() }
    }
}
