//! LU maps in plain dfdx operations.

use dfdx::prelude::*;

use super::Lu;
use crate::layers::composed::{
    Compose, Composed, Float, InTraining, Moved, OnChannels, Rows, Upload, add_rows, download,
};

pub(crate) struct Form<F: Dim, E: Float, D: Device<E>> {
    place: Lu,
    /// What stands above the diagonal of U, and below that of L, transposed: a row is multiplied from the left.
    upper: Tensor<(F, F), E, D>,
    lower: Tensor<(F, F), E, D>,
    /// The logarithm of U's diagonal.
    diagonal: Tensor<(F,), E, D>,
    bias: Tensor<(F,), E, D>,
    /// The inverses of U and of L, transposed.
    inverses: [Tensor<(F, F), E, D>; 2],
}

impl Lu {
    /// The inverse of a triangular matrix, row by row; its rows are solved for in this order.
    fn inverted(n: usize, entry: impl Fn(usize, usize) -> f64, order: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut inverse = vec![0.0; n * n];
        for i in order {
            for column in 0..n {
                let others = (0..n).filter(|&j| j != i).map(|j| entry(i, j) * inverse[j * n + column]).sum::<f64>();
                let unit = if i == column { 1.0 } else { 0.0 };
                inverse[i * n + column] = (unit - others) / entry(i, i);
            }
        }
        inverse
    }
}

impl Compose for Lu {
    type Form<F: Dim, W: Dim, E: Float, D: Device<E>> = OnChannels<Form<F, E, D>, Form<usize, E, D>>;

    fn upload<F: Dim, W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
        _: W,
    ) -> Result<Self::Form<F, W, E, D>, D::Err> {
        Ok(match self.channels.are_plain(features.size()) {
            true => OnChannels::Plain(self.form(upload, features)?),
            false => OnChannels::Pixels(self.channels.clone(), self.form(upload, self.channels.count)?),
        })
    }
}

impl Lu {
    fn form<F: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
    ) -> Result<Form<F, E, D>, D::Err> {
        let n = self.channels.count;
        let entry = |i: usize, j: usize| f64::from(self.entry(upload.values, i, j));
        let upper = |i: usize, j: usize| match i.cmp(&j) {
            std::cmp::Ordering::Less => entry(i, j),
            std::cmp::Ordering::Equal => entry(i, i).exp(),
            std::cmp::Ordering::Greater => 0.0,
        };
        let lower = |i: usize, j: usize| match i.cmp(&j) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => entry(i, j),
        };
        let transposed = |of: &dyn Fn(usize, usize) -> f64| {
            let values = (0..n * n).map(|at| E::of(of(at % n, at / n))).collect();
            upload.device.try_tensor_from_vec(values, (features, features))
        };
        let beside = |of: fn(usize, usize) -> bool| move |i, j| if of(i, j) { entry(i, j) } else { 0.0 };
        let [upper, lower] = [Self::inverted(n, upper, (0..n).rev()), Self::inverted(n, lower, 0..n)];
        Ok(Form {
            place: self.clone(),
            upper: transposed(&beside(|i, j| i < j))?,
            lower: transposed(&beside(|i, j| i > j))?,
            diagonal: upload.device.try_tensor_from_vec((0..n).map(|i| E::of(entry(i, i))).collect(), (features,))?,
            bias: upload.tensor(self.bias, (features,))?,
            inverses: [transposed(&|i, j| upper[i * n + j])?, transposed(&|i, j| lower[i * n + j])?],
        })
    }
}

impl<F: Dim, E: Float, D: Device<E>> Composed<F, E, D> for Form<F, E, D> {
    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let shape = *x.shape();
        // Each use of a parameter starts on a tape of its own.
        let scale = self.diagonal.retaped::<T>().try_exp()?.try_broadcast_like(&shape)?;
        let above = x.retaped::<T>().try_matmul(self.upper.clone())?;
        let between = x.try_mul(scale)?.try_add(above)?;
        let below = between.retaped::<T>().try_matmul(self.lower.clone())?;
        let z = add_rows(between.try_add(below)?, &self.bias)?;
        let log_det = self.diagonal.retaped::<T>().try_sum::<(), Axis<0>>()?.try_broadcast_like(&(shape.0,))?;
        Ok((z, log_det))
    }

    fn forward_training<T>(&self, x: Rows<F, E, D, T>, _: &mut InTraining<'_>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        self.forward(x)
    }

    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        let [upper, lower] = &self.inverses;
        let minus = self.bias.clone().try_negate()?;
        add_rows(z, &minus)?.try_matmul(lower.clone())?.try_matmul(upper.clone())
    }

    fn scale_max(&self, _: &Rows<F, E, D>) -> Result<f64, D::Err> {
        Ok(0.0)
    }

    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        let n = self.place.channels.count;
        let [upper, lower] = [&self.upper, &self.lower].map(|tensor: &Tensor<_, E, D>| gradients.get(tensor).as_vec());
        let diagonal = gradients.get(&self.diagonal).as_vec();
        for i in 0..n {
            for j in 0..n {
                let slope = match i.cmp(&j) {
                    std::cmp::Ordering::Less => upper[j * n + i],
                    std::cmp::Ordering::Equal => diagonal[i],
                    std::cmp::Ordering::Greater => lower[j * n + i],
                };
                out[self.place.matrix + i * n + j] = slope.wide() as f32;
            }
        }
        download(&gradients.get(&self.bias), self.place.bias, out);
    }
}
