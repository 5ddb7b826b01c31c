//! Convolutional networks on a GPU: where their values stand there, the memory they work in, and what they command. A convolution is
//! one product over all pixels of all rows, which brings together what it reads as it goes along.

use bytemuck::{Pod, Zeroable};

use super::Conv;
use crate::compute::DeviceError;
use crate::compute::convolution::NONE;
use crate::compute::cuda::{Address, Commands, Device, FLOAT, Kernel, Memory, NULL, arguments};
use crate::layers::coupling::cuda::Group;
use crate::layers::cuda::{ALIGNED, Piece};
use crate::layers::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm, Convolution, Linear};

/// Where the values of a network stand on a device, offsets in floats, and the image that it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConvPlace {
    /// Where they stand on the host: no other network has that place.
    pub host: usize,
    size: [usize; 2],
    /// The pixels of what is kept and of what is changed, in their order there.
    kept: Vec<usize>,
    changed: Vec<usize>,
    /// For every pixel, its number among the kept ones, or none.
    read: Vec<usize>,
    /// Maps, rounded up.
    maps: usize,
    /// Values of a changed pixel that a list has.
    channels: usize,
    first: MapPlace,
    blocks: Vec<[MapPlace; 2]>,
    last: MapPlace,
    norms: Vec<NormPlace>,
    /// The offsets behind what is trained.
    end: usize,
}

/// Where a convolution stands: its weights, shape `[side, side, inputs, columns]`, its bias as one more row, and its magnitudes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MapPlace {
    weight: usize,
    side: usize,
    inputs: usize,
    outputs: usize,
    /// Outputs, rounded up.
    columns: usize,
    /// Shape `[columns]`.
    magnitude: Option<usize>,
}

impl MapPlace {
    /// Rows of the weights, without the bias.
    fn terms(&self) -> usize {
        self.side * self.side * self.inputs
    }

    fn weights(&self) -> usize {
        (self.terms() + 1) * self.columns
    }
}

/// Where a normalisation of maps stands, each shape `[maps]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NormPlace {
    log_gamma: usize,
    beta: usize,
    running_mean: usize,
    running_variance: usize,
}

impl ConvPlace {
    /// From `start` on.
    pub fn lay_out(start: usize, conv: &Conv) -> Self {
        let maps = conv.maps().next_multiple_of(ALIGNED);
        let mut end = start;
        let mut map = |side, inputs, outputs: usize, magnitude: bool| {
            let columns = outputs.next_multiple_of(ALIGNED);
            let mut place = MapPlace { weight: end, side, inputs, outputs, columns, magnitude: None };
            end += place.weights();
            if magnitude {
                place.magnitude = Some(end);
                end += columns;
            }
            place
        };
        let normalised = conv.first.magnitude.is_some();
        let first = map(3, conv.first.inputs, maps, normalised);
        let blocks = conv.blocks.iter().map(|_| [0, 1].map(|_| map(3, maps, maps, normalised))).collect();
        let last = map(1, maps, conv.last.outputs, false);
        let mut norm = |_: &BatchNorm| {
            let log_gamma = end;
            end += 2 * maps;
            NormPlace { log_gamma, beta: log_gamma + maps, ..NormPlace::default() }
        };
        let norms = conv.norms.iter().map(&mut norm).collect();
        Self {
            host: conv.first.weight,
            size: conv.pixels.size,
            kept: conv.pixels.kept.clone(),
            changed: conv.pixels.changed.clone(),
            read: conv.read.clone(),
            maps,
            channels: conv.channels,
            first,
            blocks,
            last,
            norms,
            end,
        }
    }

    /// The offset behind what is trained.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Lays running statistics out from `start` on; the offset behind them.
    pub fn lay_out_statistics(&mut self, start: usize) -> usize {
        let mut end = start;
        for norm in &mut self.norms {
            (norm.running_mean, norm.running_variance) = (end, end + self.maps);
            end += 2 * self.maps;
        }
        end
    }

    /// Where what is trained stands, on the host and here.
    pub fn pieces(&self, conv: &Conv) -> Vec<Piece> {
        let mut pieces = convolution(&conv.first, &self.first);
        for (from, to) in conv.blocks.iter().flatten().zip(self.blocks.iter().flatten()) {
            pieces.extend(convolution(from, to));
        }
        let (Linear { inputs, outputs, weight, bias }, last) = (conv.last.clone(), self.last);
        pieces.push(Piece {
            host: weight,
            device: last.weight,
            rows: inputs,
            columns: outputs,
            strides: [outputs, last.columns],
        });
        pieces.push(Piece::row(bias, last.weight + last.terms() * last.columns, outputs));
        for (from, to) in conv.norms.iter().zip(&self.norms) {
            pieces.push(Piece::row(from.log_gamma, to.log_gamma, conv.maps()));
            pieces.push(Piece::row(from.beta, to.beta, conv.maps()));
        }
        pieces
    }

    /// The same of running statistics.
    pub fn statistics<'a>(&'a self, conv: &'a Conv) -> impl Iterator<Item = Piece> + 'a {
        conv.norms.iter().zip(&self.norms).flat_map(|(from, to)| {
            [
                Piece::row(from.running_mean, to.running_mean, conv.maps()),
                Piece::row(from.running_variance, to.running_variance, conv.maps()),
            ]
        })
    }

    /// Values of a row of all maps.
    pub fn hidden(&self) -> usize {
        self.pixels() * self.maps
    }

    fn pixels(&self) -> usize {
        self.size.iter().product()
    }

    /// Its maps, from the first to the last.
    fn maps(&self) -> impl Iterator<Item = &MapPlace> {
        std::iter::once(&self.first).chain(self.blocks.iter().flatten()).chain([&self.last])
    }

    /// The sizes of `out` and of `in` of the products of a step that are summed in parts, at most: floats, and f64s.
    fn partial(&self, rows: usize) -> [usize; 2] {
        let pixels = rows * self.pixels();
        let weights = self.maps().map(|map| parts(map, pixels) * map.weights()).max().unwrap_or(0);
        [weights, if self.norms.is_empty() { 0 } else { 2 * sum_parts(pixels) * self.maps }]
    }
}

/// The pieces of a 3×3 convolution.
fn convolution(from: &Convolution, to: &MapPlace) -> Vec<Piece> {
    let &Convolution { inputs, outputs, weight, bias, magnitude } = from;
    let place = |at: usize| Piece {
        host: weight + at * inputs * outputs,
        device: to.weight + at * to.inputs * to.columns,
        rows: inputs,
        columns: outputs,
        strides: [outputs, to.columns],
    };
    let mut pieces: Vec<Piece> = (0..9).map(place).collect();
    pieces.push(Piece::row(bias, to.weight + to.terms() * to.columns, outputs));
    pieces
        .extend(magnitude.into_iter().zip(to.magnitude).map(|(from, magnitude)| Piece::row(from, magnitude, outputs)));
    pieces
}

/// Pixels of a part of the sum that is a gradient of weights, at least, and blocks that keep a GPU busy.
const PART: usize = 256;
const BLOCKS: usize = 528;

/// Parts in which the gradient of a convolution is summed over so many pixels.
fn parts(map: &MapPlace, pixels: usize) -> usize {
    let wide = width(map.columns);
    let tiles = (map.terms() + 1).div_ceil(4096 / wide) * map.columns.div_ceil(wide);
    pixels.div_ceil(PART).min(BLOCKS / tiles).max(1)
}

/// Parts in which maps are summed over so many pixels.
fn sum_parts(pixels: usize) -> usize {
    pixels.div_ceil(PART).clamp(1, 256)
}

/// Outputs of a block.
fn width(outputs: usize) -> usize {
    if outputs <= 32 { 32 } else { 64 }
}

/// `Image` in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Image {
    at: Address,
    row: i64,
    pixel: i32,
    group: i32,
    list: i32,
    count: i32,
}

impl Image {
    /// Every value of every pixel at its place.
    fn whole(at: Address, pixels: usize, values: usize) -> Self {
        let [pixel, group, count] = [values, values, pixels].map(|size| size as i32);
        Self { at, row: (pixels * values) as i64, pixel, group, list: 0, count }
    }

    fn is_by_four(&self) -> bool {
        self.row % 4 == 0 && [self.pixel, self.group, self.list].iter().all(|size| size % 4 == 0)
    }
}

/// `Convolution` in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Described {
    input: Image,
    out: Image,
    numbers: Address,
    pixels: Address,
    weights: Address,
    bias: Address,
    positive: Address,
    add: Address,
    height: i32,
    width: i32,
    side: i32,
    inputs: i32,
    outputs: i32,
    columns: i32,
    relu_in: i32,
    relu_out: i32,
    in_by_four: i32,
    out_by_four: i32,
    factor: f32,
    unused: i32,
}

/// A convolution on a device.
#[derive(Clone, Copy)]
struct Pass {
    /// Its description.
    at: Address,
    /// Pixels of a row that it gives, and values of each.
    count: usize,
    outputs: usize,
}

impl Pass {
    fn launch(&self, commands: &mut Commands, rows: usize) {
        let &Self { at, count, outputs } = self;
        let wide = width(outputs);
        let kernel = if wide == 32 { Kernel::ConvolveNarrow } else { Kernel::ConvolveWide };
        let blocks = (rows * count).div_ceil(4096 / wide) * outputs.div_ceil(wide);
        commands.launch_blocks(kernel, blocks, arguments![at, rows]);
    }
}

/// The pixels of an image as its convolutions look for them.
#[derive(Clone, Copy)]
struct Tables {
    /// Of every pixel, its number among the kept ones and among the changed ones, or −1.
    kept_numbers: Address,
    changed_numbers: Address,
    /// The kept pixels and the changed ones.
    kept: Address,
    changed: Address,
}

impl Tables {
    fn new<D: Device>(memory: &mut Memory<D>, place: &ConvPlace) -> Result<Self, DeviceError> {
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

/// Rows on their way through a network, each value shape `[rows, pixels, maps]`. With B blocks there are 2B + 1 relus: number n reads
/// `before[n]` and gives `active[n]`. Without normalisation the relu of an even number is part of what reads it, `active[n]` is
/// `before[n]`, and an odd one is part of the convolution before it.
struct Hidden {
    before: Vec<Address>,
    active: Vec<Address>,
}

/// A network on its way forward.
pub(crate) struct ConvForward {
    place: ConvPlace,
    values: Address,
    hidden: Hidden,
    tables: Tables,
    /// Of every map, its weights as they count: normalised, or those that are trained.
    weights: Vec<Address>,
    /// From the first to the last.
    passes: Vec<Pass>,
    /// What the network reads, shape `[rows, kept]`, and says, shape `[rows, said]`.
    input: Image,
    out: Image,
    /// Slopes and values at 0 of a normalisation, as the way back needs them too.
    lines: Address,
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

    fn new<D: Device>(
        memory: &mut Memory<D>,
        (group, place): (&Group, &ConvPlace),
        values: Address,
        ends: Ends,
        hidden: Hidden,
    ) -> Result<Self, DeviceError> {
        let tables = Tables::new(memory, place)?;
        let weights = place.maps().map(|map| match map.magnitude {
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
        let lines = memory.room::<f32>(3 * place.maps)?;
        let (place, passes) = (place.clone(), Vec::new());
        let mut forward = Self { place, values, hidden, tables, weights, passes, input, out, lines };
        forward.passes = forward.described().iter().map(|it| pass(memory, it)).collect::<Result<_, _>>()?;
        Ok(forward)
    }

    /// The convolutions, from the first to the last.
    fn described(&self) -> Vec<Described> {
        let Self { place, hidden: Hidden { before, active }, tables, .. } = self;
        let normalised = !place.norms.is_empty();
        let whole = |at: Address| Image::whole(at, place.pixels(), place.maps);
        let mut all =
            vec![Described { numbers: tables.kept_numbers, ..self.describe(0, self.input, whole(before[0])) }];
        for n in 0..2 * place.blocks.len() {
            let described = self.describe(n + 1, whole(active[n]), whole(before[n + 1]));
            all.push(match n % 2 {
                0 => Described { relu_in: i32::from(!normalised), relu_out: i32::from(!normalised), ..described },
                _ => Described { add: before[n - 1], ..described },
            });
        }
        let last = self.describe(all.len(), whole(active[all.len() - 1]), self.out);
        all.push(Described { pixels: tables.changed, relu_in: i32::from(!normalised), ..last });
        all
    }

    /// Map `number` from one image to another, with its bias and nothing else.
    fn describe(&self, number: usize, input: Image, out: Image) -> Described {
        let map = self.map(number);
        let [height, width] = self.place.size;
        let bias = self.values + FLOAT * (map.weight + map.terms() * map.columns) as u64;
        let sizes = [height, width, map.side, map.inputs, map.outputs, map.columns];
        Described { bias, ..plain(input, out, self.weights[number], sizes) }
    }

    fn map(&self, number: usize) -> MapPlace {
        self.place.maps().nth(number).copied().unwrap_or(self.place.last)
    }

    /// Takes rows through, with running statistics.
    pub fn evaluate(&self, commands: &mut Commands, rows: usize) {
        self.forward(commands, rows, None);
    }

    /// Takes rows through; in training with the batch's statistics.
    fn forward(&self, commands: &mut Commands, rows: usize, training: Option<&ConvTraining>) {
        let Self { place, values, hidden: Hidden { before, active }, lines, .. } = self;
        for (map, &weights) in place.maps().zip(&self.weights) {
            if let Some(magnitude) = map.magnitude {
                let [from, magnitude] = [map.weight, magnitude].map(|offset| values + FLOAT * offset as u64);
                let weighed = arguments![from, magnitude, weights, map.terms(), map.columns];
                commands.launch_blocks(Kernel::NormaliseWeights, map.columns, weighed);
            }
        }
        let (pixels, maps) = (rows * place.pixels(), place.maps);
        for (number, pass) in self.passes.iter().enumerate() {
            pass.launch(commands, rows);
            let Some(norm) = place.norms.get(number) else { continue };
            let NormPlace { log_gamma, beta, running_mean, running_variance } = *norm;
            let [x, to] = [before[number], active[number]];
            let (sums, parts, control, moments) = match training {
                None => (NULL, 0, NULL, NULL),
                Some(training) => {
                    training.sums(commands, [x, x], pixels, maps);
                    (training.sums, sum_parts(pixels), training.control, training.moments[number])
                }
            };
            let places = arguments![log_gamma, beta, running_mean, running_variance];
            let found = arguments![control, moments, *lines, maps, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM];
            let lined = [arguments![sums, parts, pixels, *values], places, found].concat();
            commands.launch(Kernel::MapLines, maps, lined);
            let count = pixels * maps;
            commands.launch(Kernel::MapActivate, count, arguments![x, *lines, to, count, maps]);
        }
    }
}

/// A network in training.
pub(crate) struct ConvTraining {
    forward: ConvForward,
    /// Of every map but the first, the way back to what it reads; of the first where that is asked for.
    back: Vec<Pass>,
    /// Weights as the way back needs them, of every map.
    turned: Vec<Address>,
    /// Of every map, what the gradient of its weights is found from.
    weights: Vec<Pass>,
    /// The gradient of all values.
    gradient: Address,
    scratch: ConvScratch,
    /// Mean and variance of every normalisation, shape `[2, maps]`, f64.
    moments: Vec<Address>,
    /// Sums in parts, f64.
    sums: Address,
    /// The state of the stretch of steps.
    control: Address,
}

/// What all networks of a flow need for the way back, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct ConvScratch {
    /// The gradients of h so far, of what stands within a block, and of what the relu before it gives, shape `[rows, pixels, maps]`.
    d: [Address; 3],
    /// Parts of gradients, and of sums, f64.
    partial: Address,
    sums: Address,
}

impl ConvScratch {
    /// Room for all of these, in steps of so many rows.
    pub fn new<'a, D: Device>(
        memory: &mut Memory<D>,
        places: impl Iterator<Item = &'a ConvPlace>,
        rows: usize,
    ) -> Result<Self, DeviceError> {
        let [mut hidden, mut partial, mut sums] = [0; 3];
        for place in places {
            let [weights, of_maps] = place.partial(rows);
            (hidden, partial, sums) = (hidden.max(rows * place.hidden()), partial.max(weights), sums.max(of_maps));
        }
        let mut d = || memory.room::<f32>(hidden);
        let d = [d()?, d()?, d()?];
        Ok(Self { d, partial: memory.room::<f32>(partial)?, sums: memory.room::<f64>(sums)? })
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
            .maps()
            .map(|map| memory.room::<f32>(map.side * map.side * map.outputs * map.inputs.next_multiple_of(ALIGNED)));
        let turned = turned.collect::<Result<Vec<_>, _>>()?;
        let moments = place.norms.iter().map(|_| memory.room::<f64>(2 * place.maps)).collect::<Result<_, _>>()?;
        let sums = scratch.sums;
        let (back, weights) = (Vec::new(), Vec::new());
        let mut training = Self { forward, back, turned, weights, gradient, scratch, moments, sums, control };
        let described = training.described(d_kept);
        for [back, weights] in &described {
            training.back.push(pass(memory, back)?);
            training.weights.push(pass(memory, weights)?);
        }
        Ok(training)
    }

    /// Of every map, from the first to the last: the way back to what it reads, and what the gradient of its weights is found from.
    fn described(&self, d_kept: Address) -> Vec<[Described; 2]> {
        let ConvForward { place, hidden: Hidden { active, .. }, tables, input, out, .. } = &self.forward;
        let [d, d_inner, d_next] = self.scratch.d;
        let normalised = !place.norms.is_empty();
        let whole = |at: Address| Image::whole(at, place.pixels(), place.maps);
        let of_gradient = |described: &Described, out: Image| by_four(Described { out, ..*described });
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
                    0 => Described { pixels: tables.kept, ..back },
                    _ => {
                        let positive = active[number - 1];
                        let numbers = if number == relus { tables.changed_numbers } else { NULL };
                        let add = if !normalised && number % 2 == 1 && number < relus { d } else { NULL };
                        Described { positive, numbers, add, ..back }
                    }
                };
                [back, of_gradient(forward, from)]
            })
            .collect()
    }

    /// Takes rows through with the batch's statistics.
    pub fn forward(&self, commands: &mut Commands, rows: usize) {
        self.forward.forward(commands, rows, Some(self));
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
        let (pixels, maps) = (rows * place.pixels(), place.maps);
        let NormPlace { log_gamma, beta, .. } = place.norms[number];
        self.sums(commands, [d, x], pixels, maps);
        let found = arguments![self.sums, sum_parts(pixels), pixels, *values, self.gradient, log_gamma, beta];
        let lined = [found, arguments![self.moments[number], *lines, maps, BATCH_NORM_EPSILON]].concat();
        commands.launch(Kernel::MapLinesBack, maps, lined);
        let count = pixels * maps;
        commands.launch(Kernel::MapBack, count, arguments![x, d, add, *lines, to, count, maps]);
    }

    /// Sums of every map of `a`, and of its products with `b`.
    fn sums(&self, commands: &mut Commands, [a, b]: [Address; 2], pixels: usize, maps: usize) {
        let parts = sum_parts(pixels);
        let blocks = parts * maps.div_ceil(32);
        commands.launch_blocks(Kernel::MapSums, blocks, arguments![a, b, self.sums, parts, pixels, maps]);
    }

    /// The gradient of the weights of map `number`.
    fn weights_back(&self, commands: &mut Commands, number: usize, rows: usize) {
        let (map, Pass { at, count, .. }) = (self.forward.map(number), self.weights[number]);
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

/// A convolution without a bias and with nothing behind it; sizes: height, width, side, inputs, outputs, columns.
fn plain(input: Image, out: Image, weights: Address, sizes: [usize; 6]) -> Described {
    let [height, width, side, inputs, outputs, columns] = sizes.map(|size| size as i32);
    let [numbers, pixels, bias, positive, add] = [NULL; 5];
    by_four(Described {
        input,
        out,
        numbers,
        pixels,
        weights,
        bias,
        positive,
        add,
        height,
        width,
        side,
        inputs,
        outputs,
        columns,
        relu_in: 0,
        relu_out: 0,
        in_by_four: 0,
        out_by_four: 0,
        factor: 1.0,
        unused: 0,
    })
}

/// Says whether both sides can be read four values at a time.
fn by_four(described: Described) -> Described {
    let Described { input, out, inputs, outputs, .. } = described;
    let [in_by_four, out_by_four] =
        [(input, inputs), (out, outputs)].map(|(image, count)| i32::from(image.is_by_four() && count % 4 == 0));
    Described { in_by_four, out_by_four, ..described }
}

fn pass<D: Device>(memory: &mut Memory<D>, described: &Described) -> Result<Pass, DeviceError> {
    let (count, outputs) = (described.out.count as usize, described.outputs as usize);
    Ok(Pass { at: memory.holding(&[*described])?, count, outputs })
}
