//! The additive transformer (Dinh et al. 2014, NICE, section 3.2): z = x + t, which keeps volumes as they are.

use dfdx::prelude::*;

use super::transformer::{Changed, On, OnCpu};
use crate::layers::composed::{Float, Rows};

/// z = x + t, log|det dz/dx| = 0. It has no parameters of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Additive;

impl OnCpu for Additive {
    fn kept(&self) -> usize {
        0
    }

    fn forward(&self, on: On<'_>, x: &mut [f32], _: &mut [f32], said: &mut [f32], _: &mut [f32]) {
        for (j, &i) in on.changed.iter().enumerate() {
            x[on.rows(i)].iter_mut().zip(&said[on.rows(j)]).for_each(|(x, t)| *x += t);
        }
    }

    fn inverse(&self, on: On<'_>, z: &mut [f32], said: &mut [f32], _: &mut [f32]) {
        for (j, &i) in on.changed.iter().enumerate() {
            z[on.rows(i)].iter_mut().zip(&said[on.rows(j)]).for_each(|(z, t)| *z -= t);
        }
    }

    fn backward(&self, on: On<'_>, _: &[f32], d: &mut [f32], _: [&[f32]; 2], d_said: &mut [f32], _: &mut [f32]) {
        for (j, &i) in on.changed.iter().enumerate() {
            d_said[on.rows(j)].copy_from_slice(&d[on.rows(i)]);
        }
    }
}

impl Additive {
    pub(super) fn forward<E: Float, D: Device<E>, T: Tape<E, D> + Merge<T>>(
        x: Rows<usize, E, D, T>,
        said: Vec<Rows<usize, E, D, T>>,
    ) -> Result<Changed<E, D, T>, D::Err> {
        let log_det = x.device().try_zeros_like(&(x.shape().0,))?.put_tape(T::default());
        Ok((said.into_iter().try_fold(x, |x, t| t.try_add(x))?, log_det))
    }

    pub(super) fn inverse<E: Float, D: Device<E>>(
        z: Rows<usize, E, D>,
        said: Vec<Rows<usize, E, D>>,
    ) -> Result<Rows<usize, E, D>, D::Err> {
        said.into_iter().try_fold(z, |z, t| z.try_sub(t))
    }
}
