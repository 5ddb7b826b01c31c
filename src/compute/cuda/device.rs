//! What a flow asks of a GPU: memory, and commands that are worked off in order.
//!
//! Commands are data. A driver turns a list of them into a graph that is launched at once; tests work the same list off on
//! the CPU.

use std::ops::Range;
use std::rc::Rc;

use bytemuck::Pod;

use crate::compute::DeviceError;

/// A place in a device's memory, in bytes.
pub type Address = u64;

/// Threads of a block, for all kernels but a few.
pub const BLOCK: usize = 256;

/// Declares the kernels of `kernels.cu`.
macro_rules! kernels {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// The kernels of `kernels.cu`, where each is described.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kernel { $(#[doc = concat!("`", $name, "`")] $variant),* }

        impl Kernel {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Threads of a block: of those that take rows through a whole flow there are few.
            pub fn threads(self) -> usize {
                match self {
                    Self::PassOne | Self::PassTwo | Self::PassFour | Self::PassEight => 2 * BLOCK,
                    Self::PassLuOne | Self::PassLuTwo | Self::PassLuFour | Self::PassLuEight => 2 * BLOCK,
                    Self::PassSplineOne | Self::PassSplineTwo => 2 * BLOCK,
                    Self::PassSplineFour | Self::PassSplineEight => 2 * BLOCK,
                    _ => BLOCK,
                }
            }

            /// Its name in the source.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kernels![
    Draw = "draw",
    Spread = "spread",
    Weigh = "weigh",
    Activate = "activate",
    Drop = "drop",
    ActivateBack = "activate_back",
    Affine = "affine",
    Couple = "couple",
    CoupleBack = "couple_back",
    CoupleSpline = "couple_spline",
    CoupleSplineBack = "couple_spline_back",
    Normalise = "normalise",
    NormaliseBack = "normalise_back",
    NormaliseRunning = "normalise_running",
    RescaleTraining = "rescale_training",
    RescaleBack = "rescale_back",
    Rescale = "rescale",
    LuForward = "lu_forward",
    LuBack = "lu_back",
    LuSums = "lu_sums",
    LuFinish = "lu_finish",
    LuUnpack = "lu_unpack",
    LuShift = "lu_shift",
    LuInverse = "lu_inverse",
    LuGather = "lu_gather",
    LuGradient = "lu_gradient",
    ConvolveNarrow = "convolve_32",
    ConvolveWide = "convolve_64",
    ConvolveWeightsNarrow = "convolve_weights_32",
    ConvolveWeightsWide = "convolve_weights_64",
    AddParts = "add_parts",
    NormaliseWeights = "normalise_weights",
    NormaliseWeightsBack = "normalise_weights_back",
    Turn = "turn",
    ChannelSums = "channel_sums",
    NormaliseLines = "normalise_lines",
    NormaliseLinesBack = "normalise_lines_back",
    RescaleLines = "rescale_lines",
    RescaleLinesBack = "rescale_lines_back",
    AlongLines = "along_lines",
    AlongLinesBack = "along_lines_back",
    TakeChannels = "take_channels",
    PutChannels = "put_channels",
    PutChannelsBack = "put_channels_back",
    Lose = "lose",
    StudentT = "student_t",
    LoseStudentT = "lose_student_t",
    ColumnSums = "column_sums",
    Squares = "squares",
    Finish = "finish",
    Update = "update",
    Average = "average",
    PassOne = "pass_1",
    PassTwo = "pass_2",
    PassFour = "pass_4",
    PassEight = "pass_8",
    PassLuOne = "pass_lu_1",
    PassLuTwo = "pass_lu_2",
    PassLuFour = "pass_lu_4",
    PassLuEight = "pass_lu_8",
    PassSplineOne = "pass_spline_1",
    PassSplineTwo = "pass_spline_2",
    PassSplineFour = "pass_spline_4",
    PassSplineEight = "pass_spline_8",
    WeightGradients = "weight_gradients",
    LuGradients = "lu_gradients",
    Advance = "advance",
];

/// The value of one argument of a kernel, in its first bytes as CUDA wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument(pub u64);

/// Counts, offsets and flags: little-endian, so that the first bytes are also those of a 32-bit integer.
impl From<usize> for Argument {
    fn from(value: usize) -> Self {
        Self(value as u64)
    }
}

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self(value.into())
    }
}

impl From<Address> for Argument {
    fn from(value: Address) -> Self {
        Self(value)
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self(value.to_bits().into())
    }
}

impl From<f64> for Argument {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

/// One side of a [`Product`]: a dense row-major matrix of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Address of the first value.
    pub address: Address,
    /// Whether it stands transposed in memory.
    pub transposed: bool,
    /// Floats from this matrix to that of the next product; 0 where all products share it.
    pub stride: usize,
}

/// `count` products C = A·B of f32, shapes `[rows, inner]` and `[inner, columns]`; C is dense and row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Rows of A and C.
    pub rows: usize,
    /// Columns of A, rows of B.
    pub inner: usize,
    /// Columns of B and C.
    pub columns: usize,
    /// The left factors.
    pub a: Factor,
    /// The right factors.
    pub b: Factor,
    /// Address of the first C.
    pub c: Address,
    /// Floats from one C to the next.
    pub stride: usize,
    /// How many products.
    pub count: usize,
}

/// Something a device does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A kernel on `blocks` blocks.
    Launch {
        /// The kernel.
        kernel: Kernel,
        /// Number of blocks.
        blocks: usize,
        /// The kernel's arguments, in its order.
        arguments: Vec<Argument>,
    },
    /// Products of matrices.
    Product(Product),
}

/// A GPU, or something that computes like one. Everything is worked off in the order of the calls; errors say that the device has
/// no room, is lost, or refuses.
///
/// Addresses in commands must be those of memory that is allocated until the commands are done.
#[expect(clippy::missing_errors_doc, reason = "the same for every method, told above")]
pub trait Device {
    /// Commands prepared to be run many times.
    type Graph;

    /// Flows that share the device now, this one among them.
    fn sharing(&self) -> usize {
        1
    }

    /// Gives at least `bytes` bytes, whose contents are anything.
    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError>;

    /// Bytes that are best asked for at a time: less is cut from one piece of this size. 0: every piece is worth its own.
    fn chunk(&self) -> usize {
        0
    }

    /// Takes back what [`allocate`](Device::allocate) gave.
    fn free(&self, address: Address);

    /// Copies `bytes` to the device, which may have them only when it comes to them.
    fn write(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Fills `bytes` from the device, once all that was asked for before is done.
    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError>;

    /// Begins `commands`; does not wait for them.
    fn run(&self, commands: &[Command]) -> Result<(), DeviceError>;

    /// Prepares `commands` for [`replay`](Device::replay). Places that their products write to may be overwritten.
    fn record(&self, commands: &[Command]) -> Result<Self::Graph, DeviceError>;

    /// Begins the commands of `graph`; does not wait for them.
    fn replay(&self, graph: &Self::Graph) -> Result<(), DeviceError>;
}

/// Where pieces of a chunk begin: what is read fastest from.
const ALIGNMENT: usize = 256;

/// Memory of a device, given back when this is dropped.
pub(crate) struct Memory<D: Device> {
    device: Rc<D>,
    allocated: Vec<Address>,
    /// What is free of the newest chunk.
    free: Range<Address>,
}

impl<D: Device> Memory<D> {
    pub fn new(device: &Rc<D>) -> Self {
        Self { device: Rc::clone(device), allocated: Vec::new(), free: 0..0 }
    }

    /// Room for `count` values.
    pub fn room<T: Pod>(&mut self, count: usize) -> Result<Address, DeviceError> {
        // An address of its own even where nothing stands.
        let (bytes, chunk) = ((count * size_of::<T>()).max(1), self.device.chunk());
        if bytes >= chunk {
            return self.allocate(bytes);
        }
        let piece = bytes.next_multiple_of(ALIGNMENT) as Address;
        if self.free.end - self.free.start < piece {
            let start = self.allocate(chunk)?;
            self.free = start..start + chunk as Address;
        }
        let address = self.free.start;
        self.free.start += piece;
        Ok(address)
    }

    fn allocate(&mut self, bytes: usize) -> Result<Address, DeviceError> {
        let address = self.device.allocate(bytes)?;
        self.allocated.push(address);
        Ok(address)
    }

    /// Room for `values`, which are brought there.
    pub fn holding<T: Pod>(&mut self, values: &[T]) -> Result<Address, DeviceError> {
        let address = self.room::<T>(values.len())?;
        self.write(address, values)?;
        Ok(address)
    }

    /// Brings `values` to a place of this memory.
    pub fn write<T: Pod>(&self, to: Address, values: &[T]) -> Result<(), DeviceError> {
        self.device.write(to, bytemuck::cast_slice(values))
    }
}

impl<D: Device> Drop for Memory<D> {
    fn drop(&mut self) {
        self.allocated.iter().for_each(|&address| self.device.free(address));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const CHUNK: usize = 4 * ALIGNMENT;

    /// Counts what it has given and does nothing else.
    #[derive(Default)]
    struct Counting(RefCell<Vec<usize>>, RefCell<usize>);

    impl Device for Counting {
        type Graph = ();

        fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
            let mut given = self.0.borrow_mut();
            given.push(bytes);
            Ok(given.len() as Address * 1_000_000 * ALIGNMENT as Address)
        }

        fn chunk(&self) -> usize {
            CHUNK
        }

        fn free(&self, _: Address) {
            *self.1.borrow_mut() += 1;
        }

        fn write(&self, _: Address, _: &[u8]) -> Result<(), DeviceError> {
            Ok(())
        }

        fn read(&self, _: Address, _: &mut [u8]) -> Result<(), DeviceError> {
            Ok(())
        }

        fn run(&self, _: &[Command]) -> Result<(), DeviceError> {
            Ok(())
        }

        fn record(&self, _: &[Command]) -> Result<(), DeviceError> {
            Ok(())
        }

        fn replay(&self, (): &()) -> Result<(), DeviceError> {
            Ok(())
        }
    }

    #[test]
    fn small_pieces_share_chunks_and_never_overlap() {
        let device = Rc::new(Counting::default());
        let mut memory = Memory::new(&device);
        let sizes = [0, 1, 256, 257, 300, CHUNK, 3 * CHUNK, CHUNK - 1, 2];
        let mut pieces: Vec<Range<Address>> = Vec::new();
        for bytes in sizes {
            let address = memory.room::<u8>(bytes).unwrap();
            assert!(address.is_multiple_of(ALIGNMENT as Address));
            pieces.push(address..address + bytes.max(1) as Address);
        }
        // 0, 1 and 256 bytes leave no room for 257, which leave room for 300; larger pieces leave a chunk to those after them.
        assert_eq!(*device.0.borrow(), [CHUNK, CHUNK, CHUNK, 3 * CHUNK, CHUNK, CHUNK]);
        pieces.sort_by_key(|piece| piece.start);
        assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start), "{pieces:?}");
        drop(memory);
        assert_eq!(*device.1.borrow(), 6, "all is given back");
    }
}
