//! How a device is told what to do.

use super::device::{Address, Argument, BLOCK, Command, Kernel, Product};
use crate::spec::Activation;

/// No address.
pub(crate) const NULL: Address = 0;

/// Bytes of a float.
pub(crate) const FLOAT: u64 = 4;

/// A list of arguments from values of several types.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => { vec![$($crate::compute::cuda::Argument::from($value)),*] };
}
pub(crate) use arguments;

/// Commands as they are gathered.
#[derive(Default)]
pub(crate) struct Commands(pub Vec<Command>);

impl Commands {
    /// A kernel on at least `threads` threads.
    pub fn launch(&mut self, kernel: Kernel, threads: usize, arguments: Vec<Argument>) {
        self.launch_blocks(kernel, threads.div_ceil(BLOCK), arguments);
    }

    pub fn launch_blocks(&mut self, kernel: Kernel, blocks: usize, arguments: Vec<Argument>) {
        self.0.push(Command::Launch { kernel, blocks, arguments });
    }

    pub fn product(&mut self, product: Product) {
        self.0.push(Command::Product(product));
    }

    /// A product of a coupling's networks by a kernel of ours, with what comes behind it.
    pub fn affine(&mut self, product: &Product, behind: Behind) {
        let &Product { rows, inner, columns, a, b, c, count, .. } = product;
        let blocks = rows.div_ceil(SIDE) * columns.div_ceil(SIDE) * count;
        let Behind { then, h, add, plain, scale } = behind;
        self.launch_blocks(
            Kernel::Affine,
            blocks,
            arguments![
                a.address,
                a.stride,
                b.address,
                b.stride,
                h,
                add,
                plain,
                c,
                rows,
                inner,
                columns,
                b.transposed,
                then as usize,
                scale,
            ],
        );
    }
}

/// What comes behind a product of a coupling's networks.
#[derive(Clone, Copy)]
pub(crate) struct Behind {
    pub then: Then,
    /// Back, what the activation gave.
    pub h: Address,
    /// Added: forward before the activation, back behind its slope. Null: nothing.
    pub add: Address,
    /// Forward, where the values before the activation go. Null: nowhere.
    pub plain: Address,
    /// What dropout behind the activation multiplies values by that it keeps, in training. 0: there is none.
    pub scale: f32,
}

impl Behind {
    pub const NOTHING: Self = Self { then: Then::Nothing, h: NULL, add: NULL, plain: NULL, scale: 0.0 };
}

/// Forward a bias and an activation, back the slope of the activation; by the numbers of `kernels.cu`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing = 0,
    Relu = 1,
    Tanh = 2,
    /// A bias alone.
    Bias = 3,
}

impl From<Activation> for Then {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Relu => Self::Relu,
            Activation::Tanh => Self::Tanh,
        }
    }
}

/// Rows and columns of a block of `affine`.
const SIDE: usize = 32;

/// Whether a product is too small for a general one to keep a GPU busy: measured on an H100, where a product of 2 × 256 × 512 × 512
/// takes twice as long by cuBLAS.
pub(crate) fn is_small(product: &Product) -> bool {
    product.rows * product.inner * product.columns * product.count <= 1 << 28
}

/// Threads that show each other values.
pub(crate) const WARP: usize = 32;

/// How many threads share a row of `features` features: a power of two and at most a warp, or, of long rows, a block.
pub(crate) fn lanes(features: usize) -> usize {
    if features >= BLOCK / 2 { BLOCK } else { features.next_power_of_two().min(WARP) }
}
