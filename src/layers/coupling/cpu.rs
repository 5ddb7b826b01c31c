//! A coupling on the CPU: what it keeps goes through both networks, what these say changes the rest.

use super::Coupling;
use super::affine::Outputs;
use super::mlp::BackScratch;
use crate::compute::{Panels, pieces, pieces_mut, tanh_all};
use crate::layers::cpu::{ByRow, Context, OnCpu, Scratch, Training};

/// Both, at the same time if `fork`.
fn both(fork: bool, s: impl FnOnce() + Send, t: impl FnOnce() + Send) {
    if fork {
        rayon::join(s, t);
    } else {
        s();
        t();
    }
}

impl Coupling {
    /// Lengths of the pieces of its cache: kept features; hidden activations of s and of t; tanh, t and exp(s) of the changed
    /// features; these before the layer.
    pub(super) fn cached(&self, padded: usize) -> [usize; 7] {
        let (kept, changed) = (self.mask.kept.len(), self.mask.changed.len());
        [kept, self.s.hidden(), self.t.hidden(), changed, changed, changed, changed].map(|values| values * padded)
    }

    /// Lengths of the pieces that it needs for a call: gradients of the hidden layer at hand and of the one before it, for s
    /// and for t; of what both say; and of what both read.
    fn passing(&self, padded: usize) -> [usize; 8] {
        let (kept, changed) = (self.mask.kept.len(), self.mask.changed.len());
        let (s, t) = (self.s.widest(), self.t.widest());
        [s, s, t, t, changed, changed, kept, kept].map(|values| values * padded)
    }

    /// Evaluates both networks: what they say, s in the place of its exponential, and the cache's piece for the changed
    /// features before the layer.
    fn networks<'a>(
        &self,
        context: &Context<'_>,
        x: &[f32],
        cache: &'a mut [f32],
        scratch: &mut Scratch,
    ) -> (Outputs<&'a mut [f32]>, &'a mut [f32]) {
        let &Context { level, panels, features, .. } = context;
        let [kept, hidden_s, hidden_t, tanh, t, exp, before] = pieces_mut(cache, self.cached(panels.padded()));
        gather(panels, features, &self.mask.kept, x, kept);
        let [scratch_s, scratch_t] = &mut scratch.products;
        both(
            context.fork,
            || {
                self.s.forward(context, kept, hidden_s, tanh, scratch_s);
                tanh_all(level, tanh);
            },
            || self.t.forward(context, kept, hidden_t, t, scratch_t),
        );
        let mut outputs = Outputs { tanh, t, exp };
        self.bound(context, &mut outputs);
        (outputs, before)
    }
}

/// Copies the `chosen` of the features.
fn gather(panels: Panels, features: usize, chosen: &[usize], x: &[f32], to: &mut [f32]) {
    for panel in panels.iter() {
        for (j, &i) in chosen.iter().enumerate() {
            panel.row_of(chosen.len(), j, to).copy_from_slice(panel.row(features, i, x));
        }
    }
}

impl OnCpu for Coupling {
    fn cache(&self, padded: usize, _: usize) -> usize {
        self.cached(padded).iter().sum()
    }

    fn scratch(&self, padded: usize) -> usize {
        self.passing(padded).iter().sum()
    }

    fn forward(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        cache: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (mut outputs, before) = self.networks(context, x, cache, scratch);
        self.affine(context, x, log_det, &mut outputs, before);
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], cache: &mut [f32], scratch: &mut Scratch) {
        let (mut outputs, _) = self.networks(context, z, cache, scratch);
        self.affine_inverse(context, z, &mut outputs);
    }

    fn scale_max(&self, context: &Context<'_>, cache: &[f32]) -> f64 {
        let [.., tanh, _, _, _] = pieces(cache, self.cached(context.panels.padded()));
        self.largest(context, tanh).into()
    }

    fn training(&self) -> Training<'_> {
        Training::ByRow(self)
    }
}

impl ByRow for Coupling {
    fn backward(
        &self,
        context: &Context<'_>,
        weights: &[f32],
        d: &mut [f32],
        cache: &[f32],
        scratch: &mut Scratch,
        gradient: &mut [f32],
    ) {
        let &Context { panels, features, .. } = context;
        let padded = panels.padded();
        let [kept, hidden_s, hidden_t, tanh, t, exp, before] = pieces(cache, self.cached(padded));
        let Scratch { values, products: [product_s, product_t] } = scratch;
        let [now_s, next_s, now_t, next_t, d_s, d_t, kept_s, kept_t] = pieces_mut(values, self.passing(padded));
        self.affine_backward(context, weights, d, (&Outputs { tanh, t, exp }, before), [d_s, d_t], gradient);
        let (range_s, range_t) = (self.s.range(), self.t.range());
        let (head, tail) = gradient.split_at_mut(range_t.start);
        let (gradient_s, gradient_t) = (&mut head[range_s], &mut tail[..range_t.len()]);
        let scratch_s = BackScratch { now: now_s, next: next_s, product: product_s };
        let scratch_t = BackScratch { now: now_t, next: next_t, product: product_t };
        both(
            context.fork,
            || self.s.backward(context, [kept, hidden_s], d_s, gradient_s, kept_s, scratch_s),
            || self.t.backward(context, [kept, hidden_t], d_t, gradient_t, kept_t, scratch_t),
        );
        let kept = &self.mask.kept;
        for panel in panels.iter() {
            for (j, &i) in kept.iter().enumerate() {
                let (s, t) = (panel.row(kept.len(), j, kept_s), panel.row(kept.len(), j, kept_t));
                let d = panel.row_of(features, i, d);
                d.iter_mut().zip(s).zip(t).for_each(|((d, s), t)| *d += s + t);
            }
        }
    }
}
