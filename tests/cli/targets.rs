//! Where commands write: never over what they read or what the program keeps, and to standard output where that is asked for.

use std::fs;

use crate::workplace::{Ended, Workplace, numbers, parquet, texts};

#[test]
fn no_command_writes_over_its_input_its_data_or_the_results() {
    let here = Workplace::new();
    let rows: String = (0..40).map(|i| format!("{},{}\n", f64::from(i).sin(), f64::from(i).cos())).collect();
    here.write("own.csv", format!("a,b\n{rows}"));
    let spec = "[dataset]\npath = \"own.csv\"\n[model]\ndepth = 2\nwidth = 8\n[training]\nsteps = 3\nbatch_size = 8\n";
    here.write("own.toml", spec);
    here.runner("own.toml --quiet").expect(0);
    let run = here.run_folder("results/own", 0);
    let run = run.strip_prefix(here.path("")).expect("below").display().to_string();
    fs::hard_link(here.path("own.csv"), here.path("hard.csv")).expect("linked");
    fs::copy(here.path("own.csv"), here.path("other.csv")).expect("copied");
    let before = here.files();

    let commands = [
        format!("score {run} --data other.csv -o other.csv"),
        format!("score {run} --data other.csv -o ./results/../own.csv"),
        format!("transform {run} --data other.csv -o hard.csv"),
        format!("sample {run} -n 5 -o own.csv"),
        format!("sample {run} -n 5 -o {run}/samples.parquet"),
        format!("sample {run} -n 5 -o {run}/checkpoints/best.npy"),
        "compare results/own -o results/own/plan.json --format csv".to_owned(),
        "compare results/own -o own.csv".to_owned(),
        "compare results/own/trials.parquet -o results/own/trials.parquet".to_owned(),
        format!("plot {run} -o {run}"),
    ];
    for command in &commands {
        here.runner(command).expect(2).says(&["name another file with -o"]);
        assert!(here.files() == before, "{command}");
    }
    here.runner(&format!("score {run} --data own.csv -o fresh.csv")).expect(0);
    here.runner(&format!("sample {run} -n 5 -o fresh.csv")).expect(0).says(&["wrote fresh.csv"]);
}

#[test]
fn a_table_on_standard_output_is_there_alone() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --quiet").expect(0);
    let run = here.run_folder("results/moons", 0).display().to_string();
    let sampled = here.runner(&format!("sample {run} -n 5 -o - --format csv")).expect(0);
    here.runner(&format!("sample {run} -n 5 -o five.csv")).expect(0);
    assert_eq!(sampled.stdout, fs::read_to_string(here.path("five.csv")).expect("read"));
    let scored = here.runner(&format!("score {run} --data five.csv -o - --output-format csv")).expect(0);
    assert_eq!(scored.stdout.lines().count(), 6, "{}", scored.stdout);
    here.runner(&format!("sample {run} -n 5 -o -")).expect(2).says(&["--format csv"]);
}

#[test]
fn more_samples_than_a_block_holds_are_those_of_one_draw() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --quiet").expect(0);
    let run = here.run_folder("results/moons", 0).display().to_string();
    for (rows, file) in [(600_000, "many.parquet"), (600_001, "more.npy")] {
        here.runner(&format!("sample {run} -n {rows} -o {file}")).expect(0);
    }
    let many = numbers(&parquet(here.path("many.parquet")), "x2");
    let more = npyz::NpyFile::new(fs::File::open(here.path("more.npy")).expect("opened")).expect("an array");
    assert_eq!(more.shape(), [600_001, 2]);
    let more: Vec<f64> = match more.dtype().descr().contains("f4") {
        true => more.into_vec::<f32>().expect("floats").into_iter().map(f64::from).collect(),
        false => more.into_vec::<f64>().expect("doubles"),
    };
    assert_eq!(many.len(), 600_000);
    assert!(many.iter().zip(more.chunks(2)).all(|(one, row)| *one == row[1]));
}

#[test]
fn a_trial_too_large_for_memory_fails_with_both_numbers_and_the_others_run() {
    let here = Workplace::with_moons();
    let sweep = "moons.toml --quiet --set sweep.parameters.model.width=[65536,32]";
    here.runner(&sweep.replace("moons.toml", "plan moons.toml").replace(" --quiet", "")).expect(0).says(&["GB free"]);
    here.runner(sweep).expect(1).says(&["needs about 343.8 GB", "GB free", "lower `model.width`"]);
    let table = parquet(here.path("results/moons/trials.parquet"));
    assert_eq!((table.height(), numbers(&table, "test_nll").len()), (2, 1));
}

#[test]
fn the_rows_of_a_split_are_those_of_the_file_and_score_as_the_run_said() {
    let here = Workplace::new();
    let value = |i: u32| f64::from(i) * 1.1;
    let rows: String = (1..=50).map(|i| format!("{},{}\n", value(i), value(i).sin())).collect();
    here.write("own.csv", format!("a,b\n{rows}"));
    let spec = "[dataset]\npath = \"own.csv\"\n[model]\ndepth = 2\nwidth = 8\n[training]\nsteps = 3\nbatch_size = 8\n";
    here.write("own.toml", spec);
    here.runner("own.toml --quiet").expect(0);
    let run = here.run_folder("results/own", 0);
    here.runner(&format!("split {} -o parts --format parquet", run.display())).expect(0);
    let mut seen = Vec::new();
    for (part, count) in [("train", 40), ("validation", 5), ("test", 5)] {
        let table = parquet(here.path(format!("parts/{part}.parquet")));
        let (a, numbers) = (numbers(&table, "a"), numbers(&table, "row of the file"));
        assert_eq!(a.len(), count, "{part}");
        assert!(a.iter().zip(&numbers).all(|(a, number)| *a == value(*number as u32)), "{a:?} {numbers:?}");
        seen.extend(numbers);
    }
    seen.sort_by(f64::total_cmp);
    assert_eq!(seen, (1..=50).map(f64::from).collect::<Vec<_>>());
    here.runner(&format!("score {} --data parts/test.parquet -o test.parquet", run.display())).expect(0);
    let scores = numbers(&parquet(here.path("test.parquet")), "log_prob");
    let mean = scores.iter().sum::<f64>() / 5.0;
    let nll = crate::workplace::manifest(&run)["summary"]["test_nll"].as_f64().expect("a number");
    assert!((mean + nll).abs() < 1e-4, "{mean} {nll}");

    here.write("own.csv", format!("a,b\n9,9\n{rows}"));
    here.runner(&format!("split {} -o later", run.display())).expect(0).says(&["the data have changed"]);
    fs::create_dir(here.path("own")).expect("made");
    fs::copy(here.path("own.csv"), here.path("own/test.csv")).expect("copied");
    here.write("test.toml", spec.replace("own.csv", "own/test.csv"));
    here.runner("test.toml --quiet").expect(0);
    let run = here.run_folder("results/test", 0).display().to_string();
    here.runner(&format!("split {run} -o own")).expect(2).says(&["own/test.csv"]);
}

#[test]
fn a_toy_is_split_into_the_rows_it_drew() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --quiet --set dataset.train=fresh").expect(0);
    let run = here.run_folder("results/moons", 0).display().to_string();
    here.runner(&format!("split {run} -o parts")).expect(0).says(&["anew at every step"]);
    let lines =
        |part: &str| fs::read_to_string(here.path(format!("parts/{part}.csv"))).map(|text| text.lines().count());
    assert_eq!((lines("validation").ok(), lines("test").ok(), lines("train").ok()), (Some(201), Some(501), None));
}

#[test]
fn scores_stand_beside_the_columns_of_the_input_and_pipes_are_read() {
    let here = Workplace::new();
    let value = |i: u32| (f64::from(i).sin(), f64::from(i).cos());
    let line = |i: u32| format!("{i:03},\"Ann, {i}\",{:?},{:?}", value(i).0, value(i).1);
    let lines: Vec<String> = (1..=40).map(line).collect();
    here.write("own.csv", format!("id,name,a,b\n{}\n", lines.join("\n")));
    let spec = "[dataset]\npath = \"own.csv\"\ncolumns = [\"a\", \"b\"]\n[model]\ndepth = 2\nwidth = 8\n[training]\nsteps = 3\n";
    here.write("own.toml", format!("{spec}batch_size = 8\n"));
    here.runner("own.toml --quiet").expect(0);
    let run = here.run_folder("results/own", 0).display().to_string();

    here.runner(&format!("score {run} --data own.csv -o plain.csv")).expect(0);
    let plain = fs::read_to_string(here.path("plain.csv")).expect("read");
    here.runner(&format!("score {run} --data own.csv -o beside.csv --with-columns")).expect(0);
    let beside = fs::read_to_string(here.path("beside.csv")).expect("read");
    let expected = std::iter::once("id,name,a,b").chain(lines.iter().map(String::as_str)).zip(plain.lines());
    assert!(beside.lines().eq(expected.map(|(row, score)| format!("{row},{score}"))), "{beside}");

    // To Parquet the numbers are numbers, and from there they are copied with their types.
    here.runner(&format!("score {run} --data own.csv -o beside.parquet --with-columns")).expect(0);
    let table = parquet(here.path("beside.parquet"));
    assert_eq!(texts(&table, "id")[6], "007");
    assert_eq!(numbers(&table, "a"), (1..=40).map(|i| value(i).0).collect::<Vec<_>>());
    let named = table.drop("log_prob").expect("it");
    polars::prelude::ParquetWriter::new(fs::File::create(here.path("named.parquet")).expect("made"))
        .finish(&mut named.clone())
        .expect("written");
    here.runner(&format!("score {run} --data named.parquet -o again.parquet --with-columns")).expect(0);
    assert!(parquet(here.path("again.parquet")).equals(&table));
    let twice = format!("score {run} --data beside.csv -o twice.csv --with-columns");
    here.runner(&twice).expect(2).says(&["has a column `log_prob` already", "--with-columns"]);
    here.runner(&twice.replace("twice.csv", "twice.npy")).expect(2).says(&["npy has no names"]);

    // Standard input and pipes give what the file gives, and nothing else is on standard output.
    let piped = |arguments: &str, file: &str| {
        let mut command = here.command(arguments);
        Ended::of(command.stdin(fs::File::open(here.path(file)).expect("a file")))
    };
    let scored = piped(&format!("score {run} --data - --format csv -o - --output-format csv"), "own.csv").expect(0);
    assert_eq!(scored.stdout, plain);
    piped(&format!("score {run} --data - -o a.csv"), "own.csv").expect(2).says(&["say which with --format csv"]);
    let over = piped(&format!("score {run} --data - --format csv -o own.csv"), "own.csv").expect(2);
    over.says(&["name another file with -o"]);
    here.runner(&format!("transform {run} --data own.csv -o z.csv")).expect(0);
    let latent = fs::read_to_string(here.path("z.csv")).expect("read");
    let shell = |script: &str| {
        let mut shell = std::process::Command::new("sh");
        Ended::of(shell.args(["-c", script, env!("CARGO_BIN_EXE_runner")]).current_dir(here.path("")))
    };
    let through =
        format!("mkfifo p; cat own.csv > p & \"$0\" transform {run} --data p --format csv -o - --output-format csv");
    assert_eq!(shell(&through).expect(0).stdout, latent);
    let back = format!("cat z.csv | \"$0\" transform {run} --data - --format csv --inverse -o back.csv");
    shell(&back).expect(0);
    assert_eq!(fs::read_to_string(here.path("back.csv")).expect("read").lines().count(), 41);
    here.write("pipe.toml", "[dataset]\npath = \"p\"\nformat = \"csv\"\n");
    here.runner("check pipe.toml").expect(2).says(&["is a pipe, not a file"]);
}
