//! A network on its way forward.

use super::convolution::{Description, Image, PlacedConvolution, place_convolution, plain};
use super::place::{ConvPlace, MapPlace};
use crate::compute::DeviceError;
use crate::compute::convolution::NONE;
use crate::compute::cuda::{Address, Commands, Device, FLOAT, Kernel, Memory, NULL, arguments};
use crate::layers::batch_norm::Seen;
use crate::layers::coupling::cuda::{Group, NoiseOnCuda};
use crate::layers::cuda::Lines;

/// The pixels of an image as its convolutions look for them.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// Of every pixel, its number among the kept ones and among the changed ones, or −1.
    pub kept_numbers: Address,
    pub changed_numbers: Address,
    /// The kept pixels and the changed ones.
    pub kept: Address,
    pub changed: Address,
}

impl Tables {
    pub fn new<D: Device>(memory: &mut Memory<D>, place: &ConvPlace) -> Result<Self, DeviceError> {
        let pixels = |list: &[usize]| list.iter().map(|&pixel| pixel as i32).collect::<Vec<_>>();
        let numbers: Vec<i32> =
            place.read.iter().map(|&number| if number == NONE { -1 } else { number as i32 }).collect();
        let mut changed_numbers = vec![-1i32; place.pixels()];
        place.changed.iter().zip(0..).for_each(|(&pixel, number)| changed_numbers[pixel] = number);
        Ok(Self {
            kept_numbers: memory.holding(&numbers)?,
            changed_numbers: memory.holding(&changed_numbers)?,
            kept: memory.holding(&pixels(&place.kept))?,
            changed: memory.holding(&pixels(&place.changed))?,
        })
    }
}

/// Rows on their way through a network, each shape `[rows, pixels, maps]`. With B blocks there are 2B + 1 relus: number n reads
/// `before[n]` and gives `active[n]`. Without normalisation the relu of an even number is part of what reads it, `active[n]` is
/// `before[n]`, and an odd one is part of the convolution before it.
pub(super) struct Hidden {
    pub before: Vec<Address>,
    pub active: Vec<Address>,
}

/// A network on its way forward.
pub(crate) struct ConvForward {
    pub(super) place: ConvPlace,
    pub(super) values: Address,
    pub(super) hidden: Hidden,
    pub(super) tables: Tables,
    /// Of every map, its weights as they count: normalised, or those that are trained.
    pub(super) weights: Vec<Address>,
    /// From the first to the last.
    pub(super) convolutions: Vec<PlacedConvolution>,
    /// What the network reads, shape `[rows, kept]`, and says, shape `[rows, said]`.
    pub(super) input: Image,
    pub(super) out: Image,
    /// Of every normalisation.
    pub(super) lines: Vec<Lines>,
}

/// Where a network finds what it reads, and leaves what it says.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    /// Shape `[rows, kept]`.
    pub kept: Address,
    /// Shape `[rows, said]`.
    pub out: Address,
}

impl ConvForward {
    /// One that leaves nothing for a way back, in three memories for [`hidden`](ConvPlace::hidden) values of every row.
    pub fn in_evaluation<D: Device>(
        memory: &mut Memory<D>,
        (group, place): (&Group, &ConvPlace),
        values: Address,
        ends: Ends,
        [h, inner, active]: [Address; 3],
    ) -> Result<Self, DeviceError> {
        let relus = 2 * place.blocks.len() + 1;
        let before: Vec<Address> = (0..relus).map(|n| if n % 2 == 0 { h } else { inner }).collect();
        let normalised = (0..relus).map(|n| if n % 2 == 0 { active } else { inner });
        let active = if place.norms.is_empty() { before.clone() } else { normalised.collect() };
        Self::new(memory, (group, place), values, ends, Hidden { before, active })
    }

    pub(super) fn new<D: Device>(
        memory: &mut Memory<D>,
        (group, place): (&Group, &ConvPlace),
        values: Address,
        ends: Ends,
        hidden: Hidden,
    ) -> Result<Self, DeviceError> {
        let tables = Tables::new(memory, place)?;
        let weights = place.convolutions().map(|map| match map.magnitude {
            Some(_) => memory.room::<f32>(map.terms() * map.columns),
            None => Ok(values + FLOAT * map.weight as u64),
        });
        let weights = weights.collect::<Result<Vec<_>, _>>()?;
        let inputs = place.first.inputs;
        let [pixel, list, channels, kept, changed] =
            [inputs, group.list, place.channels, place.kept.len(), place.changed.len()].map(|size| size as i32);
        let input = Image { at: ends.kept, row: group.kept as i64, pixel, group: pixel, list: 0, count: kept };
        let out =
            Image { at: ends.out, row: group.said as i64, pixel: channels, group: channels, list, count: changed };
        let mut lines: Vec<Lines> = Vec::new();
        for _ in &place.norms {
            lines.push(match lines.first() {
                Some(first) => first.beside(memory)?,
                None => Lines::new(memory, place.maps)?,
            });
        }
        let (place, convolutions) = (place.clone(), Vec::new());
        let mut forward = Self { place, values, hidden, tables, weights, convolutions, input, out, lines };
        forward.convolutions =
            forward.described().iter().map(|it| place_convolution(memory, it)).collect::<Result<_, _>>()?;
        Ok(forward)
    }

    /// The convolutions, from the first to the last.
    pub(super) fn described(&self) -> Vec<Description> {
        let Self { place, hidden: Hidden { before, active }, tables, .. } = self;
        let normalised = !place.norms.is_empty();
        let whole = |at: Address| Image::whole(at, place.pixels(), place.maps);
        let mut all =
            vec![Description { numbers: tables.kept_numbers, ..self.describe(0, self.input, whole(before[0])) }];
        for n in 0..2 * place.blocks.len() {
            let described = self.describe(n + 1, whole(active[n]), whole(before[n + 1]));
            all.push(match n % 2 {
                0 => Description { relu_in: i32::from(!normalised), relu_out: i32::from(!normalised), ..described },
                _ => Description { add: before[n - 1], ..described },
            });
        }
        let last = self.describe(all.len(), whole(active[all.len() - 1]), self.out);
        all.push(Description { pixels: tables.changed, relu_in: i32::from(!normalised), ..last });
        all
    }

    /// Map `number` from one image to another, with its bias and nothing else.
    pub(super) fn describe(&self, number: usize, input: Image, out: Image) -> Description {
        let map = self.map(number);
        let [height, width] = self.place.size;
        let bias = self.values + FLOAT * (map.weight + map.terms() * map.columns) as u64;
        let sizes = [height, width, map.side, map.inputs, map.outputs, map.columns];
        Description { bias, ..plain(input, out, self.weights[number], sizes) }
    }

    pub(super) fn map(&self, number: usize) -> MapPlace {
        self.place.convolutions().nth(number).copied().unwrap_or(self.place.last)
    }

    /// Takes rows through, with running statistics.
    pub fn evaluate(&self, commands: &mut Commands, rows: usize) {
        self.forward(commands, rows, None, None);
    }

    /// Takes rows through; in training, in which there is a state of the stretch of steps, with the batch's statistics.
    pub(super) fn forward(
        &self,
        commands: &mut Commands,
        rows: usize,
        control: Option<Address>,
        noise: Option<NoiseOnCuda>,
    ) {
        let Self { place, values, hidden: Hidden { before, active }, .. } = self;
        for (map, &weights) in place.convolutions().zip(&self.weights) {
            if let Some(magnitude) = map.magnitude {
                let [from, magnitude] = [map.weight, magnitude].map(|offset| values + FLOAT * offset as u64);
                let weighed = arguments![from, magnitude, weights, map.terms(), map.columns];
                commands.launch_blocks(Kernel::NormaliseWeights, map.columns, weighed);
            }
        }
        let pixels = rows * place.pixels();
        for (number, convolution) in self.convolutions.iter().enumerate() {
            convolution.launch(commands, rows);
            if let Some((norm, &lines)) = place.norms.get(number).zip(self.lines.get(number)) {
                let [x, to] = [before[number], active[number]];
                norm.line(commands, *values, control.map(|control| Seen { x, rows: pixels, control }), lines, NULL);
                lines.along(commands, [x, to], pixels, true);
            }
            if let Some(noise) = noise.filter(|_| number % 2 == 1 && number < active.len()) {
                self.drop(commands, number / 2, active[number], rows, noise);
            }
        }
    }

    /// Some values of the second layer of a block left out.
    pub(super) fn drop(&self, commands: &mut Commands, block: usize, values: Address, rows: usize, noise: NoiseOnCuda) {
        let (place, NoiseOnCuda { numbers, control }) = (&self.place, noise);
        if !place.dropout.is_on() {
            return;
        }
        let (width, host) = (place.hidden(), place.hosts[block]);
        let drawn = arguments![values, numbers, control, host, host, 1usize, rows, width, place.own_maps, place.maps];
        let decided = arguments![place.dropout.threshold() as usize, place.dropout.scale_on_cuda()];
        commands.launch(Kernel::Drop, rows * width, [drawn, decided].concat());
    }
}
