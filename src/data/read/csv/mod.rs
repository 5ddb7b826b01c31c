//! Text of cells between commas, tabs or other delimiters, plain or gzipped.
//!
//! One scanner both reads and diagnoses, so that a message can always name row, line and column. A file without quotes
//! is scanned in parallel pieces.

mod pieces;
mod scanner;

use self::pieces::{Layout, number, scan};
use self::scanner::Scanner;
use super::{Source, Table, numbered};
use crate::data::error::DataError;
use crate::matrix::Matrix;

/// Reads the chosen columns. `delimiter`: what separates cells where the options do not say. The first line is the header
/// where they say so, or else unless all of its cells are numbers.
pub fn read(source: &Source, delimiter: u8) -> Result<Table, DataError> {
    let (path, options) = (source.path, source.options);
    // A spec takes nothing but ASCII.
    let delimiter = options.delimiter.map_or(delimiter, |character| character as u8);
    let bytes = source.contents()?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut scanner = Scanner { rest: text, line: 1, delimiter };
    scanner.skip_blank_lines();
    let (header_start, header_line) = (scanner.rest, scanner.line);
    let header = scanner.row();
    if header.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    if let [only] = &header[..]
        && let Some(separator) =
            [',', ';', '\t', '|'].into_iter().find(|other| *other as u8 != delimiter && only.contains(&(*other as u8)))
    {
        let problem = format!("its columns seem to be separated by {separator:?}; set `delimiter = {separator:?}`");
        return Err(source.damaged("CSV", problem));
    }
    let mut warnings = Vec::new();
    let named = options.header.unwrap_or_else(|| header.iter().any(|cell| number(cell).is_none()));
    let names = if named {
        header.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
    } else {
        if options.header.is_none() {
            let called = format!("x1 to x{}", header.len());
            warnings.push(format!("`{}` has no header; its columns are called {called}", path.display()));
        }
        scanner = Scanner { rest: header_start, line: header_line, delimiter };
        numbered(header.len())
    };
    let chosen = options.selection.resolve(path, &names)?;
    let mut slots = vec![None; names.len()];
    chosen.iter().enumerate().for_each(|(slot, &column)| slots[column] = Some(slot));

    let mut values = Vec::new();
    let (mut rows, mut lines) = (0, scanner.line - 1);
    let layout = Layout { slots: &slots, width: chosen.len(), delimiter };
    for piece in scan(scanner.rest, &layout, source) {
        let piece = piece.map_err(|failure| failure.at(path, &names, rows, lines))?;
        rows += piece.values.len() / chosen.len();
        lines += piece.lines;
        if values.is_empty() {
            values = piece.values;
        } else {
            values.extend_from_slice(&piece.values);
        }
    }
    let columns = chosen.iter().map(|&column| names[column].clone()).collect();
    Ok(Table { columns, rows: Matrix::new(values, chosen.len()), numbers: None, named, levels: None, warnings })
}

#[cfg(test)]
mod tests {
    use super::pieces::PIECE;
    use super::*;
    use crate::data::read::{ReadOptions, Selection, read_table};
    use std::io::Write;

    fn parse_as(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_table(&path, options, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    fn parse_bytes(bytes: &[u8], drop: &[&str]) -> Result<Table, String> {
        let drop = drop.iter().map(|name| name.to_string()).collect();
        let selection = Selection { drop, ..Selection::default() };
        parse_as("a.csv", bytes, &ReadOptions { selection, ..ReadOptions::default() })
    }

    fn parse(text: &str) -> Result<Table, String> {
        parse_bytes(text.as_bytes(), &[])
    }

    #[test]
    fn tables_are_read_as_written() {
        let cases = [
            "a,b\n1,2.5\n-3e2,.5\n",
            "a,b\r\n1,2.5\r\n-3e2,.5",
            "\u{feff}\"a\",\"b\"\n\n1, 2.5 \n\"-3e2\",\".5\"\n\n\r\n",
        ];
        for text in cases {
            let table = parse(text).unwrap();
            assert_eq!(table.columns, ["a", "b"], "{text:?}");
            assert_eq!(table.rows, Matrix::new(vec![1.0, 2.5, -300.0, 0.5], 2), "{text:?}");
            assert!(table.warnings.is_empty());
        }
    }

    #[test]
    fn a_first_line_of_numbers_is_data_and_warned_about() {
        let table = parse("1,2\n3,4\n").unwrap();
        assert_eq!(
            (table.columns, table.rows),
            (vec!["x1".into(), "x2".into()], Matrix::new(vec![1.0, 2.0, 3.0, 4.0], 2))
        );
        assert!(table.warnings[0].contains("no header"));
    }

    #[test]
    fn cells_end_where_the_format_or_the_delimiter_says() {
        let semicolon = ReadOptions { delimiter: Some(';'), ..ReadOptions::default() };
        let cases = [
            parse_as("a.tsv", b"a\tb\n1\t2\n", &ReadOptions::default()),
            parse_as("a.csv", b"a;b\n1;2\n", &semicolon),
            parse_as("a.tsv", b"a;b\n1;2\n", &semicolon),
        ];
        for table in cases {
            let table = table.unwrap();
            assert_eq!((table.columns, table.rows.as_slice()), (vec!["a".into(), "b".into()], &[1.0, 2.0][..]));
        }
        let text = parse_as("a.tsv", b"a,b\n1,2\n", &ReadOptions::default()).unwrap_err();
        assert!(text.contains("set `delimiter = ','`"), "{text}");
    }

    #[test]
    fn whether_there_is_a_header_can_be_said() {
        let with = |header| ReadOptions { header: Some(header), ..ReadOptions::default() };
        let table = parse_as("a.csv", b"1,2\n3,4\n", &with(true)).unwrap();
        assert_eq!((table.columns, table.rows.as_slice()), (vec!["1".into(), "2".into()], &[3.0, 4.0][..]));
        let table = parse_as("a.csv", b"1,2\n3,4\n", &with(false)).unwrap();
        assert!(table.columns == ["x1", "x2"] && table.rows.rows() == 2 && table.warnings.is_empty());
        let text = parse_as("a.csv", b"a,2\n3,4\n", &with(false)).unwrap_err();
        assert!(text.contains("row 1 (line 1), column `x1`: `a` is not a number"), "{text}");
    }

    #[test]
    fn text_in_a_dropped_column_does_no_harm() {
        let table = parse_bytes(b"a,note,b\n1,\"x, \"\"y\"\"\nz\",2\n3,,4\n", &["note"]).unwrap();
        assert_eq!(table.rows, Matrix::new(vec![1.0, 2.0, 3.0, 4.0], 2));
    }

    #[test]
    fn gzip_is_recognised_by_its_bytes_and_its_damage_named() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"a\n1\n2\n").unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(parse_bytes(&bytes, &[]).unwrap().rows.as_slice(), [1.0, 2.0]);
        assert!(parse_bytes(&bytes[..bytes.len() - 6], &[]).unwrap_err().contains("not a valid gzip file"));
    }

    #[test]
    fn every_fault_is_named_with_row_line_and_column() {
        let cases = [
            ("a,b\n1,2\n3\n", "row 2 (line 3): 1 cells where the first line has 2"),
            ("a,b\n1,2\n\n3,4,5\n", "row 2 (line 4): 3 cells"),
            ("1,2\n3,4,5\n", "row 2 (line 2): 3 cells"),
            ("a,b\n1,x\n", "row 1 (line 2), column `b`: `x` is not a number"),
            ("a,b\n1,\n", "row 1 (line 2), column `b`: the cell is empty"),
            ("a,b\n1,2\nNA,2\n", "row 2 (line 3), column `a`: `NA` is a missing value"),
            ("a,b\n1,2\nNaN,2\n", "column `a`: `NaN` is a missing value"),
            ("a,b\n1,-inf\n", "column `b`: `-inf` is not finite"),
            ("a,b\n1,1e39\n", "column `b`: 1e39 is beyond the range"),
            ("a,b\n1,1e999\n", "column `b`: 1e999 is beyond the range"),
            ("a,b\n\"1\n2\",3\n", "row 1 (line 2), column `a`"),
            ("a,b\n\"x\ny\",3\n1,2\n", "row 1 (line 2), column `a`"),
            ("a;b\n1;2\n", "separated by ';'"),
            ("a,a\n1,2\n", "`a` appears twice"),
            ("\n\n", "holds no rows"),
        ];
        for (text, expected) in cases {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn long_files_keep_order_and_row_numbers_across_pieces() {
        let rows = 400_000;
        let mut text = "a,b\n".to_owned();
        (0..rows).for_each(|i| text.push_str(&format!("{i},{}.25\n", i % 1000)));
        assert!(text.len() > 2 * PIECE);
        let table = parse(&text).unwrap();
        assert!(table.rows.iter_rows().enumerate().all(|(i, row)| row == [i as f64, (i % 1000) as f64 + 0.25]));
        text.push_str("\n\noops,1\n");
        assert!(parse(&text).unwrap_err().contains(&format!("row {} (line {}), column `a`", rows + 1, rows + 4)));
    }
}
