//! What a sweep costs beside its bare steps: 100 trials of 200 steps on two moons, two at once.
//!
//! `cargo bench --bench sweep -- [--rounds 5] [--jobs 2] [--trials 100] [--held-out ROWS]`
//!
//! In every round, one after the other: `steps`, batches, gradients and updates of all trials and nothing else; `scored`, the same
//! with the scoring of validation and test rows that the spec asks for; `sweep`, the program itself, from the spec to the table.
//! Prints one JSON object: seconds of all three, and what the sweep costs more, as shares of `steps`: `overhead` beyond `scored`,
//! `all` beyond `steps`. Once from the medians of the rounds, and once from the fastest ones: on a machine that others use too,
//! a round of ten seconds is disturbed as often as not, and what disturbs it only ever adds. `--held-out` sets the number of
//! validation and of test rows.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use realnvp_runner::data::{Batches, Dataset, load};
use realnvp_runner::flow;
use realnvp_runner::kernel::Optimizer;
use realnvp_runner::matrix::Matrix;
use realnvp_runner::plan::{Trial, prepare};
use realnvp_runner::spec::Overrides;
use realnvp_runner::train::evaluate;

fn main() {
    let (mut rounds, mut jobs, mut trials, mut held_out) = (5, 2, 100, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value =
            || words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{word}: a number"));
        match word.as_str() {
            "--rounds" => rounds = value(),
            "--jobs" => jobs = value(),
            "--trials" => trials = value(),
            "--held-out" => held_out = Some(value()),
            // Cargo passes this to every benchmark.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sweep.toml");
    let rows = held_out.map_or(String::new(), |rows| format!("validation = {rows}\ntest = {rows}\n"));
    let spec = format!(
        "[dataset]\nname = \"moons\"\n{rows}[model]\ndepth = 8\nwidth = 64\n[training]\nsteps = 200\nbatch_size = 256\n\
         [sweep]\nmethod = \"random\"\ntrials = {trials}\n[sweep.parameters]\n\
         \"optimizer.learning_rate\" = {{ min = 1e-4, max = 1e-2, scale = \"log\" }}\n"
    );
    std::fs::write(&path, spec).expect("written");
    let (_, plan) = prepare(std::slice::from_ref(&path), Overrides::default()).expect("a spec").remove(0);
    let dataset = load(&plan.trials[0].spec.dataset, folder.path(), 256, &|_, _, _| {}).expect("data");

    let (mut steps, mut scored, mut sweep) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        steps.push(seconds(|| bare(&plan.trials, &dataset, jobs, false)));
        scored.push(seconds(|| bare(&plan.trials, &dataset, jobs, true)));
        let results = folder.path().join(round.to_string());
        sweep.push(seconds(|| run(&path, &results, jobs)));
    }
    let summary = |one: fn(&mut [f64]) -> f64| {
        let [steps, scored, sweep] = [&steps, &scored, &sweep].map(|seconds| one(&mut seconds.clone()));
        let share = |less: f64| ((sweep - less) / steps * 1e3).round() / 1e3;
        let (overhead, all) = (share(scored), share(steps));
        serde_json::json!({ "steps": steps, "scored": scored, "sweep": sweep, "overhead": overhead, "all": all })
    };
    let line = serde_json::json!({
        "trials": trials, "jobs": jobs, "validation_rows": dataset.validation.rows(), "test_rows": dataset.test.rows(),
        "rounds": rounds, "median": summary(median), "fastest": summary(fastest),
    });
    println!("{line}");
}

/// Trains all trials, `jobs` at once on a thread each.
fn bare(trials: &[Trial], dataset: &Dataset, jobs: usize, score: bool) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    pool.install(|| train(trial, dataset, score));
                }
            });
        }
    });
}

fn train(trial: &Trial, dataset: &Dataset, score: bool) {
    let spec = &trial.spec;
    let built = flow::build(&spec.model, spec.training.kernel, dataset.features(), trial.seed, spec.device);
    let mut flow = built.expect("a flow").flow;
    let mut optimizer = Optimizer::new(&spec.optimizer, flow.parameters().count());
    let mut batches = Batches::new(dataset, spec.training.batch_size, trial.seed);
    let (mut batch, mut gradient) = (Matrix::default(), Vec::new());
    for step in 0..spec.training.steps.expect("steps") as u64 {
        batches.fill(step, &mut batch);
        flow.loss_and_gradient(&batch, &mut gradient).expect("a gradient");
        optimizer.update(flow.parameters_mut().trainable_mut(), &gradient, 1.0, spec.optimizer.learning_rate, step);
    }
    if score {
        for rows in [&dataset.validation, &dataset.test] {
            evaluate(&mut *flow, rows, &dataset.preprocessing).expect("a score");
        }
    }
}

fn run(spec: &Path, results: &Path, jobs: usize) {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    let runner = runner.arg(spec).arg("--results").arg(results).args(["--jobs", &jobs.to_string(), "--quiet"]);
    assert!(runner.output().expect("the program").status.success());
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn fastest(values: &mut [f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
