//! A coupling on the CPU whose network normalises over all rows of the batch, in training.

use super::{Conv, Coupling, Network};
use crate::compute::{pieces, pieces_mut};
use crate::layers::cpu::{AcrossRows, Backward, Context, Forward, Totals};

impl Coupling {
    /// Its network, if it normalises over rows.
    pub(super) fn normalising(&self) -> Option<&Conv> {
        match &self.networks[..] {
            [Network::Conv(network)] if !network.norms.is_empty() => Some(network),
            _ => None,
        }
    }

    fn network(&self) -> &Conv {
        self.normalising().expect("a network that normalises over rows")
    }
}

impl AcrossRows for Coupling {
    fn rounds(&self) -> [usize; 2] {
        [self.network().norms.len(); 2]
    }

    fn forward(&self, context: &Context<'_>, totals: &Totals, group: Forward<'_>) -> Vec<f64> {
        let Forward { x, log_det, cache, scratch } = group;
        let [kept, caches, said, own] = pieces_mut(cache, self.cached(context.panels.padded()));
        if totals.rounds.is_empty() {
            self.gather(context, x, kept);
        }
        let [product] = scratch.products(1) else { unreachable!("one was asked for") };
        let sums = self.network().forward_across(context, totals, kept, caches, said, product);
        if totals.rounds.len() == self.network().norms.len() {
            self.transform(context, x, log_det, said, own);
        }
        sums
    }

    fn keep(&self, totals: &Totals, values: &mut [f32]) {
        self.network().keep(totals, values);
    }

    fn backward(&self, context: &Context<'_>, totals: &Totals, group: Backward<'_>) -> Vec<f64> {
        let Backward { weights, d, cache, scratch, gradient } = group;
        let (padded, network) = (context.panels.padded(), self.network());
        scratch.products(1);
        let [values, d_said, d_kept] = pieces_mut(&mut scratch.values, self.passing(padded));
        if totals.rounds.len() == network.norms.len() {
            self.transform_back(context, weights, d, cache, d_said, gradient);
        }
        let [kept, caches, ..] = pieces(cache, self.cached(padded));
        let own = &mut gradient[self.networks[0].on_cpu().range()];
        let product = &mut scratch.products[0];
        let sums = network.backward_across(context, totals, [kept, caches], [d_said, values], [own, d_kept], product);
        if totals.rounds.len() == 2 * network.norms.len() {
            self.add_kept(context, d_kept, d);
        }
        sums
    }

    fn gradients(&self, values: &[f32], totals: &Totals, groups: &mut dyn Iterator<Item = &mut [f32]>) {
        self.network().gradients_across(values, totals, groups);
    }
}
