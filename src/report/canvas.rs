//! A white sheet to draw on: plotters' bitmap backend at twice the size, averaged down, so that lines, small points and
//! letters come out smooth. All lengths are in pixels of the final picture, y downwards.

use std::sync::OnceLock;

use image::ImageEncoder;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, register_font};

use super::ReportError;
use crate::train::Picture;

/// Drawn pixels per final pixel, each way.
const SCALE: u32 = 2;
const FONT: &str = "runner";

pub(super) const INK: RGBColor = RGBColor(38, 40, 46);
pub(super) const FAINT: RGBColor = RGBColor(150, 152, 158);
/// The data, where they stand behind something else.
pub(super) const DATA: RGBColor = RGBColor(150, 152, 158);
/// What the flow makes.
pub(super) const FLOW: RGBColor = RGBColor(24, 96, 172);

/// A rectangle by its edges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// Which part of a text stands at the given place, along the text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Along {
    Start,
    Middle,
    End,
}

/// Which part of a capital letter stands at the given place, across the text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Across {
    Top,
    Middle,
}

/// How a text looks and hangs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lettering {
    pub size: f64,
    pub color: RGBColor,
    pub along: Along,
    pub across: Across,
    /// Read from bottom to top.
    pub upwards: bool,
}

impl Lettering {
    pub fn new(size: f64, along: Along, across: Across) -> Self {
        Self { size, color: INK, along, across, upwards: false }
    }
}

pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A white canvas; sizes are rounded up to whole pixels.
    pub fn new(width: f64, height: f64) -> Result<Self, ReportError> {
        register()?;
        let (width, height) = (width.ceil().max(1.0) as u32, height.ceil().max(1.0) as u32);
        Ok(Self { width, height, pixels: vec![255; (width * height * SCALE * SCALE * 3) as usize] })
    }

    /// A white canvas of another size: for layouts that measure text first.
    pub fn resize(&mut self, width: f64, height: f64) {
        (self.width, self.height) = (width.ceil().max(1.0) as u32, height.ceil().max(1.0) as u32);
        self.pixels = vec![255; (self.width * self.height * SCALE * SCALE * 3) as usize];
    }

    fn draw(
        &mut self,
        what: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>) -> Result<(), DrawError>,
    ) -> Result<(), ReportError> {
        let size = (self.width * SCALE, self.height * SCALE);
        let area = BitMapBackend::with_buffer(&mut self.pixels, size).into_drawing_area();
        what(&area).and_then(|()| area.present()).map_err(|error| ReportError::Draw(error.to_string()))
    }

    pub fn fill(&mut self, rect: Rect, color: RGBColor) {
        self.shade(rect, |_, _| [color.0, color.1, color.2]);
    }

    /// A hairline along an axis, on whole pixels so that it is sharp.
    pub fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (left, top) = (from.0.min(to.0).round(), from.1.min(to.1).round());
        let (right, bottom) = (from.0.max(to.0).round(), from.1.max(to.1).round());
        self.fill(Rect { left, top, width: right - left + 1.0, height: bottom - top + 1.0 }, INK);
    }

    /// A line through `points`, `width` wide.
    pub fn line(&mut self, points: &[(f64, f64)], width: f64, color: RGBColor) -> Result<(), ReportError> {
        let style = color.stroke_width((width * f64::from(SCALE)).round() as u32);
        let points: Vec<(i32, i32)> = points.iter().map(|&point| scaled(point)).collect();
        self.draw(|area| area.draw(&PathElement::new(points, style)))
    }

    pub fn polygon(&mut self, points: &[(f64, f64)], color: RGBColor) -> Result<(), ReportError> {
        let points: Vec<(i32, i32)> = points.iter().map(|&point| scaled(point)).collect();
        self.draw(|area| area.draw(&Polygon::new(points, color.filled())))
    }

    /// A disc around every place.
    pub fn discs(
        &mut self,
        places: impl IntoIterator<Item = (f64, f64)>,
        radius: f64,
        color: RGBAColor,
    ) -> Result<(), ReportError> {
        let radius = (radius * f64::from(SCALE)).round() as i32;
        self.draw(|area| {
            places.into_iter().try_for_each(|place| area.draw(&Circle::new(scaled(place), radius, color.filled())))
        })
    }

    /// Colours every pixel of `rect` by its place in it: shares of width and height, from the left and from the top.
    pub fn shade(&mut self, rect: Rect, color: impl Fn(f64, f64) -> [u8; 3]) {
        let (left, top) = scaled((rect.left, rect.top));
        let (right, bottom) = scaled((rect.right(), rect.bottom()));
        let row_length = (self.width * SCALE) as i32;
        for y in top.max(0)..bottom.min((self.height * SCALE) as i32) {
            for x in left.max(0)..right.min(row_length) {
                let share = |at: i32, from: i32, to: i32| (f64::from(at - from) + 0.5) / f64::from(to - from);
                let at = 3 * (y * row_length + x) as usize;
                self.pixels[at..at + 3].copy_from_slice(&color(share(x, left, right), share(y, top, bottom)));
            }
        }
    }

    pub fn text(&mut self, text: &str, lettering: Lettering, at: (f64, f64)) -> Result<(), ReportError> {
        let size = lettering.size * f64::from(SCALE);
        // plotters puts the baseline half a font size below the anchor; 0.62 is the height of Ubuntu's capitals.
        let (baseline, capital) = (0.5 * size, 0.62 * size);
        let width = text_width(text, lettering.size) * f64::from(SCALE);
        let along = match lettering.along {
            Along::Start => 0.0,
            Along::Middle => width / 2.0,
            Along::End => width,
        };
        let across = match lettering.across {
            Across::Top => baseline - capital,
            Across::Middle => baseline - capital / 2.0,
        };
        let (dx, dy) = if lettering.upwards { (across, -along) } else { (along, across) };
        let turn = if lettering.upwards { FontTransform::Rotate270 } else { FontTransform::None };
        let style = TextStyle::from(FontDesc::new(FontFamily::Name(FONT), size, FontStyle::Normal).transform(turn))
            .color(&lettering.color)
            .pos(Pos::new(HPos::Left, VPos::Top));
        let (x, y) = (at.0 * f64::from(SCALE) - dx, at.1 * f64::from(SCALE) - dy);
        self.draw(|area| area.draw_text(text, &style, (x.round() as i32, y.round() as i32)))
    }

    /// The finished picture under a tag.
    pub fn finish(self, tag: &'static str) -> Result<Picture, ReportError> {
        let row = (self.width * SCALE * 3) as usize;
        let mut small = Vec::with_capacity((self.width * self.height * 3) as usize);
        for y in 0..self.height as usize {
            for x in 0..self.width as usize {
                for channel in 0..3 {
                    let first = 2 * y * row + 6 * x + channel;
                    let sum: u32 = [0, 3, row, row + 3].iter().map(|&at| u32::from(self.pixels[first + at])).sum();
                    small.push(((sum + 2) / 4) as u8);
                }
            }
        }
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png).write_image(
            &small,
            self.width,
            self.height,
            image::ColorType::Rgb8,
        )?;
        Ok(Picture { tag, width: self.width, height: self.height, png })
    }
}

type DrawError = DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>;

/// Width of `text` at font size `size`; 0 where it cannot be measured.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let font = FontDesc::new(FontFamily::Name(FONT), size * f64::from(SCALE), FontStyle::Normal);
    font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) / f64::from(SCALE))
}

/// `text`, with its middle left out where it is wider than `width`.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    let letters = text.chars().count();
    (0..=letters)
        .rev()
        .map(|kept| super::quantity::shortened(text, kept))
        .find(|shorter| text_width(shorter, size) <= width)
        .unwrap_or_default()
}

fn scaled(point: (f64, f64)) -> (i32, i32) {
    ((point.0 * f64::from(SCALE)).round() as i32, (point.1 * f64::from(SCALE)).round() as i32)
}

/// Makes the compiled-in font known to plotters, once.
fn register() -> Result<(), ReportError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let known = DONE.get_or_init(|| register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok());
    if *known { Ok(()) } else { Err(ReportError::Draw("the built-in font is damaged".into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_canvas_is_a_white_png_of_its_size() {
        let picture = Canvas::new(31.0, 17.0).and_then(|canvas| canvas.finish("density")).unwrap();
        let decoded = image::load_from_memory(&picture.png).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (31, 17));
        assert!(decoded.pixels().all(|pixel| pixel.0 == [255; 3]));
    }

    #[test]
    fn a_fill_covers_its_rectangle_and_no_more() {
        let mut canvas = Canvas::new(8.0, 8.0).unwrap();
        canvas.fill(Rect { left: 2.0, top: 3.0, width: 4.0, height: 2.0 }, BLACK);
        let picture = canvas.finish("density").unwrap();
        let decoded = image::load_from_memory(&picture.png).unwrap().to_luma8();
        for (x, y, pixel) in decoded.enumerate_pixels() {
            let inside = (2..6).contains(&x) && (3..5).contains(&y);
            assert_eq!(pixel.0[0], if inside { 0 } else { 255 }, "at {x}, {y}");
        }
    }

    #[test]
    fn long_text_keeps_both_ends_and_fits() {
        register().unwrap();
        let long = "depth=8,learning_rate=0.001,width=128-3f9a2c1d seed 12";
        let short = fitted(long, 20.0, 200.0);
        assert!(short.starts_with("depth") && short.ends_with("12") && short.contains('…'), "{short}");
        assert!(text_width(&short, 20.0) <= 200.0);
        assert_eq!(fitted("moons", 20.0, 200.0), "moons");
        assert_eq!(fitted("moons", 20.0, 0.0), "");
    }
}
