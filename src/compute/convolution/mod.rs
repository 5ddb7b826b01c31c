//! Convolutions of images, each forward, to its inputs and to its weights: `winograd`, 3×3 over many maps; `direct`, 3×3 over
//! few channels, and the others' measure; `pointwise`, 1×1; and batch normalisation of their maps, `normalise`.
//!
//! Rows are [in panels](super::panels): a map of a pixel stands side by side for the rows of a panel. So nothing is brought
//! together first, no sum runs across a register, and weights are used where they are: `[3, 3, inputs, outputs]`, as in TensorFlow.
//! Pixels outside an image are 0. Every sum runs in a fixed order.

// Loops over constants, by index, become straight code on registers; iterators and closures do not always.
#![allow(clippy::needless_range_loop)]

mod direct;
mod normalise;
mod pointwise;
mod winograd;

pub(crate) use direct::{NONE, direct, direct_back, direct_weights};
pub(crate) use normalise::Maps;
pub(crate) use pointwise::{pointwise, pointwise_back, pointwise_weights};
pub(crate) use winograd::{winograd, winograd_weights};

use super::simd::Simd;

/// The images of the rows of a buffer: pixels from left to right, then from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub height: usize,
    pub width: usize,
}

impl Grid {
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// The pixel `(dy, dx)` − 1 away from pixel `(y, x)`, if it is inside.
    #[inline(always)]
    pub fn neighbour(self, [y, x]: [usize; 2], [dy, dx]: [usize; 2]) -> Option<usize> {
        let (y, x) = ((y + dy).wrapping_sub(1), (x + dx).wrapping_sub(1));
        (y < self.height && x < self.width).then(|| y * self.width + x)
    }
}

/// Values from one pixel to the next in buffers of so many maps: one more, as addresses that are a power of two apart share
/// few places of a cache.
pub(crate) fn pitch(maps: usize) -> usize {
    maps + 1
}

/// What happens to a value of a convolution before it is stored. Buffers are as that which is written.
#[derive(Clone, Copy)]
pub(crate) enum Then<'a> {
    /// Nothing: c.
    Nothing,
    /// max(c, 0).
    Relu,
    /// c and the value at the same place of this buffer.
    Plus(&'a [f32]),
    /// c where the value at the same place of this buffer is positive, else 0.
    WherePositive(&'a [f32]),
    /// The same, added to what is there.
    AddWherePositive(&'a [f32]),
}

impl Then<'_> {
    /// Whether it has values for every place of a buffer of this length.
    fn covers(self, length: usize) -> bool {
        match self {
            Self::Nothing | Self::Relu => true,
            Self::Plus(other) | Self::WherePositive(other) | Self::AddWherePositive(other) => length <= other.len(),
        }
    }

    /// Stores `value` at place `at` of `to`.
    ///
    /// # Safety
    /// A register must lie inside `to` and inside what it [covers](Self::covers) there.
    #[inline(always)]
    unsafe fn store<S: Simd>(self, to: *mut f32, at: usize, value: S::V) {
        // SAFETY: handed on to the caller.
        unsafe {
            let value = match self {
                Self::Nothing => value,
                Self::Relu => S::relu(value),
                Self::Plus(other) => S::add(S::load(other.as_ptr().add(at)), value),
                Self::WherePositive(gate) => S::where_positive(S::load(gate.as_ptr().add(at)), value),
                Self::AddWherePositive(gate) => {
                    S::add(S::load(to.add(at)), S::where_positive(S::load(gate.as_ptr().add(at)), value))
                }
            };
            S::store(to.add(at), value);
        }
    }
}

/// `rows` × `columns` values, `stride` apart from one row to the next, to `columns` rows that are `to_stride` apart.
///
/// # Safety
/// Both must lie inside what the pointers point into.
#[inline(always)]
unsafe fn transpose<S: Simd>(
    from: *const f32,
    [rows, columns]: [usize; 2],
    stride: usize,
    to: *mut f32,
    to_stride: usize,
) {
    let whole = [rows, columns].map(|n| n / S::LANES * S::LANES);
    // SAFETY: handed on to the caller.
    unsafe {
        for row in (0..whole[0]).step_by(S::LANES) {
            for column in (0..whole[1]).step_by(S::LANES) {
                S::transpose(from.add(row * stride + column), stride, to.add(column * to_stride + row), to_stride);
            }
        }
        for row in 0..rows {
            let first = if row < whole[0] { whole[1] } else { 0 };
            for column in first..columns {
                *to.add(column * to_stride + row) = *from.add(row * stride + column);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{Buffer, Level, Panels};

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    /// A convolution as it is defined, in f64, of dense rows `[pixel][channel]`.
    struct Plain {
        grid: Grid,
        maps: [usize; 2],
        weights: Vec<f64>,
        bias: Vec<f64>,
    }

    impl Plain {
        /// Calls `visit(value read, weight, value given)` for every multiplication.
        fn each(&self, mut visit: impl FnMut(usize, usize, usize)) {
            let [inputs, outputs] = self.maps;
            for pixel in 0..self.grid.pixels() {
                for tap in 0..9 {
                    let at = [pixel / self.grid.width, pixel % self.grid.width];
                    let Some(from) = self.grid.neighbour(at, [tap / 3, tap % 3]) else { continue };
                    for i in 0..inputs {
                        for o in 0..outputs {
                            visit(from * inputs + i, (tap * inputs + i) * outputs + o, pixel * outputs + o);
                        }
                    }
                }
            }
        }

        fn forward(&self, x: &[f64]) -> Vec<f64> {
            let mut y: Vec<f64> = (0..self.grid.pixels()).flat_map(|_| self.bias.clone()).collect();
            self.each(|x_at, weight, y_at| y[y_at] += x[x_at] * self.weights[weight]);
            y
        }

        /// Gradients of what was read, and of weights and bias.
        fn back(&self, x: &[f64], d: &[f64]) -> [Vec<f64>; 2] {
            let mut of_x = vec![0.0; x.len()];
            let mut of_weights = vec![0.0; self.weights.len() + self.bias.len()];
            self.each(|x_at, weight, y_at| {
                of_x[x_at] += d[y_at] * self.weights[weight];
                of_weights[weight] += d[y_at] * x[x_at];
            });
            let bias = self.weights.len();
            d.iter().enumerate().for_each(|(at, d)| of_weights[bias + at % self.bias.len()] += d);
            [of_x, of_weights]
        }
    }

    /// Dense rows `[row][pixel][map]` in panels with the pitch of hidden maps, and back.
    fn fill(panels: Panels, dense: &[f32], pixels: usize, maps: usize, pad: bool) -> Vec<f32> {
        let values = pixels * pitch(maps);
        let mut to = vec![f32::NAN; values * panels.padded()];
        for panel in panels.iter() {
            for pixel in 0..pixels {
                for map in 0..maps {
                    let row = panel.row_of(values, pixel * pitch(maps) + map, &mut to);
                    for (r, to) in row.iter_mut().enumerate() {
                        let row = (panel.first + r).min(panels.rows - 1);
                        let inside = r < panel.used || pad;
                        *to = if inside { dense[(row * pixels + pixel) * maps + map] } else { 0.0 };
                    }
                }
            }
        }
        to
    }

    fn read(panels: Panels, from: &[f32], pixels: usize, maps: usize) -> Vec<f64> {
        let values = pixels * pitch(maps);
        let mut dense = vec![0.0; panels.rows * pixels * maps];
        for panel in panels.iter() {
            for pixel in 0..pixels {
                for map in 0..maps {
                    let row = panel.row(values, pixel * pitch(maps) + map, from);
                    for (r, value) in row.iter().enumerate().take(panel.used) {
                        dense[((panel.first + r) * pixels + pixel) * maps + map] = f64::from(*value);
                    }
                }
            }
        }
        dense
    }

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&value| value.into()).collect()
    }

    /// The largest difference, of the root mean square of what is exact.
    fn error(found: &[f64], exact: &[f64]) -> f64 {
        assert_eq!(found.len(), exact.len());
        let size = (exact.iter().map(|v| v * v).sum::<f64>() / exact.len() as f64).sqrt();
        found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, |a, b| if a >= b { a } else { b }) / size
    }

    const SIZES: [(usize, [usize; 2], [usize; 2]); 6] = [
        (1, [1, 1], [3, 5]),
        (9, [4, 4], [8, 16]),
        (40, [5, 7], [17, 9]),
        (33, [8, 6], [16, 20]),
        (50, [2, 9], [33, 32]),
        (16, [11, 3], [6, 50]),
    ];

    /// In panels of two registers, and in those of images.
    fn sizes(level: Level) -> impl Iterator<Item = (Panels, [usize; 2], [usize; 2])> {
        let both = move |rows| [Panels::new(level, rows), Panels::of_images(level, rows)];
        SIZES.into_iter().flat_map(move |(rows, grid, maps)| both(rows).map(|panels| (panels, grid, maps)))
    }

    #[test]
    fn convolutions_of_maps_agree_with_f64_sums() {
        for level in Level::available() {
            for (panels, [height, width], maps) in sizes(level) {
                let (grid, [inputs, outputs]) = (Grid { height, width }, maps);
                let (rows, pixels) = (panels.rows, grid.pixels());
                let weights = numbers(9 * inputs * outputs, 1);
                let bias = numbers(outputs, 2);
                let (x, y) = (numbers(rows * pixels * inputs, 3), numbers(rows * pixels * outputs, 4));
                let plain = Plain { grid, maps, weights: wide(&weights), bias: wide(&bias) };
                let mut scratch = Buffer::default();
                for relu in [false, true] {
                    let name = format!("{level:?} {rows} {grid:?} {maps:?} {relu}");
                    let through = |x: &f64| if relu { x.max(0.0) } else { *x };
                    let exact_x: Vec<f64> = wide(&x).iter().map(through).collect();
                    let from = fill(panels, &x, pixels, inputs, true);
                    let other = fill(panels, &y, pixels, outputs, true);
                    let mut to = vec![f32::NAN; pixels * pitch(outputs) * panels.padded()];
                    let then = Then::Plus(&other);
                    winograd(
                        level,
                        &weights,
                        &bias,
                        maps,
                        false,
                        grid,
                        panels,
                        &from,
                        relu,
                        &mut to,
                        then,
                        &mut scratch,
                    );
                    let mut exact: Vec<f64> = exact_x.chunks(pixels * inputs).flat_map(|x| plain.forward(x)).collect();
                    exact.iter_mut().zip(&y).for_each(|(exact, y)| *exact += f64::from(*y));
                    let found = read(panels, &to, pixels, outputs);
                    assert!(error(&found, &exact) < 2e-5, "{name}: {}", error(&found, &exact));

                    // Back: to what was read, where it was positive, added to what is there; and to the weights.
                    let d = fill(panels, &y, pixels, outputs, false);
                    let mut of_x = from.clone();
                    let then = Then::AddWherePositive(&from);
                    let back = [outputs, inputs];
                    winograd(level, &weights, &[], back, true, grid, panels, &d, false, &mut of_x, then, &mut scratch);
                    let mut of_weights = vec![f32::NAN; (9 * inputs + 1) * outputs];
                    winograd_weights(level, maps, grid, panels, &from, relu, &d, &mut of_weights, &mut scratch);
                    let mut exact_weights = vec![0.0; of_weights.len()];
                    let mut exact = Vec::new();
                    for (x, d) in exact_x.chunks(pixels * inputs).zip(wide(&y).chunks(pixels * outputs)) {
                        let [of_x, of_weights] = plain.back(x, d);
                        exact.extend(of_x);
                        exact_weights.iter_mut().zip(of_weights).for_each(|(sum, more)| *sum += more);
                    }
                    let gated = |(d, &x): (&f64, &f32)| f64::from(x) + if x > 0.0 { *d } else { 0.0 };
                    let exact: Vec<f64> = exact.iter().zip(&x).map(gated).collect();
                    let found = read(panels, &of_x, pixels, inputs);
                    assert!(error(&found, &exact) < 2e-5, "{name} back: {}", error(&found, &exact));
                    let found = wide(&of_weights);
                    assert!(error(&found, &exact_weights) < 5e-5, "{name} weights: {}", error(&found, &exact_weights));
                }
            }
        }
    }

    #[test]
    fn convolutions_of_few_channels_agree_with_f64_sums_where_pixels_are_missing() {
        for level in Level::available() {
            for (panels, [height, width], [channels, outputs]) in sizes(level) {
                let (grid, channels) = (Grid { height, width }, channels.min(6));
                let (rows, pixels) = (panels.rows, grid.pixels());
                for missing in [0, 2] {
                    let is_there =
                        |pixel: usize| missing == 0 || (pixel / width + pixel % width).is_multiple_of(missing);
                    let mut places = vec![NONE; pixels];
                    let there: Vec<usize> = (0..pixels).filter(|&pixel| is_there(pixel)).collect();
                    there.iter().enumerate().for_each(|(place, &pixel)| places[pixel] = place);
                    let weights = numbers(9 * channels * outputs, 1);
                    let bias = numbers(outputs, 2);
                    let (x, y) = (numbers(rows * pixels * channels, 3), numbers(rows * pixels * outputs, 4));
                    let maps = [channels, outputs];
                    let plain = Plain { grid, maps, weights: wide(&weights), bias: wide(&bias) };
                    let compact: Vec<f32> = x
                        .chunks(pixels * channels)
                        .flat_map(|row| there.iter().flat_map(|pixel| row[pixel * channels..][..channels].to_vec()))
                        .collect();
                    let values = there.len() * channels;
                    let mut from = vec![0.0; values * panels.padded()];
                    panels.fill(&compact, values, &mut from);
                    let mut to = vec![f32::NAN; pixels * pitch(outputs) * panels.padded()];
                    direct(level, &weights, &bias, maps, grid, panels, &places, &from, &mut to);
                    let d = fill(panels, &y, pixels, outputs, false);
                    let mut of_x = vec![f32::NAN; values * panels.padded()];
                    direct_back(level, &weights, maps, grid, panels, &places, &d, &mut of_x);
                    let mut of_weights = vec![f32::NAN; (9 * channels + 1) * outputs];
                    let mut scratch = Buffer::default();
                    direct_weights(level, maps, grid, panels, &places, &from, &d, &mut of_weights, &mut scratch);

                    let (mut exact, mut exact_x, mut exact_weights) = (vec![], vec![], vec![0.0; of_weights.len()]);
                    for (x, d) in wide(&x).chunks(pixels * channels).zip(wide(&y).chunks(pixels * outputs)) {
                        let masked = |(at, x): (usize, &f64)| if is_there(at / channels) { *x } else { 0.0 };
                        let x: Vec<f64> = x.iter().enumerate().map(masked).collect();
                        exact.extend(plain.forward(&x));
                        let [of_x, of_weights] = plain.back(&x, d);
                        let of_x = of_x.chunks(channels).enumerate();
                        exact_x.extend(of_x.filter(|(pixel, _)| is_there(*pixel)).flat_map(|(_, d)| d.to_vec()));
                        exact_weights.iter_mut().zip(of_weights).for_each(|(sum, more)| *sum += more);
                    }
                    let mut dense = vec![0.0; values * rows];
                    panels.read(&of_x, values, &mut dense);
                    let found = [read(panels, &to, pixels, outputs), wide(&dense), wide(&of_weights)];
                    for (found, exact) in found.iter().zip([exact, exact_x, exact_weights]) {
                        let error = error(found, &exact);
                        assert!(error < 1e-5, "{level:?} {rows} {grid:?} {maps:?}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn pointwise_maps_agree_with_f64_sums() {
        for level in Level::available() {
            for (rows, pixels, maps, lists, channels) in
                [(1, 1, 3, 1, 1), (40, 9, 17, 2, 1), (33, 5, 16, 2, 3), (50, 6, 33, 5, 4), (16, 12, 8, 1, 5)]
            {
                let (panels, outputs) = (Panels::of_images(level, rows), lists * channels);
                let said: Vec<usize> = (0..pixels).filter(|pixel| pixels == 12 || pixel % 2 == 0).collect();
                let (weights, bias) = (numbers(maps * outputs, 1), numbers(outputs, 2));
                let (x, y) = (numbers(rows * pixels * maps, 3), numbers(rows * said.len() * outputs, 4));
                let from = fill(panels, &x, pixels, maps, true);
                let values = said.len() * outputs;
                let mut to = vec![f32::NAN; values * panels.padded()];
                pointwise(level, &weights, &bias, [maps, outputs], channels, pixels, &said, panels, &from, &mut to);
                let mut d = vec![0.0; values * panels.padded()];
                panels.fill(&y, values, &mut d);
                for panel in panels.iter() {
                    (0..values).for_each(|v| panel.row_of(values, v, &mut d)[panel.used..].fill(0.0));
                }
                let mut of_x = vec![f32::NAN; from.len()];
                pointwise_back(level, &weights, [maps, outputs], channels, pixels, &said, panels, &from, &d, &mut of_x);
                let mut of_weights = vec![f32::NAN; (maps + 1) * outputs];
                pointwise_weights(level, [maps, outputs], channels, pixels, &said, panels, &from, &d, &mut of_weights);

                let mut exact = vec![0.0; rows * values];
                let (mut exact_x, mut exact_weights) = (vec![0.0; x.len()], vec![0.0; of_weights.len()]);
                for row in 0..rows {
                    for (number, &pixel) in said.iter().enumerate() {
                        for o in 0..outputs {
                            let place = (o / channels * said.len() + number) * channels + o % channels;
                            let (y, d) = (&mut exact[row * values + place], f64::from(y[row * values + place]));
                            *y = bias[o].into();
                            exact_weights[maps * outputs + o] += d;
                            for map in 0..maps {
                                let at = (row * pixels + pixel) * maps + map;
                                let (x, weight) = (f64::from(x[at]), f64::from(weights[map * outputs + o]));
                                *y += weight * x.max(0.0);
                                exact_weights[map * outputs + o] += d * x.max(0.0);
                                exact_x[at] += if x > 0.0 { d * weight } else { 0.0 };
                            }
                        }
                    }
                }
                let mut dense = vec![0.0; rows * values];
                panels.read(&to, values, &mut dense);
                let found = [wide(&dense), read(panels, &of_x, pixels, maps), wide(&of_weights)];
                for (found, exact) in found.iter().zip([exact, exact_x, exact_weights]) {
                    assert!(error(found, &exact) < 1e-5, "{level:?} {rows} {pixels} {maps}: {}", error(found, &exact));
                }
            }
        }
    }
}
