//! The affine coupling layer on a group of rows, forward, backward and inverse (Dinh et al. 2017, equations 7 to 9).

use super::elementwise::{exp_all, tanh_all};
use super::network::{Network, Scratch, hidden_stride, side_stride};
use super::simd::{Level, Simd};
use crate::flow::CouplingLayer;
use crate::spec::Activation;

/// A coupling layer with its weights laid out for the kernels.
pub(crate) struct Coupling {
    place: CouplingLayer,
    features: usize,
    s: Network,
    t: Network,
    scale: Vec<f32>,
}

/// What the way back needs of a layer's way forward, for a group of rows.
#[derive(Default)]
pub(crate) struct Cache {
    /// Kept features and a one, `[rows, kept + 1]`.
    kept: Vec<f32>,
    /// Hidden activations of the s and t networks.
    hidden: [Vec<Vec<f32>>; 2],
    /// tanh of the s network; s = scale·tanh. Rows of `side_stride(changed)` values, as all below.
    tanh: Vec<f32>,
    t: Vec<f32>,
    /// exp(s), or s itself before it is needed.
    exp: Vec<f32>,
    /// The changed features before the layer.
    changed: Vec<f32>,
}

/// Buffers of the way back that layers share.
#[derive(Default)]
pub(crate) struct Backward {
    scratch: Scratch,
    d_s: Vec<f32>,
    d_t: Vec<f32>,
    d_kept: Vec<f32>,
}

fn at_least(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}

impl Coupling {
    /// Room for the layer's weights; fill it with [`Coupling::pack`].
    pub fn new(place: &CouplingLayer, features: usize, width: usize, activation: Activation, level: Level) -> Self {
        let lanes = match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => super::simd::Avx512::LANES,
            _ => super::simd::Portable::LANES,
        };
        Self {
            features,
            s: Network::new(&place.s, width, activation, lanes),
            t: Network::new(&place.t, width, activation, lanes),
            scale: vec![0.0; place.mask.changed.len()],
            place: place.clone(),
        }
    }

    /// Lays out the weights in `values`, the flat vector.
    pub fn pack(&mut self, level: Level, values: &[f32]) {
        self.s.pack(level, values);
        self.t.pack(level, values);
        self.scale.copy_from_slice(&values[self.place.scale..][..self.place.mask.changed.len()]);
    }

    /// Makes `cache` and `backward` large enough for `rows` rows of this layer.
    pub fn reserve(&self, rows: usize, width: usize, cache: &mut Cache, backward: &mut Backward) {
        let (kept, changed) = (self.place.mask.kept.len(), self.place.mask.changed.len());
        let (stride, side) = (rows * hidden_stride(width), rows * side_stride(changed));
        at_least(&mut cache.kept, rows * (kept + 1));
        for (hidden, network) in cache.hidden.iter_mut().zip([&self.s, &self.t]) {
            hidden.resize_with(hidden.len().max(network.hidden_layers()), Vec::new);
            hidden.iter_mut().for_each(|h| at_least(h, stride));
        }
        for buffer in [&mut cache.tanh, &mut cache.t, &mut cache.exp, &mut cache.changed] {
            at_least(buffer, side);
        }
        at_least(&mut backward.d_s, side);
        at_least(&mut backward.d_t, side);
        at_least(&mut backward.d_kept, rows * side_stride(kept));
        at_least(&mut backward.scratch.now, stride);
        at_least(&mut backward.scratch.next, stride);
        at_least(&mut backward.scratch.narrow, changed * (width + 1));
    }

    /// Evaluates both networks: fills `cache` up to `t` and with s in `exp`.
    fn networks(&self, level: Level, values: &[f32], rows: usize, x: &[f32], cache: &mut Cache) {
        let kept = &self.place.mask.kept;
        for (row, x) in cache.kept.chunks_exact_mut(kept.len() + 1).zip(x.chunks_exact(self.features)).take(rows) {
            kept.iter().zip(row.iter_mut()).for_each(|(&i, to)| *to = x[i]);
            row[kept.len()] = 1.0;
        }
        let [hidden_s, hidden_t] = &mut cache.hidden;
        self.s.forward(level, values, rows, &cache.kept, hidden_s, &mut cache.tanh);
        self.t.forward(level, values, rows, &cache.kept, hidden_t, &mut cache.t);
        let side = side_stride(self.scale.len());
        tanh_all(level, &mut cache.tanh[..rows * side]);
        for (s, tanh) in cache.exp.chunks_exact_mut(side).zip(cache.tanh.chunks_exact(side)).take(rows) {
            s.iter_mut().zip(tanh).zip(&self.scale).for_each(|((s, tanh), scale)| *s = scale * tanh);
        }
    }

    /// x → z in place, `log_det` added to.
    pub fn forward(
        &self,
        level: Level,
        values: &[f32],
        rows: usize,
        x: &mut [f32],
        log_det: &mut [f32],
        cache: &mut Cache,
    ) {
        self.networks(level, values, rows, x, cache);
        let changed = &self.place.mask.changed;
        let side = side_stride(changed.len());
        for (log_det, s) in log_det.iter_mut().zip(cache.exp.chunks_exact(side)).take(rows) {
            *log_det += s[..changed.len()].iter().sum::<f32>();
        }
        exp_all(level, &mut cache.exp[..rows * side]);
        for (r, x) in x.chunks_exact_mut(self.features).enumerate().take(rows) {
            for (j, &i) in changed.iter().enumerate() {
                let at = r * side + j;
                cache.changed[at] = x[i];
                x[i] = x[i] * cache.exp[at] + cache.t[at];
            }
        }
    }

    /// z → x in place.
    pub fn inverse(&self, level: Level, values: &[f32], rows: usize, z: &mut [f32], cache: &mut Cache) {
        self.networks(level, values, rows, z, cache);
        let changed = &self.place.mask.changed;
        let side = side_stride(changed.len());
        let s = &mut cache.exp[..rows * side];
        s.iter_mut().for_each(|s| *s = -*s);
        exp_all(level, s);
        for (r, z) in z.chunks_exact_mut(self.features).enumerate().take(rows) {
            for (j, &i) in changed.iter().enumerate() {
                z[i] = (z[i] - cache.t[r * side + j]) * cache.exp[r * side + j];
            }
        }
    }

    /// max |s| of the rows that last went forward through `cache`.
    pub fn scale_max(&self, rows: usize, cache: &Cache) -> f32 {
        let side = side_stride(self.scale.len());
        let rows = cache.tanh.chunks_exact(side).take(rows);
        rows.flat_map(|row| row.iter().zip(&self.scale)).map(|(tanh, scale)| (tanh * scale).abs()).fold(0.0, f32::max)
    }

    /// From the gradient with respect to z, in place, to that with respect to x; the weights' goes to `gradient`.
    ///
    /// The loss is Σ_rows (½|z|² − log_det)/batch: `per_row` is 1/batch, what each s adds through log_det.
    pub fn backward(
        &self,
        level: Level,
        rows: usize,
        per_row: f32,
        d: &mut [f32],
        cache: &Cache,
        backward: &mut Backward,
        gradient: &mut [f32],
    ) {
        let (kept, changed) = (&self.place.mask.kept, &self.place.mask.changed);
        let side = side_stride(changed.len());
        let d_scale = &mut gradient[self.place.scale..self.place.scale + changed.len()];
        d_scale.fill(0.0);
        for (r, d) in d.chunks_exact_mut(self.features).enumerate().take(rows) {
            for (j, &i) in changed.iter().enumerate() {
                let at = r * side + j;
                let scaled = d[i] * cache.exp[at];
                let d_s = scaled * cache.changed[at] - per_row;
                let tanh = cache.tanh[at];
                d_scale[j] += d_s * tanh;
                backward.d_s[at] = d_s * self.scale[j] * (1.0 - tanh * tanh);
                backward.d_t[at] = d[i];
                d[i] = scaled;
            }
        }
        let Backward { scratch, d_s, d_t, d_kept } = backward;
        let [hidden_s, hidden_t] = &cache.hidden;
        self.s.backward(level, rows, &cache.kept, hidden_s, d_s, gradient, scratch, d_kept, false);
        self.t.backward(level, rows, &cache.kept, hidden_t, d_t, gradient, scratch, d_kept, true);
        let kept_stride = side_stride(kept.len());
        for (r, d) in d.chunks_exact_mut(self.features).enumerate().take(rows) {
            kept.iter().enumerate().for_each(|(j, &i)| d[i] += d_kept[r * kept_stride + j]);
        }
    }
}
