//! A white sheet to draw on. What is drawn is remembered, and becomes a PNG or an SVG in the end, through plotters' backends. Where
//! there are curves, the PNG is drawn at twice the size and averaged down, so that they come out smooth.
//! All lengths are in pixels of the final picture, y downwards.

use std::borrow::Cow;
use std::sync::OnceLock;

use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, register_font};

use super::{ReportError, fonts};
use crate::train::Picture;

/// Curves and discs are drawn on a grid this many times finer, each way, and averaged down.
const FINE: u32 = 2;

pub(super) const INK: RGBColor = RGBColor(38, 40, 46);
pub(super) const FAINT: RGBColor = RGBColor(108, 110, 116);
/// Colour of the histogram of the data.
pub(super) const BARS: RGBColor = RGBColor(206, 208, 212);
/// Colour of what comes from the flow: samples, density.
pub(super) const FLOW: RGBColor = RGBColor(24, 96, 172);

/// Height of a capital letter of Ubuntu, as a share of the font's size.
pub(super) const CAPITAL: f64 = 0.62;

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

/// Which part of a text stands at the given position, along the text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Along {
    Start,
    Middle,
    End,
}

/// Which part of a capital letter stands at the given position, across the text.
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

/// Something drawn.
enum Mark {
    Fill {
        rect: Rect,
        color: RGBColor,
    },
    Line {
        points: Vec<Position>,
        width: f64,
        color: RGBColor,
    },
    Polygon {
        points: Vec<Position>,
        color: RGBAColor,
    },
    Discs {
        positions: Vec<Position>,
        radius: f64,
        color: RGBAColor,
    },
    /// A colour for every pixel from `at` on; sizes and positions are whole.
    Image {
        at: Point,
        size: (u32, u32),
        rgb: Vec<u8>,
    },
    Text {
        text: String,
        lettering: Lettering,
        at: Position,
    },
}

pub(super) type Position = (f64, f64);
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

    pub fn fill(&mut self, rect: Rect, color: RGBColor) {
        self.marks.push(Mark::Fill { rect, color });
    }

    /// A hairline along an axis, on whole pixels so that it is sharp.
    pub fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (left, top) = (from.0.min(to.0).round(), from.1.min(to.1).round());
        let (right, bottom) = (from.0.max(to.0).round(), from.1.max(to.1).round());
        self.fill(Rect { left, top, width: right - left + 1.0, height: bottom - top + 1.0 }, INK);
    }

    /// The outline of `rect`, a hairline.
    pub fn frame(&mut self, rect: Rect) {
        let (left, right, top, bottom) = (rect.left, rect.right(), rect.top, rect.bottom());
        for (from, to) in [
            ((left, top), (right, top)),
            ((left, bottom), (right, bottom)),
            ((left, top), (left, bottom)),
            ((right, top), (right, bottom)),
        ] {
            self.rule(from, to);
        }
    }

    /// A line through `points`, `width` wide.
    pub fn line(&mut self, points: &[Position], width: f64, color: RGBColor) {
        self.marks.push(Mark::Line { points: points.to_vec(), width, color });
    }

    pub fn polygon(&mut self, points: &[Position], color: RGBAColor) {
        self.marks.push(Mark::Polygon { points: points.to_vec(), color });
    }

    /// A disc around every position.
    pub fn discs(&mut self, positions: impl IntoIterator<Item = Position>, radius: f64, color: RGBAColor) {
        self.marks.push(Mark::Discs { positions: positions.into_iter().collect(), radius, color });
    }

    /// Colours every pixel of `rect`, on whole pixels, by its position in it: `line` makes of the share of the height, from the
    /// top, what makes colours of shares of the width, from the left.
    pub fn shade<F: Fn(f64) -> [u8; 3]>(&mut self, rect: Rect, line: impl Fn(f64) -> F) {
        let ((left, top), (right, bottom)) =
            (scaled((rect.left, rect.top), 1), scaled((rect.right(), rect.bottom()), 1));
        let (width, height) = ((right - left).max(0) as u32, (bottom - top).max(0) as u32);
        let middle = |at: u32, length: u32| (f64::from(at) + 0.5) / f64::from(length);
        let mut rgb = Vec::with_capacity(3 * (width * height) as usize);
        for y in 0..height {
            let color = line(middle(y, height));
            (0..width).for_each(|x| rgb.extend_from_slice(&color(middle(x, width))));
        }
        self.marks.push(Mark::Image { at: (left, top), size: (width, height), rgb });
    }

    pub fn text(&mut self, text: &str, lettering: Lettering, at: Position) {
        self.marks.push(Mark::Text { text: text.to_owned(), lettering, at });
    }

    /// The finished picture under a tag.
    pub fn finish(&self, tag: &'static str) -> Result<Picture, ReportError> {
        let is_curve = |mark: &Mark| matches!(mark, Mark::Line { .. } | Mark::Polygon { .. });
        let scale = if self.marks.iter().any(is_curve) { FINE } else { 1 };
        let mut pixels = vec![255; (self.width * self.height * scale * scale * 3) as usize];
        let mut sheet = BitMapBackend::with_buffer(&mut pixels, (self.width * scale, self.height * scale));
        for mark in self.marks.iter().chain(&self.lost_letters()) {
            match mark {
                Mark::Discs { positions, radius, color } => draw_discs(&mut sheet, scale, positions, *radius, *color)?,
                Mark::Text { text, lettering, at } => draw_letters(&mut sheet, scale, text, lettering, *at)?,
                other => draw(&mut sheet, scale, other)?,
            }
        }
        sheet.present().map_err(refused)?;
        drop(sheet);
        if scale == FINE {
            pixels = halved(&pixels, self.width as usize);
        }
        let mut png = Vec::new();
        // Pictures are mostly plain: what lies above predicts best, and trying other filters costs more than it saves.
        PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up).write_image(
            &pixels,
            self.width,
            self.height,
            image::ColorType::Rgb8,
        )?;
        Ok(Picture { tag, width: self.width, height: self.height, png })
    }

    /// A remark for the lower left corner where a letter had to be left out.
    fn lost_letters(&self) -> Option<Mark> {
        let lost = |mark: &Mark| matches!(mark, Mark::Text { text, .. } if fonts::lacks_letters(text));
        let lettering = Lettering { color: FAINT, ..Lettering::new(13.0, Along::Start, Across::Middle) };
        self.marks.iter().any(lost).then(|| Mark::Text {
            text: "?: letters for which this system has no font; Noto Sans CJK has most".to_owned(),
            lettering,
            at: (10.0, f64::from(self.height) - 9.0),
        })
    }

    /// The picture as SVG; its letters are those of the reader's sans-serif font.
    pub fn svg(&self) -> Result<String, ReportError> {
        let mut text = String::new();
        let (width, height) = (self.width * FINE, self.height * FINE);
        let mut sheet = SVGBackend::with_string(&mut text, (width, height));
        sheet.draw_rect((0, 0), (width as i32, height as i32), &WHITE, true).map_err(refused)?;
        for mark in &self.marks {
            draw(&mut sheet, FINE, mark)?;
        }
        sheet.present().map_err(refused)?;
        drop(sheet);
        // Drawn on the finer grid, shown at the size of the PNG.
        let size = |width: u32, height: u32| format!("<svg width=\"{width}\" height=\"{height}\" ");
        Ok(text.replacen(&size(width, height), &size(self.width, self.height), 1))
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

/// Draws `mark` with what every backend can do.
fn draw<B: DrawingBackend>(sheet: &mut B, scale: u32, mark: &Mark) -> Result<(), ReportError> {
    let points = |positions: &[Position]| positions.iter().map(|&position| scaled(position, scale)).collect::<Vec<_>>();
    let length = |length: f64| (length * f64::from(scale)).round() as u32;
    match mark {
        Mark::Fill { rect, color } => {
            let (from, to) = (scaled((rect.left, rect.top), scale), scaled((rect.right(), rect.bottom()), scale));
            if from.0 >= to.0 || from.1 >= to.1 {
                return Ok(());
            }
            sheet.draw_rect(from, to, color, true)
        }
        Mark::Line { points: positions, width, color } => {
            sheet.draw_path(points(positions), &color.stroke_width(length(*width)))
        }
        Mark::Polygon { points: positions, color } => sheet.fill_polygon(points(positions), color),
        Mark::Discs { positions, radius, color } => points(positions)
            .into_iter()
            .try_for_each(|position| sheet.draw_circle(position, length(*radius), color, true)),
        Mark::Image { at, size, rgb } => {
            let (at, size) = ((at.0 * scale as i32, at.1 * scale as i32), (size.0 * scale, size.1 * scale));
            sheet.blit_bitmap(at, size, &enlarged(rgb, size.0 as usize, scale as usize))
        }
        Mark::Text { text, lettering, at } => {
            let (style, at) = anchored_style(lettering, *at, scale);
            sheet.draw_text(text, &style, at)
        }
    }
    .map_err(refused)
}

/// Steps within a pixel, each way, at which the middle of a disc is placed and its pixels are looked at.
const STEPS: i32 = 4;

/// Draws discs whose edge pixels are covered in part, by stamps: one for every position that a disc's middle can have in its pixel.
fn draw_discs<B: DrawingBackend>(
    sheet: &mut B,
    scale: u32,
    positions: &[Position],
    radius: f64,
    color: RGBAColor,
) -> Result<(), ReportError> {
    let radius = radius * f64::from(scale);
    let stamps: Vec<Vec<(Point, f64)>> =
        (0..STEPS * STEPS).map(|phase| stamp(radius, (phase % STEPS, phase / STEPS))).collect();
    let fine = f64::from(scale) * f64::from(STEPS);
    for &(x, y) in positions {
        let (x, y) = ((x * fine).floor() as i32, (y * fine).floor() as i32);
        let phase = y.rem_euclid(STEPS) * STEPS + x.rem_euclid(STEPS);
        let (x, y) = (x.div_euclid(STEPS), y.div_euclid(STEPS));
        for &((dx, dy), covered) in &stamps[phase as usize] {
            sheet.draw_pixel((x + dx, y + dy), color.mix(covered).to_backend_color()).map_err(refused)?;
        }
    }
    Ok(())
}

/// The pixels of a disc around a step `phase` of pixel (0, 0), and how much of each is covered.
fn stamp(radius: f64, phase: Point) -> Vec<(Point, f64)> {
    let reach = radius.ceil() as i32 + 1;
    let near = || -reach..=reach;
    let is_covered = |x: i32, y: i32| f64::from(x - phase.0).hypot(f64::from(y - phase.1)) < radius * f64::from(STEPS);
    let pixels = near().flat_map(|dy| near().map(move |dx| (dx, dy)));
    pixels
        .filter_map(|(dx, dy)| {
            let steps = (0..STEPS * STEPS).map(|at| (dx * STEPS + at % STEPS, dy * STEPS + at / STEPS));
            let covered = steps.filter(|&(x, y)| is_covered(x, y)).count();
            (covered > 0).then(|| ((dx, dy), covered as f64 / f64::from(STEPS * STEPS)))
        })
        .collect()
}

/// An image with squares of `scale` pixels for each of its own; `width`: pixels of a row of the result.
fn enlarged(rgb: &[u8], width: usize, scale: usize) -> Cow<'_, [u8]> {
    if scale == 1 || rgb.is_empty() {
        return Cow::Borrowed(rgb);
    }
    let wide: Vec<u8> = rgb.as_chunks::<3>().0.iter().flat_map(|pixel| pixel.repeat(scale)).collect();
    Cow::Owned(wide.chunks(3 * width).flat_map(|row| row.repeat(scale)).collect())
}

/// Where a text begins and how it hangs there, told to the reader.
fn anchored_style(lettering: &Lettering, at: Position, scale: u32) -> (TextStyle<'_>, Point) {
    let along = match lettering.along {
        Along::Start => HPos::Left,
        Along::Middle => HPos::Center,
        Along::End => HPos::Right,
    };
    let across = match lettering.across {
        Across::Top => VPos::Top,
        Across::Middle => VPos::Center,
    };
    (style(FontFamily::SansSerif, lettering, scale).pos(Pos::new(along, across)), scaled(at, scale))
}

/// Draws a text in the fonts that have its letters, one part after the other.
fn draw_letters<B: DrawingBackend>(
    sheet: &mut B,
    scale: u32,
    text: &str,
    lettering: &Lettering,
    at: Position,
) -> Result<(), ReportError> {
    let pixels = f64::from(scale);
    let size = lettering.size * pixels;
    // plotters puts the baseline half a font size below the anchor.
    let (baseline, capital) = (0.5 * size, CAPITAL * size);
    let width = text_width(text, lettering.size) * pixels;
    let mut along = match lettering.along {
        Along::Start => 0.0,
        Along::Middle => width / 2.0,
        Along::End => width,
    };
    let across = match lettering.across {
        Across::Top => baseline - capital,
        Across::Middle => baseline - capital / 2.0,
    };
    for fonts::Run { font, text } in fonts::runs(text) {
        let (dx, dy) = if lettering.upwards { (across, -along) } else { (along, across) };
        let style = style(FontFamily::Name(font), lettering, scale).pos(Pos::new(HPos::Left, VPos::Top));
        let (x, y) = (at.0 * pixels - dx, at.1 * pixels - dy);
        sheet.draw_text(&text, &style, (x.round() as i32, y.round() as i32)).map_err(refused)?;
        along -= run_width(font, &text, lettering.size) * pixels;
    }
    Ok(())
}

fn style<'a>(family: FontFamily<'a>, lettering: &'a Lettering, scale: u32) -> TextStyle<'a> {
    let turn = if lettering.upwards { FontTransform::Rotate270 } else { FontTransform::None };
    let font = FontDesc::new(family, lettering.size * f64::from(scale), FontStyle::Normal);
    TextStyle::from(font.transform(turn)).color(&lettering.color)
}

fn refused(error: impl std::fmt::Display) -> ReportError {
    ReportError::Draw(error.to_string())
}

/// Width of `text` at font size `size`; 0 where it cannot be measured.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    fonts::runs(text).iter().map(|run| run_width(run.font, &run.text, size)).sum()
}

fn run_width(font: &str, text: &str, size: f64) -> f64 {
    let font = FontDesc::new(FontFamily::Name(font), size * f64::from(FINE), FontStyle::Normal);
    font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) / f64::from(FINE))
}

/// `text`, with its middle left out where it is wider than `width`.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    let letters = text.chars().count();
    (0..=letters)
        .rev()
        .map(|kept| crate::quantity::shortened(text, kept))
        .find(|shorter| text_width(shorter, size) <= width)
        .unwrap_or_default()
}

/// In pixels of a sheet with `scale` of them for one of the final picture.
fn scaled(position: Position, scale: u32) -> Point {
    ((position.0 * f64::from(scale)).round() as i32, (position.1 * f64::from(scale)).round() as i32)
}

/// Makes the compiled-in font known to plotters, once.
fn register() -> Result<(), ReportError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let known =
        DONE.get_or_init(|| register_font(fonts::OWN, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok());
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

    /// The picture in grey, with or without a curve, which is all white.
    fn grey(canvas: &mut Canvas, with_curve: bool) -> image::GrayImage {
        if with_curve {
            canvas.line(&[(1.0, 1.0), (5.0, 1.0)], 1.0, RGBColor(255, 255, 255));
        }
        image::load_from_memory(&canvas.finish("density").unwrap().png).unwrap().to_luma8()
    }

    #[test]
    fn a_disc_has_its_area_and_its_middle_wherever_it_lies() {
        for (radius, with_curve) in [(1.5, false), (1.0, true), (4.0, false), (4.0, true)] {
            for position in [(10.0, 10.0), (10.3, 9.6), (9.51, 10.77)] {
                let mut canvas = Canvas::new(20.0, 20.0).unwrap();
                canvas.discs([position], radius, BLACK.into());
                let (mut ink, mut x, mut y) = (0.0, 0.0, 0.0);
                for (column, row, pixel) in grey(&mut canvas, with_curve).enumerate_pixels() {
                    let dark = 1.0 - f64::from(pixel.0[0]) / 255.0;
                    ink += dark;
                    x += dark * (f64::from(column) + 0.5);
                    y += dark * (f64::from(row) + 0.5);
                }
                let area = std::f64::consts::PI * radius * radius;
                assert!((ink - area).abs() < 0.06 * area, "radius {radius} at {position:?}: {ink}, area {area}");
                let off = (x / ink - position.0).abs().max((y / ink - position.1).abs());
                assert!(off < 0.2, "radius {radius} at {position:?}: {off} beside it");
            }
        }
    }

    #[test]
    fn an_image_looks_the_same_beside_a_curve() {
        let shaded = |with_curve: bool| {
            let mut canvas = Canvas::new(40.0, 30.0).unwrap();
            let frame = Rect { left: 10.0, top: 8.0, width: 20.0, height: 16.0 };
            canvas.shade(frame, |y| move |x| [(255.0 * x) as u8, (255.0 * y) as u8, 128]);
            grey(&mut canvas, with_curve)
        };
        assert_eq!(shaded(false), shaded(true));
        assert!(shaded(false).get_pixel(10, 8).0[0] < 40 && shaded(false).get_pixel(9, 8).0[0] == 255);
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
