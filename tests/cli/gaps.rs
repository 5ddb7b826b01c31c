//! Files with missing values and with values outside the support: rows of the output stay those of the input.

use std::fs;

use crate::workplace::{Workplace, manifest, parquet};

/// 400 rows of a positive and a plain number, and of two kinds; the first column of some is missing.
fn data() -> String {
    let row = |i: u32| {
        let wave = |by: f64| (f64::from(i) * by).sin();
        let a = if i.is_multiple_of(50) { "NA".to_owned() } else { (wave(0.7) + wave(1.9)).exp().to_string() };
        format!("{a},{},{}\n", wave(1.3) + wave(2.9), ["cat", "dog"][i as usize % 2])
    };
    (0..400).fold("a,b,kind\n".to_owned(), |text, i| text + &row(i))
}

const SPEC: &str = "[dataset]\npath = \"data.csv\"\nlabel = \"kind\"\nmissing = \"drop\"\ntransform = { a = \"log\" }\n\
                    [model]\ndepth = 2\nwidth = 8\n[training]\nsteps = 20\nbatch_size = 64\n";

fn lines(here: &Workplace, name: &str) -> Vec<String> {
    fs::read_to_string(here.path(name)).expect("text").lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn rows_that_a_run_left_out_stay_in_place_with_an_empty_result() {
    let here = Workplace::new();
    here.write("data.csv", data());
    here.write("a.toml", SPEC);
    here.runner("a.toml --quiet").expect(0);
    let run = here.run_folder("results/a", 0);
    let run = run.display();
    here.write("some.csv", "a,b,kind\n1,0.5,cat\nNA,1,dog\n\n2,,cat\n-99,1,dog\n0.5,-1,cat\n");
    here.write("whole.csv", "a,b,kind\n1,0.5,cat\n0.5,-1,cat\n");

    here.runner(&format!("score {run} --data some.csv -o some-p.csv")).expect(0).says(&[
        "2 of 5 rows have missing values: their log_prob is empty",
        "1 of 5 rows are outside the support of the run's data: their log_prob is -inf",
        "`some.csv`, row 4 (line 6), column `a`: -99 is not above 0",
        "nats over 2 rows within the support, -inf over all",
    ]);
    here.runner(&format!("score {run} --data whole.csv -o whole-p.csv")).expect(0);
    let (some, whole) = (lines(&here, "some-p.csv"), lines(&here, "whole-p.csv"));
    assert_eq!(some, [&*whole[0], "", "", "-inf", &*whole[1]], "as those of a file without the others");

    here.runner(&format!("transform {run} --data some.csv -o some-z.csv")).expect(0).says(&[
        "2 of 5 rows have missing values: their z is empty",
        "their z is empty; the first is `some.csv`, row 4",
    ]);
    here.runner(&format!("transform {run} --data whole.csv -o whole-z.csv")).expect(0);
    let (some, whole) = (lines(&here, "some-z.csv"), lines(&here, "whole-z.csv"));
    assert_eq!(some, [&*whole[0], ",", ",", ",", &*whole[1]]);
    here.runner(&format!("transform {run} --data some-z.csv --inverse -o back.csv")).expect(0);
    let back = lines(&here, "back.csv");
    assert!(back[0].starts_with(['0', '1']) && back[1..4].iter().all(|line| line == ","), "{back:?}");

    here.runner(&format!("score {run} --data some.csv --with-columns -o some-p.parquet")).expect(0);
    let column = parquet(here.path("some-p.parquet")).column("log_prob").expect("a column").clone();
    assert_eq!((column.null_count(), column.len()), (2, 5));
    here.runner(&format!("transform {run} --data some.csv -o some-z.npy")).expect(0);
    let npy = fs::read(here.path("some-z.npy")).expect("an array");
    let cells: Vec<f32> =
        npy[npy.len() - 40..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(
        cells.iter().map(|z| z.is_nan()).collect::<Vec<_>>(),
        [false, false, true, true, true, true, true, true, false, false]
    );

    here.write("none.csv", "a,b,kind\nNA,1,cat\n");
    let none = format!("score {run} --data none.csv -o none-p.csv");
    here.runner(&none).expect(2).says(&["of its 1 rows, 1 have missing values", "none is left"]);
}

#[test]
fn classes_are_told_of_rows_without_missing_values() {
    let here = Workplace::new();
    here.write("data.csv", data());
    here.write("a.toml", SPEC.replace("transform", "condition = true\ntransform"));
    here.runner("a.toml --quiet").expect(0);
    let run = here.run_folder("results/a", 0);
    assert_eq!(manifest(&run)["status"], "finished");
    let run = run.display();
    here.write("some.csv", "a,b,kind\n1,0.5,cat\nNA,1,dog\n2,1,\n-99,1,dog\n0.5,-1,cat\n");
    here.runner(&format!("score {run} --data some.csv --posterior -o p.csv")).expect(0).says(&["of 2 rows"]);
    let found = lines(&here, "p.csv");
    assert_eq!((&*found[1], &*found[3]), (",,", ",,-inf"));
    for row in [0, 2, 4] {
        let cells: Vec<f64> = found[row].split(',').map(|cell| cell.parse().expect("a number")).collect();
        assert!((cells[0] + cells[1] - 1.0).abs() < 1e-9, "{cells:?}");
    }
    // The density given the class needs the class.
    here.runner(&format!("score {run} --data some.csv -o p.csv")).expect(0).says(&["2 of 5 rows have missing values"]);
    here.runner(&format!("transform {run} --data some.csv -o z.csv")).expect(0);
    let z = lines(&here, "z.csv");
    assert_eq!((&*z[1], &*z[2], &*z[3]), (",,dog", ",,", ",,dog"));
}

#[test]
fn where_a_run_took_no_gaps_a_missing_value_is_an_error_with_what_helps_there() {
    let here = Workplace::new();
    here.write("data.csv", data().replace("NA", "1.5"));
    here.write("a.toml", SPEC.replace("missing = \"drop\"\n", ""));
    here.runner("a.toml --quiet").expect(0);
    let run = here.run_folder("results/a", 0);
    for (text, expected) in [
        (
            "a,b\n1,2\nNA,1\n",
            "row 2 (line 3), column `a`: `NA` is a missing value; correct the cell, or remove the row",
        ),
        ("a,b\n1,2\n1,\n", "row 2 (line 3), column `b`: the cell is empty; correct the cell, or remove the row"),
        ("a,b\n1,2\n1,x\n", "row 2 (line 3), column `b`: `x` is not a number; correct the cell, or remove the row"),
    ] {
        here.write("some.csv", text);
        let score = format!("score {} --data some.csv -o no.csv", run.display());
        here.runner(&score).expect(2).says(&[expected]);
    }
}

#[test]
fn columns_that_a_run_needs_are_looked_for_by_name_and_no_others_are_read() {
    let here = Workplace::new();
    here.write("data.csv", data());
    here.write(
        "a.toml",
        SPEC.replace("transform", "context = [\"kind\"]\ntransform").replace("label = \"kind\"\n", ""),
    );
    here.runner("a.toml --quiet").expect(0);
    let run = here.run_folder("results/a", 0);
    let score = |text: &str| {
        here.write("some.csv", text);
        here.runner(&format!("score {} --data some.csv -o p.csv", run.display()))
    };
    score("id,A,b,kind\nS1,1,2,cat\nS2,1,2,dog\n").expect(2).says(&["`some.csv` has no column `a`; did you mean `A`"]);
    score("id,a,b,kind\nS1,1,2,cat\nS2,1,2,dog\n").expect(0);
    score("1,2,cat\n1,2,dog\n1,3,cat\n")
        .expect(2)
        .says(&["`some.csv` has no column `a`: its first line names no columns", "put a line of names above its rows"]);
    assert_eq!(lines(&here, "p.csv").len(), 2);
}
