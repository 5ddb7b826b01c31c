//! What a flow asks of a GPU: memory, and commands that are worked off in order.
//!
//! Commands are data. A driver turns a list of them into a graph that is launched at once; tests work the same list off on
//! the CPU.

use std::rc::Rc;

use bytemuck::Pod;

use crate::flow::DeviceError;

/// A place in a device's memory, in bytes.
pub type Address = u64;

/// Threads of a block, for every kernel.
pub const BLOCK: usize = 256;

/// Declares the kernels of `kernels.cu`.
macro_rules! kernels {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// The kernels of `kernels.cu`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kernel { $($(#[$doc])* $variant),* }

        impl Kernel {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the source.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kernels![
    Draw = "draw",
    Activate = "activate",
    ActivateBack = "activate_back",
    Couple = "couple",
    CoupleBack = "couple_back",
    Normalise = "normalise",
    NormaliseBack = "normalise_back",
    NormaliseRunning = "normalise_running",
    Lose = "lose",
    ColumnSums = "column_sums",
    Squares = "squares",
    Finish = "finish",
    Update = "update",
    PassOne = "pass_1",
    PassTwo = "pass_2",
    PassFour = "pass_4",
    PassEight = "pass_8",
    WeightGradients = "weight_gradients",
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
    pub address: Address,
    /// Whether it stands transposed in memory.
    pub transposed: bool,
    /// Floats from this matrix to that of the next product; 0 where all products share it.
    pub stride: usize,
}

/// `count` products C = A·B of f32, shapes `[rows, inner]` and `[inner, columns]`; C is dense and row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    pub rows: usize,
    pub inner: usize,
    pub columns: usize,
    pub a: Factor,
    pub b: Factor,
    pub c: Address,
    /// Floats from one C to the next.
    pub stride: usize,
    pub count: usize,
}

/// Something a device does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A kernel on `blocks` blocks of [`BLOCK`] threads.
    Launch {
        kernel: Kernel,
        blocks: usize,
        arguments: Vec<Argument>,
    },
    Product(Product),
}

/// A GPU, or something that computes like one. Everything is worked off in the order of the calls; errors say that the device has
/// no room, is lost, or refuses.
///
/// Addresses in commands must be those of memory that is allocated until the commands are done.
pub trait Device {
    /// Commands prepared to be run many times.
    type Graph;

    /// Gives at least `bytes` bytes, whose contents are anything.
    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError>;

    /// Takes back what [`allocate`](Device::allocate) gave.
    fn free(&self, address: Address);

    /// Copies `bytes` to the device.
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

/// Memory of a device, given back when this is dropped.
pub(super) struct Memory<D: Device> {
    device: Rc<D>,
    allocated: Vec<Address>,
}

impl<D: Device> Memory<D> {
    pub fn new(device: &Rc<D>) -> Self {
        Self { device: Rc::clone(device), allocated: Vec::new() }
    }

    /// Room for `count` values.
    pub fn room<T: Pod>(&mut self, count: usize) -> Result<Address, DeviceError> {
        // An address of its own even where nothing stands.
        let address = self.device.allocate((count * size_of::<T>()).max(1))?;
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
