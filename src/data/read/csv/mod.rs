//! Text of cells between commas, tabs or other delimiters, plain or gzipped.
//!
//! Bytes become UTF-8 (`text`), what stands above the rows names the columns (`header`), and the rows become numbers
//! (`pieces`, `number`). One scanner both reads and diagnoses, so that a message can always name row, line and column. A
//! file without quotes is scanned in parallel pieces. Where a row does not fit, `guess` says what would.

mod columns;
mod guess;
mod header;
mod number;
mod pieces;
mod scanner;
mod strays;
mod text;

use self::guess::Way;
use self::pieces::{Layout, scan};
use self::scanner::Scanner;
use super::{ReadOptions, Source, Table, rounded, signature};
use crate::data::error::{CellProblem, DataError};
use crate::matrix::Matrix;
use crate::spec::{Decimal, FileFormat};

pub use self::columns::{columns, typed};

/// What to do about a file whose first line is a row.
const NAMELESS: &str =
    ": its first line names no columns, and they are looked for by name; put a line of names above its rows";

/// Reads the chosen columns. `delimiter`: what separates cells where the options do not say. The first line is the header
/// where they say so, or else unless it looks like a row.
pub fn read(source: &Source, delimiter: u8) -> Result<Table, DataError> {
    let (path, options) = (source.path, source.options);
    let bytes = source.contents()?;
    // What a gzipped file holds may be of another kind, too.
    signature::check(path, &bytes[..bytes.len().min(signature::START)], FileFormat::Csv)?;
    let text = text::decode(&bytes).map_err(|problem| source.damaged("CSV", problem))?;
    let (rest, way) = way(&text.bytes, options, delimiter);
    let better = || guess::advice(rest, way).map(|advice| source.damaged("CSV", advice));

    let top = header::read(rest, way, options.header).map_err(|problem| source.damaged("CSV", problem))?;
    let names = top.names;
    if names.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    if let [_] = names[..]
        && let Some(error) = better()
    {
        return Err(error);
    }
    let mut warnings: Vec<String> = text.warning.map(str::to_owned).into_iter().chain(top.warnings).collect();
    warnings.iter_mut().for_each(|warning| *warning = format!("`{}` {warning}", path.display()));
    let chosen = options.selection.resolve(path, &names).map_err(|error| match top.named {
        true => error,
        false => error.of_nameless(names.len(), Some(NAMELESS)),
    })?;
    let mut slots = vec![None; names.len()];
    chosen.iter().enumerate().for_each(|(slot, &column)| slots[column] = Some(slot));

    // The pieces, and what they are put together to.
    source.room_for(top.rows.rest.iter().filter(|byte| **byte == b'\n').count(), chosen.len(), 2)?;
    let mut values = Vec::new();
    let mut whole = vec![false; chosen.len()];
    let (mut rows, mut lines) = (0, top.rows.line - 1);
    let layout = Layout { slots: &slots, width: chosen.len(), delimiter: way.delimiter, decimal: way.decimal };
    for piece in scan(top.rows.rest, &layout, source) {
        let piece = piece.map_err(|failure| {
            let mut error = failure.at(path, &names, rows, lines);
            if is_of_the_format(&error)
                && let Some(better) = better()
            {
                return better;
            }
            if let DataError::Cell { place, problem: CellProblem::Text { strays, .. } } = &mut error
                && let Some(column) = names.iter().position(|name| *name == place.column)
            {
                *strays = Some(Box::new(strays::count(Scanner { ..top.rows }, column, way.decimal)));
            }
            error
        })?;
        rows += piece.values.len() / chosen.len();
        lines += piece.lines;
        whole.iter_mut().zip(&piece.rounded).for_each(|(all, one)| *all |= one);
        if values.is_empty() {
            values = piece.values;
        } else {
            values.extend_from_slice(&piece.values);
        }
    }
    let columns: Vec<String> = chosen.iter().map(|&column| names[column].clone()).collect();
    let rows = Matrix::new(values, chosen.len());
    warnings.extend(rounded(path, &columns, &rows, |column| whole[column]));
    Ok(Table {
        columns,
        rows,
        numbers: None,
        weights: None,
        context: Vec::new(),
        named: top.named,
        levels: None,
        warnings,
    })
}

/// On which line a data row stands, both from 1; `None`: the text ends before it.
pub fn line_of(source: &Source, delimiter: u8, row: usize) -> Result<Option<usize>, DataError> {
    let bytes = source.contents()?;
    let text = text::decode(&bytes).map_err(|problem| source.damaged("CSV", problem))?;
    let (rest, way) = way(&text.bytes, source.options, delimiter);
    let top = header::read(rest, way, source.options.header).map_err(|problem| source.damaged("CSV", problem))?;
    let mut rows = top.rows;
    rows.skip_blank_lines();
    for _ in 1..row {
        rows.row();
        rows.skip_blank_lines();
    }
    Ok((!rows.rest.is_empty()).then_some(rows.line))
}

/// What separates the cells of the file and stands before its decimals, as its first rows look; `delimiter`: where they do not
/// speak against it.
pub fn look(source: &Source, delimiter: u8) -> Result<(char, Decimal), DataError> {
    let bytes = source.contents()?;
    let text = text::decode(&bytes).map_err(|problem| source.damaged("CSV", problem))?;
    let (rest, present) = way(&text.bytes, source.options, delimiter);
    let Way { delimiter, decimal } = guess::better(rest, present).unwrap_or(present);
    Ok((char::from(delimiter), decimal))
}

/// How `text` is read, and the part of it that holds cells; `delimiter`: where nothing else tells it.
fn way<'a>(text: &'a [u8], options: &ReadOptions, delimiter: u8) -> (&'a [u8], Way) {
    // A spec takes nothing but ASCII.
    let delimiter = options.delimiter.map_or(delimiter, |character| character as u8);
    let (rest, delimiter) = excel_delimiter(text).unwrap_or((text, delimiter));
    (rest, Way { delimiter, decimal: options.decimal })
}

/// Whether another delimiter or decimal sign may be the remedy.
fn is_of_the_format(error: &DataError) -> bool {
    matches!(error, DataError::Ragged { .. } | DataError::Cell { problem: CellProblem::Text { .. }, .. })
}

/// The delimiter that a first line `sep=;` tells, as Excel writes and reads it, and the text below that line.
fn excel_delimiter(text: &[u8]) -> Option<(&[u8], u8)> {
    let (&delimiter, rest) = text.strip_prefix(b"sep=")?.split_first()?;
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n")?;
    delimiter.is_ascii().then_some((rest, delimiter))
}

#[cfg(test)]
mod tests {
    use super::pieces::PIECE;
    use super::*;
    use crate::data::read::Incomplete;
    use crate::data::read::{Selection, read_table};
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

    /// Text, the names and the values that it is read as, and a word of its only warning, if it has one.
    type Reading = (&'static str, &'static [&'static str], &'static [f64], &'static str);

    #[track_caller]
    fn reads_as((text, names, values, warning): Reading, options: &ReadOptions) {
        let table = parse_as("a.csv", text.as_bytes(), options).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let read = table.rows.as_slice().to_vec();
        assert_eq!(
            (table.columns.iter().map(String::as_str).collect::<Vec<_>>(), &read[..]),
            (names.to_vec(), values),
            "{text:?}"
        );
        assert_eq!(table.warnings.len(), usize::from(!warning.is_empty()), "{text:?}: {:?}", table.warnings);
        assert!(table.warnings.iter().all(|said| said.contains(warning)), "{text:?}: {:?}", table.warnings);
    }

    #[test]
    fn a_first_line_is_a_header_unless_it_looks_like_a_row() {
        let cases: [Reading; 8] = [
            ("True,2\nFalse,4\n", &["x1", "x2"], &[1.0, 2.0, 0.0, 4.0], "no header"),
            ("0,1\n3,4\n", &["x1", "x2"], &[0.0, 1.0, 3.0, 4.0], "the names that pandas gives"),
            (",0,1\n0,3,4\n", &["Unnamed: 0", "0", "1"], &[0.0, 3.0, 4.0], "`drop = [\"Unnamed: 0\"]`"),
            (",a\n0,3\n1,4\n", &["Unnamed: 0", "a"], &[0.0, 3.0, 1.0, 4.0], "`drop = [\"Unnamed: 0\"]`"),
            (",Unnamed: 0,a\n0,1,3\n", &["Unnamed: 0.1", "Unnamed: 0", "a"], &[0.0, 1.0, 3.0], "Unnamed: 0.1"),
            ("id,2019\n1,3\n", &["id", "2019"], &[1.0, 3.0], "set `header = false`"),
            ("\"a b\", c \n1,2\n", &["a b", "c"], &[1.0, 2.0], ""),
            ("a,b\n1,2", &["a", "b"], &[1.0, 2.0], ""),
        ];
        for case in cases {
            reads_as(case, &ReadOptions::default());
        }
    }

    #[test]
    fn a_first_row_that_starts_with_a_missing_value_is_no_header() {
        for text in ["NA,2\n3,4\n", ",2\n3,4\n", "nan,2\n3,4\n"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("row 1 (line 1), column `x1`"), "{text:?}: {error}");
            let options = ReadOptions { incomplete: Incomplete::LeftOut, ..ReadOptions::default() };
            let table = parse_as("a.csv", text.as_bytes(), &options).unwrap();
            assert_eq!((table.columns, table.rows.as_slice()), (vec!["x1".into(), "x2".into()], &[3.0, 4.0][..]));
            let expected = ["no header", "1 of 2 rows have missing values"];
            assert!(
                table.warnings.iter().zip(expected).all(|(said, part)| said.contains(part)),
                "{:?}",
                table.warnings
            );
        }
    }

    #[test]
    fn classes_at_the_end_of_rows_are_no_header() {
        let label = Some(crate::spec::ColumnName::Number(-1));
        let options = ReadOptions { selection: Selection { label, ..Selection::default() }, ..ReadOptions::default() };
        let text = "5.5,3.5,setosa\n4.75,3.0,setosa\n7.0,3.25,versicolor\n";
        reads_as((text, &["x1", "x2"], &[5.5, 3.5, 4.75, 3.0, 7.0, 3.25], "no header"), &options);
    }

    #[test]
    fn a_delimiter_at_the_end_of_every_line_starts_no_column() {
        let cases: [Reading; 5] = [
            ("a,b,\n1,2,\n3,4, \r\n", &["a", "b"], &[1.0, 2.0, 3.0, 4.0], ""),
            ("a,b\n1,2,\n3,4,\n", &["a", "b"], &[1.0, 2.0, 3.0, 4.0], ""),
            ("1,2,\n3,4,\n", &["x1", "x2"], &[1.0, 2.0, 3.0, 4.0], "no header"),
            ("a,b,\n1,2,5\n", &["a", "b", "Unnamed: 2"], &[1.0, 2.0, 5.0], "Unnamed: 2"),
            ("a\n1,\n2,\n", &["a"], &[1.0, 2.0], ""),
        ];
        for case in cases {
            reads_as(case, &ReadOptions::default());
        }
    }

    #[test]
    fn comments_at_the_top_are_left_out_unless_they_name_the_columns() {
        let cases: [Reading; 6] = [
            ("# made in 2020\n#\n\na,b\n1,2\n", &["a", "b"], &[1.0, 2.0], "2 lines at its top"),
            ("# a,b\n1,2\n", &["a", "b"], &[1.0, 2.0], ""),
            ("# by me\n# a,b\n1,2\n", &["a", "b"], &[1.0, 2.0], "1 line at its top"),
            ("#made by me\na,b\n1,2\n", &["a", "b"], &[1.0, 2.0], "1 line at its top"),
            ("sep=;\r\na;b\r\n1;2\r\n", &["a", "b"], &[1.0, 2.0], ""),
            ("sep=\t\na\tb\n1\t2\n", &["a", "b"], &[1.0, 2.0], ""),
        ];
        for case in cases {
            reads_as(case, &ReadOptions::default());
        }
    }

    #[test]
    fn names_behind_a_comment_sign_stay_names_where_a_header_is_promised_and_faulty_cells_are_no_comments() {
        let with = |header| ReadOptions { header: Some(header), ..ReadOptions::default() };
        for text in ["# a,b\n1,2\n3,4\n", "#a,b\n1,2\n3,4\n", "# note\n# a,b\n1,2\n3,4\n"] {
            let table = parse_as("a.csv", text.as_bytes(), &with(true)).unwrap();
            assert_eq!(
                (&table.columns[..], table.rows.as_slice()),
                (&["a", "b"].map(String::from)[..], &[1.0, 2.0, 3.0, 4.0][..])
            );
        }
        let table = parse_as("a.csv", b"1,2\n3,4\n", &with(true)).unwrap();
        assert!(table.warnings[0].contains("looks like a row of values"), "{:?}", table.warnings);
        let text = parse_as("a.csv", b"#N/A,1\n2,3\n", &with(false)).unwrap_err();
        assert!(text.contains("row 1") && text.contains("`#N/A`"), "{text}");
    }

    #[test]
    fn excel_in_europe_and_tables_between_blanks_are_read_as_told() {
        let (comma, point) = (Decimal::Comma, Decimal::Point);
        let cases: [(char, Decimal, Reading); 4] = [
            (';', comma, ("\u{feff}a;b\r\n1,5;-2\r\n", &["a", "b"], &[1.5, -2.0], "")),
            ('\t', comma, ("a\tb\n1,5\t2,25\n", &["a", "b"], &[1.5, 2.25], "")),
            (',', comma, ("a,b\n\"1,5\",\"2,5\"\n", &["a", "b"], &[1.5, 2.5], "")),
            (' ', point, ("  a   b\n 1.5  2\n10.5 20 \n", &["a", "b"], &[1.5, 2.0, 10.5, 20.0], "")),
        ];
        for (delimiter, decimal, case) in cases {
            reads_as(case, &ReadOptions { delimiter: Some(delimiter), decimal, ..ReadOptions::default() });
        }
    }

    #[test]
    fn what_only_seems_to_be_a_table_is_refused_in_a_short_line() {
        let long = "x".repeat(1 << 20);
        let cases = [
            ("a,b\n\"1\"5,2\n".to_owned(), "line 2: text stands behind a closing quote"),
            ("a,b\n1,2\n\"3,4\n5,6\n".to_owned(), "line 3: a quote that is opened in this row is never closed"),
            ("\"a,b\n1,2\n".to_owned(), "never closed"),
            ("a;b\n1,5;2,5\n".to_owned(), "set `delimiter = ';'` and `decimal = ','`"),
            ("1,5;2,5\n3,5;4,5\n".to_owned(), "set `delimiter = ';'` and `decimal = ','`"),
            ("a\tb\n1\t2\n".to_owned(), "set `delimiter = \"\\t\"`"),
            ("a,b\n1,2\n1,\u{1b}[2J\n".to_owned(), "`\\u001b[2J` is not a number"),
            (format!("a,b\n1,2\n1,{long}\n"), "(1048576 characters) is not a number"),
            (format!("{long},b\n1,2\n"), "(1048576 characters) is no name"),
            (format!("a,b\n1,2\n1,{}\n", "9".repeat(1 << 20)), "is beyond the range"),
            ("a,b\n1,2\n\0,3\n".to_owned(), "zero bytes"),
        ];
        for (text, expected) in cases {
            let message = parse(&text).unwrap_err();
            assert!(message.contains(expected) && message.len() < 600, "{message}");
            assert!(!message.contains('\u{1b}'), "{message:?}");
        }
        let options = ReadOptions { incomplete: Incomplete::LeftOut, ..ReadOptions::default() };
        let message = parse_as("a.csv", b"a,b\n1,\n2,NA\n", &options).unwrap_err();
        assert!(message.contains("nothing stands in `b`: leave out such columns with `drop = [\"b\"]`"), "{message}");
    }

    #[test]
    fn a_name_that_several_columns_have_stays_with_the_first() {
        let cases: [Reading; 3] = [
            ("a,b,a\n1,2,3\n", &["a", "b", "a.1"], &[1.0, 2.0, 3.0], "the later `a` is called `a.1`"),
            ("a,a,a\n1,2,3\n", &["a", "a.1", "a.2"], &[1.0, 2.0, 3.0], "the later `a` is called `a.2`"),
            ("a,a.1,a\n1,2,3\n", &["a", "a.1", "a.2"], &[1.0, 2.0, 3.0], "the later `a` is called `a.2`"),
        ];
        for case in cases {
            reads_as(case, &ReadOptions::default());
        }
        assert_eq!(parse_bytes(b"a,b,a\n1,2,x\n", &["a.1"]).unwrap().columns, ["a", "b"]);
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
            ("a,b\n1,1e399\n", "column `b`: 1e399 is beyond the range"),
            ("a,b\n1,1e999\n", "column `b`: 1e999 is beyond the range"),
            ("a,b\n\"1\n2\",3\n", "row 1 (line 2), column `a`"),
            ("a,b\n\"x\ny\",3\n1,2\n", "row 1 (line 2), column `a`"),
            ("a;b\n1;2\n", "separated by ';'"),
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
