//! What a sweep costs beside its bare steps: 100 trials of 200 steps on two moons, two at once.
//!
//! `cargo bench --bench sweep -- [--rounds 5] [--jobs 2] [--trials 100] [--held-out ROWS]`
//!
//! Three processes: `steps`, batches, gradients and updates of all trials and nothing else; `scored`, the same with the scoring of
//! validation and test rows that the spec asks for; `sweep`, the program itself, from its start to the table. In every round they take
//! turns of a fifth of a second, two stopped while one runs, so that all meet the same noise of a machine that others use too. Prints one
//! JSON object: medians over the rounds of the seconds that each had, and of what the sweep cost more, as shares of `steps`: `overhead`
//! beyond `scored`, `all` beyond `steps`. `--held-out` sets the number of validation and of test rows. Needs a Unix.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use realnvp_runner::data::{Batches, Dataset, load};
use realnvp_runner::kernel;
use realnvp_runner::matrix::Matrix;
use realnvp_runner::optimizer::Optimizer;
use realnvp_runner::plan::{Trial, prepare};
use realnvp_runner::spec::{Defaults, Overrides};
use realnvp_runner::train::evaluate;

/// How long one process runs before it is another's turn.
const TURN: Duration = Duration::from_millis(200);

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
            // What the processes of the bare steps are started with.
            "steps" | "scored" => return bare(&words.collect::<Vec<_>>(), word == "scored"),
            // Cargo passes this to every benchmark.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sweep.toml");
    let rows = held_out.map_or(String::new(), |rows: usize| format!("validation = {rows}\ntest = {rows}\n"));
    let spec = format!(
        "[dataset]\nname = \"moons\"\n{rows}[model]\ndepth = 8\nwidth = 64\n[training]\nsteps = 200\nbatch_size = 256\n\
         [sweep]\nmethod = \"random\"\ntrials = {trials}\n[sweep.parameters]\n\
         \"optimizer.learning_rate\" = {{ min = 1e-4, max = 1e-2, scale = \"log\" }}\n"
    );
    std::fs::write(&path, spec).expect("written");

    let (mut seconds, mut overhead, mut all) = ([const { Vec::new() }; 3], Vec::new(), Vec::new());
    for round in 0..rounds {
        let results = folder.path().join(round.to_string());
        let [steps, scored, sweep] = in_turns([
            ready("steps", &path, jobs),
            ready("scored", &path, jobs),
            Waiting::Unstarted(runner(&path, &results, jobs)),
        ]);
        seconds.iter_mut().zip([steps, scored, sweep]).for_each(|(all, one)| all.push(one));
        overhead.push((sweep - scored) / steps);
        all.push((sweep - steps) / steps);
    }
    let [steps, scored, sweep] = seconds.map(median);
    let line = serde_json::json!({
        "trials": trials, "jobs": jobs, "held_out": held_out, "rounds": rounds, "steps": steps, "scored": scored,
        "sweep": sweep, "overhead": median(overhead), "all": median(all),
    });
    println!("{line}");
}

/// A process before its first turn.
enum Waiting {
    Unstarted(Command),
    /// It has loaded everything, and begins when it is told to.
    Ready(Child),
}

/// This program, about to train all trials of a spec and do nothing else.
fn ready(what: &str, spec: &Path, jobs: usize) -> Waiting {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg(what)
        .arg(spec)
        .arg(jobs.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut byte = [0];
    child.stdout.take().expect("its output").read_exact(&mut byte).expect("a sign of life");
    Waiting::Ready(child)
}

fn runner(spec: &Path, results: &Path, jobs: usize) -> Command {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.arg(spec).arg("--results").arg(results).args(["--jobs", &jobs.to_string(), "--quiet"]);
    runner.stdout(Stdio::null()).stderr(Stdio::null());
    runner
}

/// Runs the processes turn by turn to their ends; returns the seconds that each was running.
fn in_turns<const N: usize>(processes: [Waiting; N]) -> [f64; N] {
    let mut seconds = [0.0; N];
    let mut running: [Option<Child>; N] = [const { None }; N];
    let mut waiting = processes.map(Some);
    let mut left = N;
    while left > 0 {
        for at in 0..N {
            let begun = Instant::now();
            let child = match (waiting[at].take(), &mut running[at]) {
                (Some(Waiting::Unstarted(mut command)), place) => place.insert(command.spawn().expect("a process")),
                (Some(Waiting::Ready(mut child)), place) => {
                    child.stdin.take().expect("its input").write_all(b"\n").expect("told");
                    place.insert(child)
                }
                (None, Some(child)) => {
                    signal(child, "-CONT");
                    child
                }
                (None, None) => continue,
            };
            let mut ended = None;
            while ended.is_none() && begun.elapsed() < TURN {
                std::thread::sleep(Duration::from_millis(1));
                ended = child.try_wait().expect("its state");
            }
            seconds[at] += begun.elapsed().as_secs_f64();
            match ended {
                Some(status) => {
                    assert!(status.success(), "{status}");
                    running[at] = None;
                    left -= 1;
                }
                None => signal(child, "-STOP"),
            }
        }
    }
    seconds
}

fn signal(child: &Child, signal: &str) {
    // One that has just ended cannot be told, and need not.
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status();
}

/// The process of the bare steps: says that it is ready, waits for a line, and trains. `arguments`: the spec, and how many trials at once.
fn bare(arguments: &[String], score: bool) {
    let path = Path::new(&arguments[0]);
    let jobs: usize = arguments[1].parse().expect("a number");
    let (_, plan) = prepare(&[path.to_owned()], Overrides::default(), |_| Defaults::Today).expect("a spec").remove(0);
    let dataset =
        load(&plan.trials[0].spec.dataset, path.parent().expect("a folder"), 256, &|_, _, _| {}).expect("data");
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    train_all(&plan.trials, &dataset, jobs, score);
}

/// Trains all trials, `jobs` at once on a thread each.
fn train_all(trials: &[Trial], dataset: &Dataset, jobs: usize, score: bool) {
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
    let built = kernel::build(&spec.model, spec.training.kernel, dataset.shape, trial.seed, spec.device);
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
            evaluate(&mut *flow, rows, None, &dataset.preprocessing).expect("a score");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2] * 1e3).round() / 1e3
}
