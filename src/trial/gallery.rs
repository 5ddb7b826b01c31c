//! What images show of a flow beside its samples: temperatures, reconstructions, ways between images, scales, and the nearest
//! training images (Dinh et al. 2017, section 4.2 and figures 5 to 9; temperatures as Kingma & Dhariwal 2018).

use std::f64::consts::FRAC_PI_2;

use super::pictures::first_rows;
use crate::data::{Dataset, Train};
use crate::diagnose::Memory;
use crate::flow::{Architecture, DeviceError, Flow, Layer};
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::report::{ALONG, ReportError, Strip, Tones, neighbours_picture, strips_picture};
use crate::train::Picture;

/// Factors of the latents that samples are made of.
const TEMPERATURES: [f32; 4] = [0.7, 0.8, 0.9, 1.0];
/// Samples whose nearest training image is looked for, among so many training values.
const LOOKED_AT: usize = 8;
const TRAINING_VALUES: usize = 1 << 23;

/// Everything that the pictures show, computed already; images in data units.
pub(super) struct Gallery {
    tones: Tones,
    sheets: Vec<Sheet>,
    nearest: Option<Nearest>,
}

/// A picture's tag and strips.
type Sheet = (&'static str, Vec<Strip>);

struct Nearest {
    train: Matrix<f64>,
    samples: Matrix<f64>,
    /// Rows of samples and of training images.
    pairs: Vec<(usize, usize)>,
}

impl Gallery {
    /// Looks at `flow`. `data`: rows that say what is black and white; `samples`: drawn from the flow; both data space.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(
        flow: &mut dyn Flow,
        dataset: &Dataset,
        data: &Matrix<f64>,
        samples: &Matrix<f64>,
    ) -> Result<Self, DeviceError> {
        let test = first_rows(&dataset.test, ALONG);
        let z = flow.forward(&test)?.z;
        let originals = Strip { label: "test images".to_owned(), images: dataset.preprocessing.invert(&test) };
        let back = images(flow, dataset, &z)?;
        let error = largest_difference(&originals.images, &back);
        let label = format!("into latent space and back, largest error {error:.1e} of {}", range(&originals.images));
        let reconstructions = vec![originals.clone(), Strip { label, images: back }];
        let mut sheets = vec![("reconstructions", reconstructions)];
        let pairs = test.rows() / 2;
        if pairs > 0 {
            let label = "from test image to test image, through latent space".to_owned();
            sheets.push(("interpolation", vec![Strip { label, images: images(flow, dataset, &ways(&z, pairs))? }]));
        }
        let drawn = [1, 2].map(|index| flow.base().sample(ALONG, &mut stream(dataset.seed, Purpose::Samples, index)));
        let [latents, fresh] = drawn;
        let mut temperatures = Vec::new();
        for temperature in TEMPERATURES {
            let label = format!("temperature {temperature:.1}");
            temperatures.push(Strip { label, images: images(flow, dataset, &scaled(&latents, temperature))? });
        }
        sheets.push(("temperatures", temperatures));
        let scales = scales(flow.architecture());
        if scales.len() > 1 {
            let (mut strips, mut z, mut kept) = (vec![originals], z, test.columns());
            for (number, places) in scales[..scales.len() - 1].iter().enumerate() {
                put(&mut z, &fresh, places);
                kept -= places.len();
                let which = if number == 0 { "scale 1".to_owned() } else { format!("scales 1 to {}", number + 1) };
                let percent = 100.0 * kept as f64 / test.columns() as f64;
                let label = format!("latents of {which} drawn anew, {percent:.3} % kept").replace(".000", "");
                strips.push(Strip { label, images: images(flow, dataset, &z)? });
            }
            sheets.push(("scales", strips));
        }
        let tones = Tones::of(data, dataset.shape);
        Ok(Self { tones, sheets, nearest: nearest(dataset, samples) })
    }

    /// `temperatures`, `reconstructions`, `interpolation`, `scales` where there are several, and `nearest` where there are training
    /// images.
    ///
    /// # Errors
    /// Where a picture cannot be drawn.
    pub fn draw(&self, title: &str) -> Result<Vec<Picture>, ReportError> {
        let mut pictures = Vec::new();
        for (tag, strips) in &self.sheets {
            pictures.push(strips_picture(tag, strips, &self.tones, title)?);
        }
        if let Some(Nearest { train, samples, pairs }) = &self.nearest {
            pictures.extend(neighbours_picture(train, samples, pairs, self.tones.shape, title)?);
        }
        Ok(pictures)
    }
}

/// z → x, data space.
fn images(flow: &mut dyn Flow, dataset: &Dataset, z: &Matrix) -> Result<Matrix<f64>, DeviceError> {
    Ok(dataset.preprocessing.invert(&flow.inverse(z)?))
}

fn nearest(dataset: &Dataset, samples: &Matrix<f64>) -> Option<Nearest> {
    let Train::Rows(rows) = &dataset.train else { return None };
    let train = first_rows(rows, (TRAINING_VALUES / rows.columns()).max(1));
    let samples = first_rows(samples, LOOKED_AT);
    if samples.as_slice().iter().any(|value| !value.is_finite()) {
        return None;
    }
    let test = dataset.preprocessing.invert(&first_rows(&dataset.test, LOOKED_AT));
    let pairs = Memory::of(&train, &test, &samples).pairs;
    let chosen: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
    let pairs = pairs.iter().enumerate().map(|(place, pair)| (pair.0, place)).collect();
    Some(Nearest { train: train.select(&chosen), samples, pairs })
}

/// Latents on the way from one row to the next of each pair: z = cos φ·z₁ + sin φ·z₂, which is as probable all the way (section
/// 4.2, equation 19), φ from 0 to π/2; shape `[pairs · ALONG, features]`.
fn ways(z: &Matrix, pairs: usize) -> Matrix {
    let mut between = Vec::with_capacity(pairs * ALONG * z.columns());
    for pair in 0..pairs {
        for step in 0..ALONG {
            let (to, from) = (FRAC_PI_2 * step as f64 / (ALONG - 1) as f64).sin_cos();
            let both = z.row(2 * pair).iter().zip(z.row(2 * pair + 1));
            between.extend(both.map(|(&one, &other)| (from * f64::from(one) + to * f64::from(other)) as f32));
        }
    }
    Matrix::new(between, z.columns())
}

fn scaled(z: &Matrix, factor: f32) -> Matrix {
    Matrix::new(z.as_slice().iter().map(|z| factor * z).collect(), z.columns())
}

/// Writes the values of `from` at `places` into `z`.
fn put(z: &mut Matrix, from: &Matrix, places: &[usize]) {
    let columns = z.columns();
    for (row, from) in z.as_mut_slice().chunks_exact_mut(columns).zip(from.iter_rows()) {
        places.iter().for_each(|&place| row[place] = from[place]);
    }
}

/// The places of a row by the scale that they are factored out at, the finest first: those that couplings look at for the last time
/// together.
fn scales(architecture: &Architecture) -> Vec<Vec<usize>> {
    let mut last = vec![0; architecture.features];
    for (number, layer) in architecture.layers.iter().enumerate() {
        if let Layer::Coupling(coupling) = layer {
            coupling.mask.kept.iter().chain(&coupling.mask.changed).for_each(|&place| last[place] = number);
        }
    }
    let mut ends = last.clone();
    ends.sort_unstable();
    ends.dedup();
    ends.iter().map(|end| (0..last.len()).filter(|&place| last[place] == *end).collect()).collect()
}

fn largest_difference(one: &Matrix<f64>, other: &Matrix<f64>) -> f64 {
    // Whatever is no number counts as beyond all.
    let differences = one.as_slice().iter().zip(other.as_slice()).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, it| if it.is_nan() { f64::INFINITY } else { it.max(most) })
}

/// From the least to the greatest value, rounded.
fn range(images: &Matrix<f64>) -> String {
    let tones = Tones::of(images, images.columns().into());
    format!("{:.0}", tones.high - tones.low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;
    use crate::spec::{MaskScheme, Model};

    #[test]
    fn values_are_factored_out_by_halves_at_every_scale_but_the_last() {
        let model = Model { mask: MaskScheme::Multiscale, depth: 2, scales: Some(3), width: 4, ..Model::default() };
        let shape = Shape { height: 8, width: 8, channels: 1 };
        let scales = scales(&Architecture::new(&model, shape, 0).0);
        assert_eq!(scales.iter().map(Vec::len).collect::<Vec<_>>(), [32, 16, 16]);
        let mut all = scales.concat();
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<_>>());
        // A squeeze puts the lower pixels of every square into the second half of the channels.
        assert_eq!(scales[0], (0..64).filter(|place| place / 8 % 2 == 1).collect::<Vec<_>>());
        let plain = Model { mask: MaskScheme::Checkerboard, ..model };
        assert_eq!(super::scales(&Architecture::new(&plain, shape, 0).0).len(), 1);
    }

    #[test]
    fn ways_begin_and_end_at_their_images_and_keep_the_length_of_latents() {
        let z = Matrix::new(vec![3.0, 0.0, 0.0, 3.0], 2);
        let ways = ways(&z, 1);
        assert_eq!(ways.rows(), ALONG);
        let near = |row: &[f32], wanted: [f32; 2]| row.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(ways.row(0), [3.0, 0.0]) && near(ways.row(ALONG - 1), [0.0, 3.0]));
        assert!(ways.iter_rows().all(|row| (row[0].hypot(row[1]) - 3.0).abs() < 1e-5));
    }

    #[test]
    fn an_error_that_is_no_number_is_not_overlooked() {
        let zeros = Matrix::new(vec![0.0; 2], 2);
        assert_eq!(largest_difference(&zeros, &Matrix::new(vec![0.5, -2.0], 2)), 2.0);
        assert_eq!(largest_difference(&zeros, &Matrix::new(vec![f64::NAN, 1.0], 2)), f64::INFINITY);
    }
}
