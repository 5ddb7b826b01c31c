//! Layers in plain dfdx operations, on dfdx's tape.
//!
//! Generic over the feature count `F` and the width `W` (compile-time `Const<N>` or run-time `usize`), the number type
//! `E` and the device `D`.

use dfdx::prelude::*;

use super::Channels;

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

/// A layer that does the same with every pixel: its form for plain features, or that for the channels of a pixel, which are rows of
/// their own there.
pub(crate) enum OnChannels<P, Q> {
    Plain(P),
    Pixels(Channels, Q),
}

impl<P, Q> OnChannels<P, Q> {
    /// `[batch, features]` → `[batch · pixels, channels]`.
    fn gather<F: Dim, E: Float, D: Device<E>, T: Tape<E, D>>(
        channels: &Channels,
        x: Rows<F, E, D, T>,
    ) -> Result<Rows<usize, E, D, T>, D::Err> {
        let (batch, features) = (x.shape().0, x.shape().1.size());
        let places = (0..batch).flat_map(|row| channels.places.iter().map(move |place| row * features + place));
        let places: Vec<usize> = places.collect();
        let length = places.len();
        let places = x.device().try_tensor_from_vec(places, (length,))?;
        let values = x.try_reshape_like(&(batch * features, 1))?.try_gather(places)?;
        values.try_reshape_like(&(batch * channels.pixels(), channels.count))
    }

    /// x with these channels in place of its own.
    fn put<F: Dim, E: Float, D: Device<E>, T: Tape<E, D> + Merge<T>>(
        channels: &Channels,
        x: Rows<F, E, D, T>,
        moved: Rows<usize, E, D, T>,
    ) -> Result<Rows<F, E, D, T>, D::Err> {
        let shape = *x.shape();
        let (batch, features) = (shape.0, shape.1.size());
        let mut from = vec![None; features];
        channels.places.iter().enumerate().for_each(|(at, &place)| from[place] = Some(at));
        let (device, length) = (x.device().clone(), channels.places.len());
        let all = || (0..batch).flat_map(|row| from.iter().map(move |at| at.map(|at| row * length + at)));
        let places = device.try_tensor_from_vec(all().map(Option::unwrap_or_default).collect(), (batch * features,))?;
        let mask = |of: [f64; 2]| {
            let values = all().map(|at| E::of(of[usize::from(at.is_some())])).collect();
            device.try_tensor_from_vec(values, shape)
        };
        let spread = moved.try_reshape_like(&(batch * length, 1))?.try_gather(places)?.try_reshape_like(&shape)?;
        let others: Rows<F, E, D> = mask([1.0, 0.0])?;
        let own: Rows<F, E, D> = mask([0.0, 1.0])?;
        x.try_mul(others)?.try_add(spread.try_mul(own)?)
    }

    /// The sum over the pixels of each row.
    fn sum<E: Float, D: Device<E>, T: Tape<E, D>>(
        channels: &Channels,
        log_det: Tensor<(usize,), E, D, T>,
    ) -> Result<Tensor<(usize,), E, D, T>, D::Err> {
        let pixels = channels.pixels();
        let batch = log_det.shape().0 / pixels;
        log_det.try_reshape_like(&(batch, pixels))?.try_sum::<(usize,), Axis<1>>()
    }
}

impl<F: Dim, E: Float, D: Device<E>, P: Composed<F, E, D>, Q: Composed<usize, E, D>> Composed<F, E, D>
    for OnChannels<P, Q>
{
    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        match self {
            Self::Plain(form) => form.forward(x),
            Self::Pixels(channels, form) => {
                let (moved, log_det) = form.forward(Self::gather(channels, x.retaped::<T>())?)?;
                Ok((Self::put(channels, x, moved)?, Self::sum(channels, log_det)?))
            }
        }
    }

    fn forward_training<T>(
        &self,
        x: Rows<F, E, D, T>,
        training: &mut InTraining<'_>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        match self {
            Self::Plain(form) => form.forward_training(x, training),
            Self::Pixels(channels, form) => {
                let own = Self::gather(channels, x.retaped::<T>())?;
                let (moved, log_det) = form.forward_training(own, training)?;
                Ok((Self::put(channels, x, moved)?, Self::sum(channels, log_det)?))
            }
        }
    }

    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        match self {
            Self::Plain(form) => form.inverse(z),
            Self::Pixels(channels, form) => {
                let moved = form.inverse(Self::gather(channels, z.clone())?)?;
                Self::put(channels, z, moved)
            }
        }
    }

    fn scale_max(&self, x: &Rows<F, E, D>) -> Result<f64, D::Err> {
        match self {
            Self::Plain(form) => form.scale_max(x),
            Self::Pixels(channels, form) => form.scale_max(&Self::gather(channels, x.clone())?),
        }
    }

    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        match self {
            Self::Plain(form) => form.gradient(gradients, out),
            Self::Pixels(_, form) => form.gradient(gradients, out),
        }
    }
}
