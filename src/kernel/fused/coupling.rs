//! The affine coupling layer on a lane, forward, backward and inverse (Dinh et al. 2017, equations 7 to 9).

use super::network::{Network, Scratch};
use crate::compute::Buffer;
use crate::compute::Level;
use crate::compute::Panels;
use crate::compute::{exp_all, tanh_all};
use crate::flow::Coupling as Place;
use crate::spec::Activation;

/// A coupling layer.
pub(crate) struct Coupling {
    place: Place,
    features: usize,
    width: usize,
    s: Network,
    t: Network,
}

/// What the way back needs of a layer's way forward. Every buffer is of rows in panels.
#[derive(Default)]
pub(crate) struct Cache {
    /// Kept features.
    kept: Buffer,
    /// Hidden activations of the s and t networks.
    hidden: [Vec<Buffer>; 2],
    /// tanh of the s network; s = scale·tanh. Values of the changed features, as all below.
    tanh: Buffer,
    t: Buffer,
    /// exp(s), or s itself before it is needed.
    exp: Buffer,
    /// The changed features before the layer.
    changed: Buffer,
}

/// Buffers that the layers of a lane share: for the s network and for the t network.
#[derive(Default)]
pub(crate) struct Shared {
    scratch: [Scratch; 2],
    d_out: [Buffer; 2],
    d_kept: [Buffer; 2],
}

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
    pub fn new(place: &Place, features: usize, width: usize, activation: Activation) -> Self {
        let (s, t) = (Network::new(&place.s.maps, width, activation), Network::new(&place.t.maps, width, activation));
        assert!(s.range().end <= t.range().start, "the s network stands before the t network");
        Self { features, width, s, t, place: place.clone() }
    }

    /// Makes `cache` and `shared` large enough for `padded` rows of this layer.
    pub fn reserve(&self, padded: usize, cache: &mut Cache, shared: &mut Shared) {
        let (kept, changed) = (padded * self.place.mask.kept.len(), padded * self.place.mask.changed.len());
        cache.kept.at_least(kept);
        for (hidden, network) in cache.hidden.iter_mut().zip([&self.s, &self.t]) {
            hidden.resize_with(hidden.len().max(network.hidden_layers()), Buffer::default);
            hidden.iter_mut().for_each(|h| h.at_least(padded * self.width));
        }
        for buffer in [&mut cache.tanh, &mut cache.t, &mut cache.exp, &mut cache.changed] {
            buffer.at_least(changed);
        }
        shared.d_out.iter_mut().for_each(|d| d.at_least(changed));
        shared.d_kept.iter_mut().for_each(|d| d.at_least(kept));
        shared.scratch.iter_mut().for_each(|scratch| scratch.reserve(padded * self.width));
    }

    fn scale<'a>(&self, values: &'a [f32]) -> &'a [f32] {
        &values[self.place.scale..][..self.place.mask.changed.len()]
    }

    /// Evaluates both networks: fills `cache` up to `t` and with s in `exp`.
    fn networks(
        &self,
        level: Level,
        fork: bool,
        values: &[f32],
        panels: Panels,
        x: &[f32],
        cache: &mut Cache,
        shared: &mut Shared,
    ) {
        let (kept, changed) = (&self.place.mask.kept, self.place.mask.changed.len());
        for panel in panels.iter() {
            for (j, &i) in kept.iter().enumerate() {
                panel.row_of(kept.len(), j, &mut cache.kept).copy_from_slice(panel.row(self.features, i, x));
            }
        }
        let padded = panels.padded();
        let Cache { kept, hidden: [hidden_s, hidden_t], tanh, t, exp, .. } = cache;
        let [scratch_s, scratch_t] = &mut shared.scratch;
        both(
            fork,
            || {
                self.s.forward(level, values, padded, kept, hidden_s, tanh, scratch_s);
                tanh_all(level, &mut tanh[..padded * changed]);
            },
            || self.t.forward(level, values, padded, kept, hidden_t, t, scratch_t),
        );
        for panel in panels.iter() {
            for (j, scale) in self.scale(values).iter().enumerate() {
                let (s, tanh) = (panel.row_of(changed, j, exp), panel.row(changed, j, tanh));
                s.iter_mut().zip(tanh).for_each(|(s, tanh)| *s = scale * tanh);
            }
        }
    }

    /// x → z in place, `log_det` added to.
    pub fn forward(
        &self,
        level: Level,
        fork: bool,
        values: &[f32],
        panels: Panels,
        x: &mut [f32],
        log_det: &mut [f32],
        cache: &mut Cache,
        shared: &mut Shared,
    ) {
        self.networks(level, fork, values, panels, x, cache, shared);
        let changed = &self.place.mask.changed;
        for panel in panels.iter() {
            let log_det = &mut log_det[panel.first..][..panel.width];
            for j in 0..changed.len() {
                log_det.iter_mut().zip(panel.row(changed.len(), j, &cache.exp)).for_each(|(log_det, s)| *log_det += s);
            }
        }
        exp_all(level, &mut cache.exp[..panels.padded() * changed.len()]);
        for panel in panels.iter() {
            for (j, &i) in changed.iter().enumerate() {
                let x = panel.row_of(self.features, i, x);
                panel.row_of(changed.len(), j, &mut cache.changed).copy_from_slice(x);
                let (exp, t) = (panel.row(changed.len(), j, &cache.exp), panel.row(changed.len(), j, &cache.t));
                x.iter_mut().zip(exp).zip(t).for_each(|((x, exp), t)| *x = *x * exp + t);
            }
        }
    }

    /// z → x in place.
    pub fn inverse(
        &self,
        level: Level,
        values: &[f32],
        panels: Panels,
        z: &mut [f32],
        cache: &mut Cache,
        shared: &mut Shared,
    ) {
        self.networks(level, false, values, panels, z, cache, shared);
        let changed = &self.place.mask.changed;
        let s = &mut cache.exp[..panels.padded() * changed.len()];
        s.iter_mut().for_each(|s| *s = -*s);
        exp_all(level, s);
        for panel in panels.iter() {
            for (j, &i) in changed.iter().enumerate() {
                let (exp, t) = (panel.row(changed.len(), j, &cache.exp), panel.row(changed.len(), j, &cache.t));
                let z = panel.row_of(self.features, i, z);
                z.iter_mut().zip(exp).zip(t).for_each(|((z, exp), t)| *z = (*z - t) * exp);
            }
        }
    }

    /// max |s| of the rows that last went forward through `cache`.
    pub fn scale_max(&self, values: &[f32], panels: Panels, cache: &Cache) -> f32 {
        let mut largest = 0.0_f32;
        for panel in panels.iter() {
            for (j, scale) in self.scale(values).iter().enumerate() {
                let tanh = &panel.row(self.place.mask.changed.len(), j, &cache.tanh)[..panel.used];
                largest = tanh.iter().map(|tanh| (tanh * scale).abs()).fold(largest, f32::max);
            }
        }
        largest
    }

    /// From the gradient with respect to z, in place, to that with respect to x; the weights' goes to `gradient`.
    ///
    /// The loss is Σ_rows weight·(½|z|² − log_det): `weights`, one a row, is what each s adds through log_det, zero for
    /// padding.
    pub fn backward(
        &self,
        level: Level,
        fork: bool,
        values: &[f32],
        panels: Panels,
        weights: &[f32],
        d: &mut [f32],
        cache: &Cache,
        shared: &mut Shared,
        gradient: &mut [f32],
    ) {
        let (kept, changed) = (&self.place.mask.kept, &self.place.mask.changed);
        let [d_s, d_t] = &mut shared.d_out;
        let n = changed.len();
        let d_scale = &mut gradient[self.place.scale..][..n];
        d_scale.fill(0.0);
        for panel in panels.iter() {
            let weights = &weights[panel.first..][..panel.width];
            for (j, &i) in changed.iter().enumerate() {
                let scale = self.scale(values)[j];
                let row = |buffer| panel.row(n, j, buffer);
                let (exp, before, tanh) = (row(&cache.exp), row(&cache.changed), row(&cache.tanh));
                let (d_s, d_t) = (panel.row_of(n, j, d_s), panel.row_of(n, j, d_t));
                let d = panel.row_of(self.features, i, d);
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
        let (range_s, range_t) = (self.s.range(), self.t.range());
        let (head, tail) = gradient.split_at_mut(range_t.start);
        let (gradient_s, gradient_t) = (&mut head[range_s], &mut tail[..range_t.len()]);
        let [scratch_s, scratch_t] = &mut shared.scratch;
        let [kept_s, kept_t] = &mut shared.d_kept;
        let ([hidden_s, hidden_t], padded) = (&cache.hidden, panels.padded());
        both(
            fork,
            || self.s.backward(level, values, padded, &cache.kept, hidden_s, d_s, gradient_s, scratch_s, kept_s),
            || self.t.backward(level, values, padded, &cache.kept, hidden_t, d_t, gradient_t, scratch_t, kept_t),
        );
        for panel in panels.iter() {
            for (j, &i) in kept.iter().enumerate() {
                let (s, t) = (panel.row(kept.len(), j, kept_s), panel.row(kept.len(), j, kept_t));
                let d = panel.row_of(self.features, i, d);
                d.iter_mut().zip(s).zip(t).for_each(|((d, s), t)| *d += s + t);
            }
        }
    }
}
