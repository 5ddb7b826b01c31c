//! Rows a second of scoring and sampling.
//!
//! `cargo bench --bench throughput -- [--threads 2] [--repeats 5] [--case D,H,N,ROWS ...]`
//!
//! Prints one JSON object a line with the fields of `benches/peers.py`: peer, what (`score` or `sample`), case [features,
//! width, couplings, rows], threads, ms (median for all rows), min, max.

use std::time::Instant;

use rand_distr::{Distribution, StandardNormal};
use realnvp_runner::kernel;
use realnvp_runner::matrix::Matrix;
use realnvp_runner::random::{Purpose, stream};
use realnvp_runner::spec::{CouplingKind, Device, KernelChoice, Mixing, Model};

fn main() {
    let (mut threads, mut repeats, mut cases) = (2, 5, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--threads" => threads = value().parse().expect("a number of threads"),
            "--repeats" => repeats = value().parse().expect("a number of repeats"),
            "--case" => {
                let numbers: Vec<usize> = value().split(',').map(|n| n.parse().expect("D,H,N,ROWS")).collect();
                cases.push(<[usize; 4]>::try_from(numbers).expect("D,H,N,ROWS"));
            }
            // Cargo passes this to every benchmark.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    if cases.is_empty() {
        cases = vec![[2, 64, 8, 65536], [43, 512, 10, 8192]];
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
    pool.install(|| cases.into_iter().for_each(|case| measure(case, threads, repeats)));
}

fn measure(case: [usize; 4], threads: usize, repeats: usize) {
    let [features, width, depth, rows] = case;
    let (coupling, mixing) = (CouplingKind::Affine, Mixing::None);
    let model = Model { depth, width, hidden_layers: Some(2), coupling, mixing, ..Model::default() };
    let mut flow = kernel::build(&model, KernelChoice::Fused, features, 0, Device::Cpu).expect("a flow").flow;
    let mut rng = stream(0, Purpose::Test, 0);
    let x = Matrix::new((0..rows * features).map(|_| StandardNormal.sample(&mut rng)).collect(), features);
    report("score", case, threads, repeats, || drop(flow.log_prob(&x).expect("log_prob")));
    report("sample", case, threads, repeats, || drop(flow.sample(rows, 0).expect("samples")));
}

fn report(what: &str, case: [usize; 4], threads: usize, repeats: usize, mut once: impl FnMut()) {
    once();
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            (0..3).for_each(|_| once());
            start.elapsed().as_secs_f64() / 3.0 * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let [ms, min, max] = [times[repeats / 2], times[0], times[repeats - 1]].map(|t| (t * 1e4).round() / 1e4);
    println!(
        "{}",
        serde_json::json!({
            "peer": "runner", "what": what, "case": case, "threads": threads, "ms": ms, "min": min, "max": max,
        })
    );
}
