//! Which features the couplings of a flow keep and which they change (Dinh et al. 2017, section 3.4).

use rand::seq::SliceRandom;

use crate::layers::Mask;
use crate::random::{Purpose, stream};
use crate::spec::MaskScheme;

/// One mask a coupling layer: layers 2k and 2k+1 are complementary, so that every feature is changed.
///
/// One feature leaves nothing to condition on: the flow is then the single unconditional affine map, whatever `depth`.
pub fn masks(scheme: MaskScheme, features: usize, depth: usize, seed: u64) -> Vec<Mask> {
    if features == 1 {
        return vec![Mask::unconditional(vec![0])];
    }
    (0..depth)
        .map(|layer| {
            let first_of_pair = layer.is_multiple_of(2);
            let mut kept = vec![false; features];
            match scheme {
                MaskScheme::Alternating => kept.iter_mut().step_by(2).for_each(|k| *k = true),
                MaskScheme::Half => kept[..features.div_ceil(2)].fill(true),
                // Of images, whose masks are made elsewhere.
                MaskScheme::Checkerboard | MaskScheme::Channel | MaskScheme::Multiscale => {}
                MaskScheme::Random => {
                    kept[..features.div_ceil(2)].fill(true);
                    kept.shuffle(&mut stream(seed, Purpose::Mask, layer as u64 / 2));
                }
            }
            Mask::new(features, |i| kept[i] == first_of_pair)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_masks_changes_every_feature_once() {
        for scheme in [MaskScheme::Alternating, MaskScheme::Half, MaskScheme::Random] {
            for features in [2, 3, 8, 43] {
                let masks = masks(scheme, features, 6, 5);
                for pair in masks.chunks(2) {
                    assert_eq!(pair[0].kept, pair[1].changed);
                    assert_eq!(pair[0].changed, pair[1].kept);
                    assert_eq!(pair[0].kept.len() + pair[0].changed.len(), features);
                    assert!(pair.iter().all(|m| !m.kept.is_empty() && !m.changed.is_empty()));
                }
            }
        }
    }

    #[test]
    fn random_masks_depend_on_the_seed_and_on_the_pair() {
        let a = masks(MaskScheme::Random, 16, 4, 0);
        assert_ne!(a[0], a[2]);
        assert_ne!(a, masks(MaskScheme::Random, 16, 4, 1));
        assert_eq!(a, masks(MaskScheme::Random, 16, 4, 0));
    }

    #[test]
    fn one_feature_is_one_unconditional_map() {
        assert_eq!(masks(MaskScheme::Half, 1, 8, 0), [Mask::unconditional(vec![0])]);
    }
}
