//! Where commands write: never over what they read or what the program keeps, and to standard output where that is asked for.

use std::fs;

use crate::workplace::{Workplace, numbers, parquet};

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
        "compare results/own -o results/own/plan.json".to_owned(),
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
    here.runner(sweep).expect(1).says(&["needs about 2", "GB free", "lower `model.width`"]);
    let table = parquet(here.path("results/moons/trials.parquet"));
    assert_eq!((table.height(), numbers(&table, "test_nll").len()), (2, 1));
}
