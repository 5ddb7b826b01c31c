//! How values of images become colours, and images PNG files.

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use super::ReportError;
use crate::matrix::Matrix;
use crate::shape::Shape;

/// Images of a shape whose values go from black at `low` to white at `high`, data units. Of another number of channels than
/// three the first is shown, in grey.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tones {
    /// How an image's values lie.
    pub shape: Shape,
    /// What is black.
    pub low: f64,
    /// What is white: from this value on, or from the last of 256 steps to it.
    pub high: f64,
}

/// Pixels between images.
pub(super) const BETWEEN: usize = 2;

impl Tones {
    /// From the least to the greatest of the finite values of `images`.
    pub fn of(images: &Matrix<f64>, shape: Shape) -> Self {
        let finite = images.as_slice().iter().copied().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        Self { shape, low, high }
    }

    /// As [`Tones::of`], where a hundredth of the values may be darker than black and another lighter than white.
    pub fn of_most(images: &Matrix<f64>, shape: Shape) -> Self {
        let mut values: Vec<f64> = images.as_slice().iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let end = values.len() / 100;
        match (values.get(end), values.get(values.len().wrapping_sub(1 + end))) {
            (Some(&low), Some(&high)) if low < high => Self { shape, low, high },
            _ => Self::of(images, shape),
        }
    }

    /// One of 256 steps; a whole number from 0 to 255 is its own between 0 and 256.
    fn shade(&self, value: f64) -> u8 {
        // The cast cuts off what is beyond, and makes black of what is no number.
        (256.0 * ((value - self.low) / (self.high - self.low))) as u8
    }

    fn is_coloured(&self) -> bool {
        self.shape.channels == 3
    }

    /// Red, green and blue of a pixel of `image`, shape `[height · width · channels]`.
    pub(super) fn pixel(&self, image: &[f64], row: usize, column: usize) -> [u8; 3] {
        let at = (row * self.shape.width + column) * self.shape.channels;
        std::array::from_fn(|colour| self.shade(image[at + if self.is_coloured() { colour } else { 0 }]))
    }

    /// An image as a PNG of its own size: RGB where it has three channels, else grey.
    ///
    /// # Errors
    /// The encoder's.
    pub fn png(&self, image: &[f64]) -> Result<Vec<u8>, ReportError> {
        let Shape { height, width, .. } = self.shape;
        self.encode(width, height, |y, x| self.pixel(image, y, x))
    }

    /// All images in one PNG, side by side over white, about as many across as down; small ones are enlarged.
    ///
    /// # Errors
    /// The encoder's.
    pub fn grid(&self, images: &Matrix<f64>) -> Result<Vec<u8>, ReportError> {
        /// Pixels across, about, up to which images are enlarged, and how many times at most.
        const ACROSS: usize = 1000;
        const LARGEST: usize = 8;
        let Shape { height, width, .. } = self.shape;
        let across = (images.rows() as f64).sqrt().ceil().max(1.0) as usize;
        let down = images.rows().div_ceil(across).max(1);
        let zoom = (ACROSS / (across * height.max(width))).clamp(1, LARGEST);
        let (right, below) = (width * zoom + BETWEEN, height * zoom + BETWEEN);
        self.encode(across * right - BETWEEN, down * below - BETWEEN, |y, x| {
            let (row, column) = (y % below / zoom, x % right / zoom);
            let image = y / below * across + x / right;
            match row < height && column < width && image < images.rows() {
                true => self.pixel(images.row(image), row, column),
                false => [255; 3],
            }
        })
    }

    fn encode(
        &self,
        width: usize,
        height: usize,
        pixel: impl Fn(usize, usize) -> [u8; 3],
    ) -> Result<Vec<u8>, ReportError> {
        let (kind, bytes) = match self.is_coloured() {
            true => (image::ColorType::Rgb8, 3),
            false => (image::ColorType::L8, 1),
        };
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let pixels: Vec<u8> = places.flat_map(|(y, x)| pixel(y, x).into_iter().take(bytes)).collect();
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&pixels, width as u32, height as u32, kind)?;
        Ok(png)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_themselves_and_the_rest_is_cut_off() {
        let tones = Tones { shape: Shape { height: 2, width: 2, channels: 3 }, low: 0.0, high: 256.0 };
        let values: Vec<f64> = [0.0, 0.9, 1.0, 254.99, 255.0, 255.9, -7.0, 300.0, f64::NAN, 17.0, 18.5, 19.0].to_vec();
        let image = image::load_from_memory(&tones.png(&values).unwrap()).unwrap();
        assert_eq!(image.color(), image::ColorType::Rgb8);
        assert_eq!(image.to_rgb8().into_raw(), [0, 0, 1, 254, 255, 255, 0, 255, 0, 17, 18, 19]);
    }

    #[test]
    fn a_few_outliers_do_not_take_the_tones_of_all() {
        let shape = Shape { height: 2, width: 5, channels: 1 };
        let mut values: Vec<f64> = (0..400).map(f64::from).collect();
        (values[7], values[9], values[100]) = (-1e6, 1e6, f64::NAN);
        let images = Matrix::new(values, 10);
        assert_eq!(Tones::of_most(&images, shape), Tones { shape, low: 2.0, high: 397.0 });
        assert_eq!(Tones::of(&images, shape), Tones { shape, low: -1e6, high: 1e6 });
        let flat = Matrix::new(vec![3.0; 10], 10);
        assert_eq!(Tones::of_most(&flat, shape), Tones { shape, low: 3.0, high: 3.0 });
    }

    #[test]
    fn a_grid_has_every_image_in_reading_order() {
        let shape = Shape { height: 2, width: 3, channels: 1 };
        let images = Matrix::new((0..5).flat_map(|image| [f64::from(image); 6]).collect(), 6);
        let png = Tones { shape, low: 0.0, high: 5.0 }.grid(&images).unwrap();
        let grid = image::load_from_memory(&png).unwrap();
        assert_eq!(grid.color(), image::ColorType::L8);
        let grid = grid.to_luma8();
        // Three across, two down, eight times as large.
        assert_eq!(grid.dimensions(), (3 * 26 - 2, 2 * 18 - 2));
        let at = |column: u32, row: u32| grid.get_pixel(26 * column + 10, 18 * row + 10).0[0];
        assert_eq!([at(0, 0), at(1, 0), at(2, 0), at(0, 1), at(1, 1), at(2, 1)], [0, 51, 102, 153, 204, 255]);
        assert_eq!(grid.get_pixel(25, 0).0, [255], "between images");
    }
}
