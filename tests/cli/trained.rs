//! What a trained flow is for: samples, densities, latent rows.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::workplace::{Workplace, columns, manifest, numbers, parquet};

/// A flow of two moons; smooth, so that its Jacobian can be taken numerically.
struct Trained {
    run: PathBuf,
    _folder: Workplace,
}

impl Trained {
    fn new() -> Self {
        let here = Workplace::new();
        let spec = "[dataset]\nname = \"moons\"\nnoise = 0.1\ntrain = \"fresh\"\nvalidation = 1_000\ntest = 5_000\n\
                    [model]\ndepth = 6\nwidth = 32\nactivation = \"tanh\"\n[optimizer]\nlearning_rate = 5e-3\n\
                    [training]\nsteps = 1_000\n";
        here.write("moons.toml", spec);
        here.runner("moons.toml --quiet").expect(0);
        Self { run: here.run_folder("results/moons", 0), _folder: here }
    }

    /// The run, for a command line.
    fn run(&self) -> String {
        self.run.display().to_string()
    }
}

/// One for all tests that run at the same time; its folder goes with the last of them.
fn trained() -> Arc<Trained> {
    static SHARED: Mutex<Weak<Trained>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let new = Arc::new(Trained::new());
        *shared = Arc::downgrade(&new);
        new
    })
}

fn csv(rows: &[[f64; 2]]) -> String {
    let lines: String = rows.iter().map(|[x, y]| format!("{x},{y}\n")).collect();
    format!("x1,x2\n{lines}")
}

fn close(a: &[f64], b: &[f64], most: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= most)
}

#[test]
fn samples_come_in_three_formats_with_the_names_of_the_data() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    for file in ["a.csv", "a.parquet", "a.npy"] {
        here.runner(&format!("sample {run} -n 100 -o {file}")).expect(0).says(&["wrote a."]);
    }
    let table = parquet(here.path("a.parquet"));
    assert_eq!(columns(&table).iter().map(|column| column.0.as_str()).collect::<Vec<_>>(), ["x1", "x2"]);
    let (x, y) = (numbers(&table, "x1"), numbers(&table, "x2"));
    assert_eq!(x.len(), 100);
    let text = fs::read_to_string(here.path("a.csv")).expect("text");
    assert!(text.starts_with("x1,x2\n") && text.lines().count() == 101);
    let cells: Vec<f64> =
        text.lines().skip(1).flat_map(|line| line.split(',')).map(|cell| cell.parse().expect("a number")).collect();
    let rows: Vec<f64> = x.iter().zip(&y).flat_map(|(x, y)| [*x, *y]).collect();
    assert!(close(&cells, &rows, 1e-6));
    let array = npyz::NpyFile::new(fs::File::open(here.path("a.npy")).expect("opened")).expect("an array");
    assert_eq!(array.shape(), [100, 2]);
    let values: Vec<f64> = array.into_vec().expect("floats");
    assert_eq!(values, rows);
    // Two moons lie in [-1, 2] × [-0.5, 1], give or take their noise.
    assert!(x.iter().filter(|x| (-1.5..2.5).contains(*x)).count() > 95);
    here.runner(&format!("sample {run} -n 5 -o a.txt")).expect(2).says(&["a.txt", ".parquet, .csv, .npy"]);
    here.runner(&format!("sample {run} -n 5 -o none/a.csv")).expect(2).says(&["there is no folder `none`"]);
}

#[test]
fn a_seed_always_gives_the_same_samples() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    for (seed, file) in [("", "a.csv"), ("--seed 0", "b.csv"), ("--seed 1", "c.csv")] {
        here.runner(&format!("sample {run} -n 50 -o {file} {seed}")).expect(0);
    }
    let text = |name: &str| fs::read_to_string(here.path(name)).expect("text");
    assert_eq!(text("a.csv"), text("b.csv"));
    assert_ne!(text("a.csv"), text("c.csv"));
}

#[test]
fn the_density_integrates_to_one() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    let step = 0.02;
    let axis = |low: f64, high: f64| (0..).map(move |i| low + step * f64::from(i)).take_while(move |x| *x < high);
    let grid: Vec<[f64; 2]> = axis(-3.0, 4.0).flat_map(|x| axis(-2.5, 3.0).map(move |y| [x, y])).collect();
    here.write("grid.csv", csv(&grid));
    here.runner(&format!("score {run} --data grid.csv -o score.parquet")).expect(0).says(&["mean log_prob"]);
    let log_prob = numbers(&parquet(here.path("score.parquet")), "log_prob");
    assert_eq!(log_prob.len(), grid.len());
    let mass: f64 = log_prob.iter().map(|log_prob| log_prob.exp()).sum::<f64>() * step * step;
    assert!((mass - 1.0).abs() < 0.02, "{mass}");
}

#[test]
fn the_score_is_the_base_density_of_z_times_the_jacobian_of_the_transform() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    let h = 4e-3;
    let points: Vec<[f64; 2]> =
        (0..12).map(|i| f64::from(i) * 0.5).map(|a| [a.cos() + 0.5, a.sin() * 0.6 + 0.2]).collect();
    let around: Vec<[f64; 2]> =
        points.iter().flat_map(|&[x, y]| [[x, y], [x + h, y], [x - h, y], [x, y + h], [x, y - h]]).collect();
    here.write("points.csv", csv(&points));
    here.write("around.csv", csv(&around));
    here.runner(&format!("score {run} --data points.csv -o score.csv")).expect(0);
    here.runner(&format!("transform {run} --data around.csv -o z.parquet")).expect(0);
    let text = fs::read_to_string(here.path("score.csv")).expect("text");
    let scores: Vec<f64> = text.lines().skip(1).map(|line| line.parse().expect("a number")).collect();
    let table = parquet(here.path("z.parquet"));
    let z: Vec<[f64; 2]> = numbers(&table, "z1").into_iter().zip(numbers(&table, "z2")).map(|(a, b)| [a, b]).collect();
    for (z, score) in z.chunks_exact(5).zip(scores) {
        let slope = |i: usize, j: usize| (z[2 * j + 1][i] - z[2 * j + 2][i]) / (2.0 * h);
        let determinant = slope(0, 0) * slope(1, 1) - slope(0, 1) * slope(1, 0);
        let base = -0.5 * (z[0][0].powi(2) + z[0][1].powi(2)) - std::f64::consts::TAU.ln();
        let expected = base + determinant.abs().ln();
        assert!((score - expected).abs() < 0.03, "{score} {expected}");
    }
}

#[test]
fn the_mean_score_of_the_flows_own_samples_is_near_its_test_score() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    here.runner(&format!("sample {run} -n 5000 -o rows.npy")).expect(0);
    here.runner(&format!("score {run} --data rows.npy -o score.npy")).expect(0);
    let array = npyz::NpyFile::new(fs::File::open(here.path("score.npy")).expect("opened")).expect("an array");
    let scores = array.into_vec::<f64>().expect("doubles");
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let summary = &manifest(&trained.run)["summary"];
    let (nll, gap) = (summary["test_nll"].as_f64().expect("it"), summary["gap"].as_f64().expect("it"));
    assert!(gap < 0.3, "trained: {gap}");
    // Both are near the entropy of the data, the flow's own one from the other side.
    assert!((mean + nll).abs() < 0.3, "{mean} {nll}");
}

#[test]
fn rows_come_back_from_latent_space() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    here.runner(&format!("sample {run} -n 1000 -o x.parquet")).expect(0);
    for extension in ["parquet", "csv", "npy"] {
        here.runner(&format!("transform {run} --data x.parquet -o z.{extension}")).expect(0);
        here.runner(&format!("transform {run} --inverse --data z.{extension} -o back.parquet")).expect(0);
        let (x, back) = (parquet(here.path("x.parquet")), parquet(here.path("back.parquet")));
        for name in ["x1", "x2"] {
            assert!(close(&numbers(&x, name), &numbers(&back, name), 1e-3), "{extension} {name}");
        }
    }
    let z = parquet(here.path("z.parquet"));
    let (z1, z2) = (numbers(&z, "z1"), numbers(&z, "z2"));
    let radius = z1.iter().zip(&z2).map(|(a, b)| a * a + b * b).sum::<f64>() / 1000.0;
    assert!((radius - 2.0).abs() < 0.3, "latent rows of samples are standard normal: {radius}");
}

#[test]
fn files_with_other_columns_are_refused_by_name() {
    let (here, trained) = (Workplace::new(), trained());
    let run = trained.run();
    here.write("other.csv", "a,b\n1,2\n");
    here.write("wide.csv", "1,2,3\n4,5,6\n");
    here.write("more.csv", "x2,label,x1\n0.5,7,1.0\n");
    here.write("data.csv", csv(&[[1.0, 0.5]]));
    here.write("bad.csv", "x1,x2\n1,oops\n");
    let cases: &[(&str, &[&str])] = &[
        ("score RUN --data other.csv -o s.csv", &["`other.csv` has no column `x1`", "`a`, `b`"]),
        ("score RUN --data nowhere.csv -o s.csv", &["nowhere.csv"]),
        ("score RUN --data bad.csv -o s.csv", &["`bad.csv`, row 1 (line 2), column `x2`", "oops"]),
        ("transform RUN --inverse --data data.csv -o s.csv", &["`data.csv` has no column `z1`"]),
    ];
    for (command, parts) in cases {
        here.runner(&command.replace("RUN", &run)).expect(2).says(parts);
        assert!(!here.path("s.csv").exists(), "{command}");
    }
    // Columns are found by name, whatever stands beside them.
    here.runner(&format!("score {run} --data more.csv -o more_score.csv")).expect(0);
    here.runner(&format!("score {run} --data data.csv -o data_score.csv")).expect(0);
    let text = |name: &str| fs::read_to_string(here.path(name)).expect("text");
    assert_eq!(text("more_score.csv"), text("data_score.csv"));
}

#[test]
fn dequantised_and_stretched_bytes_have_a_density_that_integrates_to_one_and_samples_within_bounds() {
    let here = Workplace::new();
    // 600 images of 1 × 2 bytes, the second following the first, away from the bounds.
    let first = |i: u32| 128.0 + 60.0 * (f64::from(i) * 0.7).sin();
    let pixels = (0..600).flat_map(|i| [first(i) as u8, (128.0 + 0.5 * (first(i) - 128.0) + f64::from(i % 31)) as u8]);
    let header = [&[0, 0, 8, 3][..], &600u32.to_be_bytes(), &1u32.to_be_bytes(), &2u32.to_be_bytes()].concat();
    here.write("a-images-idx3-ubyte", header.into_iter().chain(pixels).collect::<Vec<u8>>());
    let spec = "[dataset]\npath = \"a-images-idx3-ubyte\"\nlogit = 1e-3\n[model]\ndepth = 4\nwidth = 16\nactivation = \"tanh\"\n\
                [training]\nsteps = 300\nbatch_size = 64\n";
    here.write("bytes.toml", spec);
    here.runner("bytes.toml --quiet").expect(0);
    let folder = here.run_folder("results/bytes", 0);
    let run = folder.display();
    assert!(
        manifest(&folder)["summary"]["bits_per_dim"].as_f64().expect("bits") < 8.0,
        "less than the bytes themselves"
    );

    // The middles of cells of area 1.
    let at = |i: u32| f64::from(i) + 0.5;
    let lines: String = (0..256 * 256).map(|i| format!("{},{}\n", at(i / 256), at(i % 256))).collect();
    here.write("grid.csv", format!("pixel_0_0,pixel_0_1\n{lines}"));
    here.runner(&format!("score {run} --data grid.csv --continuous -o p.parquet")).expect(0);
    let mass: f64 = numbers(&parquet(here.path("p.parquet")), "log_prob").iter().map(|log_prob| log_prob.exp()).sum();
    assert!((mass - 1.0).abs() < 0.02, "{mass}");

    here.runner(&format!("sample {run} -n 2000 -o s.csv")).expect(0);
    here.runner(&format!("score {run} --data s.csv --continuous -o s.parquet")).expect(0);
    here.runner(&format!("transform {run} --data s.csv --continuous -o z.parquet")).expect(0);
    here.runner(&format!("transform {run} --data z.parquet --inverse -o x.parquet")).expect(0);
    let x = parquet(here.path("x.parquet"));
    let samples: Vec<f64> = fs::read_to_string(here.path("s.csv"))
        .expect("samples")
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().and_then(|cell| cell.parse().ok()).expect("a number"))
        .collect();
    assert!(close(&numbers(&x, "pixel_0_0"), &samples, 0.05), "back from latent space");
    // α lets a sample be a little beyond.
    assert!(samples.iter().all(|value| (-0.3..256.3).contains(value)));

    // Rows as the file has them get noise: their mean log p is that of the test rows, not of the cells' corners.
    here.runner(&format!("score {run} --data a-images-idx3-ubyte -o all.parquet")).expect(0);
    let all = numbers(&parquet(here.path("all.parquet")), "log_prob");
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let test_nll = manifest(&folder)["summary"]["test_nll"].as_f64().expect("a number");
    assert!((mean + test_nll).abs() < 0.5, "{mean} against {test_nll}");
    here.write("beyond.csv", "pixel_0_0,pixel_0_1\n1,2\n300,1\n");
    here.runner(&format!("score {run} --data beyond.csv -o beyond.parquet"))
        .expect(0)
        .says(&["1 of 2 rows", "row 2 (line 3), column `pixel_0_0`: 300 with its noise is not between 0 and 256"]);
    let beyond = numbers(&parquet(here.path("beyond.parquet")), "log_prob");
    assert!(beyond[0].is_finite() && beyond[1] == f64::NEG_INFINITY, "{beyond:?}");
}
