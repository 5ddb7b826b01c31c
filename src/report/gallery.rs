use super::*;
use crate::matrix::Matrix;
fn rng() -> impl FnMut() -> f64 {
    let mut s = 12345u64;
    move || {
        s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((s >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
}
fn normal(u: &mut impl FnMut() -> f64) -> f64 {
    let (a, b) = (u(), u());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
fn moons(n: usize, noise: f64, u: &mut impl FnMut() -> f64) -> Matrix {
    let mut v = vec![];
    for i in 0..n {
        let t = std::f64::consts::PI * u();
        let (x, y) = if i % 2 == 0 { (t.cos(), t.sin()) } else { (1.0 - t.cos(), 0.5 - t.sin()) };
        v.push((x + noise * normal(u)) as f32);
        v.push((y + noise * normal(u)) as f32);
    }
    Matrix::new(v, 2)
}
fn moons_logp(x: f64, y: f64, s: f64) -> f64 {
    let m = 400;
    let mut p = 0.0;
    for i in 0..m {
        let t = std::f64::consts::PI * (i as f64 + 0.5) / m as f64;
        for (cx, cy) in [(t.cos(), t.sin()), (1.0 - t.cos(), 0.5 - t.sin())] {
            p += (-((x - cx).powi(2) + (y - cy).powi(2)) / (2.0 * s * s)).exp();
        }
    }
    (p / (2.0 * m as f64) / (std::f64::consts::TAU * s * s)).ln()
}
fn grid(x: [f64; 2], y: [f64; 2], c: usize, r: usize, f: impl Fn(f64, f64) -> f64) -> DensityGrid {
    let p = DensityGrid::points(x, y, c, r);
    DensityGrid { x, y, columns: c, rows: r, log_prob: p.iter_rows().map(|p| f(p[0] as f64, p[1] as f64)).collect() }
}
fn put(name: &str, p: crate::train::Picture) {
    std::fs::write(format!("/tmp/gallery/{name}.png"), p.png).unwrap();
    println!("{name} {}x{}", p.width, p.height);
}
#[test]
#[ignore]
fn gallery() {
    std::fs::create_dir_all("/tmp/gallery").unwrap();
    let mut u = rng();
    let data = moons(20000, 0.05, &mut u);
    let sam = moons(5000, 0.08, &mut u);
    let (x, y) = (limits::column_limits(&data, 0), limits::column_limits(&data, 1));
    put(
        "density",
        density_picture(
            &grid(x, y, 300, 200, |a, b| moons_logp(a, b, 0.05)),
            "moons · base-3f9a2c1d · seed 0",
            ["x1", "x2"],
        )
        .unwrap(),
    );
    let long = "depth=8,optimizer.learning_rate=0.001,width=128,batch_norm=true,schedule=cosine-3f9a2c1d · seed 0 · test NLL 0.3412";
    put(
        "density_long",
        density_picture(
            &grid([-1.0, 1.0], [-3.0, 3.0], 100, 300, |a, b| {
                -0.5 * (a * a * 9.0 + b * b) - 20.0 + if a * a + b * b < 0.001 { 3.0 } else { 0.0 }
            }),
            long,
            ["a rather long column name that goes on and on [mm]", "pressure at the wall [Pa]"],
        )
        .unwrap(),
    );
    put(
        "density_units",
        density_picture(
            &grid([1.0e5, 9.0e5], [0.001, 0.0012], 200, 200, |a, b| {
                if a < 1.5e5 { f64::NAN } else { -0.5 * (((a - 5e5) / 1e5).powi(2) + ((b - 0.0011) / 3e-5).powi(2)) }
            }),
            "mixed units",
            ["income", "rate"],
        )
        .unwrap(),
    );
    let t = std::time::Instant::now();
    put("samples", samples_picture(&data, &sam, "moons · base-3f9a2c1d · seed 0", ["x1", "x2"]).unwrap());
    println!("{:?}", t.elapsed());
    let few = moons(300, 0.05, &mut u);
    let mut wild = moons(300, 0.4, &mut u);
    wild.as_mut_slice()[0] = 1e6;
    put("samples_few", samples_picture(&few, &wild, long, ["x1", "x2"]).unwrap());
    let square = Matrix::new(
        (0..20000)
            .flat_map(|_| {
                let a = u();
                let b = u();
                [(a * 4.0 - 2.0) as f32, (b * 4.0 - 2.0) as f32]
            })
            .collect(),
        2,
    );
    put("samples_square", samples_picture(&square, &square, "checkerboard", ["x1", "x2"]).unwrap());
    for (name, n) in [("pairs3", 3), ("pairs6", 6), ("pairs64", 64), ("pairs2", 2)] {
        let mut make = |w: f64| {
            Matrix::new(
                (0..4000)
                    .flat_map(|_| {
                        let z = normal(&mut u);
                        (0..n)
                            .map(|i| {
                                ((z * 0.7 * if i % 2 == 0 { 1.0 } else { -1.0 } + w * normal(&mut u))
                                    * 10f64.powi(i as i32 % 4 - 1)
                                    + if i == 1 { 1000.0 } else { 0.0 }) as f32
                            })
                            .collect::<Vec<_>>()
                    })
                    .collect(),
                n,
            )
        };
        let (d, s) = (make(0.5), make(0.6));
        let names: Vec<String> =
            (0..n).map(|i| if i == 2 { "sepal length in cm (mean)".into() } else { format!("feature {i}") }).collect();
        let names: Vec<&str> = names.iter().map(|s| &**s).collect();
        let t = std::time::Instant::now();
        put(name, pair_picture(&d, &s, "power · base-3f9a2c1d · seed 0", &names).unwrap());
        println!("{:?}", t.elapsed());
    }
    let d1: Vec<f32> =
        (0..20000).map(|i| (if i % 3 == 0 { -2.0 } else { 1.0 } + 0.5 * normal(&mut u)) as f32).collect();
    let xs: Vec<f64> = (0..400).map(|i| -5.0 + 10.0 * i as f64 / 399.0).collect();
    let g = |x: f64, m: f64| (-(x - m).powi(2) / 0.5).exp() / (std::f64::consts::TAU * 0.25).sqrt();
    let lp: Vec<f64> = xs.iter().map(|&x| (g(x, -2.0) / 3.0 + g(x, 1.0) * 2.0 / 3.0).ln()).collect();
    put("d1", density_1d_picture(&xs, &lp, &d1, "one feature · base-3f9a2c1d · seed 0", "duration [s]").unwrap());
    let mut c = canvas::Canvas::new(900.0, 120.0).unwrap();
    c.shade(canvas::Rect { left: 0.0, top: 0.0, width: 900.0, height: 60.0 }, |x, _| colormap::color(x));
    c.shade(canvas::Rect { left: 0.0, top: 60.0, width: 900.0, height: 60.0 }, |x, _| {
        let [r, g, b] = colormap::color(x);
        let l = (0.2126 * r as f64 + 0.7152 * g as f64 + 0.0722 * b as f64) as u8;
        [l, l, l]
    });
    put("map", c.finish("x").unwrap());
    use crate::train::*;
    let run = |s, st, n: f64| {
        (
            s,
            st,
            Summary {
                test_nll: Some(n),
                gap: Some(n - 0.3),
                seconds: 12.3 * n * 30.0,
                samples_per_second: 85e3 * n,
                ..Default::default()
            },
        )
    };
    let t = vec![
        (
            "depth=4,optimizer.learning_rate=0.001-3f9a2c1d".to_string(),
            vec![run(0, Status::Finished, 0.3512), run(1, Status::Finished, 0.3487), run(2, Status::Diverged, 1.0)],
        ),
        (
            "depth=8,optimizer.learning_rate=0.001-7c9a2c1d".to_string(),
            vec![run(0, Status::Finished, 0.3312), run(1, Status::Finished, 0.3287)],
        ),
    ];
    for w in [None, Some(100), Some(80), Some(60)] {
        println!("{}", summary_table(&summarize(&t), w));
    }
}
