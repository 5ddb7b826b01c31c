//! A network in training: forward by the batch's statistics, and back.

use super::convolution::{Description, Image, PlacedConvolution, by_four, place_convolution, plain, width};
use super::forward::{ConvForward, Ends, Hidden};
use super::place::{ConvPlace, MapPlace, parts};
use crate::compute::DeviceError;
use crate::compute::cuda::{Address, Commands, Device, FLOAT, Kernel, Memory, NULL, arguments};
use crate::layers::coupling::cuda::{Group, NoiseOnCuda};
use crate::layers::cuda::ALIGNED;

/// A network in training.
pub(crate) struct ConvTraining {
    forward: ConvForward,
    /// Of every map but the first, the way back to what it reads; of the first where that is asked for.
    back: Vec<PlacedConvolution>,
    /// Weights as the way back needs them, of every map.
    turned: Vec<Address>,
    /// Of every map, what the gradient of its weights is found from.
    weights: Vec<PlacedConvolution>,
    /// The gradient of all values.
    gradient: Address,
    scratch: ConvScratch,
    /// The state of the stretch of steps.
    control: Address,
}

/// What all networks of a flow need for the way back, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct ConvScratch {
    /// The gradients of h so far, of what stands within a block, and of what the relu before it gives, each shape
    /// `[rows, pixels, maps]`.
    d: [Address; 3],
    /// Parts of gradients.
    partial: Address,
}

impl ConvScratch {
    /// Room for all of these, in steps of so many rows.
    pub fn new<'a, D: Device>(
        memory: &mut Memory<D>,
        places: impl Iterator<Item = &'a ConvPlace>,
        rows: usize,
    ) -> Result<Self, DeviceError> {
        let [mut hidden, mut partial] = [0; 2];
        for place in places {
            (hidden, partial) = (hidden.max(rows * place.hidden()), partial.max(place.partial(rows)));
        }
        let mut d = || memory.room::<f32>(hidden);
        let d = [d()?, d()?, d()?];
        Ok(Self { d, partial: memory.room::<f32>(partial)? })
    }
}

impl ConvTraining {
    /// For steps of so many rows. `d_kept`: where the gradient of what it reads goes, shape `[rows, kept]`.
    pub fn new<D: Device>(
        memory: &mut Memory<D>,
        (group, place): (&Group, &ConvPlace),
        rows: usize,
        [values, gradient, control]: [Address; 3],
        ends: Ends,
        d_kept: Address,
        scratch: ConvScratch,
    ) -> Result<Self, DeviceError> {
        let relus = 2 * place.blocks.len() + 1;
        let mut rooms = || (0..relus).map(|_| memory.room::<f32>(rows * place.hidden())).collect::<Result<Vec<_>, _>>();
        let before = rooms()?;
        let active = if place.norms.is_empty() { before.clone() } else { rooms()? };
        let forward = ConvForward::new(memory, (group, place), values, ends, Hidden { before, active })?;
        let turned = place
            .convolutions()
            .map(|map| memory.room::<f32>(map.side * map.side * map.outputs * map.inputs.next_multiple_of(ALIGNED)));
        let turned = turned.collect::<Result<Vec<_>, _>>()?;
        let (back, weights) = (Vec::new(), Vec::new());
        let mut training = Self { forward, back, turned, weights, gradient, scratch, control };
        let described = training.described(d_kept);
        for [back, weights] in &described {
            training.back.push(place_convolution(memory, back)?);
            training.weights.push(place_convolution(memory, weights)?);
        }
        Ok(training)
    }

    /// Of every map, from the first to the last: the way back to what it reads, and what the gradient of its weights is found from.
    fn described(&self, d_kept: Address) -> Vec<[Description; 2]> {
        let ConvForward { place, hidden: Hidden { active, .. }, tables, input, out, .. } = &self.forward;
        let [d, d_inner, d_next] = self.scratch.d;
        let normalised = !place.norms.is_empty();
        let whole = |at: Address| Image::whole(at, place.pixels(), place.maps);
        let of_gradient = |described: &Description, out: Image| by_four(Description { out, ..*described });
        self.forward
            .described()
            .iter()
            .enumerate()
            .map(|(number, forward)| {
                let relus = active.len();
                let (from, to) = match number {
                    0 => (whole(d), Image { at: d_kept, ..*input }),
                    _ if number == relus => (*out, whole(d)),
                    // The second convolution of a block, and the first.
                    _ if number % 2 == 0 => (whole(d), whole(d_inner)),
                    _ => (whole(d_inner), whole(if normalised { d_next } else { d })),
                };
                let map = self.forward.map(number);
                let [height, width] = place.size;
                let pitch = map.inputs.next_multiple_of(ALIGNED);
                let sizes = [height, width, map.side, map.outputs, map.inputs, pitch];
                let back = plain(from, to, self.turned[number], sizes);
                let back = match number {
                    0 => Description { pixels: tables.kept, ..back },
                    _ => {
                        let positive = active[number - 1];
                        let numbers = if number == relus { tables.changed_numbers } else { NULL };
                        let add = if !normalised && number % 2 == 1 && number < relus { d } else { NULL };
                        let dropped = number % 2 == 0 && place.dropout.is_on();
                        let factor = if dropped { place.dropout.scale_on_cuda() } else { 1.0 };
                        Description { positive, numbers, add, factor, ..back }
                    }
                };
                [back, of_gradient(forward, from)]
            })
            .collect()
    }

    /// Takes rows through with the batch's statistics.
    pub fn forward(&self, commands: &mut Commands, rows: usize, noise: Option<NoiseOnCuda>) {
        self.forward.forward(commands, rows, Some(self.control), noise);
    }

    /// The way back through [`forward`](Self::forward), once the gradient of what the network says stands where it said it.
    /// `asked`: whether anybody asks for the gradient of what it reads.
    pub fn backward(&self, commands: &mut Commands, rows: usize, asked: bool) {
        let ConvForward { place, hidden: Hidden { before, .. }, .. } = &self.forward;
        let [d, d_inner, d_next] = self.scratch.d;
        for number in (0..self.back.len()).rev() {
            self.weights_back(commands, number, rows);
            if number > 0 || asked {
                self.turn(commands, number);
                self.back[number].launch(commands, rows);
            }
            let Some(relu) = number.checked_sub(1).filter(|&relu| relu < place.norms.len()) else { continue };
            let x = before[relu];
            match (relu % 2, relu + 1 == before.len()) {
                (0, true) => self.norm_back(commands, relu, rows, [x, d, NULL, d]),
                (0, false) => self.norm_back(commands, relu, rows, [x, d_next, d, d]),
                _ => self.norm_back(commands, relu, rows, [x, d_inner, NULL, d_inner]),
            }
        }
    }

    /// The way back through normalisation `number`, which read `x`, from `d` to `to`, plus `add`.
    fn norm_back(&self, commands: &mut Commands, number: usize, rows: usize, [x, d, add, to]: [Address; 4]) {
        let ConvForward { place, values, lines, .. } = &self.forward;
        let (norm, lines, pixels) = (place.norms[number], lines[number], rows * place.pixels());
        norm.line_back(commands, [x, d], [*values, self.gradient], pixels, lines, NULL);
        lines.back(commands, [x, d, add, to], pixels);
    }

    /// The gradient of the weights of map `number`.
    fn weights_back(&self, commands: &mut Commands, number: usize, rows: usize) {
        let (map, PlacedConvolution { at, count, .. }) = (self.forward.map(number), self.weights[number]);
        let (parts, wide) = (parts(&map, rows * count), width(map.columns));
        let tiles = (map.terms() + 1).div_ceil(4096 / wide) * map.columns.div_ceil(wide);
        let kernel = if wide == 32 { Kernel::ConvolveWeightsNarrow } else { Kernel::ConvolveWeightsWide };
        let to = self.gradient + FLOAT * map.weight as u64;
        let partial = if parts == 1 { to } else { self.scratch.partial };
        commands.launch_blocks(kernel, parts * tiles, arguments![at, partial, parts, rows]);
        if parts > 1 {
            commands.launch(Kernel::AddParts, map.weights(), arguments![partial, to, parts, map.weights()]);
        }
        if let Some(magnitude) = map.magnitude {
            let place = |start: Address, offset: usize| start + FLOAT * offset as u64;
            let values = self.forward.values;
            let found = arguments![place(values, map.weight), place(values, magnitude), to];
            let to = arguments![place(self.gradient, magnitude), map.terms(), map.columns];
            commands.launch_blocks(Kernel::NormaliseWeightsBack, map.columns, [found, to].concat());
        }
    }

    /// The weights of map `number` as the way back needs them.
    fn turn(&self, commands: &mut Commands, number: usize) {
        let MapPlace { side, inputs, outputs, columns, .. } = self.forward.map(number);
        let pitch = inputs.next_multiple_of(ALIGNED);
        let (from, to) = (self.forward.weights[number], self.turned[number]);
        let sizes = arguments![from, to, side * side, inputs, outputs, columns, pitch];
        commands.launch(Kernel::Turn, side * side * outputs * pitch, sizes);
    }
}
