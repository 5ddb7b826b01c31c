//! NumPy's NPY: one array of any real type, C or Fortran order, either byte order.

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};

use super::{Source, Table, numbered, rounded};
use crate::data::error::DataError;
use crate::data::pixels;
use crate::shape::Shape;

/// Reads the chosen columns, called x1, x2, …; an array of one dimension is one column, one of three or four dimensions images:
/// [images, height, width] or [images, height, width, channels].
pub fn read(source: &Source) -> Result<Table, DataError> {
    decode(source, &source.bytes()?)
}

/// Reads the chosen columns of the NPY file that `bytes` are.
pub fn decode(source: &Source, bytes: &[u8]) -> Result<Table, DataError> {
    let damaged = |problem: String| source.damaged("NPY", problem);
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| damaged(error.to_string()))?;
    if header.uses_pickled_array() {
        let problem =
            "it holds pickled objects, which can run code and are not read; convert with `.astype(float)` first";
        return Err(damaged(problem.into()));
    }
    let decoder = match header.dtype() {
        DType::Plain(kind) => Decoder::of(&kind).ok_or(format!("type `{kind}` is not real numbers")),
        _ => Err("structured arrays are not read; save a plain one of shape [rows, columns]".into()),
    }
    .map_err(damaged)?;
    let (row_count, image) = match *header.shape() {
        [rows] => (rows, [1, 1, 1]),
        [rows, columns] => (rows, [1, 1, columns]),
        [rows, height, width] => (rows, [height, width, 1]),
        [rows, height, width, channels] => (rows, [height, width, channels]),
        ref shape => {
            let problem = format!(
                "its shape is {shape:?}; reshape it to [rows, columns], or to [images, height, width, channels] with the channels last"
            );
            return Err(damaged(problem));
        }
    };
    let column_count = image.iter().try_fold(1, |product: u64, length| product.checked_mul(*length));
    let Some(column_count) = column_count else { return Err(damaged(format!("its rows have {image:?} values"))) };
    let promised = u128::from(row_count) * u128::from(column_count) * decoder.size as u128;
    let bytes = rest;
    if bytes.len() as u128 != promised {
        let problem = format!("its header promises {promised} bytes of data, but {} follow", bytes.len());
        return Err(damaged(problem));
    }
    // Both fit in memory now: their product is the length of what was read (or there are no values at all).
    let (row_count, column_count) = (row_count as usize, column_count as usize);
    let [height, width, channels] = image.map(|length| length as usize);
    let shape = Shape { height, width, channels };
    let names = match (row_count, shape.is_image()) {
        (0, _) => Vec::new(),
        (_, true) => pixels::names(shape),
        (_, false) => numbered(column_count),
    };
    let order = header.order();
    let at = |row: usize, column: usize| {
        let index = match order {
            Order::C => row * column_count + column,
            Order::Fortran => {
                let (pixel, channel) = (column / channels, column % channels);
                let (y, x) = (pixel / width, pixel % width);
                ((channel * width + x) * height + y) * row_count + row
            }
        };
        decoder.decode(&bytes[index * decoder.size..(index + 1) * decoder.size])
    };
    let (columns, rows) = source.array(&names, row_count, at)?;
    let warnings = rounded(source.path, &columns, &rows, |_| decoder.is_whole).into_iter().collect();
    let levels = (shape.is_image() && decoder.is_byte).then_some(256);
    Ok(Table { columns, rows, numbers: None, weights: None, context: Vec::new(), named: false, levels, warnings })
}

/// How to read one value.
struct Decoder {
    /// Bytes of a value.
    size: usize,
    big_endian: bool,
    /// Integers, rather than floats.
    is_whole: bool,
    /// Whole numbers from 0 to 255.
    is_byte: bool,
    /// From the value's bytes in little-endian order, the rest zero.
    convert: fn([u8; 8]) -> f64,
}

impl Decoder {
    fn of(kind: &TypeStr) -> Option<Self> {
        let size = kind.num_bytes()?;
        let convert: fn([u8; 8]) -> f64 = match (kind.type_char(), size) {
            (TypeChar::Bool, 1) | (TypeChar::Uint, 1 | 2 | 4 | 8) => |bytes| u64::from_le_bytes(bytes) as f64,
            (TypeChar::Int, 1) => |bytes| f64::from(u64::from_le_bytes(bytes) as i8),
            (TypeChar::Int, 2) => |bytes| f64::from(u64::from_le_bytes(bytes) as i16),
            (TypeChar::Int, 4) => |bytes| f64::from(u64::from_le_bytes(bytes) as i32),
            (TypeChar::Int, 8) => |bytes| i64::from_le_bytes(bytes) as f64,
            (TypeChar::Float, 2) => |bytes| half(u64::from_le_bytes(bytes) as u16),
            (TypeChar::Float, 4) => |bytes| f64::from(f32::from_bits(u64::from_le_bytes(bytes) as u32)),
            (TypeChar::Float, 8) => f64::from_le_bytes,
            _ => return None,
        };
        let is_whole = matches!(kind.type_char(), TypeChar::Int | TypeChar::Uint);
        let is_byte = (kind.type_char(), size) == (TypeChar::Uint, 1);
        Some(Self { size, big_endian: kind.endianness() == Endianness::Big, is_whole, is_byte, convert })
    }

    fn decode(&self, bytes: &[u8]) -> f64 {
        let mut value = [0; 8];
        value[..self.size].copy_from_slice(bytes);
        if self.big_endian {
            value[..self.size].reverse();
        }
        (self.convert)(value)
    }
}

/// IEEE 754 half precision: 1 sign, 5 exponent and 10 fraction bits.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    let magnitude = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read::{ReadOptions, read_table};
    use crate::matrix::Matrix;

    /// An NPY file, version 1.0, built byte by byte as NumPy's format page says.
    fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        read_table(&path, &ReadOptions::default(), &|_, _, _| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn every_real_type_and_byte_order_gives_the_same_rows() {
        fn bytes<const N: usize>(convert: impl Fn(i8) -> [u8; N]) -> Vec<u8> {
            [1i8, 2, 3, 4, 5, 6].into_iter().flat_map(convert).collect()
        }
        let halves = [0x3c00u16, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600].map(u16::to_le_bytes).concat();
        let cases = [
            ("<f8", bytes(|x| f64::from(x).to_le_bytes())),
            (">f8", bytes(|x| f64::from(x).to_be_bytes())),
            ("<f4", bytes(|x| f32::from(x).to_le_bytes())),
            (">f4", bytes(|x| f32::from(x).to_be_bytes())),
            ("<f2", halves),
            ("<i4", bytes(|x| i32::from(x).to_le_bytes())),
            (">i2", bytes(|x| i16::from(x).to_be_bytes())),
            ("<i8", bytes(|x| i64::from(x).to_le_bytes())),
            ("<u4", bytes(|x| (x as u32).to_le_bytes())),
            ("|i1", bytes(|x| x.to_le_bytes())),
            ("|u1", bytes(|x| x.to_le_bytes())),
        ];
        for (kind, data) in &cases {
            let table = parse(&npy(kind, false, "(3, 2)", data)).unwrap();
            assert_eq!(table.columns, ["x1", "x2"]);
            assert_eq!(table.rows, Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), "{kind}");
            let fortran = parse(&npy(kind, true, "(3, 2)", data)).unwrap();
            assert_eq!(fortran.rows, Matrix::new(vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0], 2), "{kind}");
        }
    }

    #[test]
    fn three_and_four_dimensions_are_images() {
        // Pixel by pixel, the channels beside each other: 2 images of 2 × 3 pixels in 2 channels, as numbered in either order.
        let bytes: Vec<u8> = (0..24).collect();
        let table = parse(&npy("|u1", false, "(2, 2, 3, 2)", &bytes)).unwrap();
        assert_eq!(table.shape(), Shape { height: 2, width: 3, channels: 2 });
        assert_eq!((table.rows.as_slice()[13], table.levels), (13.0, Some(256)));
        let fortran = parse(&npy("|u1", true, "(2, 2, 3, 2)", &bytes)).unwrap();
        // NumPy's `numpy.arange(24).reshape((2, 2, 3, 2), order="F")[1].ravel()`.
        assert_eq!(fortran.rows.row(1), [1.0, 13.0, 5.0, 17.0, 9.0, 21.0, 3.0, 15.0, 7.0, 19.0, 11.0, 23.0]);
        let grey = parse(&npy("<f4", false, "(1, 2, 3)", &[0; 24])).unwrap();
        assert_eq!((grey.shape(), grey.levels), (Shape { height: 2, width: 3, channels: 1 }, None));
        assert_eq!(parse(&npy("|u1", false, "(2, 3, 1)", &[0; 6])).unwrap().columns, ["x1", "x2", "x3"]);
    }

    #[test]
    fn signs_and_small_halves_are_kept() {
        let table = parse(&npy("<i4", false, "(2,)", &[-7i32, 7].map(i32::to_le_bytes).concat())).unwrap();
        assert_eq!((table.rows.columns(), table.rows.as_slice()), (1, &[-7.0, 7.0][..]));
        assert_eq!([half(0xc000), half(0x0001), half(0x7bff)], [-2.0, 2f64.powi(-24), 65504.0]);
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn damaged_and_unfit_files_are_refused() {
        let good = npy("<f8", false, "(2, 2)", &[0; 32]);
        let with = |value: f64| npy("<f8", false, "(2, 2)", &[0.0, 0.0, 0.0, value].map(f64::to_le_bytes).concat());
        let cases = [
            (good[..good.len() - 5].to_vec(), "promises 32 bytes of data, but 27 follow"),
            (good[..20].to_vec(), "not a valid NPY file"),
            (b"hello".to_vec(), "not a valid NPY file"),
            (npy("|O", false, "(2,)", b"\x80\x04"), "pickled"),
            (npy("<c8", false, "(2,)", &[0; 16]), "`<c8` is not real numbers"),
            (npy("<f4", false, "(1, 1, 1, 1, 1)", &[0; 4]), "[1, 1, 1, 1, 1]; reshape it"),
            (npy("<f4", false, "(0, 3)", &[]), "holds no rows"),
            (with(f64::NAN), "row 2, column `x2`: `NaN` is a missing value"),
            (with(f64::NEG_INFINITY), "row 2, column `x2`: `-inf` is not finite"),
        ];
        for (bytes, expected) in cases {
            let text = parse(&bytes).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
