//! How good a search is, and what it costs: functions that are known take the place of training.
//!
//! `cargo bench --bench search -- [--trials 100] [--repeats 20] [--seed 100]`
//!
//! Prints, for each function and method, the mean over the repeats (seeds 100, 101, …) of the best value that was found, with its
//! standard error, and for 1,000 told trials the milliseconds that a round of four proposals takes. `benches/search_optuna.py` has
//! the same functions and seeds for Optuna.
//!
//! The width of the narrowest kernels (`src/search/tpe.rs`) was chosen by `bowl`, `flow` and `hartmann6` with the seeds 0 to 19; by
//! `branin`, `rosenbrock` and `levy` nothing was chosen, so that these tell what to expect.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::time::Instant;

use realnvp_runner::plan::{Search, prepare};
use realnvp_runner::spec::{Defaults, Overrides, ResolvedExperiment};
use realnvp_runner::statistics::Estimate;

type Values = BTreeMap<String, toml::Value>;

struct Function {
    name: &'static str,
    axes: &'static str,
    value: fn(&Values) -> f64,
}

const FUNCTIONS: [Function; 6] = [
    Function {
        name: "bowl",
        axes: "\"optimizer.learning_rate\" = { min = 1e-5, max = 1.0, scale = \"log\" }\n\
               \"model.dropout\" = { min = 0.0, max = 0.9 }\n\"model.activation\" = [\"relu\", \"tanh\"]\n",
        value: bowl,
    },
    Function {
        name: "flow",
        axes: "\"optimizer.learning_rate\" = { min = 1e-5, max = 1e-1, scale = \"log\" }\n\
               \"model.width\" = { min = 8, max = 512, scale = \"log\" }\n\"model.depth\" = { min = 1, max = 32 }\n\
               \"training.batch_size\" = [32, 64, 128, 256, 512]\n\"model.activation\" = [\"relu\", \"tanh\"]\n\
               \"model.mask\" = [\"alternating\", \"half\", \"random\"]\n",
        value: flow,
    },
    Function {
        name: "hartmann6",
        axes: "\"model.dropout\" = { min = 0.0, max = 0.9 }\n\"optimizer.learning_rate\" = { min = 0.01, max = 1.0 }\n\
               \"optimizer.weight_decay\" = { min = 0.0, max = 1.0 }\n\"optimizer.clip_norm\" = { min = 0.0, max = 1.0 }\n\
               \"optimizer.epsilon\" = { min = 0.01, max = 1.0 }\n\"dataset.noise\" = { min = 0.01, max = 1.0 }\n",
        value: hartmann6,
    },
    Function {
        name: "branin",
        axes: "\"model.dropout\" = { min = 0.0, max = 0.9 }\n\"optimizer.weight_decay\" = { min = 0.0, max = 1.0 }\n\
               \"model.mask\" = [\"alternating\", \"half\", \"random\"]\n",
        value: branin,
    },
    Function {
        name: "rosenbrock",
        axes: "\"optimizer.learning_rate\" = { min = 1e-3, max = 10.0, scale = \"log\" }\n\
               \"optimizer.epsilon\" = { min = 1e-4, max = 1.0, scale = \"log\" }\n\
               \"optimizer.clip_norm\" = { min = 1e-2, max = 1e2, scale = \"log\" }\n\
               \"dataset.noise\" = { min = 1e-2, max = 10.0, scale = \"log\" }\n",
        value: rosenbrock,
    },
    Function {
        name: "levy",
        axes: "\"model.dropout\" = { min = 0.0, max = 0.9 }\n\"optimizer.weight_decay\" = { min = 0.0, max = 1.0 }\n\
               \"model.depth\" = { min = 1, max = 21 }\n\"model.activation\" = [\"relu\", \"tanh\"]\n",
        value: levy,
    },
];

fn number(values: &Values, key: &str) -> f64 {
    values[key].as_float().or(values[key].as_integer().map(|whole| whole as f64)).expect("a number")
}

fn word<'a>(values: &'a Values, key: &str) -> &'a str {
    values[key].as_str().expect("a word")
}

/// Two dimensions and a category; 0 at best.
fn bowl(values: &Values) -> f64 {
    let (x, y) = (number(values, "optimizer.learning_rate").log10() + 2.7, number(values, "model.dropout") - 0.3);
    x * x + 4.0 * y * y + if word(values, "model.activation") == "tanh" { 0.5 } else { 0.0 }
}

/// Like the NLL of flows: a learning rate that depends on the batch, and depth and width that cost when there is too much.
fn flow(values: &Values) -> f64 {
    let batch = number(values, "training.batch_size");
    let rate = number(values, "optimizer.learning_rate").log10() + 2.5 - 0.5 * (batch / 128.0).log10();
    let width = number(values, "model.width").log2() - 7.0;
    let depth = (number(values, "model.depth") - 12.0) / 10.0;
    let activation = if word(values, "model.activation") == "relu" { 0.0 } else { 0.1 + 0.05 * width.abs() };
    let mask = match word(values, "model.mask") {
        "half" => 0.0,
        "alternating" => 0.05,
        _ => 0.15,
    };
    0.3 * rate * rate
        + 0.05 * (width + depth).powi(2)
        + 0.1 * depth * depth
        + 0.02 * (batch / 128.0).log2().powi(2)
        + activation
        + mask
}

/// The function of Hartmann in six dimensions; −3.322 at best.
fn hartmann6(values: &Values) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const WIDTHS: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const CENTRES: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let x = [
        number(values, "model.dropout") / 0.9,
        (number(values, "optimizer.learning_rate") - 0.01) / 0.99,
        number(values, "optimizer.weight_decay"),
        number(values, "optimizer.clip_norm"),
        (number(values, "optimizer.epsilon") - 0.01) / 0.99,
        (number(values, "dataset.noise") - 0.01) / 0.99,
    ];
    let peak = |i: usize| {
        let distance: f64 = (0..6).map(|j| WIDTHS[i][j] * (x[j] - CENTRES[i][j]).powi(2)).sum();
        HEIGHTS[i] * (-distance).exp()
    };
    -(0..4).map(peak).sum::<f64>()
}

/// The function of Branin, moved along its first axis and lifted by a category; 0.398 at best.
fn branin(values: &Values) -> f64 {
    let (moved, lifted) = match word(values, "model.mask") {
        "half" => (0.0, 0.0),
        "alternating" => (2.0, 1.0),
        _ => (-3.0, 3.0),
    };
    let x = -5.0 + 15.0 * number(values, "model.dropout") / 0.9 + moved;
    let y = 15.0 * number(values, "optimizer.weight_decay");
    let bent = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    bent * bent + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0 + lifted
}

/// The function of Rosenbrock in the logarithms of four numbers, of which its own logarithm is taken; 0 at best.
fn rosenbrock(values: &Values) -> f64 {
    let log = |key| number(values, key).log10();
    // Each from −2 to 2.
    let x = [
        log("optimizer.learning_rate") + 1.0,
        log("optimizer.epsilon") + 2.0,
        log("optimizer.clip_norm"),
        4.0 / 3.0 * (log("dataset.noise") + 2.0) - 2.0,
    ];
    let sum: f64 =
        x.windows(2).map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2)).sum();
    sum.ln_1p()
}

/// The function of Levy in two dimensions, and a whole number that counts with one of two words only; 0 at best.
fn levy(values: &Values) -> f64 {
    let w = [number(values, "model.dropout") / 0.9, number(values, "optimizer.weight_decay")]
        .map(|u| 1.0 + (20.0 * u - 10.0 - 1.0) / 4.0);
    let first = (PI * w[0]).sin().powi(2);
    let middle = (w[0] - 1.0).powi(2) * (1.0 + 10.0 * (PI * w[0] + 1.0).sin().powi(2));
    let last = (w[1] - 1.0).powi(2) * (1.0 + (2.0 * PI * w[1]).sin().powi(2));
    let depth = (number(values, "model.depth") - 7.0) / 5.0;
    let of_word = if word(values, "model.activation") == "tanh" { depth * depth } else { 2.0 };
    first + middle + last + of_word
}

fn main() {
    let (mut trials, mut repeats, mut first) = (100, 20, 100);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value =
            || words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{word}: a number"));
        match word.as_str() {
            "--trials" => trials = value(),
            "--repeats" => repeats = value(),
            "--seed" => first = value(),
            // Cargo passes this to every benchmark.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    for function in &FUNCTIONS {
        for method in ["random", "sobol", "tpe"] {
            let best: Vec<f64> = (first..first + repeats).map(|seed| best(function, method, trials, seed)).collect();
            let Estimate { mean, error, .. } = Estimate::of(best.into_iter());
            println!("{} {method} {mean:.4} {:.4}", function.name, error.unwrap_or(f64::NAN));
        }
        let (_, seconds) = searched(function, &experiment(function, "tpe", 1_040, 0).0);
        println!("{} ms a round at 1,000 trials: {:.1}", function.name, 1e3 * seconds);
    }
}

fn best(function: &Function, method: &str, trials: usize, seed: usize) -> f64 {
    let (experiment, plan) = experiment(function, method, trials, seed);
    let smallest = |all: Vec<f64>| all.into_iter().fold(f64::INFINITY, f64::min);
    match method {
        "tpe" => smallest(searched(function, &experiment).0),
        _ => smallest(plan.trials.iter().map(|trial| (function.value)(&trial.overrides)).collect()),
    }
}

/// The values that a search found, and the mean seconds of its last ten rounds.
fn searched(function: &Function, experiment: &ResolvedExperiment) -> (Vec<f64>, f64) {
    let mut search = Search::new(experiment).expect("a search");
    let (mut values, mut seconds) = (Vec::new(), Vec::new());
    let mut told = Vec::new();
    loop {
        let told_now = search.told(&told, |seeds, _| Some(Some((function.value)(&seeds[0].overrides))));
        told = told_now.expect("told of all");
        let begin = Instant::now();
        let trials = search.next(&told).expect("trials");
        if trials.is_empty() {
            break;
        }
        seconds.push(begin.elapsed().as_secs_f64());
        values.extend(trials.iter().map(|trial| (function.value)(&trial.overrides)));
    }
    let last = &seconds[seconds.len().saturating_sub(10)..];
    (values, last.iter().sum::<f64>() / last.len() as f64)
}

fn experiment(
    function: &Function,
    method: &str,
    trials: usize,
    seed: usize,
) -> (ResolvedExperiment, realnvp_runner::plan::Plan) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("search.toml");
    let spec = format!(
        "[dataset]\nname = \"moons\"\n[sweep]\nmethod = \"{method}\"\ntrials = {trials}\nseed = {seed}\n[sweep.parameters]\n{}",
        function.axes
    );
    std::fs::write(&path, spec).expect("written");
    prepare(&[path], Overrides::default(), |_| Defaults::Today)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .remove(0)
}
