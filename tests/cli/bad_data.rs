//! Data that cannot be learned from: refused before anything starts, with file, row and column.

use std::process::Command;

use crate::workplace::{Ended, Workplace};

/// A table of 100 rows whose line `broken` (from 1, the header is line 1) is another one.
fn table(broken: usize, line: &str) -> Vec<u8> {
    let good = |i: usize| format!("{},{},{}", i * 37 % 101, (i as f64).sin(), (i as f64).cos());
    let lines = (2..=101).map(|i| if i == broken { line.to_owned() } else { good(i) });
    let lines: Vec<String> = ["a,b,c".to_owned()].into_iter().chain(lines).collect();
    (lines.join("\n") + "\n").into_bytes()
}

/// A NumPy file of 100 × 3 doubles, `value` in row 42, column x2.
fn npy(value: f64) -> Vec<u8> {
    let mut header = "{'descr': '<f8', 'fortran_order': False, 'shape': (100, 3), }".to_owned();
    // Magic and length are 10 bytes; data start at a multiple of 64.
    header += &" ".repeat(127 - 10 - header.len());
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    for i in 0..300 {
        let number = if i == 41 * 3 + 1 { value } else { f64::from(i).sin() };
        file.extend(number.to_le_bytes());
    }
    file
}

#[test]
fn bad_data_are_refused_by_file_row_and_column_and_nothing_is_written() {
    let constant = String::from_utf8(table(0, "")).expect("text");
    let constant: String = constant
        .lines()
        .map(|line| format!("{}\n", line.replace("a,b,c", "a,b,c,d") + if line == "a,b,c" { "" } else { ",7" }))
        .collect();
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("ragged.csv", table(43, "1,2"), &["`ragged.csv`", "row 42 (line 43)", "2 cells", "3"]),
        ("text.csv", table(43, "1,abc,3"), &["`text.csv`", "row 42 (line 43)", "column `b`", "`abc` is not a number"]),
        ("nan.csv", table(43, "1,2,NaN"), &["`nan.csv`", "row 42 (line 43)", "column `c`", "`NaN` is a missing value"]),
        ("gap.csv", table(43, "1,,3"), &["`gap.csv`", "row 42 (line 43)", "column `b`", "the cell is empty"]),
        ("infinite.csv", table(43, "inf,2,3"), &["`infinite.csv`", "row 42", "column `a`", "not finite"]),
        ("constant.csv", constant.into_bytes(), &["`constant.csv`", "column `d` is 7", "drop = [\"d\"]"]),
        (
            "few.csv",
            b"a,b\n1,2\n3,1\n5,9\n2,2\n8,1\n4,4\n6,0\n7,3\n9,8\n0,5\n".to_vec(),
            &["`few.csv`", "8 training rows", "a batch of 32"],
        ),
        ("empty.csv", Vec::new(), &["`empty.csv` holds no rows"]),
        ("header.csv", b"a,b,c\n".to_vec(), &["`header.csv` holds no rows"]),
        ("semicolons.csv", b"a;b\n1;2\n".to_vec(), &["`semicolons.csv`", "set `delimiter = ';'`"]),
        ("excel.csv", b"a;b\n1,5;2,5\n".to_vec(), &["set `delimiter = ';'` and `decimal = ','`"]),
        ("parquet.csv", b"PAR1\x15\x04".to_vec(), &["`parquet.csv` is a Parquet file", "set `format = \"parquet\"`"]),
        ("quote.csv", table(43, "1,\"2\"5,3"), &["`quote.csv`, line 43", "behind a closing quote"]),
        ("escape.csv", table(43, "1,\u{1b}[2J,3"), &["column `b`: `\\u001b[2J` is not a number"]),
        ("cut.npy", npy(0.5)[..1000].to_vec(), &["`cut.npy`", "promises 2400 bytes", "872 follow"]),
        ("head.npy", npy(0.5)[..50].to_vec(), &["`head.npy` is not a valid NPY file"]),
        ("nan.npy", npy(f64::NAN), &["`nan.npy`, row 42, column `x2`", "NaN"]),
        ("text.npy", b"hello".to_vec(), &["`text.npy` is not a valid NPY file"]),
        ("cut.parquet", b"PAR1 and no more".to_vec(), &["`cut.parquet` is not a valid Parquet file"]),
        ("sheet.xlsx", b"PK".to_vec(), &["sheet.xlsx", "one of `csv`, `tsv`, `parquet`, `npy`"]),
    ];
    let here = Workplace::new();
    for (name, content, parts) in cases {
        here.write(name, content);
        here.write("data.toml", format!("[dataset]\npath = \"{name}\"\n[training]\nsteps = 5\nbatch_size = 32\n"));
        let before = here.files();
        for command in ["data.toml", "check data.toml", "plan data.toml"] {
            let ended = here.runner(command);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name}: {ended:?}");
            ended.says(parts);
            assert!(!here.path("results").exists(), "{name}");
        }
        assert_eq!(here.files(), before, "{name}");
    }
}

#[test]
fn columns_that_the_file_does_not_have_are_refused_with_those_it_has() {
    let here = Workplace::new();
    here.write("good.csv", table(0, ""));
    here.write("good.toml", "[dataset]\npath = \"good.csv\"\n[training]\nsteps = 5\nbatch_size = 32\n");
    here.runner("good.toml --set dataset.drop=[\"d\"]")
        .expect(2)
        .says(&["`good.csv` has no column `d`", "`a`, `b`, `c`"]);
    here.runner("good.toml --set dataset.columns=[\"b\",\"a\"]").expect(0);
    // NumPy's files are well when they are whole.
    here.write("good.npy", npy(0.5));
    here.runner("good.toml --set dataset.path=\"good.npy\"").expect(0);
}

#[test]
fn rows_of_a_toy_beyond_memory_are_refused_with_both_sizes() {
    let here = Workplace::new();
    here.write("moons.toml", "[dataset]\nname = \"moons\"\ntrain = 1_000_000_000\n");
    for command in ["check", "plan", "run"] {
        // Whatever the machine has, this process may take 8 GB.
        let script = format!("ulimit -v 8000000; exec \"$0\" {command} moons.toml");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_runner")]).current_dir(here.path(""));
        let told = [
            "`dataset.train = 1000000000`: the rows of all parts take about 24.0 GB of memory, and ",
            " GB are free",
            "train = \"fresh\"",
        ];
        Ended::of(&mut shell).expect(2).says(&told);
        assert!(!here.path("results").exists());
    }
}

#[test]
fn devices_and_pipes_are_no_data() {
    let here = Workplace::new();
    here.write("zero.toml", "[dataset]\npath = \"/dev/zero\"\nformat = \"csv\"\n");
    here.runner("check zero.toml").expect(2).says(&["`/dev/zero` is a device, not a file"]);
}

#[test]
fn a_file_to_score_is_read_as_the_command_line_says() {
    let here = Workplace::new();
    here.write("good.csv", table(0, ""));
    here.write("good.toml", "[dataset]\npath = \"good.csv\"\n[training]\nsteps = 5\nbatch_size = 32\n");
    here.runner("good.toml").expect(0);
    let run = here.run_folder("results/good", 0);
    let text = String::from_utf8(table(0, "")).expect("text");
    here.write("good.txt", text.replace(',', ";").replace('.', ","));
    let score = |data: &str, output: &str| here.runner(&format!("score {} --data {data} -o {output}", run.display()));
    score("good.csv", "one.csv").expect(0);
    score("good.txt --format csv --delimiter ; --decimal ,", "other.csv").expect(0);
    assert_eq!(here.files()[&here.path("one.csv")], here.files()[&here.path("other.csv")]);
    score("good.txt --format csv", "none.csv").expect(2).says(&["set `delimiter = ';'` and `decimal = ','`"]);
    score("good.csv --decimal x", "none.csv").expect(2).says(&["it is `.` or `,`"]);
}

/// 200 rows of numbers and words; of `turbidity` two cells are neither numbers nor missing.
fn lakes() -> String {
    let row = |i: usize| {
        let depth = (i as f64 * 0.37).sin() + (i as f64 * 1.7).cos();
        let turbidity = match i {
            49 => "<0.5".to_owned(),
            120 => "n.d.".to_owned(),
            _ => (depth.exp() + 0.1).to_string(),
        };
        format!("S{i},{depth},{turbidity},{}\n", ["spring", "summer", "autumn", "winter"][i % 4])
    };
    (0..200).fold("sample_id,depth,turbidity,season\n".to_owned(), |text, i| text + &row(i))
}

#[test]
fn a_few_cells_that_are_no_numbers_are_counted_and_few_words_are_known_for_classes() {
    let here = Workplace::new();
    here.write("lakes.csv", lakes());
    let told = here.runner("init --data lakes.csv").expect(0).stdout;
    for part in [
        "`turbidity` is left out: 2 of 200 cells are no numbers, first `<0.5` in row 50 (line 51)",
        "left out, for it is text: `sample_id`, `season`",
        "`season` has 4 different words: named in `context`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("`sample_id` has"), "{told}");
    here.runner("check lakes.toml").expect(0);
}

#[test]
fn a_cell_is_told_by_what_its_column_holds() {
    let here = Workplace::new();
    here.write("lakes.csv", lakes());
    let check = |drop: &str, more: &str| {
        here.write("a.toml", format!("[dataset]\npath = \"lakes.csv\"\ndrop = [{drop}]\n{more}"));
        here.runner("check a.toml").expect(2)
    };
    check("\"sample_id\", \"season\"", "").says(&[
        "row 50 (line 51), column `turbidity`: `<0.5` is not a number, as 2 of 200 cells of the column",
        "empty them and set `missing = \"drop\"`",
    ]);
    check("\"sample_id\", \"turbidity\"", "").says(&["the column has 4 different words", "`dataset.context`"]);
    check("\"season\", \"turbidity\"", "").says(&["if the column is text, leave it out with `drop`"]);
    here.write("lakes.csv", table(43, "-99,2,3").as_slice());
    check("\"b\"", "transform = { a = { kind = \"log\", low = -1 } }").says(&[
        "row 42 (line 43), column `a`: -99 is not above -1, as the column's transform, log, needs",
        "set `missing = \"drop\"`",
    ]);
}

#[test]
fn a_data_file_in_place_of_a_spec_and_a_misspelt_path_are_told_once() {
    let here = Workplace::new();
    here.write("lakes.csv", lakes());
    here.write("lakes.toml", "[dataset]\npath = \"lake.csv\"\n");
    for command in ["check lakes.csv", "lakes.csv", "plan lakes.csv"] {
        let told = here.runner(command).expect(2);
        assert_eq!(told.stderr.matches("error").count(), 1, "{}", told.stderr);
        told.says(&["`lakes.csv` is a data file, not a spec", "`runner init --data lakes.csv` writes a spec for it"]);
    }
    here.runner("check lake.toml").expect(2).says(&["did you mean `lakes.toml`?"]);
    here.runner("check lakes.toml").expect(2).says(&["there is no file `lake.csv`", "did you mean `lakes.csv`?"]);
    here.runner("init --data lake.csv other").expect(2).says(&["did you mean `lakes.csv`?"]);
}
