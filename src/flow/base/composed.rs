//! Base densities in plain dfdx operations.

use std::iter::{repeat, repeat_n};

use dfdx::prelude::*;

use super::{Base, Degrees};
use crate::layers::composed::{Float, Rows, times_rows};
use crate::student_t::StudentT;

/// A base density's tensors, and what is done with them.
pub(crate) enum Form<F: Dim, E: Float, D: Device<E>> {
    /// 1 for coordinates and 0 for a context behind them, shape `[values]`; `None`: there is no context.
    Normal(Option<Tensor<(F,), E, D>>),
    /// Of every coordinate 1/ν and (ν + 1)/2. What autodiff says of them leads to ln ν by the chain rule.
    StudentT { inverse: Tensor<(F,), E, D>, half: Tensor<(F,), E, D>, degrees: Degrees, all: Vec<StudentT> },
}

impl<F: Dim, E: Float, D: Device<E>> Form<F, E, D> {
    /// That of `base` over the first `features` of a row's `width` values, with what is learned of it in `values`, the flat vector.
    pub fn new(base: &Base, values: &[f32], features: usize, width: F, device: &D) -> Result<Self, D::Err> {
        let tensor = |of: &mut dyn Iterator<Item = f64>| {
            // What stands behind the coordinates has no energy.
            let padded = of.chain(repeat(0.0)).take(width.size()).map(E::of);
            device.try_tensor_from_vec(padded.collect(), (width,))
        };
        Ok(match base {
            Base::Normal if features == width.size() => Self::Normal(None),
            Base::Normal => Self::Normal(Some(tensor(&mut repeat_n(1.0, features))?)),
            Base::StudentT(degrees) => {
                let all = degrees.distributions(features, values);
                let tensor = |value: fn(&StudentT) -> f64| tensor(&mut all.iter().map(value));
                let (inverse, half) = (tensor(|t| 1.0 / t.degrees)?, tensor(|t| 0.5 * (t.degrees + 1.0))?);
                Self::StudentT { inverse, half, degrees: *degrees, all }
            }
        })
    }

    /// The energy of every row of z, shape `[batch]`.
    pub fn energy<T>(&self, z: Rows<F, E, D, T>) -> Result<Tensor<(usize,), E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        match self {
            Self::Normal(own) => {
                let squares = z.try_square()?;
                let squares = match own {
                    Some(own) => times_rows(squares, own)?,
                    None => squares,
                };
                squares.try_sum::<(usize,), Axis<1>>()?.try_mul(E::of(0.5))
            }
            Self::StudentT { inverse, half, .. } => {
                let logarithm = times_rows(z.try_square()?, inverse)?.try_add(E::of(1.0))?.try_ln()?;
                times_rows(logarithm, half)?.try_sum::<(usize,), Axis<1>>()
            }
        }
    }

    /// Copies the gradients of what is learned, of the mean NLL, to their places in `out`, which is as the flat vector.
    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        if let Self::StudentT { inverse, half, degrees: Degrees::Learned(place), all } = self {
            let [by_inverse, by_half] = [inverse, half].map(|tensor| gradients.get(tensor).as_vec());
            for (f, (t, (by_inverse, by_half))) in all.iter().zip(by_inverse.into_iter().zip(by_half)).enumerate() {
                let energy = 0.5 * t.degrees * by_half.wide() - by_inverse.wide() / t.degrees;
                out[place + f] = (energy - t.log_peak_slope) as f32;
            }
        }
    }
}
