//! Names of pixels: how a table of numbers says that its rows are images.
//!
//! Readers of images name their columns so, and a table of any format whose columns have these names holds images: so samples that
//! were written to a Parquet file are images again when they are read.

use crate::shape::Shape;

/// Ends of names of three channels.
const COLOURS: [&str; 3] = ["_red", "_green", "_blue"];

/// The names of an image's values: `pixel_<row>_<column>`, behind it the colour where there are three, or the number of
/// the channel from 1 where there are others than one.
pub fn names(shape: Shape) -> Vec<String> {
    let Shape { height, width, channels } = shape;
    let end = |channel: usize| match channels {
        1 => String::new(),
        3 => COLOURS[channel].to_owned(),
        _ => format!("_{}", channel + 1),
    };
    let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    places
        .flat_map(|(row, column)| (0..channels).map(move |channel| format!("pixel_{row}_{column}{}", end(channel))))
        .collect()
}

/// Whether a column is called as a value of an image is.
pub fn is_pixel(name: &str) -> bool {
    let mut parts = name.strip_prefix("pixel_").into_iter().flat_map(|place| place.split('_'));
    let mut is_number = || parts.next().is_some_and(|part| part.parse::<usize>().is_ok());
    is_number() && is_number()
}

/// The shape that names of pixels tell, all of them and in order; that of plain features for others.
pub fn shape(columns: &[String]) -> Shape {
    image(columns).unwrap_or(Shape::from(columns.len()))
}

fn image(columns: &[String]) -> Option<Shape> {
    let mut parts = columns.last()?.strip_prefix("pixel_")?.split('_');
    let mut count = || parts.next()?.parse::<usize>().ok()?.checked_add(1);
    let (height, width) = (count()?, count()?);
    let channels = columns.len() / height.checked_mul(width)?;
    let shape = Shape { height, width, channels };
    (shape.is_image() && shape.values() == columns.len() && names(shape) == columns).then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pixels_tell_the_shape() {
        for (height, width, channels) in [(8, 9, 1), (4, 3, 3), (2, 2, 2), (5, 2, 4)] {
            let expected = Shape { height, width, channels };
            let mut names = names(expected);
            assert_eq!(shape(&names), expected);
            names.swap(0, 1);
            assert_eq!(shape(&names), Shape::from(names.len()), "in another order");
            names.swap(0, 1);
            names.remove(3);
            assert_eq!(shape(&names), Shape::from(names.len()), "a pixel was dropped");
        }
        for others in [&["x1", "x2"][..], &[], &["pixel_18446744073709551615_0"], &["pixel_0_0", "pixel_0_1"]] {
            let names: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(shape(&names), Shape::from(others.len()), "{others:?}");
        }
    }

    #[test]
    fn channels_have_names() {
        assert_eq!(names(Shape { height: 1, width: 2, channels: 1 }), ["pixel_0_0", "pixel_0_1"]);
        let rgb = names(Shape { height: 1, width: 2, channels: 3 });
        assert_eq!(rgb[1..4], ["pixel_0_0_green", "pixel_0_0_blue", "pixel_0_1_red"]);
    }
}
