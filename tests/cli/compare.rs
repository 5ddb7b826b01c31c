//! `runner compare`, on runs that were trained here.

use std::fs;
use std::io::Cursor;

use polars::prelude::*;

use crate::workplace::{SMALL, Workplace, numbers, parquet, texts};

const SWEEP: &str = "\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n\"model.width\" = [4, 8]\n";

fn with_runs() -> Workplace {
    let here = Workplace::new();
    here.write("moons.toml", format!("seeds = 3\n{SMALL}{SWEEP}"));
    here.runner("moons.toml --quiet").expect(0);
    here
}

#[test]
fn runs_are_compared_by_trial_and_by_key() {
    let here = with_runs();
    let table = here.runner("compare results/moons").expect(0);
    assert_eq!(table.stderr, "", "three seeds need no warning");
    assert_eq!(table.stdout.lines().count(), 2 + 4, "{}", table.stdout);

    // Means, errors and differences, against the plain table of all runs.
    here.runner("compare results/moons -o all.parquet").expect(0);
    let (all, runs) = (parquet(here.path("all.parquet")), parquet(here.path("results/moons/trials.parquet")));
    let column = |trial: &str, name: &str| -> Vec<f64> {
        let (trials, values) = (texts(&runs, "trial"), numbers(&runs, name));
        trials.iter().zip(values).filter(|(it, _)| *it == trial).map(|it| it.1).collect()
    };
    let nll = |trial: &str| column(trial, "test_nll");
    let names = texts(&all, "trial");
    let best = nll(&names[0]);
    let mut last = f64::NEG_INFINITY;
    for (row, name) in names.iter().enumerate() {
        let of = nll(name);
        let mean = of.iter().sum::<f64>() / 3.0;
        let spread = (of.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
        assert!((numbers(&all, "test_nll")[row] - mean).abs() < 1e-12 && mean >= last);
        assert!((numbers(&all, "test_nll_seed_stderr")[row] - spread).abs() < 1e-12);
        // One name, one meaning: over the test rows, here and in the table of all runs.
        let over_rows = column(name, "test_nll_stderr").iter().sum::<f64>() / 3.0;
        assert!((numbers(&all, "test_nll_stderr")[row] - over_rows).abs() < 1e-12);
        last = mean;
        if row > 0 {
            let difference = of.iter().zip(&best).map(|(a, b)| a - b).sum::<f64>() / 3.0;
            assert!((numbers(&all, "difference")[row - 1] - difference).abs() < 1e-12);
        }
    }
    assert_eq!(numbers(&all, "n"), [3.0; 4]);

    let csv = here.runner("compare results/moons/trials.parquet --by depth --format csv").expect(0).stdout;
    let csv = CsvReader::new(Cursor::new(csv.into_bytes())).finish().expect("CSV");
    assert_eq!((numbers(&csv, "model.depth").len(), numbers(&csv, "n")), (2, vec![6.0, 6.0]));
    // A key that no run sweeps is looked up in the specs.
    let by_steps = here.runner("compare results --by training.steps --metric gap").expect(0).stdout;
    assert!(by_steps.contains("training.steps") && by_steps.contains("60"), "{by_steps}");
}

#[test]
fn few_seeds_are_warned_of_and_markdown_is_a_table() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1 --quiet").expect(0);
    let ended = here
        .runner("compare results/moons --format markdown")
        .expect(0)
        .says(&["fewer than three finished runs in 1 of 1 trial"]);
    assert!(ended.stdout.lines().all(|line| line.starts_with('|') && line.ends_with('|')), "{}", ended.stdout);
}

#[test]
fn experiments_on_other_data_and_metrics_that_no_run_has_are_said() {
    let here = Workplace::with_moons();
    here.write("rings.toml", SMALL.replace("moons", "rings"));
    let rows: String = (0..300).map(|i| format!("{},{}\n", f64::from(i).sin(), f64::from(i * i).cos())).collect();
    here.write("rows.csv", format!("a,b\n{rows}"));
    here.write("file.toml", "[dataset]\npath = \"rows.csv\"\n[model]\ndepth = 2\nwidth = 8\n[training]\nsteps = 20\n");
    here.runner("moons.toml rings.toml file.toml --quiet").expect(0);
    let apart = here.runner("compare results/moons results/rings").expect(0);
    assert!(!apart.stdout.contains('Δ'), "{}", apart.stdout);
    apart.says(&["the data of 1 of 2 trials differ", "`dataset.name`", "--metric gap"]);
    assert!(here.runner("compare results/moons results/rings --metric gap").expect(0).stdout.contains('Δ'));
    for command in ["compare results/file --metric gap", "plot results/file --metric gap"] {
        here.runner(command).expect(2).says(&["--metric gap: none of these runs has it; they have `test_nll`"]);
    }
}

#[test]
fn what_cannot_be_compared_is_told_with_the_way_out() {
    let here = Workplace::with_moons();
    here.write("notes.parquet", "no table");
    for (arguments, part) in [
        ("compare results", "results: there is nothing of that name"),
        ("compare .", "no runs there yet"),
        ("compare notes.parquet", "notes.parquet:"),
        ("compare . --metric test_nl", "did you mean `test_nll`?"),
        ("compare . --by wdth", "did you mean `width`?"),
        ("compare . --by dataset.sed", "did you mean `dataset.seed`?"),
        ("compare . --format parquet", "--output FILE"),
    ] {
        here.runner(arguments).expect(2).says(&[part]);
    }
}

#[test]
fn a_table_that_holds_a_run_under_two_names_counts_it_once() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1,2 --quiet").expect(0);
    let path = here.path("results/moons/trials.parquet");
    let table = parquet(&path);
    let mut again = table.clone();
    again.with_column(Column::new("trial".into(), ["depth=2"; 3])).expect("a column");
    let mut both = table.vstack(&again).expect("the same columns");
    ParquetWriter::new(fs::File::create(here.path("both.parquet")).expect("made")).finish(&mut both).expect("written");
    let ended = here.runner("compare both.parquet -o both.csv").expect(0).says(&["3 runs of one spec and seed"]);
    assert!(!ended.stderr.contains("fewer than three"), "{}", ended.stderr);
    here.runner("compare results/moons -o one.csv").expect(0);
    assert_eq!(here.files()[&here.path("both.csv")], here.files()[&here.path("one.csv")]);
}

#[test]
fn importances_are_told_drawn_and_written() {
    let here = Workplace::new();
    let sweep = "[sweep]\nmethod = \"sobol\"\ntrials = 13\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n\
                 \"optimizer.learning_rate\" = { min = 1e-5, max = 1e-1, scale = \"log\" }\n";
    here.write("moons.toml", format!("{SMALL}{sweep}"));
    here.runner("moons.toml --quiet").expect(0);
    let told = here.runner("compare results/moons --importance --metric validation_nll").expect(0);
    let told =
        told.says(&["note: shares of the variance of validation NLL over the space of 13 trials", "wrote 4 pictures"]);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(lines[0].contains("% of variance ± trees") && lines[2].contains("learning_rate"), "{}", told.stdout);
    for name in ["importance", "slice-model.depth", "slice-optimizer.learning_rate"] {
        for extension in ["png", "svg"] {
            assert!(here.path(format!("results/moons/plots/{name}.{extension}")).exists(), "{name}");
        }
    }
    let again = here.runner("compare results/moons --importance --metric validation_nll").expect(0);
    assert_eq!(again.stdout, told.stdout);
    // Of a table alone nothing is drawn.
    let csv = here.runner("compare results/moons/trials.parquet --importance --format csv").expect(0);
    assert!(!csv.stderr.contains("wrote"), "{}", csv.stderr);
    let csv = CsvReader::new(Cursor::new(csv.stdout.into_bytes())).finish().expect("CSV");
    let shares = numbers(&csv, "share");
    assert!(shares.iter().sum::<f64>() <= 1.0 + 1e-9 && texts(&csv, "setting").len() >= 2, "{csv:?}");

    here.runner("moons.toml --quiet --results few --set sweep.trials=3").expect(0);
    here.runner("compare few/moons --importance")
        .expect(2)
        .says(&["--importance: 3 trials with `test_nll` are too few"]);
    here.runner("compare results/moons --importance --by depth").expect(2).says(&["cannot be used with"]);
}
