//! The norm of a gradient, and how far it is shortened.

use rayon::prelude::*;

use super::CHUNK;
use crate::compute::Level;
use crate::compute::simd::{Simd, dispatch};

/// Adds Σ g² to `sum`, in f64, in an order that depends on the slice alone.
#[inline(always)]
fn square_sum_generic<S: Simd>(gradient: &[f32], sum: &mut f64) {
    // Sums side by side let the compiler use vector registers without changing the order of additions.
    let mut sums = [0.0f64; 16];
    let (blocks, rest) = gradient.as_chunks::<16>();
    for block in blocks {
        for (sum, &g) in sums.iter_mut().zip(block) {
            *sum += f64::from(g) * f64::from(g);
        }
    }
    *sum += sums.iter().sum::<f64>() + rest.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
}
dispatch!(square_sum => square_sum_generic(gradient: &[f32], sum: &mut f64));

/// The global L2 norm of `gradient`, summed in fixed chunks: the same bits on any number of threads.
pub fn norm(gradient: &[f32]) -> f64 {
    let square = |chunk: &[f32]| {
        let mut sum = 0.0;
        square_sum(Level::detect(), chunk, &mut sum);
        sum
    };
    if gradient.len() <= CHUNK {
        return square(gradient).sqrt();
    }
    let partial: Vec<f64> = gradient.par_chunks(CHUNK).map(square).collect();
    partial.iter().sum::<f64>().sqrt()
}

/// The factor that shortens a gradient of norm `norm` to at most `longest`; 1 where `longest` is 0, which means no clipping.
pub(super) fn clip(norm: f64, longest: f64) -> f32 {
    if longest > 0.0 && norm > longest { (longest / norm) as f32 } else { 1.0 }
}
