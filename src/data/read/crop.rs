//! The middle of images.

use std::path::Path;

use super::Table;
use crate::data::error::DataError;
use crate::data::pixels;
use crate::matrix::Matrix;
use crate::shape::Shape;

/// Leaves the middle `size` (height, width) of every image, and its context; where as many pixels cannot be left out on both sides, one more on
/// the right or below.
///
/// # Errors
/// Rows that are no images, or smaller ones.
pub fn crop(table: &mut Table, size: [usize; 2], path: &Path) -> Result<(), DataError> {
    let whole = table.shape();
    let [height, width] = size;
    let refused = |problem: String| Err(DataError::Refused { path: path.to_owned(), problem });
    if !whole.is_image() {
        return refused(format!(
            "has {} plain features, and `dataset.crop` is for images; leave it out",
            table.features()
        ));
    }
    if height > whole.height || width > whole.width {
        return refused(format!(
            "has images of {} × {} pixels, of which no {height} × {width} can be cropped; lower `dataset.crop`",
            whole.height, whole.width
        ));
    }
    let (top, left) = ((whole.height - height) / 2, (whole.width - width) / 2);
    let shape = Shape { height, width, ..whole };
    let line = width * whole.channels;
    let starts = (top..top + height).map(|row| (row * whole.width + left) * whole.channels);
    let starts: Vec<usize> = starts.collect();
    let context = table.columns.split_off(whole.values());
    let lines = table.rows.iter_rows().flat_map(|row| {
        let lines = starts.iter().flat_map(move |&start| &row[start..start + line]);
        lines.chain(&row[whole.values()..])
    });
    table.rows = Matrix::new(lines.copied().collect(), shape.values() + context.len());
    table.columns = pixels::names(shape).into_iter().chain(context).collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(shape: Shape, count: usize) -> Table {
        let rows = Matrix::new((0..count * shape.values()).map(|value| value as f64).collect(), shape.values());
        let columns = pixels::names(shape);
        Table {
            columns,
            rows,
            numbers: None,
            weights: None,
            context: Vec::new(),
            named: false,
            levels: Some(256),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_middle_is_left_with_all_channels() {
        let mut table = images(Shape { height: 4, width: 5, channels: 2 }, 2);
        crop(&mut table, [2, 2], Path::new("a")).unwrap();
        assert_eq!(table.shape(), Shape { height: 2, width: 2, channels: 2 });
        // Rows 1 and 2, columns 1 and 2 of images of 5 columns.
        assert_eq!(table.rows.row(0), [12.0, 13.0, 14.0, 15.0, 22.0, 23.0, 24.0, 25.0]);
        assert_eq!(table.rows.row(1)[0], 40.0 + 12.0);
        let before = table.clone();
        crop(&mut table, [2, 2], Path::new("a")).unwrap();
        assert_eq!(table, before, "what has the size stays");
    }

    #[test]
    fn what_cannot_be_cropped_says_why() {
        let refusal = |mut table: Table, size| crop(&mut table, size, Path::new("a")).unwrap_err().to_string();
        let small = images(Shape { height: 4, width: 5, channels: 1 }, 1);
        assert!(refusal(small.clone(), [4, 6]).contains("images of 4 × 5 pixels, of which no 4 × 6"));
        let plain = Table { columns: vec!["a".into(), "b".into()], rows: Matrix::zeros(1, 2), ..small };
        assert!(refusal(plain, [1, 2]).contains("has 2 plain features, and `dataset.crop` is for images"));
    }
}
