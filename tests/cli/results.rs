//! What a run leaves behind: files, columns, states.

use std::fs;

use polars::prelude::DataType::{self, Boolean, Float64, Int64, String as Text};

use crate::workplace::{SMALL, Workplace, columns, curve, manifest, numbers, parquet, texts};

fn named(columns: &[(&str, DataType)]) -> Vec<(String, DataType)> {
    columns.iter().map(|(name, kind)| (name.to_string(), kind.clone())).collect()
}

#[test]
fn both_ways_to_say_run_leave_every_file_that_is_promised() {
    for words in ["moons.toml --seeds 0,1", "run moons.toml --seeds 0,1"] {
        let here = Workplace::with_moons();
        here.runner(words).expect(0);
        let experiment = here.path("results/moons");
        assert!(experiment.join("plan.json").is_file() && experiment.join("trials.parquet").is_file());
        for seed in [0, 1] {
            let run = here.run_folder("results/moons", seed);
            let mut names: Vec<String> = here
                .files()
                .keys()
                .filter_map(|path| path.strip_prefix(&run).ok()?.to_str().map(str::to_owned))
                .collect();
            // TensorBoard's log, and its end in a file of its own.
            let logs = names.extract_if(.., |name| name.starts_with("events.out.tfevents.")).count();
            assert_eq!(logs, 2);
            let expected = [
                "checkpoints/best.safetensors",
                "checkpoints/last.safetensors",
                "density.png",
                "manifest.json",
                "metrics.parquet",
                "samples.parquet",
                "samples.png",
                "spec.toml",
            ];
            assert_eq!(names, expected);
        }
    }
}

#[test]
fn the_training_curve_has_its_columns_and_is_null_where_nothing_was_evaluated() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let table = parquet(here.run_folder("results/moons", 0).join("metrics.parquet"));
    let names = ["epoch", "seconds", "train_nll", "validation_nll", "learning_rate", "gradient_norm"];
    let health = ["samples_per_second", "inverse_error", "scale_max"];
    let floats = names.iter().chain(&health).map(|name| (name.to_string(), Float64));
    let expected: Vec<_> = [("step".to_owned(), Int64)].into_iter().chain(floats).collect();
    assert_eq!(columns(&table), expected);
    assert_eq!(numbers(&table, "step"), [10., 20., 30., 40., 50., 60.]);
    assert_eq!(
        table.column("validation_nll").expect("it").is_null().iter().map(|n| n == Some(true)).collect::<Vec<_>>(),
        [true, false, true, false, true, false]
    );
    for name in ["train_nll", "learning_rate", "gradient_norm", "samples_per_second"] {
        assert_eq!(numbers(&table, name).len(), 6, "{name}");
    }
    assert!(numbers(&table, "inverse_error").iter().all(|error| *error < 1e-4));
    // 64 rows a step out of 1,000.
    assert!((numbers(&table, "epoch")[5] - 60.0 * 64.0 / 1000.0).abs() < 0.3);
}

#[test]
fn the_table_of_trials_has_its_columns_and_one_row_a_run() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 3,5 --set model.depth=4").expect(0);
    let table = parquet(here.path("results/moons/trials.parquet"));
    let expected = named(&[
        ("experiment", Text),
        ("trial", Text),
        ("seed", Int64),
        ("status", Text),
        ("test_nll", Float64),
        ("test_nll_stderr", Float64),
        ("test_nll_standardized", Float64),
        ("validation_nll", Float64),
        ("train_nll", Float64),
        ("gap", Float64),
        ("gap_stderr", Float64),
        ("bits_per_dim", Float64),
        ("steps", Int64),
        ("seconds", Float64),
        ("samples_per_second", Float64),
        ("parameters", Int64),
        ("device", Text),
        ("static_shape", Boolean),
        ("git_commit", Text),
        ("spec_hash", Text),
        ("model.depth", Int64),
    ]);
    assert_eq!(columns(&table), expected);
    assert_eq!(numbers(&table, "seed"), [3.0, 5.0]);
    assert_eq!(texts(&table, "status"), ["finished", "finished"]);
    assert_eq!(numbers(&table, "steps"), [60.0, 60.0]);
    assert_eq!(numbers(&table, "model.depth"), [4.0, 4.0]);
    // The entropy of moons with noise 0.05 is 0.2892; what is taken off instead is the mean surprise of the test rows.
    let [nll, nll_errors, gaps, errors] =
        ["test_nll", "test_nll_stderr", "gap", "gap_stderr"].map(|name| numbers(&table, name));
    for i in 0..2 {
        let (by_entropy, allowed) = (nll[i] - 0.2892, 4.0 * errors[i].hypot(nll_errors[i]));
        assert!((gaps[i] - by_entropy).abs() < allowed, "{} {by_entropy} {allowed}", gaps[i]);
        assert!(errors[i] > 0.0);
    }
    assert_eq!(table.column("bits_per_dim").expect("it").null_count(), 2, "moons are not quantised");
    let run = here.run_folder("results/moons", 3);
    assert_eq!(manifest(&run)["status"], "finished");
    assert_eq!(manifest(&run)["spec_hash"].as_str(), Some(texts(&table, "spec_hash")[0].as_str()));
    let samples = parquet(run.join("samples.parquet"));
    assert_eq!(columns(&samples), named(&[("x1", DataType::Float64), ("x2", DataType::Float64)]));
}

#[test]
fn a_grid_of_two_by_two_is_four_trials_named_after_what_they_change() {
    let here = Workplace::new();
    let sweep = "[sweep.parameters]\n\"model.depth\" = [2, 4]\n\"optimizer.learning_rate\" = [1e-3, 1e-2]\n";
    here.write("grid.toml", format!("{}{sweep}", SMALL.replace("moons", "8gaussians")));
    here.runner("grid.toml").expect(0);
    let table = parquet(here.path("results/grid/trials.parquet"));
    let trials = texts(&table, "trial");
    let ids: Vec<(&str, &str)> = trials.iter().map(|id| id.rsplit_once('-').expect("a hash")).collect();
    let readable: Vec<&str> = ids.iter().map(|id| id.0).collect();
    assert_eq!(
        readable,
        [
            "depth=2,learning_rate=0.001",
            "depth=2,learning_rate=0.01",
            "depth=4,learning_rate=0.001",
            "depth=4,learning_rate=0.01"
        ]
    );
    for (_, hash) in ids {
        assert!(hash.len() == 8 && hash.chars().all(|digit| digit.is_ascii_hexdigit()), "{hash}");
    }
    assert_eq!(numbers(&table, "model.depth"), [2.0, 2.0, 4.0, 4.0]);
    assert_eq!(numbers(&table, "optimizer.learning_rate"), [0.001, 0.01, 0.001, 0.01]);
    assert_eq!(here.run_folders("results/grid", 0).len(), 4);
}

#[test]
fn a_random_sweep_has_as_many_trials_as_asked_for_and_the_same_ones_again() {
    let here = Workplace::new();
    let sweep = "[sweep]\nmethod = \"random\"\ntrials = 3\n[sweep.parameters]\n\
                 \"optimizer.learning_rate\" = { min = 1e-4, max = 1e-2, scale = \"log\" }\n";
    here.write("random.toml", format!("{SMALL}{sweep}"));
    let first = here.runner("plan random.toml --json").expect(0).stdout;
    assert_eq!(first, here.runner("plan random.toml --json").expect(0).stdout);
    let plan: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let trials = plan["trials"].as_array().expect("trials");
    assert_eq!(trials.len(), 3);
    for trial in trials {
        let rate = trial["overrides"]["optimizer.learning_rate"].as_f64().expect("a rate");
        assert!((1e-4..=1e-2).contains(&rate));
    }
}

#[test]
fn a_diverging_trial_says_where_and_the_others_finish() {
    let here = Workplace::new();
    let sweep = "[sweep.parameters]\n\"optimizer.learning_rate\" = [0.001, 10.0]\n";
    let optimizer = "[optimizer]\nname = \"sgd\"\nclip_norm = 0.0\nschedule = { name = \"constant\", warmup = 0 }\n";
    here.write("sgd.toml", format!("seeds = 2\n{SMALL}{optimizer}{sweep}"));
    let ended = here.runner("sgd.toml").expect(1).says(&["learning_rate=10-", "diverged: at step", "layers."]);
    assert!(ended.stdout.contains("diverged"), "the table counts them: {}", ended.stdout);
    let table = parquet(here.path("results/sgd/trials.parquet"));
    assert_eq!(texts(&table, "status"), ["finished", "finished", "diverged", "diverged"]);
    assert_eq!(numbers(&table, "test_nll").len(), 2);
    let diverged = &here.run_folders("results/sgd", 0)[1];
    let reason = manifest(diverged)["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("at step ") && reason.contains("layers."), "{reason}");
    curve(diverged);
    // It would diverge again, so it is kept; its weights are not there to be used.
    here.runner("sgd.toml").expect(1).says(&["diverged already, kept"]);
    here.runner(&format!("sample {} -n 5 -o a.csv", diverged.display())).expect(2).says(&["the run is diverged"]);
    here.runner("sgd.toml --retry-failed --progress plain").expect(1).says(&["started: 60 steps"]);
}

#[test]
fn quantised_digits_train_from_their_file_and_have_bits_per_dimension() {
    let here = Workplace::new();
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/data/digits.csv.gz");
    let spec = format!(
        "[dataset]\npath = '{digits}'\ndrop = [\"label\"]\ndequantize = 1.0\n\
         [model]\ndepth = 2\nmask = \"half\"\n[training]\nsteps = 20\n"
    );
    here.write("digits.toml", spec);
    here.runner("digits.toml").expect(0);
    let table = parquet(here.path("results/digits/trials.parquet"));
    let (nll, bits) = (numbers(&table, "test_nll")[0], numbers(&table, "bits_per_dim")[0]);
    // 64 features with a step of 1: NLL / (64 ln 2).
    assert!((bits - nll / (64.0 * std::f64::consts::LN_2)).abs() < 1e-9 && (0.5..5.0).contains(&bits), "{bits} {nll}");
    let run = here.run_folder("results/digits", 0);
    assert!(run.join("samples.png").is_file());
    let names: Vec<String> =
        columns(&parquet(run.join("samples.parquet"))).into_iter().map(|column| column.0).collect();
    assert_eq!((names.len(), names[0].as_str(), names[63].as_str()), (64, "pixel_0_0", "pixel_7_7"));
}

#[test]
fn one_feature_is_learned_with_a_warning_that_nothing_is_left_to_condition_on() {
    let here = Workplace::new();
    let rows: String = (0..200).map(|i| format!("{}\n", f64::from(i).sqrt())).collect();
    here.write("one.csv", format!("height\n{rows}"));
    here.write("one.toml", "seeds = 2\n[dataset]\npath = \"one.csv\"\n[model]\ncoupling = \"affine\"\n[training]\nsteps = 30\nbatch_size = 32\n");
    let ended = here.runner("one.toml").expect(0).says(&["warning: one: `height`", "unconditional affine map"]);
    assert_eq!(ended.stderr.matches("unconditional affine map").count(), 1, "once an experiment: {}", ended.stderr);
    here.runner("check one.toml")
        .expect(0)
        .says(&["unconditional affine map", "`model.coupling = \"spline\"` learns any"]);
    let learned = here.runner("check one.toml --set model.coupling=spline").expect(0);
    assert!(!learned.stderr.contains("only feature"), "{}", learned.stderr);
    let run = here.run_folder("results/one", 0);
    assert!(run.join("density.png").is_file());
    assert_eq!(columns(&parquet(run.join("samples.parquet"))), named(&[("height", DataType::Float64)]));
}

#[test]
fn a_csv_without_a_header_gets_numbered_columns_and_a_warning() {
    let here = Workplace::new();
    let rows: String = (0..200).map(|i| format!("{},{}\n", i * 7 % 100, f64::from(i).sin())).collect();
    here.write("bare.csv", rows);
    here.write("bare.toml", "[dataset]\npath = \"bare.csv\"\n[training]\nsteps = 5\nbatch_size = 32\n");
    here.runner("bare.toml").expect(0).says(&["warning: `bare.csv` has no header", "x1 to x2"]);
    let run = here.run_folder("results/bare", 0);
    let spec: toml::Table = fs::read_to_string(run.join("spec.toml")).expect("a spec").parse().expect("TOML");
    assert_eq!(spec["training"]["steps"].as_integer(), Some(5));
    let names: Vec<String> =
        columns(&parquet(run.join("samples.parquet"))).into_iter().map(|column| column.0).collect();
    assert_eq!(names, ["x1", "x2"]);
}

#[test]
fn a_run_without_one_finite_validation_has_no_best_weights_and_is_diverged() {
    let here = Workplace::new();
    let near: String =
        (0..200).map(|i| format!("{},{}\n", (f64::from(i) * 0.7).sin(), (f64::from(i) * 1.1).cos())).collect();
    here.write("near.csv", format!("a,b\n{near}"));
    here.write("far.csv", "a,b\n3.4e38,1\n1,3.4e38\n");
    let spec = "[dataset]\npath = \"near.csv\"\nstandardize = false\n\
                validation = \"far.csv\"\n[model]\nwidth = 16\n[training]\nsteps = 20\nbatch_size = 16\n";
    here.write("far.toml", spec);
    here.runner("far.toml").expect(1).says(&["diverged: no validation NLL was finite", "smaller learning rate"]);
    let run = here.run_folder("results/far", 0);
    assert_eq!(manifest(&run)["status"], "diverged");
    assert!(!run.join("checkpoints/best.safetensors").exists());
}

#[test]
fn the_standardised_test_nll_does_not_depend_on_units() {
    let here = Workplace::new();
    // Powers of two, so that standardised rows are the same to the bit.
    for (name, a, b) in [("small", 1.0, 1.0), ("large", 8.0, 1024.0)] {
        let value = |i: i32| (f64::from(i).sin() + f64::from(i * i).cos(), f64::from(i * i * 7).sin());
        let rows: String = (0..400).map(value).map(|(x, y)| format!("{},{}\n", a * x, b * y)).collect();
        here.write(&format!("{name}.csv"), format!("a,b\n{rows}"));
        let spec = "[model]\ndepth = 2\nwidth = 8\n[training]\nsteps = 20\n";
        here.write(&format!("{name}.toml"), format!("[dataset]\npath = \"{name}.csv\"\n{spec}"));
    }
    here.runner("small.toml large.toml --quiet").expect(0);
    let of =
        |name: &str, column: &str| numbers(&parquet(here.path(format!("results/{name}/trials.parquet"))), column)[0];
    let apart = |column: &str| of("large", column) - of("small", column);
    assert!((apart("test_nll") - f64::ln(8.0 * 1024.0)).abs() < 1e-6);
    assert!(apart("test_nll_standardized").abs() < 1e-6);
    let table = here.runner("compare results --metric test_nll_standardized").expect(0).stdout;
    assert!(table.contains("standardized test NLL"), "{table}");
}

/// Five Student-t features of two degrees of freedom, which have no variance.
#[test]
fn a_base_with_heavy_tails_fits_heavy_tails_and_its_run_can_be_used() {
    let here = Workplace::new();
    let spec = "[dataset]\nname = \"student-t\"\nvalidation = 2_000\n[model]\ndepth = 4\nwidth = 16\n\
                base = \"student-t\"\ndegrees_of_freedom = \"learned\"\n\
                [optimizer]\nlearning_rate = 5e-3\n[training]\nsteps = 1_500\nema = 0.99\n";
    here.write("tails.toml", spec);
    here.runner("tails.toml --quiet").expect(0);
    let table = parquet(here.path("results/tails/trials.parquet"));
    let [gap, error] = ["gap", "gap_stderr"].map(|name| numbers(&table, name)[0]);
    assert!(gap < 0.03 && gap > -3.0 * error, "{gap} ± {error}");
    let run = here.run_folder("results/tails", 0);
    let run = run.display();
    here.runner(&format!("sample {run} -n 3000 -o x.parquet")).expect(0);
    here.runner(&format!("score {run} --data x.parquet -o scores.parquet")).expect(0);
    let scores = numbers(&parquet(here.path("scores.parquet")), "log_prob");
    let (mean, nll) = (scores.iter().sum::<f64>() / 3000.0, numbers(&table, "test_nll")[0]);
    assert!((mean + nll).abs() < 0.2, "{mean} {nll}");
    // A normal of the same variance has hardly a row beyond six deviations.
    let far = numbers(&parquet(here.path("x.parquet")), "x1").iter().filter(|x| x.abs() > 12.0).count();
    assert!(far > 5, "{far}");
}

/// The runs that have pictures, as `<trial>/seed-<n>`.
fn drawn(here: &Workplace, experiment: &str) -> Vec<String> {
    let folder = here.path(experiment);
    let pictures = here.files().into_keys().filter(|path| path.extension().is_some_and(|it| it == "png"));
    let run = |path: std::path::PathBuf| Some(path.parent()?.strip_prefix(&folder).ok()?.to_str()?.to_owned());
    let mut runs: Vec<String> = pictures.filter_map(run).collect();
    runs.dedup();
    runs
}

/// The trial with the smallest mean of the validation NLL.
fn best_trial(here: &Workplace, experiment: &str) -> String {
    let table = parquet(here.path(experiment).join("trials.parquet"));
    let mut sums = std::collections::BTreeMap::<String, f64>::new();
    for (trial, nll) in texts(&table, "trial").into_iter().zip(numbers(&table, "validation_nll")) {
        *sums.entry(trial).or_default() += nll;
    }
    sums.into_iter().min_by(|one, other| one.1.total_cmp(&other.1)).expect("a trial").0
}

const THREE: &str =
    "[engine]\npictures = \"best\"\n[sweep.parameters]\n\"optimizer.learning_rate\" = [1e-4, 1e-2, 1e-3]\n";

#[test]
fn where_runs_draw_no_pictures_the_first_seed_of_the_best_trial_gets_its_own_at_the_end() {
    let here = Workplace::new();
    here.write("three.toml", format!("seeds = [4, 2]\n{SMALL}{THREE}"));
    here.runner("three.toml").expect(0);
    let best = format!("{}/seed-4", best_trial(&here, "results/three"));
    assert_eq!(drawn(&here, "results/three"), [best.as_str()]);
    // As sharp as `plot` draws it.
    here.runner(&format!("plot results/three/{best} -o plots")).expect(0);
    for name in ["density.png", "samples.png"] {
        let beside = fs::read(here.path(format!("results/three/{best}")).join(name)).expect("a picture");
        assert_eq!(beside, fs::read(here.path("plots").join(name)).expect("a picture"), "{name}");
    }
    here.runner("three.toml --results all --set engine.pictures=all").expect(0);
    assert_eq!(drawn(&here, "all/three").len(), 6);
    let numbers_of = |results: &str| {
        let table = parquet(here.path(format!("{results}/three/trials.parquet")));
        (texts(&table, "trial"), numbers(&table, "validation_nll"), numbers(&table, "test_nll"))
    };
    assert_eq!(numbers_of("results"), numbers_of("all"));
}

#[test]
fn whichever_job_of_a_plan_ends_last_draws_the_best_trial() {
    let here = Workplace::new();
    here.write("three.toml", format!("{SMALL}{THREE}"));
    let plan = here.runner("plan three.toml --json").expect(0).stdout;
    here.write("results/three/plan.json", plan);
    for index in [1, 2, 0] {
        assert!(drawn(&here, "results/three").is_empty(), "{index}");
        here.runner(&format!("exec --plan results/three/plan.json --index {index}")).expect(0);
    }
    assert_eq!(drawn(&here, "results/three"), [format!("{}/seed-0", best_trial(&here, "results/three"))]);
}
