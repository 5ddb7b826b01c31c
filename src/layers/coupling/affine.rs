//! What an affine coupling does with the features it changes, on the CPU: x → x·exp(s) + t with s = scale·tanh.

use super::Coupling;
use crate::compute::exp_all;
use crate::layers::cpu::Context;

/// What the networks say, and what is kept of it; values of the changed features in panels.
pub(super) struct Outputs<B> {
    /// tanh of the s network.
    pub tanh: B,
    pub t: B,
    /// exp(s), or s itself before it is needed.
    pub exp: B,
}

impl Coupling {
    /// The learned bounds of s.
    fn scale<'a>(&self, context: &Context<'a>) -> &'a [f32] {
        &context.values[self.scale..][..self.mask.changed.len()]
    }

    /// s of tanh, into `exp`.
    pub(super) fn bound(&self, context: &Context<'_>, outputs: &mut Outputs<&mut [f32]>) {
        let changed = self.mask.changed.len();
        for panel in context.panels.iter() {
            for (j, scale) in self.scale(context).iter().enumerate() {
                let (s, tanh) = (panel.row_of(changed, j, outputs.exp), panel.row(changed, j, outputs.tanh));
                s.iter_mut().zip(tanh).for_each(|(s, tanh)| *s = scale * tanh);
            }
        }
    }

    /// x → z of the changed features, which are kept in `before`.
    pub(super) fn affine(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        outputs: &mut Outputs<&mut [f32]>,
        before: &mut [f32],
    ) {
        let changed = &self.mask.changed;
        for panel in context.panels.iter() {
            let log_det = &mut log_det[panel.first..][..panel.width];
            for j in 0..changed.len() {
                log_det.iter_mut().zip(panel.row(changed.len(), j, outputs.exp)).for_each(|(log_det, s)| *log_det += s);
            }
        }
        exp_all(context.level, outputs.exp);
        for panel in context.panels.iter() {
            for (j, &i) in changed.iter().enumerate() {
                let x = panel.row_of(context.features, i, x);
                panel.row_of(changed.len(), j, before).copy_from_slice(x);
                let (exp, t) = (panel.row(changed.len(), j, outputs.exp), panel.row(changed.len(), j, outputs.t));
                x.iter_mut().zip(exp).zip(t).for_each(|((x, exp), t)| *x = *x * exp + t);
            }
        }
    }

    /// z → x of the changed features.
    pub(super) fn affine_inverse(&self, context: &Context<'_>, z: &mut [f32], outputs: &mut Outputs<&mut [f32]>) {
        let changed = &self.mask.changed;
        outputs.exp.iter_mut().for_each(|s| *s = -*s);
        exp_all(context.level, outputs.exp);
        for panel in context.panels.iter() {
            for (j, &i) in changed.iter().enumerate() {
                let (exp, t) = (panel.row(changed.len(), j, outputs.exp), panel.row(changed.len(), j, outputs.t));
                let z = panel.row_of(context.features, i, z);
                z.iter_mut().zip(exp).zip(t).for_each(|((z, exp), t)| *z = (*z - t) * exp);
            }
        }
    }

    /// From the gradient of the changed features with respect to z, in `d`, to that with respect to x, and to that of what the
    /// networks said before tanh: `d_s` and `d_t`. The bounds' is written to `gradient`.
    pub(super) fn affine_backward(
        &self,
        context: &Context<'_>,
        weights: &[f32],
        d: &mut [f32],
        (outputs, before): (&Outputs<&[f32]>, &[f32]),
        [d_s, d_t]: [&mut [f32]; 2],
        gradient: &mut [f32],
    ) {
        let n = self.mask.changed.len();
        let d_scale = &mut gradient[self.scale..][..n];
        d_scale.fill(0.0);
        for panel in context.panels.iter() {
            let weights = &weights[panel.first..][..panel.width];
            for (j, &i) in self.mask.changed.iter().enumerate() {
                let scale = self.scale(context)[j];
                let row = |buffer| panel.row(n, j, buffer);
                let (exp, before, tanh) = (row(outputs.exp), row(before), row(outputs.tanh));
                let (d_s, d_t) = (panel.row_of(n, j, d_s), panel.row_of(n, j, d_t));
                let d = panel.row_of(context.features, i, d);
                d_t.copy_from_slice(d);
                let mut total = 0.0;
                for r in 0..panel.width {
                    d[r] *= exp[r];
                    let d_s_now = d[r] * before[r] - weights[r];
                    total += d_s_now * tanh[r];
                    d_s[r] = d_s_now * scale * (1.0 - tanh[r] * tanh[r]);
                }
                d_scale[j] += total;
            }
        }
    }

    /// max |s| of a group of rows.
    pub(super) fn largest(&self, context: &Context<'_>, tanh: &[f32]) -> f32 {
        let mut largest = 0.0_f32;
        for panel in context.panels.iter() {
            for (j, scale) in self.scale(context).iter().enumerate() {
                let tanh = &panel.row(self.mask.changed.len(), j, tanh)[..panel.used];
                largest = tanh.iter().map(|tanh| (tanh * scale).abs()).fold(largest, f32::max);
            }
        }
        largest
    }
}
