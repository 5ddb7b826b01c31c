//! IDX, the format of MNIST (<http://yann.lecun.com/exdb/mnist/>): big-endian arrays of any number of dimensions. The first
//! counts the rows; the others are laid out one after the other as columns. The classes of images lie in a file of their own
//! beside them, as MNIST names both.

use std::path::{Path, PathBuf};

use super::{Input, Source, Table, numbered};
use crate::data::error::DataError;
use crate::data::pixels;
use crate::shape::Shape;

/// A type of values: its code, its bytes, and how to read one.
type Kind = (u8, usize, fn(&[u8]) -> f64);

const KINDS: &[Kind] = &[
    (0x08, 1, |bytes| f64::from(bytes[0])),
    (0x09, 1, |bytes| f64::from(bytes[0] as i8)),
    (0x0b, 2, |bytes| f64::from(i16::from_be_bytes(whole(bytes)))),
    (0x0c, 4, |bytes| f64::from(i32::from_be_bytes(whole(bytes)))),
    (0x0d, 4, |bytes| f64::from(f32::from_be_bytes(whole(bytes)))),
    (0x0e, 8, |bytes| f64::from_be_bytes(whole(bytes))),
];

/// The code of bytes.
const BYTES: u8 = 0x08;

/// The column of the classes, which lie in a file of their own.
const LABEL: &str = "label";

/// How the names of both files differ, in MNIST and in what is named after it.
const IMAGES_TO_LABELS: [(&str, &str); 2] = [("images", "labels"), ("idx3", "idx1")];

/// Reads the chosen columns: `pixel_<row>_<column>` of images, otherwise x1, x2, …; behind them `label`, where the choice of
/// columns names it.
pub fn read(source: &Source) -> Result<Table, DataError> {
    let array = Array::parse(source, &source.contents()?)?;
    let mut names = match array.shape[1..] {
        [height, width] => pixels::names(Shape { height, width, channels: 1 }),
        _ => numbered(array.width()),
    };
    let labels = match source.options.selection.names(LABEL) {
        true => Some(labels(source, array.shape[0])?),
        false => None,
    };
    names.extend(labels.iter().map(|_| LABEL.to_owned()));
    let at = |row: usize, column: usize| match &labels {
        Some(labels) if column == array.width() => labels.value(row, 0),
        _ => array.value(row, column),
    };
    let (columns, rows) = source.array(&names, array.shape[0], at)?;
    Ok(Table {
        columns,
        rows,
        numbers: None,
        weights: None,
        context: Vec::new(),
        named: false,
        levels: (array.code == BYTES).then_some(256),
        warnings: Vec::new(),
    })
}

/// The classes of the images that `source` names: one for each of `images`.
fn labels(source: &Source, images: usize) -> Result<Array, DataError> {
    let refused = |problem: String| Err(DataError::Refused { path: source.path.to_owned(), problem });
    let Some(path) = labels_path(source.path) else {
        return refused(format!(
            "has no column `{LABEL}`: IDX keeps classes in a file of their own, which is looked for under the same name with \
             `labels` in place of `images`, as in train-labels-idx1-ubyte; name the files so"
        ));
    };
    if !path.is_file() {
        return refused(format!(
            "has its classes in `{}`, which is not there; put that file beside it",
            path.display()
        ));
    }
    let input = Input::file(&path);
    let beside = Source { path: &path, input: &input, ..*source };
    let array = Array::parse(&beside, &beside.contents()?)?;
    match array.width() == 1 && array.shape[0] == images {
        true => Ok(array),
        false => Err(beside.damaged(
            "IDX",
            format!("its shape {:?} is not that of one class for each of {images} images", array.shape),
        )),
    }
}

/// Where the classes of the images at `path` lie; `None`: its name does not tell.
fn labels_path(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let of_labels =
        IMAGES_TO_LABELS.iter().fold(name.to_owned(), |name, (images, labels)| name.replace(images, labels));
    name.contains(IMAGES_TO_LABELS[0].0).then(|| path.with_file_name(of_labels))
}

/// What a file holds.
struct Array {
    code: u8,
    /// One length a dimension, at least one of them.
    shape: Vec<usize>,
    values: Vec<u8>,
    size: usize,
    read: fn(&[u8]) -> f64,
}

impl Array {
    fn parse(source: &Source, bytes: &[u8]) -> Result<Self, DataError> {
        let damaged = |problem: String| source.damaged("IDX", problem);
        let [0, 0, code, dimensions, rest @ ..] = bytes else {
            return Err(damaged("it does not start with two zeros, a type and a number of dimensions".into()));
        };
        let Some(&(code, size, read)) = KINDS.iter().find(|(known, ..)| known == code) else {
            return Err(damaged(format!("its type 0x{code:02x} is none of IDX")));
        };
        let dimensions = usize::from(*dimensions);
        let Some((shape, values)) = rest.split_at_checked(4 * dimensions) else {
            return Err(damaged(format!("it ends within its {dimensions} dimensions")));
        };
        let shape: Vec<usize> = shape.chunks_exact(4).map(|four| u32::from_be_bytes(whole(four)) as usize).collect();
        let promised = shape.iter().try_fold(size, |product, length| product.checked_mul(*length));
        if dimensions == 0 || promised != Some(values.len()) {
            let problem =
                format!("its shape {shape:?} of {size}-byte values does not fit the {} bytes of data", values.len());
            return Err(damaged(problem));
        }
        // Without values, nothing bounds the other dimensions: their product could be of any size.
        if values.is_empty() {
            return Err(DataError::Empty { path: source.path.to_owned() });
        }
        Ok(Self { code, shape, values: values.to_vec(), size, read })
    }

    /// Values of a row.
    fn width(&self) -> usize {
        self.shape[1..].iter().product()
    }

    fn value(&self, row: usize, column: usize) -> f64 {
        let start = (row * self.width() + column) * self.size;
        (self.read)(&self.values[start..start + self.size])
    }
}

fn whole<const N: usize>(bytes: &[u8]) -> [u8; N] {
    // The caller passes exactly this many bytes.
    bytes.try_into().expect("the bytes of one value")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::data::read::{ReadOptions, Selection, read_column, read_table};
    use crate::spec::ColumnName;

    fn parse(name: &str, bytes: &[u8]) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_table(&path, &ReadOptions::default(), &|_, _, _| {}).map_err(|error| error.to_string())
    }

    /// Two images of 2 × 3 bytes.
    const IMAGES: &[u8] = &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 255];

    #[test]
    fn images_become_rows_of_pixels_gzipped_or_not() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(IMAGES).unwrap();
        for (name, bytes) in [("t-images-idx3-ubyte", IMAGES), ("a.idx.gz", &gzip.finish().unwrap())] {
            let table = parse(name, bytes).unwrap();
            assert_eq!(table.columns[..4], ["pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_1_0"]);
            assert_eq!(table.rows.as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 255.0]);
            assert_eq!((table.rows.rows(), table.levels), (2, Some(256)));
        }
    }

    #[test]
    fn classes_are_read_from_the_file_beside_the_images() {
        let folder = tempfile::tempdir().unwrap();
        let of_name = |name: &str| folder.path().join(name);
        std::fs::write(of_name("t-images-idx3-ubyte"), IMAGES).unwrap();
        std::fs::write(of_name("odd.idx"), IMAGES).unwrap();
        let read = |name: &str, drop: &[&str]| {
            let selection = Selection {
                weight: drop.is_empty().then(|| ColumnName::Name(LABEL.to_owned())),
                drop: drop.iter().map(|name| name.to_string()).collect(),
                ..Selection::default()
            };
            let options = ReadOptions { selection, ..ReadOptions::default() };
            read_table(&of_name(name), &options, &|_, _, _| {}).map_err(|error| error.to_string())
        };
        let column = |name: &str| {
            let input = Input::file(&of_name("t-images-idx3-ubyte"));
            read_column(&input, &ReadOptions::default(), name, &|_, _, _| {}).unwrap()
        };
        assert_eq!(column(LABEL), None);
        let text = read("t-images-idx3-ubyte", &[]).unwrap_err();
        assert!(text.contains("t-labels-idx1-ubyte`, which is not there"), "{text}");
        let text = read("odd.idx", &[]).unwrap_err();
        assert!(text.contains("no column `label`") && text.contains("train-labels-idx1-ubyte"), "{text}");
        for (labels, problem) in [(&[3, 5][..], None), (&[3, 5, 6], Some("[3] is not that of one class for each of 2"))]
        {
            let bytes = [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8][..], labels].concat();
            std::fs::write(of_name("t-labels-idx1-ubyte"), bytes).unwrap();
            match (read("t-images-idx3-ubyte", &[]), problem) {
                (Ok(table), None) => {
                    assert_eq!(table.weights.as_ref().unwrap(), &(LABEL.to_owned(), vec![3.0, 5.0]));
                    assert_eq!(table.rows.as_slice()[..7], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0]);
                    let classes = column(LABEL).unwrap();
                    assert_eq!(classes.f64().unwrap().into_no_null_iter().collect::<Vec<_>>(), [3.0, 5.0]);
                    assert_eq!((column("pixel_0_1").unwrap().len(), column("lable")), (2, None));
                }
                (Err(text), Some(problem)) => assert!(text.contains(problem), "{text}"),
                (read, _) => panic!("{read:?}"),
            }
        }
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let file = |code: u8, data: &[u8]| [&[0, 0, code, 1, 0, 0, 0, 2][..], data].concat();
        let cases = [
            file(0x09, &[-3i8 as u8, 4]),
            file(0x0b, &[-3i16, 4].map(i16::to_be_bytes).concat()),
            file(0x0c, &[-3i32, 4].map(i32::to_be_bytes).concat()),
            file(0x0d, &[-3f32, 4.0].map(f32::to_be_bytes).concat()),
            file(0x0e, &[-3f64, 4.0].map(f64::to_be_bytes).concat()),
        ];
        for bytes in cases {
            // One dimension: one column.
            let table = parse("a.idx", &bytes).unwrap();
            assert_eq!((table.rows.as_slice(), table.levels), (&[-3.0, 4.0][..], None), "type {}", bytes[2]);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let cases = [
            (IMAGES[..20].to_vec(), "does not fit the 4 bytes"),
            (IMAGES[..10].to_vec(), "ends within its 3 dimensions"),
            (b"\x00\x00\x07\x01".to_vec(), "type 0x07"),
            (b"\x00\x00\x08\x00".to_vec(), "does not fit"),
            (b"hello".to_vec(), "two zeros"),
            (b"\x00\x00\x08\x01\x00\x00\x00\x00".to_vec(), "holds no rows"),
            ([&[0, 0, 0x0d, 1, 0, 0, 0, 1][..], &f32::NAN.to_be_bytes()].concat(), "row 1, column `x1`: `NaN` is a"),
        ];
        for (bytes, expected) in cases {
            let text = parse("a.idx", &bytes).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
