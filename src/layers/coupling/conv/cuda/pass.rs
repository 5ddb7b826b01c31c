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
    pub(super) at: Address,
    pub(super) row: i64,
    pub(super) pixel: i32,
    pub(super) group: i32,
    pub(super) list: i32,
    pub(super) count: i32,
}

impl Image {
    /// Every value of every pixel at its place.
    pub(super) fn whole(at: Address, pixels: usize, values: usize) -> Self {
        let [pixel, group, count] = [values, values, pixels].map(|size| size as i32);
        Self { at, row: (pixels * values) as i64, pixel, group, list: 0, count }
    }

    pub(super) fn is_by_four(&self) -> bool {
        self.row % 4 == 0 && [self.pixel, self.group, self.list].iter().all(|size| size % 4 == 0)
    }
}

/// `Convolution` in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Described {
    pub(super) input: Image,
    pub(super) out: Image,
    pub(super) numbers: Address,
    pub(super) pixels: Address,
    pub(super) weights: Address,
    pub(super) bias: Address,
    pub(super) positive: Address,
    pub(super) add: Address,
    pub(super) height: i32,
    pub(super) width: i32,
    pub(super) side: i32,
    pub(super) inputs: i32,
    pub(super) outputs: i32,
    pub(super) columns: i32,
    pub(super) relu_in: i32,
    pub(super) relu_out: i32,
    pub(super) in_by_four: i32,
    pub(super) out_by_four: i32,
    pub(super) factor: f32,
    pub(super) unused: i32,
}

/// A convolution on a device.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    /// Its description.
    pub(super) at: Address,
    /// Pixels of a row that it gives, and values of each.
    pub(super) count: usize,
    pub(super) outputs: usize,
}

impl Pass {
    pub(super) fn launch(&self, commands: &mut Commands, rows: usize) {
        let &Self { at, count, outputs } = self;
        let wide = width(outputs);
        let kernel = if wide == 32 { Kernel::ConvolveNarrow } else { Kernel::ConvolveWide };
        let blocks = (rows * count).div_ceil(4096 / wide) * outputs.div_ceil(wide);
        commands.launch_blocks(kernel, blocks, arguments![at, rows]);
    }
}

/// A convolution without a bias and with nothing behind it; sizes: height, width, side, inputs, outputs, columns.
pub(super) fn plain(input: Image, out: Image, weights: Address, sizes: [usize; 6]) -> Described {
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
pub(super) fn by_four(described: Described) -> Described {
    let Described { input, out, inputs, outputs, .. } = described;
    let [in_by_four, out_by_four] =
        [(input, inputs), (out, outputs)].map(|(image, count)| i32::from(image.is_by_four() && count % 4 == 0));
    Described { in_by_four, out_by_four, ..described }
}

pub(super) fn pass<D: Device>(memory: &mut Memory<D>, described: &Described) -> Result<Pass, DeviceError> {
    let (count, outputs) = (described.out.count as usize, described.outputs as usize);
    Ok(Pass { at: memory.holding(&[*described])?, count, outputs })
}
