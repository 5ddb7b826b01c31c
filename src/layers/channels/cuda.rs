//! The channels of every pixel on a GPU: rows of their own, where they are not all values of a row.

use super::Channels;
use crate::compute::DeviceError;
use crate::compute::cuda::{Address, Commands, Device, Kernel, Memory, NULL, arguments, lanes};
use crate::layers::cuda::{Backward, Forward, Passage, Reader};

/// Where the channels that a layer acts on stand in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedChannels {
    /// Channels of a pixel.
    pub count: usize,
    pub pixels: usize,
    /// Values of a row.
    width: usize,
    /// The column of every channel, pixel by pixel, shape `[pixels, count]`, i32.
    pub columns: Address,
    /// Of every column, its place among those, or −1, shape `[width]`, i32.
    places: Address,
}

/// Memory for pixels as rows of their own.
#[derive(Clone, Copy)]
pub(crate) struct ChannelMemory {
    /// Two times, shape `[rows, pixels, count]`.
    rows: [Address; 2],
    /// Shape `[rows, pixels]`.
    log_det: Address,
}

impl ChannelMemory {
    /// Room for `values` channels of all pixels of all rows.
    pub fn new<D: Device>(memory: &mut Memory<D>, values: usize) -> Result<Self, DeviceError> {
        let mut room = || memory.room::<f32>(values);
        Ok(Self { rows: [room()?, room()?], log_det: room()? })
    }

    /// Takes rows through a layer as in evaluation: `work` is given those that it acts on.
    pub fn evaluate(
        self,
        channels: Option<PlacedChannels>,
        commands: &mut Commands,
        passage: Passage,
        reader: Reader,
        work: impl FnOnce(&mut Commands, &Passage, Reader),
    ) {
        let Some(channels) = channels else { return work(commands, &passage, reader) };
        let Passage { x, z, log_det, rows, inverse } = passage;
        let own = self.rows[0];
        channels.take(commands, x, Reader::NOBODY, NULL, rows, [own, self.log_det]);
        let within = Passage { x: own, z: own, log_det: self.log_det, rows: rows * channels.pixels, inverse };
        work(commands, &within, Reader::NOBODY);
        channels.put(commands, [own, self.log_det], [x, z, log_det], reader, rows, inverse);
    }

    /// Takes rows through a layer in training.
    pub fn forward(
        self,
        channels: Option<PlacedChannels>,
        commands: &mut Commands,
        forward: Forward,
        work: impl FnOnce(&mut Commands, &Forward),
    ) {
        let Some(channels) = channels else { return work(commands, &forward) };
        let (Forward { x, z, log_det, rows, reader, .. }, [from, to]) = (forward, self.rows);
        channels.take(commands, x, Reader::NOBODY, NULL, rows, [from, self.log_det]);
        let rows_within = rows * channels.pixels;
        let reader_within = Reader::NOBODY;
        let within =
            Forward { x: from, z: to, log_det: self.log_det, rows: rows_within, reader: reader_within, ..forward };
        work(commands, &within);
        channels.put(commands, [to, self.log_det], [x, z, log_det], reader, rows, false);
    }

    /// The way back through a layer that has read `x`, which `work` is given too.
    pub fn backward(
        self,
        channels: Option<PlacedChannels>,
        commands: &mut Commands,
        backward: Backward,
        x: Address,
        work: impl FnOnce(&mut Commands, &Backward, Address),
    ) {
        let Some(channels) = channels else { return work(commands, &backward, x) };
        let (Backward { d, rows, above, d_kept, .. }, [own, own_x]) = (backward, self.rows);
        channels.take(commands, x, Reader::NOBODY, NULL, rows, [own_x, self.log_det]);
        channels.take(commands, d, above, d_kept, rows, [own, self.log_det]);
        let (rows_within, above_within) = (rows * channels.pixels, Reader::NOBODY);
        work(commands, &Backward { d: own, rows: rows_within, above: above_within, d_kept: NULL, ..backward }, own_x);
        let PlacedChannels { width, places, .. } = channels;
        let left = arguments![above.slot, above.kept, d_kept, above.networks, rows, width, channels.own()];
        commands.launch(Kernel::PutChannelsBack, rows * width, [arguments![own, d, places], left].concat());
    }
}

impl PlacedChannels {
    /// `None`: they are all values of a row, which has so many. `columns`: of every feature, where it stands.
    pub fn new<D: Device>(
        memory: &mut Memory<D>,
        channels: &Channels,
        columns: &[usize],
    ) -> Result<Option<Self>, DeviceError> {
        let width = columns.len();
        if channels.are_plain(width) {
            return Ok(None);
        }
        let own: Vec<i32> = channels.places.iter().map(|&place| columns[place] as i32).collect();
        let mut places = vec![-1i32; width];
        own.iter().zip(0..).for_each(|(&column, at)| places[column as usize] = at);
        let (columns, places) = (memory.holding(&own)?, memory.holding(&places)?);
        Ok(Some(Self { count: channels.count, pixels: channels.pixels(), width, columns, places }))
    }

    /// Values of a row that the layer acts on.
    fn own(&self) -> usize {
        self.count * self.pixels
    }

    fn take(
        &self,
        commands: &mut Commands,
        from: Address,
        above: Reader,
        d_kept: Address,
        rows: usize,
        [to, log_det]: [Address; 2],
    ) {
        let &Self { count, width, columns, .. } = self;
        let Reader { slot, kept, networks, .. } = above;
        let (read, written) = (arguments![from, slot, kept, d_kept, networks, columns], arguments![to, log_det]);
        let sizes = arguments![rows, width, self.own(), count];
        commands.launch(Kernel::TakeChannels, rows * self.own(), [read, written, sizes].concat());
    }

    fn put(
        &self,
        commands: &mut Commands,
        [from, own_log_det]: [Address; 2],
        [x, z, log_det]: [Address; 3],
        reader: Reader,
        rows: usize,
        inverse: bool,
    ) {
        let (&Self { count, width, places, .. }, lanes) = (self, lanes(self.width));
        let moved = arguments![from, own_log_det, x, z, log_det, places, reader.slot, reader.kept, reader.rows];
        let sizes = arguments![rows, width, self.own(), count, inverse, lanes];
        commands.launch(Kernel::PutChannels, rows * lanes, [moved, sizes].concat());
    }
}
