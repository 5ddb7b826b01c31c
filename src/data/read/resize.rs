//! Images of another size.

use std::path::Path;

use rayon::prelude::*;

use super::Table;
use crate::data::error::DataError;
use crate::data::memory;
use crate::data::pixels;
use crate::matrix::Matrix;
use crate::shape::Shape;

/// The pixels of a line that one of its pixels after resizing is made of, and their shares, which sum to 1.
type Shares = Vec<(usize, f64)>;

/// Brings every image to `size` (height, width), its context left as it is. A side that becomes shorter takes the mean over the
/// stretch that each new pixel covers, one that becomes longer is interpolated linearly between the centres of pixels. Whole
/// numbers stay whole: they are rounded where the table has no others.
///
/// # Errors
/// Rows that are no images.
pub fn resize(table: &mut Table, size: [usize; 2], path: &Path) -> Result<(), DataError> {
    let from = table.shape();
    let [height, width] = size;
    if !from.is_image() {
        let problem =
            format!("has {} plain features, and `dataset.resize` is for images; leave it out", table.features());
        return Err(DataError::Refused { path: path.to_owned(), problem });
    }
    if [from.height, from.width] == size {
        return Ok(());
    }
    let to = Shape { height, width, ..from };
    let values = to.values().saturating_add(table.context.len());
    memory::room_for(table.rows.rows(), values).map_err(|(needed, free)| DataError::Refused {
        path: path.to_owned(),
        problem: format!(
            "would take {needed} as images of {height} × {width} pixels, and {free} of memory are free; lower `dataset.resize`"
        ),
    })?;
    let context = table.columns.split_off(from.values());
    let whole = table
        .rows
        .iter_rows()
        .flat_map(|row| &row[..from.values()])
        .all(|value| value.is_nan() || value.fract() == 0.0);
    let (vertical, horizontal) = (shares(from.height, height), shares(from.width, width));
    let (old, new) = (table.rows.columns(), to.values() + context.len());
    let mut rows = Matrix::zeros(table.rows.rows(), new);
    let pairs = rows.as_mut_slice().par_chunks_mut(new).zip(table.rows.as_slice().par_chunks(old));
    pairs.for_each(|(resized, row)| {
        let (image, given) = row.split_at(from.values());
        resized[to.values()..].copy_from_slice(given);
        for (pixel, values) in resized[..to.values()].chunks_exact_mut(to.channels).enumerate() {
            for &(y, high) in &vertical[pixel / width] {
                for &(x, wide) in &horizontal[pixel % width] {
                    let old = &image[(y * from.width + x) * from.channels..][..from.channels];
                    values.iter_mut().zip(old).for_each(|(value, old)| *value += high * wide * old);
                }
            }
            if whole {
                values.iter_mut().for_each(|value| *value = value.round());
            }
        }
    });
    table.rows = rows;
    table.columns = pixels::names(to).into_iter().chain(context).collect();
    Ok(())
}

/// What each of `to` pixels of a line takes of the `from` that it had.
fn shares(from: usize, to: usize) -> Vec<Shares> {
    let scale = from as f64 / to as f64;
    let mean = |pixel: usize| {
        // In units of `1 / to` old pixels all ends are whole numbers, so none of them is rounded.
        let (start, end) = (pixel * from, (pixel + 1) * from);
        let covered = |old: usize| end.min((old + 1) * to) - start.max(old * to);
        (start / to..end.div_ceil(to)).map(|old| (old, covered(old) as f64 / from as f64)).collect()
    };
    let line = |pixel: usize| {
        let centre = ((pixel as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
        let (left, share) = (centre as usize, centre.fract());
        let both = [(left, 1.0 - share), (left + 1, share)];
        both.into_iter().filter(|(_, share)| *share > 0.0).collect()
    };
    if to < from { (0..to).map(mean).collect() } else { (0..to).map(line).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read::{ReadOptions, Selection, read_table};
    use crate::spec::ColumnName;

    /// One image and a class, from a text whose columns are named as pixels.
    fn read(shape: Shape, values: &[f64], options: ReadOptions) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let cells: Vec<String> = values.iter().map(f64::to_string).collect();
        std::fs::write(&path, format!("{},class\n{},7\n", pixels::names(shape).join(","), cells.join(","))).unwrap();
        let selection = Selection { context: vec![ColumnName::Name("class".into())], ..Selection::default() };
        let options = ReadOptions { selection, ..options };
        read_table(&path, &options, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    fn resized(shape: Shape, values: &[f64], size: [usize; 2]) -> Vec<f64> {
        let table = read(shape, values, ReadOptions { resize: Some(size), ..ReadOptions::default() }).unwrap();
        assert_eq!(table.shape(), Shape { height: size[0], width: size[1], ..shape });
        let (class, image) = table.rows.row(0).split_last().unwrap();
        assert_eq!((*class, table.columns.last().unwrap().as_str()), (7.0, "class"));
        image.to_vec()
    }

    #[test]
    fn half_the_size_is_the_mean_of_blocks() {
        let shape = Shape { height: 4, width: 4, channels: 1 };
        let mut image: Vec<f64> = (0..16).map(f64::from).collect();
        // Blocks of 0 1 4 5, 2 3 6 7, …: means 2.5, 4.5, 10.5, 12.5, halves away from zero.
        assert_eq!(resized(shape, &image, [2, 2]), [3.0, 5.0, 11.0, 13.0]);
        image[0] = 0.5;
        assert_eq!(resized(shape, &image, [2, 2]), [2.625, 4.5, 10.5, 12.5], "not rounded where values are not whole");
    }

    #[test]
    fn channels_are_resized_apart() {
        let shape = Shape { height: 2, width: 4, channels: 2 };
        let image: Vec<f64> = (0..16).map(|i| if i % 2 == 0 { f64::from(i) } else { 100.0 }).collect();
        // The first channel is 0 2 4 6 over 8 10 12 14.
        assert_eq!(resized(shape, &image, [2, 2]), [1.0, 100.0, 5.0, 100.0, 9.0, 100.0, 13.0, 100.0]);
    }

    #[test]
    fn other_factors_weigh_pixels_by_what_is_covered() {
        // Each of two covers one and a half of three: (2a + b) / 3 and (b + 2c) / 3.
        let shape = Shape { height: 2, width: 3, channels: 1 };
        assert_eq!(resized(shape, &[0.0, 30.0, 60.0, 3.0, 3.0, 9.0], [2, 2]), [10.0, 50.0, 3.0, 7.0]);
        for (from, to) in [(7, 3), (3, 7), (28, 12), (5, 5), (2, 64)] {
            for shares in shares(from, to) {
                assert!((shares.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12, "{from} to {to}");
            }
        }
    }

    #[test]
    fn larger_images_are_interpolated() {
        let shape = Shape { height: 2, width: 2, channels: 1 };
        // New centres lie at -1/4, 1/4, 3/4 and 5/4 old pixels; beyond the edges stands the edge.
        let line = [0.0, 25.0, 75.0, 100.0];
        assert_eq!(resized(shape, &[0.0, 100.0, 0.0, 100.0], [2, 4]), [line, line].concat());
    }

    #[test]
    fn images_are_cropped_first_and_what_has_gone_through_both_stays() {
        let options = ReadOptions { crop: Some([4, 4]), resize: Some([2, 2]), ..ReadOptions::default() };
        // Only the middle 4 × 4 of 6 × 6 counts.
        let inside = |i: usize| (1..5).contains(&(i / 6)) && (1..5).contains(&(i % 6));
        let image: Vec<f64> = (0..36).map(|i| if inside(i) { 8.0 } else { 200.0 }).collect();
        let table = read(Shape { height: 6, width: 6, channels: 1 }, &image, options.clone()).unwrap();
        assert_eq!(table.rows.row(0), [8.0, 8.0, 8.0, 8.0, 7.0]);
        let small = Shape { height: 2, width: 2, channels: 1 };
        assert!(read(small, &[1.0; 4], options.clone()).unwrap_err().contains("no 4 × 4 can be cropped"));
        let processed = ReadOptions { processed: Some(small), ..options };
        let table = read(small, &[1.25, 2.0, 3.0, 4.0], processed.clone()).unwrap();
        assert_eq!(table.rows.row(0), [1.25, 2.0, 3.0, 4.0, 7.0]);
        assert!(table.warnings.iter().any(|warning| warning.contains("are taken as they are")));
        let table = read(Shape { height: 6, width: 6, channels: 1 }, &image, processed).unwrap();
        assert_eq!(table.rows.row(0), [8.0, 8.0, 8.0, 8.0, 7.0]);
    }

    #[test]
    fn plain_features_have_no_size() {
        let options = ReadOptions { resize: Some([2, 2]), ..ReadOptions::default() };
        let text = read(Shape::from(3), &[1.0, 2.0, 3.0], options).unwrap_err();
        assert!(text.contains("has 3 plain features, and `dataset.resize` is for images"), "{text}");
    }
}
