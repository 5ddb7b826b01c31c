//! Times flows of images: a training step, scoring and sampling, on a fixed batch.
//!
//! `cargo bench --bench images -- [--what step,score,sample] [--threads 2] [--repeats 5] [--seconds 1] [--cases NAME,…]
//! [--device cpu|cuda]`
//!
//! A case is channels, height, width, scales, maps, blocks and batch. Prints one JSON object a line: peer, what, case, name, threads,
//! ms_per_step (median), min, max, images_per_second, parameters, gflop_per_second of the convolutions alone (padding counted, two
//! operations a multiplication, backward twice forward), and peak_megabytes, the most memory that the process has had so far.

use std::time::Instant;

use rand_distr::{Distribution, StandardNormal};
use realnvp_runner::flow::{Rows, Work};
use realnvp_runner::kernel;
use realnvp_runner::matrix::Matrix;
use realnvp_runner::optimizer::Optimizer;
use realnvp_runner::random::{Purpose, stream};
use realnvp_runner::shape::Shape;
use realnvp_runner::spec::{
    CouplingKind, Device, KernelChoice, MaskScheme, Mixing, Model, NetworkKind, Optimizer as Rule, OptimizerName,
    Schedule, ScheduleName,
};

const CASES: [(&str, [usize; 7]); 4] = [
    ("digits", [1, 8, 8, 1, 32, 1, 128]),
    ("mnist-small", [1, 28, 28, 2, 32, 1, 64]),
    ("mnist", [1, 28, 28, 2, 32, 4, 64]),
    ("cifar", [3, 32, 32, 2, 64, 2, 32]),
];

struct Options {
    what: Vec<String>,
    threads: usize,
    repeats: usize,
    seconds: f64,
    cases: Vec<String>,
    device: Device,
}

fn options() -> Options {
    let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let names = CASES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let what = vec!["step".to_owned()];
    let mut options = Options { what, threads: 2, repeats: 5, seconds: 1.0, cases: names, device: Device::Cpu };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--what" => options.what = list(value()),
            "--cases" => options.cases = list(value()),
            "--threads" => options.threads = value().parse().expect("a number of threads"),
            "--repeats" => options.repeats = value().parse().expect("a number of repeats"),
            "--seconds" => options.seconds = value().parse().expect("seconds"),
            "--device" => options.device = value().parse().expect("a device"),
            // Cargo passes this to every benchmark.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn main() {
    let options = options();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build().expect("a pool of threads");
    pool.install(|| {
        for (name, case) in CASES.iter().filter(|(name, _)| options.cases.iter().any(|wanted| wanted == name)) {
            options.what.iter().for_each(|what| measure(name, *case, what, &options));
        }
    });
}

fn measure(name: &str, case: [usize; 7], what: &str, options: &Options) {
    let [channels, height, width, scales, maps, blocks, batch] = case;
    let shape = Shape { height, width, channels };
    let model = Model {
        mask: MaskScheme::Multiscale,
        depth: 3,
        scales: Some(scales),
        network: NetworkKind::Conv,
        width: maps,
        blocks: Some(blocks),
        coupling: CouplingKind::Affine,
        mixing: Mixing::None,
        ..Model::default()
    };
    let mut flow = kernel::build(&model, KernelChoice::Fused, shape, 0, options.device).expect("a flow").flow;
    let parameters = flow.parameters().count();
    let features = shape.values();
    let mut rng = stream(0, Purpose::Test, 0);
    let x = Matrix::new((0..batch * features).map(|_| StandardNormal.sample(&mut rng)).collect(), features);
    let mut optimizer = Optimizer::new(&adam(), parameters);
    // A device is given many steps at a time.
    let steps = if what == "step" { flow.steps_at_once() } else { 1 };
    let rows = if flow.holds_rows() {
        flow.hold(&x).expect("room");
        Rows::Held((0..steps).flat_map(|_| 0..batch as u32).collect())
    } else {
        Rows::Given(vec![x.clone(); steps])
    };
    let mut work = Work { rows, rates: vec![1e-3; steps], ..Work::default() };
    let mut once = || match what {
        "step" => {
            flow.train(&mut work, &mut optimizer, &mut Vec::new(), &mut || {}).expect("a step");
            work.first += steps as u64;
        }
        "score" => drop(flow.forward(&x).expect("latent points")),
        "sample" => drop(flow.inverse(&x).expect("samples")),
        other => panic!("unknown work {other}: step, score or sample"),
    };
    once();
    once();
    let start = Instant::now();
    once();
    let count = ((options.seconds / start.elapsed().as_secs_f64()) as usize).clamp(1, 200);
    let time = |_| {
        let start = Instant::now();
        (0..count).for_each(|_| once());
        start.elapsed().as_secs_f64() / (count * steps) as f64 * 1e3
    };
    let mut times: Vec<f64> = (0..options.repeats).map(time).collect();
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let rounded = |value: f64| (value * 1e3).round() / 1e3;
    let line = serde_json::json!({
        "peer": "runner",
        "what": what,
        "case": case,
        "name": name,
        "threads": options.threads,
        "device": options.device.to_string(),
        "ms_per_step": rounded(median),
        "min": rounded(times[0]),
        "max": rounded(times[times.len() - 1]),
        "images_per_second": rounded(batch as f64 / median * 1e3),
        "parameters": parameters,
        "gflop_per_second": rounded(gflop(case, what) / median * 1e3),
        "peak_megabytes": peak_megabytes(),
    });
    println!("{line}");
}

/// 10⁹ operations of the convolutions of a step (the first one has no gradient of what it reads) or of an evaluation.
fn gflop([mut channels, mut height, mut width, scales, maps, blocks, batch]: [usize; 7], what: &str) -> f64 {
    let network = |height: usize, width: usize, read: usize, said: usize| {
        height * width * (9 * read * maps + blocks * 18 * maps * maps + maps * 2 * said)
    };
    let first = height * width * 9 * channels * maps;
    let mut all = 0;
    for scale in 0..scales {
        let last = scale + 1 == scales;
        all += (3 + usize::from(last)) * network(height, width, channels, channels);
        if !last {
            (height, width, channels) = (height / 2, width / 2, 2 * channels);
            all += 3 * network(height, width, channels, channels);
        }
    }
    let multiplications = if what == "step" { 3 * all - first } else { all };
    2e-9 * (batch * multiplications) as f64
}

/// The most memory that the process has had, where the system tells it.
fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

fn adam() -> Rule {
    Rule {
        name: OptimizerName::Adam,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        clip_norm: 0.0,
        betas: None,
        epsilon: None,
        momentum: None,
        alpha: None,
        schedule: Schedule { name: ScheduleName::Constant, warmup: 0, every: None, factor: None },
    }
}
