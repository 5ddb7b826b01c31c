//! The layers of a flow as a device sees them, and the commands that take rows through them.

use super::device::{Address, Argument, BLOCK, Command, Device, Factor, Kernel, Memory, Product};
use crate::flow::{self, Architecture, BATCH_NORM_EPSILON, CouplingLayer, DeviceError};
use crate::spec::Activation;

/// No address.
pub(super) const NULL: Address = 0;

/// Bytes of a float.
pub(super) const FLOAT: u64 = 4;

/// A list of arguments from values of several types.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => { vec![$($crate::kernel::cuda::Argument::from($value)),*] };
}
pub(super) use arguments;

/// Commands as they are gathered.
#[derive(Default)]
pub(super) struct Commands(pub Vec<Command>);

impl Commands {
    /// A kernel on at least `threads` threads.
    pub fn launch(&mut self, kernel: Kernel, threads: usize, arguments: Vec<Argument>) {
        self.launch_blocks(kernel, threads.div_ceil(BLOCK), arguments);
    }

    pub fn launch_blocks(&mut self, kernel: Kernel, blocks: usize, arguments: Vec<Argument>) {
        self.0.push(Command::Launch { kernel, blocks, arguments });
    }

    pub fn product(&mut self, product: Product) {
        self.0.push(Command::Product(product));
    }
}

/// How many threads share a row of `features` features: a power of two, at most a warp.
pub(super) fn lanes(features: usize) -> usize {
    features.next_power_of_two().min(32)
}

/// Who reads the rows that a layer writes: where the next layer is a coupling, its kept features are put aside at once.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub slot: Address,
    pub kept: usize,
    pub rows: Address,
}

impl Reader {
    pub const NOBODY: Self = Self { slot: NULL, kept: 0, rows: NULL };
}

pub(super) enum Layer {
    Coupling(Coupling),
    BatchNorm(BatchNorm),
}

impl Layer {
    /// The layers of `architecture`; their tables lie in `memory`.
    pub fn place<D: Device>(architecture: &Architecture, memory: &mut Memory<D>) -> Result<Vec<Self>, DeviceError> {
        let features = architecture.features;
        let place = |layer: &flow::Layer| {
            Ok(match layer {
                flow::Layer::Coupling(place) => {
                    let table = |chosen: &[usize]| {
                        let mut table = vec![-1i32; features];
                        chosen.iter().zip(0..).for_each(|(&feature, at)| table[feature] = at);
                        table
                    };
                    let slot = match place.mask.kept.as_slice() {
                        [] => NULL,
                        kept => memory.holding(&table(kept))?,
                    };
                    let role = memory.holding(&table(&place.mask.changed))?;
                    Self::Coupling(Coupling { place: place.clone(), features, role, slot })
                }
                &flow::Layer::BatchNorm { log_gamma, beta, running_mean, running_variance } => {
                    Self::BatchNorm(BatchNorm { features, log_gamma, beta, running_mean, running_variance })
                }
            })
        };
        architecture.layers.iter().map(place).collect()
    }

    pub fn coupling(&self) -> Option<&Coupling> {
        match self {
            Self::Coupling(coupling) => Some(coupling),
            Self::BatchNorm(_) => None,
        }
    }
}

pub(super) struct Coupling {
    pub place: CouplingLayer,
    features: usize,
    /// Of every feature: its place among the changed ones, or −1.
    pub role: Address,
    /// Of every feature: its place among the kept ones, or −1. Null where none is kept.
    pub slot: Address,
}

/// The maps of the same depth in both networks of a coupling.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub inputs: usize,
    pub outputs: usize,
    /// Offset of the s network's weight.
    pub weight: usize,
    /// Offsets of both biases.
    pub bias: [usize; 2],
    /// Floats from the s network's weight to that of t.
    pub stride: usize,
}

/// Where a coupling's networks find and leave their numbers.
pub(super) struct NetworkMemory<'a> {
    /// The kept features, shape `[rows, kept]`.
    pub kept: Address,
    /// The hidden layers, each shape `[2, rows, width]`; where there are fewer than layers, they are used in turn.
    pub hidden: &'a [Address],
    /// s before tanh and t, shape `[2, rows, changed]`.
    pub out: Address,
}

/// The rows that a coupling takes from `x` to `z`; they may be the same.
pub(super) struct Passage {
    pub x: Address,
    pub z: Address,
    pub log_det: Address,
    pub rows: usize,
    pub inverse: bool,
}

impl Coupling {
    pub fn changed(&self) -> usize {
        self.place.mask.changed.len()
    }

    pub fn kept(&self) -> usize {
        self.place.mask.kept.len()
    }

    pub fn reader(&self, rows: Address) -> Reader {
        Reader { slot: self.slot, kept: self.kept(), rows }
    }

    /// The maps of both networks, input to output.
    pub fn pairs(&self) -> Vec<Pair> {
        let pair = |(s, t): (&flow::Linear, &flow::Linear)| Pair {
            inputs: s.inputs,
            outputs: s.outputs,
            weight: s.weight,
            bias: [s.bias, t.bias],
            stride: t.weight - s.weight,
        };
        self.place.s.iter().zip(&self.place.t).map(pair).collect()
    }

    /// Computes s and t, but for the last biases.
    pub fn networks(
        &self,
        commands: &mut Commands,
        values: Address,
        memory: &NetworkMemory<'_>,
        rows: usize,
        activation: Activation,
    ) {
        let pairs = self.pairs();
        let last = pairs.len() - 1;
        let mut input = Factor { address: memory.kept, transposed: false, stride: 0 };
        for (at, pair) in pairs.iter().enumerate().filter(|(_, pair)| pair.inputs > 0) {
            let output = if at == last { memory.out } else { memory.hidden[at % memory.hidden.len()] };
            let stride = rows * pair.outputs;
            commands.product(Product {
                rows,
                inner: pair.inputs,
                columns: pair.outputs,
                a: input,
                b: Factor { address: values + FLOAT * pair.weight as u64, transposed: false, stride: pair.stride },
                c: output,
                stride,
                count: 2,
            });
            if at < last {
                let is_tanh = activation == Activation::Tanh;
                commands.launch(
                    Kernel::Activate,
                    2 * stride,
                    arguments![output, values, pair.bias[0], pair.bias[1], rows, pair.outputs, is_tanh],
                );
            }
            input = Factor { address: output, transposed: false, stride };
        }
    }

    /// Takes rows through, once s and t stand in `out`.
    pub fn couple(&self, commands: &mut Commands, values: Address, out: Address, passage: &Passage, reader: Reader) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let lanes = lanes(self.features);
        let [s, t] = self.pairs().last().map_or([0; 2], |pair| pair.bias);
        let has_networks = self.kept() > 0;
        commands.launch(
            Kernel::Couple,
            rows * lanes,
            arguments![
                out,
                values,
                s,
                t,
                self.place.scale,
                x,
                z,
                log_det,
                self.role,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                self.features,
                self.changed(),
                has_networks,
                inverse,
                lanes,
            ],
        );
    }
}

#[derive(Clone, Copy)]
pub(super) struct BatchNorm {
    pub features: usize,
    pub log_gamma: usize,
    pub beta: usize,
    pub running_mean: usize,
    pub running_variance: usize,
}

impl BatchNorm {
    /// Takes rows through with the running statistics.
    pub fn running(&self, commands: &mut Commands, values: Address, passage: &Passage, reader: Reader) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let lanes = lanes(self.features);
        commands.launch(
            Kernel::NormaliseRunning,
            rows * lanes,
            arguments![
                x,
                z,
                values,
                self.log_gamma,
                self.beta,
                self.running_mean,
                self.running_variance,
                log_det,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                self.features,
                BATCH_NORM_EPSILON,
                inverse,
                lanes,
            ],
        );
    }
}
