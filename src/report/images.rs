//! Images of the data beside images drawn from the flow.

use super::ReportError;
use super::axes::{NAME, TITLE, draw_title};
use super::canvas::{Across, Along, Canvas, FLOW, INK, Lettering};
use super::strips::{self, Strip, Tiling, strips_picture};
use super::tones::{BETWEEN, Tones};
use crate::matrix::Matrix;
use crate::shape::Shape;
use crate::train::Picture;

/// Images along each side of a panel.
const ALONG: usize = 8;
/// Pixels of the picture along a panel, about.
const PANEL: usize = 440;

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
    const GAP: f64 = 28.0;
    const MARGIN: f64 = 16.0;
    let both = [("data", data, INK), ("flow samples", samples, FLOW)];
    let values = shape.values();
    if [data, samples].iter().any(|rows| rows.rows() > 0 && rows.columns() != values) {
        let reason = format!("images of {values} values; data have {}, samples {}", data.columns(), samples.columns());
        return Err(ReportError::Shape { picture: "samples", reason });
    }
    let tones = Tones::of(data, shape);
    let zoom = (PANEL / (ALONG * shape.height.max(shape.width))).max(1);
    let across = |pixels: usize, images: usize| (images * (pixels * zoom + BETWEEN) - BETWEEN) as f64;
    let (width, height) = (across(shape.width, ALONG), across(shape.height, ALONG));
    let head = TITLE + 64.0;
    let total = 2.0 * (width + MARGIN) + GAP;
    let mut canvas = Canvas::new(total, head + height + MARGIN)?;
    for ((name, images, color), left) in both.into_iter().zip([MARGIN, MARGIN + width + GAP]) {
        let shown = images.blocks(ALONG * ALONG).next().unwrap_or_default();
        canvas.images(&shown, &tones, Tiling { left, top: head, along: ALONG, down: ALONG, zoom });
        let lettering = Lettering { color, ..Lettering::new(NAME, Along::Start, Across::Middle) };
        canvas.text(name, lettering, (left, head - 18.0));
    }
    draw_title(&mut canvas, title, (MARGIN, 26.0), total - 2.0 * MARGIN);
    canvas.finish("samples")
}

/// Images drawn from the flow, and below each the training image that is nearest; tag `nearest`.
///
/// `pairs`: rows of `samples` and of `train`, of which the first twelve are drawn. `None` where rows are no images.
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
    if !shape.is_image() {
        return Ok(None);
    }
    let pairs = &pairs[..pairs.len().min(strips::ALONG)];
    let samples = samples.select(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let nearest = train.select(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let tones = Tones::of(&nearest, shape);
    let strip = |label: &str, images| Strip { label: label.to_owned(), images };
    let strips = [strip("flow samples", samples), strip("the training image nearest to each", nearest)];
    strips_picture("nearest", &strips, &tones, title).map(Some)
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
    fn samples_stand_above_the_training_images_of_their_pairs() {
        let shape = Shape { height: 2, width: 2, channels: 1 };
        let images = Matrix::new([[0.0; 4], [9.0; 4], [3.0; 4]].concat(), 4);
        let pairs = [(2, 0), (0, 1)];
        let picture = neighbours_picture(&images, &images, &pairs, shape, "t").expect("drawn").expect("a picture");
        let image = image::load_from_memory(&picture.png).expect("a PNG").to_rgb8();
        let grey = |x: u32, y: u32| image.get_pixel(x, y).0[0];
        // Two across, twelve times as large.
        assert_eq!(image.width(), 2 * 26 - 2 + 32);
        let first = (0..image.height()).find(|&y| grey(20, y) == 85).expect("the first sample");
        assert_eq!([grey(20, first + 5), grey(46, first + 5)], [85, 0]);
        let below = image.height() - 20;
        assert_eq!([grey(20, below), grey(46, below)], [0, 255]);
        let plain = Shape { height: 1, width: 1, channels: 4 };
        assert!(neighbours_picture(&images, &images, &pairs, plain, "t").expect("no error").is_none());
    }
}
