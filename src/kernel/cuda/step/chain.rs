//! A step layer after layer, a launch an operation.

use bytemuck::{Pod, Zeroable};

use super::tiles::{Traces, tiles};
use super::{Batches, Desk, PlacedState, RowSource};
use crate::compute::cuda::{
    Address, BLOCK, Commands, Device, FLOAT, Factor, Kernel, Memory, NULL, Product, arguments, lanes,
};
use crate::flow::{Base, Degrees, DeviceError, HALF_LN_TAU};
use crate::kernel::cuda::flow::{Placed, PlacedWeights};
use crate::kernel::cuda::layers::PlacedLayer;
use crate::kernel::cuda::layout::Layout;
use crate::layers::cuda::{
    Backward, ChannelMemory, ConvScratch, ConvTraining, CouplingMemory, Ends, Forward, Group, Lines, LuMemory,
    LuScratch, LuSize, Maps, NetworkGradients, NetworkMemory, NoiseOnCuda, NormMemory, Passage, PlacedCoupling, Reader,
    RowWeights,
};
use crate::optimizer::{DeviceRule, Optimizer};

/// Memory of a step for batches of `rows` rows.
///
/// What couplings of a group leave for the way back stands coupling after coupling, as their weights do: the gradients of all
/// weights of one depth are one batched product, once the way back is done.
pub(super) struct Chain {
    /// The rows before every layer and after the last, each shape `[rows, values]`.
    x: Vec<Address>,
    log_det: Address,
    /// Of every group.
    groups: Vec<GroupMemory>,
    /// What goes past the blocks of residual networks, shape `[networks, rows, width]`.
    stream: Address,
    /// Of every normalisation.
    norms: Vec<NormMemory>,
    /// Of every LU map, and of all of them.
    lus: Vec<LuMemory>,
    lu_scratch: LuScratch,
    channels: ChannelMemory,
    /// The gradient with respect to rows, shape `[rows, values]`.
    d: Address,
    /// The gradient with respect to kept features, shape `[networks, rows, kept]`.
    d_kept: Address,
    weights: RowWeights,
    /// The rows' parts of the loss, f64.
    row_loss: Address,
    /// What is the same for all rows of the log-density: of every normalisation and of a Student-t base, each shape `[features]`,
    /// f64.
    terms: Address,
    student_t: Option<StudentTMemory>,
    /// Sums of squares of the gradient's parts, f64.
    partial: Address,
    partials: usize,
    /// The tiles of gradients that are summed tile by tile: those of learned bounds of s are always among them.
    tiles: Address,
    tile_count: usize,
    /// Sums of squares of tiles.
    tile_partial: Address,
    /// Whether tiles are the whole gradient.
    only_tiles: bool,
    /// What else is summed over rows: biases' gradients.
    columns: Address,
    column_blocks: usize,
}

/// A Student-t base.
struct StudentTMemory {
    degrees: Degrees,
    /// What rows need to know of every feature's distribution, shape `[features]`: see `kernels.cu`.
    base: Address,
    /// Its sums over rows are the gradients of what is learned, shape `[rows, features]`.
    product: Address,
    /// Its part of the terms.
    term: Address,
}

/// What the couplings of a group leave for the way back.
struct GroupMemory {
    /// Shape `[couplings, rows, kept]`.
    kept: Address,
    /// What every map but the first reads, each shape `[couplings, networks, rows, width]`.
    hidden: Vec<Address>,
    /// The gradients with respect to what every map but the last gave, of the same shapes.
    d_hidden: Vec<Address>,
    /// What coupling leaves, then the gradients of what networks say, shape `[couplings, networks, rows, said]`.
    out: Address,
    /// Shape `[couplings, rows, changed]`.
    product: Address,
    /// Of the convolutional network, where it is one.
    conv: Option<ConvTraining>,
}

impl GroupMemory {
    fn new<D: Device>(memory: &mut Memory<D>, group: &Group, rows: usize) -> Result<Self, DeviceError> {
        let (couplings, networks) = (group.couplings, group.networks());
        let mut hidden = || -> Result<Vec<Address>, DeviceError> {
            let floats = networks * couplings * rows * group.width;
            (1..group.maps.len()).map(|_| memory.room::<f32>(floats)).collect()
        };
        let (hidden, d_hidden) = (hidden()?, hidden()?);
        Ok(Self {
            // Places that no kept feature fills are zero.
            kept: memory.holding(&vec![0.0f32; couplings * rows * group.kept])?,
            hidden,
            d_hidden,
            // What networks do not write, and columns that stand for nothing, are zero.
            out: memory.holding(&vec![0.0f32; networks * couplings * rows * group.said])?,
            product: memory.holding(&vec![0.0f32; couplings * rows * group.changed()])?,
            conv: None,
        })
    }

    fn traces(&self, rows: usize) -> Traces<'_> {
        let &Self { kept, ref hidden, ref d_hidden, out, product, .. } = self;
        Traces { rows, inputs: kept, hidden, d_hidden, d_out: out, product }
    }
}

/// Neighbouring columns to be summed over rows: `Columns` in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ColumnSum {
    from: Address,
    to: Address,
    rows: u32,
    stride: u32,
    count: u32,
    unused: u32,
}

/// The largest [`ColumnSum::count`].
const COLUMNS: usize = 32;

/// Whether the gradients of maps of these sizes are summed tile by tile, with their biases, rather than by one batched product:
/// measured on an H100, where the latter wins for large maps, and for any map of several thousand rows. A bias alone is no product.
fn by_tiles(maps: &Maps, rows: usize) -> bool {
    maps.inputs == 0 || rows <= 512 || rows <= 1024 && maps.inputs * maps.outputs <= 1 << 16
}

/// A piece of memory for each coupling.
fn of_coupling(start: Address, coupling: usize, floats: usize) -> Address {
    start + FLOAT * (coupling * floats) as u64
}

impl Chain {
    pub fn new<D: Device>(
        memory: &mut Memory<D>,
        placed: &Placed,
        batches: Batches,
        desk: &Desk,
    ) -> Result<Self, DeviceError> {
        let Batches { rows, weighted, .. } = batches;
        let Placed { architecture, layout, weights, .. } = placed;
        let (features, values) = (architecture.features, architecture.values());
        let x = (0..=placed.layers.len()).map(|_| memory.room::<f32>(rows * values)).collect::<Result<_, _>>()?;
        let groups = layout.groups.iter().map(|group| GroupMemory::new(memory, group, rows));
        let mut groups = groups.collect::<Result<Vec<_>, _>>()?;
        let d_kept = memory.room::<f32>(layout.most(|group| group.networks() * rows * group.kept))?;
        let scratch = ConvScratch::new(memory, layout.groups.iter().filter_map(|group| group.conv.as_ref()), rows)?;
        for (group, own) in layout.groups.iter().zip(&mut groups) {
            let [_, control] = desk.control;
            let (addresses, ends) =
                ([weights.values, weights.gradient, control], Ends { kept: own.kept, out: own.out });
            let conv = group
                .conv
                .as_ref()
                .map(|place| ConvTraining::new(memory, (group, place), rows, addresses, ends, d_kept, scratch));
            own.conv = conv.transpose()?;
        }
        // Places that stand for nothing are zero.
        let terms = memory.holding(&vec![0.0f64; (layout.norms.len() + 1) * features])?;
        let norm = |number: usize| {
            let norm = layout.norms[number];
            let (plain, lines) = match norm.pixels() {
                1 => (rows * features, Lines::NOTHING),
                _ => (0, Lines::new(memory, norm.features())?),
            };
            Ok(NormMemory {
                normal: memory.room::<f32>(plain)?,
                inverse_deviation: memory.room::<f64>(features)?,
                term: terms + 8 * (number * features) as u64,
                lines,
            })
        };
        let norms = (0..layout.norms.len()).map(norm).collect::<Result<_, _>>()?;
        let lus = layout.lus.iter().map(|lu| LuMemory::new(memory, lu.size, rows)).collect::<Result<Vec<_>, _>>()?;
        let mut columns = columns(layout, &groups, *weights, rows);
        let sums_of_lus = layout.lus.iter().zip(&lus).filter(|(lu, _)| !lu.size.is_small());
        for (lu, own) in sums_of_lus {
            let LuSize { features, values } = lu.size;
            columns.extend(sums(own.d_z, rows * values / features, lu.bias, features, *weights));
        }
        let student_t = match architecture.base {
            Base::Normal => None,
            Base::StudentT(degrees) => {
                let (base, product) = (memory.room::<[f64; 2]>(features)?, memory.room::<f32>(rows * features)?);
                let term = terms + 8 * (layout.norms.len() * features) as u64;
                Some(StudentTMemory { degrees, base, product, term })
            }
        };
        if let (Some(student_t), Some(place)) = (&student_t, layout.base) {
            columns.extend(sums(student_t.product, rows, place, features, *weights));
        }
        let (mut tiled, mut only_tiles) =
            (Vec::new(), layout.norms.is_empty() && layout.lus.is_empty() && layout.base.is_none());
        for (group, memory) in layout.groups.iter().zip(&groups) {
            let depths: Vec<usize> =
                (0..group.maps.len()).filter(|&depth| by_tiles(&group.maps[depth], rows)).collect();
            only_tiles &= depths.len() == group.maps.len() && group.conv.is_none();
            tiled.extend(tiles(placed, group, &memory.traces(rows), depths.into_iter()));
        }
        let tiles = tiled;
        let partials = weights.count.div_ceil(8 * BLOCK).clamp(1, 512);
        let row_weights = match weighted {
            true => RowWeights { shares: memory.room::<f32>(rows)?, mean: memory.room::<f64>(1)? },
            false => RowWeights::ALIKE,
        };
        Ok(Self {
            x,
            log_det: memory.room::<f32>(rows)?,
            norms,
            lus,
            lu_scratch: LuScratch::new(memory, layout.largest_lu(), rows)?,
            channels: ChannelMemory::new(memory, rows * values)?,
            d: memory.room::<f32>(rows * values)?,
            d_kept,
            stream: memory.room::<f32>(layout.most(|group| group.networks() * rows * group.width))?,
            weights: row_weights,
            row_loss: memory.room::<f64>(rows)?,
            terms,
            student_t,
            partial: memory.room::<f64>(partials)?,
            partials,
            tile_count: tiles.len(),
            tile_partial: memory.room::<f64>(tiles.len())?,
            only_tiles,
            tiles: memory.holding(&tiles)?,
            columns: memory.holding(&columns)?,
            column_blocks: columns.len(),
            groups,
        })
    }

    pub fn commands(
        &self,
        commands: &mut Commands,
        placed: &Placed,
        batches: Batches,
        desk: &Desk,
        update: Option<(&Optimizer, PlacedState)>,
    ) {
        let (Batches { rows, source, weighted }, [_, control]) = (batches, desk.control);
        if weighted {
            let RowWeights { shares, mean } = self.weights;
            commands.launch_blocks(Kernel::Weigh, 1, arguments![desk.weights, control, shares, mean, rows]);
        }
        self.forward(commands, placed, rows, source, desk);
        self.backward(commands, placed, rows);
        self.weights_back(commands, placed, rows);
        if self.tile_count > 0 {
            let sums = arguments![self.tiles, rows, self.tile_partial, desk.control[0]];
            commands.launch_blocks(Kernel::WeightGradients, self.tile_count, sums);
        }
        let Placed { architecture, layout, weights, .. } = placed;
        if self.column_blocks > 0 {
            commands.launch_blocks(Kernel::ColumnSums, self.column_blocks, arguments![self.columns]);
        }
        let (partial, partials) = match self.only_tiles {
            true => (self.tile_partial, self.tile_count),
            false => (self.partial, self.partials),
        };
        if !self.only_tiles {
            commands.launch_blocks(Kernel::Squares, partials, arguments![weights.gradient, weights.count, partial]);
        }
        let (terms, constant) = match &self.student_t {
            None => (layout.norms.len(), architecture.features as f64 * HALF_LN_TAU),
            Some(_) => (layout.norms.len() + 1, 0.0),
        };
        let clip_norm = update.map_or(0.0, |(optimizer, _)| optimizer.clip_norm());
        commands.launch_blocks(
            Kernel::Finish,
            1,
            arguments![
                partial,
                partials,
                self.row_loss,
                rows,
                self.weights.mean,
                self.terms,
                terms * architecture.features,
                constant,
                clip_norm,
                desk.losses,
                control,
            ],
        );
        if let Some((optimizer, state)) = update {
            let DeviceRule { number: rule, constants: [a, b, c] } = optimizer.on_device();
            let PlacedWeights { values, gradient, count } = *weights;
            let PlacedState { first, second, .. } = state;
            let decay = optimizer.weight_decay();
            commands.launch(
                Kernel::Update,
                count,
                arguments![values, gradient, first, second, count, rule, a, b, c, decay, desk.constants, control,],
            );
        }
    }

    /// The memory of one coupling.
    fn of(&self, layout: &Layout, coupling: &PlacedCoupling, rows: usize) -> Own {
        let group = &layout.groups[coupling.group];
        let GroupMemory { kept, hidden, d_hidden, out, product, .. } = &self.groups[coupling.group];
        let own = |start: Address, floats: usize| of_coupling(start, coupling.number, rows * floats);
        let wide =
            |starts: &[Address]| starts.iter().map(|&start| own(start, group.networks() * group.width)).collect();
        Own {
            kept: own(*kept, group.kept),
            hidden: wide(hidden),
            d_hidden: wide(d_hidden),
            out: own(*out, group.networks() * group.said),
            product: own(*product, group.changed()),
        }
    }

    /// Who reads what layer `at` gives out.
    fn reader(&self, placed: &Placed, at: usize, rows: usize) -> Reader {
        match placed.layers.get(at) {
            Some(PlacedLayer::Coupling(coupling)) => {
                let kept = self.of(&placed.layout, coupling, rows).kept;
                coupling.reader(&placed.layout.groups[coupling.group], kept)
            }
            Some(PlacedLayer::BatchNorm(..) | PlacedLayer::ActNorm(..) | PlacedLayer::Lu(..)) | None => Reader::NOBODY,
        }
    }

    fn forward(&self, commands: &mut Commands, placed: &Placed, rows: usize, source: RowSource, desk: &Desk) {
        let Placed { architecture, layout, layers, weights, .. } = placed;
        let width = architecture.values();
        let ([_, control], values) = (desk.control, weights.values);
        let (from, places) = match source {
            RowSource::Given => (desk.rows, NULL),
            RowSource::Held(held) => (held, desk.rows),
        };
        let first = self.reader(placed, 0, rows);
        commands.launch(
            Kernel::Draw,
            rows * width,
            arguments![
                from,
                places,
                control,
                self.x[0],
                self.log_det,
                first.slot,
                first.kept,
                first.rows,
                rows,
                width,
            ],
        );
        let (mut norms, mut lus) = (self.norms.iter(), self.lus.iter());
        for (at, layer) in layers.iter().enumerate() {
            let next = self.reader(placed, at + 1, rows);
            let [x, z] = [self.x[at], self.x[at + 1]];
            let forward = Forward { x, z, log_det: self.log_det, rows, values, control, reader: next };
            match layer {
                PlacedLayer::Coupling(coupling) => {
                    let (group, own) = (&layout.groups[coupling.group], self.of(layout, coupling, rows));
                    let Own { kept, ref hidden, out, .. } = own;
                    let noise = (desk.noise != NULL).then_some(NoiseOnCuda { numbers: desk.noise, control });
                    coupling.read_context(commands, group, x, kept, rows);
                    let memory = NetworkMemory { kept, hidden, stream: self.stream, out, noise };
                    match &self.groups[coupling.group].conv {
                        Some(conv) => conv.forward(commands, rows, noise),
                        None => coupling.networks(commands, group, values, rows, &memory),
                    }
                    let passage = Passage { x, z, log_det: self.log_det, rows, inverse: false };
                    coupling.couple(commands, group, values, out, &passage, next);
                }
                PlacedLayer::BatchNorm(norm, over) => {
                    let Some(&memory) = norms.next() else { return };
                    let work = |commands: &mut Commands, own: &Forward| norm.forward(commands, own, memory);
                    self.channels.forward(*over, commands, forward, work);
                }
                PlacedLayer::ActNorm(norm, over) => {
                    let Some(&memory) = norms.next() else { return };
                    let work = |commands: &mut Commands, own: &Forward| norm.forward(commands, own, memory);
                    self.channels.forward(*over, commands, forward, work);
                }
                PlacedLayer::Lu(lu, over) => {
                    let Some(&memory) = lus.next() else { return };
                    let work = |commands: &mut Commands, own: &Forward| lu.forward(commands, own, memory);
                    self.channels.forward(*over, commands, forward, work);
                }
            }
        }
    }

    /// From the rows behind the last layer to the gradients with respect to what every map gave, and of normalisations.
    fn backward(&self, commands: &mut Commands, placed: &Placed, rows: usize) {
        let Placed { architecture, layout, layers, weights, .. } = placed;
        let features = architecture.features;
        let per_row = 1.0 / rows as f32;
        let PlacedWeights { values, gradient, .. } = *weights;
        let (width, lanes) = (architecture.values(), lanes(architecture.values()));
        let (z, shares) = (self.x[layers.len()], self.weights.shares);
        let losses = arguments![shares, per_row, rows, features, width, lanes];
        let found = arguments![z, self.log_det, self.d, self.row_loss];
        match &self.student_t {
            None => commands.launch(Kernel::Lose, rows * lanes, [found, losses].concat()),
            Some(StudentTMemory { degrees, base, product, term }) => {
                let fixed = match degrees {
                    Degrees::Fixed(degrees) => *degrees,
                    Degrees::Learned(_) => 0.0,
                };
                let place = layout.base.unwrap_or(0);
                let described = arguments![values, place, fixed, *base, *term, features];
                commands.launch(Kernel::StudentT, features, described);
                let by_base = arguments![*base, *product];
                commands.launch(Kernel::LoseStudentT, rows * lanes, [found, by_base, losses].concat());
            }
        }
        let (mut norms, mut lus) = (self.norms.iter().rev(), self.lus.iter().rev());
        let (d, d_kept) = (self.d, self.d_kept);
        let back = |above| Backward { d, rows, weights: self.weights, values, gradient, above, d_kept };
        for (at, layer) in layers.iter().enumerate().rev() {
            // The coupling above has left what its networks found for the features they read.
            let above = self.reader(placed, at + 1, rows);
            match layer {
                PlacedLayer::Coupling(coupling) => {
                    let (group, own) = (&layout.groups[coupling.group], self.of(layout, coupling, rows));
                    let Own { ref hidden, ref d_hidden, out, product, .. } = own;
                    let memory = CouplingMemory { x: self.x[at], out, product };
                    coupling.couple_back(commands, group, &back(above), memory);
                    // Nobody asks for the kept features of the first layer.
                    let asked = at > 0;
                    let d_kept = if asked { d_kept } else { NULL };
                    let gradients = NetworkGradients { hidden, d_hidden, d_out: out, d_kept };
                    match &self.groups[coupling.group].conv {
                        Some(conv) => conv.backward(commands, rows, asked),
                        None => coupling.networks_back(commands, group, values, rows, &gradients),
                    }
                }
                PlacedLayer::BatchNorm(norm, over) => {
                    let Some(&memory) = norms.next() else { return };
                    let work = |commands: &mut Commands, own: &Backward, x| norm.backward(commands, own, x, memory);
                    self.channels.backward(*over, commands, back(above), self.x[at], work);
                }
                PlacedLayer::ActNorm(norm, over) => {
                    let Some(&memory) = norms.next() else { return };
                    let work = |commands: &mut Commands, own: &Backward, x| norm.backward(commands, own, x, memory);
                    self.channels.backward(*over, commands, back(above), self.x[at], work);
                }
                PlacedLayer::Lu(lu, over) => {
                    let Some(&memory) = lus.next() else { return };
                    let work = |commands: &mut Commands, own: &Backward, x| {
                        lu.backward(commands, own, x, memory, self.lu_scratch);
                    };
                    self.channels.backward(*over, commands, back(above), self.x[at], work);
                }
            }
        }
    }

    /// The gradients of the networks' weights that are not summed by tiles, of all couplings of a group at once.
    fn weights_back(&self, commands: &mut Commands, placed: &Placed, rows: usize) {
        for (group, memory) in placed.layout.groups.iter().zip(&self.groups) {
            memory.weights_back(commands, group, placed.weights, rows);
        }
    }
}

impl GroupMemory {
    fn weights_back(&self, commands: &mut Commands, group: &Group, weights: PlacedWeights, rows: usize) {
        let Self { kept, hidden, d_hidden, out, .. } = self;
        for (at, maps) in group.maps.iter().enumerate().filter(|(_, maps)| !by_tiles(maps, rows)) {
            let d = d_hidden.get(at).copied().unwrap_or(*out);
            let to = weights.gradient + FLOAT * maps.offset as u64;
            let product = |input: Factor, d: Factor, c: Address, stride: usize, count: usize| Product {
                rows: maps.inputs,
                inner: rows,
                columns: maps.outputs,
                a: input,
                b: d,
                c,
                stride,
                count,
            };
            let one = rows * maps.outputs;
            if at > 0 {
                let input = Factor { address: hidden[at - 1], transposed: true, stride: rows * maps.inputs };
                let d = Factor { address: d, transposed: false, stride: one };
                commands.product(product(input, d, to, maps.stride(), maps.networks * group.couplings));
                continue;
            }
            // The networks of a coupling read the same rows.
            for net in 0..maps.networks {
                let input = Factor { address: *kept, transposed: true, stride: rows * maps.inputs };
                let d =
                    Factor { address: d + FLOAT * (net * one) as u64, transposed: false, stride: maps.networks * one };
                let to = to + FLOAT * (net * maps.stride()) as u64;
                commands.product(product(input, d, to, maps.networks * maps.stride(), group.couplings));
            }
        }
    }
}

/// The memory of one coupling.
struct Own {
    kept: Address,
    hidden: Vec<Address>,
    d_hidden: Vec<Address>,
    out: Address,
    product: Address,
}

/// So many rows of `width` columns at `from` that are summed to the gradient at `offset`.
fn sums(
    from: Address,
    rows: usize,
    offset: usize,
    width: usize,
    weights: PlacedWeights,
) -> impl Iterator<Item = ColumnSum> {
    (0..width).step_by(COLUMNS).map(move |start| ColumnSum {
        from: from + FLOAT * start as u64,
        to: weights.gradient + FLOAT * (offset + start) as u64,
        rows: rows as u32,
        stride: width as u32,
        count: COLUMNS.min(width - start) as u32,
        unused: 0,
    })
}

/// What is summed over rows after the way back, beside tiles: gradients of biases, from those of their layers' outputs.
fn columns(layout: &Layout, groups: &[GroupMemory], weights: PlacedWeights, rows: usize) -> Vec<ColumnSum> {
    let mut all = Vec::new();
    for (group, memory) in layout.groups.iter().zip(groups) {
        for (at, maps) in group.maps.iter().enumerate().filter(|(_, maps)| !by_tiles(maps, rows)) {
            let d = memory.d_hidden.get(at).copied().unwrap_or(memory.out);
            for coupling in 0..group.couplings {
                for (net, bias) in maps.biases(coupling).enumerate() {
                    let from = of_coupling(d, maps.networks * coupling + net, rows * maps.outputs);
                    all.extend(sums(from, rows, bias, maps.outputs, weights));
                }
            }
        }
    }
    all
}
