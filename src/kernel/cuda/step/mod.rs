//! The commands of a training step, and the memory they work in.
//!
//! There are two ways. The [`chain`] goes layer after layer, a launch an operation, for any flow. [`whole`] takes all layers in one
//! launch there and back, for flows that are small enough: what a launch costs is then most of a step.

mod chain;
mod tiles;
mod whole;

use std::rc::Rc;

use bytemuck::{Pod, Zeroable, bytes_of, cast_slice};

use super::flow::Placed;
use crate::compute::cuda::{Address, Command, Commands, Device, Kernel, Memory, NULL, arguments};
use crate::flow::{DeviceError, Loss};
use crate::optimizer::{Constants, Optimizer};
use chain::Chain;
use whole::Whole;

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

/// Where an optimizer's numbers are.
#[derive(Clone, Copy)]
pub(super) struct PlacedState {
    /// Moments, each shape `[count]`.
    pub first: Address,
    /// Null where the rule keeps one.
    pub second: Address,
    /// The average of all values, which stand as they do. Null where none is kept.
    pub average: Address,
}

impl PlacedState {
    pub const NOTHING: Self = Self { first: NULL, second: NULL, average: NULL };
}

/// Where the rows of a step come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowSource {
    /// They are written to the device, batch after batch.
    Given,
    /// Their places among rows that are there.
    Held(Address),
}

/// What batches are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batches {
    pub rows: usize,
    pub source: RowSource,
    /// Whether rows have weights.
    pub weighted: bool,
}

/// Memory for steps over batches of a kind.
pub(super) struct Step<D: Device> {
    pub batches: Batches,
    /// Steps that there is room for at a time.
    pub steps: usize,
    desk: Desk,
    path: Path,
    _memory: Memory<D>,
}

enum Path {
    Chain(Box<Chain>),
    Whole(Whole),
}

/// What host and device tell each other about a stretch of steps: one piece of memory, so that it is brought by one copy. What the
/// device writes comes first.
#[derive(Clone, Copy)]
struct Desk {
    /// NLL and norm of the gradient, shape `[steps, 2]`, f64.
    losses: Address,
    /// The state, twice: see `advance` in `kernels.cu`. The chain uses the second alone.
    control: [Address; 2],
    /// What changes from step to step of the update, shape `[steps]`.
    constants: Address,
    /// What the noise of every step is drawn from, shape `[steps]`, u64. Null where flows draw none.
    noise: Address,
    /// The weights of rows, shape `[steps, rows]`. Null where all count alike.
    weights: Address,
    /// The rows: given ones, shape `[steps, rows, values]`, or the places of held ones, shape `[steps, rows]`.
    rows: Address,
}

/// What a stretch of steps is brought, step after step.
pub(super) struct Brought<'a> {
    pub constants: &'a [Constants],
    /// See [`Flow::draw_from`](crate::flow::Flow::draw_from).
    pub noise: &'a [u64],
    /// The weights of every batch's rows; none where all count alike.
    pub weights: Vec<&'a [f32]>,
    pub rows: BroughtRows<'a>,
}

/// The rows of a stretch as the desk takes them.
pub(super) enum BroughtRows<'a> {
    /// Given rows, batch after batch.
    Given(Vec<&'a [f32]>),
    Places(&'a [u32]),
}

impl<D: Device> Step<D> {
    pub fn new(device: &Rc<D>, placed: &Placed, batches: Batches, steps: usize) -> Result<Self, DeviceError> {
        let Batches { rows, source, weighted } = batches;
        let mut memory = Memory::new(device);
        let row = if source == RowSource::Given { placed.architecture.values() } else { 1 };
        let draws = placed.layout.groups.iter().any(|group| group.dropout().is_on());
        let sizes = [
            steps * size_of::<[f64; 2]>(),
            size_of::<[Control; 2]>(),
            steps * size_of::<Constants>(),
            if draws { steps * size_of::<u64>() } else { 0 },
            if weighted { steps * rows * size_of::<f32>() } else { 0 },
            steps * rows * row * size_of::<f32>(),
        ];
        let start = memory.room::<u8>(sizes.iter().sum())?;
        let after = |pieces: usize| start + sizes[..pieces].iter().sum::<usize>() as u64;
        let control = [after(1), after(1) + size_of::<Control>() as u64];
        let noise = if draws { after(3) } else { NULL };
        let weights = if weighted { after(4) } else { NULL };
        let desk = Desk { losses: start, control, constants: after(2), noise, weights, rows: after(5) };
        let whole = Whole::rows_a_block(placed, rows, device.sharing()).filter(|_| !weighted);
        let path = match whole {
            Some(rows_a_block) => Path::Whole(Whole::new(&mut memory, placed, rows, rows_a_block, source, &desk)?),
            None => Path::Chain(Box::new(Chain::new(&mut memory, placed, batches, &desk)?)),
        };
        Ok(Self { batches, steps, desk, path, _memory: memory })
    }

    /// Begins a stretch.
    pub fn begin(&self, device: &D, brought: &Brought<'_>) -> Result<(), DeviceError> {
        let (desk, mut bytes) = (&self.desk, bytes_of(&[Control::default(); 2]).to_vec());
        // Before a piece is the room of steps that are not taken.
        let begin = |bytes: &mut Vec<u8>, at: Address| bytes.resize((at - desk.control[0]) as usize, 0);
        bytes.extend_from_slice(cast_slice(brought.constants));
        if desk.noise != NULL {
            begin(&mut bytes, desk.noise);
            bytes.extend_from_slice(cast_slice(brought.noise));
        }
        if desk.weights != NULL {
            begin(&mut bytes, desk.weights);
            brought.weights.iter().for_each(|weights| bytes.extend_from_slice(cast_slice(weights)));
        }
        begin(&mut bytes, desk.rows);
        match &brought.rows {
            BroughtRows::Given(batches) => batches.iter().for_each(|batch| bytes.extend_from_slice(cast_slice(batch))),
            BroughtRows::Places(places) => bytes.extend_from_slice(cast_slice(places)),
        }
        device.write(desk.control[0], &bytes)
    }

    /// The losses of the steps since [`begin`](Self::begin), up to the first that is not finite.
    pub fn losses(&self, device: &D) -> Result<Vec<Loss>, DeviceError> {
        let mut bytes = vec![0u8; (self.desk.constants - self.desk.losses) as usize];
        device.read(self.desk.losses, &mut bytes)?;
        let (losses, controls) = bytes.split_at((self.desk.control[0] - self.desk.losses) as usize);
        let control: Control = bytemuck::pod_read_unaligned(&controls[size_of::<Control>()..]);
        let loss = |pair: &[u8]| {
            let [nll, gradient_norm]: [f64; 2] = bytemuck::pod_read_unaligned(pair);
            Loss { nll, gradient_norm }
        };
        let done = (control.step + control.diverged) as usize;
        Ok(losses.chunks_exact(16).take(done).map(loss).collect())
    }

    /// One step: the gradient and the loss; with an optimizer, the update too, and the average where one is kept.
    pub fn commands(&self, placed: &Placed, update: Option<(&Optimizer, PlacedState)>) -> Vec<Command> {
        let mut commands = Commands::default();
        match &self.path {
            Path::Chain(chain) => chain.commands(&mut commands, placed, self.batches, &self.desk, update),
            Path::Whole(whole) => whole.commands(&mut commands, placed, self.batches.rows, &self.desk, update),
        }
        if let Some((_, PlacedState { average, .. })) = update.filter(|(_, state)| state.average != NULL) {
            let (values, count, Desk { constants, control: [_, control], .. }) =
                (placed.weights.values, placed.layout.len, self.desk);
            commands.launch(Kernel::Average, count, arguments![average, values, count, constants, control]);
        }
        commands.0
    }
}
