//! Times one Real NVP training step: forward, backward, clipping norm and Adam, on a fixed batch.
//!
//! `cargo bench --bench training_step -- [--threads 2] [--steps 60] [--repeats 5] [--case D,H,N,B | NAME ...] [--peak]
//! [--composed] [--device cuda]`; NAME: `spline-2`, `spline-6`, `spline-43`, `affine-6`
//!
//! Prints one JSON object a line with the fields of `benches/peers.py`: peer, case [features, width, couplings, batch],
//! threads, ms_per_step (median), min, max; and besides: gflops, the useful arithmetic per second (two operations a
//! weight and row forward, four backward; masked-out features count as nothing), and, with `--peak`, gemm_gflops, what
//! the `gemm` crate reaches on 1024³ in this process on as many threads, and the fraction of it.

use std::time::Instant;

use rand_distr::{Distribution, StandardNormal};
use realnvp_runner::flow::{Flow, Rows, Work};
use realnvp_runner::kernel;
use realnvp_runner::matrix::Matrix;
use realnvp_runner::optimizer::Optimizer;
use realnvp_runner::random::{Purpose, stream};
use realnvp_runner::spec::{
    CouplingKind, Device, KernelChoice, MaskScheme, Mixing, Model, NetworkKind, Optimizer as Rule, OptimizerName,
    Schedule, ScheduleName,
};

const CASES: [[usize; 4]; 4] = [[2, 64, 8, 256], [2, 128, 8, 256], [2, 256, 6, 100], [43, 512, 10, 256]];

/// What is timed: [features, width, couplings, batch], and the rest of the model.
#[derive(Clone)]
struct Case {
    /// Empty for affine couplings of perceptrons.
    name: String,
    sizes: [usize; 4],
    model: Model,
}

impl Case {
    fn of_sizes(sizes: [usize; 4]) -> Self {
        let [_, width, depth, _] = sizes;
        let model = Model {
            depth,
            width,
            hidden_layers: Some(2),
            coupling: CouplingKind::Affine,
            mixing: Mixing::None,
            ..Model::default()
        };
        Self { name: String::new(), sizes, model }
    }

    /// Splines with residual or plain networks, and affine couplings with residual ones, as neural spline flows have them.
    fn named(name: &str) -> Option<Self> {
        let (sizes, coupling, network) = match name {
            "spline-6" => ([6, 128, 10, 512], CouplingKind::Spline, NetworkKind::Residual),
            "spline-43" => ([43, 256, 10, 512], CouplingKind::Spline, NetworkKind::Residual),
            "affine-6" => ([6, 256, 10, 512], CouplingKind::Affine, NetworkKind::Residual),
            "spline-2" => ([2, 64, 8, 256], CouplingKind::Spline, NetworkKind::Mlp),
            _ => return None,
        };
        let Self { model, .. } = Self::of_sizes(sizes);
        let residual = network == NetworkKind::Residual;
        let affine = coupling == CouplingKind::Affine;
        let model = Model {
            coupling,
            network,
            mask: MaskScheme::Half,
            mixing: if residual { Mixing::Lu } else { Mixing::Reverse },
            hidden_layers: (!residual).then_some(2),
            blocks: residual.then_some(2),
            joint: affine.then_some(true),
            scale: model.scale.filter(|_| affine),
            bins: (!affine).then_some(8),
            tail_bound: (!affine).then_some(3.0),
            ..model
        };
        Some(Self { name: name.to_owned(), sizes, model })
    }
}

struct Options {
    threads: usize,
    steps: usize,
    repeats: usize,
    cases: Vec<Case>,
    kernel: KernelChoice,
    peak: bool,
    device: Device,
}

fn options() -> Options {
    let mut options = Options {
        threads: 2,
        steps: 60,
        repeats: 5,
        cases: Vec::new(),
        kernel: KernelChoice::Fused,
        peak: false,
        device: Device::Cpu,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--threads" => options.threads = value().parse().expect("a number of threads"),
            "--steps" => options.steps = value().parse().expect("a number of steps"),
            "--repeats" => options.repeats = value().parse().expect("a number of repeats"),
            "--case" => {
                let text = value();
                let sizes = || text.split(',').map(|n| n.parse().expect("D,H,N,B or a name")).collect::<Vec<usize>>();
                let by_sizes = || Case::of_sizes(sizes().try_into().expect("D,H,N,B"));
                options.cases.push(Case::named(&text).unwrap_or_else(by_sizes));
            }
            "--composed" => options.kernel = KernelChoice::Composed,
            "--peak" => options.peak = true,
            "--device" => options.device = value().parse().expect("a device"),
            // Cargo passes this to every benchmark.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    if options.cases.is_empty() {
        options.cases = CASES.map(Case::of_sizes).to_vec();
    }
    options
}

fn main() {
    let options = options();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build().expect("a pool of threads");
    pool.install(|| {
        for case in &options.cases {
            measure(case, &options);
        }
    });
}

fn measure(case: &Case, options: &Options) {
    let Case { name, sizes, model } = case;
    let [features, _, _, batch] = *sizes;
    let mut flow = kernel::build(model, options.kernel, features, 0, options.device).expect("a flow").flow;
    let weights: usize = flow.parameters().entries().iter().filter(|e| e.shape.len() == 2).map(|e| e.len()).sum();
    let mut optimizer = Optimizer::new(&adam(), flow.parameters().count());
    let mut rng = stream(0, Purpose::Test, 0);
    let x = Matrix::new((0..batch * features).map(|_| StandardNormal.sample(&mut rng)).collect(), features);
    let at_once = flow.steps_at_once();
    let rows = if flow.holds_rows() {
        flow.hold(&x).expect("room");
        Rows::Held((0..at_once).flat_map(|_| 0..batch as u32).collect())
    } else {
        Rows::Given(vec![x; at_once])
    };
    let mut work = Work { rows, rates: vec![1e-3; at_once], ..Work::default() };
    let mut losses = Vec::new();
    let mut stretch = |flow: &mut dyn Flow| {
        losses.clear();
        flow.train(&mut work, &mut optimizer, &mut losses, &mut || {}).expect("steps");
        work.first += at_once as u64;
    };
    (0..10usize.div_ceil(at_once)).for_each(|_| stretch(&mut *flow));
    let steps = if features <= 8 { options.steps } else { (options.steps / 6).max(5) };
    let stretches = steps.div_ceil(at_once);
    let mut peaks = Vec::new();
    let mut times: Vec<f64> = (0..options.repeats)
        .map(|_| {
            if options.peak {
                peaks.push(gemm_gflops(options.threads));
            }
            let start = Instant::now();
            (0..stretches).for_each(|_| stretch(&mut *flow));
            start.elapsed().as_secs_f64() / (stretches * at_once) as f64 * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let gflops = 6.0 * weights as f64 * batch as f64 / median / 1e6;
    let mut line = serde_json::json!({
        "peer": if options.kernel == KernelChoice::Fused { "runner" } else { "runner-composed" },
        "device": options.device.to_string(),
        "case": if name.is_empty() { serde_json::json!(sizes) } else { name.as_str().into() },
        "threads": options.threads,
        "ms_per_step": (median * 1e4).round() / 1e4,
        "min": (times[0] * 1e4).round() / 1e4,
        "max": (times[times.len() - 1] * 1e4).round() / 1e4,
        "gflops": gflops.round(),
    });
    if options.peak {
        peaks.sort_by(f64::total_cmp);
        let peak = peaks[peaks.len() / 2];
        line["gemm_gflops"] = peak.round().into();
        line["fraction"] = ((gflops / peak * 1e3).round() / 1e3).into();
    }
    println!("{line}");
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

/// What the `gemm` crate reaches on a product of two 1024 × 1024 matrices, 10⁹ operations a second.
fn gemm_gflops(threads: usize) -> f64 {
    const N: usize = 1024;
    let (a, b, mut c) = (vec![1.0f32; N * N], vec![1.0f32; N * N], vec![0.0f32; N * N]);
    let threads = if threads > 1 { gemm::Parallelism::Rayon(threads) } else { gemm::Parallelism::None };
    let n = N as isize;
    let mut once = || {
        // SAFETY: three dense N × N matrices, with their strides.
        unsafe {
            gemm::gemm(
                N,
                N,
                N,
                c.as_mut_ptr(),
                1,
                n,
                false,
                a.as_ptr(),
                1,
                n,
                b.as_ptr(),
                1,
                n,
                0.0,
                1.0,
                false,
                false,
                false,
                threads,
            );
        }
    };
    once();
    let start = Instant::now();
    (0..4).for_each(|_| once());
    4.0 * 2.0 * (N as f64).powi(3) / start.elapsed().as_secs_f64() / 1e9
}
