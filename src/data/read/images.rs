//! A folder of PNG files, an image a row: grey or RGB, 8 or 16 bits, all of one size and kind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use image::ImageFormat;

use super::picture::Picture;
use super::{Source, Table};
use crate::data::error::{DataError, reading};
use crate::data::pixels;
use crate::data::quote::listed;

/// Reads the images in the order of their names; columns are called `pixel_<row>_<column>`, for colours with `_red`,
/// `_green` and `_blue` behind.
pub fn read(source: &Source) -> Result<Table, DataError> {
    let Files { images: paths, warnings } = files(source)?;
    let Some(first) = paths.first() else {
        return Err(source.damaged("images", "the folder holds no .png files"));
    };
    let kind = picture(first)?.kind;
    let mut values = Vec::with_capacity(paths.len() * kind.shape.values());
    for (i, path) in paths.iter().enumerate() {
        let picture = picture(path)?;
        if picture.kind != kind {
            let problem = format!("it is {}, but `{}` is {}", picture.kind.shown(), first.display(), kind.shown());
            return Err(DataError::Damaged { path: path.clone(), format: "image of this folder", problem });
        }
        values.extend(picture.values);
        // A file counts as a byte here: no more is known of their sizes.
        (source.watch)(source.path, i as u64 + 1, paths.len() as u64);
    }
    let names = pixels::names(kind.shape);
    let (columns, rows) =
        source.array(&names, paths.len(), |row, column| f64::from(values[row * names.len() + column]))?;
    Ok(Table {
        columns,
        rows,
        numbers: None,
        weights: None,
        context: Vec::new(),
        named: false,
        levels: Some(kind.levels),
        warnings,
    })
}

/// What a folder holds.
struct Files {
    /// The PNG files, by name.
    images: Vec<PathBuf>,
    warnings: Vec<String>,
}

/// Ends of names of images that are not read, in lower case.
const OTHER_IMAGES: &[&str] =
    &["jpg", "jpeg", "jpe", "jfif", "gif", "bmp", "tif", "tiff", "webp", "pgm", "ppm", "pnm", "heic", "avif"];

/// Images of another kind are refused, for they would be missing in silence; other files and folders are warned about.
fn files(source: &Source) -> Result<Files, DataError> {
    let (mut images, mut others, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for entry in std::fs::read_dir(source.path).map_err(reading(source.path))? {
        let path = entry.map_err(reading(source.path))?.path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match &*extension {
            // As macOS writes beside every file that it copies.
            _ if name.starts_with('.') => {}
            "png" if path.is_file() => images.push(path),
            other if OTHER_IMAGES.contains(&other) => others.push(name),
            _ => rest.push(name),
        }
    }
    [&mut others, &mut rest].into_iter().for_each(|names| names.sort());
    if !others.is_empty() {
        let names = listed(others.iter().map(String::as_str));
        return Err(source.damaged("images", format!("{names} are no PNG files; convert them, or move them elsewhere")));
    }
    images.sort();
    let warnings = match &rest[..] {
        [] => Vec::new(),
        _ => vec![format!(
            "`{}`: only the PNG files right in this folder are read, and {} left out",
            source.path.display(),
            listed(rest.iter().map(String::as_str)) + if rest.len() == 1 { " is" } else { " are" }
        )],
    };
    Ok(Files { images, warnings })
}

/// The image in the PNG file at `path`.
fn picture(path: &Path) -> Result<Picture, DataError> {
    let damaged = |problem: String| DataError::Damaged { path: path.to_owned(), format: "PNG", problem };
    let bytes = std::fs::read(path).map_err(reading(path))?;
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Err(damaged("it is a JPEG image, whatever its name says; convert it".to_owned()));
    }
    Picture::decode(&bytes, ImageFormat::Png).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage, RgbaImage};

    use super::*;
    use crate::data::read::{ReadOptions, read_table};

    fn parse(folder: &Path) -> Result<Table, String> {
        read_table(folder, &ReadOptions::default(), &|_, _, _| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn images_become_rows_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photos");
        std::fs::create_dir(&path).unwrap();
        GrayImage::from_raw(2, 1, vec![7, 8]).unwrap().save(path.join("b.png")).unwrap();
        GrayImage::from_raw(2, 1, vec![0, 255]).unwrap().save(path.join("a.PNG")).unwrap();
        std::fs::write(path.join("notes.txt"), "").unwrap();
        let table = parse(&path).unwrap();
        assert_eq!(table.columns, ["pixel_0_0", "pixel_0_1"]);
        assert_eq!((table.rows.as_slice(), table.levels), (&[0.0, 255.0, 7.0, 8.0][..], Some(256)));
        assert!(table.warnings[0].contains("`notes.txt` is left out"), "{:?}", table.warnings);
    }

    #[test]
    fn colours_stand_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photos");
        std::fs::create_dir(&path).unwrap();
        RgbImage::from_raw(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap().save(path.join("a.png")).unwrap();
        let table = parse(&path).unwrap();
        assert_eq!(table.columns[2..4], ["pixel_0_0_blue", "pixel_1_0_red"]);
        assert_eq!(table.rows.as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn the_file_that_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photos");
        std::fs::create_dir(&path).unwrap();
        assert!(parse(&path).unwrap_err().contains("no .png files"));
        GrayImage::new(2, 2).save(path.join("a.png")).unwrap();
        type Make = fn(&Path);
        let cases: [(Make, &str); 5] = [
            (|path| GrayImage::new(2, 3).save(path).unwrap(), "2 × 3 pixels, grey, 256 levels, but"),
            (|path| RgbImage::new(2, 2).save(path).unwrap(), "2 × 2 pixels, RGB"),
            (|path| RgbaImage::new(2, 2).save(path).unwrap(), "transparency"),
            (|path| std::fs::write(path, "hello").unwrap(), "not a valid PNG file"),
            (|path| std::fs::write(path, b"\xff\xd8\xff\xe0").unwrap(), "a JPEG image, whatever its name says"),
        ];
        for (make, expected) in cases {
            make(&path.join("odd.png"));
            let text = parse(&path).unwrap_err();
            assert!(text.contains("odd.png") && text.contains(expected), "{text}");
        }
        std::fs::write(path.join("b.JPG"), "").unwrap();
        assert!(parse(&path).unwrap_err().contains("`b.JPG` are no PNG files; convert them"));
    }
}
