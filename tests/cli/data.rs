//! Data of the user's own: nothing that a file says is rounded, and data that have changed are noticed.

use std::fs;

use crate::workplace::{Workplace, manifest, numbers, parquet};

/// Numbers that look drawn from a normal distribution, the same for the same place.
fn normal(place: usize) -> f64 {
    let u = ((place + 1) as f64 * 0.754_877_666_246_692_7).fract();
    let v = ((place + 1) as f64 * 0.569_840_290_998_053_2).fract();
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// 400 rows of two columns, a line each.
fn table(a: impl Fn(f64) -> f64, b: impl Fn(f64) -> f64) -> String {
    let rows = (0..400).map(|i| format!("{:?},{:?}\n", a(normal(i)), b(normal(1000 + i))));
    "a,b\n".to_owned() + &rows.collect::<String>()
}

fn spec(data: &str, more: &str) -> String {
    format!(
        "[dataset]\n{data}\n[model]\ncoupling = \"affine\"\ndepth = 2\nwidth = 16\n[training]\nsteps = 40\nbatch_size = 64\n{more}\n"
    )
}

#[test]
fn an_offset_or_a_unit_of_a_column_changes_nothing_but_the_jacobian() {
    let here = Workplace::new();
    // Julian dates, GPS seconds with milliseconds, and numbers near the ends of what 64 bits hold.
    let places = [
        ("plain", 0.0, 1.0),
        ("date", 2_460_000.5, 1.0),
        ("time", 1.7e9, 1e-3),
        ("tiny", 0.0, 1e-160),
        ("huge", 0.0, 1e200),
    ];
    for (name, offset, unit) in places {
        here.write(&format!("{name}.csv"), table(|x| offset + unit * x, |x| x));
        here.write(&format!("{name}.toml"), spec(&format!("path = \"{name}.csv\""), ""));
    }
    let specs: Vec<String> = places.iter().map(|(name, ..)| format!("{name}.toml")).collect();
    here.runner(&format!("{} --quiet", specs.join(" "))).expect(0);
    let nll = |name: &str| numbers(&parquet(here.path(format!("results/{name}/trials.parquet"))), "test_nll")[0];
    for (name, offset, unit) in places {
        let expected = nll("plain") + f64::ln(unit);
        assert!((nll(name) - expected).abs() < 1e-3, "{name}: {} where {expected} was expected", nll(name));
        // To latent space and back: to a millionth of the column's deviation.
        let run = here.run_folder(&format!("results/{name}"), 0);
        here.runner(&format!("transform {} --data {name}.csv -o z.npy", run.display())).expect(0);
        here.runner(&format!("transform {} --data z.npy -o back.parquet --inverse", run.display())).expect(0);
        let back = numbers(&parquet(here.path("back.parquet")), "a");
        let worst = (0..400).map(|i| ((back[i] - (offset + unit * normal(i))) / unit).abs()).fold(0.0, f64::max);
        // A time has this many digits itself.
        let digits = 4.0 * f64::EPSILON * offset / unit;
        assert!(worst < 1e-6 + digits, "{name}: {worst}");
    }
}

/// Every batch is the whole training part, so that only the order of sums tells the two apart.
#[test]
fn a_fit_to_weighted_rows_is_that_to_rows_which_come_as_many_times() {
    let here = Workplace::new();
    let times = |i: usize| 1 + i % 3;
    let cells = |i: usize| format!("{:?},{:?}", normal(i), (normal(1000 + i) + normal(i)).exp());
    for (part, first, rows) in [("train", 0, 120), ("validation", 120, 60), ("test", 180, 60)] {
        let weighted = (first..first + rows).map(|i| format!("{},{}\n", cells(i), 0.25 * times(i) as f64));
        here.write(&format!("{part}.csv"), "a,b,w\n".to_owned() + &weighted.collect::<String>());
        let repeated = (first..first + rows).map(|i| (cells(i) + "\n").repeat(times(i)));
        here.write(&format!("{part}-again.csv"), "a,b\n".to_owned() + &repeated.collect::<String>());
    }
    let spec = |end: &str, weight: &str| {
        let files = ["train", "validation", "test"].map(|part| format!("{part} = \"{part}{end}.csv\"\n")).concat();
        let more = "evaluate_every = 40\n[optimizer]\nlearning_rate = 0.01";
        let data = files + weight + "transform = { b = \"log\" }";
        spec(&data, more).replace("batch_size = 64\n", "")
    };
    here.write("repeated.toml", spec("-again", ""));
    here.write("weighted.toml", spec("", "weight = \"w\"\n"));
    here.write(
        "composed.toml",
        spec("", "weight = -1\n").replace("evaluate_every", "kernel = \"composed\"\nevaluate_every"),
    );
    for name in ["repeated", "weighted", "composed"] {
        here.runner(&format!("{name}.toml --quiet")).expect(0);
    }
    let found = |name: &str, of: &str| numbers(&parquet(here.path(format!("results/{name}/trials.parquet"))), of)[0];
    for of in ["train_nll", "validation_nll", "test_nll", "test_nll_standardized"] {
        let expected = found("repeated", of);
        for name in ["weighted", "composed"] {
            assert!((found(name, of) - expected).abs() < 2e-3, "{name}, {of}: {} {expected}", found(name, of));
        }
    }
    // 60 rows with weights 1, 2 and 3: 20·(1 + 2 + 3) squared by 20·(1 + 4 + 9).
    let data = &manifest(&here.run_folder("results/weighted", 0))["data"];
    let effective = data["effective"]["test"].as_f64().expect("a number");
    assert!((effective - 120.0 * 120.0 / 280.0).abs() < 1e-9, "{effective}");
    here.runner("check weighted.toml")
        .expect(0)
        .says(&["weighted by `w`, 120 training rows tell as much of a mean as 103"]);
    let same = format!("split {} -o parts", here.run_folder("results/weighted", 0).display());
    here.runner(&same).expect(0);
    let parts = fs::read_to_string(here.path("parts/test.csv")).expect("a table");
    assert!(parts.starts_with("a,b,w,"), "{parts}");
}

#[test]
fn a_finished_run_says_that_its_data_have_changed_and_is_trained_again_only_when_asked() {
    let here = Workplace::new();
    here.write("a.csv", table(|x| x, |x| x));
    here.write("a.toml", spec("path = \"a.csv\"", ""));
    here.runner("a.toml").expect(0);
    let run = here.run_folder("results/a", 0);
    let first = manifest(&run);
    assert_eq!((&first["data"]["train"], &first["data"]["test"]), (&320.into(), &40.into()));
    assert_eq!(first["data"]["files"][0]["bytes"], fs::metadata(here.path("a.csv")).expect("a file").len());
    assert!(first["data"]["files"][0]["modified"].as_str().is_some_and(|time| time.ends_with('Z')), "{first}");

    let again = here.runner("a.toml").expect(0);
    assert!(!again.stderr.contains("have changed"), "{}", again.stderr);
    // Written anew with the same values: the same data.
    here.write("a.csv", table(|x| x, |x| x).replace('\n', "\r\n"));
    let again = here.runner("a.toml").expect(0);
    assert!(!again.stderr.contains("have changed"), "{}", again.stderr);

    here.write("a.csv", table(|x| 10.0 * x, |x| x));
    here.runner("a.toml").expect(0).says(&["its data have changed since", "`--fresh` trains it again"]);
    assert_eq!(manifest(&run), first);
    here.runner("a.toml --fresh").expect(0);
    assert_ne!(manifest(&run)["data"]["sha256"], first["data"]["sha256"]);
}

#[test]
fn an_interrupted_run_does_not_go_on_with_other_data() {
    let here = Workplace::new();
    here.write("a.csv", table(|x| x, |x| x));
    here.write("a.toml", spec("path = \"a.csv\"", ""));
    here.runner("a.toml").expect(0);
    let run = here.run_folder("results/a", 0);
    // As a run that was stopped leaves it.
    let path = run.join("manifest.json");
    let text = fs::read_to_string(&path).expect("a manifest");
    fs::write(&path, text.replace("\"finished\"", "\"interrupted\"")).expect("written");
    let files = |names: [&str; 2]| names.map(|name| fs::read(run.join(name)).expect("a file"));
    let before = files(["manifest.json", "checkpoints/last.safetensors"]);
    here.write("a.csv", table(|x| x, |x| x + 1.0));
    let refused = ["its data have changed since it was interrupted", "bring the earlier data back"];
    here.runner("a.toml").expect(1).says(&refused);
    assert_eq!(files(["manifest.json", "checkpoints/last.safetensors"]), before, "nothing is lost");

    // A run of a release that kept no digest is held to the mean and deviation of its checkpoint.
    let mut old: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    old.as_object_mut().expect("a table").remove("data");
    old["status"] = "interrupted".into();
    fs::write(&path, old.to_string()).expect("written");
    here.runner("a.toml").expect(1).says(&["mean ± deviation of `b` was"]);
    here.write("a.csv", table(|x| x, |x| x));
    here.runner("a.toml").expect(0);
    assert_eq!(manifest(&run)["data"]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn check_tells_what_makes_likelihoods_grow_without_bound() {
    let here = Workplace::new();
    let rows = (0..400).map(|i| {
        let (a, b) = (normal(i), normal(1000 + i));
        let outlier = if i == 99 { 1e6 } else { normal(2000 + i) };
        format!("{a:?},{b:?},{:?},{:?},{outlier:?}\n", a + 2.0 * b, if i % 2 == 0 { 0.0 } else { normal(3000 + i) })
    });
    here.write("a.csv", "a,b,sum,half,far\n".to_owned() + &rows.collect::<String>());
    here.write("a.toml", spec("path = \"a.csv\"", ""));
    let told = [
        "`sum` is a linear function of `a`, `b`",
        "`half` is 0 in 5",
        "`far` is 1000000 in row 100 of `a.csv`",
        "`drop`",
    ];
    here.runner("check a.toml").expect(0).says(&told);
    // Training rows that are tested on, too.
    here.write("b.csv", table(|x| x, |x| x));
    here.write("b.toml", spec("path = \"b.csv\"\ntest = \"b.csv\"\ntrain = 0.9", ""));
    here.runner("check b.toml").expect(0).says(&["`train` and `test` share 360 rows of `b.csv`"]);
}

#[test]
fn a_small_table_is_learned_without_a_word_on_batches() {
    let here = Workplace::new();
    let small: String = table(|x| x, |x| x).lines().take(61).map(|line| format!("{line}\n")).collect();
    here.write("a.csv", &small);
    for (name, data) in
        [("one", "path = \"a.csv\""), ("own", "train = \"a.csv\"\nvalidation = \"a.csv\"\ntest = \"a.csv\"")]
    {
        let text = spec(data, "").replace("batch_size = 64\n", "");
        here.write(&format!("{name}.toml"), text);
        here.runner(&format!("{name}.toml")).expect(0);
        // What a run leaves as its spec can be run again.
        let run = here.run_folder(&format!("results/{name}"), 0);
        here.runner(&format!("check {}", run.join("spec.toml").display())).expect(0);
    }
    // Asked for, it is an error at its place.
    here.write("a.toml", spec("path = \"a.csv\"", ""));
    here.runner("a.toml").expect(2).says(&["48 training rows are fewer than a batch of 64", "a.toml:9"]);
}
