//! A coupling on the CPU: what it keeps goes through the networks, what these say changes the rest.

use super::Coupling;
use super::network::{Network, NetworkScratch};
use super::transformer::On;
use crate::compute::{Buffer, pieces, pieces_mut};
use crate::layers::cpu::{ByRow, Context, OnCpu, Scratch, Training};

/// Does `work` with every job, with all at the same time if `fork`.
fn each<J: Send>(fork: bool, jobs: &mut [J], work: &(impl Fn(&mut J) + Sync)) {
    match jobs {
        [job, rest @ ..] if fork && !rest.is_empty() => {
            rayon::join(|| work(job), || each(fork, rest, work));
        }
        jobs => jobs.iter_mut().for_each(work),
    }
}

/// A network on its way forward, and where it reads and writes.
struct Forward<'a> {
    network: &'a Network,
    cache: &'a mut [f32],
    out: &'a mut [f32],
    scratch: &'a mut [f32],
    product: &'a mut Buffer,
}

/// A network on its way back.
struct Backward<'a> {
    network: &'a Network,
    cache: &'a [f32],
    d_out: &'a [f32],
    gradient: &'a mut [f32],
    d_kept: &'a mut [f32],
    scratch: &'a mut [f32],
    product: &'a mut Buffer,
}

impl Coupling {
    /// Lengths of the pieces of its cache: kept features; what all networks keep; what they say; and what the transformer keeps.
    pub(super) fn cached(&self, padded: usize) -> [usize; 4] {
        let (kept, changed) = (self.mask.kept.len(), self.mask.changed.len());
        let networks = self.networks.iter().map(|network| network.on_cpu().cached()).sum();
        let of_changed = [self.transformer.lists(), self.transformer.on_cpu().kept()].map(|lists| lists * changed);
        [kept, networks, of_changed[0], of_changed[1]].map(|values| values * padded)
    }

    /// Lengths of the pieces that it needs for a call: what all networks need; gradients of what they say, and of what each reads.
    pub(super) fn passing(&self, padded: usize) -> [usize; 3] {
        let (kept, changed, networks) = (self.mask.kept.len(), self.mask.changed.len(), self.networks.len());
        let scratch: usize = self.networks.iter().map(|network| network.on_cpu().scratch()).sum();
        [scratch, self.transformer.lists() * changed, networks * kept].map(|values| values * padded)
    }

    /// Values a row that a network says.
    fn outputs(&self) -> usize {
        self.transformer.lists() / self.networks.len() * self.mask.changed.len()
    }

    /// The panels of rows as the transformer is given them, and where what the networks say of each begins: of several networks the
    /// lists of all rows follow each other, of one those of a panel.
    fn panels<'a>(&'a self, context: &'a Context<'a>) -> impl Iterator<Item = (On<'a>, usize)> {
        let changed = &self.mask.changed;
        let (lists, padded) = (self.transformer.lists(), context.panels.padded());
        let joint = self.networks.len() < lists;
        context.panels.iter().map(move |panel| {
            let (rows, first) = if joint { (panel.width, panel.first * lists) } else { (padded, panel.first) };
            (On { context, changed, panel, stride: rows * changed.len() }, first * changed.len())
        })
    }

    /// Evaluates the networks: what they say, and the cache's piece for what the transformer keeps.
    fn say<'a>(
        &self,
        context: &Context<'_>,
        x: &[f32],
        cache: &'a mut [f32],
        scratch: &mut Scratch,
    ) -> [&'a mut [f32]; 2] {
        let padded = context.panels.padded();
        let [kept, mut caches, said, own] = pieces_mut(cache, self.cached(padded));
        self.gather(context, x, kept);
        let kept = &*kept;
        let outs = said.chunks_exact_mut((padded * self.outputs()).max(1));
        scratch.products(self.networks.len());
        let Scratch { values, products, .. } = scratch;
        let mut values = &mut values[..];
        let networks = self.networks.iter().zip(outs).zip(products);
        let mut jobs: Vec<_> = networks
            .map(|((network, out), product)| Forward {
                network,
                cache: split_off(&mut caches, padded * network.on_cpu().cached()),
                out,
                scratch: split_off(&mut values, padded * network.on_cpu().scratch()),
                product,
            })
            .collect();
        each(context.fork, &mut jobs, &|Forward { network, cache, out, scratch, product }| {
            network.on_cpu().forward(context, kept, cache, out, NetworkScratch { values: scratch, product });
        });
        [said, own]
    }
}

/// Takes so many values off the front of `values`.
fn split_off<'a>(values: &mut &'a mut [f32], length: usize) -> &'a mut [f32] {
    let (front, rest) = std::mem::take(values).split_at_mut(length);
    *values = rest;
    front
}

impl Coupling {
    /// Copies the kept features.
    pub(super) fn gather(&self, &Context { panels, features, .. }: &Context<'_>, x: &[f32], to: &mut [f32]) {
        let kept = &self.mask.kept;
        for panel in panels.iter() {
            for (j, &i) in kept.iter().enumerate() {
                panel.row_of(kept.len(), j, to).copy_from_slice(panel.row(features, i, x));
            }
        }
    }

    /// x → z by what the networks say.
    pub(super) fn transform(
        &self,
        context: &Context<'_>,
        x: &mut [f32],
        log_det: &mut [f32],
        said: &mut [f32],
        own: &mut [f32],
    ) {
        let (transformer, kept) = (self.transformer.on_cpu(), self.transformer.on_cpu().kept());
        for (on, said_from) in self.panels(context) {
            let first = on.panel.first;
            let own = &mut own[first * kept * on.changed.len()..][..kept * on.list()];
            let (x, log_det) = (&mut x[first * context.features..], &mut log_det[first..][..on.panel.width]);
            transformer.forward(on, x, log_det, &mut said[said_from..], own);
        }
    }

    /// From the gradient with respect to z, in place, to that with respect to x by the transformer alone, and to that of what the
    /// networks said.
    pub(super) fn transform_back(
        &self,
        context: &Context<'_>,
        weights: &[f32],
        d: &mut [f32],
        cache: &[f32],
        d_said: &mut [f32],
        gradient: &mut [f32],
    ) {
        let &Context { panels, features, .. } = context;
        let [_, _, said, own] = pieces(cache, self.cached(panels.padded()));
        let (transformer, lists) = (self.transformer.on_cpu(), self.transformer.on_cpu().kept());
        gradient[transformer.own(self.mask.changed.len())].fill(0.0);
        for (on, said_from) in self.panels(context) {
            let first = on.panel.first;
            let own = &own[first * lists * on.changed.len()..][..lists * on.list()];
            let (d, weights) = (&mut d[first * features..], &weights[first..][..on.panel.width]);
            transformer.backward(on, weights, d, [&said[said_from..], own], &mut d_said[said_from..], gradient);
        }
    }

    /// Adds the gradient of the kept features to that of all.
    pub(super) fn add_kept(&self, &Context { panels, features, .. }: &Context<'_>, d_kept: &[f32], d: &mut [f32]) {
        let kept = &self.mask.kept;
        for panel in panels.iter() {
            for (j, &i) in kept.iter().enumerate() {
                let d = panel.row_of(features, i, d);
                d.iter_mut().zip(panel.row(kept.len(), j, d_kept)).for_each(|(d, more)| *d += more);
            }
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
        let [said, own] = self.say(context, x, cache, scratch);
        self.transform(context, x, log_det, said, own);
    }

    fn inverse(&self, context: &Context<'_>, z: &mut [f32], cache: &mut [f32], scratch: &mut Scratch) {
        let [said, own] = self.say(context, z, cache, scratch);
        for (on, said_from) in self.panels(context) {
            let z = &mut z[on.panel.first * context.features..];
            self.transformer.on_cpu().inverse(on, z, &mut said[said_from..], own);
        }
    }

    fn scale_max(&self, context: &Context<'_>, cache: &[f32]) -> f64 {
        let [_, _, said, _] = pieces(cache, self.cached(context.panels.padded()));
        let of_panel = |(on, said_from): (On<'_>, usize)| self.transformer.on_cpu().scale_max(on, &said[said_from..]);
        self.panels(context).map(of_panel).fold(0.0, f32::max).into()
    }

    fn training(&self) -> Training<'_> {
        if self.normalising().is_some() { Training::AcrossRows(self) } else { Training::ByRow(self) }
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
        let padded = context.panels.padded();
        let [kept, mut caches, ..] = pieces(cache, self.cached(padded));
        let Scratch { values, products, .. } = scratch;
        let [mut scratch, d_said, d_kept] = pieces_mut(values, self.passing(padded));
        self.transform_back(context, weights, d, cache, d_said, gradient);

        let (one_out, one_in) = (padded * self.outputs(), padded * self.mask.kept.len());
        let (mut d_out, mut d_in) = (&*d_said, &mut *d_kept);
        let (mut rest, mut at) = (gradient, 0);
        let mut jobs: Vec<_> = self
            .networks
            .iter()
            .zip(products)
            .map(|(network, product)| {
                let range = network.on_cpu().range();
                split_off(&mut rest, range.start - at);
                at = range.end;
                let (own_cache, own_d_out);
                (own_cache, caches) = caches.split_at(padded * network.on_cpu().cached());
                (own_d_out, d_out) = d_out.split_at(one_out);
                Backward {
                    network,
                    cache: own_cache,
                    d_out: own_d_out,
                    gradient: split_off(&mut rest, range.len()),
                    d_kept: split_off(&mut d_in, one_in),
                    scratch: split_off(&mut scratch, padded * network.on_cpu().scratch()),
                    product,
                }
            })
            .collect();
        each(context.fork, &mut jobs, &|job| {
            let scratch = NetworkScratch { values: &mut *job.scratch, product: &mut *job.product };
            job.network.on_cpu().backward(context, [kept, job.cache], job.d_out, job.gradient, job.d_kept, scratch);
        });
        // What all networks say of the kept features, in the place of what the first does.
        let (first, others) = d_kept.split_at_mut(one_in);
        for other in others.chunks_exact(one_in.max(1)) {
            first.iter_mut().zip(other).for_each(|(sum, d)| *sum += d);
        }
        self.add_kept(context, first, d);
    }
}
