//! Images of the data beside images drawn from the flow.

use plotters::style::RGBColor;

use super::ReportError;
use super::axes::{NAME, TITLE, draw_title};
use super::canvas::{Across, Along, Canvas, FLOW, INK, Lettering, Rect};
use crate::matrix::Matrix;
use crate::shape::Shape;
use crate::train::Picture;

/// Images along each side of a panel.
const ALONG: usize = 8;
/// Pixels of the picture along a panel, about.
const PANEL: usize = 440;
const BETWEEN: usize = 2;

/// Two panels of 8 × 8 images: the data, and samples of the flow, on the same scale from the least to the largest value of
/// the data; tag `samples`.
///
/// `data` and `samples` have shape `[images, height · width · channels]`, data units. Of images of another number of channels than
/// three, the first is drawn in grey.
///
/// # Errors
/// Where the rows are not of that length.
pub fn images_picture(
    data: &Matrix<f64>,
    samples: &Matrix<f64>,
    shape: Shape,
    title: &str,
) -> Result<Picture, ReportError> {
    panels([("data", data, INK), ("flow samples", samples, FLOW)], ALONG, shape, title)
}

/// Images drawn from the flow, and at the same place of the other panel the training image that is nearest: one row of images in
/// each panel.
///
/// `pairs`: rows of `samples` and of `train`, of which the first eight are drawn. `None` where rows are no images.
///
/// # Errors
/// Where the rows are not of the length of `shape`.
pub fn neighbours_picture(
    train: &Matrix<f64>,
    samples: &Matrix<f64>,
    pairs: &[(usize, usize)],
    shape: Shape,
    title: &str,
) -> Result<Option<Picture>, ReportError> {
    if shape.height == 1 && shape.width == 1 {
        return Ok(None);
    }
    let pairs = &pairs[..pairs.len().min(ALONG)];
    let samples = samples.select(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let nearest = train.select(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let both = [("nearest training images", &nearest, INK), ("flow samples", &samples, FLOW)];
    panels(both, 1, shape, title).map(Some)
}

/// Two panels of `down` rows of images on the scale of the first.
fn panels(
    both: [(&str, &Matrix<f64>, RGBColor); 2],
    down: usize,
    shape: Shape,
    title: &str,
) -> Result<Picture, ReportError> {
    let [(_, data, _), (_, samples, _)] = both;
    const GAP: f64 = 28.0;
    const MARGIN: f64 = 16.0;
    let (Shape { height: rows, width: columns, channels }, values) = (shape, shape.values());
    if [data, samples].iter().any(|rows| rows.rows() > 0 && rows.columns() != values) {
        let reason = format!("images of {values} values; data have {}, samples {}", data.columns(), samples.columns());
        return Err(ReportError::Shape { picture: "samples", reason });
    }
    let finite = data.as_slice().iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let shade = |value: f64| (255.0 * ((value - low) / (high - low)).clamp(0.0, 1.0)) as u8;

    let zoom = (PANEL / (ALONG * rows.max(columns))).max(1);
    let step = [columns, rows].map(|pixels| pixels * zoom + BETWEEN);
    let [width, height] = [ALONG * step[0], down * step[1]].map(|pixels| (pixels - BETWEEN) as f64);
    let head = TITLE + 64.0;
    let total = 2.0 * (width + MARGIN) + GAP;
    let mut canvas = Canvas::new(total, head + height + MARGIN)?;
    for ((name, images, color), left) in both.into_iter().zip([MARGIN, MARGIN + width + GAP]) {
        canvas.shade(Rect { left, top: head, width, height }, |y| {
            let y = (y * height) as usize;
            let (row, above) = (y % step[1] / zoom, y / step[1] * ALONG);
            move |x| {
                let x = (x * width) as usize;
                let (column, image) = (x % step[0] / zoom, above + x / step[0]);
                if column >= columns || row >= rows || image >= images.rows() {
                    return [255; 3];
                }
                let at = image * values + (row * columns + column) * channels;
                let channel = |colour: usize| if channels == 3 { colour } else { 0 };
                std::array::from_fn(|colour| shade(images.as_slice()[at + channel(colour)]))
            }
        });
        let lettering = Lettering { color, ..Lettering::new(NAME, Along::Start, Across::Middle) };
        canvas.text(name, lettering, (left, head - 18.0));
    }
    draw_title(&mut canvas, title, (MARGIN, 26.0), total - 2.0 * MARGIN);
    canvas.finish("samples")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_drawn_where_it_is() {
        let shape = Shape { height: 2, width: 3, channels: 1 };
        // Black but for the last pixel of the first image.
        let data = Matrix::new(vec![0.0, 0.0, 0.0, 0.0, 0.0, 7.0], 6);
        let picture = images_picture(&data, &Matrix::new(vec![], 6), shape, "t").expect("a picture");
        let image = image::load_from_memory(&picture.png).expect("a PNG").to_rgb8();
        let zoom = PANEL / ALONG / 3;
        let (left, top) = (16, (TITLE + 64.0) as u32);
        let pixel = |row: usize, column: usize| {
            let at = |i: usize| (i * zoom + zoom / 2) as u32;
            image.get_pixel(left + at(column), top + at(row)).0
        };
        assert_eq!(pixel(0, 0), [0; 3]);
        assert_eq!(pixel(1, 2), [255; 3]);
        assert_eq!(pixel(1, 1), [0; 3]);
        assert!(images_picture(&Matrix::zeros(1, 5), &data, shape, "t").is_err());
    }

    #[test]
    fn samples_stand_beside_the_training_images_of_their_pairs() {
        let shape = Shape { height: 1, width: 2, channels: 1 };
        let images = Matrix::new(vec![0.0, 0.0, 9.0, 0.0], 2);
        let picture = neighbours_picture(&images, &images, &[(0, 1)], shape, "t").expect("drawn").expect("a picture");
        let image = image::load_from_memory(&picture.png).expect("a PNG").to_rgb8();
        let zoom = (PANEL / ALONG / 2) as u32;
        let left_of_samples = (image.width() - 16 - 28 - 16) / 2 + 16 + 28;
        let pixel = |left: u32| image.get_pixel(left + zoom / 2, (TITLE + 64.0) as u32 + zoom / 2).0;
        assert_eq!([pixel(16), pixel(left_of_samples)], [[255; 3], [0; 3]]);
        let plain = Shape { height: 1, width: 1, channels: 2 };
        assert!(neighbours_picture(&images, &images, &[(0, 1)], plain, "t").expect("no error").is_none());
    }
}
