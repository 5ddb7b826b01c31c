//! 1×1 convolutions: what the last map of a network says of some pixels.

use super::pitch;
use crate::compute::panels::Panels;
use crate::compute::simd::{Simd, dispatch};

/// What a network says at `pixels`, `[list][pixel][channel]`: `lists`·`channels` outputs, of relu of the maps there and a bias.
/// `weights`: `[maps, outputs]`, outputs list by list.
#[inline(always)]
fn pointwise_generic<S: Simd>(
    weights: &[f32],
    bias: &[f32],
    [maps, outputs]: [usize; 2],
    channels: usize,
    all: usize,
    pixels: &[usize],
    panels: Panels,
    from: &[f32],
    to: &mut [f32],
) {
    let values = [all * pitch(maps), pixels.len() * outputs];
    assert!(weights.len() == maps * outputs && bias.len() == outputs && outputs.is_multiple_of(channels));
    assert!(values[0] * panels.padded() <= from.len() && values[1] * panels.padded() <= to.len());
    assert!(pixels.iter().all(|&pixel| pixel < all));
    for panel in panels.iter() {
        let (from, to) = (&from[panel.first * values[0]..], &mut to[panel.first * values[1]..]);
        let mut o = 0;
        macro_rules! strips {
            ($($outputs:literal: $pixels:literal),*) => {$(
                while outputs - o >= $outputs && $outputs <= S::ROWS {
                    // SAFETY: the assertions above keep every access inside its slice.
                    unsafe {
                        if panel.width == 2 * S::LANES {
                            say::<S, $outputs, $pixels, 2>(weights, bias, [maps, outputs], channels, o, pixels, from, to);
                        } else {
                            say::<S, $outputs, $pixels, 1>(weights, bias, [maps, outputs], channels, o, pixels, from, to);
                        }
                    }
                    o += $outputs;
                }
            )*};
        }
        strips!(8: 1, 4: 1, 2: 2, 1: 4);
    }
}
dispatch!(pointwise => pointwise_generic(
    weights: &[f32],
    bias: &[f32],
    maps: [usize; 2],
    channels: usize,
    all: usize,
    pixels: &[usize],
    panels: Panels,
    from: &[f32],
    to: &mut [f32],
));

/// Outputs `o .. o + R` of all pixels, `P` at a time.
///
/// # Safety
/// As asserted by [`pointwise_generic`].
#[inline(always)]
unsafe fn say<S: Simd, const R: usize, const P: usize, const N: usize>(
    weights: &[f32],
    bias: &[f32],
    [maps, outputs]: [usize; 2],
    channels: usize,
    o: usize,
    pixels: &[usize],
    from: &[f32],
    to: &mut [f32],
) {
    let row = N * S::LANES;
    for (number, group) in pixels.chunks(P).enumerate() {
        // SAFETY: handed on to the caller; a group that is short repeats its first pixel and stores that once.
        unsafe {
            let mut at = [std::ptr::null(); P];
            for p in 0..P {
                let pixel = group[if p < group.len() { p } else { 0 }];
                at[p] = from.as_ptr().add(pixel * pitch(maps) * row);
            }
            let mut sums = [[[S::splat(0.0); N]; P]; R];
            for r in 0..R {
                for p in 0..P {
                    for n in 0..N {
                        sums[r][p][n] = S::splat(*bias.as_ptr().add(o + r));
                    }
                }
            }
            for map in 0..maps {
                let mut values = [[S::splat(0.0); N]; P];
                for p in 0..P {
                    for n in 0..N {
                        values[p][n] = S::relu(S::load(at[p].add(map * row + n * S::LANES)));
                    }
                }
                for r in 0..R {
                    let weight = S::splat(*weights.as_ptr().add(map * outputs + o + r));
                    for p in 0..P {
                        for n in 0..N {
                            sums[r][p][n] = S::fma(weight, values[p][n], sums[r][p][n]);
                        }
                    }
                }
            }
            for r in 0..R {
                let (list, channel) = ((o + r) / channels, (o + r) % channels);
                for p in 0..group.len() {
                    let place = (list * pixels.len() + number * P + p) * channels + channel;
                    for n in 0..N {
                        S::store(to.as_mut_ptr().add(place * row + n * S::LANES), sums[r][p][n]);
                    }
                }
            }
        }
    }
}

/// From `d`, the gradient of what [`pointwise`] said, to that of the maps, written to `to`; `from` is what it read.
#[inline(always)]
fn pointwise_back_generic<S: Simd>(
    weights: &[f32],
    [maps, outputs]: [usize; 2],
    channels: usize,
    all: usize,
    pixels: &[usize],
    panels: Panels,
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
) {
    let values = [all * pitch(maps), pixels.len() * outputs];
    assert!(weights.len() == maps * outputs && outputs.is_multiple_of(channels));
    assert!(values[0] * panels.padded() <= from.len().min(to.len()) && values[1] * panels.padded() <= d.len());
    assert!(pixels.iter().all(|&pixel| pixel < all));
    if pixels.len() < all {
        to[..values[0] * panels.padded()].fill(0.0);
    }
    for panel in panels.iter() {
        let (from, at) = (&from[panel.first * values[0]..], panel.first * values[0]);
        let d = &d[panel.first * values[1]..];
        for (number, &pixel) in pixels.iter().enumerate() {
            let mut map = 0;
            macro_rules! strips {
                ($($maps:literal),*) => {$(
                    while maps - map >= $maps && $maps <= S::ROWS {
                        let place = (pixel * pitch(maps) + map) * panel.width;
                        let (from, to, where_) = (&from[place..], &mut to[at + place..], [number, pixels.len(), channels]);
                        let weights = &weights[map * outputs..];
                        // SAFETY: the assertions above keep every access inside its slice.
                        unsafe {
                            if panel.width == 2 * S::LANES {
                                hear::<S, $maps, 2>(weights, outputs, where_, from, d, to);
                            } else {
                                hear::<S, $maps, 1>(weights, outputs, where_, from, d, to);
                            }
                        }
                        map += $maps;
                    }
                )*};
            }
            strips!(8, 6, 4, 2, 1);
        }
    }
}
dispatch!(pointwise_back => pointwise_back_generic(
    weights: &[f32],
    maps: [usize; 2],
    channels: usize,
    all: usize,
    pixels: &[usize],
    panels: Panels,
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
));

/// `R` maps of one pixel.
///
/// # Safety
/// `weights`, `from` and `to` begin at the first map, `d` holds all outputs.
#[inline(always)]
unsafe fn hear<S: Simd, const R: usize, const N: usize>(
    weights: &[f32],
    outputs: usize,
    [number, pixels, channels]: [usize; 3],
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
) {
    let row = N * S::LANES;
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; R];
        for output in 0..outputs {
            let (list, channel) = (output / channels, output % channels);
            let d = d.as_ptr().add(((list * pixels + number) * channels + channel) * row);
            let mut values = [S::splat(0.0); N];
            for n in 0..N {
                values[n] = S::load(d.add(n * S::LANES));
            }
            for r in 0..R {
                let weight = S::splat(*weights.as_ptr().add(r * outputs + output));
                for n in 0..N {
                    sums[r][n] = S::fma(weight, values[n], sums[r][n]);
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                let at = r * row + n * S::LANES;
                let gated = S::where_positive(S::load(from.as_ptr().add(at)), sums[r][n]);
                S::store(to.as_mut_ptr().add(at), gated);
            }
        }
    }
}

/// The gradient of the weights, `[maps, outputs]`, and of the bias, written to `to`, one behind the other; `d` is 0 for padding
/// rows.
#[inline(always)]
fn pointwise_weights_generic<S: Simd>(
    [maps, outputs]: [usize; 2],
    channels: usize,
    all: usize,
    pixels: &[usize],
    panels: Panels,
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
) {
    let values = [all * pitch(maps), pixels.len() * outputs];
    assert!(to.len() == (maps + 1) * outputs && outputs.is_multiple_of(channels));
    assert!(values[0] * panels.padded() <= from.len() && values[1] * panels.padded() <= d.len());
    assert!(pixels.iter().all(|&pixel| pixel < all));
    to.fill(0.0);
    for panel in panels.iter() {
        let (from, d) = (&from[panel.first * values[0]..], &d[panel.first * values[1]..]);
        let mut map = 0;
        macro_rules! strips {
            ($($maps:literal),*) => {$(
                while maps - map >= $maps {
                    for o in (0..outputs).step_by(2) {
                        // SAFETY: the assertions above keep every access inside its slice.
                        unsafe {
                            if o + 2 <= outputs {
                                dots::<S, $maps, 2>([maps, outputs], channels, [map, o], pixels, panel.width, from, d, to);
                            } else {
                                dots::<S, $maps, 1>([maps, outputs], channels, [map, o], pixels, panel.width, from, d, to);
                            }
                        }
                    }
                    map += $maps;
                }
            )*};
        }
        strips!(4, 1);
        let (_, bias) = to.split_at_mut(maps * outputs);
        for (output, bias) in bias.iter_mut().enumerate() {
            let (list, channel) = (output / channels, output % channels);
            // SAFETY: as above.
            unsafe {
                let mut total = S::splat(0.0);
                for number in 0..pixels.len() {
                    let place = ((list * pixels.len() + number) * channels + channel) * panel.width;
                    for at in (0..panel.width).step_by(S::LANES) {
                        total = S::add(total, S::load(d.as_ptr().add(place + at)));
                    }
                }
                *bias += S::sum(total);
            }
        }
    }
}
dispatch!(pointwise_weights => pointwise_weights_generic(
    maps: [usize; 2],
    channels: usize,
    all: usize,
    pixels: &[usize],
    panels: Panels,
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
));

/// to[map, output] += Σ_pixels Σ_rows relu(from)·d of `R` maps and `O` outputs.
///
/// # Safety
/// As asserted by [`pointwise_weights_generic`].
#[inline(always)]
unsafe fn dots<S: Simd, const R: usize, const O: usize>(
    [maps, outputs]: [usize; 2],
    channels: usize,
    [map, first]: [usize; 2],
    pixels: &[usize],
    row: usize,
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); O]; R];
        let mut of_output = [std::ptr::null(); O];
        for o in 0..O {
            let (list, channel) = ((first + o) / channels, (first + o) % channels);
            of_output[o] = d.as_ptr().add((list * pixels.len() * channels + channel) * row);
        }
        for (number, &pixel) in pixels.iter().enumerate() {
            let from = from.as_ptr().add((pixel * pitch(maps) + map) * row);
            for at in (0..row).step_by(S::LANES) {
                let mut values = [S::splat(0.0); O];
                for o in 0..O {
                    values[o] = S::load(of_output[o].add(number * channels * row + at));
                }
                for r in 0..R {
                    let value = S::relu(S::load(from.add(r * row + at)));
                    for o in 0..O {
                        sums[r][o] = S::fma(value, values[o], sums[r][o]);
                    }
                }
            }
        }
        for r in 0..R {
            for o in 0..O {
                to[(map + r) * outputs + first + o] += S::sum(sums[r][o]);
            }
        }
    }
}
