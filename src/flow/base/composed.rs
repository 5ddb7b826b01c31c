//! Base densities in plain dfdx operations.

use dfdx::prelude::*;

use super::{Base, Degrees};
use crate::layers::composed::{Float, Rows, times_rows};
use crate::student_t::StudentT;

/// A base density's tensors, and what is done with them.
pub(crate) enum Form<F: Dim, E: Float, D: Device<E>> {
    Normal,
    /// Of every coordinate 1/ν and (ν + 1)/2. What autodiff says of them leads to ln ν by the chain rule.
    StudentT {
        inverse: Tensor<(F,), E, D>,
        half: Tensor<(F,), E, D>,
        degrees: Degrees,
        all: Vec<StudentT>,
    },
}

impl<F: Dim, E: Float, D: Device<E>> Form<F, E, D> {
    /// That of `base`, with what is learned of it in `values`, the flat vector.
    pub fn new(base: &Base, values: &[f32], features: F, device: &D) -> Result<Self, D::Err> {
        Ok(match base {
            Base::Normal => Self::Normal,
            Base::StudentT(degrees) => {
                let all = degrees.distributions(features.size(), values);
                let tensor = |value: fn(&StudentT) -> f64| {
                    device.try_tensor_from_vec(all.iter().map(|t| E::of(value(t))).collect(), (features,))
                };
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
            Self::Normal => z.try_square()?.try_sum::<(usize,), Axis<1>>()?.try_mul(E::of(0.5)),
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
