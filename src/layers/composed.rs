//! Layers in plain dfdx operations, on dfdx's tape.
//!
//! Generic over the feature count `F` and the width `W` (compile-time `Const<N>` or run-time `usize`), the number type
//! `E` and the device `D`.

use dfdx::prelude::*;

/// The number types a flow can be computed in.
pub trait Float: Dtype {
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
    /// This value, exactly.
    fn wide(self) -> f64;
}

impl Float for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        self.into()
    }
}

impl Float for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// A batch on a tape, shape `[batch, C]`.
pub(crate) type Rows<C, E, D, T = NoneTape> = Tensor<(usize, C), E, D, T>;

/// A moved batch, shape `[batch, features]`, and its log|det|, shape `[batch]`.
pub(crate) type Moved<F, E, D, T> = (Rows<F, E, D, T>, Tensor<(usize,), E, D, T>);

/// A layer that has a composed form.
pub(crate) trait Compose {
    /// Its tensors, and what is done with them.
    type Form<F: Dim, W: Dim, E: Float, D: Device<E>>: Composed<F, E, D>;

    /// Makes the tensors; `width`: that of hidden layers, where there are any.
    fn upload<F: Dim, W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
        width: W,
    ) -> Result<Self::Form<F, W, E, D>, D::Err>;
}

/// What a layer is given in training.
pub(crate) struct InTraining<'a> {
    /// The flat vector, whose running statistics are moved.
    pub values: &'a mut [f32],
    /// What noise is drawn from: a number of the run's seed and the step.
    pub noise: u64,
}

/// A layer in plain dfdx operations.
pub(crate) trait Composed<F: Dim, E: Float, D: Device<E>> {
    /// x → z and log|det dz/dx|, in evaluation.
    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>;

    /// The same in training.
    fn forward_training<T>(
        &self,
        x: Rows<F, E, D, T>,
        training: &mut InTraining<'_>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>;

    /// z → x, in evaluation.
    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err>;

    /// max |s| over a batch; 0 for a layer without s.
    fn scale_max(&self, x: &Rows<F, E, D>) -> Result<f64, D::Err>;

    /// Copies the gradients to their places in `out`, which is as the flat vector.
    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]);
}

/// Makes tensors of pieces of the flat parameter vector.
pub(crate) struct Upload<'a, E: Float, D: Device<E>> {
    pub device: &'a D,
    pub values: &'a [f32],
    number: std::marker::PhantomData<E>,
}

impl<'a, E: Float, D: Device<E>> Upload<'a, E, D> {
    pub fn new(device: &'a D, values: &'a [f32]) -> Self {
        Self { device, values, number: std::marker::PhantomData }
    }

    /// The tensor of `shape` whose values start at `offset`.
    pub fn tensor<S: Shape>(&self, offset: usize, shape: S) -> Result<Tensor<S, E, D>, D::Err> {
        let values = &self.values[offset..offset + shape.num_elements()];
        self.device.try_tensor_from_vec(values.iter().map(|&v| E::of(v.into())).collect(), shape)
    }
}

impl<E: Float, D: Device<E>> Upload<'_, E, D> {
    /// The matrix of `shape` whose first row starts at `offset` and whose rows are `stride` values apart.
    pub fn columns<R: Dim, C: Dim>(
        &self,
        offset: usize,
        stride: usize,
        shape: (R, C),
    ) -> Result<Tensor<(R, C), E, D>, D::Err> {
        let (rows, columns) = (shape.0.size(), shape.1.size());
        let row = |row: usize| self.values[offset + row * stride..][..columns].iter().map(|&v| E::of(v.into()));
        self.device.try_tensor_from_vec((0..rows).flat_map(row).collect(), shape)
    }
}

/// Copies a tensor's values to `out[offset..]`.
pub(crate) fn download<S: Shape, E: Float, D: Device<E>>(tensor: &Tensor<S, E, D>, offset: usize, out: &mut [f32]) {
    for (to, from) in out[offset..].iter_mut().zip(tensor.as_vec()) {
        *to = from.wide() as f32;
    }
}

/// x + row, the row repeated over the batch.
pub(crate) fn add_rows<C: Dim, E: Float, D: Device<E>, T: Tape<E, D>>(
    x: Rows<C, E, D, T>,
    row: &Tensor<(C,), E, D>,
) -> Result<Rows<C, E, D, T>, D::Err> {
    let shape = *x.shape();
    x.try_add(row.retaped::<T>().try_broadcast_like(&shape)?)
}

/// x · row elementwise, the row repeated over the batch.
pub(crate) fn times_rows<C: Dim, E: Float, D: Device<E>, T: Tape<E, D>>(
    x: Rows<C, E, D, T>,
    row: &Tensor<(C,), E, D>,
) -> Result<Rows<C, E, D, T>, D::Err> {
    let shape = *x.shape();
    x.try_mul(row.retaped::<T>().try_broadcast_like(&shape)?)
}
