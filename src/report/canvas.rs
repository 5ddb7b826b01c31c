//! A white sheet to draw on. What is drawn is remembered, and becomes a PNG or an SVG in the end. The PNG is drawn by
//! plotters' bitmap backend at twice the size and averaged down, so that lines, small points and letters come out smooth.
//! All lengths are in pixels of the final picture, y downwards.

use std::sync::OnceLock;

use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
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
    marks: Vec<Mark>,
}

/// Something drawn; lengths in drawn pixels.
enum Mark {
    Fill { from: Point, to: Point, color: RGBColor },
    Line { points: Vec<Point>, width: u32, color: RGBColor },
    Polygon { points: Vec<Point>, color: RGBAColor },
    Discs { places: Vec<Point>, radius: i32, color: RGBAColor },
    Image { at: Point, size: (u32, u32), rgb: Vec<u8> },
    Text { text: String, lettering: Lettering, at: (f64, f64) },
}

type Point = (i32, i32);

impl Canvas {
    /// A white canvas; sizes are rounded up to whole pixels.
    pub fn new(width: f64, height: f64) -> Result<Self, ReportError> {
        register()?;
        let mut canvas = Self { width: 0, height: 0, marks: Vec::new() };
        canvas.resize(width, height);
        Ok(canvas)
    }

    /// Another size: for layouts that measure text first.
    pub fn resize(&mut self, width: f64, height: f64) {
        (self.width, self.height) = (width.ceil().max(1.0) as u32, height.ceil().max(1.0) as u32);
    }

    /// In drawn pixels.
    fn size(&self) -> (u32, u32) {
        (self.width * SCALE, self.height * SCALE)
    }

    pub fn fill(&mut self, rect: Rect, color: RGBColor) {
        let (from, to) = (scaled((rect.left, rect.top)), scaled((rect.right(), rect.bottom())));
        if from.0 < to.0 && from.1 < to.1 {
            self.marks.push(Mark::Fill { from, to, color });
        }
    }

    /// A hairline along an axis, on whole pixels so that it is sharp.
    pub fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (left, top) = (from.0.min(to.0).round(), from.1.min(to.1).round());
        let (right, bottom) = (from.0.max(to.0).round(), from.1.max(to.1).round());
        self.fill(Rect { left, top, width: right - left + 1.0, height: bottom - top + 1.0 }, INK);
    }

    /// A line through `points`, `width` wide.
    pub fn line(&mut self, points: &[(f64, f64)], width: f64, color: RGBColor) {
        let points = points.iter().map(|&point| scaled(point)).collect();
        self.marks.push(Mark::Line { points, width: (width * f64::from(SCALE)).round() as u32, color });
    }

    pub fn polygon(&mut self, points: &[(f64, f64)], color: RGBAColor) {
        let points = points.iter().map(|&point| scaled(point)).collect();
        self.marks.push(Mark::Polygon { points, color });
    }

    /// A disc around every place.
    pub fn discs(&mut self, places: impl IntoIterator<Item = (f64, f64)>, radius: f64, color: RGBAColor) {
        let places = places.into_iter().map(scaled).collect();
        self.marks.push(Mark::Discs { places, radius: (radius * f64::from(SCALE)).round() as i32, color });
    }

    /// Colours every final pixel of `rect` by its place in it: `line` makes of the share of the height, from the top, what
    /// makes colours of shares of the width, from the left. What it shows is smooth, so that drawn pixels need no colour of
    /// their own.
    pub fn shade<F: Fn(f64) -> [u8; 3]>(&mut self, rect: Rect, line: impl Fn(f64) -> F) {
        let (left, top) = scaled((rect.left, rect.top));
        let (right, bottom) = scaled((rect.right(), rect.bottom()));
        let (width, height) = ((right - left).max(0) as usize, (bottom - top).max(0) as usize);
        let scale = SCALE as usize;
        // Of the middle of the drawn pixels that share a colour.
        let share = |at: usize, length: usize| (at as f64 + 0.5 * scale as f64) / length as f64;
        let mut rgb = Vec::with_capacity(3 * width * height);
        for y in (0..height).step_by(scale) {
            let start = rgb.len();
            let color = line(share(y, height));
            for x in (0..width).step_by(scale) {
                let [r, g, b] = color(share(x, width));
                rgb.extend_from_slice(&[r, g, b, r, g, b]);
            }
            // Where the last of them does not fit.
            rgb.truncate(start + 3 * width);
            (y + 1..height.min(y + scale)).for_each(|_| rgb.extend_from_within(start..start + 3 * width));
        }
        self.marks.push(Mark::Image { at: (left, top), size: (width as u32, height as u32), rgb });
    }

    pub fn text(&mut self, text: &str, lettering: Lettering, at: (f64, f64)) {
        self.marks.push(Mark::Text { text: text.to_owned(), lettering, at });
    }

    /// The finished picture under a tag.
    pub fn finish(&self, tag: &'static str) -> Result<Picture, ReportError> {
        let mut pixels = vec![255; (self.width * self.height * SCALE * SCALE * 3) as usize];
        let mut backend = BitMapBackend::with_buffer(&mut pixels, self.size());
        for mark in &self.marks {
            draw(&mut backend, mark, false)?;
        }
        backend.present().map_err(refused)?;
        drop(backend);
        let small = halved(&pixels, self.width as usize);
        let mut png = Vec::new();
        // Pictures are mostly plain: what lies above predicts best, and trying other filters costs more than it saves.
        PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up).write_image(
            &small,
            self.width,
            self.height,
            image::ColorType::Rgb8,
        )?;
        Ok(Picture { tag, width: self.width, height: self.height, png })
    }

    /// The picture as SVG; its letters are those of the reader's sans-serif font.
    pub fn svg(&self) -> Result<String, ReportError> {
        let mut text = String::new();
        let mut backend = SVGBackend::with_string(&mut text, self.size());
        let (width, height) = self.size();
        backend.draw_rect((0, 0), (width as i32, height as i32), &WHITE, true).map_err(refused)?;
        for mark in &self.marks {
            draw(&mut backend, mark, true)?;
        }
        backend.present().map_err(refused)?;
        drop(backend);
        Ok(text)
    }
}

/// The means of squares of four RGB pixels; `width`: pixels of a row of the result.
fn halved(pixels: &[u8], width: usize) -> Vec<u8> {
    let row = 6 * width;
    let mut small = vec![0; pixels.len() / 4];
    let mut sums = vec![0u16; row];
    for (pair, out) in pixels.chunks_exact(2 * row).zip(small.chunks_exact_mut(3 * width)) {
        let (above, below) = pair.split_at(row);
        // By columns first, in one sweep without steps, which becomes vector instructions.
        for ((sum, &a), &b) in sums.iter_mut().zip(above).zip(below) {
            *sum = u16::from(a) + u16::from(b);
        }
        for (out, [r, g, b, right_r, right_g, right_b]) in out.as_chunks_mut::<3>().0.iter_mut().zip(sums.as_chunks().0)
        {
            *out = [r + right_r, g + right_g, b + right_b].map(|sum| ((sum + 2) / 4) as u8);
        }
    }
    small
}

/// `anchored`: the font is not known here, so that the reader must align the text.
fn draw<B: DrawingBackend>(backend: &mut B, mark: &Mark, anchored: bool) -> Result<(), ReportError> {
    match mark {
        Mark::Fill { from, to, color } => backend.draw_rect(*from, *to, color, true),
        Mark::Line { points, width, color } => backend.draw_path(points.iter().copied(), &color.stroke_width(*width)),
        Mark::Polygon { points, color } => backend.fill_polygon(points.iter().copied(), color),
        Mark::Discs { places, radius, color } => {
            places.iter().try_for_each(|&place| backend.draw_circle(place, *radius as u32, color, true))
        }
        Mark::Image { at, size, rgb } => backend.blit_bitmap(*at, *size, rgb),
        Mark::Text { text, lettering, at } => {
            let (style, at) =
                if anchored { anchored_style(lettering, *at) } else { measured_style(text, lettering, *at) };
            backend.draw_text(text, &style, at)
        }
    }
    .map_err(refused)
}

/// Where a text begins and how it hangs there, told to the reader.
fn anchored_style(lettering: &Lettering, at: (f64, f64)) -> (TextStyle<'_>, Point) {
    let along = match lettering.along {
        Along::Start => HPos::Left,
        Along::Middle => HPos::Center,
        Along::End => HPos::Right,
    };
    let across = match lettering.across {
        Across::Top => VPos::Top,
        Across::Middle => VPos::Center,
    };
    (style(FontFamily::SansSerif, lettering).pos(Pos::new(along, across)), scaled(at))
}

/// Where the upper left corner of a text stands, from the compiled-in font.
fn measured_style<'a>(text: &str, lettering: &'a Lettering, at: (f64, f64)) -> (TextStyle<'a>, Point) {
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
    let style = style(FontFamily::Name(FONT), lettering).pos(Pos::new(HPos::Left, VPos::Top));
    let (x, y) = (at.0 * f64::from(SCALE) - dx, at.1 * f64::from(SCALE) - dy);
    (style, (x.round() as i32, y.round() as i32))
}

fn style<'a>(family: FontFamily<'a>, lettering: &'a Lettering) -> TextStyle<'a> {
    let turn = if lettering.upwards { FontTransform::Rotate270 } else { FontTransform::None };
    let font = FontDesc::new(family, lettering.size * f64::from(SCALE), FontStyle::Normal);
    TextStyle::from(font.transform(turn)).color(&lettering.color)
}

fn refused(error: impl std::fmt::Display) -> ReportError {
    ReportError::Draw(error.to_string())
}

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
