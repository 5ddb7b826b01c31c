//! PNG files that a command writes images to: one each in a folder, or all in a grid.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Failure;
use super::spare::spare;
use super::target::is_stream;
use crate::atomic::write_view;
use crate::matrix::Matrix;
use crate::report::Tones;
use crate::shape::Shape;

/// Most images of a grid.
const MOST: usize = 10_000;

/// Where images go, found to be possible before the work for it begins.
pub(super) struct Pictures {
    destination: Destination,
    rows: usize,
    shape: Shape,
}

enum Destination {
    Folder(PathBuf),
    Grid(PathBuf),
}

impl Pictures {
    /// `output` as a folder (it is one, ends in a slash or has no extension) or as a PNG; `None` for other files and standard
    /// output. `read`: the files that must not be written over.
    ///
    /// # Errors
    /// Rows that are no images, a folder that holds other things, too many images for a grid.
    pub fn of(output: &Path, rows: usize, shape: Shape, read: &[&Path]) -> Result<Option<Self>, Failure> {
        let extension = output.extension().map(|it| it.to_string_lossy().to_lowercase());
        let is_folder = output.is_dir() || output.to_string_lossy().ends_with('/') || extension.is_none();
        let destination = match extension.as_deref() {
            _ if is_stream(output) => return Ok(None),
            _ if is_folder => Destination::Folder(output.to_owned()),
            Some("png") => Destination::Grid(output.to_owned()),
            _ => return Ok(None),
        };
        let refused = |problem: String| Err(Failure::Usage(format!("-o {}: {problem}", output.display())));
        if !shape.is_image() {
            let what = if is_folder { "a folder is" } else { "a PNG is" };
            return refused(format!(
                "{what} for images, and this run learned {} plain features; name a file ending in .parquet, .csv or .npy",
                shape.values()
            ));
        }
        let pictures = Self { destination, rows, shape };
        match &pictures.destination {
            Destination::Grid(path) if rows > MOST => {
                return refused(format!(
                    "{rows} images make no grid; draw at most {MOST}, or name a folder instead of {}",
                    path.display()
                ));
            }
            Destination::Grid(path) => spare(path, read)?,
            Destination::Folder(folder) => {
                spare(&pictures.file(folder, 0), read)?;
                if let Some(other) = pictures.stranger(folder) {
                    return refused(format!(
                        "`{other}` is there already and would stay among the images; name a new folder"
                    ));
                }
            }
        }
        Ok(Some(pictures))
    }

    /// The file of an image; names sort as images are drawn.
    fn file(&self, folder: &Path, image: usize) -> PathBuf {
        let digits = self.rows.to_string().len().max(5);
        folder.join(format!("{:0digits$}.png", image + 1))
    }

    /// A file of the folder that no image will replace.
    fn stranger(&self, folder: &Path) -> Option<String> {
        let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
        let is_ours = |name: &Path| {
            let number = name.file_stem().and_then(|stem| stem.to_str()?.parse::<usize>().ok());
            number.is_some_and(|number| {
                (1..=self.rows).contains(&number) && self.file(Path::new(""), number - 1) == *name
            })
        };
        names.map(PathBuf::from).find(|name| !is_ours(name)).map(|name| name.display().to_string())
    }

    /// Writes the images that come in `blocks`, on tones over `range`, or over most of what the first block holds; says what was
    /// written.
    ///
    /// # Errors
    /// Those of the blocks, and whatever keeps files from being written.
    pub fn write(
        &self,
        blocks: impl Iterator<Item = io::Result<Matrix<f64>>>,
        range: Option<[f64; 2]>,
    ) -> Result<String, Failure> {
        let mut tones = range.map(|[low, high]| Tones { shape: self.shape, low, high });
        let save = |path: &Path, png: Vec<u8>| write_view(path, |file| file.write_all(&png)).map_err(Failure::usage);
        match &self.destination {
            Destination::Grid(path) => {
                let mut values = Vec::new();
                for block in blocks {
                    values.extend(block.map_err(Failure::run)?.into_vec());
                }
                let images = Matrix::new(values, self.shape.values());
                let tones = tones.unwrap_or_else(|| Tones::of_most(&images, self.shape));
                save(path, tones.grid(&images).map_err(Failure::run)?)?;
                Ok(path.display().to_string())
            }
            Destination::Folder(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|error| Failure::Usage(format!("{}: cannot be made: {error}", folder.display())))?;
                let mut image = 0;
                for block in blocks {
                    let block = block.map_err(Failure::run)?;
                    let tones = *tones.get_or_insert_with(|| Tones::of_most(&block, self.shape));
                    for row in block.iter_rows() {
                        save(&self.file(folder, image), tones.png(row).map_err(Failure::run)?)?;
                        image += 1;
                    }
                }
                Ok(format!("{image} images into {}", folder.display()))
            }
        }
    }
}
