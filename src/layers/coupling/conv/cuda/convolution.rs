//! One convolution as a device is told of it: a product over all pixels of all rows.

use bytemuck::{Pod, Zeroable};

use crate::compute::DeviceError;
use crate::compute::cuda::{Address, Commands, Device, Kernel, Memory, NULL, arguments};

/// Outputs of a block.
pub(super) fn width(outputs: usize) -> usize {
    if outputs <= 32 { 32 } else { 64 }
}

/// `Image` in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Image {
    pub at: Address,
    pub row: i64,
    pub pixel: i32,
    pub group: i32,
    pub list: i32,
    pub count: i32,
}

impl Image {
    /// Every value of every pixel at its place.
    pub fn whole(at: Address, pixels: usize, values: usize) -> Self {
        let [pixel, group, count] = [values, values, pixels].map(|size| size as i32);
        Self { at, row: (pixels * values) as i64, pixel, group, list: 0, count }
    }

    pub fn is_by_four(&self) -> bool {
        self.row % 4 == 0 && [self.pixel, self.group, self.list].iter().all(|size| size % 4 == 0)
    }
}

/// `Convolution` in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Description {
    pub input: Image,
    pub out: Image,
    pub numbers: Address,
    pub pixels: Address,
    pub weights: Address,
    pub bias: Address,
    pub positive: Address,
    pub add: Address,
    pub height: i32,
    pub width: i32,
    pub side: i32,
    pub inputs: i32,
    pub outputs: i32,
    pub columns: i32,
    pub relu_in: i32,
    pub relu_out: i32,
    pub in_by_four: i32,
    pub out_by_four: i32,
    pub factor: f32,
    pub unused: i32,
}

/// A convolution on a device.
#[derive(Clone, Copy)]
pub(super) struct PlacedConvolution {
    /// Its description.
    pub at: Address,
    /// Pixels of a row that it gives, and values of each.
    pub count: usize,
    pub outputs: usize,
}

impl PlacedConvolution {
    pub fn launch(&self, commands: &mut Commands, rows: usize) {
        let &Self { at, count, outputs } = self;
        let wide = width(outputs);
        let kernel = if wide == 32 { Kernel::ConvolveNarrow } else { Kernel::ConvolveWide };
        let blocks = (rows * count).div_ceil(4096 / wide) * outputs.div_ceil(wide);
        commands.launch_blocks(kernel, blocks, arguments![at, rows]);
    }
}

/// A convolution without a bias and with nothing behind it; sizes: height, width, side, inputs, outputs, columns.
pub(super) fn plain(input: Image, out: Image, weights: Address, sizes: [usize; 6]) -> Description {
    let [height, width, side, inputs, outputs, columns] = sizes.map(|size| size as i32);
    let [numbers, pixels, bias, positive, add] = [NULL; 5];
    by_four(Description {
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
pub(super) fn by_four(described: Description) -> Description {
    let Description { input, out, inputs, outputs, .. } = described;
    let [in_by_four, out_by_four] =
        [(input, inputs), (out, outputs)].map(|(image, count)| i32::from(image.is_by_four() && count % 4 == 0));
    Description { in_by_four, out_by_four, ..described }
}

pub(super) fn place_convolution<D: Device>(
    memory: &mut Memory<D>,
    described: &Description,
) -> Result<PlacedConvolution, DeviceError> {
    let (count, outputs) = (described.out.count as usize, described.outputs as usize);
    Ok(PlacedConvolution { at: memory.holding(&[*described])?, count, outputs })
}
