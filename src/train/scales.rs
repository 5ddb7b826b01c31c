//! The health of a multi-scale flow, scale by scale.

use super::event::ScaleHealth;
use crate::flow::{LayerHealth, Scales};
use crate::matrix::Matrix;

/// That of every scale, of what the `layers` did with some rows, whose latent points are `z`.
pub fn health(scales: &Scales, layers: &[LayerHealth], z: &Matrix) -> Vec<ScaleHealth> {
    let of_scale = |scale: usize| {
        let own = scales.layers.iter().zip(layers).filter(|(of, _)| **of == scale);
        let (mut count, mut squares) = (0_usize, 0.0);
        for row in z.iter_rows() {
            for value in row.iter().zip(&scales.latents).filter(|(_, of)| **of == scale).map(|(value, _)| *value) {
                count += 1;
                squares += f64::from(value).powi(2);
            }
        }
        ScaleHealth {
            scale_max: Some(own.map(|(_, layer)| layer.scale_max).fold(0.0, f64::max)),
            latent_rms: Some((squares / count.max(1) as f64).sqrt()),
        }
    };
    (0..scales.count).map(of_scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scale_has_its_own_layers_and_latents() {
        let scales = Scales { count: 2, layers: vec![0, 0, 1], latents: vec![0, 1, 0] };
        let layers = [0.5, 0.25, 2.0].map(|scale_max| LayerHealth { finite: true, scale_max });
        // A context behind the latents does not count.
        let z = Matrix::new(vec![3.0, 1.0, 0.0, 9.0, 4.0, 1.0, 5.0, 9.0], 4);
        let found = health(&scales, &layers, &z);
        let of = |scale_max, latent_rms| ScaleHealth { scale_max: Some(scale_max), latent_rms: Some(latent_rms) };
        assert_eq!(found, [of(0.5, 12.5_f64.sqrt()), of(2.0, 1.0)]);
    }
}
