//! `runner diagnose`, on runs that were trained here.

use std::fs;

use crate::workplace::{SMALL, Workplace};

#[test]
fn a_run_is_diagnosed_and_what_was_found_lies_in_its_folder() {
    let here = Workplace::new();
    here.write("moons.toml", SMALL.replace("[model]", "[model]\ncoupling = \"affine\"\nmixing = \"none\""));
    here.runner("moons.toml --quiet").expect(0);
    let run = here.run_folder("results/moons", 0);
    let told = here.runner(&format!("diagnose {}", run.display())).expect(0).stdout;
    // After sixty steps two moons are still one cloud.
    for part in ["Not a good fit", "latent coordinates", "z of x1", "against a Gaussian", "lowest density"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let text = fs::read_to_string(run.join("diagnose.json")).expect("a file");
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&found["rows"], &found["experiment"]), (&500.into(), &"moons".into()));
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("manifest.json")).expect("a file")).expect("JSON");
    // The same rows are scored as when the run ended.
    let nll = |value: &serde_json::Value| value.as_f64().expect("a number");
    assert!((nll(&found["baselines"]["flow"]) - nll(&manifest["summary"]["test_nll"])).abs() < 1e-9);
    assert!(found["energy"]["p"].as_f64().expect("a number") < 0.05);
    for picture in ["latents", "lengths", "quantiles"] {
        assert!(run.join(format!("plots/{picture}.png")).is_file(), "{picture}");
    }
    // Again, and the same; nothing of it stands in the way of the run.
    here.runner(&format!("diagnose {}", run.display())).expect(0);
    assert_eq!(fs::read_to_string(run.join("diagnose.json")).expect("a file"), text);
    here.runner("report results/moons").expect(0);
    let page = || fs::read_to_string(here.path("results/moons/report.html")).expect("a page");
    assert!(page().contains("Goodness of fit") && page().contains("Not a good fit"));
    here.runner("moons.toml --quiet --fresh").expect(0);
    here.runner("report results/moons").expect(0);
    assert!(!page().contains("Goodness of fit"), "the verdict is of a run that is no more");
}

#[test]
fn of_an_experiment_the_best_run_is_diagnosed_on_as_many_rows_as_asked() {
    let here = Workplace::new();
    here.write("moons.toml", format!("{SMALL}\n[sweep.parameters]\n\"optimizer.learning_rate\" = [1e-9, 1e-2]\n"));
    here.runner("moons.toml --quiet").expect(0);
    let ended = here.runner("diagnose results/moons --rows 100 --seed 3").expect(0);
    assert!(ended.stderr.contains("learning_rate=0.01"), "{}", ended.stderr);
    assert!(ended.stdout.contains("learning_rate=0.01") && ended.stdout.contains("diagnose.json"), "{}", ended.stdout);
    let runs = here.run_folders("results/moons", 0);
    assert_eq!(runs.iter().filter(|run| run.join("diagnose.json").is_file()).count(), 1);
    here.runner("diagnose results/moons --rows 3").expect(2);
    here.runner("diagnose results/moons --device gpu").expect(2).says(&["gpu"]);
    here.runner("diagnose results/nothing").expect(2).says(&["results/nothing: there is nothing of that name"]);
    here.runner("diagnose moons").expect(2).says(&["there is nothing of that name; did you mean `results/moons`?"]);
    for run in &runs {
        let path = run.join("manifest.json");
        let text = fs::read_to_string(&path).expect("a file").replace("\"finished\"", "\"interrupted\"");
        fs::write(&path, text).expect("written");
    }
    here.runner("diagnose results/moons")
        .expect(2)
        .says(&["no finished run there", "interrupted at step 60; run the spec again"]);
    here.runner(&format!("diagnose {}", runs[0].display())).expect(0).says(&["warning", "interrupted at step 60"]);
}

#[test]
fn strange_rows_are_told_as_the_file_has_them() {
    let here = Workplace::new();
    // The seventh test row lies far from all others; the second column is a count that gets noise.
    let rows = |count: u32, strange: u32| -> String {
        let row = |i: u32| match i == strange {
            true => "9.5,40\n".to_owned(),
            false => format!("{},{}\n", f64::from(i * 7 % 31) / 31.0, i % 3),
        };
        "length,count\n".to_owned() + &(1..=count).map(row).collect::<String>()
    };
    here.write("rows.csv", rows(200, 0));
    here.write("test.csv", rows(30, 7));
    here.write(
        "table.toml",
        "[dataset]\npath = \"rows.csv\"\ntest = \"test.csv\"\ndequantize = [0.0, 1.0]\n[model]\ndepth = 2\nwidth = 8\n\
         [training]\nsteps = 20\n",
    );
    here.runner("table.toml --quiet").expect(0);
    let told = here.runner("diagnose results/table").expect(0).stdout;
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = lines.iter().position(|words| words.starts_with(&["row", "of", "the", "file"])).expect("a table");
    assert!(lines[head].ends_with(&["length", "count"]), "{told}");
    assert_eq!((lines[head + 1][0], &lines[head + 1][2..]), ("7", &["9.5000", "40.0000"][..]), "{told}");
    here.runner("report results/table").expect(0);
    let page = fs::read_to_string(here.path("results/table/report.html")).expect("a page");
    assert!(page.contains("row of the file") && page.contains("40.0000"));
}
