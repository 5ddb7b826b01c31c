//! 3×3 convolutions of few channels, by sums over the nine neighbours of a pixel.
//!
//! What is read need not have all pixels: `read` has the place of each among those that are there, or [`NONE`]; others are 0. So
//! half of a checkerboard is neither stored nor multiplied.

use super::{Grid, pitch, transpose};
use crate::compute::buffer::{Buffer, pieces_mut};
use crate::compute::panels::Panels;
use crate::compute::simd::{Simd, dispatch};

/// A pixel that is not there.
pub(crate) const NONE: usize = usize::MAX;

/// Neighbours of a pixel, itself included.
const TAPS: usize = 9;

/// The places of a pixel's neighbours among those that are there.
#[inline(always)]
fn neighbours(grid: Grid, read: &[usize], [y, x]: [usize; 2]) -> [Option<usize>; TAPS] {
    let mut places = [None; TAPS];
    for (tap, place) in places.iter_mut().enumerate() {
        let neighbour = grid.neighbour([y, x], [tap / 3, tap % 3]).map(|pixel| read[pixel]);
        *place = neighbour.filter(|&place| place != NONE);
    }
    places
}

/// How many pixels there are.
fn present(read: &[usize]) -> usize {
    read.iter().filter(|&&place| place != NONE).count()
}

/// `to` = 3×3 convolution of `from` and a bias. `weights`: `[3, 3, channels, outputs]`.
#[inline(always)]
fn direct_generic<S: Simd>(
    weights: &[f32],
    bias: &[f32],
    [channels, outputs]: [usize; 2],
    grid: Grid,
    panels: Panels,
    read: &[usize],
    from: &[f32],
    to: &mut [f32],
) {
    let values = [present(read) * channels, grid.pixels() * pitch(outputs)];
    assert!(weights.len() == TAPS * channels * outputs && bias.len() == outputs && read.len() == grid.pixels());
    assert!(values[0] * panels.padded() <= from.len() && values[1] * panels.padded() <= to.len());
    for panel in panels.iter() {
        let (from, to) = (&from[panel.first * values[0]..], &mut to[panel.first * values[1]..]);
        for pixel in 0..grid.pixels() {
            let places = neighbours(grid, read, [pixel / grid.width, pixel % grid.width]);
            let to = to[pixel * pitch(outputs) * panel.width..].as_mut_ptr();
            let mut o = 0;
            macro_rules! strips {
                ($($outputs:literal),*) => {$(
                    while outputs - o >= $outputs && $outputs <= S::ROWS {
                        let (weights, bias, maps) = (&weights[o..], &bias[o..], [channels, outputs]);
                        // SAFETY: the assertions above keep every access inside its slice.
                        unsafe {
                            let to = to.add(o * panel.width);
                            if panel.width == 2 * S::LANES {
                                sums::<S, $outputs, 2>(weights, bias, maps, &places, from, to);
                            } else {
                                sums::<S, $outputs, 1>(weights, bias, maps, &places, from, to);
                            }
                        }
                        o += $outputs;
                    }
                )*};
            }
            strips!(8, 6, 4, 2, 1);
        }
    }
}
dispatch!(direct => direct_generic(
    weights: &[f32],
    bias: &[f32],
    maps: [usize; 2],
    grid: Grid,
    panels: Panels,
    read: &[usize],
    from: &[f32],
    to: &mut [f32],
));

/// `R` outputs of a pixel.
///
/// # Safety
/// `weights` and `bias` begin at the first of the outputs; `from` holds all places, `to` the outputs.
#[inline(always)]
unsafe fn sums<S: Simd, const R: usize, const N: usize>(
    weights: &[f32],
    bias: &[f32],
    [channels, outputs]: [usize; 2],
    places: &[Option<usize>; TAPS],
    from: &[f32],
    to: *mut f32,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; R];
        for r in 0..R {
            for n in 0..N {
                sums[r][n] = S::splat(*bias.as_ptr().add(r));
            }
        }
        for (tap, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            for channel in 0..channels {
                let from = from.as_ptr().add((place * channels + channel) * N * S::LANES);
                let weights = weights.as_ptr().add((tap * channels + channel) * outputs);
                let mut row = [S::splat(0.0); N];
                for n in 0..N {
                    row[n] = S::load(from.add(n * S::LANES));
                }
                for r in 0..R {
                    let weight = S::splat(*weights.add(r));
                    for n in 0..N {
                        sums[r][n] = S::fma(weight, row[n], sums[r][n]);
                    }
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                S::store(to.add((r * N + n) * S::LANES), sums[r][n]);
            }
        }
    }
}

/// From `d`, the gradient of what a convolution gave, to that of what it read, written to `to`.
#[inline(always)]
fn direct_back_generic<S: Simd>(
    weights: &[f32],
    [channels, outputs]: [usize; 2],
    grid: Grid,
    panels: Panels,
    read: &[usize],
    d: &[f32],
    to: &mut [f32],
) {
    let values = [present(read) * channels, grid.pixels() * pitch(outputs)];
    assert!(weights.len() == TAPS * channels * outputs && read.len() == grid.pixels());
    assert!(values[0] * panels.padded() <= to.len() && values[1] * panels.padded() <= d.len());
    to[..values[0] * panels.padded()].fill(0.0);
    for panel in panels.iter() {
        let (to, d) = (&mut to[panel.first * values[0]..], &d[panel.first * values[1]..]);
        for pixel in 0..grid.pixels() {
            // What pixel p gave has read its neighbours: to each goes what the weight of its place says.
            let places = neighbours(grid, read, [pixel / grid.width, pixel % grid.width]);
            let d = d[pixel * pitch(outputs) * panel.width..].as_ptr();
            for channel in 0..channels {
                macro_rules! taps {
                    ($registers:literal, $taps:literal) => {
                        for first in (0..TAPS).step_by($taps) {
                            // SAFETY: the assertions above keep every access inside its slice.
                            unsafe {
                                spread::<S, $taps, $registers>(
                                    weights,
                                    [channels, outputs],
                                    channel,
                                    first,
                                    &places,
                                    d,
                                    to,
                                )
                            }
                        }
                    };
                }
                match (panel.width == 2 * S::LANES, S::ROWS >= 8) {
                    (true, true) => taps!(2, 9),
                    (true, false) => taps!(2, 3),
                    (false, true) => taps!(1, 9),
                    (false, false) => taps!(1, 3),
                }
            }
        }
    }
}
dispatch!(direct_back => direct_back_generic(
    weights: &[f32],
    maps: [usize; 2],
    grid: Grid,
    panels: Panels,
    read: &[usize],
    d: &[f32],
    to: &mut [f32],
));

/// Adds to a channel of `T` neighbours what the gradient of a pixel's outputs says of them.
///
/// # Safety
/// `d` holds the outputs of the pixel, `to` all places.
#[inline(always)]
unsafe fn spread<S: Simd, const T: usize, const N: usize>(
    weights: &[f32],
    [channels, outputs]: [usize; 2],
    channel: usize,
    first: usize,
    places: &[Option<usize>; TAPS],
    d: *const f32,
    to: &mut [f32],
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let weights = weights.as_ptr().add((first * channels + channel) * outputs);
        let mut sums = [[S::splat(0.0); N]; T];
        for output in 0..outputs {
            let mut row = [S::splat(0.0); N];
            for n in 0..N {
                row[n] = S::load(d.add((output * N + n) * S::LANES));
            }
            for tap in 0..T {
                let weight = S::splat(*weights.add(tap * channels * outputs + output));
                for n in 0..N {
                    sums[tap][n] = S::fma(weight, row[n], sums[tap][n]);
                }
            }
        }
        for tap in 0..T {
            let Some(place) = places[first + tap] else { continue };
            let to = to.as_mut_ptr().add((place * channels + channel) * N * S::LANES);
            for n in 0..N {
                let to = to.add(n * S::LANES);
                S::store(to, S::add(S::load(to), sums[tap][n]));
            }
        }
    }
}

/// The gradient of the weights, `[3, 3, channels, outputs]`, and of the bias, written to `to`, one behind the other; `from` is what
/// was read and `d` the gradient of what that gave, 0 for padding rows.
#[inline(always)]
fn direct_weights_generic<S: Simd>(
    [channels, outputs]: [usize; 2],
    grid: Grid,
    panels: Panels,
    read: &[usize],
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
    scratch: &mut Buffer,
) {
    let values = [present(read) * channels, grid.pixels() * pitch(outputs)];
    let padded = outputs.next_multiple_of(S::LANES);
    assert!(to.len() == (TAPS * channels + 1) * outputs && read.len() == grid.pixels());
    assert!(values[0] * panels.padded() <= from.len() && values[1] * panels.padded() <= d.len());
    let rows = 2 * S::LANES;
    let lengths = [TAPS * channels * padded, padded, rows * padded, rows * channels];
    scratch.at_least(lengths.iter().sum());
    let [sums, of_bias, turned, outside] = pieces_mut(scratch, lengths);
    for piece in [&mut *sums, &mut *of_bias, &mut *turned, &mut *outside] {
        piece.fill(0.0);
    }
    for panel in panels.iter() {
        let (from, d) = (&from[panel.first * values[0]..], &d[panel.first * values[1]..]);
        for pixel in 0..grid.pixels() {
            let places = neighbours(grid, read, [pixel / grid.width, pixel % grid.width]);
            let d = d[pixel * pitch(outputs) * panel.width..].as_ptr();
            // SAFETY: the assertions above keep every access inside its slice.
            unsafe {
                transpose::<S>(d, [outputs, panel.width], panel.width, turned.as_mut_ptr(), padded);
                let mut o = 0;
                macro_rules! columns {
                    ($registers:literal) => {{
                        add_bias::<S, $registers>(panel.width, turned[o..].as_ptr(), padded, &mut of_bias[o..]);
                        for channel in 0..channels {
                            let mut rows = [outside.as_ptr(); TAPS];
                            for tap in 0..TAPS {
                                if let Some(place) = places[tap] {
                                    rows[tap] = from[(place * channels + channel) * panel.width..].as_ptr();
                                }
                            }
                            let own = &mut sums[channel * padded + o..];
                            macro_rules! taps {
                                ($taps:literal) => {
                                    for first in (0..TAPS).step_by($taps) {
                                        let to = own[first * channels * padded..].as_mut_ptr();
                                        let turned = turned[o..].as_ptr();
                                        add_products::<S, $taps, $registers>(
                                            &rows[first..],
                                            panel.width,
                                            turned,
                                            padded,
                                            to,
                                            channels * padded,
                                        );
                                    }
                                };
                            }
                            if S::ROWS >= 8 {
                                taps!(9);
                            } else {
                                taps!(3);
                            }
                        }
                    }};
                }
                while padded - o >= 2 * S::LANES {
                    columns!(2);
                    o += 2 * S::LANES;
                }
                if o < padded {
                    columns!(1);
                }
            }
        }
    }
    let (weights, bias) = to.split_at_mut(TAPS * channels * outputs);
    bias.copy_from_slice(&of_bias[..outputs]);
    for (to, from) in weights.chunks_exact_mut(outputs).zip(sums.chunks_exact(padded)) {
        to.copy_from_slice(&from[..outputs]);
    }
}
dispatch!(direct_weights => direct_weights_generic(
    maps: [usize; 2],
    grid: Grid,
    panels: Panels,
    read: &[usize],
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
    scratch: &mut Buffer,
));

/// to[tap, columns] += Σ_rows x[tap, row]·d[row, columns], of `N` registers of columns.
///
/// # Safety
/// `x` has `T` lists of `rows` values, `d` rows `stride` apart, `to` sums `apart` from tap to tap.
#[inline(always)]
unsafe fn add_products<S: Simd, const T: usize, const N: usize>(
    x: &[*const f32],
    rows: usize,
    d: *const f32,
    stride: usize,
    to: *mut f32,
    apart: usize,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; T];
        let mut from = [std::ptr::null(); T];
        for tap in 0..T {
            from[tap] = x[tap];
            for n in 0..N {
                sums[tap][n] = S::load(to.add(tap * apart + n * S::LANES));
            }
        }
        for row in 0..rows {
            let mut columns = [S::splat(0.0); N];
            for n in 0..N {
                columns[n] = S::load(d.add(row * stride + n * S::LANES));
            }
            for tap in 0..T {
                let value = S::splat(*from[tap].add(row));
                for n in 0..N {
                    sums[tap][n] = S::fma(value, columns[n], sums[tap][n]);
                }
            }
        }
        for tap in 0..T {
            for n in 0..N {
                S::store(to.add(tap * apart + n * S::LANES), sums[tap][n]);
            }
        }
    }
}

/// to[columns] += Σ_rows d[row, columns], of `N` registers of columns.
///
/// # Safety
/// `d` has rows `stride` apart, `to` the columns.
#[inline(always)]
unsafe fn add_bias<S: Simd, const N: usize>(rows: usize, d: *const f32, stride: usize, to: &mut [f32]) {
    for n in 0..N {
        // SAFETY: handed on to the caller.
        unsafe {
            let to = to.as_mut_ptr().add(n * S::LANES);
            let mut total = S::load(to);
            for row in 0..rows {
                total = S::add(total, S::load(d.add(row * stride + n * S::LANES)));
            }
            S::store(to, total);
        }
    }
}
