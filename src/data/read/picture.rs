//! An image as it stands in a file: its values, and what must be the same in all images of a data set.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};

use crate::shape::Shape;

/// What all images of a data set share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Of its pixels: one channel for grey, three for RGB.
    pub shape: Shape,
    /// Values of a channel: 256 or 65,536.
    pub levels: u32,
}

impl Kind {
    /// As a person says it.
    pub fn shown(&self) -> String {
        let Shape { height, width, channels } = self.shape;
        let colour = if channels == 3 { "RGB" } else { "grey" };
        format!("{width} × {height} pixels, {colour}, {} levels", self.levels)
    }
}

/// One image.
#[derive(Debug)]
pub struct Picture {
    /// Its size, colour and depth.
    pub kind: Kind,
    /// Shape `[height, width, channels]`, from 0 to one less than the levels.
    pub values: Vec<u16>,
}

impl Picture {
    /// The image that `bytes`, a file of this format, hold.
    ///
    /// # Errors
    /// A damaged file, and an image that is neither grey nor RGB: as a sentence.
    pub fn decode(bytes: &[u8], format: ImageFormat) -> Result<Self, String> {
        // Unlike `image::load_from_memory`, a reader takes no more memory than its limits allow.
        let image = image::io::Reader::with_format(Cursor::new(bytes), format);
        let image = image.decode().map_err(|error| error.to_string())?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let wide = |bytes: Vec<u8>| bytes.into_iter().map(u16::from).collect();
        let (channels, levels, values) = match image {
            DynamicImage::ImageLuma8(grey) => (1, 1 << 8, wide(grey.into_raw())),
            DynamicImage::ImageRgb8(rgb) => (3, 1 << 8, wide(rgb.into_raw())),
            DynamicImage::ImageLuma16(grey) => (1, 1 << 16, grey.into_raw()),
            DynamicImage::ImageRgb16(rgb) => (3, 1 << 16, rgb.into_raw()),
            _ => return Err("it has a transparency channel; save it as plain grey or RGB".into()),
        };
        Ok(Self { kind: Kind { shape: Shape { height, width, channels }, levels }, values })
    }
}
