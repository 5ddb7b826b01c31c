//! 3×3 convolutions by Winograd's F(4×4, 3×3) (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks"): 36
//! multiplications for 16 pixels in place of 144.
//!
//! A tile of 6×6 inputs gives 4×4 outputs: inputs and filters are evaluated at 36 points, multiplied there, map by map as one matrix
//! product a point, and brought back. The points are 0, ±√½, ±√2 and ∞ in both directions: with them the error is that of direct
//! sums; with 0, ±1, ±2, ∞ it is five times as large.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::{Grid, Then, pitch, transpose};
use crate::compute::buffer::{Buffer, pieces_mut};
use crate::compute::panels::Panels;
use crate::compute::simd::{Simd, dispatch};

/// Outputs of a tile, a side.
const OUT: usize = 4;
/// Inputs of a tile, a side.
const IN: usize = 6;
/// Where tiles and filters are evaluated.
const POINTS: usize = IN * IN;
/// Values between what belongs to two points, so that their addresses are no power of two apart.
const APART: usize = 32;
/// Registers of tiles whose parts of a filter's gradient are summed in registers.
const TOGETHER: usize = 4;

/// Values of one point of a tile, or of a filter, that has so many.
fn stride(values: usize) -> usize {
    values.next_multiple_of(16) + APART
}

/// From inputs to points along one direction: Bᵀd.
#[inline(always)]
unsafe fn inputs_to_points<S: Simd>(d: [S::V; IN]) -> [S::V; IN] {
    // SAFETY: arithmetic only.
    unsafe {
        let (half, two, five_halves) = (S::splat(-0.5), S::splat(-2.0), S::splat(-2.5));
        let even = S::fma(two, d[2], d[4]);
        let odd = S::mul(S::splat(FRAC_1_SQRT_2), S::fma(two, d[1], d[3]));
        let even_2 = S::fma(half, d[2], d[4]);
        let odd_2 = S::mul(S::splat(SQRT_2), S::fma(half, d[1], d[3]));
        [
            S::add(S::fma(five_halves, d[2], d[0]), d[4]),
            S::add(even, odd),
            S::sub(even, odd),
            S::add(even_2, odd_2),
            S::sub(even_2, odd_2),
            S::add(S::fma(five_halves, d[3], d[1]), d[5]),
        ]
    }
}

/// From points to outputs along one direction: Aᵀm.
#[inline(always)]
unsafe fn points_to_outputs<S: Simd>(m: [S::V; IN]) -> [S::V; OUT] {
    // SAFETY: arithmetic only.
    unsafe {
        let (sum, difference) = (S::add(m[1], m[2]), S::mul(S::splat(FRAC_1_SQRT_2), S::sub(m[1], m[2])));
        let (sum_2, difference_2) = (S::add(m[3], m[4]), S::mul(S::splat(SQRT_2), S::sub(m[3], m[4])));
        let (half, two) = (S::splat(0.5), S::splat(2.0));
        [
            S::add(S::add(m[0], sum), sum_2),
            S::add(difference, difference_2),
            S::fma(half, sum, S::mul(two, sum_2)),
            S::add(S::fma(half, difference, S::mul(two, difference_2)), m[5]),
        ]
    }
}

/// From gradients of outputs to those at points along one direction: A·y.
#[inline(always)]
unsafe fn outputs_to_points<S: Simd>(y: [S::V; OUT]) -> [S::V; IN] {
    // SAFETY: arithmetic only.
    unsafe {
        let (half, two) = (S::splat(0.5), S::splat(2.0));
        let even = S::fma(half, y[2], y[0]);
        let odd = S::mul(S::splat(FRAC_1_SQRT_2), S::fma(half, y[3], y[1]));
        let even_2 = S::fma(two, y[2], y[0]);
        let odd_2 = S::mul(S::splat(SQRT_2), S::fma(two, y[3], y[1]));
        [y[0], S::add(even, odd), S::sub(even, odd), S::add(even_2, odd_2), S::sub(even_2, odd_2), y[3]]
    }
}

/// From a filter to points along one direction: G·w.
#[inline(always)]
unsafe fn filter_to_points<S: Simd>(w: [S::V; 3]) -> [S::V; IN] {
    // SAFETY: arithmetic only.
    unsafe {
        let (third, sixth) = (S::splat(-2.0 / 3.0), S::splat(1.0 / 6.0));
        let even = S::mul(third, S::fma(S::splat(0.5), w[2], w[0]));
        let odd = S::mul(S::splat(-2.0 / 3.0 * FRAC_1_SQRT_2), w[1]);
        let even_2 = S::mul(sixth, S::fma(S::splat(2.0), w[2], w[0]));
        let odd_2 = S::mul(S::splat(SQRT_2 / 6.0), w[1]);
        [w[0], S::add(even, odd), S::sub(even, odd), S::add(even_2, odd_2), S::sub(even_2, odd_2), w[2]]
    }
}

/// From gradients at points to those of a filter along one direction: Gᵀu.
#[inline(always)]
unsafe fn points_to_filter<S: Simd>(u: [S::V; IN]) -> [S::V; 3] {
    // SAFETY: arithmetic only.
    unsafe {
        let (sum, difference) = (S::add(u[1], u[2]), S::sub(u[1], u[2]));
        let (sum_2, difference_2) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
        [
            S::fma(S::splat(1.0 / 6.0), sum_2, S::fma(S::splat(-2.0 / 3.0), sum, u[0])),
            S::fma(S::splat(SQRT_2 / 6.0), difference_2, S::mul(S::splat(-2.0 / 3.0 * FRAC_1_SQRT_2), difference)),
            S::fma(S::splat(1.0 / 3.0), sum_2, S::fma(S::splat(-1.0 / 3.0), sum, u[5])),
        ]
    }
}

/// Does `along` in both directions: columns first. Loops are over constants, so that they unroll.
macro_rules! both_directions {
    ($along:ident::<$simd:ty>($values:expr), $from:expr => $to:expr) => {{
        let values = $values;
        let zero = <$simd>::splat(0.0);
        let mut half = [[zero; $from]; $to];
        for j in 0..$from {
            let mut column = [zero; $from];
            for i in 0..$from {
                column[i] = values[i][j];
            }
            let column = $along::<$simd>(column);
            for i in 0..$to {
                half[i][j] = column[i];
            }
        }
        let mut whole = [[zero; $to]; $to];
        for i in 0..$to {
            whole[i] = $along::<$simd>(half[i]);
        }
        whole
    }};
}

/// Filters at all points, `[points][k][m]`, of `weights`, `[3, 3, k, m]`; or, if `turned`, of the same turned by half a circle and
/// with inputs for outputs, `[3, 3, m, k]`: those of the way back.
///
/// # Safety
/// `to` holds all points, `scratch` `9·k` rows of `m` values, padded to registers.
#[inline(always)]
unsafe fn filters<S: Simd>(weights: &[f32], k: usize, m: usize, turned: bool, to: &mut [f32], scratch: &mut [f32]) {
    let padded = m.next_multiple_of(S::LANES);
    let (scratch, points, apart) = (scratch.as_mut_ptr(), to.as_mut_ptr(), stride(k * padded));
    // SAFETY: handed on to the caller.
    unsafe {
        for tap in 0..9 {
            let to = scratch.add(tap * k * padded);
            if turned {
                transpose::<S>(weights[(8 - tap) * k * m..].as_ptr(), [m, k], k, to, padded);
            } else {
                for i in 0..k {
                    std::ptr::copy_nonoverlapping(weights[(tap * k + i) * m..].as_ptr(), to.add(i * padded), m);
                }
            }
        }
        for at in (0..k * padded).step_by(S::LANES) {
            let mut w = [[S::splat(0.0); 3]; 3];
            for (tap, w) in w.as_flattened_mut().iter_mut().enumerate() {
                *w = S::load(scratch.add(tap * k * padded + at));
            }
            let u = both_directions!(filter_to_points::<S>(w), 3 => IN);
            for (point, u) in u.as_flattened().iter().enumerate() {
                S::store(points.add(point * apart + at), *u);
            }
        }
    }
}

/// Where the pixels of a tile stand, or `outside`.
#[inline(always)]
fn tile_of<const SIDE: usize>(
    grid: Grid,
    [y, x]: [usize; 2],
    pixel: usize,
    from: *const f32,
    outside: *const f32,
) -> [[*const f32; SIDE]; SIDE] {
    let mut at = [[outside; SIDE]; SIDE];
    for (i, at) in at.iter_mut().enumerate() {
        for (j, at) in at.iter_mut().enumerate() {
            // A tile of inputs begins one pixel before that of outputs.
            let before = usize::from(SIDE == IN);
            let (y, x) = ((y + i).wrapping_sub(before), (x + j).wrapping_sub(before));
            if y < grid.height && x < grid.width {
                *at = from.wrapping_add((y * grid.width + x) * pixel);
            }
        }
    }
    at
}

/// What of the tile behind that at `[y, x]` was not read for it: of every place, where its pixel stands, or nowhere.
#[inline(always)]
fn tile_behind(grid: Grid, [y, x]: [usize; 2], pixel: usize, from: *const f32) -> [[*const f32; IN]; IN] {
    let is_last = x + OUT >= grid.width;
    let next = if is_last { [y + OUT, 0] } else { [y, x + OUT] };
    let mut at = tile_of::<IN>(grid, next, pixel, from, std::ptr::null());
    if !is_last {
        at.iter_mut().for_each(|row| row[..IN - OUT].fill(std::ptr::null()));
    }
    at
}

/// A tile of inputs at all points, `[points][map][row]`.
///
/// # Safety
/// The pixels hold `maps` registers-wide values, `to` all points.
#[inline(always)]
unsafe fn transform_inputs<S: Simd, const N: usize, const RELU: bool>(
    pixels: &[[*const f32; IN]; IN],
    maps: usize,
    to: *mut f32,
) {
    let apart = stride(maps * N * S::LANES);
    for at in (0..maps * N * S::LANES).step_by(S::LANES) {
        // SAFETY: handed on to the caller.
        unsafe {
            let mut d = [[S::splat(0.0); IN]; IN];
            for i in 0..IN {
                for j in 0..IN {
                    d[i][j] = S::load(pixels[i][j].add(at));
                    if RELU {
                        d[i][j] = S::relu(d[i][j]);
                    }
                }
            }
            let v = both_directions!(inputs_to_points::<S>(d), IN => IN);
            for (point, v) in v.as_flattened().iter().enumerate() {
                S::store(to.add(point * apart + at), *v);
            }
        }
    }
}

/// M = Uᵀ·V at one point: outputs `i .. i + R`.
///
/// # Safety
/// `u` holds `k` rows of `m` values, `v` `k` rows of registers, `to` as many as there are outputs.
#[inline(always)]
unsafe fn multiply<S: Simd, const R: usize, const N: usize>(
    u: *const f32,
    m: usize,
    k: usize,
    v: *const f32,
    to: *mut f32,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; R];
        for step in 0..k {
            let mut row = [S::splat(0.0); N];
            for n in 0..N {
                row[n] = S::load(v.add((step * N + n) * S::LANES));
            }
            for r in 0..R {
                let weight = S::splat(*u.add(step * m + r));
                for n in 0..N {
                    sums[r][n] = S::fma(weight, row[n], sums[r][n]);
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

/// `to` = 3×3 convolution of `from` (through relu first, if `relu`) and a bias, where there is one, for every row of `panels`.
///
/// `weights`: `[3, 3, inputs, outputs]`; with `back` those of the convolution on the way forward, `[3, 3, outputs, inputs]`:
/// from gradients of what it gave to those of what it read.
#[inline(always)]
fn winograd_generic<S: Simd>(
    weights: &[f32],
    bias: &[f32],
    [inputs, outputs]: [usize; 2],
    back: bool,
    grid: Grid,
    panels: Panels,
    from: &[f32],
    relu: bool,
    to: &mut [f32],
    then: Then<'_>,
    scratch: &mut Buffer,
) {
    let values = [inputs, outputs].map(|maps| grid.pixels() * pitch(maps));
    let padded_outputs = outputs.next_multiple_of(S::LANES);
    assert!(weights.len() == 9 * inputs * outputs && (bias.is_empty() || bias.len() == outputs));
    assert!(values[0] * panels.padded() <= from.len() && values[1] * panels.padded() <= to.len());
    assert!(then.covers(values[1] * panels.padded()));
    let rows = 2 * S::LANES;
    let lengths = [
        POINTS * stride(inputs * padded_outputs),
        (9 * inputs * padded_outputs).max(inputs * rows),
        POINTS * stride(inputs * rows),
        POINTS * stride(outputs * rows),
    ];
    scratch.at_least(lengths.iter().sum());
    let [filters_at, copied, v, m] = pieces_mut(scratch, lengths);
    // SAFETY: the pieces are as long as that takes.
    unsafe { filters::<S>(weights, inputs, outputs, back, filters_at, copied) };
    // Now the pixels outside.
    copied[..inputs * rows].fill(0.0);
    for panel in panels.iter() {
        let (from, at) = (&from[panel.first * values[0]..], panel.first * values[1]);
        macro_rules! all {
            ($registers:literal, $relu:literal) => {
                // SAFETY: the assertions above keep every access inside its slice.
                unsafe {
                    tiles::<S, $registers, $relu>(
                        filters_at,
                        bias,
                        [inputs, outputs],
                        grid,
                        from,
                        to.as_mut_ptr(),
                        at,
                        then,
                        copied,
                        v,
                        m,
                    )
                }
            };
        }
        match (panel.width == rows, relu) {
            (true, true) => all!(2, true),
            (true, false) => all!(2, false),
            (false, true) => all!(1, true),
            (false, false) => all!(1, false),
        }
    }
}
dispatch!(winograd => winograd_generic(
    weights: &[f32],
    bias: &[f32],
    maps: [usize; 2],
    back: bool,
    grid: Grid,
    panels: Panels,
    from: &[f32],
    relu: bool,
    to: &mut [f32],
    then: Then<'_>,
    scratch: &mut Buffer,
));

/// All tiles of a panel, whose values start at place `at` of `to`.
///
/// # Safety
/// As asserted by [`winograd_generic`].
#[inline(always)]
unsafe fn tiles<S: Simd, const N: usize, const RELU: bool>(
    filters: &[f32],
    bias: &[f32],
    [inputs, outputs]: [usize; 2],
    grid: Grid,
    from: &[f32],
    to: *mut f32,
    at: usize,
    then: Then<'_>,
    outside: &[f32],
    v: &mut [f32],
    m: &mut [f32],
) {
    let row = N * S::LANES;
    let padded = outputs.next_multiple_of(S::LANES);
    let apart = [inputs * padded, inputs * row, outputs * row].map(stride);
    let (v, m) = (v.as_mut_ptr(), m.as_mut_ptr());
    for y in (0..grid.height).step_by(OUT) {
        for x in (0..grid.width).step_by(OUT) {
            let pixels = tile_of::<IN>(grid, [y, x], pitch(inputs) * row, from.as_ptr(), outside.as_ptr());
            // SAFETY: handed on to the caller.
            unsafe {
                transform_inputs::<S, N, RELU>(&pixels, inputs, v);
                let behind = tile_behind(grid, [y, x], pitch(inputs) * row, from.as_ptr());
                for point in 0..POINTS {
                    // Meanwhile the next tile comes nearer, and what this one is stored to.
                    let [i, j] = [point / IN, point % IN];
                    if !behind[i][j].is_null() {
                        S::prefetch(behind[i][j], inputs * row);
                    }
                    if i < OUT.min(grid.height - y) && j < OUT.min(grid.width - x) {
                        let place = at + ((y + i) * grid.width + x + j) * pitch(outputs) * row;
                        S::prefetch(to.wrapping_add(place), outputs * row);
                        if let Then::Plus(other) | Then::WherePositive(other) | Then::AddWherePositive(other) = then {
                            S::prefetch(other.as_ptr().wrapping_add(place), outputs * row);
                        }
                    }
                    let (v, m) = (v.add(point * apart[1]), m.add(point * apart[2]));
                    let filters = filters.as_ptr().add(point * apart[0]);
                    let mut i = 0;
                    macro_rules! strips {
                        ($($outputs:literal),*) => {$(
                            while outputs - i >= $outputs && $outputs * N <= 2 * S::ROWS {
                                multiply::<S, $outputs, N>(filters.add(i), padded, inputs, v, m.add(i * row));
                                i += $outputs;
                            }
                        )*};
                    }
                    if N == 1 {
                        strips!(16);
                    }
                    strips!(8, 6, 4, 2, 1);
                }
                for map in 0..outputs {
                    let bias = S::splat(bias.get(map).copied().unwrap_or(0.0));
                    for n in 0..N {
                        let own = (map * N + n) * S::LANES;
                        let mut points = [[S::splat(0.0); IN]; IN];
                        for (point, value) in points.as_flattened_mut().iter_mut().enumerate() {
                            *value = S::load(m.add(point * apart[2] + own));
                        }
                        let out = both_directions!(points_to_outputs::<S>(points), IN => OUT);
                        for i in 0..OUT.min(grid.height - y) {
                            for j in 0..OUT.min(grid.width - x) {
                                let pixel = (y + i) * grid.width + x + j;
                                let place = at + pixel * pitch(outputs) * row + own;
                                then.store::<S>(to, place, S::add(out[i][j], bias));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The gradient of a convolution's weights, `[3, 3, inputs, outputs]`, and of its bias, written to `to`, one behind the other;
/// `from` is what it read (through relu first, if `relu`) and `d` the gradient of what it gave, 0 for padding rows.
#[inline(always)]
fn winograd_weights_generic<S: Simd>(
    [inputs, outputs]: [usize; 2],
    grid: Grid,
    panels: Panels,
    from: &[f32],
    relu: bool,
    d: &[f32],
    to: &mut [f32],
    scratch: &mut Buffer,
) {
    let values = [inputs, outputs].map(|maps| grid.pixels() * pitch(maps));
    let padded = outputs.next_multiple_of(S::LANES);
    assert!(values[0] * panels.padded() <= from.len() && values[1] * panels.padded() <= d.len());
    assert!(to.len() == (9 * inputs + 1) * outputs);
    let rows = 2 * S::LANES;
    let lengths = [
        POINTS * stride(inputs * padded),
        padded,
        inputs.max(padded) * rows,
        // All tiles together have so many registers of rows.
        TOGETHER * POINTS * stride(inputs * S::LANES),
        OUT * OUT * stride(rows * padded),
        TOGETHER * POINTS * stride(S::LANES * padded),
    ];
    scratch.at_least(lengths.iter().sum());
    let [sums, of_bias, outside, v, turned, e] = pieces_mut(scratch, lengths);
    for piece in [&mut *sums, &mut *of_bias, &mut *outside, &mut *turned] {
        piece.fill(0.0);
    }
    for panel in panels.iter() {
        let (from, d) = (&from[panel.first * values[0]..], &d[panel.first * values[1]..]);
        macro_rules! all {
            ($registers:literal, $relu:literal) => {
                // SAFETY: the assertions above keep every access inside its slice.
                unsafe {
                    gather::<S, $registers, $relu>(
                        [inputs, outputs],
                        grid,
                        from,
                        d,
                        sums,
                        of_bias,
                        outside,
                        v,
                        turned,
                        e,
                    )
                }
            };
        }
        match (panel.width == rows, relu) {
            (true, true) => all!(2, true),
            (true, false) => all!(2, false),
            (false, true) => all!(1, true),
            (false, false) => all!(1, false),
        }
    }
    let (weights, bias) = to.split_at_mut(9 * inputs * outputs);
    bias.copy_from_slice(&of_bias[..outputs]);
    let apart = stride(inputs * padded);
    for i in 0..inputs {
        for o in (0..padded).step_by(S::LANES) {
            // SAFETY: the sums hold all points; what a register has beyond the outputs is cut off.
            unsafe {
                let mut u = [[S::splat(0.0); IN]; IN];
                for (point, u) in u.as_flattened_mut().iter_mut().enumerate() {
                    *u = S::load(sums.as_ptr().add(point * apart + i * padded + o));
                }
                let w = both_directions!(points_to_filter::<S>(u), IN => 3);
                let used = S::LANES.min(outputs - o);
                for (tap, w) in w.as_flattened().iter().enumerate() {
                    let mut register = [0.0; 16];
                    S::store(register.as_mut_ptr(), *w);
                    weights[(tap * inputs + i) * outputs + o..][..used].copy_from_slice(&register[..used]);
                }
            }
        }
    }
}
dispatch!(winograd_weights => winograd_weights_generic(
    maps: [usize; 2],
    grid: Grid,
    panels: Panels,
    from: &[f32],
    relu: bool,
    d: &[f32],
    to: &mut [f32],
    scratch: &mut Buffer,
));

/// Adds what the tiles of a panel say of the filters at all points, `[points][inputs][outputs]`, and of the bias.
///
/// # Safety
/// As asserted by [`winograd_weights_generic`].
#[inline(always)]
unsafe fn gather<S: Simd, const N: usize, const RELU: bool>(
    [inputs, outputs]: [usize; 2],
    grid: Grid,
    from: &[f32],
    d: &[f32],
    sums: &mut [f32],
    of_bias: &mut [f32],
    outside: &[f32],
    v: &mut [f32],
    turned: &mut [f32],
    e: &mut [f32],
) {
    let rows = N * S::LANES;
    let padded = outputs.next_multiple_of(S::LANES);
    let apart = [inputs * padded, inputs * rows, rows * padded].map(stride);
    let (v, turned, e) = (v.as_mut_ptr(), turned.as_mut_ptr(), e.as_mut_ptr());
    let columns = grid.width.div_ceil(OUT);
    let tiles = columns * grid.height.div_ceil(OUT);
    let (v_tile, e_tile) = (POINTS * apart[1], POINTS * apart[2]);
    let place = |tile: usize| [tile / columns * OUT, tile % columns * OUT];
    for first in (0..tiles).step_by(TOGETHER / N) {
        let together = (TOGETHER / N).min(tiles - first);
        for tile in 0..together {
            let at = place(first + tile);
            let pixels = tile_of::<IN>(grid, at, pitch(inputs) * rows, from.as_ptr(), outside.as_ptr());
            let gradients = tile_of::<OUT>(grid, at, pitch(outputs) * rows, d.as_ptr(), std::ptr::null());
            // SAFETY: handed on to the caller.
            unsafe {
                transform_inputs::<S, N, RELU>(&pixels, inputs, v.add(tile * v_tile));
                let e = e.add(tile * e_tile);
                // Row by row, output by output.
                let mut places = [outside.as_ptr(); OUT * OUT];
                for (pixel, from) in gradients.as_flattened().iter().enumerate() {
                    if !from.is_null() {
                        let to = turned.add(pixel * apart[2]);
                        transpose::<S>(*from, [outputs, rows], rows, to, padded);
                        places[pixel] = to;
                    }
                }
                for column in (0..padded).step_by(S::LANES) {
                    let mut total = S::load(of_bias.as_ptr().add(column));
                    for row in 0..rows {
                        let at = row * padded + column;
                        let mut y = [[S::splat(0.0); OUT]; OUT];
                        for (pixel, y) in y.as_flattened_mut().iter_mut().enumerate() {
                            *y = S::load(places[pixel].add(at));
                            total = S::add(total, *y);
                        }
                        let points = both_directions!(outputs_to_points::<S>(y), OUT => IN);
                        for (point, value) in points.as_flattened().iter().enumerate() {
                            S::store(e.add(point * apart[2] + at), *value);
                        }
                    }
                    S::store(of_bias.as_mut_ptr().add(column), total);
                }
            }
        }
        // Where those stand that come next.
        let mut ahead = [([[std::ptr::null(); IN]; IN], [[std::ptr::null(); OUT]; OUT]); TOGETHER];
        for (tile, (inputs_ahead, gradients_ahead)) in ahead.iter_mut().enumerate().take(TOGETHER / N) {
            let [before, at] = [first + together + tile - 1, first + together + tile].map(place);
            *inputs_ahead = tile_behind(grid, before, pitch(inputs) * rows, from.as_ptr());
            *gradients_ahead = tile_of::<OUT>(grid, at, pitch(outputs) * rows, d.as_ptr(), std::ptr::null());
        }
        for point in 0..POINTS {
            for (inputs_ahead, gradients_ahead) in &ahead[..TOGETHER / N] {
                let [i, j] = [point / IN, point % IN];
                if !inputs_ahead[i][j].is_null() {
                    S::prefetch(inputs_ahead[i][j], inputs * rows);
                }
                if i < OUT && j < OUT && !gradients_ahead[i][j].is_null() {
                    S::prefetch(gradients_ahead[i][j], outputs * rows);
                }
            }
            // SAFETY: handed on to the caller.
            unsafe {
                let (v, e) = (v.add(point * apart[1]), e.add(point * apart[2]));
                let sums = sums.as_mut_ptr().add(point * apart[0]);
                let mut i = 0;
                macro_rules! strips {
                    ($($inputs:literal),*) => {$(
                        while inputs - i >= $inputs && $inputs <= S::ROWS {
                            let (v, sums) = (v.add(i * rows), sums.add(i * padded));
                            let mut o = 0;
                            while padded - o >= 2 * S::LANES {
                                add_outer::<S, $inputs, 2>([v, e.add(o)], [v_tile, e_tile], together, rows, sums.add(o), padded);
                                o += 2 * S::LANES;
                            }
                            if o < padded {
                                add_outer::<S, $inputs, 1>([v, e.add(o)], [v_tile, e_tile], together, rows, sums.add(o), padded);
                            }
                            i += $inputs;
                        }
                    )*};
                }
                strips!(8, 6, 4, 2, 1);
            }
        }
    }
}

/// sums[r, columns] += Σ_tiles Σ_rows v[r, row]·e[row, columns], of `N` registers of columns.
///
/// # Safety
/// Of every tile, `v` holds `R` lists of `rows` values, `e` rows of `columns` values, as `sums` does; tiles are `apart`.
#[inline(always)]
unsafe fn add_outer<S: Simd, const R: usize, const N: usize>(
    [v, e]: [*const f32; 2],
    apart: [usize; 2],
    tiles: usize,
    rows: usize,
    sums: *mut f32,
    columns: usize,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut total = [[S::splat(0.0); N]; R];
        for r in 0..R {
            for n in 0..N {
                total[r][n] = S::load(sums.add(r * columns + n * S::LANES));
            }
        }
        for tile in 0..tiles {
            let (v, e) = (v.add(tile * apart[0]), e.add(tile * apart[1]));
            for row in 0..rows {
                let mut values = [S::splat(0.0); N];
                for n in 0..N {
                    values[n] = S::load(e.add(row * columns + n * S::LANES));
                }
                for r in 0..R {
                    let value = S::splat(*v.add(r * rows + row));
                    for n in 0..N {
                        total[r][n] = S::fma(value, values[n], total[r][n]);
                    }
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                S::store(sums.add(r * columns + n * S::LANES), total[r][n]);
            }
        }
    }
}
