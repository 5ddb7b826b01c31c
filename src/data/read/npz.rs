//! NumPy's NPZ: a zip archive of NPY files.

use std::io::BufReader;

use zip::ZipArchive;

use super::contents::unfold;
use super::{Source, Table, npy};
use crate::data::error::{DataError, near_names};
use crate::data::quote::{listed, quoted};

/// Reads the array that the options' `key` names, or the only one.
pub fn read(source: &Source) -> Result<Table, DataError> {
    let file = source.input.open()?;
    let damaged = |error: zip::result::ZipError| source.damaged("NPZ", error);
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let keys: Vec<String> =
        archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect();
    let key = match (&source.options.key, &keys[..]) {
        (Some(key), _) if keys.contains(key) => key,
        (None, [only]) => only,
        (Some(key), _) => {
            let problem =
                format!("it has no array {}{}", quoted(key), near_names(key, keys.iter().map(String::as_str)));
            return Err(source.damaged("NPZ", problem));
        }
        (None, []) => return Err(source.damaged("NPZ", "it holds no arrays")),
        (None, many) => {
            let names = listed(many.iter().map(String::as_str));
            return Err(source.damaged("NPZ", format!("it holds several arrays; set `key` to one of {names}")));
        }
    };
    let entry = archive.by_name(&format!("{key}.npy")).map_err(damaged)?;
    let compressed = entry.compressed_size();
    let bytes = unfold(entry, compressed).map_err(|problem| source.damaged("NPZ", problem))?;
    npy::decode(source, &bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::data::read::{ReadOptions, read_table};
    use crate::data::{Column, write_table};

    /// The options as NumPy's `savez_compressed` has them.
    fn archive(arrays: &[(&str, Vec<f64>)], key: Option<&str>) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, values) in arrays {
            let array = folder.path().join("a.npy");
            write_table(&array, &[("x".into(), Column::F64(values.clone()))]).unwrap();
            zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            zip.write_all(&std::fs::read(array).unwrap()).unwrap();
        }
        zip.finish().unwrap();
        let options = ReadOptions { key: key.map(str::to_owned), ..ReadOptions::default() };
        read_table(&path, &options, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn the_array_asked_for_is_read() {
        let two = [("train", vec![1.0, 2.0]), ("test", vec![3.0])];
        assert_eq!(archive(&two, Some("test")).unwrap().rows.as_slice(), [3.0]);
        assert_eq!(archive(&two[..1], None).unwrap().rows.as_slice(), [1.0, 2.0]);
    }

    #[test]
    fn the_arrays_are_named_where_none_is_meant() {
        let two = [("train", vec![1.0, 2.0]), ("test", vec![f64::NAN])];
        let cases = [
            (archive(&two, None), "set `key` to one of `train`, `test`"),
            (archive(&two, Some("tset")), "no array `tset`; did you mean `test`?"),
            (archive(&[], None), "holds no arrays"),
            (archive(&two, Some("test")), "row 1, column `x1`: `NaN` is a missing value"),
        ];
        for (result, expected) in cases {
            let text = result.unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
    #[test]
    fn an_archive_that_swells_beyond_measure_is_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file("x.npy", SimpleFileOptions::default()).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..300).for_each(|_| zip.write_all(&zeros).unwrap());
        zip.finish().unwrap();
        let text = read_table(&path, &ReadOptions::default(), &|_, _, _| {}).unwrap_err().to_string();
        assert!(text.contains("unfold to more than 268.4 MB"), "{text}");
    }
}
