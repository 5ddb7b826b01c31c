//! The affine coupling layer (Dinh et al. 2017, equations 7 to 9).

use dfdx::prelude::*;

use super::network::Network;
use super::transfer::{Float, Moved, Rows, ScaleAndShift, Upload, download, times_rows};
use crate::flow::CouplingLayer;
use crate::spec::Activation;

/// x' = m·x + (1−m)·(x·exp(s(m·x)) + t(m·x)).
pub(crate) struct Coupling<F: Dim, W: Dim, E: Float, D: Device<E>> {
    place: CouplingLayer,
    s: Network<W, E, D>,
    t: Network<W, E, D>,
    /// Learned bound of s, shape `[changed]`.
    scale: Tensor<(usize,), E, D>,
    /// m, shape `[features]`.
    mask: Tensor<(F,), E, D>,
    /// x·`pick_kept` is the kept part, shape `[features, kept]`.
    pick_kept: Tensor<(F, usize), E, D>,
    /// x·`pick_changed` is the changed part, shape `[features, changed]`.
    pick_changed: Tensor<(F, usize), E, D>,
    /// The transpose of `pick_changed`: puts the changed part back in its place.
    put_changed: Rows<F, E, D>,
}

impl<F: Dim, W: Dim, E: Float, D: Device<E>> Coupling<F, W, E, D> {
    pub(crate) fn upload(
        upload: &Upload<'_, E, D>,
        place: &CouplingLayer,
        features: F,
        width: W,
        activation: Activation,
    ) -> Result<Self, D::Err> {
        let (kept, changed) = (&place.mask.kept, &place.mask.changed);
        let n = features.size();
        let pick = |chosen: &[usize]| {
            let mut matrix = vec![E::of(0.0); n * chosen.len()];
            chosen.iter().enumerate().for_each(|(j, &i)| matrix[i * chosen.len() + j] = E::of(1.0));
            matrix
        };
        let mut put = vec![E::of(0.0); n * changed.len()];
        changed.iter().enumerate().for_each(|(j, &i)| put[j * n + i] = E::of(1.0));
        let mut mask = vec![E::of(0.0); n];
        kept.iter().for_each(|&i| mask[i] = E::of(1.0));
        // A device tensor of no elements is not to be had: an unused column stands in where nothing is kept.
        let kept_matrix = if kept.is_empty() { vec![E::of(0.0); n] } else { pick(kept) };
        Ok(Self {
            s: Network::upload(upload, &place.s, width, activation)?,
            t: Network::upload(upload, &place.t, width, activation)?,
            scale: upload.tensor(place.scale, (changed.len(),))?,
            mask: upload.device.try_tensor_from_vec(mask, (features,))?,
            pick_kept: upload.device.try_tensor_from_vec(kept_matrix, (features, kept.len().max(1)))?,
            pick_changed: upload.device.try_tensor_from_vec(pick(changed), (features, changed.len()))?,
            put_changed: upload.device.try_tensor_from_vec(put, (changed.len(), features))?,
            place: place.clone(),
        })
    }

    /// s and t of the kept half, each shape `[batch, changed]`.
    fn s_and_t<T>(&self, x: &Rows<F, E, D, T>) -> Result<ScaleAndShift<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let (batch, changed) = (x.shape().0, self.place.mask.changed.len());
        let kept = x.retaped::<T>().try_matmul(self.pick_kept.clone())?;
        let t = self.t.apply(kept.retaped::<T>(), batch, changed)?;
        // The tape that leads back to x stays on this branch alone; `t` was started on a fresh one and joins later.
        let s = times_rows(self.s.apply(kept, batch, changed)?.try_tanh()?, &self.scale)?;
        Ok([s, t])
    }

    /// x → z and log|det dz/dx|, shape `[batch]`.
    pub(crate) fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let [s, t] = self.s_and_t(&x)?;
        let log_det = s.retaped::<T>().try_sum::<(usize,), Axis<1>>()?;
        let changed = x.retaped::<T>().try_matmul(self.pick_changed.clone())?;
        let changed = s.try_exp()?.try_mul(changed)?.try_add(t)?;
        let kept = times_rows(x, &self.mask)?;
        Ok((kept.try_add(changed.try_matmul(self.put_changed.clone())?)?, log_det))
    }

    /// z → x.
    pub(crate) fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        let [s, t] = self.s_and_t(&z)?;
        let changed = z.clone().try_matmul(self.pick_changed.clone())?;
        let changed = changed.try_sub(t)?.try_mul(s.try_negate()?.try_exp()?)?;
        times_rows(z, &self.mask)?.try_add(changed.try_matmul(self.put_changed.clone())?)
    }

    /// max |s| over a batch.
    pub(crate) fn scale_max(&self, x: &Rows<F, E, D>) -> Result<f64, D::Err> {
        let [s, _] = self.s_and_t(x)?;
        Ok(s.as_vec().into_iter().map(|v| v.wide().abs()).fold(0.0, f64::max))
    }

    /// Copies the gradients to their places in the flat vector `out`.
    pub(crate) fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        self.s.gradient(gradients, &self.place.s, out);
        self.t.gradient(gradients, &self.place.t, out);
        download(&gradients.get(&self.scale), self.place.scale, out);
    }
}
