//! IDX, the format of MNIST (<http://yann.lecun.com/exdb/mnist/>): big-endian arrays of any number of dimensions. The first
//! counts the rows; the others are laid out one after the other as columns.

use super::{Source, Table, numbered};
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

/// Reads the chosen columns: `pixel_<row>_<column>` of images, otherwise x1, x2, …
pub fn read(source: &Source) -> Result<Table, DataError> {
    let bytes = source.contents()?;
    let damaged = |problem: String| source.damaged("IDX", problem);
    let [0, 0, code, dimensions, rest @ ..] = &bytes[..] else {
        return Err(damaged("it does not start with two zeros, a type and a number of dimensions".into()));
    };
    let Some(&(_, size, value)) = KINDS.iter().find(|(known, ..)| known == code) else {
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
    // Without values, nothing bounds the other dimensions: their product below could be of any size.
    if values.is_empty() {
        return Err(DataError::Empty { path: source.path.to_owned() });
    }
    let width: usize = shape[1..].iter().product();
    let names = match shape[1..] {
        [height, width] => pixels::names(Shape { height, width, channels: 1 }),
        _ => numbered(width),
    };
    let at = |row: usize, column: usize| {
        let start = (row * width + column) * size;
        value(&values[start..start + size])
    };
    let (columns, rows) = source.array(&names, shape[0], at)?;
    let levels = (*code == 0x08).then_some(256);
    Ok(Table {
        columns,
        rows,
        numbers: None,
        weights: None,
        context: Vec::new(),
        named: false,
        levels,
        warnings: Vec::new(),
    })
}

fn whole<const N: usize>(bytes: &[u8]) -> [u8; N] {
    // The caller passes exactly this many bytes.
    bytes.try_into().expect("the bytes of one value")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::data::read::{ReadOptions, read_table};

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
