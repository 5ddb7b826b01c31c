//! Rows through a flow in evaluation mode, there and back.

use std::rc::Rc;

use super::flow::Placed;
use super::layers::PlacedLayer;
use super::layout::Layout;
use crate::compute::cuda::{Address, Command, Commands, Device, Kernel, Memory, NULL, arguments};
use crate::flow::{Architecture, DeviceError};
use crate::layers::cuda::{ChannelMemory, ConvForward, Ends, Group, LuMemory, NetworkMemory, Passage, Reader};

/// Which way rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Inverse,
}

/// Memory for rows on their way.
pub(super) struct Evaluation<D: Device> {
    /// Rows that there is room for.
    pub rows: usize,
    /// The rows, shape `[rows, values]`: they are changed in place.
    pub x: Address,
    /// Shape `[rows]`.
    pub log_det: Address,
    /// What the coupling that was passed last has left, shape `[networks, rows, said]`.
    pub out: Address,
    /// Of every group.
    kept: Vec<Address>,
    hidden: [Address; 2],
    stream: Address,
    lu: LuMemory,
    channels: ChannelMemory,
    /// Of every group, its convolutional network.
    convs: Vec<Option<ConvForward>>,
    /// A state of no steps done.
    control: Address,
    _memory: Memory<D>,
}

impl<D: Device> Evaluation<D> {
    pub fn new(device: &Rc<D>, placed: &Placed, rows: usize) -> Result<Self, DeviceError> {
        let Placed { architecture, layout, weights, .. } = placed;
        let (mut memory, values) = (Memory::new(device), architecture.values());
        let mut floats = |count: usize| memory.room::<f32>(count);
        let x = floats(rows * values)?;
        let log_det = floats(rows)?;
        let out = floats(layout.most(|group| group.networks() * rows * group.said))?;
        let wide = layout.most(|group| group.networks() * rows * group.width);
        let (hidden, stream) = ([floats(wide)?, floats(wide)?], floats(wide)?);
        let lu = LuMemory::new(&mut memory, layout.largest_lu(), rows)?;
        let channels = ChannelMemory::new(&mut memory, rows * values)?;
        // Places that no kept feature fills are zero.
        let kept = layout.groups.iter().map(|group| memory.holding(&vec![0.0f32; rows * group.kept]));
        let kept = kept.collect::<Result<Vec<_>, _>>()?;
        let maps = rows * layout.most(Group::hidden);
        let hidden_maps = [memory.room::<f32>(maps)?, memory.room::<f32>(maps)?, memory.room::<f32>(maps)?];
        let conv = |(group, &kept): (&Group, &Address)| {
            let place = group.conv.as_ref();
            let ends = Ends { kept, out };
            place
                .map(|place| ConvForward::in_evaluation(&mut memory, (group, place), weights.values, ends, hidden_maps))
                .transpose()
        };
        let convs = layout.groups.iter().zip(&kept).map(conv).collect::<Result<_, _>>()?;
        let control = memory.holding(&[0u32; 4])?;
        Ok(Self { rows, x, log_det, out, kept, hidden, stream, lu, channels, convs, control, _memory: memory })
    }

    /// The commands for `layers`, of which the first is met first; one list a layer, and what comes before.
    pub fn commands(
        &self,
        architecture: &Architecture,
        layout: &Layout,
        layers: &[&PlacedLayer],
        values: Address,
        rows: usize,
        way: Way,
    ) -> Vec<Vec<Command>> {
        let reader = |layer: Option<&&PlacedLayer>| match layer {
            Some(PlacedLayer::Coupling(coupling)) => {
                coupling.reader(&layout.groups[coupling.group], self.kept[coupling.group])
            }
            Some(PlacedLayer::BatchNorm(..) | PlacedLayer::ActNorm(..) | PlacedLayer::Lu(..)) | None => Reader::NOBODY,
        };
        let mut start = Commands::default();
        let first = reader(layers.first());
        start.launch(
            Kernel::Draw,
            rows * architecture.values(),
            arguments![
                self.x,
                NULL,
                self.control,
                self.x,
                self.log_det,
                first.slot,
                first.kept,
                first.rows,
                rows,
                architecture.values(),
            ],
        );
        let mut lists = vec![start.0];
        let inverse = way == Way::Inverse;
        let passage = Passage { x: self.x, z: self.x, log_det: self.log_det, rows, inverse };
        for (at, layer) in layers.iter().enumerate() {
            let next = reader(layers.get(at + 1));
            let mut commands = Commands::default();
            match layer {
                PlacedLayer::Coupling(coupling) => {
                    let (group, out) = (&layout.groups[coupling.group], self.out);
                    let kept = self.kept[coupling.group];
                    coupling.read_context(&mut commands, group, self.x, kept, rows);
                    let memory = NetworkMemory { kept, hidden: &self.hidden, stream: self.stream, out, noise: None };
                    match &self.convs[coupling.group] {
                        Some(conv) => conv.evaluate(&mut commands, rows),
                        None => coupling.networks(&mut commands, group, values, rows, &memory),
                    }
                    coupling.couple(&mut commands, group, values, out, &passage, next);
                }
                PlacedLayer::BatchNorm(norm, over) => {
                    let work = |commands: &mut Commands, passage: &Passage, reader: Reader| {
                        norm.evaluate(commands, values, passage, reader);
                    };
                    self.channels.evaluate(*over, &mut commands, passage, next, work);
                }
                PlacedLayer::ActNorm(norm, over) => {
                    let work = |commands: &mut Commands, passage: &Passage, reader: Reader| {
                        norm.evaluate(commands, values, passage, reader);
                    };
                    self.channels.evaluate(*over, &mut commands, passage, next, work);
                }
                PlacedLayer::Lu(lu, over) => {
                    let work = |commands: &mut Commands, passage: &Passage, reader: Reader| {
                        lu.evaluate(commands, values, passage, reader, self.lu);
                    };
                    self.channels.evaluate(*over, &mut commands, passage, next, work);
                }
            }
            lists.push(commands.0);
        }
        lists
    }
}
