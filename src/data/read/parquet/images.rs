//! A column of images: each cell the bytes of a PNG or JPEG file.

use image::ImageFormat;
use polars::prelude::{ArrowDataType, PolarsError, Series};
use rayon::prelude::*;

use crate::data::error::{CellProblem, DataError};
use crate::data::read::Source;
use crate::data::read::picture::{Kind, Picture};
use crate::matrix::Matrix;

/// Whether the cells of a column of this type can be images.
pub fn can_be(dtype: &ArrowDataType) -> bool {
    matches!(dtype, ArrowDataType::Binary | ArrowDataType::LargeBinary | ArrowDataType::BinaryView)
}

/// What the images of `column` share, and their rows: shape `[rows, height · width · channels + others]`, the `others` still to be
/// filled. A missing image is NaN throughout where its row is not refused.
///
/// # Errors
/// A cell that is no image, or one of another size or kind than the first: with file, row and column.
pub fn read(source: &Source, column: &Series, others: usize) -> Result<(Kind, Matrix<f64>), DataError> {
    let damaged = |error: PolarsError| source.damaged("Parquet", error);
    let at = |row: usize| move |problem| source.cell(row, column.name(), problem);
    let files: Vec<Option<&[u8]>> = column.binary().map_err(damaged)?.iter().collect();
    if files.is_empty() {
        return Err(DataError::Empty { path: source.path.to_owned() });
    }
    let Some((row, first)) = files.iter().enumerate().find_map(|(row, file)| Some((row, (*file)?))) else {
        source.value(Err(missing())).map_err(at(0))?;
        return Err(DataError::AllMissing { path: source.path.to_owned(), columns: Vec::new() });
    };
    let kind = picture(first).map_err(at(row))?.kind;
    let (values, width) = (kind.shape.values(), kind.shape.values() + others);
    source.room_for(files.len(), width, 1)?;
    let mut rows = Matrix::zeros(files.len(), width);
    let fill = |to: &mut [f64], file: Option<&[u8]>| -> Result<(), CellProblem> {
        let Some(file) = file else {
            to.fill(source.value(Err(missing()))?);
            return Ok(());
        };
        let picture = picture(file)?;
        if picture.kind != kind {
            let (other, all) = (picture.kind.shown(), kind.shown());
            let problem =
                format!("the image is {other}, but that of row {} is {all}; all must be of one kind", row + 1);
            return Err(CellProblem::Image(problem));
        }
        to.iter_mut().zip(picture.values).for_each(|(to, value)| *to = f64::from(value));
        Ok(())
    };
    let faults: Vec<Option<DataError>> = rows
        .as_mut_slice()
        .par_chunks_mut(width)
        .zip(&files)
        .enumerate()
        .map(|(row, (to, file))| fill(&mut to[..values], *file).map_err(at(row)).err())
        .collect();
    // Of several faults the first row's is reported, whichever thread finds one first.
    match faults.into_iter().flatten().next() {
        Some(fault) => Err(fault),
        None => Ok((kind, rows)),
    }
}

fn missing() -> CellProblem {
    CellProblem::Missing("null".into())
}

/// The image in `file`, told by its first bytes.
fn picture(file: &[u8]) -> Result<Picture, CellProblem> {
    let (format, name) = match file {
        [0x89, b'P', b'N', b'G', ..] => (ImageFormat::Png, "PNG"),
        [0xff, 0xd8, 0xff, ..] => (ImageFormat::Jpeg, "JPEG"),
        _ => {
            let problem = "the cell is neither a PNG nor a JPEG file; store such files, or pixels without a file as an NPY \
                           array of shape [images, height, width, channels]";
            return Err(CellProblem::Image(problem.to_owned()));
        }
    };
    Picture::decode(file, format).map_err(|problem| CellProblem::Image(format!("not a valid {name} image: {problem}")))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use image::{DynamicImage, GrayImage, ImageOutputFormat, RgbImage, RgbaImage};
    use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter};

    use super::*;
    use crate::data::read::{Incomplete, ReadOptions, Selection, Table, read_table};
    use crate::shape::Shape;
    use crate::spec::ColumnName;

    fn file(image: impl Into<DynamicImage>, format: ImageOutputFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        image.into().write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn grey(values: [u8; 4]) -> Vec<u8> {
        file(GrayImage::from_raw(2, 2, values.to_vec()).unwrap(), ImageOutputFormat::Png)
    }

    fn parse(columns: Vec<Series>, options: ReadOptions) -> Result<Table, String> {
        let mut frame = DataFrame::new(columns[0].len(), columns.into_iter().map(Column::from).collect()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        read_table(&path, &options, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    fn images(files: &[Option<Vec<u8>>]) -> Series {
        Series::new("image".into(), files.iter().map(Option::as_deref).collect::<Vec<_>>())
    }

    fn without_label() -> ReadOptions {
        let selection = Selection { label: Some(ColumnName::Name("label".into())), ..Selection::default() };
        ReadOptions { selection, ..ReadOptions::default() }
    }

    #[test]
    fn cells_are_the_rows_that_a_folder_of_the_same_files_gives() {
        let files = [grey([7, 8, 9, 10]), grey([0, 255, 1, 2])];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photos");
        std::fs::create_dir(&path).unwrap();
        for (i, file) in files.iter().enumerate() {
            std::fs::write(path.join(format!("{i}.png")), file).unwrap();
        }
        let expected = read_table(Path::new(&path), &ReadOptions::default(), &|_, _, _| {}).unwrap();
        let columns = vec![Series::new("label".into(), [3i64, 4]), images(&files.map(Some))];
        let table = parse(columns, without_label()).unwrap();
        assert_eq!((&table.columns, &table.rows), (&expected.columns, &expected.rows));
        assert_eq!((table.shape(), table.levels), (expected.shape(), expected.levels));
    }

    #[test]
    fn context_and_weights_stand_behind_the_pixels() {
        let named = |name: &str| ColumnName::Name(name.to_owned());
        let selection =
            Selection { context: vec![named("age")], weight: Some(named("weight")), ..Selection::default() };
        let columns = vec![
            Series::new("weight".into(), [1.5, 2.5]),
            images(&[Some(grey([1, 2, 3, 4])), Some(grey([5, 6, 7, 8]))]),
            Series::new("age".into(), [30i64, 40]),
        ];
        let table = parse(columns, ReadOptions { selection, ..ReadOptions::default() }).unwrap();
        assert_eq!(table.rows.as_slice(), [1.0, 2.0, 3.0, 4.0, 30.0, 5.0, 6.0, 7.0, 8.0, 40.0]);
        assert_eq!((table.columns[4].as_str(), table.weights.unwrap().1), ("age", vec![1.5, 2.5]));
    }

    #[test]
    fn jpeg_files_are_read_as_near_as_they_are_kept() {
        let flat = RgbImage::from_pixel(8, 8, image::Rgb([200, 100, 50]));
        let table =
            parse(vec![images(&[Some(file(flat, ImageOutputFormat::Jpeg(95)))])], ReadOptions::default()).unwrap();
        assert_eq!(table.shape(), Shape { height: 8, width: 8, channels: 3 });
        for pixel in table.rows.as_slice().chunks(3) {
            assert!(
                pixel.iter().zip([200.0, 100.0, 50.0]).all(|(value, kept)| (value - kept).abs() < 4.0),
                "{pixel:?}"
            );
        }
    }

    #[test]
    fn missing_images_are_left_out_where_asked() {
        let files = || vec![images(&[None, Some(grey([1, 2, 3, 4])), None])];
        let options = ReadOptions { incomplete: Incomplete::LeftOut, ..ReadOptions::default() };
        assert_eq!(parse(files(), options.clone()).unwrap().rows.as_slice(), [1.0, 2.0, 3.0, 4.0]);
        assert!(
            parse(files(), ReadOptions::default()).unwrap_err().contains("row 1, column `image`: `null` is a missing")
        );
        assert!(parse(vec![images(&[None])], options).unwrap_err().contains("every row has a missing value"));
    }

    #[test]
    fn a_cell_that_does_not_fit_is_named_with_row_and_column() {
        let cases = [
            (b"hello".to_vec(), "the cell is neither a PNG nor a JPEG file"),
            (b"\x89PNG\r\n\x1a\nhello".to_vec(), "not a valid PNG image"),
            (
                file(GrayImage::new(2, 3), ImageOutputFormat::Png),
                "the image is 2 × 3 pixels, grey, 256 levels, but that of row 1",
            ),
            (file(RgbImage::new(2, 2), ImageOutputFormat::Png), "2 × 2 pixels, RGB"),
            (file(RgbaImage::new(2, 2), ImageOutputFormat::Png), "transparency"),
        ];
        for (odd, expected) in cases {
            let text = parse(vec![images(&[Some(grey([0; 4])), Some(odd)])], ReadOptions::default()).unwrap_err();
            assert!(text.contains("a.parquet`, row 2, column `image`: ") && text.contains(expected), "{text}");
        }
        let beside = vec![images(&[Some(grey([0; 4]))]), Series::new("label".into(), [3i64])];
        let text = parse(beside, ReadOptions::default()).unwrap_err();
        assert!(
            text.contains("has column `label` beside the images of `image`")
                && text.contains("set `label = \"label\"`"),
            "{text}"
        );
    }
}
