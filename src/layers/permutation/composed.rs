//! Permutations in plain dfdx operations: products with 0/1 matrices, which are exact for finite values.

use dfdx::prelude::*;

use super::Permutation;
use crate::layers::composed::{Compose, Composed, Float, InTraining, Moved, Rows, Upload};

pub(crate) struct Form<F: Dim, E: Float, D: Device<E>> {
    /// x·`forward` is z.
    forward: Tensor<(F, F), E, D>,
    /// Its transpose.
    inverse: Tensor<(F, F), E, D>,
}

impl Compose for Permutation {
    type Form<F: Dim, W: Dim, E: Float, D: Device<E>> = Form<F, E, D>;

    fn upload<F: Dim, W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
        _: W,
    ) -> Result<Form<F, E, D>, D::Err> {
        let matrix = |place: fn([usize; 3]) -> usize| {
            let n = self.order.len();
            let mut matrix = vec![E::of(0.0); n * n];
            self.order.iter().enumerate().for_each(|(to, &from)| matrix[place([n, from, to])] = E::of(1.0));
            upload.device.try_tensor_from_vec(matrix, (features, features))
        };
        Ok(Form { forward: matrix(|[n, from, to]| from * n + to)?, inverse: matrix(|[n, from, to]| to * n + from)? })
    }
}

impl<F: Dim, E: Float, D: Device<E>> Composed<F, E, D> for Form<F, E, D> {
    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let log_det = x.device().try_zeros_like(&(x.shape().0,))?.put_tape(T::default());
        Ok((x.try_matmul(self.forward.clone())?, log_det))
    }

    fn forward_training<T>(&self, x: Rows<F, E, D, T>, _: &mut InTraining<'_>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        self.forward(x)
    }

    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        z.try_matmul(self.inverse.clone())
    }

    fn scale_max(&self, _: &Rows<F, E, D>) -> Result<f64, D::Err> {
        Ok(0.0)
    }

    fn gradient(&self, _: &Gradients<E, D>, _: &mut [f32]) {}
}
