//! A perceptually uniform colour map from dark violet over blue and green to yellow.
//!
//! A path through OKLab (B. Ottosson, "A perceptual color space for image processing", 2020): lightness and hue run
//! linearly, chroma stays inside the sRGB gamut, and the path is walked at constant speed, so that equal differences in
//! value look like equal differences in colour. Lightness only rises: the map survives a black-and-white print.

use std::sync::LazyLock;

const LEVELS: usize = 256;

/// Colour of `share`; clamped to [0, 1], NaN as 0.
pub(super) fn color(share: f64) -> [u8; 3] {
    static TABLE: LazyLock<[[u8; 3]; LEVELS]> =
        LazyLock::new(|| even_shares().map(|share| srgb(path(share)).map(to_byte)));
    // Half up; `round` is a call on processors without SSE 4.1.
    TABLE[(share.clamp(0.0, 1.0) * (LEVELS - 1) as f64 + 0.5) as usize]
}

/// OKLab coordinates (L, a, b) of the path, before its speed is evened out.
fn path(share: f64) -> [f64; 3] {
    let lightness = 0.25 + 0.68 * share;
    let hue = (300.0 - 195.0 * share).to_radians();
    // As much as the gamut allows at teal, its narrowest place, and a smooth rise towards yellow.
    let chroma = 0.088 + 0.08 * share.powi(3);
    [lightness, chroma * hue.cos(), chroma * hue.sin()]
}

/// The shares at which [`path`] has to be read to move at constant speed.
fn even_shares() -> [f64; LEVELS] {
    const FINE: usize = 4096;
    let mut lengths = vec![0.0];
    for i in 0..FINE {
        let (from, to) = (path(i as f64 / FINE as f64), path((i + 1) as f64 / FINE as f64));
        lengths.push(lengths[i] + distance(from, to));
    }
    std::array::from_fn(|level| {
        let wanted = lengths[FINE] * level as f64 / (LEVELS - 1) as f64;
        lengths.partition_point(|&length| length < wanted) as f64 / FINE as f64
    })
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// OKLab to gamma-encoded sRGB, each in [0, 1] where the colour is inside the gamut.
fn srgb([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let l = (lightness + 0.3963377774 * a + 0.2158037573 * b).powi(3);
    let m = (lightness - 0.1055613458 * a - 0.0638541728 * b).powi(3);
    let s = (lightness - 0.0894841775 * a - 1.2914855480 * b).powi(3);
    let linear = [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ];
    linear.map(|x| if x <= 0.0031308 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 })
}

fn to_byte(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_color_lies_inside_the_gamut() {
        for share in even_shares() {
            assert!(srgb(path(share)).iter().all(|c| (0.0..=1.0).contains(c)), "{share}: {:?}", srgb(path(share)));
        }
    }

    #[test]
    fn equal_steps_look_equal_and_lightness_only_rises() {
        let points: Vec<[f64; 3]> = even_shares().iter().map(|&share| path(share)).collect();
        let steps: Vec<f64> = points.windows(2).map(|pair| distance(pair[0], pair[1])).collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        assert!(steps.iter().all(|step| (step / mean - 1.0).abs() < 0.1), "{steps:?}");
        assert!(points.windows(2).all(|pair| pair[0][0] < pair[1][0]));
    }

    #[test]
    fn known_colors_convert_as_published() {
        // OKLab of white, and of pure sRGB red as given by the CSS Color 4 specification.
        for (lab, rgb) in [([1.0, 0.0, 0.0], [255, 255, 255]), ([0.62796, 0.22486, 0.12585], [255, 0, 0])] {
            assert_eq!(srgb(lab).map(to_byte), rgb);
        }
    }

    #[test]
    fn shares_outside_the_map_are_clamped() {
        assert_eq!(color(-1.0), color(0.0));
        assert_eq!(color(7.0), color(1.0));
        assert_eq!(color(f64::NAN), color(0.0));
    }
}
