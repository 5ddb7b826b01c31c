//! The commands of a training step, and the memory they work in.

mod back;

use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::device::{Address, BLOCK, Command, Device, Kernel, Memory};
use super::layers::{BatchNorm, Commands, Layer, NULL, NetworkMemory, Passage, Reader, arguments};
use crate::flow::{Architecture, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, DeviceError, HALF_LN_TAU, Loss};
use crate::kernel::Optimizer;
use crate::kernel::update::Rule;

/// The state of a stretch of steps, as in `kernels.cu`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Control {
    pub step: u32,
    pub diverged: u32,
    /// Bits of a float.
    pub clip: u32,
    pub unused: u32,
}

/// The weights of a flow on its device.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// All values, trainable first.
    pub values: Address,
    /// Shape `[count]`.
    pub gradient: Address,
    /// Trainable values.
    pub count: usize,
}

/// Where an optimizer's numbers are.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    pub first: Address,
    /// Null where the rule keeps one.
    pub second: Address,
}

/// Where the rows of a step come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// They are written to the device, batch after batch.
    Given,
    /// Their places among rows that are there.
    Held(Address),
}

/// Memory for batches of `rows` rows.
pub(super) struct Step<D: Device> {
    pub rows: usize,
    source: Source,
    /// Steps that there is room for at a time.
    pub steps: usize,
    /// Given rows, shape `[steps, rows, features]`, or null.
    pub given: Address,
    /// Places of held rows, shape `[steps, rows]`, or null.
    pub places: Address,
    pub control: Address,
    /// What changes from step to step of the update, shape `[steps, 3]`.
    pub constants: Address,
    /// NLL and norm of the gradient, shape `[steps, 2]`, f64.
    losses: Address,
    /// The rows before every layer and after the last, each shape `[rows, features]`.
    x: Vec<Address>,
    log_det: Address,
    /// Of every layer.
    layers: Vec<LayerMemory>,
    /// The gradient with respect to rows, shape `[rows, features]`.
    d: Address,
    /// The gradient with respect to a hidden layer, shape `[2, rows, width]`.
    d_hidden: Address,
    /// The gradient with respect to kept features, shape `[2, rows, kept]`.
    d_kept: Address,
    /// The rows' parts of the loss, f64.
    row_loss: Address,
    /// What batch normalisations add to log_det, shape `[norms, features]`, f64.
    terms: Address,
    norms: usize,
    /// Sums of squares of the gradient's parts, f64.
    partial: Address,
    partials: usize,
    /// What is summed over rows: bias and scale gradients.
    columns: Address,
    column_blocks: usize,
    _memory: Memory<D>,
}

/// What a layer leaves for the way back.
enum LayerMemory {
    Coupling { kept: Address, hidden: Vec<Address>, out: Address, product: Address },
    BatchNorm { normal: Address, inverse_deviation: Address, term: Address },
}

impl<D: Device> Step<D> {
    pub fn new(
        device: &Rc<D>,
        architecture: &Architecture,
        layers: &[Layer],
        weights: Weights,
        rows: usize,
        source: Source,
        steps: usize,
    ) -> Result<Self, DeviceError> {
        let features = architecture.features;
        let mut memory = Memory::new(device);
        let norms = layers.iter().filter(|layer| layer.coupling().is_none()).count();
        let terms = memory.room::<f64>(norms * features)?;
        let (mut of_layers, mut x, mut widest, mut kept_most) = (Vec::new(), Vec::new(), 0, 0);
        for layer in layers {
            x.push(memory.room::<f32>(rows * features)?);
            of_layers.push(match layer {
                Layer::Coupling(coupling) => {
                    let pairs = coupling.pairs();
                    let hidden: Vec<usize> = pairs[..pairs.len() - 1].iter().map(|pair| pair.outputs).collect();
                    widest = hidden.iter().fold(widest, |widest, &width| widest.max(width));
                    kept_most = kept_most.max(coupling.kept());
                    LayerMemory::Coupling {
                        kept: memory.room::<f32>(rows * coupling.kept())?,
                        hidden: hidden
                            .into_iter()
                            .map(|width| memory.room::<f32>(2 * rows * width))
                            .collect::<Result<_, _>>()?,
                        out: memory.room::<f32>(2 * rows * coupling.changed())?,
                        product: memory.room::<f32>(rows * coupling.changed())?,
                    }
                }
                Layer::BatchNorm(_) => {
                    let earlier = of_layers.iter().filter(|m| matches!(m, LayerMemory::BatchNorm { .. })).count();
                    LayerMemory::BatchNorm {
                        normal: memory.room::<f32>(rows * features)?,
                        inverse_deviation: memory.room::<f64>(features)?,
                        term: terms + 8 * (earlier * features) as u64,
                    }
                }
            });
        }
        x.push(memory.room::<f32>(rows * features)?);
        let columns = back::columns(layers, &of_layers, weights, rows);
        let partials = weights.count.div_ceil(8 * BLOCK).clamp(1, 512);
        let held = source != Source::Given;
        Ok(Self {
            rows,
            source,
            steps,
            given: if held { NULL } else { memory.room::<f32>(steps * rows * features)? },
            places: if held { memory.room::<u32>(steps * rows)? } else { NULL },
            control: memory.room::<Control>(1)?,
            constants: memory.room::<[f32; 3]>(steps)?,
            losses: memory.room::<[f64; 2]>(steps)?,
            x,
            log_det: memory.room::<f32>(rows)?,
            layers: of_layers,
            d: memory.room::<f32>(rows * features)?,
            d_hidden: memory.room::<f32>(2 * rows * widest)?,
            d_kept: memory.room::<f32>(2 * rows * kept_most)?,
            row_loss: memory.room::<f64>(rows)?,
            terms,
            norms,
            partial: memory.room::<f64>(partials)?,
            partials,
            columns: memory.holding(&columns)?,
            column_blocks: columns.len(),
            _memory: memory,
        })
    }

    /// Whether batches of `rows` rows from `source` fit.
    pub fn is_for(&self, rows: usize, source: Source) -> bool {
        (self.rows, self.source) == (rows, source)
    }

    /// The losses of the steps since the control was written, up to the first that is not finite.
    pub fn losses(&self, device: &D) -> Result<Vec<Loss>, DeviceError> {
        let mut control = Control::default();
        device.read(self.control, bytemuck::bytes_of_mut(&mut control))?;
        let mut losses = vec![[0.0f64; 2]; (control.step + control.diverged) as usize];
        device.read(self.losses, bytemuck::cast_slice_mut(&mut losses))?;
        Ok(losses.into_iter().map(|[nll, gradient_norm]| Loss { nll, gradient_norm }).collect())
    }

    /// One step: the gradient and the loss; with an optimizer, the update too.
    pub fn commands(
        &self,
        architecture: &Architecture,
        layers: &[Layer],
        weights: Weights,
        update: Option<(&Optimizer, Moments)>,
    ) -> Vec<Command> {
        let mut commands = Commands::default();
        self.forward(&mut commands, architecture, layers, weights.values);
        self.backward(&mut commands, architecture, layers, weights);
        let &Self { rows, partial, partials, row_loss, terms, norms, losses, control, .. } = self;
        if self.column_blocks > 0 {
            commands.launch_blocks(Kernel::ColumnSums, self.column_blocks, arguments![self.columns, rows]);
        }
        commands.launch_blocks(Kernel::Squares, partials, arguments![weights.gradient, weights.count, partial]);
        let constant = architecture.features as f64 * HALF_LN_TAU;
        let clip_norm = update.map_or(0.0, |(optimizer, _)| optimizer.clip_norm());
        commands.launch_blocks(
            Kernel::Finish,
            1,
            arguments![
                partial,
                partials,
                row_loss,
                rows,
                terms,
                norms * architecture.features,
                constant,
                clip_norm,
                losses,
                control,
            ],
        );
        if let Some((optimizer, moments)) = update {
            let (rule, [a, b, c]) = match optimizer.rule() {
                Rule::Adam { betas: [first, second], epsilon, decoupled } => {
                    (usize::from(decoupled), [first, second, epsilon])
                }
                Rule::Sgd { momentum } => (2, [momentum, 0.0, 0.0]),
                Rule::Rmsprop { alpha, epsilon, momentum } => (3, [alpha, epsilon, momentum]),
            };
            let Weights { values, gradient, count } = weights;
            let Moments { first, second } = moments;
            commands.launch(
                Kernel::Update,
                count,
                arguments![
                    values,
                    gradient,
                    first,
                    second,
                    count,
                    rule,
                    a,
                    b,
                    c,
                    optimizer.weight_decay(),
                    self.constants,
                    control,
                ],
            );
        }
        commands.0
    }

    /// Who reads what layer `at` gives out.
    fn reader(&self, layers: &[Layer], at: usize) -> Reader {
        match (layers.get(at), self.layers.get(at)) {
            (Some(Layer::Coupling(coupling)), Some(&LayerMemory::Coupling { kept, .. })) => coupling.reader(kept),
            _ => Reader::NOBODY,
        }
    }

    fn forward(&self, commands: &mut Commands, architecture: &Architecture, layers: &[Layer], values: Address) {
        let (rows, features) = (self.rows, architecture.features);
        let from = match self.source {
            Source::Given => self.given,
            Source::Held(rows) => rows,
        };
        let first = self.reader(layers, 0);
        commands.launch(
            Kernel::Draw,
            rows * features,
            arguments![
                from,
                self.places,
                self.control,
                self.x[0],
                self.log_det,
                first.slot,
                first.kept,
                first.rows,
                rows,
                features,
            ],
        );
        for (at, (layer, memory)) in layers.iter().zip(&self.layers).enumerate() {
            let next = self.reader(layers, at + 1);
            let [x, z] = [self.x[at], self.x[at + 1]];
            match (layer, memory) {
                (Layer::Coupling(coupling), LayerMemory::Coupling { kept, hidden, out, .. }) => {
                    let memory = NetworkMemory { kept: *kept, hidden, out: *out };
                    coupling.networks(commands, values, &memory, rows, architecture.activation);
                    let passage = Passage { x, z, log_det: self.log_det, rows, inverse: false };
                    coupling.couple(commands, values, *out, &passage, next);
                }
                (Layer::BatchNorm(norm), &LayerMemory::BatchNorm { normal, inverse_deviation, term }) => {
                    let BatchNorm { log_gamma, beta, running_mean, running_variance, .. } = *norm;
                    commands.launch_blocks(
                        Kernel::Normalise,
                        features,
                        arguments![
                            x,
                            normal,
                            z,
                            values,
                            log_gamma,
                            beta,
                            running_mean,
                            running_variance,
                            inverse_deviation,
                            term,
                            self.control,
                            next.slot,
                            next.kept,
                            next.rows,
                            rows,
                            features,
                            BATCH_NORM_EPSILON,
                            BATCH_NORM_MOMENTUM,
                        ],
                    );
                }
                _ => unreachable!("memory is laid out layer by layer"),
            }
        }
    }
}
