//! Flows of what is known of a row given the rest of it.

use std::fs;

use crate::workplace::{Workplace, columns, numbers, parquet, texts};

/// y follows the kind and the age of a row, and is spread by its level.
fn data() -> String {
    let normal = |i: u32| {
        let fraction = |by: f64| (f64::from(i + 1) * by).fract();
        (-2.0 * (1.0 - fraction(0.754_877_666)).ln()).sqrt() * (std::f64::consts::TAU * fraction(0.569_840_291)).cos()
    };
    let row = |i: u32| {
        let (age, kind, level) = (20.0 + f64::from(i * 7 % 41), i % 3, i / 3 % 2);
        let y = [-4.0, 0.0, 6.0][kind as usize] + 0.1 * age + (0.5 + f64::from(level)) * normal(i);
        format!("{y},{age},{},{level}\n", ["cat", "dog", "emu"][kind as usize])
    };
    (0..3000).fold("y,age,kind,level\n".to_owned(), |text, i| text + &row(i))
}

/// An NPY file of rows of so many numbers.
fn npy(columns: usize, values: &[f64]) -> Vec<u8> {
    let shape = format!("({}, {columns})", values.len() / columns);
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

const SPEC: &str = "[dataset]\npath = \"data.csv\"\ncontext = [\"age\", \"kind\", \"level\"]\ncategories = [\"level\"]\n\
                    [model]\nwidth = 32\ncoupling = \"spline\"\n[training]\nsteps = 600\nbatch_size = 128\n";

#[test]
fn a_conditional_flow_scores_samples_and_transforms_what_it_is_given() {
    let here = Workplace::new();
    here.write("data.csv", data());
    here.write("a.toml", SPEC);
    here.runner("a.toml --quiet").expect(0);
    let folder = here.run_folder("results/a", 0);
    let run = folder.display();
    let names = |table: &_| columns(table).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&parquet(folder.join("samples.parquet"))), ["y", "age", "kind", "level"]);

    // Integrals over y at ten contexts.
    let (low, step, cells) = (-20.0, 0.01, 4000);
    let of = |i: usize| format!("{},{},{}", 20 + 4 * i, ["cat", "dog", "emu"][i % 3], i % 2);
    let lines = (0..10).flat_map(|i| (0..cells).map(move |at| format!("{},{}\n", low + step * f64::from(at), of(i))));
    here.write("grid.csv", lines.fold("y,age,kind,level\n".to_owned(), |text, line| text + &line));
    here.runner(&format!("score {run} --data grid.csv -o grid.parquet")).expect(0);
    let density = numbers(&parquet(here.path("grid.parquet")), "log_prob");
    for context in density.chunks_exact(cells as usize) {
        let mass: f64 = context.iter().map(|log_prob| log_prob.exp() * step).sum();
        assert!((mass - 1.0).abs() < 0.01, "{mass}");
    }

    here.runner(&format!("sample {run} -n 2000 --given age=40 --given kind=emu --given level=1 -o s.parquet"))
        .expect(0);
    let samples = parquet(here.path("s.parquet"));
    assert_eq!(names(&samples), ["y", "age", "kind", "level"]);
    let y = numbers(&samples, "y");
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let deviation = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt();
    assert!((mean - 10.0).abs() < 0.5 && (deviation - 1.5).abs() < 0.3, "{mean} ± {deviation}");
    assert!(texts(&samples, "kind").iter().all(|kind| kind == "emu"));

    let few: String = data().lines().take(5).map(|line| format!("{line}\n")).collect();
    here.write("few.csv", &few);
    here.runner(&format!("sample {run} -n 3 --context few.csv -o each.parquet")).expect(0);
    let ages = numbers(&parquet(here.path("each.parquet")), "age");
    assert_eq!(ages, [20.0, 27.0, 34.0, 41.0].into_iter().flat_map(|age| [age; 3]).collect::<Vec<_>>());
    here.runner(&format!("transform {run} --data few.csv -o z.csv")).expect(0);
    here.runner(&format!("transform {run} --data z.csv --inverse -o back.csv")).expect(0);
    let rows = |name: &str| -> Vec<(f64, String)> {
        let text = fs::read_to_string(here.path(name)).expect("text");
        let cells = text.lines().skip(1).map(|line| line.split_once(',').expect("two cells"));
        cells.map(|(y, rest)| (y.parse().expect("a number"), rest.to_owned())).collect()
    };
    for ((back, given), (y, age_kind_level)) in rows("back.csv").into_iter().zip(rows("few.csv")) {
        assert!((back - y).abs() < 1e-3, "{back} {y}");
        let cells = |text: &str| text.split(',').map(|cell| cell.trim_end_matches(".0").to_owned()).collect::<Vec<_>>();
        assert_eq!(cells(&given), cells(&age_kind_level));
    }

    // Without names, in the order of the context; the numbers of an array name no `cat`.
    here.write("two.npy", npy(2, &[40.0, 1.0, 20.0, 0.0]));
    here.runner(&format!("sample {run} -n 2 --context two.npy -o no.csv")).expect(2).says(&[
        "`two.npy`: it has 2 columns without names, and the run's density is conditional on 3: `age`, `kind`, `level`",
    ]);

    here.runner(&format!("sample {run} -n 3 --context few.csv -o few.csv"))
        .expect(2)
        .says(&["would write over `few.csv`"]);
    assert_eq!(fs::read_to_string(here.path("few.csv")).expect("text"), few);

    let without: String = few.lines().map(|line| line.rsplit_once(',').expect("cells").0.to_owned() + "\n").collect();
    here.write("without.csv", without);
    here.write("unknown.csv", few.replace("cat", "cow"));
    let cases = [
        ("score RUN --data without.csv -o no.csv", "`without.csv` has no column `level`"),
        ("score RUN --data unknown.csv -o no.csv", "`kind` has no class `cow`; did you mean `cat`"),
        ("sample RUN -n 2 --context without.csv -o no.csv", "it has no column `level`"),
        ("sample RUN -n 2 --given age=40 --given kind=emu -o no.csv", "lacks `level`"),
        ("sample RUN -n 2 --given age=old --given kind=emu --given level=1 -o no.csv", "`age` is a number"),
        ("sample RUN -n 2 --given size=1 -o no.csv", "the run is conditional on `age`, `kind`, `level`"),
    ];
    for (command, expected) in cases {
        here.runner(&command.replace("RUN", &run.to_string())).expect(2).says(&[expected]);
        assert!(!here.path("no.csv").exists());
    }
}

/// A Gaussian moved to 30 and halved, so that its mean and deviation are known.
#[test]
fn a_toy_under_an_affine_map_is_drawn_at_the_contexts_of_an_array() {
    let here = Workplace::new();
    here.write(
        "moved.toml",
        "[dataset]\nname = \"gaussian\"\naffine = true\ntest = 2000\n[model]\nwidth = 32\nconditional_base = true\n\
         [training]\nsteps = 600\nbatch_size = 128\n",
    );
    here.runner("moved.toml --quiet").expect(0);
    let gap = numbers(&parquet(here.path("results/moved/trials.parquet")), "gap")[0];
    assert!((0.0..0.3).contains(&gap), "{gap}");
    let folder = here.run_folder("results/moved", 0);
    let run = folder.display();
    // turn, log_scale, shift1, shift2
    here.write("two.npy", npy(4, &[0.0, -0.4, 0.9, -0.9, 0.0, 0.4, -0.9, 0.9]));
    here.runner(&format!("sample {run} -n 1000 --context two.npy -o s.parquet")).expect(0);
    let samples = parquet(here.path("s.parquet"));
    let names: Vec<String> = columns(&samples).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x1", "x2", "turn", "log_scale", "shift1", "shift2"]);
    let x1 = numbers(&samples, "x1");
    for (rows, (shift, scale)) in x1.chunks_exact(1000).zip([(0.9, 0.67), (-0.9, 1.49)]) {
        let mean = rows.iter().sum::<f64>() / 1000.0;
        let deviation = (rows.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1000.0).sqrt();
        assert!((mean - shift).abs() < 0.3 && (deviation / scale - 1.0).abs() < 0.3, "{mean} ± {deviation}");
    }
}

#[test]
fn a_base_that_depends_on_a_context_needs_one() {
    let here = Workplace::new();
    here.write("a.toml", "[dataset]\nname = \"moons\"\n[model]\nconditional_base = true\n");
    here.runner("check a.toml").expect(2).says(&[
        "a.toml:4",
        "the density is conditional on nothing",
        "`dataset.context`",
    ]);
}

#[test]
fn a_toy_given_its_component_has_a_gap_a_split_and_a_posterior() {
    let here = Workplace::new();
    here.write(
        "moons.toml",
        "[dataset]\nname = \"moons\"\nnoise = 0.2\ncondition = true\ntest = 2000\n[model]\nwidth = 32\ncoupling = \"spline\"\n\
         [training]\nsteps = 600\nbatch_size = 128\n",
    );
    here.runner("moons.toml --quiet").expect(0);
    let gap = numbers(&parquet(here.path("results/moons/trials.parquet")), "gap")[0];
    assert!((0.0..0.6).contains(&gap), "{gap}");
    let folder = here.run_folder("results/moons", 0);
    let run = folder.display();
    assert!(folder.join("density.png").exists());
    here.runner(&format!("plot {run}")).expect(0);
    assert!(folder.join("plots/density.png").exists());
    here.runner(&format!("split {run} -o parts")).expect(0);
    let parts = fs::read_to_string(here.path("parts/test.csv")).expect("rows");
    assert!(parts.starts_with("x1,x2,component\n") && parts.contains(",upper\n"), "{}", &parts[..40]);

    here.runner(&format!("score {run} --data parts/test.csv --posterior -o p.parquet"))
        .expect(0)
        .says(&["accuracy 0.9"]);
    let table = parquet(here.path("p.parquet"));
    let names: Vec<String> = columns(&table).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["p(component=upper)", "p(component=lower)", "log_prob"]);
    let of = |name: &str| numbers(&table, name);
    here.runner(&format!("score {run} --data parts/test.csv -o given.parquet")).expect(0);
    let given = numbers(&parquet(here.path("given.parquet")), "log_prob");
    let classes = parts.lines().skip(1).map(|line| line.rsplit_once(',').expect("cells").1);
    let rows = of(&names[0]).into_iter().zip(of(&names[1])).zip(of("log_prob")).zip(given).zip(classes);
    let mut upper = Vec::new();
    for ((((p_upper, p_lower), log_prob), given), class) in rows {
        assert!((p_upper + p_lower - 1.0).abs() < 1e-9);
        // p(class) = p(class | x) p(x) / p(x | class).
        let p = if class == "upper" { p_upper } else { p_lower };
        let prior = (p.ln() + log_prob - given).exp();
        let of_upper = if class == "upper" { prior } else { 1.0 - prior };
        assert!((of_upper - 0.5).abs() < 0.02, "{of_upper}");
        upper.push(of_upper);
    }
    assert!(upper.iter().all(|share| (share - upper[0]).abs() < 1e-6), "one prior for all rows");

    let told = here.runner(&format!("diagnose {run} --rows 300")).expect(0).stdout;
    for part in [
        "calibration, by feature",
        "99 samples at the context of each of 300 test rows",
        "against a Gaussian given the context",
        "component = ",
        "calibration.png",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let found: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("diagnose.json")).expect("a file")).expect("JSON");
    let calibration = &found["calibration"];
    assert_eq!((&calibration["rows"], &calibration["draws"]), (&300.into(), &99.into()));
    assert_eq!((&calibration["features"][1]["name"], &found["energy"]["rows"]), (&"x2".into(), &[150, 150][..].into()));
    // Without one class, its rows lie far from one line.
    assert!(found["baselines"]["chosen"][0]["better"].as_f64().expect("a number") > 0.0);
    here.runner("report results/moons").expect(0);
    let page = fs::read_to_string(here.path("results/moons/report.html")).expect("a page");
    assert!(page.contains("Ranks of rows among samples"), "the picture stands in the report");

    here.write("features.csv", "x1,x2\n0,1\n1,-0.5\n");
    let alone = here.runner(&format!("score {run} --data features.csv --posterior -o features.parquet")).expect(0);
    assert!(!alone.stderr.contains("accuracy"), "{alone:?}");
    let p = numbers(&parquet(here.path("features.parquet")), "p(component=upper)");
    assert!(p[0] > 0.9 && p[1] < 0.1, "{p:?}");
    here.write("plain.toml", "[dataset]\nname = \"moons\"\n[model]\nwidth = 4\n[training]\nsteps = 1\n");
    here.runner("plain.toml --quiet").expect(0);
    let plain = here.run_folder("results/plain", 0);
    here.runner(&format!("score {} --data features.csv --posterior -o no.csv", plain.display()))
        .expect(2)
        .says(&["--posterior: the run is unconditional"]);
}
