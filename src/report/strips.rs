//! Rows of images, each with a line that says what they are.

use super::ReportError;
use super::axes::{NUMBER, TITLE, draw_title};
use super::canvas::{Across, Along, Canvas, INK, Lettering, Rect};
use super::tones::{BETWEEN, Tones};
use crate::matrix::Matrix;
use crate::train::Picture;

/// Images of a row, at most.
pub const ALONG: usize = 12;
/// Pixels across, about.
const WIDTH: usize = 880;
/// Pixels of the picture along a pixel of an image, at most.
const LARGEST: usize = 12;
const MARGIN: f64 = 16.0;
/// For the line above a strip.
const LABEL: f64 = 30.0;
const GAP: f64 = 12.0;

/// Images that belong together.
#[derive(Clone, Debug)]
pub struct Strip {
    /// What they are.
    pub label: String,
    /// Shape `[images, height · width · channels]`, data units; at most [`ALONG`] make a row.
    pub images: Matrix<f64>,
}

/// The strips one below the other; `tag`: name of the picture.
///
/// # Errors
/// Where the rows are not of the length of the tones' shape.
pub fn strips_picture(tag: &'static str, strips: &[Strip], tones: &Tones, title: &str) -> Result<Picture, ReportError> {
    let shape = tones.shape;
    if let Some(strip) = strips.iter().find(|it| it.images.rows() > 0 && it.images.columns() != shape.values()) {
        let reason = format!("images of {} values; {} have {}", shape.values(), strip.label, strip.images.columns());
        return Err(ReportError::Shape { picture: tag, reason });
    }
    let along = strips.iter().map(|strip| strip.images.rows()).max().unwrap_or(1).clamp(1, ALONG);
    let zoom = (WIDTH / (along * shape.height.max(shape.width))).clamp(1, LARGEST);
    let step = [shape.width, shape.height].map(|pixels| pixels * zoom + BETWEEN);
    let width = (along * step[0] - BETWEEN) as f64;
    let head = TITLE + 26.0;
    let height = |strip: &Strip| (strip.images.rows().div_ceil(along).max(1) * step[1] - BETWEEN) as f64;
    let total = head + strips.iter().map(|strip| LABEL + height(strip) + GAP).sum::<f64>() - GAP + MARGIN;
    let mut canvas = Canvas::new(width + 2.0 * MARGIN, total)?;
    let mut top = head;
    for strip in strips {
        let lettering = Lettering { color: INK, ..Lettering::new(NUMBER, Along::Start, Across::Middle) };
        canvas.text(&strip.label, lettering, (MARGIN, top + LABEL / 2.0));
        top += LABEL;
        canvas.images(&strip.images, tones, Tiling { left: MARGIN, top, along, down: 0, zoom });
        top += height(strip) + GAP;
    }
    draw_title(&mut canvas, title, (MARGIN, 26.0), width);
    canvas.finish(tag)
}

/// Where images are drawn, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    pub left: f64,
    pub top: f64,
    /// Images of a row.
    pub along: usize,
    /// Rows of images at least.
    pub down: usize,
    /// Pixels of the picture along a pixel of an image.
    pub zoom: usize,
}

impl Canvas {
    /// Draws `images` row by row, with white between them.
    pub(super) fn images(&mut self, images: &Matrix<f64>, tones: &Tones, tiling: Tiling) {
        let Tiling { left, top, along, down, zoom } = tiling;
        let down = down.max(images.rows().div_ceil(along)).max(1);
        let (rows, columns) = (tones.shape.height, tones.shape.width);
        let step = [columns, rows].map(|pixels| pixels * zoom + BETWEEN);
        let [width, height] = [along * step[0], down * step[1]].map(|pixels| (pixels - BETWEEN) as f64);
        self.shade(Rect { left, top, width, height }, |y| {
            let y = (y * height) as usize;
            let (row, above) = (y % step[1] / zoom, y / step[1] * along);
            move |x| {
                let x = (x * width) as usize;
                let (column, image) = (x % step[0] / zoom, above + x / step[0]);
                match column < columns && row < rows && image < images.rows() {
                    true => tones.pixel(images.row(image), row, column),
                    false => [255; 3],
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn strips_stand_one_below_the_other_and_long_ones_go_on_in_the_next_row() {
        let shape = Shape { height: 2, width: 2, channels: 1 };
        let tones = Tones { shape, low: 0.0, high: 1.0 };
        let strip = |images: usize, value: f64| Strip {
            label: "a label".to_owned(),
            images: Matrix::new(vec![value; 4 * images], 4),
        };
        let strips = [strip(1, 0.0), strip(ALONG + 1, 0.5)];
        let picture = strips_picture("strips", &strips, &tones, "t").expect("a picture");
        assert_eq!(picture.tag, "strips");
        let image = image::load_from_memory(&picture.png).expect("a PNG").to_rgb8();
        let step = (LARGEST * 2 + BETWEEN) as u32;
        let first = (TITLE + 26.0 + LABEL) as u32;
        let second = first + step - BETWEEN as u32 + (GAP + LABEL) as u32;
        let at = |column: u32, top: u32| image.get_pixel(16 + column * step + step / 2, top + step / 2).0;
        assert_eq!([at(0, first), at(1, first)], [[0; 3], [255; 3]]);
        assert_eq!([at(11, second), at(0, second + step), at(1, second + step)], [[128; 3], [128; 3], [255; 3]]);
        let other = Strip { label: String::new(), images: Matrix::zeros(1, 5) };
        assert!(strips_picture("strips", &[other], &tones, "t").is_err());
    }
}
